/* test_torch.c: PyTorch's .pt files: the zip around the pickle, the storages, views copied right; every lie is refused. */
#include "helper_fixture.h"
#include "helper_golden.h"
#include "helper_torch.h"
#include "io/file.h"
#include "io/limits.h"
#include "io/torch.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

static const float numbers[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

static bfn_status parse(const blob *b)
{
    bfn__safetensors *st;
    void *copy = exact_copy(b->bytes, b->n);
    bfn_status status = bfn__torch_parse(ctx, &st, copy, b->n, "x.pt");
    assert_true((status == BFN_OK) == (st != NULL));
    bfn__safetensors_close(st);
    free(copy);
    return status;
}

static void refuse(const blob *b, const char *words)
{
    assert_says(parse(b), BFN_ERR_INPUT, words);
    assert_int_equal(strncmp(bfn_errmsg(ctx), "x.pt: ", 6), 0);
}

/* A .pt file in memory: its pickle, then whatever `more` adds. free(bytes). */
typedef struct maker {
    zipper zip;
    char *bytes;
    size_t n;
} maker;

static void begin(maker *m)
{
    *m = (maker){0};
    m->zip.out = open_memstream(&m->bytes, &m->n);
    assert_non_null(m->zip.out);
}

static void add_pickle(maker *m, const torch_view *views, size_t n)
{
    blob pickle = {0};
    torch_pickle(&pickle, views, n, TORCH_PLAIN);
    zipper_add(&m->zip, "a/data.pkl", pickle.bytes, pickle.n);
    free(pickle.bytes);
}

static blob end(maker *m)
{
    zipper_end(&m->zip);
    assert_int_equal(fclose(m->zip.out), 0);
    return (blob){.bytes = (unsigned char *)m->bytes, .n = m->n};
}

static const torch_view whole = {.name = "w",
                                 .type = "FloatStorage",
                                 .storage = "0",
                                 .storage_count = 12,
                                 .rank = 2,
                                 .shape = {3, 4},
                                 .stride = {4, 1}};

static blob simple(void)
{
    maker m;
    begin(&m);
    add_pickle(&m, &whole, 1);
    zipper_add(&m.zip, "a/data/0", numbers, sizeof numbers);
    zipper_add(&m.zip, "a/version", "3\n", 2);
    return end(&m);
}

/* ---- views ---- */

static void check_values(const bfn__safetensors *st, const char *name, const float *wanted, size_t n)
{
    const bfn__st_tensor *t = bfn__safetensors_find(st, name);
    float values[12];
    assert_non_null(t);
    assert_int_equal(t->count, n);
    assert_ok(bfn__st_to_f32(ctx, t, values));
    assert_memory_equal(values, wanted, n * sizeof *values);
}

/* Transposed, a column, every other one, reversed axes of rank 3, repeated, empty, a scalar: against an independent loop's numbers. */
static void test_views(void **state)
{
    (void)state;
    static const torch_view views[] = {
        {.name = "w",
         .type = "FloatStorage",
         .storage = "0",
         .storage_count = 12,
         .rank = 2,
         .shape = {3, 4},
         .stride = {4, 1}},
        {.name = "t",
         .type = "FloatStorage",
         .storage = "0",
         .storage_count = 12,
         .rank = 2,
         .shape = {4, 3},
         .stride = {1, 4}},
        {.name = "column",
         .type = "FloatStorage",
         .storage = "0",
         .storage_count = 12,
         .rank = 1,
         .shape = {3},
         .stride = {4},
         .offset = 2},
        {.name = "odd",
         .type = "FloatStorage",
         .storage = "0",
         .storage_count = 12,
         .rank = 1,
         .shape = {5},
         .stride = {2},
         .offset = 1},
        {.name = "cube",
         .type = "FloatStorage",
         .storage = "0",
         .storage_count = 12,
         .rank = 3,
         .shape = {2, 3, 2},
         .stride = {1, 2, 6}},
        {.name = "same",
         .type = "FloatStorage",
         .storage = "0",
         .storage_count = 12,
         .rank = 2,
         .shape = {2, 2},
         .stride = {0, 1},
         .offset = 7},
        {.name = "one",
         .type = "FloatStorage",
         .storage = "0",
         .storage_count = 12,
         .rank = 3,
         .shape = {1, 2, 1},
         .stride = {99, 1, 50},
         .offset = 3},
        {.name = "scalar", .type = "FloatStorage", .storage = "0", .storage_count = 12, .rank = 0, .offset = 11},
        {.name = "none",
         .type = "FloatStorage",
         .storage = "9",
         .storage_count = 0,
         .rank = 2,
         .shape = {0, 4},
         .stride = {4, 1}},
    };
    static const float t[] = {0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}, column[] = {2, 6, 10}, odd[] = {1, 3, 5, 7, 9},
                       cube[] = {0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11}, same[] = {7, 8, 7, 8}, one[] = {3, 4},
                       scalar[] = {11};
    maker m;
    bfn__safetensors *st;
    begin(&m);
    add_pickle(&m, views, sizeof views / sizeof views[0]);
    zipper_add(&m.zip, "a/data/0", numbers, sizeof numbers);
    blob b = end(&m);
    assert_ok(bfn__torch_parse(ctx, &st, b.bytes, b.n, "x.pt"));
    assert_int_equal(bfn__safetensors_n_tensors(st), sizeof views / sizeof views[0]);
    const unsigned char *in_place = bfn__safetensors_find(st, "w")->data; /* not copied */
    assert_true(in_place > b.bytes && in_place + sizeof numbers < b.bytes + b.n);
    check_values(st, "w", numbers, 12);
    check_values(st, "t", t, 12);
    check_values(st, "column", column, 3);
    check_values(st, "odd", odd, 5);
    check_values(st, "cube", cube, 12);
    check_values(st, "same", same, 4);
    check_values(st, "one", one, 2);
    check_values(st, "scalar", scalar, 1);
    check_values(st, "none", NULL, 0);
    bfn__safetensors_close(st);
    free(b.bytes);
}

static void test_types(void **state)
{
    (void)state;
    static const char raw[] = "\0\0\0\0\0\0\xf0\x3f"; /* 1 in double; the first bytes of others are 0 */
    bfn__st_tensor tensors[8];
    char names[8][8], *bytes = NULL;
    blob b = {0};
    FILE *out = open_memstream(&bytes, &b.n);
    assert_non_null(out);
    for (int d = 0; d < 8; d++) {
        snprintf(names[d], sizeof names[d], "t%d", d);
        tensors[d] = (bfn__st_tensor){
            .name = names[d], .dtype = (bfn__dtype)d, .rank = 1, .shape = {1}, .count = 1, .data = raw};
    }
    torch_save(out, "some/where", "x.", tensors, 8);
    assert_int_equal(fclose(out), 0);
    b.bytes = (unsigned char *)bytes;
    bfn__safetensors *st;
    assert_ok(bfn__tensors_parse(ctx, &st, b.bytes, b.n, "x"));
    for (int d = 0; d < 8; d++) {
        const bfn__st_tensor *t = bfn__safetensors_tensor(st, (size_t)d);
        float value;
        assert_int_equal(t->dtype, d);
        assert_ok(bfn__st_to_f32(ctx, t, &value));
        assert_true(value == (d == BFN__DTYPE_F64 ? 1.0f : d == BFN__DTYPE_I64 ? 0x3ffp52f : 0.0f));
    }
    bfn__safetensors_close(st);
    free(bytes);
}

/* ---- the zip ---- */

/* Cut at every byte; each byte of the headers changed. */
static void test_truncation(void **state)
{
    (void)state;
    blob b = simple();
    assert_ok(parse(&b));
    for (size_t n = 0, whole_size = b.n; n < whole_size; n++) {
        b.n = n;
        refuse(&b, "x.pt: ");
        b.n = whole_size;
    }
    for (size_t i = 0; i < b.n; i++)
        for (unsigned flip = 1; flip < 256; flip *= 2) {
            b.bytes[i] ^= (unsigned char)flip;
            bfn_status status = parse(&b);
            assert_true(status == BFN_OK || status == BFN_ERR_INPUT);
            b.bytes[i] ^= (unsigned char)flip;
        }
    free(b.bytes);
}

static void refuse_entry(const char *name, const void *bytes, size_t n, const char *words)
{
    maker m;
    begin(&m);
    add_pickle(&m, &whole, 1);
    zipper_add(&m.zip, "a/data/0", numbers, sizeof numbers);
    zipper_add(&m.zip, name, bytes, n);
    blob b = end(&m);
    refuse(&b, words);
    free(b.bytes);
}

static void test_names(void **state)
{
    (void)state;
    refuse_entry("../x", "", 0, "the name \"../x\" inside leaves its folder");
    refuse_entry("a/../../x", "", 0, "leaves its folder");
    refuse_entry("a/..", "", 0, "leaves its folder");
    refuse_entry("/etc/passwd", "", 0, "leaves its folder");
    refuse_entry("a\\..\\x", "", 0, "leaves its folder");
    refuse_entry("a/data/0", numbers, 4, "already exists");
    refuse_entry("b/data.pkl", "}.", 2, "more than one data.pkl");
    refuse_entry("a/byteorder", "big", 3, "big-endian");
    refuse_entry("a/byteorder", "little or big or what", 21, "neither little nor big");
}

static void test_content(void **state)
{
    (void)state;
    maker m;
    blob b;
    begin(&m); /* a zip of something else */
    zipper_add(&m.zip, "word/document.xml", "<x/>", 4);
    b = end(&m);
    refuse(&b, "is a zip file without data.pkl, so no PyTorch checkpoint");
    free(b.bytes);
    begin(&m); /* no tensors */
    zipper_add(&m.zip, "a/data.pkl", "\x80\2}.", 4);
    b = end(&m);
    refuse(&b, "has no tensors");
    free(b.bytes);
    begin(&m); /* the storage is missing */
    add_pickle(&m, &whole, 1);
    b = end(&m);
    refuse(&b, "\"w\": its storage data/0 is missing");
    free(b.bytes);
    begin(&m); /* ... or of another size */
    add_pickle(&m, &whole, 1);
    zipper_add(&m.zip, "a/data/0", numbers, sizeof numbers - 4);
    b = end(&m);
    refuse(&b, "\"w\": its storage data/0 has 44 bytes, 12 numbers of F32 need 48");
    free(b.bytes);
    begin(&m); /* one name twice */
    const torch_view twice[] = {whole, whole};
    add_pickle(&m, twice, 2);
    zipper_add(&m.zip, "a/data/0", numbers, sizeof numbers);
    b = end(&m);
    refuse(&b, "tensor \"w\" occurs twice");
    free(b.bytes);
    begin(&m); /* encrypted, it says */
    add_pickle(&m, &whole, 1);
    m.zip.flags = 1;
    zipper_add(&m.zip, "a/data/0", numbers, sizeof numbers);
    b = end(&m);
    refuse(&b, "\"a/data/0\" is encrypted");
    free(b.bytes);
}

/* A program in place of a dict, inside a proper file: refused by its name. */
static void test_payload(void **state)
{
    (void)state;
    static const char payload[] = "\x80\2cos\nsystem\nX\x0f\0\0\0touch torch.hit\x85R.";
    maker m;
    begin(&m);
    zipper_add(&m.zip, "a/data.pkl", payload, sizeof payload - 1);
    blob b = end(&m);
    refuse(&b, "x.pt: the pickle calls \"os.system\", which a checkpoint may not");
    free(b.bytes);
}

/* Sizes in the local header that differ from the directory's, and a checksum that is wrong. */
static void test_headers_disagree(void **state)
{
    (void)state;
    blob b = simple();
    size_t at = b.n;
    for (size_t i = 4; i + 4 < b.n && at == b.n; i++) /* the second local header: data/0 */
        if (memcmp(b.bytes + i, "PK\3\4", 4) == 0)
            at = i;
    assert_true(at < b.n);
    b.bytes[at + 22] ^= 4;
    refuse(&b, "is not a whole zip file");
    b.bytes[at + 22] ^= 4;
    b.bytes[at + 18] ^= 4;
    refuse(&b, "is not a whole zip file");
    b.bytes[at + 18] ^= 4;
    b.bytes[at + 30 + 8 + 5] ^= 1; /* a number */
    refuse(&b, "a/data/0: CRC error");
    b.bytes[at + 30 + 8 + 5] ^= 1;
    assert_ok(parse(&b));
    free(b.bytes);
}

static void test_zip64(void **state)
{
    (void)state;
    maker m;
    begin(&m);
    m.zip.zip64 = true;
    add_pickle(&m, &whole, 1);
    zipper_add(&m.zip, "a/data/0", numbers, sizeof numbers);
    blob b = end(&m);
    assert_ok(parse(&b));
    size_t end64 = b.n - 22 - 20 - 56;
    assert_memory_equal(b.bytes + end64, "PK\6\6", 4);
    b.bytes[end64 + 36] = b.bytes[end64 + 28] = 1; /* 2^32 more entries */
    refuse(&b, "files inside, at most");
    free(b.bytes);
}

/* A million files of nothing are read within bounds; one more than allowed is refused before libzip makes room for them. */
static void test_many_entries(void **state)
{
    (void)state;
    enum { MANY = 1000000 };
    maker m;
    begin(&m);
    add_pickle(&m, &whole, 1);
    zipper_add(&m.zip, "a/data/0", numbers, sizeof numbers);
    for (int i = 0; i < MANY; i++) {
        char name[24];
        snprintf(name, sizeof name, "a/x/%d", i);
        zipper_add(&m.zip, name, "", 0);
    }
    blob b = end(&m);
    assert_ok(parse(&b));
    size_t end64 = b.n - 22 - 20 - 56, claimed = bfn__limit(ctx, BFN__CAP_TORCH_ENTRIES) + 1;
    for (int i = 0; i < 8; i++, claimed >>= 8)
        b.bytes[end64 + 24 + i] = b.bytes[end64 + 32 + i] = (unsigned char)claimed;
    refuse(&b, "claims 1000101 files inside, at most 1000100 are allowed");
    free(b.bytes);
}

/* Deflated by libzip: read, but not beyond the caps. */
static zip_int64_t add_deflated(zip_t *zip, const char *name, const void *bytes, size_t n)
{
    zip_source_t *source = zip_source_buffer(zip, bytes, n, 0);
    zip_int64_t index = zip_file_add(zip, name, source, 0);
    assert_true(index >= 0);
    assert_int_equal(zip_set_file_compression(zip, (zip_uint64_t)index, ZIP_CM_DEFLATE, 0), 0);
    return index;
}

static void make_deflated(const void *pickle, size_t n_pickle)
{
    int error = 0;
    zip_t *zip = zip_open(scratch("deflated.pt"), ZIP_CREATE | ZIP_TRUNCATE, &error);
    assert_non_null(zip);
    (void)add_deflated(zip, "a/data.pkl", pickle, n_pickle);
    (void)add_deflated(zip, "a/data/0", numbers, sizeof numbers);
    assert_int_equal(zip_close(zip), 0);
}

static void test_deflated(void **state)
{
    (void)state;
    enum { BOMB = 300000000 };
    blob pickle = {0};
    bfn__safetensors *st;
    torch_pickle(&pickle, &whole, 1, TORCH_PLAIN);
    make_deflated(pickle.bytes, pickle.n);
    assert_ok(bfn__tensors_open(ctx, &st, scratch("deflated.pt")));
    check_values(st, "w", numbers, 12);
    bfn__safetensors_close(st);
    free(pickle.bytes);
    char *zeros = calloc(BOMB, 1);
    assert_non_null(zeros);
    make_deflated(zeros, BOMB);
    free(zeros);
    assert_says(bfn__tensors_open(ctx, &st, scratch("deflated.pt")), BFN_ERR_INPUT,
                "data.pkl has 300000000 bytes, at most 268435456");
}

static bfn_status run_parse(bfn_context *context, void *arg)
{
    const blob *b = arg;
    bfn__safetensors *st;
    bfn_status status = bfn__torch_parse(context, &st, b->bytes, b->n, "x.pt");
    bfn__safetensors_close(st);
    return status;
}

/* ---- the format before 1.6: pickles in a row, then the storages ---- */

#define OLD_HEAD                                                                                                       \
    "\x80\x02\x8a\nl\xfc\x9c"                                                                                          \
    "F\xf9 j\xa8P\x19.\x80\2M\xe9\3."

/* Head, a dict about the machine, the views, the list of keys (each a letter), and what each storage says and has. */
typedef struct old_file {
    const char *keys;
    unsigned long long counts[4];
    size_t bytes[4], n_more; /* n_more: bytes behind the last */
} old_file;

static blob make_old(const old_file *f)
{
    static const torch_view views[] = {
        {"w", "FloatStorage", "a", 12, 2, 0, {3, 4}, {4, 1}, false},
        {"turned", "FloatStorage", "a", 12, 2, 0, {4, 3}, {1, 4}, false},
        {"tied", "FloatStorage", "a", 12, 2, 0, {3, 4}, {4, 1}, false},
        {"n", "LongStorage", "b", 1, 0, 0, {0}, {0}, false},
    };
    blob b = {0};
    blob_put(&b, OLD_HEAD "\x80\2}.", sizeof OLD_HEAD - 1 + 4);
    torch_pickle(&b, views, 4, TORCH_ORDERED);
    blob_text(&b, "\x80\2](");
    for (const char *key = f->keys; *key != '\0'; key++) {
        blob_text(&b, "X");
        blob_number(&b, 1, 4);
        blob_put(&b, key, 1);
    }
    blob_text(&b, "e.");
    for (size_t i = 0; f->keys[i] != '\0'; i++) {
        blob_number(&b, f->counts[i], 8);
        blob_put(&b, numbers, f->bytes[i]);
    }
    blob_put(&b, numbers, f->n_more);
    return b;
}

static void refuse_old(old_file f, const char *words)
{
    blob b = make_old(&f);
    refuse(&b, words);
    free(b.bytes);
}

static void test_old_format(void **state)
{
    (void)state;
    bfn__safetensors *st;
    static const float turned[] = {0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11};
    blob b = make_old(&(old_file){"ba", {1, 12}, {8, 48}, 0});
    assert_true(bfn__is_torch(b.bytes, b.n));
    assert_ok(bfn__tensors_parse(ctx, &st, b.bytes, b.n, "x.pt"));
    check_values(st, "w", numbers, 12);
    check_values(st, "turned", turned, 12);
    assert_int_equal(bfn__safetensors_find(st, "n")->dtype, BFN__DTYPE_I64);
    assert_ptr_equal(bfn__safetensors_find(st, "tied")->data, bfn__safetensors_find(st, "w")->data); /* copied once */
    assert_int_equal((uintptr_t)bfn__safetensors_find(st, "w")->data % sizeof(float), 0); /* wherever it lay */
    bfn__safetensors_close(st);
    for (size_t n = sizeof OLD_HEAD - 1; n < b.n; n++) { /* every byte is needed */
        const blob cut = {b.bytes, n, 0};
        assert_int_equal(parse(&cut), BFN_ERR_INPUT);
    }
    assert_true(each_allocation(run_parse, &b, BFN_OK) > 10);
    free(b.bytes);
    refuse_old((old_file){"ba", {1, 12}, {8, 44}, 0}, "x.pt: the file ends inside the storage a");
    refuse_old((old_file){"ba", {1, 11}, {8, 48}, 0}, "x.pt: the storage a has 11 numbers, the pickle says 12");
    refuse_old((old_file){"ba", {1, ~0ull}, {8, 48}, 0}, "the storage a has 18446744073709551615 numbers");
    refuse_old((old_file){"ba", {1, 12}, {8, 48}, 3}, "x.pt: 3 bytes behind the last storage");
    refuse_old((old_file){"bb", {1, 1}, {8, 8}, 0}, "x.pt: the storage \"b\" is there twice");
    refuse_old((old_file){"bc", {1, 12}, {8, 48}, 0}, "x.pt: the storage \"c\" is in no tensor");
    refuse_old((old_file){"b", {1}, {8}, 0}, "x.pt: \"w\": its storage a is missing");
    static const char payload[] = OLD_HEAD "\x80\2cos\nsystem\nX\1\0\0\0a\x85R.";
    const blob p = {(unsigned char *)(uintptr_t)payload, sizeof payload - 1, 0};
    refuse(&p, "the pickle calls \"os.system\", which a checkpoint may not");
    assert_says(bfn__tensors_parse(ctx, &st, "\x80\2]q\0.", 6, "x.pt"), BFN_ERR_INPUT,
                "x.pt: is a bare pickle, no file of torch.save");
    /* Formats are told apart by content: a safetensors file whose header has 640 or 67324752 bytes is one. */
    assert_false(bfn__is_torch("\x80\2\0\0\0\0\0\0{", 9));
    assert_false(bfn__is_torch("PK\3\4\0\0\0\0{", 9));
    assert_true(bfn__is_torch("PK\3\4\0\0\x08\0\0", 9));
    assert_false(bfn__is_torch("PK", 2));
}

/* ---- the golden checkpoints ---- */

static void assert_same_tensors(const bfn__safetensors *pt, const bfn__safetensors *st)
{
    assert_int_equal(bfn__safetensors_n_tensors(pt), bfn__safetensors_n_tensors(st));
    for (size_t j = 0; j < bfn__safetensors_n_tensors(pt); j++) {
        const bfn__st_tensor *a = bfn__safetensors_tensor(pt, j), *b = bfn__safetensors_find(st, a->name);
        if (b == NULL) /* weights files may leave the prefix out */
            b = bfn__safetensors_find(st, a->name + strlen("net."));
        assert_non_null(b);
        assert_int_equal(a->rank, b->rank);
        assert_memory_equal(a->shape, b->shape, sizeof a->shape);
        assert_int_equal(a->bytes, b->bytes);
        assert_memory_equal(a->data, b->data, a->bytes);
    }
}

static void test_golden(void **state)
{
    (void)state;
    static const char *const names[] = {"gpt", "vdm1"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[4096];
        bfn__safetensors *pt, *st;
        snprintf(path, sizeof path, "%s/%s_ema.pt", golden_folder(), names[i]);
        assert_ok(bfn__tensors_open(ctx, &pt, path));
        snprintf(path, sizeof path, "%s/%s_weights.safetensors", golden_folder(), names[i]);
        assert_ok(bfn__tensors_open(ctx, &st, path));
        assert_same_tensors(pt, st);
        bfn__safetensors_close(pt);
        bfn__safetensors_close(st);
    }
}

/* What PyTorch writes in both of its formats is the same. */
static void test_golden_formats(void **state)
{
    (void)state;
    char path[4096];
    bfn__safetensors *old, *new;
    snprintf(path, sizeof path, "%s/torch_old.pt", golden_folder());
    assert_ok(bfn__tensors_open(ctx, &old, path));
    snprintf(path, sizeof path, "%s/torch_new.pt", golden_folder());
    assert_ok(bfn__tensors_open(ctx, &new, path));
    assert_int_equal(bfn__safetensors_n_tensors(old), 11);
    assert_same_tensors(old, new);
    bfn__safetensors_close(old);
    bfn__safetensors_close(new);
}

static void test_memory(void **state)
{
    (void)state;
    blob b = simple();
    assert_true(each_allocation(run_parse, &b, BFN_OK) > 8);
    free(b.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_views, setup, teardown),
        cmocka_unit_test_setup_teardown(test_types, setup, teardown),
        cmocka_unit_test_setup_teardown(test_truncation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test_setup_teardown(test_content, setup, teardown),
        cmocka_unit_test_setup_teardown(test_payload, setup, teardown),
        cmocka_unit_test_setup_teardown(test_headers_disagree, setup, teardown),
        cmocka_unit_test_setup_teardown(test_zip64, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_entries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deflated, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_old_format, setup, teardown),
        cmocka_unit_test_setup_teardown(test_golden, setup, teardown),
        cmocka_unit_test_setup_teardown(test_golden_formats, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
