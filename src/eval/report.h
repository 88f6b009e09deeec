/* report.h: the page of a sweep: one file of HTML that needs no other file and no script. */
#ifndef BFN_EVAL_REPORT_H
#define BFN_EVAL_REPORT_H

#include "eval/equals.h"
#include "io/markup.h"

/* What the pieces of a page share. */
typedef struct bfn__report {
    const bfn__sweep *sweep;
    const bfn__series *series;
    size_t n;
    const bfn__equals *equals; /* [n_values] */
    size_t n_colours;          /* that different names of lines want */
    bfn__markup out;
} bfn__report;

bfn_status bfn__report_write(const bfn__results *results);

/* Words with a capital at the beginning. */
void bfn__report_sentence(bfn__report *r, const char *words);

/* ---- report_plots.c ---- */
enum { BFN__REPORT_SECONDS = BFN__MAX_VALUES }; /* as the number of a value: the time of a cell */
/* The scores that are plotted and the time, over evaluations. */
bfn_status bfn__report_plots(bfn__report *r);
/* Is value number v shown on a logarithmic scale? */
bool bfn__report_is_log(const bfn__report *r, size_t v);

/* ---- report_tables.c ---- */
/* Evaluations at which each sampler equals the original one, by value number v. Nothing without an original sampler. */
void bfn__report_equals(bfn__report *r, size_t v);
/* Samplers down, evaluations across. */
void bfn__report_numbers(bfn__report *r, size_t v);
void bfn__report_all_numbers(bfn__report *r);
void bfn__report_settings(bfn__report *r);

/* Digits behind the point of a number that fit its unit and its standard error (NaN: not known). */
int bfn__report_digits(const bfn__value_kind *kind, double value, double error);

#endif
