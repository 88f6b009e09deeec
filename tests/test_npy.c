/* test_npy.c: the bytes of .npy files, taken apart by the format's own rules. */
#include "helper_fixture.h"
#include "io/file.h"
#include "io/npy.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Magic 6, version 2, length 2, a dict, spaces, a newline; data at a multiple of 64. */
static void check_file(const char *dict, const void *data, size_t n_data)
{
    bfn__bytes file;
    assert_int_equal(bfn__file_map(ctx, scratch("a.npy"), SIZE_MAX, &file), BFN_OK);
    const unsigned char *b = file.data;
    assert_memory_equal(b, "\x93NUMPY\x01\x00", 8);
    size_t header = (size_t)b[8] + 256 * (size_t)b[9], n_dict = strlen(dict);
    assert_int_equal((10 + header) % 64, 0);
    assert_int_equal(file.size, 10 + header + n_data);
    assert_memory_equal(b + 10, dict, n_dict);
    for (size_t i = 10 + n_dict; i < 10 + header - 1; i++)
        assert_int_equal(b[i], ' ');
    assert_int_equal(b[10 + header - 1], '\n');
    if (n_data > 0)
        assert_memory_equal(b + 10 + header, data, n_data);
    bfn__file_unmap(ctx, &file);
}

static void save(bfn__dtype dtype, int rank, const size_t *shape, const void *data)
{
    if (bfn__npy_save(ctx, scratch("a.npy"), dtype, rank, shape, data) != BFN_OK)
        fail_msg("%s", bfn_errmsg(ctx));
}

static const int32_t values[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, -10, 1 << 30};

static void test_shapes(void **state)
{
    (void)state;
    save(BFN__DTYPE_I32, 2, (const size_t[]){3, 4}, values);
    check_file("{'descr': '<i4', 'fortran_order': False, 'shape': (3, 4), }", values, 48);
    save(BFN__DTYPE_I32, 1, (const size_t[]){12}, values);
    check_file("{'descr': '<i4', 'fortran_order': False, 'shape': (12,), }", values, 48);
    save(BFN__DTYPE_I32, 0, NULL, values);
    check_file("{'descr': '<i4', 'fortran_order': False, 'shape': (), }", values, 4);
    save(BFN__DTYPE_I32, 3, (const size_t[]){2, 0, 3}, values);
    check_file("{'descr': '<i4', 'fortran_order': False, 'shape': (2, 0, 3), }", values, 0);
    save(BFN__DTYPE_I32, 8, (const size_t[]){1, 1, 2, 1, 3, 1, 2, 1}, values);
    check_file("{'descr': '<i4', 'fortran_order': False, 'shape': (1, 1, 2, 1, 3, 1, 2, 1), }", values, 48);
}

static void test_types(void **state)
{
    (void)state;
    static const struct {
        bfn__dtype dtype;
        const char *dict;
    } types[] = {{BFN__DTYPE_F64, "{'descr': '<f8', "}, {BFN__DTYPE_F32, "{'descr': '<f4', "},
                 {BFN__DTYPE_F16, "{'descr': '<f2', "}, {BFN__DTYPE_I64, "{'descr': '<i8', "},
                 {BFN__DTYPE_I32, "{'descr': '<i4', "}, {BFN__DTYPE_U8, "{'descr': '|u1', "},
                 {BFN__DTYPE_BOOL, "{'descr': '|b1', "}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        char dict[128];
        (void)snprintf(dict, sizeof dict, "%s'fortran_order': False, 'shape': (3, 2), }", types[i].dict);
        save(types[i].dtype, 2, (const size_t[]){3, 2}, values);
        check_file(dict, values, 6 * bfn__dtype_size(types[i].dtype));
    }
}

static void test_largest_header(void **state)
{
    (void)state;
    /* Eight numbers of twenty digits; one zero makes the array empty. */
    size_t shape[8] = {0, 1, 1, 1, 1, 1, 1, 1};
    shape[7] = SIZE_MAX;
    save(BFN__DTYPE_U8, 8, shape, NULL);
    check_file("{'descr': '|u1', 'fortran_order': False, 'shape': (0, 1, 1, 1, 1, 1, 1, 18446744073709551615), }", NULL,
               0);
}

/* Empty is empty, wherever the zero stands (found by fuzzing: the reader took what the writer refused). */
static void test_zero_among_large(void **state)
{
    (void)state;
    static const char *const dicts[] = {"(0, 4294967296, 4294967296)", "(4294967296, 0, 4294967296)",
                                        "(4294967296, 4294967296, 0)"};
    for (size_t i = 0; i < 3; i++) {
        size_t shape[3] = {(size_t)1 << 32, (size_t)1 << 32, (size_t)1 << 32};
        bfn__bytes file;
        bfn__st_tensor t;
        char dict[128];
        shape[i] = 0;
        (void)snprintf(dict, sizeof dict, "{'descr': '<i4', 'fortran_order': False, 'shape': %s, }", dicts[i]);
        save(BFN__DTYPE_I32, 3, shape, NULL);
        check_file(dict, NULL, 0);
        assert_int_equal(bfn__file_map(ctx, scratch("a.npy"), SIZE_MAX, &file), BFN_OK);
        assert_int_equal(bfn__npy_parse(ctx, file.data, file.size, "x", &t), BFN_OK);
        assert_true(t.count == 0 && t.bytes == 0 && t.shape[(i + 1) % 3] == (size_t)1 << 32);
        bfn__file_unmap(ctx, &file);
    }
}

static void test_refused(void **state)
{
    (void)state;
    const size_t large[] = {(size_t)1 << 40, (size_t)1 << 40};
    assert_int_equal(bfn__npy_save(ctx, scratch("a.npy"), BFN__DTYPE_F32, 2, large, values), BFN_ERR_ARGUMENT);
    assert_int_equal(bfn__npy_save(ctx, scratch("a.npy"), BFN__DTYPE_BF16, 1, (const size_t[]){2}, values),
                     BFN_ERR_ARGUMENT);
    assert_non_null(strstr(bfn_errmsg(ctx), "BF16"));
    assert_int_equal(bfn__npy_save(ctx, scratch("a.npy"), BFN__DTYPE_F32, 9, large, values), BFN_ERR_ARGUMENT);
    assert_int_equal(bfn__npy_save(ctx, scratch("a.npy"), BFN__DTYPE_F32, -1, large, values), BFN_ERR_ARGUMENT);
    assert_int_equal(bfn__npy_save(ctx, scratch("no/a.npy"), BFN__DTYPE_F32, 0, NULL, values), BFN_ERR_WRITE);
    assert_int_equal(bfn__npy_save(ctx, "/dev/full", BFN__DTYPE_F32, 0, NULL, values), BFN_ERR_WRITE);
    assert_non_null(strstr(bfn_errmsg(ctx), "No space left"));
    assert_int_equal(scratch_count(), 0);
}

static bfn_status run_save(bfn_context *context, void *arg)
{
    return bfn__npy_save(context, arg, BFN__DTYPE_I32, 1, (const size_t[]){12}, values);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    char path[512];
    (void)snprintf(path, sizeof path, "%s", scratch("a.npy"));
    assert_true(each_allocation(run_save, path, BFN_OK) >= 3);
    check_file("{'descr': '<i4', 'fortran_order': False, 'shape': (12,), }", values, 48);
    assert_int_equal(scratch_count(), 1);
}

/* ---- reading (more of it in test_npz.c) ---- */

static bfn_status parse(const void *bytes, size_t n, bfn__st_tensor *out)
{
    void *copy = exact_copy(bytes, n);
    bfn_status status = bfn__npy_parse(ctx, copy, n, "x.npy", out);
    if (status == BFN_OK)
        assert_ptr_equal((const char *)out->data + out->bytes, (char *)copy + n);
    free(copy);
    return status;
}

/* The bytes of a saved file [3,4]. */
static size_t saved(char bytes[BFN__NPY_HEADER_MAX])
{
    size_t n_header, n_data;
    assert_int_equal(bfn__npy_header(ctx, "x", BFN__DTYPE_I32, 2, (const size_t[]){3, 4}, bytes, &n_header, &n_data),
                     BFN_OK);
    memcpy(bytes + n_header, values, n_data);
    return n_header + n_data;
}

static void test_truncated_everywhere(void **state)
{
    (void)state;
    char bytes[BFN__NPY_HEADER_MAX + sizeof values + 1] = "";
    bfn__st_tensor t;
    size_t n = saved(bytes);
    for (size_t cut = 0; cut < n; cut++) {
        assert_int_equal(parse(bytes, cut, &t), BFN_ERR_INPUT);
        assert_int_equal(strncmp(bfn_errmsg(ctx), "x.npy: ", 7), 0);
        assert_null(t.data);
    }
    assert_int_equal(parse(bytes, n, &t), BFN_OK);
    assert_true(t.dtype == BFN__DTYPE_I32 && t.rank == 2 && t.shape[0] == 3 && t.shape[1] == 4 && t.count == 12);
    assert_int_equal(parse(bytes, n + 1, &t), BFN_ERR_INPUT);
}

/* Every byte of the header changed in every bit: accepted only as something that the rest of the file bears out. */
static void test_header_corrupted_everywhere(void **state)
{
    (void)state;
    char bytes[BFN__NPY_HEADER_MAX + sizeof values + 1] = "";
    bfn__st_tensor t;
    size_t n = saved(bytes), accepted = 0, refused = 0;
    for (size_t i = 0; i < n - sizeof values; i++) {
        char old = bytes[i];
        for (int value = 1; value < 256; value++) {
            bytes[i] = (char)(old ^ value);
            bfn_status status = parse(bytes, n, &t);
            assert_true(status == BFN_OK || status == BFN_ERR_INPUT);
            assert_true(status != BFN_OK || t.bytes == sizeof values);
            accepted += status == BFN_OK;
            refused += status != BFN_OK;
        }
        bytes[i] = old;
    }
    assert_true(accepted > 0 && refused > 20 * accepted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_shapes, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_types, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_largest_header, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_zero_among_large, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_refused, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_out_of_memory, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_truncated_everywhere, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_header_corrupted_everywhere, setup_scratch, teardown_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
