/* test_idx.c: IDX files: every truncation, every header byte replaced by anything, sizes that overflow. */
#include "helper_fixture.h"
#include "io/idx.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static bfn_status parse(const void *bytes, size_t n, bfn__idx *out)
{
    void *copy = exact_copy(bytes, n);
    bfn_status status = bfn__idx_parse(ctx, copy, n, "x.idx", out);
    if (status == BFN_OK) { /* inside the bytes, and all of them */
        assert_ptr_equal(out->data, (unsigned char *)copy + 4 + 4 * out->rank);
        assert_int_equal(4 + 4 * (size_t)out->rank + out->count, n);
    } else {
        assert_int_equal(out->rank, 0);
        assert_null(out->data);
    }
    free(copy);
    return status;
}

static void refuse(const void *bytes, size_t n, const char *words)
{
    bfn__idx idx;
    assert_says(parse(bytes, n, &idx), BFN_ERR_INPUT, words);
    assert_int_equal(strncmp(bfn_errmsg(ctx), "x.idx: ", 7), 0);
}

/* Two images of 3 x 2. */
static const unsigned char images[] = {0, 0, 8, 3, 0, 0, 0, 2, 0,   0,   0,   3,   0,   0,
                                       0, 2, 0, 1, 2, 3, 4, 5, 250, 251, 252, 253, 254, 255};
static const unsigned char labels[] = {0, 0, 8, 1, 0, 0, 0, 3, 7, 0, 255};

static void test_values(void **state)
{
    (void)state;
    bfn__idx idx;
    assert_ok(bfn__idx_parse(ctx, images, sizeof images, "x", &idx));
    assert_int_equal(idx.rank, 3);
    assert_int_equal(idx.dims[0], 2);
    assert_int_equal(idx.dims[1], 3);
    assert_int_equal(idx.dims[2], 2);
    assert_int_equal(idx.count, 12);
    assert_int_equal(idx.data[0], 0);
    assert_int_equal(idx.data[11], 255);
    assert_ok(bfn__idx_parse(ctx, labels, sizeof labels, "x", &idx));
    assert_int_equal(idx.rank, 1);
    assert_int_equal(idx.dims[0], 3);
    assert_int_equal(idx.data[2], 255);
    assert_true(bfn__is_idx(images, sizeof images) && bfn__is_idx(labels, 4));
    assert_false(bfn__is_idx(images, 3));
    assert_false(bfn__is_idx("\x1f\x8b\x08\x03", 4));
}

static void test_empty_dimensions(void **state)
{
    (void)state;
    static const unsigned char none[] = {0, 0, 8, 2, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
    bfn__idx idx;
    assert_ok(parse(none, sizeof none, &idx));
    assert_int_equal(idx.count, 0);
    assert_int_equal(idx.dims[1], 0xffffffff);
}

static void test_truncated_everywhere(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof images; n++)
        refuse(images, n, "");
    unsigned char longer[sizeof images + 1] = {0};
    memcpy(longer, images, sizeof images);
    refuse(longer, sizeof longer, "says 12 values, 13 bytes follow");
    refuse(images, sizeof images - 1, "says 12 values, 11 bytes follow");
    refuse(images, 3, "has 3 bytes");
    refuse(images, 15, "its header of 3 dimensions needs 16");
}

static void test_header_corrupted_everywhere(void **state)
{
    (void)state;
    unsigned char bytes[sizeof images];
    memcpy(bytes, images, sizeof images);
    size_t accepted = 0;
    for (size_t i = 0; i < 16; i++) {
        for (int value = 0; value < 256; value++) {
            bfn__idx idx;
            bytes[i] = (unsigned char)value;
            accepted += parse(bytes, sizeof bytes, &idx) == BFN_OK;
        }
        bytes[i] = images[i];
    }
    assert_int_equal(accepted, 16); /* each byte once: as it was */
}

static void test_messages(void **state)
{
    (void)state;
    static const struct {
        unsigned char bytes[20];
        size_t n;
        const char *words;
    } bad[] = {
        {{1, 0, 8, 1, 0, 0, 0, 0}, 8, "begins with 01 00 08 01"},
        {{0, 0, 8, 0, 0, 0, 0, 0}, 8, "begins with 00 00 08 00"},
        {{0, 0, 7, 1, 0, 0, 0, 0}, 8, "begins with 00 00 07 01"},
        {{0x1f, 0x8b, 8, 0}, 4, "begins with 1f 8b 08 00"},
        {{0, 0, 0x0d, 1, 0, 0, 0, 0}, 8, "IDX type 0x0d, allowed: 0x08"},
        {{0, 0, 8, 5, 0, 0, 0, 0}, 8, "5 dimensions, allowed: 1 to 4"},
        /* 2^32-1 to the third overflows 64 bits; so does 2^31 * 2^31 * 4, whose low bits are 0 */
        {{0, 0, 8, 3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 16, "says at least"},
        {{0, 0, 8, 3, 0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 4}, 16, "says at least"},
        /* an overflow that a later factor of 0 would hide */
        {{0, 0, 8, 4, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 20, "says at least"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refuse(bad[i].bytes, bad[i].n, bad[i].words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty_dimensions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_truncated_everywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_header_corrupted_everywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_messages, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
