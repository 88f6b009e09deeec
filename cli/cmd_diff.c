/* cmd_diff.c: bfn diff: two files of tensors compared, with the exit codes of diff: 0 the same, 1 different. Names from files are made
 * safe for terminals. */
#include "cli.h"

#include "bfn/tensors.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { EXIT_DIFFERENT = 1 };

typedef struct diff_values {
    double tolerance;
    int quiet;
    cli_texts prefixes;
} diff_values;

#define AT(member) offsetof(diff_values, member)
static const cli_option options[] = {
    {"tolerance", 0, "X", CLI_REAL, AT(tolerance), 0, 1e300, NULL,
     "numbers that differ by at most X are the same, and so are types (default: exactly the same)"},
    {"prefix", 0, "OLD=NEW", CLI_TEXTS, AT(prefixes), 0, 0, NULL,
     "in both files, names that begin with OLD begin with NEW instead (again and again)"},
    {"quiet", 'q', NULL, CLI_FLAG, AT(quiet), 0, 0, NULL, "say nothing: the exit code is the answer"},
};

typedef struct comparison {
    const diff_values *v;
    const char *paths[2];
    bfn_tensors *files[2];
    size_t n_different, n_numbers;
    double max_abs, max_relative;
} comparison;

static void shape_text(const bfn_tensor_info *t, char text[256])
{
    size_t used = (size_t)snprintf(text, 256, "%s [", t->dtype);
    for (int i = 0; i < t->rank && used < 240; i++)
        used += (size_t)snprintf(text + used, 256 - used, "%s%zu", i > 0 ? ", " : "", t->shape[i]);
    snprintf(text + used, 256 - used, "]");
}

static void say(comparison *c, const char *name, const char *what)
{
    char safe[2048];
    c->n_different++;
    if (!c->v->quiet)
        printf("%s: %s\n", cli_safe(name, safe, sizeof safe), what);
}

static void only_in(comparison *c, const char *name, int file)
{
    char what[1200], safe[1024];
    snprintf(what, sizeof what, "only in %s", cli_safe(c->paths[file], safe, sizeof safe));
    say(c, name, what);
}

static void compare_pair(comparison *c, size_t i, size_t j)
{
    bfn_tensor_difference d;
    bfn_tensor_info a, b;
    char what[600], left[256], right[256];
    bfn_tensors_compare(c->files[0], i, c->files[1], j, &d);
    bfn_tensors_get(c->files[0], i, &a);
    bfn_tensors_get(c->files[1], j, &b);
    bool exact = c->v->tolerance == 0.0, differs = d.n_different > 0 && d.max_abs > c->v->tolerance;
    if (d.same_shape && !differs && (d.same_dtype || !exact))
        return;
    if (!d.same_shape || (!d.same_dtype && d.n_different == 0)) {
        shape_text(&a, left);
        shape_text(&b, right);
        snprintf(what, sizeof what, "%s and %s", left, right);
        say(c, a.name, what);
        return;
    }
    snprintf(what, sizeof what, "%s%s%s%s%zu of %zu numbers differ: at most by %.6g (number %zu), relative %.6g",
             d.same_dtype ? "" : a.dtype, d.same_dtype ? "" : " and ", d.same_dtype ? "" : b.dtype,
             d.same_dtype ? "" : ", ", d.n_different, a.count, d.max_abs, d.worst, d.max_relative);
    c->n_numbers += d.n_different;
    c->max_abs = d.max_abs > c->max_abs ? d.max_abs : c->max_abs;
    c->max_relative = d.max_relative > c->max_relative ? d.max_relative : c->max_relative;
    say(c, a.name, what);
}

static void compare_all(comparison *c)
{
    bfn_tensor_info t;
    for (size_t i = 0; i < bfn_tensors_n(c->files[0]); i++) {
        bfn_tensors_get(c->files[0], i, &t);
        size_t j = bfn_tensors_find(c->files[1], t.name);
        if (j == SIZE_MAX)
            only_in(c, t.name, 0);
        else
            compare_pair(c, i, j);
    }
    for (size_t j = 0; j < bfn_tensors_n(c->files[1]); j++) {
        bfn_tensors_get(c->files[1], j, &t);
        if (bfn_tensors_find(c->files[0], t.name) == SIZE_MAX)
            only_in(c, t.name, 1);
    }
    if (c->v->quiet)
        return;
    if (c->n_different == 0)
        printf("%zu tensors are the same\n", bfn_tensors_n(c->files[0]));
    else
        printf("%zu tensors differ: %zu numbers, at most by %.6g, relative %.6g\n", c->n_different, c->n_numbers,
               c->max_abs, c->max_relative);
}

static bfn_status open_both(bfn_context *ctx, comparison *c)
{
    bfn_status status = BFN_OK;
    for (int f = 0; f < 2 && status == BFN_OK; f++) {
        status = bfn_tensors_open(ctx, &c->files[f], c->paths[f]);
        if (status == BFN_OK && c->v->prefixes.n > 0)
            status = bfn_tensors_rename(c->files[f], c->v->prefixes.items, c->v->prefixes.n);
    }
    return status;
}

static int run(const cli_command *command, int argc, char **argv)
{
    diff_values v = {0};
    size_t n_operands;
    if (!cli_parse(command, argc, argv, &v, NULL, 2, &n_operands))
        return CLI_EXIT_USAGE;
    if (n_operands < 2)
        return cli_usage(command, "needs two files");
    for (size_t i = 0; i < v.prefixes.n; i++)
        if (strchr(v.prefixes.items[i], '=') == NULL)
            return cli_usage(command, "--prefix: found \"%s\", needs OLD=NEW", v.prefixes.items[i]);
    bfn_context *ctx;
    bfn_status status = cli_context(command, 0, &ctx);
    if (status != BFN_OK)
        return (int)status;
    comparison c = {.v = &v, .paths = {argv[0], argv[1]}};
    status = open_both(ctx, &c);
    int code = status == BFN_OK ? 0 : cli_fail(command, ctx, status);
    if (code == 0) {
        compare_all(&c);
        code = cli_flush(command);
    }
    if (code == 0 && c.n_different > 0)
        code = EXIT_DIFFERENT;
    bfn_tensors_close(c.files[0]);
    bfn_tensors_close(c.files[1]);
    bfn_context_destroy(ctx);
    return code;
}

const cli_command cli_command_diff = {
    "diff",
    "compare the tensors of two files",
    "A B [options]",
    "Names, types, shapes and numbers of safetensors and PyTorch files (.pt), in any mix. Exit code 0: the same;\n"
    "1: different. A line for each tensor that differs, and one for all.",
    options,
    sizeof options / sizeof options[0],
    "  bfn diff text8_ema.pt text8.safetensors\n"
    "  bfn diff full.safetensors half.safetensors --tolerance 1e-2",
    run,
};
