/* sweep_table.c: at how many evaluations each sampler of a sweep equals the original one, as a block of text.
 *
 *   As good as bfn, the original sampler: spelling accuracy, %
 *     evaluations, times fewer      bfn at 50   bfn at 100
 *                                  46.0 ± 0.8   46.6 ± 0.8
 *     ode2m                        100   x0.5            -
 *     sde2m                       ≤ 5 ≥ x10.0    20   x5.0
 */
#include "sweep_table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LEAST_NAME = 26, MOST_NAME = 44, COLUMN = 13 };

/* Columns on a terminal, where every character is one wide. */
static size_t width_of(const char *text)
{
    size_t n = 0;
    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* What is on the right keeps a blank before it. */
static void put(const char *text, size_t width, bool right)
{
    size_t n = width_of(text);
    int fill = n < width ? (int)(width - n) : (int)right;
    printf("%*s%s%*s", right ? fill : 0, "", text, right ? 0 : fill, "");
}

static void put_level(const bfn_sweep_table *t, const bfn_sweep_level *level)
{
    double scale = strcmp(t->unit, "%") == 0 ? 100.0 : 1.0, score = scale * level->score;
    int digits = fabs(score) >= 100.0 ? 0 : fabs(score) >= 10.0 ? 1 : fabs(score) >= 1.0 ? 2 : 3;
    char text[64];
    if (isfinite(level->error))
        snprintf(text, sizeof text, "%.*f ± %.*f", digits, score, digits, scale * level->error);
    else
        snprintf(text, sizeof text, "%.*f", digits, score);
    put(text, COLUMN, true);
}

static void put_equal(const bfn_sweep_equal *equal)
{
    char text[64];
    if (equal->evaluations == 0)
        snprintf(text, sizeof text, "-");
    else
        snprintf(text, sizeof text, "%s%zu%s%.1f", equal->fewest ? "≤ " : "", equal->evaluations,
                 equal->fewest ? " ≥ x" : "   x", equal->saved);
    put(text, COLUMN, true);
}

void sweep_table_print(const bfn_sweep_table *t)
{
    char text[400];
    size_t width = LEAST_NAME;
    for (size_t k = 0; k < t->n_samplers; k++)
        width = width_of(t->samplers[k]) > width ? width_of(t->samplers[k]) : width;
    width = width < MOST_NAME ? width : MOST_NAME;
    printf("\nAs good as %s%s: %s%s%s\n  ", t->reference, t->published ? ", the original sampler" : "", t->title,
           t->unit[0] != '\0' ? ", " : "", t->unit);
    put("evaluations, times fewer", width, false);
    for (size_t i = 0; i < t->n_levels; i++) {
        snprintf(text, sizeof text, "bfn at %zu", t->levels[i].evaluations);
        put(text, COLUMN, true);
    }
    printf("\n  ");
    put("", width, false);
    for (size_t i = 0; i < t->n_levels; i++)
        put_level(t, &t->levels[i]);
    putchar('\n');
    for (size_t k = 0; k < t->n_samplers; k++) {
        printf("  ");
        put(t->samplers[k], width, false);
        for (size_t i = 0; i < t->n_levels; i++)
            put_equal(&t->cells[k * t->n_levels + i]);
        putchar('\n');
    }
}
