/* permute.c: a Feistel network with cycle walking.
 *
 * With (L, R) the halves of a number of 2h bits, a round is (L, R) -> (R, L xor F(R)): invertible whatever F is, so that ROUNDS
 * of them permute 0 .. 4^h - 1. F is the counter-based random function keyed by seed, epoch and round. A result that is not
 * below n is put through again until it is (4^h < 4n: less than four times on average); that leaves a permutation of 0 .. n-1.
 * A data order thus needs no stored state, and step s of a run can be found without the steps before it.
 */
#include "io/permute.h"

#include "base/random.h"

enum { ROUNDS = 6 };

static uint64_t network(uint64_t seed, uint64_t epoch, unsigned half, uint64_t x)
{
    uint64_t mask = ((uint64_t)1 << half) - 1, left = x >> half, right = x & mask;
    for (size_t round = 0; round < ROUNDS; round++) {
        uint32_t word;
        bfn__random_words(seed, epoch, bfn__draw(round + 1, BFN__DRAW_DATA), right, 1, &word);
        uint64_t next = left ^ (word & mask);
        left = right;
        right = next;
    }
    return left << half | right;
}

uint64_t bfn__permute(uint64_t seed, uint64_t epoch, uint64_t n, uint64_t i)
{
    unsigned half = 1;
    while (half < 20 && (uint64_t)1 << (2 * half) < n)
        half++;
    do
        i = network(seed, epoch, half, i);
    while (i >= n);
    return i;
}
