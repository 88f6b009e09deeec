/* test_strings.c: lists of strings from lines, JSON lines and arrays: what is accepted, what is refused, short memory. */
#include "helper_fixture.h"
#include "io/npy.h"
#include "io/strings.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static bfn__alphabet *text8;

static int make_alphabet(void **state)
{
    return setup(state) != 0 || bfn__alphabet_text8(ctx, &text8) != BFN_OK;
}

static int drop_alphabet(void **state)
{
    bfn__alphabet_destroy(text8);
    return teardown(state);
}

static bfn__strings parse(const void *bytes, size_t n, bfn__strings_form form)
{
    bfn__strings s;
    void *copy = exact_copy(bytes, n);
    if (bfn__strings_parse(ctx, &s, copy, n, "x", form, text8) != BFN_OK)
        fail_msg("%s", bfn_errmsg(ctx));
    free(copy);
    return s;
}

static void refuse(const void *bytes, size_t n, bfn__strings_form form, const char *words)
{
    bfn__strings s;
    void *copy = exact_copy(bytes, n);
    assert_int_equal(bfn__strings_parse(ctx, &s, copy, n, "x", form, text8), BFN_ERR_INPUT);
    assert_non_null(strstr(bfn_errmsg(ctx), words));
    assert_true(s.n == 0 && s.list == NULL && s.text == NULL);
    free(copy);
}

static void test_lines(void **state)
{
    (void)state;
    static const char text[] = "one\r\n\ntwo words\n\xc3\xa9";
    bfn__strings s = parse(text, sizeof text - 1, BFN__STRINGS_LINES);
    assert_int_equal(s.n, 4);
    assert_string_equal(s.list[0], "one");
    assert_string_equal(s.list[1], "");
    assert_string_equal(s.list[2], "two words");
    assert_string_equal(s.list[3], "\xc3\xa9");
    bfn__strings_free(ctx, &s);
    refuse("", 0, BFN__STRINGS_LINES, "x: found no string");
    refuse("a\nb\xff\n", 5, BFN__STRINGS_LINES, "x: line 2: byte 1 is 0xff");
    refuse("a\n\n\0\n", 5, BFN__STRINGS_ANY, "x: line 3 holds a NUL");
}

static void test_json(void **state)
{
    (void)state;
    static const char text[] = "{\"text\": \"a\\u00e9\\\"\\n\"}\r\n\n{\"n\": {\"text\": 1}, \"text\": \"b\"}";
    bfn__strings s = parse(text, sizeof text - 1, BFN__STRINGS_ANY);
    assert_int_equal(s.n, 2);
    assert_string_equal(s.list[0], "a\xc3\xa9\"\n");
    assert_string_equal(s.list[1], "b");
    bfn__strings_free(ctx, &s);
    refuse("{\"text\": 1}", 11, BFN__STRINGS_JSON, "x: line 1: has no string \"text\"");
    refuse("[\"text\"]", 8, BFN__STRINGS_JSON, "x: line 1: has no string \"text\"");
    refuse("{\"text\": \"a\"}\n{\"text", 20, BFN__STRINGS_JSON, "x: line 2 is no JSON object");
    refuse("{\"text\": \"a\\u0000\"}", 19, BFN__STRINGS_JSON, "x: line 1 is no JSON object");
    refuse("{\"text\": \"a\", \"text\": \"b\"}", 26, BFN__STRINGS_JSON, "x: line 1 is no JSON object");
    refuse("\n\n", 2, BFN__STRINGS_JSON, "x: found no string");
}

static void *npy(bfn__dtype dtype, int rank, const size_t *shape, const void *data, size_t *n)
{
    char header[BFN__NPY_HEADER_MAX];
    size_t n_header, n_data;
    assert_int_equal(bfn__npy_header(ctx, "x", dtype, rank, shape, header, &n_header, &n_data), BFN_OK);
    char *bytes = malloc(n_header + n_data);
    assert_non_null(bytes);
    memcpy(bytes, header, n_header);
    memcpy(bytes + n_header, data, n_data);
    *n = n_header + n_data;
    return bytes;
}

static void test_indices(void **state)
{
    (void)state;
    static const int32_t values[6] = {1, 2, 3, 0, 26, 0}, wrong[6] = {1, 2, 3, 0, 27, 0}, negative[2] = {0, -1};
    static const float real[2] = {0.0f, 1.0f};
    size_t n;
    void *bytes = npy(BFN__DTYPE_I32, 2, (const size_t[]){2, 3}, values, &n);
    bfn__strings s = parse(bytes, n, BFN__STRINGS_ANY);
    assert_int_equal(s.n, 2);
    assert_string_equal(s.list[0], "abc");
    assert_string_equal(s.list[1], " z ");
    bfn__strings_free(ctx, &s);
    for (size_t cut = 6; cut < n; cut++)
        refuse(bytes, cut, BFN__STRINGS_ANY, "x");
    free(bytes);
    bytes = npy(BFN__DTYPE_I32, 2, (const size_t[]){2, 3}, wrong, &n);
    refuse(bytes, n, BFN__STRINGS_ANY, "x: row 1 holds index 27, the alphabet has 27 symbols");
    free(bytes);
    bytes = npy(BFN__DTYPE_I32, 2, (const size_t[]){1, 2}, negative, &n);
    refuse(bytes, n, BFN__STRINGS_ANY, "x: row 0 holds index -1");
    free(bytes);
    bytes = npy(BFN__DTYPE_I32, 1, (const size_t[]){6}, values, &n);
    refuse(bytes, n, BFN__STRINGS_ANY, "with 1 dimensions, class indices");
    free(bytes);
    bytes = npy(BFN__DTYPE_F32, 2, (const size_t[]){1, 2}, real, &n);
    refuse(bytes, n, BFN__STRINGS_ANY, "an array of F32");
    free(bytes);
    bytes = npy(BFN__DTYPE_I32, 2, (const size_t[]){0, 3}, values, &n);
    refuse(bytes, n, BFN__STRINGS_ANY, "x: found no string");
    free(bytes);
}

typedef struct input {
    const void *bytes;
    size_t n;
} input;

static bfn_status parse_once(bfn_context *own, void *arg)
{
    const input *in = arg;
    bfn__strings s;
    bfn_status status = bfn__strings_parse(own, &s, in->bytes, in->n, "x", BFN__STRINGS_ANY, text8);
    if (status == BFN_OK)
        bfn__strings_free(own, &s);
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    static const int32_t values[6] = {1, 2, 3, 0, 26, 0};
    input lines = {"a\nb", 3}, array;
    void *bytes = npy(BFN__DTYPE_I32, 2, (const size_t[]){2, 3}, values, &array.n);
    array.bytes = bytes;
    assert_true(each_allocation(parse_once, &lines, BFN_OK) >= 2);
    assert_true(each_allocation(parse_once, &array, BFN_OK) >= 4);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_indices),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, make_alphabet, drop_alphabet);
}
