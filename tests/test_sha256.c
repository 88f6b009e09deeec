/* test_sha256.c: two sums of the same bytes at once, against one at a time: states that differ, every place in a block, lengths around those from which
 * the CPU's instructions are used.
 */
#include "io/sha256.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 300000, START = 150 };

static unsigned char *random_bytes(size_t n)
{
    unsigned char *bytes = malloc(n);
    uint32_t r = 1;
    assert_non_null(bytes);
    for (size_t i = 0; i < n; i++) {
        r = r * 1664525u + 1013904223u;
        bytes[i] = (unsigned char)(r >> 24);
    }
    return bytes;
}

/* Of `start` bytes of one filling, then the bytes. */
static void expect(bfn__sha256 *hash, int filling, size_t start, const unsigned char *bytes, size_t n)
{
    char got[BFN__SHA256_HEX], want[BFN__SHA256_HEX];
    unsigned char *all = malloc(start + n + 1);
    assert_non_null(all);
    memset(all, filling, start);
    memcpy(all + start, bytes, n);
    bfn__sha256_hex(all, start + n, want);
    bfn__sha256_end(hash, got);
    if (strcmp(got, want) != 0)
        fail_msg("%zu bytes behind %zu: %s, should be %s", n, start, got, want);
    free(all);
}

static void check(const unsigned char *bytes, size_t n, size_t start_one, size_t start_two)
{
    unsigned char filling[START];
    bfn__sha256 one, two;
    bfn__sha256_begin(&one);
    bfn__sha256_begin(&two);
    memset(filling, 'a', sizeof filling);
    bfn__sha256_add(&one, filling, start_one);
    memset(filling, 'b', sizeof filling);
    bfn__sha256_add(&two, filling, start_two);
    bfn__sha256_add_both(&one, &two, bytes, n / 3);
    bfn__sha256_add_both(&one, &two, bytes + n / 3, n - n / 3);
    expect(&one, 'a', start_one, bytes, n);
    expect(&two, 'b', start_two, bytes, n);
}

static void test_both(void **state)
{
    (void)state;
    static const size_t lengths[] = {0,     1,     63,    64,    65,     65535,  65536,
                                     65537, 98303, 98304, 98305, 196607, 196608, LONGEST - 7};
    unsigned char *bytes = random_bytes(LONGEST);
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        for (size_t start = 0; start < START; start += 13)
            check(bytes + start % 7, lengths[i], start, start);
    for (size_t start = 0; start < START; start += 31) /* at different places of a block: one after the other */
        check(bytes, LONGEST, start, START - start);
    free(bytes);
}

/* The instructions themselves, where the CPU has them; elsewhere nothing is touched. */
static void test_blocks(void **state)
{
    (void)state;
    unsigned char *bytes = random_bytes(64 * 64);
    for (size_t n = 0; n <= 64; n++) {
        struct sha256_ctx a, b;
        sha256_init(&a);
        sha256_init(&b);
        b.state[3] ^= 0x12345u;
        uint32_t one[8], two[8];
        memcpy(one, a.state, sizeof one);
        memcpy(two, b.state, sizeof two);
        if (bfn__sha256_blocks(one, two, bytes, n)) {
            sha256_update(&a, 64 * n, bytes);
            sha256_update(&b, 64 * n, bytes);
        }
        assert_memory_equal(one, a.state, sizeof one);
        assert_memory_equal(two, b.state, sizeof two);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_both), cmocka_unit_test(test_blocks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
