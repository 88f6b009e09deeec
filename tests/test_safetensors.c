/* test_safetensors.c: the safetensors reader and writer: round trips, every truncation, every list entry of bad headers, memory. */
#include "helper_fixture.h"
#include "io/file.h"
#include "io/limits.h"
#include "io/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Header text and n_data zero bytes as a file on the heap. */
static unsigned char *make_file(const char *header, size_t n_header, size_t n_data, size_t *n)
{
    uint64_t length = n_header;
    *n = 8 + n_header + n_data;
    unsigned char *bytes = calloc(*n, 1);
    assert_non_null(bytes);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, n_header);
    return bytes;
}

static bfn_status parse(const void *bytes, size_t n)
{
    bfn__safetensors *st;
    bfn_status status = bfn__safetensors_parse(ctx, &st, bytes, n, "x.safetensors");
    assert_true((status == BFN_OK) == (st != NULL));
    bfn__safetensors_close(st);
    return status;
}

/* Refused, with a message of one line that names the file and says `words`. */
static void assert_refused(const void *bytes, size_t n, const char *words)
{
    void *copy = exact_copy(bytes, n);
    bfn_status status = parse(copy, n);
    free(copy);
    if (status != BFN_ERR_INPUT || strncmp(bfn_errmsg(ctx), "x.safetensors: ", 15) != 0 ||
        strstr(bfn_errmsg(ctx), words) == NULL)
        fail_msg("status %d, message \"%s\", expected \"%s\"", (int)status, bfn_errmsg(ctx), words);
}

static void refuse_header(const char *header, size_t n_data, const char *words)
{
    size_t n;
    unsigned char *bytes = make_file(header, strlen(header), n_data, &n);
    assert_refused(bytes, n, words);
    free(bytes);
}

static void accept_header(const char *header, size_t n_header, size_t n_data)
{
    size_t n;
    unsigned char *bytes = make_file(header, n_header, n_data, &n);
    if (parse(bytes, n) != BFN_OK)
        fail_msg("%s: %s", header, bfn_errmsg(ctx));
    free(bytes);
}

/* ---- round trip ---- */

static const double f64[2] = {-1.5, 1e300};
static const float f32[6] = {1.0f, -2.0f, 3.5f, 0.0f, -0.0f, 1e-40f};
static const uint16_t f16[3] = {0x3c00, 0xc000, 0x0001};
static const int64_t i64[2] = {INT64_MIN, INT64_MAX};
static const int32_t i32[1] = {-7};
static const unsigned char u8[5] = {0, 1, 2, 254, 255}, flags[2] = {0, 1};

static size_t example_tensors(bfn__st_tensor out[9])
{
    static const bfn__st_tensor tensors[9] = {
        {.name = "f64", .dtype = BFN__DTYPE_F64, .rank = 1, .shape = {2}, .data = f64, .bytes = sizeof f64},
        {.name = "a/../b.\"quoted\\",
         .dtype = BFN__DTYPE_F32,
         .rank = 2,
         .shape = {2, 3},
         .data = f32,
         .bytes = sizeof f32},
        {.name = "gr\xc3\xb6\xc3\x9f"
                 "e",
         .dtype = BFN__DTYPE_F16,
         .rank = 1,
         .shape = {3},
         .data = f16,
         .bytes = sizeof f16},
        {.name = "bf16", .dtype = BFN__DTYPE_BF16, .rank = 3, .shape = {3, 1, 1}, .data = f16, .bytes = sizeof f16},
        {.name = "i64", .dtype = BFN__DTYPE_I64, .rank = 1, .shape = {2}, .data = i64, .bytes = sizeof i64},
        {.name = "scalar", .dtype = BFN__DTYPE_I32, .rank = 0, .data = i32, .bytes = sizeof i32},
        {.name = "",
         .dtype = BFN__DTYPE_U8,
         .rank = 8,
         .shape = {5, 1, 1, 1, 1, 1, 1, 1},
         .data = u8,
         .bytes = sizeof u8},
        {.name = "nothing", .dtype = BFN__DTYPE_F32, .rank = 2, .shape = {3, 0}, .data = NULL, .bytes = 0},
        {.name = "flags", .dtype = BFN__DTYPE_BOOL, .rank = 1, .shape = {2}, .data = flags, .bytes = sizeof flags}};
    memcpy(out, tensors, sizeof tensors);
    return 9;
}

static const bfn__st_entry example_metadata[] = {
    {"zeta", ""}, {"bfn.config", "a: 1\n\tb: \"x\\y\"\n\x01"}, {"alphabet", " a\xe2\x82\xac\xf0\x9f\x98\x80"}};

static void save_example(const char *path)
{
    bfn__st_tensor tensors[9];
    size_t n = example_tensors(tensors);
    if (bfn__safetensors_save(ctx, path, tensors, n, example_metadata, 3) != BFN_OK)
        fail_msg("%s", bfn_errmsg(ctx));
}

static void test_round_trip(void **state)
{
    (void)state;
    scratch_make();
    save_example(scratch("a"));
    assert_int_equal(scratch_count(), 1);
    bfn__safetensors *st;
    if (bfn__safetensors_open(ctx, &st, scratch("a")) != BFN_OK)
        fail_msg("%s", bfn_errmsg(ctx));
    bfn__st_tensor tensors[9];
    size_t n = example_tensors(tensors);
    assert_int_equal(bfn__safetensors_n_tensors(st), n);
    for (size_t i = 0; i < n; i++) {
        const bfn__st_tensor *t = bfn__safetensors_find(st, tensors[i].name);
        assert_ptr_equal(t, bfn__safetensors_tensor(st, i));
        assert_string_equal(t->name, tensors[i].name);
        assert_int_equal(t->dtype, tensors[i].dtype);
        assert_int_equal(t->rank, tensors[i].rank);
        assert_memory_equal(t->shape, tensors[i].shape, sizeof t->shape);
        assert_int_equal(t->bytes, tensors[i].bytes);
        assert_int_equal(t->count * bfn__dtype_size(t->dtype), t->bytes);
        if (t->bytes > 0)
            assert_memory_equal(t->data, tensors[i].data, t->bytes);
    }
    assert_null(bfn__safetensors_find(st, "f6"));
    assert_null(bfn__safetensors_find(st, "f644"));
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(bfn__safetensors_metadata(st, example_metadata[i].key), example_metadata[i].value);
    assert_null(bfn__safetensors_metadata(st, "alpha"));
    bfn__safetensors_close(st);
    scratch_remove();
}

static void test_data_begin_aligned(void **state)
{
    (void)state;
    scratch_make();
    save_example(scratch("a"));
    bfn__bytes file;
    assert_int_equal(bfn__file_map(ctx, scratch("a"), SIZE_MAX, &file), BFN_OK);
    uint64_t header;
    memcpy(&header, file.data, 8);
    assert_int_equal((8 + header) % 64, 0);
    assert_int_equal(((const char *)file.data)[8], '{');
    bfn__file_unmap(ctx, &file);
    scratch_remove();
}

static void test_empty_files(void **state)
{
    (void)state;
    accept_header("{}", 2, 0);
    accept_header("{\"__metadata__\":{}}", 19, 0);
    accept_header("{}      ", 8, 0);
    scratch_make();
    assert_int_equal(bfn__safetensors_save(ctx, scratch("a"), NULL, 0, NULL, 0), BFN_OK);
    bfn__safetensors *st;
    assert_int_equal(bfn__safetensors_open(ctx, &st, scratch("a")), BFN_OK);
    assert_int_equal(bfn__safetensors_n_tensors(st), 0);
    assert_null(bfn__safetensors_find(st, "x"));
    assert_null(bfn__safetensors_metadata(st, "x"));
    bfn__safetensors_close(st);
    assert_int_equal(bfn__safetensors_save(ctx, scratch("a"), NULL, 0, example_metadata, 1), BFN_OK);
    assert_int_equal(bfn__safetensors_open(ctx, &st, scratch("a")), BFN_OK);
    assert_string_equal(bfn__safetensors_metadata(st, "zeta"), "");
    bfn__safetensors_close(st);
    scratch_remove();
}

/* ---- broken files ---- */

static unsigned char *example_bytes(size_t *n)
{
    scratch_make();
    save_example(scratch("a"));
    bfn__bytes file;
    assert_int_equal(bfn__file_map(ctx, scratch("a"), SIZE_MAX, &file), BFN_OK);
    *n = file.size;
    unsigned char *copy = exact_copy(file.data, file.size);
    bfn__file_unmap(ctx, &file);
    scratch_remove();
    return copy;
}

static void test_truncated_everywhere(void **state)
{
    (void)state;
    size_t n;
    unsigned char *bytes = example_bytes(&n);
    for (size_t cut = 0; cut < n; cut++)
        assert_refused(bytes, cut, "");
    assert_int_equal(parse(bytes, n), BFN_OK);
    unsigned char *longer = calloc(n + 1, 1);
    memcpy(longer, bytes, n);
    assert_refused(longer, n + 1, "bytes of data");
    free(longer);
    free(bytes);
}

/* The header cut at every byte, its length saying so: every state of the reader meets the end. */
static void test_header_cut_everywhere(void **state)
{
    (void)state;
    size_t n;
    unsigned char *bytes = example_bytes(&n);
    uint64_t header;
    memcpy(&header, bytes, 8);
    for (uint64_t cut = 0; cut < header; cut++) {
        memcpy(bytes, &cut, 8);
        if (bytes[8 + cut] != ' ' || bytes[8 + cut - 1] != '}')
            assert_refused(bytes, 8 + (size_t)cut, "");
        assert_refused(bytes, n, "");
    }
    free(bytes);
}

/* Any byte of the header replaced by anything: no crash, and what is accepted holds together. */
static void test_corrupted_everywhere(void **state)
{
    (void)state;
    size_t n, accepted = 0, refused = 0;
    unsigned char *bytes = example_bytes(&n);
    uint64_t header;
    memcpy(&header, bytes, 8);
    for (size_t i = 0; i < 8 + header; i++) {
        unsigned char old = bytes[i];
        for (int value = 0; value < 256; value += value < 0x80 ? 3 : 29) {
            bfn__safetensors *st;
            bytes[i] = (unsigned char)value;
            bfn_status status = bfn__safetensors_parse(ctx, &st, bytes, n, "x.safetensors");
            assert_true(status == BFN_OK || status == BFN_ERR_INPUT);
            accepted += status == BFN_OK;
            refused += status != BFN_OK;
            size_t total = 0;
            for (size_t t = 0; st != NULL && t < bfn__safetensors_n_tensors(st); t++) {
                const bfn__st_tensor *tensor = bfn__safetensors_tensor(st, t);
                assert_true((const unsigned char *)tensor->data + tensor->bytes <= bytes + n);
                total += tensor->bytes;
            }
            if (st != NULL)
                assert_int_equal(total, n - 8 - header);
            bfn__safetensors_close(st);
        }
        bytes[i] = old;
    }
    assert_true(accepted > 0 && refused > accepted);
    free(bytes);
}

static void test_header_lengths(void **state)
{
    (void)state;
    static const uint64_t bad[] = {0, 1, 3, 7, 100, 100000001, (uint64_t)1 << 63, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        unsigned char bytes[10] = "";
        memcpy(bytes, &bad[i], 8);
        memcpy(bytes + 8, "{}", 2);
        assert_refused(bytes, sizeof bytes, "length of the header");
    }
    unsigned char *large = calloc(8 + 100000002, 1);
    assert_non_null(large);
    uint64_t length = 100000001;
    memcpy(large, &length, 8);
    assert_int_equal(parse(large, 8 + 100000002), BFN_ERR_INPUT);
    assert_non_null(strstr(bfn_errmsg(ctx), "allowed: 2 to 100000000"));
    free(large);
}

#define T4 "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}"

static void test_bad_headers(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t n_data;
        const char *words;
    } bad[] = {
        {"[]", 0, "header byte 8 is '['"},
        {" {}", 0, "header byte 8 is 0x20"},
        {"\"x\"", 0, "'{'"},
        {"{} x", 0, "header byte 11 is 'x'"},
        {"{}{}", 0, "spaces up to the end"},
        {"{,}", 0, "a string"},
        {"{" T4 ",}", 4, "a string"},
        {"{" T4 "", 4, "the header ends at byte"},
        {"{\"a\" 1}", 0, "':'"},
        {"{\"a\":1}", 0, "the object of a tensor"},
        {"{\"a\":null}", 0, "the object of a tensor"},
        {"{'a':1}", 0, "a string"},
        {"{\"a\":{}}", 0, "\"a\" has no dtype"},
        {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "\"a\" has no dtype"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, "\"a\" has no shape"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "\"a\" has no data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"x\":1}}", 4, "field \"x\""},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype twice"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "shape twice"},
        {"{\"a\":{\"dtype\":\"F31\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype is \"F31\""},
        {"{\"a\":{\"dtype\":\"f32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "dtype is \"f32\""},
        {"{\"a\":{\"dtype\":7,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "a string"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":1,\"data_offsets\":[0,4]}}", 4, "a list of numbers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":{},\"data_offsets\":[0,4]}}", 4, "a list of numbers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[\"1\"],\"data_offsets\":[0,4]}}", 4, "shape holds"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,],\"data_offsets\":[0,4]}}", 4, "shape holds"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "shape holds \"-1\""},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4, "shape holds \"1.0\""},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, "shape holds \"1.5\""},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1e0],\"data_offsets\":[0,4]}}", 4, "shape holds \"1e0\""},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1e400],\"data_offsets\":[0,4]}}", 4, "shape holds \"1e400\""},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[01],\"data_offsets\":[0,4]}}", 4, "shape holds \"01\""},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[true],\"data_offsets\":[0,4]}}", 4, "shape holds \"true\""},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[9007199254740993],\"data_offsets\":[0,4]}}", 4,
         "whole numbers from 0 to 2^53"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[18446744073709551617],\"data_offsets\":[0,4]}}", 4,
         "whole numbers from 0 to 2^53"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[9007199254740992,9007199254740992],\"data_offsets\":[0,4]}}", 4,
         "needs 184467440737095"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", 0, "whole numbers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
         "data_offsets give 0"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, "more than 8 numbers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, "needs 8 bytes, data_offsets give 4"},
        {"{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "needs 8 bytes, data_offsets give 4"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,4]}}", 4, "needs 0 bytes, data_offsets give 4"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4, "has 1 numbers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[]}}", 4, "has 0 numbers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,8]}}", 4, "more than 2 numbers"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, "begin <= end"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 4, "begin <= end <= 4"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", 4, "data_offsets holds \"-4\""},
        {"{" T4 "}", 5, "has 5 bytes of data, its tensors need 4"},
        {"{}", 1, "has 1 bytes of data"},
        {"{" T4 "," T4 "}", 4, "overlaps"},
        {"{" T4 ",\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "\"a\" occurs twice"},
        {"{" T4 ",\"\\u0061\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "\"a\" occurs twice"},
        {"{" T4 ",\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[2,6]}}", 6, "overlaps"},
        {"{" T4 ",\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[5,9]}}", 9, "holes"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "begins at data byte 4"},
        {"{\"__metadata__\":1}", 0, "the object of __metadata__"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "values of __metadata__ are strings"},
        {"{\"__metadata__\":{\"a\":null}}", 0, "values of __metadata__ are strings"},
        {"{\"__metadata__\":{\"a\":{}}}", 0, "values of __metadata__ are strings"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "__metadata__ occurs twice"},
        {"{\"__metadata__\":{\"k\":\"1\",\"j\":\"\",\"k\":\"2\"}}", 0, "__metadata__ has \"k\" twice"},
        {"{\"__metadata__\":{\"k\":\"1\",}}", 0, "a string"},
        {"{\"\xff\":1}", 0, "valid UTF-8"},
        {"{\"\xc0\xaf\":1}", 0, "valid UTF-8"},
        {"{\"\xed\xa0\x80\":1}", 0, "valid UTF-8"},
        {"{\"\xf4\x90\x80\x80\":1}", 0, "valid UTF-8"},
        {"{\"\xe2\x82", 0, "valid UTF-8"},
        {"{\"a\nb\":1}", 0, "controls are written as escapes"},
        {"{\"a\\nb\":1}", 0, "a name without control characters"},
        {"{\"\\u001b[2J\":1}", 0, "a name without control characters"},
        {"{\"\x7f\":1}", 0, "a name without control characters"},
        {"{\"\xc2\x9b\":1}", 0, "a name without control characters"},
        {"{\"\\u0000\":1}", 0, "not NUL"},
        {"{\"\\ud800\":1}", 0, "surrogate"},
        {"{\"\\udc00\":1}", 0, "surrogate"},
        {"{\"\\ud800\\u0041\":1}", 0, "surrogate"},
        {"{\"\\u12g4\":1}", 0, "four hexadecimal digits"},
        {"{\"\\x\":1}", 0, "an escape"},
        {"{\"\\", 0, "an escape"},
        {"{\"\\u00", 0, "four hexadecimal digits"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refuse_header(bad[i].header, bad[i].n_data, bad[i].words);
}

static void test_nul_in_header(void **state)
{
    (void)state;
    static const char good[] = "{" T4 "}";
    for (size_t i = 0; i < sizeof good - 1; i++) {
        char header[sizeof good];
        size_t n;
        memcpy(header, good, sizeof good);
        header[i] = '\0';
        unsigned char *bytes = make_file(header, sizeof good - 1, 4, &n);
        assert_refused(bytes, n, "");
        free(bytes);
    }
    size_t n;
    unsigned char *bytes = make_file("{}\0\0", 4, 0, &n);
    assert_refused(bytes, n, "spaces up to the end");
    free(bytes);
}

static void test_good_headers(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t n_data;
    } good[] = {
        {"{" T4 "}", 4},
        {"{ \"a\" : { \"shape\" : [ 1 ] ,\n\"data_offsets\":[ 0 , 4 ]\t, \"dtype\":\"F32\" } } \r\n ", 4},
        {"{\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}," T4 "}", 8},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[9007199254740992,4096,0],\"data_offsets\":[0,0]}}", 0},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[4,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_"
         "offsets\":[0,4]}}",
         4},
        {"{\"\\ud83d\\ude00\\u00e9\\/\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        accept_header(good[i].header, strlen(good[i].header), good[i].n_data);
}

static void test_deep_nesting(void **state)
{
    (void)state;
    enum { DEPTH = 100000 };
    static const char *const starts[] = {"{\"a\":", "{\"__metadata__\":{\"k\":", "{\"a\":{\"shape\":"};
    for (size_t i = 0; i < 3; i++) {
        size_t n_start = strlen(starts[i]);
        char *header = malloc(n_start + DEPTH + 1);
        memcpy(header, starts[i], n_start);
        memset(header + n_start, '[', DEPTH);
        header[n_start + DEPTH] = '\0';
        refuse_header(header, 0, "");
        memset(header + n_start, '{', DEPTH);
        refuse_header(header, 0, "");
        free(header);
    }
}

/* n tensors without bytes, all in one place. */
static unsigned char *many_tensors(size_t n_tensors, size_t *n)
{
    size_t room = n_tensors * 64 + 16, at = 1;
    char *header = malloc(room);
    assert_non_null(header);
    header[0] = '{';
    for (size_t i = 0; i < n_tensors; i++)
        at +=
            (size_t)snprintf(header + at, room - at,
                             "%s\"%zu\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}", i > 0 ? "," : "", i);
    header[at++] = '}';
    unsigned char *bytes = make_file(header, at, 0, n);
    free(header);
    return bytes;
}

static void test_many_tensors(void **state)
{
    (void)state;
    size_t n;
    unsigned char *bytes = many_tensors(100000, &n);
    bfn__safetensors *st;
    assert_int_equal(bfn__safetensors_parse(ctx, &st, bytes, n, "x.safetensors"), BFN_OK);
    clock_t begin = clock();
    for (size_t i = 0; i < 100000; i++) {
        char name[24];
        (void)snprintf(name, sizeof name, "%zu", (i * 7919) % 100000);
        assert_string_equal(bfn__safetensors_find(st, name)->name, name);
    }
    assert_true((double)(clock() - begin) / CLOCKS_PER_SEC < 2.0); /* a linear search takes minutes */
    bfn__safetensors_close(st);
    free(bytes);
    bytes = many_tensors(bfn__limit(ctx, BFN__CAP_ST_TENSORS) + 1, &n);
    assert_int_equal(parse(bytes, n), BFN_ERR_INPUT);
    assert_non_null(strstr(bfn_errmsg(ctx), "more than 1000000 tensors"));
    free(bytes);
}

/* A header of 10 million entries is beyond the header's own bound: refused before anything is read. */
static void test_too_long_header(void **state)
{
    (void)state;
    unsigned char prefix[16] = "";
    uint64_t length = 600000000;
    memcpy(prefix, &length, 8);
    assert_refused(prefix, sizeof prefix, "length of the header is 600000000");
}

static void test_messages_are_one_clean_line(void **state)
{
    (void)state;
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[\x1b[2J],\"data_offsets\":[0,4]}}", 4, "shape holds");
    for (const char *c = bfn_errmsg(ctx); *c != '\0'; c++)
        assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
}

/* ---- memory ---- */

static bfn_status run_parse(bfn_context *context, void *arg)
{
    const bfn__bytes *b = arg;
    bfn__safetensors *st;
    bfn_status status = bfn__safetensors_parse(context, &st, b->data, b->size, "x.safetensors");
    bfn__safetensors_close(st);
    return status;
}

static bfn_status run_open(bfn_context *context, void *arg)
{
    bfn__safetensors *st;
    bfn_status status = bfn__safetensors_open(context, &st, arg);
    bfn__safetensors_close(st);
    return status;
}

static bfn_status run_save(bfn_context *context, void *arg)
{
    bfn__st_tensor tensors[9];
    size_t n = example_tensors(tensors);
    bfn_status status = bfn__safetensors_save(context, arg, tensors, n, example_metadata, 3);
    assert_int_equal(scratch_count(), 1); /* the old file, or the new one; no temporary */
    return status;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    size_t n;
    unsigned char *bytes = many_tensors(100, &n);
    bfn__bytes arg = {bytes, n, false};
    assert_true(each_allocation(run_parse, &arg, BFN_OK) >= 5);
    bytes[n - 2] = 'x';
    assert_true(each_allocation(run_parse, &arg, BFN_ERR_INPUT) >= 4);
    free(bytes);
    scratch_make();
    save_example(scratch("a"));
    char path[512];
    (void)snprintf(path, sizeof path, "%s", scratch("a"));
    assert_true(each_allocation(run_open, path, BFN_OK) >= 6);
    assert_true(each_allocation(run_save, path, BFN_OK) >= 4);
    scratch_remove();
}

static void test_save_refuses(void **state)
{
    (void)state;
    scratch_make();
    bfn__st_tensor wrong = {.name = "a", .dtype = BFN__DTYPE_F32, .rank = 1, .shape = {3}, .data = f32, .bytes = 8};
    assert_int_equal(bfn__safetensors_save(ctx, scratch("a"), &wrong, 1, NULL, 0), BFN_ERR_ARGUMENT);
    assert_non_null(strstr(bfn_errmsg(ctx), "needs 12"));
    wrong = (bfn__st_tensor){.name = "\xff", .dtype = BFN__DTYPE_F32, .rank = 1, .shape = {2}, .data = f32, .bytes = 8};
    assert_int_equal(bfn__safetensors_save(ctx, scratch("a"), &wrong, 1, NULL, 0), BFN_ERR_ARGUMENT);
    bfn__st_entry entry = {"key", "\xc3"};
    assert_int_equal(bfn__safetensors_save(ctx, scratch("a"), NULL, 0, &entry, 1), BFN_ERR_ARGUMENT);
    assert_int_equal(bfn__safetensors_save(ctx, scratch("none/a"), NULL, 0, NULL, 0), BFN_ERR_WRITE);
    assert_int_equal(scratch_count(), 0);
    scratch_remove();
}

static void test_open_refuses(void **state)
{
    (void)state;
    bfn__safetensors *st;
    assert_int_equal(bfn__safetensors_open(ctx, &st, "no such file"), BFN_ERR_NOT_FOUND);
    assert_null(st);
    assert_non_null(strstr(bfn_errmsg(ctx), "no such file: cannot be opened: No such file"));
    assert_int_equal(bfn__safetensors_open(ctx, &st, "."), BFN_ERR_NOT_FOUND);
    scratch_make();
    assert_int_equal(bfn__file_write(ctx, scratch("empty"), NULL, 0), BFN_OK);
    assert_int_equal(bfn__safetensors_open(ctx, &st, scratch("empty")), BFN_ERR_INPUT);
    scratch_remove();
}

/* ---- conversions ---- */

static bfn__st_tensor tensor_of(bfn__dtype dtype, const void *data, size_t count)
{
    return (bfn__st_tensor){.name = "t",
                            .dtype = dtype,
                            .rank = 1,
                            .shape = {count},
                            .count = count,
                            .data = data,
                            .bytes = count * bfn__dtype_size(dtype)};
}

static void test_to_f32(void **state)
{
    (void)state;
    float out[8];
    static const uint16_t halves[] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0xfc00, 0x7e00, 0x03ff};
    bfn__st_tensor t = tensor_of(BFN__DTYPE_F16, halves, 8);
    assert_int_equal(bfn__st_to_f32(ctx, &t, out), BFN_OK);
    static const float wanted[] = {1.0f, -2.0f, 0x1p-24f, 65504.0f};
    assert_memory_equal(out, wanted, sizeof wanted);
    assert_true(isinf(out[4]) && out[4] > 0 && isinf(out[5]) && out[5] < 0 && isnan(out[6]));
    assert_true(out[7] == 1023.0f * 0x1p-24f);
    static const uint16_t brains[] = {0x3f80, 0xc000, 0x0001};
    t = tensor_of(BFN__DTYPE_BF16, brains, 3);
    assert_int_equal(bfn__st_to_f32(ctx, &t, out), BFN_OK);
    assert_true(out[0] == 1.0f && out[1] == -2.0f && out[2] == 0x1p-133f);
    static const double doubles[] = {0.1, -1e-300, (double)INFINITY, 3.4e38};
    t = tensor_of(BFN__DTYPE_F64, doubles, 4);
    assert_int_equal(bfn__st_to_f32(ctx, &t, out), BFN_OK);
    assert_true(out[0] == 0.1f && out[1] == 0.0f && isinf(out[2]) && out[3] == 3.4e38f);
    /* Data of a file lie anywhere. */
    unsigned char shifted[1 + sizeof doubles];
    memcpy(shifted + 1, doubles, sizeof doubles);
    t = tensor_of(BFN__DTYPE_F64, shifted + 1, 4);
    assert_int_equal(bfn__st_to_f32(ctx, &t, out), BFN_OK);
    assert_true(out[0] == 0.1f);
    static const int32_t integers[] = {-16777216, 16777216, INT32_MIN};
    t = tensor_of(BFN__DTYPE_I32, integers, 3);
    assert_int_equal(bfn__st_to_f32(ctx, &t, out), BFN_OK);
    assert_true(out[0] == -16777216.0f && out[2] == -0x1p31f);
    t = tensor_of(BFN__DTYPE_BOOL, flags, 2);
    assert_int_equal(bfn__st_to_f32(ctx, &t, out), BFN_OK);
    assert_true(out[0] == 0.0f && out[1] == 1.0f);
}

static void test_to_f32_refuses(void **state)
{
    (void)state;
    float out[2];
    static const double large[] = {0.0, 1e39};
    bfn__st_tensor t = tensor_of(BFN__DTYPE_F64, large, 2);
    assert_int_equal(bfn__st_to_f32(ctx, &t, out), BFN_ERR_INPUT);
    assert_non_null(strstr(bfn_errmsg(ctx), "\"t\"[1] is 1e+39"));
    static const int32_t inexact[] = {16777217};
    t = tensor_of(BFN__DTYPE_I32, inexact, 1);
    assert_int_equal(bfn__st_to_f32(ctx, &t, out), BFN_ERR_INPUT);
    static const int64_t most[] = {INT64_MAX};
    t = tensor_of(BFN__DTYPE_I64, most, 1);
    assert_int_equal(bfn__st_to_f32(ctx, &t, out), BFN_ERR_INPUT);
    static const unsigned char two[] = {2};
    t = tensor_of(BFN__DTYPE_BOOL, two, 1);
    assert_int_equal(bfn__st_to_f32(ctx, &t, out), BFN_ERR_INPUT);
}

static void test_to_i64(void **state)
{
    (void)state;
    int64_t out[5];
    bfn__st_tensor t = tensor_of(BFN__DTYPE_I64, i64, 2);
    assert_int_equal(bfn__st_to_i64(ctx, &t, out), BFN_OK);
    assert_memory_equal(out, i64, sizeof i64);
    t = tensor_of(BFN__DTYPE_U8, u8, 5);
    assert_int_equal(bfn__st_to_i64(ctx, &t, out), BFN_OK);
    assert_int_equal(out[4], 255);
    static const float whole[] = {-3.0f, 0x1p40f};
    t = tensor_of(BFN__DTYPE_F32, whole, 2);
    assert_int_equal(bfn__st_to_i64(ctx, &t, out), BFN_OK);
    assert_true(out[0] == -3 && out[1] == (int64_t)1 << 40);
    static const double bad[] = {0.5, (double)NAN, (double)INFINITY, 0x1p63, -1e19};
    for (size_t i = 0; i < 5; i++) {
        t = tensor_of(BFN__DTYPE_F64, &bad[i], 1);
        assert_int_equal(bfn__st_to_i64(ctx, &t, out), BFN_ERR_INPUT);
    }
    static const double least[] = {-0x1p63};
    t = tensor_of(BFN__DTYPE_F64, least, 1);
    assert_int_equal(bfn__st_to_i64(ctx, &t, out), BFN_OK);
    assert_true(out[0] == INT64_MIN);
}

static void test_bf16(void **state)
{
    (void)state;
    /* Halfway cases go to the even neighbour: 1 + 2^-8 down to 1, 1 + 3 * 2^-8 up. */
    static const float in[] = {1.0f, 1.00390625f, 1.01171875f, 1.0039064f, -INFINITY, 3.4e38f, NAN, 0x1p-149f};
    static const uint16_t wanted[] = {0x3f80, 0x3f80, 0x3f82, 0x3f81, 0xff80, 0x7f80};
    uint16_t out[8];
    bfn__bf16_from_f32(8, in, out);
    assert_memory_equal(out, wanted, sizeof wanted);
    assert_true((out[6] & 0x7f80) == 0x7f80 && (out[6] & 0x7f) != 0);
    assert_int_equal(out[7], 0);
    /* Every bfloat16 comes back as itself. */
    for (uint32_t h = 0; h < 65536; h++) {
        uint16_t bits = (uint16_t)h, again;
        float f;
        bfn__f32_from_bf16(1, &bits, &f);
        bfn__bf16_from_f32(1, &f, &again);
        if (!isnan(f))
            assert_int_equal(again, bits);
    }
    /* A NaN whose fraction lies in the low half alone stays one. */
    uint32_t low_nan = 0x7f800001;
    float f;
    memcpy(&f, &low_nan, 4);
    bfn__bf16_from_f32(1, &f, out);
    assert_true((out[0] & 0x7f) != 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_data_begin_aligned, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_truncated_everywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_header_cut_everywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_corrupted_everywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_header_lengths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_headers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nul_in_header, setup, teardown),
        cmocka_unit_test_setup_teardown(test_good_headers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deep_nesting, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_tensors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_long_header, setup, teardown),
        cmocka_unit_test_setup_teardown(test_messages_are_one_clean_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_save_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_open_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_to_f32, setup, teardown),
        cmocka_unit_test_setup_teardown(test_to_f32_refuses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_to_i64, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bf16, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
