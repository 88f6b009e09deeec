/* test_record.c: records of what made a file: entries, samplers as texts, JSON, PNG, npz, and files that are no records. */
#include "helper_fixture.h"
#include "io/npz.h"
#include "io/png.h"
#include "model/model_internal.h"

#include "bfn/record.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

static bfn_record *record;

static void test_entries(void **state)
{
    (void)state;
    assert_ok(bfn_record_create(ctx, &record));
    assert_ok(bfn_record_set(record, "method", "ode2m"));
    assert_ok(bfn_record_set_count(record, "seed", UINT64_MAX));
    assert_ok(bfn_record_set_number(record, "eta", 0.001));
    assert_ok(bfn_record_set(record, "method", "sde2m"));
    assert_int_equal(bfn_record_n(record), 3);
    assert_string_equal(bfn_record_key(record, 0), "method");
    assert_string_equal(bfn_record_value(record, 0), "sde2m");
    assert_string_equal(bfn_record_get(record, "seed"), "18446744073709551615");
    assert_string_equal(bfn_record_get(record, "eta"), "0.001");
    assert_null(bfn_record_get(record, "nothing"));
    assert_says(bfn_record_set(record, "a b", ""), BFN_ERR_ARGUMENT, "found the key \"a b\"");
    assert_says(bfn_record_set(record, "", ""), BFN_ERR_ARGUMENT, "found the key \"\"");
    char key[16];
    for (int i = 0; i < 253; i++) {
        snprintf(key, sizeof key, "k%d", i);
        assert_ok(bfn_record_set(record, key, ""));
    }
    assert_says(bfn_record_set(record, "onemore", ""), BFN_ERR_ARGUMENT, "more than 256");
    bfn_record_destroy(record);
    bfn_record_destroy(NULL);
}

/* "key=value;" of all entries. */
static const char *joined(const bfn_record *r)
{
    static char text[1024];
    text[0] = '\0';
    for (size_t i = 0; i < bfn_record_n(r); i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s=%s;", bfn_record_key(r, i),
                 bfn_record_value(r, i));
    return text;
}

static void check_solver(bfn_flow flow, bfn_solver_options solver, bfn_clip clip, const char *wanted)
{
    assert_ok(bfn_record_create(ctx, &record));
    assert_ok(bfn_record_solver(record, &flow, &solver, clip));
    assert_string_equal(joined(record), wanted);
    bfn_record_destroy(record);
}

static void test_solvers(void **state)
{
    (void)state;
    static const double times[] = {0.1, 0.25, 1.0};
    bfn_flow grey = BFN_FLOW_INIT, text = BFN_FLOW_INIT;
    text.kind = BFN_DATA_DISCRETE;
    text.n_classes = 27;
    text.max_sqrt_beta = 0.75;
    text.min_variance = text.clip = 0.0;
    bfn_solver_options s = BFN_SOLVER_OPTIONS_INIT;
    s.n_evaluations = 7;
    check_solver(grey, s, BFN_CLIP_DYNAMIC,
                 "method=ode2m;evaluations=7;steps=7;grid=logsnr;eta=0.001;start=zero;last=predict;prediction=mean;"
                 "clip=dynamic;");
    s.corrector = 1;
    s.grid = BFN_GRID_POWER;
    s.power = 1.2;
    s.last = BFN_LAST_CALL;
    s.start = BFN_START_MOMENTS;
    check_solver(text, s, BFN_CLIP_STATIC,
                 "method=ode2m;corrector=on;evaluations=7;steps=6;grid=power:1.2;eta=0.001;start=moments;last=call;"
                 "prediction=mean;");
    s = (bfn_solver_options)BFN_SOLVER_OPTIONS_INIT;
    s.grid = BFN_GRID_LIST;
    s.times = times;
    s.n_times = 3;
    s.noise = 0.3;
    s.noise_is_set = 1;
    assert_ok(bfn_method_parse(ctx, "sde_bfnsolver1", &s)); /* a published name stays one: it has slips of its own */
    check_solver(text, s, BFN_CLIP_STATIC,
                 "method=sde_bfnsolver1;evaluations=2;steps=2;grid=list:0.1,0.25,1;eta=0.1;start=zero;last=predict;"
                 "prediction=mean;noise=0.3;");
    s = (bfn_solver_options)BFN_SOLVER_OPTIONS_INIT;
    s.method = BFN_METHOD_BFN;
    s.n_steps = 4;
    check_solver(text, s, BFN_CLIP_STATIC,
                 "method=bfn;evaluations=5;steps=4;grid=time;eta=0;start=zero;last=call;prediction=draw;");
    s.n_evaluations = 5;
    assert_ok(bfn_record_create(ctx, &record));
    assert_says(bfn_record_solver(record, &text, &s, BFN_CLIP_STATIC), BFN_ERR_ARGUMENT, "n_steps");
    bfn_record_destroy(record);
}

static void make_record(void)
{
    assert_ok(bfn_record_create(ctx, &record));
    assert_ok(bfn_record_set(record, "method", "ode2m"));
    assert_ok(bfn_record_set(record, "infill", "\"naïve\"\\\n"));
}

static void check_file(const char *path)
{
    bfn_record *found;
    assert_ok(bfn_record_load(ctx, &found, path));
    assert_string_equal(joined(found), joined(record));
    bfn_record_destroy(found);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_beside(void **state)
{
    (void)state;
    make_record();
    write_text(scratch("s.txt"), "the sample\n");
    assert_ok(bfn_record_save(ctx, record, scratch("s.txt.json")));
    check_file(scratch("s.txt"));
    bfn_record_destroy(record);
}

static void test_png(void **state)
{
    (void)state;
    uint8_t pixels[4] = {0, 80, 160, 255};
    const bfn__image image = {.pixels = pixels, .H = 2, .W = 2, .C = 1};
    make_record();
    assert_ok(bfn_record_set(record, "infill", "naïve _")); /* iTXt beside tEXt; lines stay whole */
    const bfn__png_text texts[] = {{"Software", "bfn"},
                                   {"bfn.method", bfn_record_get(record, "method")},
                                   {"bfn.infill", bfn_record_get(record, "infill")},
                                   {"other.method", "x"}};
    assert_ok(bfn__png_save(ctx, scratch("s.png"), &image, texts, 4));
    check_file(scratch("s.png"));
    bfn_record_destroy(record);
    bfn_record *none;
    assert_ok(bfn__png_save(ctx, scratch("s.png"), &image, texts, 1));
    assert_says(bfn_record_load(ctx, &none, scratch("s.png")), BFN_ERR_INPUT, "s.png: holds no record");
    assert_null(none);
}

static void test_npz(void **state)
{
    (void)state;
    make_record();
    char *json;
    assert_ok(bfn_record_json(record, &json));
    bfn__st_tensor member = {.name = "provenance", .dtype = BFN__DTYPE_U8, .rank = 1, .shape = {strlen(json)}};
    member.data = json;
    member.count = member.bytes = strlen(json);
    assert_ok(bfn__npz_save(ctx, scratch("s.npz"), &member, 1, true));
    check_file(scratch("s.npz"));
    member.name = "arr_0";
    assert_ok(bfn__npz_save(ctx, scratch("s.npz"), &member, 1, true));
    bfn_record *none;
    assert_says(bfn_record_load(ctx, &none, scratch("s.npz")), BFN_ERR_INPUT, "holds no record");
    bfn_record_free_text(record, json);
    bfn_record_destroy(record);
}

static void add_chunk(unsigned char *file, size_t *at, const char *type, const void *data, size_t n)
{
    unsigned char *chunk = file + *at;
    for (size_t i = 0; i < 4; i++)
        chunk[i] = (unsigned char)(n >> (24 - 8 * i));
    memcpy(chunk + 4, type, 4);
    memcpy(chunk + 8, data, n);
    uLong crc = crc32(0, chunk + 4, (uInt)n + 4);
    for (size_t i = 0; i < 4; i++)
        chunk[8 + n + i] = (unsigned char)(crc >> (24 - 8 * i));
    *at += n + 12;
}

/* 100,000 entries of one key: the first counts, and each is looked at once. */
static void test_many_entries(void **state)
{
    (void)state;
    enum { N = 100000, CHUNK = 12 + 8 };
    unsigned char *file = malloc(8 + (size_t)N * CHUNK);
    size_t at = 8;
    bool inside = false;
    assert_non_null(file);
    memcpy(file, "\x89PNG\r\n\x1a\n", 8);
    add_chunk(file, &at, "tEXt", "bfn.a\0001", 7);
    for (size_t i = 1; i < N; i++)
        add_chunk(file, &at, "tEXt", "bfn.a\00022", 8);
    assert_ok(bfn_record_create(ctx, &record));
    clock_t begin = clock();
    assert_ok(bfn__record_parse(ctx, record, file, at, "s.png", &inside));
    assert_true((double)(clock() - begin) / CLOCKS_PER_SEC < 2.0); /* walking the file for each takes hours */
    assert_true(inside && bfn_record_n(record) == 1);
    assert_string_equal(bfn_record_get(record, "a"), "1");
    bfn_record_destroy(record);
    free(file);
}

static void refuse_json(const char *text, const char *words)
{
    bfn_record *none;
    write_text(scratch("s.txt"), "x");
    write_text(scratch("s.txt.json"), text);
    assert_says(bfn_record_load(ctx, &none, scratch("s.txt")), BFN_ERR_INPUT, words);
    assert_null(none);
}

static void test_refused(void **state)
{
    (void)state;
    bfn_record *none;
    assert_says(bfn_record_load(ctx, &none, scratch("nowhere.txt")), BFN_ERR_NOT_FOUND, "nowhere.txt");
    write_text(scratch("s.txt"), "x");
    assert_says(bfn_record_load(ctx, &none, scratch("s.txt")), BFN_ERR_NOT_FOUND, "s.txt.json: cannot be opened");
    refuse_json("", "is no JSON");
    refuse_json("[\"a\"]", "is no record");
    refuse_json("{}", "is no record");
    refuse_json("{\"method\": 5}", "\"method\": needs a text");
    refuse_json("{\"method\": \"a\", \"method\": \"b\"}", "is no JSON: duplicate");
    refuse_json("{\"a b\": \"x\"}", "found the key \"a b\"");
    refuse_json("{\"method\": \"a\\u0000b\"}", "is no JSON");
    refuse_json("{\"method\": \"ode2m\"", "is no JSON");
}

static bfn_status load(bfn_context *c, void *arg)
{
    bfn_record *r;
    bfn_status status = bfn_record_load(c, &r, arg);
    bfn_record_destroy(r);
    return status;
}

/* Files from elsewhere: none is no failure, no memory is one. */
static bfn_status find(bfn_context *c, void *arg)
{
    bfn_record *r;
    bfn_status status = bfn_record_find(c, &r, arg);
    assert_true((r != NULL) == (status == BFN_OK));
    bfn_record_destroy(r);
    return status;
}

static void test_find(void **state)
{
    (void)state;
    char path[256];
    snprintf(path, sizeof path, "%s", scratch("s.txt"));
    write_text(path, "x");
    assert_ok(bfn_record_find(ctx, &record, path));
    assert_null(record);
    assert_ok(bfn_record_find(ctx, &record, scratch("."))); /* a folder of pictures */
    assert_null(record);
    write_text(scratch("s.txt.json"), "[1, 2]"); /* somebody else's */
    assert_ok(bfn_record_find(ctx, &record, path));
    assert_null(record);
    write_text(scratch("s.txt.json"), "{\"method\": \"ode2m\", \"seed\": \"1\"}");
    assert_ok(bfn_record_find(ctx, &record, path));
    assert_string_equal(bfn_record_get(record, "seed"), "1");
    bfn_record_destroy(record);
    assert_true(each_allocation(find, path, BFN_OK) >= 5);
}

static void test_memory(void **state)
{
    (void)state;
    char path[256];
    write_text(scratch("s.txt"), "x");
    write_text(scratch("s.txt.json"), "{\"method\": \"ode2m\", \"seed\": \"1\"}");
    snprintf(path, sizeof path, "%s", scratch("s.txt"));
    assert_true(each_allocation(load, path, BFN_OK) >= 5);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_scratch, teardown_scratch)
    const struct CMUnitTest tests[] = {
        TEST(test_entries),      TEST(test_solvers), TEST(test_beside), TEST(test_png),  TEST(test_npz),
        TEST(test_many_entries), TEST(test_refused), TEST(test_memory), TEST(test_find),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
