/* report.c: report.html of a sweep: head, plots, tables, samples, settings, in one file (report.h). */
#include "eval/report.h"

#include "eval/report_style.h"
#include "io/file.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 4096 };

/* ---- head ---- */

/* "1,234,567" */
static void add_count(bfn__report *r, size_t value)
{
    char digits[32];
    int n = snprintf(digits, sizeof digits, "%zu", value);
    for (int i = 0; i < n; i++)
        bfn__markup_add(&r->out, "%s%c", i > 0 && (n - i) % 3 == 0 ? "," : "", digits[i]);
}

void bfn__report_sentence(bfn__report *r, const char *words)
{
    bool small = words[0] >= 'a' && words[0] <= 'z';
    if (small)
        bfn__markup_add(&r->out, "%c", words[0] - 'a' + 'A');
    bfn__markup_escaped(&r->out, words + small);
}

static void add_title(bfn__report *r)
{
    const char *title = r->sweep->options->title;
    if (title != NULL)
        bfn__report_sentence(r, title);
    else
        bfn__markup_text(&r->out, "Samplers compared");
}

static void add_lead(bfn__report *r)
{
    const bfn__sweep *s = r->sweep;
    const bfn_model_info *info = &s->info;
    bfn__markup_text(&r->out, "<p class=\"lead\">");
    if (info->channels > 0) {
        bfn__markup_escaped(&r->out, info->data_name[0] != '\0' ? info->data_name : "Images");
        bfn__markup_add(&r->out, ", %zu × %zu × %zu", info->height, info->width, info->channels);
    } else {
        bfn__markup_add(&r->out, "Text of %zu characters", info->positions);
    }
    bfn__markup_text(&r->out, "; ");
    bfn__markup_escaped(&r->out, info->network);
    bfn__markup_text(&r->out, " of ");
    add_count(r, info->n_parameters);
    bfn__markup_text(&r->out, " parameters; ");
    add_count(r, s->n);
    bfn__markup_add(&r->out, " sample%s a cell, ", s->n == 1 ? "" : "s");
    add_count(r, s->n_done);
    bfn__markup_add(&r->out, " cell%s.</p>\n", s->n_done == 1 ? "" : "s");
    if (s->n_done < s->n_cells)
        bfn__markup_add(
            &r->out,
            "<p class=\"left\">Not finished: %zu of %zu cells are here. The same command goes on from there."
            "</p>\n",
            s->n_done, s->n_cells);
}

static void add_head(bfn__report *r)
{
    bfn__markup_text(&r->out,
                     "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n<meta name=\"viewport\" "
                     "content=\"width=device-width, initial-scale=1\"/>\n<meta name=\"generator\" content=\"bfn ");
    bfn__markup_escaped(&r->out, bfn_version());
    bfn__markup_text(&r->out, "\"/>\n<title>");
    add_title(r);
    bfn__markup_text(&r->out, "</title>\n<style>\n");
    for (size_t i = 0; i < sizeof report_style / sizeof report_style[0]; i++)
        bfn__markup_text(&r->out, report_style[i]);
    bfn__markup_text(&r->out, "</style>\n</head>\n<body>\n<main>\n<header>\n<h1>");
    add_title(r);
    bfn__markup_text(&r->out, "</h1>\n");
    add_lead(r);
    bfn__markup_text(&r->out, "</header>\n");
}

/* ---- samples ---- */

/* Cells that were run with another number of shown samples have shorter or longer strips; their pictures are of one size all the same. */
static size_t widest_strip(const bfn__report *r)
{
    size_t widest = 1;
    for (size_t i = 0; i < r->sweep->n_cells; i++)
        if (r->sweep->cells[i].strip_width > widest)
            widest = r->sweep->cells[i].strip_width;
    return widest;
}

static void add_cell_samples(bfn__report *r, const bfn__cell *cell, size_t widest)
{
    bfn__markup_add(&r->out, "<div class=\"cell\"><span>%zu</span><div>", cell->evaluations);
    if (cell->strip != NULL) {
        bfn__markup_add(&r->out,
                        "<img width=\"%zu\" height=\"%zu\" style=\"width:%zu%%\" alt=\"samples after %zu evaluations\" "
                        "src=\"data:image/png;base64,",
                        cell->strip_width, cell->strip_height, 100 * cell->strip_width / widest, cell->evaluations);
        bfn__markup_text(&r->out, cell->strip);
        bfn__markup_text(&r->out, "\"/>");
    }
    for (size_t i = 0; i < cell->n_texts; i++) {
        bfn__markup_text(&r->out, "<p class=\"mono\">");
        bfn__markup_escaped(&r->out, cell->texts[i]);
        bfn__markup_text(&r->out, "</p>");
    }
    bfn__markup_text(&r->out, "</div></div>\n");
}

static void add_samples(bfn__report *r)
{
    const bfn__cell *first = r->series[0].points[0]->cell;
    bool pictures = r->sweep->info.channels > 0;
    size_t widest = widest_strip(r);
    bfn__markup_text(&r->out,
                     "<section>\n<h2>Samples</h2>\n<p class=\"note\">The first samples of each cell, by evaluations. ");
    bfn__markup_add(&r->out, "Seed %s, from sample %" PRIu64 " on, in every cell.</p>\n",
                    bfn_record_get(first->settings, "seed"), r->sweep->options->first);
    bfn__markup_add(&r->out, "<div class=\"%s\">\n", pictures ? "samples" : "texts");
    for (size_t k = 0; k < r->n; k++) {
        bfn__markup_text(&r->out, "<div><h3>");
        bfn__markup_escaped(&r->out, r->series[k].label);
        bfn__markup_text(&r->out, "</h3>\n");
        for (size_t i = 0; i < r->series[k].n; i++)
            add_cell_samples(r, r->series[k].points[i]->cell, widest);
        bfn__markup_text(&r->out, "</div>\n");
    }
    bfn__markup_text(&r->out, "</div>\n</section>\n");
}

/* ---- the page ---- */

static void add_tables(bfn__report *r)
{
    for (size_t v = 0; v < r->sweep->n_values; v++)
        if (r->sweep->values[v].plotted)
            bfn__report_equals(r, v);
    for (size_t v = 0; v < r->sweep->n_values; v++)
        if (r->sweep->values[v].plotted)
            bfn__report_numbers(r, v);
}

static bfn_status add_page(bfn__report *r)
{
    add_head(r);
    bfn_status status = BFN_OK;
    if (r->n > 0) {
        status = bfn__report_plots(r);
        add_tables(r);
        add_samples(r);
        bfn__report_all_numbers(r);
        bfn__report_settings(r);
    }
    bfn__markup_text(&r->out, "<footer>bfn ");
    bfn__markup_escaped(&r->out, bfn_version());
    bfn__markup_text(
        &r->out, " · the numbers are in results.csv, times.csv and results.json</footer>\n</main>\n</body>\n</html>\n");
    return status == BFN_OK && r->out.failed ? BFN_ERR_MEMORY : status;
}

bfn_status bfn__report_write(const bfn__results *results)
{
    const bfn__sweep *sweep = results->sweep;
    char path[PATH_BYTES];
    bfn__report r = {.sweep = sweep,
                     .series = results->series,
                     .n = results->n_series,
                     .equals = results->equals,
                     .out = {.ctx = sweep->ctx}};
    snprintf(path, sizeof path, "%s/report.html", sweep->options->out_dir);
    bfn_status status = add_page(&r);
    if (status == BFN_OK)
        status = bfn__file_write(sweep->ctx, path, r.out.data, r.out.n);
    bfn__free(sweep->ctx, r.out.data);
    return status;
}
