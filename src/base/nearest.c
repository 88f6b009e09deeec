/* nearest.c: optimal string alignment distance, three rows of the table at a time.
 *
 * d[i][j] = min(d[i-1][j] + 1, d[i][j-1] + 1, d[i-1][j-1] + (a_i != b_j), and d[i-2][j-2] + 1 when two neighbours are swapped).
 * Names longer than 63 bytes are compared by their first 63: this only chooses a hint.
 */
#include "base/nearest.h"

#include <string.h>

enum { NAME_MAX_BYTES = 63 };

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t bfn__edit_distance(const char *a, const char *b)
{
    size_t rows[3][NAME_MAX_BYTES + 1];
    size_t n_a = smaller(strlen(a), NAME_MAX_BYTES), n_b = smaller(strlen(b), NAME_MAX_BYTES);
    size_t *older = rows[0], *old = rows[1], *now = rows[2];
    for (size_t j = 0; j <= n_b; j++)
        older[j] = old[j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        now[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            size_t replaced = old[j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));
            now[j] = smaller(replaced, smaller(old[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
                now[j] = smaller(now[j], older[j - 2] + 1);
        }
        size_t *spare = older;
        older = old;
        old = now;
        now = spare;
    }
    return old[n_b];
}

size_t bfn__nearest(const char *wrong, size_t n, const char *(*name)(const void *user, size_t i), const void *user)
{
    size_t best = n, limit = strlen(wrong) / 2;
    size_t best_distance = (limit < 2 ? 2 : limit) + 1;
    for (size_t i = 0; i < n; i++) {
        size_t distance = bfn__edit_distance(wrong, name(user, i));
        if (distance < best_distance) {
            best_distance = distance;
            best = i;
        }
    }
    return best;
}
