/* sweep_axes.c: lists of settings into the cells of a sweep.
 *
 * Each dimension is a list of items; an item sets its part of a cell's options. The cells are the product of all lists, without the
 * combinations that no plan exists for (ode2s spends odd numbers of evaluations only, a one-step method has no corrector).
 */
#include "sweep_axes.h"

#include "solver_options.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const sweep_preset presets[] = {
#define SWEEP_PRESET(name, text, methods, nfe, grids, eta, start, last, prediction, corrector, clip)                   \
    {name, text, {methods, nfe, grids, eta, start, last, prediction, corrector, clip, NULL}},
#include "sweep_presets.def"
#undef SWEEP_PRESET
};

const sweep_preset *sweep_preset_at(size_t i)
{
    return i < sizeof presets / sizeof presets[0] ? &presets[i] : NULL;
}

const sweep_preset *sweep_preset_find(const char *name)
{
    for (size_t i = 0; sweep_preset_at(i) != NULL; i++)
        if (strcmp(presets[i].name, name) == 0)
            return &presets[i];
    return NULL;
}

static const char *either(const char *over, const char *under)
{
    return over != NULL ? over : under;
}

sweep_axes sweep_axes_merge(const sweep_axes *over, const sweep_axes *under)
{
    return (sweep_axes){either(over->methods, under->methods),
                        either(over->nfe, under->nfe),
                        either(over->grids, under->grids),
                        either(over->eta, under->eta),
                        either(over->start, under->start),
                        either(over->last, under->last),
                        either(over->prediction, under->prediction),
                        either(over->corrector, under->corrector),
                        either(over->clip, under->clip),
                        either(over->seeds, under->seeds)};
}

/* ---- the dimensions ---- */

/* What a cell is made from while lists are walked. */
typedef struct draft {
    bfn_sweep_cell cell;
    cli_solver_values values; /* the grid's text and times */
} draft;

typedef struct span {
    const cli_command *command;
    bfn_context *ctx;
    sweep_cells *out;
    size_t room, n_times;
} span;

typedef bool (*item_fn)(span *s, draft *d, const char *option, const char *item);

static bool bad_item(const span *s, const char *option, const char *item, const char *wanted)
{
    cli_usage(s->command, "--%s: found \"%s\", needs %s", option, item, wanted);
    return false;
}

static bool set_seed(span *s, draft *d, const char *option, const char *item)
{
    char *end;
    d->cell.seed = strtoull(item, &end, 10);
    if (item[0] < '0' || item[0] > '9' || *end != '\0' || strlen(item) > 19)
        return bad_item(s, option, item, "whole numbers from 0 on, or ranges as 1-5");
    return true;
}

static bool set_method(span *s, draft *d, const char *option, const char *item)
{
    char name[64];
    size_t length = strcspn(item, "+");
    if (item[length] != '\0' && strcmp(item + length, "+corrector") != 0) {
        cli_usage(s->command, "--%s: found \"%s\", only +corrector may follow a method", option, item);
        return false;
    }
    snprintf(name, sizeof name, "%.*s", (int)(length < 60 ? length : 60), item);
    bfn_status status = bfn_method_parse(s->ctx, name, &d->cell.solver);
    if (status != BFN_OK)
        cli_solver_failure(s->command, s->ctx, status, "--methods");
    d->cell.solver.corrector = item[length] != '\0';
    return status == BFN_OK;
}

static bool set_nfe(span *s, draft *d, const char *option, const char *item)
{
    double value;
    if (!cli_number(item, &value) || value < 1.0 || value > 1e6 || value != floor(value))
        return bad_item(s, option, item, "whole numbers from 1 to 1000000");
    d->cell.solver.n_evaluations = (size_t)value;
    return true;
}

static bool set_grid(span *s, draft *d, const char *option, const char *item)
{
    d->values.grid = item;
    return cli_solver_grid(s->command, option, &d->values, &d->cell.solver);
}

static bool set_eta(span *s, draft *d, const char *option, const char *item)
{
    d->cell.solver.eta = 0.0;
    d->cell.solver.eta_is_set = strcmp(item, "default") != 0;
    if (!d->cell.solver.eta_is_set)
        return true;
    if (!cli_number(item, &d->cell.solver.eta) || d->cell.solver.eta < 0.0 || d->cell.solver.eta > 0.5)
        return bad_item(s, option, item, "default or numbers from 0 to 0.5");
    return true;
}

/* Index of item in words; n: none of them. */
static size_t word_index(const char *const *words, size_t n, const char *item)
{
    size_t i = 0;
    while (i < n && strcmp(words[i], item) != 0)
        i++;
    return i;
}

#define WORDS(name, ...)                                                                                               \
    static const char *const name[] = {__VA_ARGS__};                                                                   \
    enum { N_##name = sizeof name / sizeof name[0] }

static bool set_start(span *s, draft *d, const char *option, const char *item)
{
    WORDS(words, "default", "zero", "moments");
    size_t i = word_index(words, N_words, item);
    d->cell.solver.start = (bfn_start)i;
    return i < N_words || bad_item(s, option, item, "default, zero or moments");
}

static bool set_last(span *s, draft *d, const char *option, const char *item)
{
    WORDS(words, "default", "predict", "update", "call");
    size_t i = word_index(words, N_words, item);
    d->cell.solver.last = (bfn_last)i;
    return i < N_words || bad_item(s, option, item, "default, predict, update or call");
}

static bool set_prediction(span *s, draft *d, const char *option, const char *item)
{
    WORDS(words, "default", "mean", "draw");
    size_t i = word_index(words, N_words, item);
    d->cell.solver.prediction = (bfn_prediction)i;
    return i < N_words || bad_item(s, option, item, "default, mean or draw");
}

static bool set_corrector(span *s, draft *d, const char *option, const char *item)
{
    WORDS(words, "off", "on");
    size_t i = word_index(words, N_words, item);
    if (i == 1)
        d->cell.solver.corrector = 1; /* "off" leaves what the method's name says */
    return i < N_words || bad_item(s, option, item, "off or on");
}

static bool set_clip(span *s, draft *d, const char *option, const char *item)
{
    WORDS(words, "static", "dynamic", "off");
    size_t i = word_index(words, N_words, item);
    d->cell.clip = (bfn_clip)i;
    return i < N_words || bad_item(s, option, item, "static, dynamic or off");
}

/* From the slowest to the fastest. */
static const struct dimension {
    const char *option;
    size_t offset; /* of its text in sweep_axes */
    const char *fallback;
    item_fn set;
} dimensions[] = {
    {"seeds", offsetof(sweep_axes, seeds), "1", set_seed},
    {"methods", offsetof(sweep_axes, methods), "bfn,ode2m,sde2m", set_method},
    {"corrector", offsetof(sweep_axes, corrector), "off", set_corrector},
    {"grids", offsetof(sweep_axes, grids), "default", set_grid},
    {"eta", offsetof(sweep_axes, eta), "default", set_eta},
    {"start", offsetof(sweep_axes, start), "default", set_start},
    {"last", offsetof(sweep_axes, last), "default", set_last},
    {"prediction", offsetof(sweep_axes, prediction), "default", set_prediction},
    {"clip", offsetof(sweep_axes, clip), "static", set_clip},
    {"nfe", offsetof(sweep_axes, nfe), "5,10,20,50", set_nfe},
};
enum { N_DIMENSIONS = sizeof dimensions / sizeof dimensions[0], METHOD_DIMENSION = 1 };

/* ---- lists ---- */

typedef struct item_list {
    char *copy;
    const char *items[SWEEP_MAX_ITEMS];
    char ranges[SWEEP_MAX_ITEMS][24]; /* what "1-5" stands for */
    size_t n;
} item_list;

static bool add_item(const span *s, item_list *list, const char *option, const char *item)
{
    if (list->n == SWEEP_MAX_ITEMS) {
        cli_usage(s->command, "--%s: more than %d items", option, SWEEP_MAX_ITEMS);
        return false;
    }
    list->items[list->n++] = item;
    return true;
}

/* "3-7" of seeds; false: it is none, or too long. */
static bool add_range(const span *s, item_list *list, const char *option, const char *item)
{
    char *dash, *end;
    unsigned long long low = strtoull(item, &dash, 10), high = *dash == '-' ? strtoull(dash + 1, &end, 10) : 0;
    if (dash == item || *dash != '-' || end == dash + 1 || *end != '\0' || high < low)
        return bad_item(s, option, item, "whole numbers from 0 on, or ranges as 1-5");
    for (unsigned long long seed = low; seed <= high; seed++) {
        if (list->n < SWEEP_MAX_ITEMS)
            snprintf(list->ranges[list->n], sizeof list->ranges[0], "%llu", seed);
        if (!add_item(s, list, option, list->n < SWEEP_MAX_ITEMS ? list->ranges[list->n] : ""))
            return false;
    }
    return true;
}

/* A list of times holds commas itself, so it is the last item. */
static bool cut_list(const span *s, item_list *list, const struct dimension *dimension, const char *text)
{
    list->copy = strdup(text);
    for (char *c = list->copy; c != NULL && *c != '\0';) {
        size_t n = strncmp(c, "list:", 5) == 0 ? strlen(c) : strcspn(c, ",");
        bool more = c[n] == ',';
        c[n] = '\0';
        bool range = dimension->set == set_seed && strchr(c, '-') != NULL;
        if (n == 0 || !(range ? add_range(s, list, dimension->option, c) : add_item(s, list, dimension->option, c)))
            return n == 0 ? bad_item(s, dimension->option, text, "items separated by commas") : false;
        c += n + more;
        if (more && *c == '\0')
            return bad_item(s, dimension->option, text, "items separated by commas");
    }
    return list->n > 0 || bad_item(s, dimension->option, text, "items separated by commas");
}

/* ---- the product ---- */

static bool keep_cell(span *s, const draft *d)
{
    sweep_cells *out = s->out;
    if (out->n == SWEEP_MAX_CELLS) {
        cli_usage(s->command, "more than %d cells", SWEEP_MAX_CELLS);
        return false;
    }
    if (out->n == s->room) {
        s->room = 2 * s->room + 64;
        bfn_sweep_cell *grown = realloc(out->cells, s->room * sizeof *grown);
        if (grown == NULL)
            return false;
        out->cells = grown;
    }
    bfn_sweep_cell *cell = &out->cells[out->n++];
    *cell = d->cell;
    if (cell->solver.grid == BFN_GRID_LIST)
        cell->solver.times = out->times;
    return true;
}

/* Does a plan exist? What does not depend on the model is judged with one of discrete data; a list of times says the number of
 * steps itself. */
static bool has_plan(span *s, draft *d, const char *method)
{
    bfn_solver_options *solver = &d->cell.solver;
    if (solver->grid == BFN_GRID_LIST)
        solver->n_evaluations = 0;
    bfn_status status = cli_solver_plan(s->ctx, solver);
    if (status == BFN_OK)
        return true;
    if (s->out->n_refused++ == 0)
        snprintf(s->out->refused, sizeof s->out->refused, "%s at %zu evaluations: %s", method, solver->n_evaluations,
                 bfn_errmsg(s->ctx));
    return false;
}

static bool set_all(span *s, const item_list *lists, const size_t *at, draft *d)
{
    *d = (draft){.cell = {.solver = BFN_SOLVER_OPTIONS_INIT}, .values = CLI_SOLVER_VALUES_INIT};
    for (size_t k = 0; k < N_DIMENSIONS; k++)
        if (!dimensions[k].set(s, d, dimensions[k].option, lists[k].items[at[k]]))
            return false;
    if (d->cell.solver.grid == BFN_GRID_LIST && s->out->times == NULL) {
        s->out->times = malloc(sizeof d->values.times);
        if (s->out->times == NULL)
            return false;
        memcpy(s->out->times, d->values.times, sizeof d->values.times);
    }
    if (d->cell.solver.grid == BFN_GRID_LIST)
        d->cell.solver.times = s->out->times;
    return true;
}

/* The next combination; false: that was the last. */
static bool advance(const item_list *lists, size_t *at)
{
    for (size_t k = N_DIMENSIONS; k-- > 0; at[k] = 0)
        if (++at[k] < lists[k].n)
            return true;
    return false;
}

static int span_lists(span *s, const item_list *lists)
{
    size_t at[N_DIMENSIONS] = {0};
    bool used[SWEEP_MAX_ITEMS] = {false};
    draft *d = malloc(sizeof *d);
    bool good = d != NULL;
    for (bool more = good; more && good; more = advance(lists, at)) {
        const char *method = lists[METHOD_DIMENSION].items[at[METHOD_DIMENSION]];
        good = set_all(s, lists, at, d);
        if (!good || !has_plan(s, d, method))
            continue;
        used[at[METHOD_DIMENSION]] = true;
        good = keep_cell(s, d);
    }
    free(d);
    if (!good)
        return CLI_EXIT_USAGE;
    for (size_t i = 0; i < lists[METHOD_DIMENSION].n; i++)
        if (!used[i])
            return cli_usage(s->command, "--methods: no cell is left of %s: %s", lists[METHOD_DIMENSION].items[i],
                             s->out->refused);
    return 0;
}

int sweep_axes_span(const cli_command *command, bfn_context *ctx, const sweep_axes *axes, sweep_cells *out)
{
    span s = {.command = command, .ctx = ctx, .out = out};
    item_list *lists = calloc(N_DIMENSIONS, sizeof *lists);
    int code = lists == NULL ? (int)BFN_ERR_MEMORY : 0;
    for (size_t k = 0; k < N_DIMENSIONS && code == 0; k++) {
        const char *text = *(const char *const *)((const char *)axes + dimensions[k].offset);
        if (!cut_list(&s, &lists[k], &dimensions[k], text != NULL ? text : dimensions[k].fallback))
            code = CLI_EXIT_USAGE;
    }
    if (code == 0)
        code = span_lists(&s, lists);
    for (size_t k = 0; lists != NULL && k < N_DIMENSIONS; k++)
        free(lists[k].copy);
    free(lists);
    return code;
}

void sweep_cells_free(sweep_cells *cells)
{
    free(cells->cells);
    free(cells->times);
}
