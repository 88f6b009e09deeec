/* method_list.c: lists of sampling methods and numbers of evaluations, and the table of cells that they span. */
#include "method_list.h"

#include "solver_options.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* "ode2m" or "ode2m+corrector" into solver options. */
static bfn_status parse_method(bfn_context *ctx, const char *label, bfn_solver_options *solver)
{
    bfn_solver_options o = BFN_SOLVER_OPTIONS_INIT;
    char name[64];
    size_t length = strcspn(label, "+");
    if (length >= sizeof name)
        length = sizeof name - 1;
    memcpy(name, label, length);
    name[length] = '\0';
    bfn_status status = bfn_method_parse(ctx, name, &o);
    o.corrector = strcmp(label + length, "+corrector") == 0;
    *solver = o;
    return status;
}

static int parse_methods(const cli_command *command, bfn_context *ctx, const char *text, cli_method_list *list)
{
    list->copy = strdup(text);
    if (list->copy == NULL)
        return (int)BFN_ERR_MEMORY;
    char *save = NULL;
    for (char *label = strtok_r(list->copy, ",", &save); label != NULL; label = strtok_r(NULL, ",", &save)) {
        if (list->n_methods == CLI_MAX_METHODS)
            return cli_usage(command, "--methods: more than %d of them", CLI_MAX_METHODS);
        const char *suffix = label + strcspn(label, "+");
        if (*suffix != '\0' && strcmp(suffix, "+corrector") != 0)
            return cli_usage(command, "--methods: found \"%s\", only +corrector may follow a method", label);
        bfn_status status = parse_method(ctx, label, &list->solvers[list->n_methods]);
        if (status != BFN_OK)
            return cli_solver_failure(command, ctx, status, "--methods");
        list->labels[list->n_methods++] = label;
    }
    return list->n_methods > 0 ? 0 : cli_usage(command, "--methods: found \"%s\", names separated by commas", text);
}

static int parse_counts(const cli_command *command, const char *text, cli_method_list *list)
{
    for (const char *c = text; *c != '\0';) {
        char item[32];
        size_t length = strcspn(c, ",");
        double value;
        if (length >= sizeof item || list->n_counts == CLI_MAX_COUNTS)
            return cli_usage(command, "--nfe: found \"%s\", at most %d numbers separated by commas", text,
                             CLI_MAX_COUNTS);
        memcpy(item, c, length);
        item[length] = '\0';
        if (!cli_number(item, &value) || value < 1.0 || value > 1e6 || value != floor(value))
            return cli_usage(command, "--nfe: found \"%s\", needs whole numbers from 1 to 1000000", item);
        list->counts[list->n_counts++] = (size_t)value;
        c += length + (c[length] == ',');
    }
    return list->n_counts > 0 ? 0 : cli_usage(command, "--nfe: found \"%s\", numbers separated by commas", text);
}

/* Every cell of the table, before any file is opened and any string is made. */
static int check_cells(const cli_command *command, bfn_context *ctx, const cli_method_list *list)
{
    for (size_t m = 0; m < list->n_methods; m++)
        for (size_t c = 0; c < list->n_counts; c++) {
            bfn_solver_options solver = list->solvers[m];
            solver.n_evaluations = list->counts[c];
            int code = cli_solver_check(command, ctx, &solver, "--methods");
            if (code != 0)
                return code;
        }
    return 0;
}

int cli_methods_parse(const cli_command *command, bfn_context *ctx, const char *methods, const char *counts,
                      cli_method_list *list)
{
    int code = parse_methods(command, ctx, methods, list);
    if (code == 0)
        code = parse_counts(command, counts, list);
    return code == 0 ? check_cells(command, ctx, list) : code;
}

void cli_methods_free(cli_method_list *list)
{
    free(list->copy);
}
