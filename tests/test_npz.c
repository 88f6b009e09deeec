/* test_npz.c: .npz and the reading of .npy: round trips, what NumPy writes, truncation, corruption, bombs, memory. */
#include "helper_fixture.h"
#include "io/file.h"
#include "io/npz.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zip.h>

/* ---- npy ---- */

/* An .npy file of version 1 on the heap: free(). */
static char *npy(const char *dict, const void *data, size_t n_data, size_t *n)
{
    size_t length = strlen(dict);
    char *bytes = malloc(10 + length + n_data);
    assert_non_null(bytes);
    memcpy(bytes, "\x93NUMPY\x01\x00", 8);
    bytes[8] = (char)(length & 255);
    bytes[9] = (char)(length >> 8);
    memcpy(bytes + 10, dict, length);
    if (n_data > 0)
        memcpy(bytes + 10 + length, data, n_data);
    *n = 10 + length + n_data;
    return bytes;
}

static bfn_status parse(const void *bytes, size_t n, bfn__st_tensor *out)
{
    void *copy = exact_copy(bytes, n);
    bfn_status status = bfn__npy_parse(ctx, copy, n, "x.npy", out);
    if (status == BFN_OK)
        assert_ptr_equal((const char *)out->data + out->bytes, (char *)copy + n);
    free(copy);
    return status;
}

static void refuse(const char *dict, size_t n_data, const char *words)
{
    static const char data[64];
    bfn__st_tensor t;
    size_t n;
    char *bytes = npy(dict, data, n_data, &n);
    assert_says(parse(bytes, n, &t), BFN_ERR_INPUT, words);
    assert_int_equal(strncmp(bfn_errmsg(ctx), "x.npy: ", 7), 0);
    free(bytes);
}

static void test_npy_headers(void **state)
{
    (void)state;
    static const struct {
        const char *dict;
        size_t n_data;
        bfn__dtype dtype;
        int rank;
        size_t shape[3];
    } good[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }      \n", 24, BFN__DTYPE_F32, 2, {2, 3}},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (3,), }\n", 24, BFN__DTYPE_F64, 1, {3}},
        {"{'descr': '<f8', 'fortran_order': True, 'shape': (3,), }\n", 24, BFN__DTYPE_F64, 1, {3}},
        {"{\"shape\":(),\"descr\":\"|u1\",\"fortran_order\":False}", 1, BFN__DTYPE_U8, 0, {0}},
        {"{'descr':'<i8','fortran_order':False,'shape':(0,7)}", 0, BFN__DTYPE_I64, 2, {0, 7}},
        {"{'descr':'|b1','fortran_order':False,'shape':(1 ,1, 2)}", 2, BFN__DTYPE_BOOL, 3, {1, 1, 2}},
        {"{'descr':'<f2','fortran_order':False,'shape':(4,)}", 8, BFN__DTYPE_F16, 1, {4}},
        {"{'descr':'<i4','fortran_order':False,'shape':(4,)}", 16, BFN__DTYPE_I32, 1, {4}},
    };
    static const char data[64] = "0123456789abcdefghijklmnopqrstuvwxyz";
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        bfn__st_tensor t;
        size_t n;
        char *bytes = npy(good[i].dict, data, good[i].n_data, &n);
        if (bfn__npy_parse(ctx, bytes, n, "x.npy", &t) != BFN_OK)
            fail_msg("%s: %s", good[i].dict, bfn_errmsg(ctx));
        assert_int_equal(t.dtype, good[i].dtype);
        assert_int_equal(t.rank, good[i].rank);
        assert_memory_equal(t.shape, good[i].shape, (size_t)t.rank * sizeof *t.shape);
        assert_int_equal(t.bytes, good[i].n_data);
        assert_memory_equal(t.data, data, t.bytes);
        assert_string_equal(t.name, "x.npy");
        /* Cut anywhere, and one byte more. */
        for (size_t cut = 0; cut < n; cut++)
            assert_says(parse(bytes, cut, &t), BFN_ERR_INPUT, "x.npy: ");
        bytes = realloc(bytes, n + 1);
        bytes[n] = 0;
        assert_says(parse(bytes, n + 1, &t), BFN_ERR_INPUT, "follow the header");
        free(bytes);
    }
}

static void test_npy_versions(void **state)
{
    (void)state;
    static const char dict[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n";
    for (int version = 0; version < 6; version++) {
        unsigned char bytes[12 + sizeof dict + 3] = "\x93NUMPY";
        bfn__st_tensor t;
        size_t wide = version > 1 ? 4 : 2, n = 8 + wide + sizeof dict - 1 + 4;
        bytes[6] = (unsigned char)version;
        bytes[8] = sizeof dict - 1;
        memcpy(bytes + 8 + wide, dict, sizeof dict - 1);
        memcpy(bytes + n - 4, "\0\0\x80\x3f", 4);
        bfn_status status = bfn__npy_parse(ctx, bytes, n, "x.npy", &t);
        assert_int_equal(status, version >= 1 && version <= 3 ? BFN_OK : BFN_ERR_INPUT);
        float value = 0.0f;
        if (status == BFN_OK)
            memcpy(&value, t.data, 4);
        assert_true(value == (status == BFN_OK ? 1.0f : 0.0f));
    }
    unsigned char large[] = "\x93NUMPY\2\0\xff\xff\xff\xff{}";
    bfn__st_tensor t;
    assert_says(parse(large, sizeof large - 1, &t), BFN_ERR_INPUT, "the npy header has 4294967295 bytes");
    large[6] = 1;
    large[7] = 1;
    assert_says(parse(large, sizeof large - 1, &t), BFN_ERR_INPUT, "npy version 1.1");
}

static void test_npy_refused(void **state)
{
    (void)state;
#define D "'descr':'<f4'"
#define F "'fortran_order':False"
#define S "'shape':(1,)"
    refuse("{" D "," F "," S "} x", 4, "the header's end");
    refuse("[" D "," F "," S "]", 4, "'{'");
    refuse("{" D "," F "}", 4, "has no shape");
    refuse("{" D "," S "}", 4, "has no fortran_order");
    refuse("{" F "," S "}", 4, "has no descr");
    refuse("{}", 4, "has no descr");
    refuse("", 4, "'{'");
    refuse("{" D "," D "," F "," S "}", 4, "\"descr\" twice");
    refuse("{" D "," F "," S ",'more':1}", 4, "the key \"more\"");
    refuse("{" D "," F ",'shape':[1]}", 4, "a tuple");
    refuse("{" D "," F ",'shape':(-1,)}", 4, "a whole number");
    refuse("{" D "," F ",'shape':(1.0,)}", 4, "',' or ')'");
    refuse("{" D "," F ",'shape':(1 2)}", 4, "',' or ')'");
    refuse("{" D "," F ",'shape':(1", 4, "',' or ')'");
    refuse("{" D "," F ",'shape':(,)}", 4, "a whole number");
    refuse("{" D "," F ",'shape':(1,1,1,1,1,1,1,1,1)}", 4, "more than 8 dimensions");
    refuse("{" D "," F ",'shape':(18446744073709551616,)}", 4, "a size below 2^64");
    refuse("{" D "," F ",'shape':(4294967296,4294967296)}", 0, "needs more than");
    refuse("{" D "," F ",'shape':(4611686018427387904,)}", 0, "needs more than");
    refuse("{" D "," F ",'shape':(2,)}", 4, "needs 8 bytes of data, 4 follow");
    refuse("{" D ",'fortran_order':True,'shape':(2,2)}", 16, "Fortran order");
    refuse("{" D ",'fortran_order':1," S "}", 4, "True or False");
    refuse("{'descr':'>f4'," F "," S "}", 4, "\">f4\" (big-endian)");
    refuse("{'descr':'|O'," F "," S "}", 8, "\"|O\" (objects)");
    refuse("{'descr':'<U3'," F "," S "}", 12, "\"<U3\"");
    refuse("{'descr':'<c8'," F "," S "}", 8, "\"<c8\"");
    refuse("{'descr':[('a','<f4')]," F "," S "}", 4, "structures");
    refuse("{'descr':'<f4\\n'," F "," S "}", 4, "without escapes");
    refuse("{'descr':'<f4," F "," S "}", 4, "");
    refuse("{'descr' '<f4'," F "," S "}", 4, "':'");
    refuse("{" D " " F "," S "}", 4, "',' or '}'");
    refuse("{'descr':\"<f4'," F "," S "}", 4, "a string without escapes");
    refuse("{'a very long key that does not fit anywhere':1}", 4, "the key");
    bfn__st_tensor t;
    assert_says(parse("\x93NUMPX\x01\x00\x00\x00{}", 12, &t), BFN_ERR_INPUT, "is not an npy file");
}

/* ---- npz ---- */

static const float f32[6] = {1.0f, -2.0f, 3.5f, 0.0f, -0.0f, 1e-40f};
static const double f64[2] = {-1.5, 1e300};
static const int32_t i32[1] = {-7};
static const unsigned char u8[12] = {0, 1, 2, 254, 255, 0, 0, 0, 0, 0, 0, 9};

static const bfn__st_tensor example[] = {
    {.name = "arr_0", .dtype = BFN__DTYPE_U8, .rank = 4, .shape = {1, 2, 2, 3}, .data = u8},
    {.name = "a name, with (signs)", .dtype = BFN__DTYPE_F32, .rank = 2, .shape = {2, 3}, .data = f32},
    {.name = "scalar", .dtype = BFN__DTYPE_I32, .rank = 0, .data = i32},
    {.name = "nothing", .dtype = BFN__DTYPE_F64, .rank = 2, .shape = {0, 3}, .data = NULL},
    {.name = "sigma", .dtype = BFN__DTYPE_F64, .rank = 1, .shape = {2}, .data = f64},
};
enum { N_EXAMPLE = sizeof example / sizeof example[0] };

static void save_example(bool deflate)
{
    assert_ok(bfn__npz_save(ctx, scratch("a.npz"), example, N_EXAMPLE, deflate));
}

/* The bytes of the example's file; free(). */
static unsigned char *example_bytes(bool deflate, size_t *n)
{
    bfn__bytes file;
    save_example(deflate);
    assert_ok(bfn__file_map(ctx, scratch("a.npz"), SIZE_MAX, &file));
    *n = file.size;
    unsigned char *copy = exact_copy(file.data, file.size);
    bfn__file_unmap(ctx, &file);
    return copy;
}

static void check_example(const bfn__npz *npz)
{
    assert_int_equal(bfn__npz_n(npz), N_EXAMPLE);
    for (size_t i = 0; i < N_EXAMPLE; i++) {
        const bfn__st_tensor *t = bfn__npz_find(npz, example[i].name);
        assert_ptr_equal(t, bfn__npz_tensor(npz, i));
        assert_int_equal(t->dtype, example[i].dtype);
        assert_int_equal(t->rank, example[i].rank);
        assert_memory_equal(t->shape, example[i].shape, (size_t)t->rank * sizeof *t->shape);
        assert_int_equal(t->bytes, t->count * bfn__dtype_size(t->dtype));
        if (t->bytes > 0)
            assert_memory_equal(t->data, example[i].data, t->bytes);
    }
    assert_null(bfn__npz_find(npz, "arr_0.npy"));
    assert_null(bfn__npz_find(npz, "sigm"));
}

static void test_round_trip(void **state)
{
    (void)state;
    for (int deflate = 0; deflate < 2; deflate++) {
        bfn__npz *npz;
        save_example(deflate != 0);
        assert_int_equal(scratch_count(), 1);
        assert_ok(bfn__npz_open(ctx, &npz, scratch("a.npz")));
        check_example(npz);
        bfn__npz_close(npz);
        size_t n, n_again;
        unsigned char *bytes = example_bytes(deflate != 0, &n), *again = example_bytes(deflate != 0, &n_again);
        assert_int_equal(n, n_again);
        assert_memory_equal(bytes, again, n);
        assert_memory_equal(bytes + 10, "\0\0\x21\0", 4); /* 1980-01-01, midnight: no clock in the file */
        free(bytes);
        free(again);
    }
    bfn__npz_close(NULL);
}

/* Compressed means smaller, stored means that the data stand there as they are. */
static void test_methods(void **state)
{
    (void)state;
    static float zeros[10000];
    static const bfn__st_tensor t = {.name = "z", .dtype = BFN__DTYPE_F32, .rank = 1, .shape = {10000}, .data = zeros};
    bfn__bytes file;
    assert_ok(bfn__npz_save(ctx, scratch("z.npz"), &t, 1, true));
    assert_ok(bfn__file_map(ctx, scratch("z.npz"), SIZE_MAX, &file));
    assert_true(file.size < 1000);
    bfn__npz *npz;
    assert_ok(bfn__npz_parse(ctx, &npz, file.data, file.size, 0, "z.npz"));
    bfn__file_unmap(ctx, &file); /* the arrays are copies */
    assert_memory_equal(bfn__npz_find(npz, "z")->data, zeros, sizeof zeros);
    bfn__npz_close(npz);
    assert_ok(bfn__npz_save(ctx, scratch("z.npz"), &t, 1, false));
    assert_ok(bfn__file_map(ctx, scratch("z.npz"), SIZE_MAX, &file));
    assert_true(file.size > sizeof zeros);
    /* A cap of the caller's own. */
    assert_says(bfn__npz_parse(ctx, &npz, file.data, file.size, 1000, "z.npz"), BFN_ERR_INPUT,
                "\"z.npy\" inflates to 40128 bytes, at most 1000 are allowed");
    assert_null(npz);
    bfn__file_unmap(ctx, &file);
}

static bfn_status parse_npz(const void *bytes, size_t n)
{
    bfn__npz *npz;
    void *copy = exact_copy(bytes, n);
    bfn_status status = bfn__npz_parse(ctx, &npz, copy, n, (size_t)1 << 20, "x.npz");
    free(copy);
    assert_true((status == BFN_OK) == (npz != NULL));
    for (size_t i = 0; npz != NULL && i < bfn__npz_n(npz); i++) { /* every byte of every array is there */
        const bfn__st_tensor *t = bfn__npz_tensor(npz, i);
        size_t sum = 0;
        for (size_t b = 0; b < t->bytes; b++)
            sum += ((const unsigned char *)t->data)[b];
        assert_true(sum <= 255 * t->bytes);
    }
    bfn__npz_close(npz);
    return status;
}

static void test_truncated_everywhere(void **state)
{
    (void)state;
    size_t n;
    for (int deflate = 0; deflate < 2; deflate++) {
        unsigned char *bytes = example_bytes(deflate != 0, &n);
        for (size_t cut = 0; cut < n; cut++)
            assert_says(parse_npz(bytes, cut), BFN_ERR_INPUT, "x.npz: ");
        assert_ok(parse_npz(bytes, n));
        free(bytes);
    }
}

static void test_corrupted_everywhere(void **state)
{
    (void)state;
    size_t n, accepted = 0, refused = 0;
    for (int deflate = 0; deflate < 2; deflate++) {
        unsigned char *bytes = example_bytes(deflate != 0, &n);
        for (size_t i = 0; i < n; i++) {
            unsigned char old = bytes[i];
            for (int value = 0; value < 256; value += 51) {
                bytes[i] = (unsigned char)(old ^ value);
                bfn_status status = parse_npz(bytes, n);
                assert_true(status == BFN_OK || status == BFN_ERR_INPUT);
                accepted += status == BFN_OK;
                refused += status != BFN_OK;
            }
            bytes[i] = old;
        }
        free(bytes);
    }
    assert_true(accepted > 0 && refused > 2 * accepted);
}

/* A flipped bit in an array's data is noticed by the checksum alone. */
static void test_flipped_data(void **state)
{
    (void)state;
    size_t n;
    unsigned char *bytes = example_bytes(false, &n);
    size_t at = 0;
    while (memcmp(bytes + at, u8, sizeof u8) != 0)
        at++;
    for (size_t bit = 0; bit < 8 * sizeof u8; bit++) {
        bytes[at + bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_says(parse_npz(bytes, n), BFN_ERR_INPUT, "CRC error");
        bytes[at + bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
    free(bytes);
}

/* A zip file of one entry, made by libzip. */
static void make_zip(const char *name, const void *data, size_t n, int method, const char *password)
{
    int error = 0;
    zip_t *zip = zip_open(scratch("made.npz"), ZIP_CREATE | ZIP_TRUNCATE, &error);
    assert_non_null(zip);
    zip_source_t *source = zip_source_buffer(zip, data, n, 0);
    zip_int64_t index = zip_file_add(zip, name, source, 0);
    assert_true(index >= 0);
    assert_int_equal(zip_set_file_compression(zip, (zip_uint64_t)index, method, 0), 0);
    if (password != NULL)
        assert_int_equal(zip_file_set_encryption(zip, (zip_uint64_t)index, ZIP_EM_AES_256, password), 0);
    assert_int_equal(zip_close(zip), 0);
}

static void refuse_made(const char *words)
{
    bfn__npz *npz;
    assert_says(bfn__npz_open(ctx, &npz, scratch("made.npz")), BFN_ERR_INPUT, words);
    assert_null(npz);
}

static void test_other_zip_files(void **state)
{
    (void)state;
    static const char dict[] = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n";
    size_t n;
    char *bytes = npy(dict, "abcd", 4, &n);
    bfn__npz *npz;
    make_zip("x.npy", bytes, n, ZIP_CM_STORE, NULL);
    assert_ok(bfn__npz_open(ctx, &npz, scratch("made.npz")));
    assert_memory_equal(bfn__npz_find(npz, "x")->data, "abcd", 4);
    bfn__npz_close(npz);
    make_zip("x.txt", bytes, n, ZIP_CM_STORE, NULL);
    refuse_made("\"x.txt\" inside, allowed: arrays");
    make_zip(".npy", bytes, n, ZIP_CM_STORE, NULL);
    refuse_made("\".npy\" inside");
    make_zip("x.npy", bytes, n - 1, ZIP_CM_DEFLATE, NULL);
    refuse_made("made.npz: x: its shape needs 4 bytes");
    make_zip("x.npy", "", 0, ZIP_CM_STORE, NULL);
    refuse_made("made.npz: x: is not an npy file");
    if (zip_encryption_method_supported(ZIP_EM_AES_256, 1) != 0) {
        make_zip("x.npy", bytes, n, ZIP_CM_STORE, "secret");
        refuse_made("\"x.npy\" is encrypted");
    }
    if (zip_compression_method_supported(ZIP_CM_BZIP2, 1) != 0) {
        make_zip("x.npy", bytes, n, ZIP_CM_BZIP2, NULL);
        refuse_made("compressed by method 12, allowed: 0 (stored), 8 (deflate)");
    }
    free(bytes);
    assert_says(bfn__npz_open(ctx, &npz, "none.npz"), BFN_ERR_NOT_FOUND, "none.npz");
}

/* 64 MB of zeros in 64 KB: refused by the cap before anything is unfolded. */
static void test_bomb(void **state)
{
    (void)state;
    enum { UNFOLDED = 64000000 };
    char *zeros = calloc(UNFOLDED, 1);
    bfn__bytes file;
    bfn__npz *npz;
    assert_non_null(zeros);
    make_zip("x.npy", zeros, UNFOLDED, ZIP_CM_DEFLATE, NULL);
    free(zeros);
    assert_ok(bfn__file_map(ctx, scratch("made.npz"), SIZE_MAX, &file));
    assert_says(bfn__npz_parse(ctx, &npz, file.data, file.size, 1 << 20, "x.npz"), BFN_ERR_INPUT,
                "inflates to 64000000 bytes, at most 1048576 are allowed");
    bfn__file_unmap(ctx, &file);
}

static size_t find(const unsigned char *bytes, size_t n, size_t from, const char *signature)
{
    for (size_t i = from; i + 4 <= n; i++)
        if (memcmp(bytes + i, signature, 4) == 0)
            return i;
    fail_msg("no %.2s record", signature);
    return 0;
}

/* Sizes that lie, in the directory and in the local header alike, so that the two agree. */
static void test_lies(void **state)
{
    (void)state;
    size_t n;
    unsigned char *bytes = example_bytes(false, &n);
    size_t local = find(bytes, n, 0, "PK\3\4"), central = find(bytes, n, 0, "PK\1\2");
    for (size_t byte = 0; byte < 4; byte++) {
        unsigned char old = bytes[central + 24 + byte];
        bytes[local + 22 + byte] = bytes[central + 24 + byte] = (unsigned char)(old + 1); /* uncompressed size */
        assert_says(parse_npz(bytes, n), BFN_ERR_INPUT, "cannot hold");
        bytes[local + 22 + byte] = bytes[central + 24 + byte] = old;
    }
    assert_ok(parse_npz(bytes, n));
    free(bytes);
    /* Two entries of one name: the second's name becomes the first's. */
    static const bfn__st_tensor two[] = {{.name = "a", .dtype = BFN__DTYPE_I32, .rank = 0, .data = i32},
                                         {.name = "b", .dtype = BFN__DTYPE_I32, .rank = 0, .data = i32}};
    bfn__bytes file;
    assert_ok(bfn__npz_save(ctx, scratch("b.npz"), two, 2, false));
    assert_ok(bfn__file_map(ctx, scratch("b.npz"), SIZE_MAX, &file));
    bytes = exact_copy(file.data, n = file.size);
    bfn__file_unmap(ctx, &file);
    size_t second = find(bytes, n, find(bytes, n, 0, "PK\3\4") + 4, "PK\3\4");
    size_t second_central = find(bytes, n, find(bytes, n, 0, "PK\1\2") + 4, "PK\1\2");
    assert_int_equal(bytes[second + 30], 'b');
    assert_int_equal(bytes[second_central + 46], 'b');
    bytes[second + 30] = bytes[second_central + 46] = 'a';
    assert_says(parse_npz(bytes, n), BFN_ERR_INPUT, "already exists");
    free(bytes);
}

/* The cap holds for all arrays together. */
static void test_cap_of_all(void **state)
{
    (void)state;
    static float zeros[1000];
    const bfn__st_tensor two[] = {{.name = "a", .dtype = BFN__DTYPE_F32, .rank = 1, .shape = {1000}, .data = zeros},
                                  {.name = "b", .dtype = BFN__DTYPE_F32, .rank = 1, .shape = {1000}, .data = zeros}};
    bfn__bytes file;
    bfn__npz *npz;
    assert_ok(bfn__npz_save(ctx, scratch("b.npz"), two, 2, true));
    assert_ok(bfn__file_map(ctx, scratch("b.npz"), SIZE_MAX, &file));
    assert_ok(bfn__npz_parse(ctx, &npz, file.data, file.size, 2 * 4128, "x.npz"));
    bfn__npz_close(npz);
    assert_says(bfn__npz_parse(ctx, &npz, file.data, file.size, 2 * 4128 - 1, "x.npz"), BFN_ERR_INPUT,
                "\"b.npy\" inflates to 4128 bytes, at most 4127 are allowed");
    bfn__file_unmap(ctx, &file);
}

/* A zip64 directory that claims 2^40 entries: said before libzip makes room for them. */
static void test_claimed_entries(void **state)
{
    (void)state;
    unsigned char bytes[56 + 20 + 22] = "PK\6\6";
    bytes[4] = 44;             /* size of the rest of the record */
    bytes[29] = bytes[37] = 1; /* 2^40 entries, here and in all */
    memcpy(bytes + 56, "PK\6\7", 4);
    bytes[56 + 16] = 1;
    memcpy(bytes + 76, "PK\5\6", 4);
    memset(bytes + 76 + 8, 0xff, 12);
    assert_says(parse_npz(bytes, sizeof bytes), BFN_ERR_INPUT, "claims 1099511627776 files inside");
    bytes[29] = bytes[37] = 0; /* none: nothing to read */
    assert_says(parse_npz(bytes, sizeof bytes), BFN_ERR_INPUT, "x.npz: ");
    /* An end that points outside. */
    memset(bytes + 56 + 8, 0xff, 8);
    assert_says(parse_npz(bytes, sizeof bytes), BFN_ERR_INPUT, "x.npz: ");
    /* A zip file without entries. */
    unsigned char empty[22] = "PK\5\6";
    assert_says(parse_npz(empty, sizeof empty), BFN_ERR_INPUT, "0 files inside");
}

static void test_save_refuses(void **state)
{
    (void)state;
    static const char *const names[] = {"",
                                        "a/b",
                                        "a\\b",
                                        "c:",
                                        "\n",
                                        "gr\xc3\xb6\xc3\x9f"
                                        "e"};
    bfn__st_tensor t = example[0];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        t.name = names[i];
        assert_says(bfn__npz_save(ctx, scratch("b.npz"), &t, 1, false), BFN_ERR_ARGUMENT, "array name");
    }
    t = example[0];
    t.dtype = BFN__DTYPE_BF16;
    assert_says(bfn__npz_save(ctx, scratch("b.npz"), &t, 1, false), BFN_ERR_ARGUMENT, "BF16");
    assert_says(bfn__npz_save(ctx, scratch("b.npz"), &t, 0, false), BFN_ERR_ARGUMENT, "0 arrays");
    const bfn__st_tensor twice[] = {example[0], example[0]};
    assert_says(bfn__npz_save(ctx, scratch("b.npz"), twice, 2, false), BFN_ERR_ARGUMENT, "arr_0");
    assert_says(bfn__npz_save(ctx, "/dev/full", example, N_EXAMPLE, false), BFN_ERR_WRITE, "No space left");
    assert_says(bfn__npz_save(ctx, scratch("no/b.npz"), example, N_EXAMPLE, false), BFN_ERR_WRITE, "b.npz");
    assert_int_equal(scratch_count(), 0);
}

static bfn_status run_save(bfn_context *context, void *arg)
{
    return bfn__npz_save(context, arg, example, N_EXAMPLE, true);
}

static bfn_status run_open(bfn_context *context, void *arg)
{
    bfn__npz *npz;
    bfn_status status = bfn__npz_open(context, &npz, arg);
    assert_true((status == BFN_OK) == (npz != NULL));
    bfn__npz_close(npz);
    return status;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    char path[512];
    (void)snprintf(path, sizeof path, "%s", scratch("a.npz"));
    assert_true(each_allocation(run_save, path, BFN_OK) >= 4);
    assert_int_equal(scratch_count(), 1);
    assert_true(each_allocation(run_open, path, BFN_OK) >= 5 + 2 * N_EXAMPLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_npy_headers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_npy_versions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_npy_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_round_trip, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_methods, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_truncated_everywhere, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_corrupted_everywhere, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_flipped_data, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_other_zip_files, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_bomb, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_lies, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_cap_of_all, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_claimed_entries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_save_refuses, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_out_of_memory, setup_scratch, teardown_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
