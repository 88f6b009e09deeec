/* test_cifar.c: CIFAR-10's binary records: planes become pixels, sizes and labels are checked. */
#include "helper_fixture.h"
#include "io/cifar.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* n records whose bytes all differ from their neighbours; label i % 10. */
static unsigned char *records(size_t n)
{
    unsigned char *bytes = malloc(n * BFN__CIFAR_RECORD);
    assert_non_null(bytes);
    for (size_t i = 0; i < n * BFN__CIFAR_RECORD; i++) {
        size_t at = i % BFN__CIFAR_RECORD, r = i / BFN__CIFAR_RECORD;
        bytes[i] = (unsigned char)(at == 0 ? r % 10 : at * 7 + at / 256 * 31 + r);
    }
    return bytes;
}

static void test_planes_to_pixels(void **state)
{
    (void)state;
    enum { N = 3 };
    unsigned char *bytes = records(N);
    uint8_t *pixels = malloc(N * BFN__CIFAR_PIXELS);
    int32_t labels[N];
    size_t n;
    assert_non_null(pixels);
    assert_ok(bfn__cifar_check(ctx, bytes, N * BFN__CIFAR_RECORD, "x.bin", &n));
    assert_int_equal(n, N);
    bfn__cifar_read(bytes, n, pixels, labels);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(labels[i], i);
        for (size_t y = 0; y < 32; y++)
            for (size_t x = 0; x < 32; x++)
                for (size_t c = 0; c < 3; c++)
                    assert_int_equal(pixels[((i * 32 + y) * 32 + x) * 3 + c],
                                     bytes[i * 3073 + 1 + c * 1024 + y * 32 + x]);
    }
    free(bytes);
    free(pixels);
}

static void test_every_length(void **state)
{
    (void)state;
    unsigned char *bytes = records(2);
    for (size_t length = 0; length <= 2 * BFN__CIFAR_RECORD; length++) {
        size_t n = 99;
        bfn_status status = bfn__cifar_check(ctx, bytes, length, "x.bin", &n);
        bool whole = length == BFN__CIFAR_RECORD || length == 2 * BFN__CIFAR_RECORD;
        assert_int_equal(status, whole ? BFN_OK : BFN_ERR_INPUT);
        assert_int_equal(n, whole ? length / BFN__CIFAR_RECORD : 0);
    }
    size_t n;
    assert_says(bfn__cifar_check(ctx, bytes, 3074, "x.bin", &n), BFN_ERR_INPUT,
                "x.bin: has 3074 bytes, a CIFAR-10 file has a multiple of 3073");
    free(bytes);
}

static void test_labels(void **state)
{
    (void)state;
    unsigned char *bytes = records(2);
    size_t n;
    bytes[0] = 9;
    assert_ok(bfn__cifar_check(ctx, bytes, 2 * BFN__CIFAR_RECORD, "x.bin", &n));
    bytes[BFN__CIFAR_RECORD] = 10;
    assert_says(bfn__cifar_check(ctx, bytes, 2 * BFN__CIFAR_RECORD, "x.bin", &n), BFN_ERR_INPUT,
                "x.bin: byte 3073: the label of record 1 is 10, allowed: 0 to 9");
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_planes_to_pixels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_length, setup, teardown),
        cmocka_unit_test_setup_teardown(test_labels, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
