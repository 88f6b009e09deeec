/* helper_golden.c: reading recorded reference values and comparing with them; see helper_golden.h.
 *
 * Errors go through cmocka's fail_msg, which leaves the running test: nothing is reported and then ignored. A comparison keeps the
 * worst array of its group, so that one printed line says how close to its bound a test is even when it passes.
 */
#include "helper_golden.h"

#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_FILES = 1024, MAX_DOCUMENTS = 16 };

const char *golden_folder(void)
{
    const char *folder = getenv("BFN_GOLDEN_DIR");
    return folder != NULL && folder[0] != '\0' ? folder : BFN_GOLDEN_DEFAULT;
}

static bool begins_and_ends(const char *name, const char *prefix, const char *suffix)
{
    char end[128];
    (void)snprintf(end, sizeof end, "%s.safetensors", suffix);
    size_t n = strlen(name), n_prefix = strlen(prefix), n_end = strlen(end);
    return n >= n_prefix + n_end && strncmp(name, prefix, n_prefix) == 0 && strcmp(name + n - n_end, end) == 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static size_t list_files(const char *prefix, const char *suffix, char names[MAX_FILES][256])
{
    DIR *folder = opendir(golden_folder());
    if (folder == NULL)
        fail_msg("%s: cannot open the folder of reference values", golden_folder());
    size_t n = 0;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (begins_and_ends(entry->d_name, prefix, suffix)) {
            if (n == MAX_FILES)
                fail_msg("%s: more than %d files %s*%s.safetensors", golden_folder(), MAX_FILES, prefix, suffix);
            (void)snprintf(names[n++], 256, "%s", entry->d_name);
        }
    (void)closedir(folder);
    qsort(names, n, 256, by_name);
    return n;
}

size_t golden_each(const char *prefix, const char *suffix, void (*run)(golden_file *g))
{
    static char names[MAX_FILES][256];
    size_t n = list_files(prefix, suffix, names);
    if (n == 0)
        fail_msg("%s: no file %s*%s.safetensors", golden_folder(), prefix, suffix);
    for (size_t i = 0; i < n; i++) {
        golden_file *g = golden_open(names[i]);
        run(g);
        golden_close(g);
    }
    return n;
}

golden_file *golden_open(const char *name)
{
    golden_file *g = calloc(1, sizeof *g);
    assert_non_null(g);
    (void)snprintf(g->name, sizeof g->name, "%s", name);
    (void)snprintf(g->path, sizeof g->path, "%s/%s", golden_folder(), name);
    g->documents = calloc(MAX_DOCUMENTS, sizeof(json_t *));
    assert_non_null(g->documents);
    if (bfn_context_create(&g->ctx, NULL) != BFN_OK)
        fail_msg("no context");
    if (bfn__safetensors_open(g->ctx, &g->st, g->path) != BFN_OK)
        fail_msg("%s", bfn_errmsg(g->ctx));
    return g;
}

void golden_close(golden_file *g)
{
    for (size_t i = 0; i < g->n_blocks; i++)
        free(g->blocks[i]);
    for (size_t i = 0; i < g->n_documents; i++)
        json_decref(g->documents[i]);
    free((void *)g->blocks);
    free((void *)g->documents);
    bfn__safetensors_close(g->st);
    bfn_context_destroy(g->ctx);
    free(g);
}

void *golden_alloc(golden_file *g, size_t n, size_t size)
{
    if ((g->n_blocks & (g->n_blocks - 1)) == 0) { /* 0, 1, 2, 4, ...: room for as many again */
        g->blocks = realloc((void *)g->blocks, (g->n_blocks > 0 ? 2 * g->n_blocks : 1) * sizeof *g->blocks);
        assert_non_null(g->blocks);
    }
    void *block = calloc(n > 0 ? n : 1, size);
    assert_non_null(block);
    g->blocks[g->n_blocks++] = block;
    return block;
}

/* ------------------------------------------------------------------------------------------------------------ arrays */

bool golden_has(golden_file *g, const char *array)
{
    return bfn__safetensors_find(g->st, array) != NULL;
}

const bfn__st_tensor *golden_tensor(golden_file *g, const char *array)
{
    const bfn__st_tensor *t = bfn__safetensors_find(g->st, array);
    if (t == NULL)
        fail_msg("%s: no array \"%s\"", g->name, array);
    return t;
}

float *golden_f32(golden_file *g, const char *array, size_t *count)
{
    const bfn__st_tensor *t = golden_tensor(g, array);
    float *out = golden_alloc(g, t->count, sizeof *out);
    if (bfn__st_to_f32(g->ctx, t, out) != BFN_OK)
        fail_msg("%s: %s: %s", g->name, array, bfn_errmsg(g->ctx));
    if (count != NULL)
        *count = t->count;
    return out;
}

double *golden_f64(golden_file *g, const char *array, size_t *count)
{
    size_t n;
    const float *values = golden_f32(g, array, &n);
    double *out = golden_alloc(g, n, sizeof *out);
    for (size_t i = 0; i < n; i++)
        out[i] = (double)values[i];
    if (count != NULL)
        *count = n;
    return out;
}

int64_t *golden_i64(golden_file *g, const char *array, size_t *count)
{
    const bfn__st_tensor *t = golden_tensor(g, array);
    int64_t *out = golden_alloc(g, t->count, sizeof *out);
    if (bfn__st_to_i64(g->ctx, t, out) != BFN_OK)
        fail_msg("%s: %s: %s", g->name, array, bfn_errmsg(g->ctx));
    if (count != NULL)
        *count = t->count;
    return out;
}

int32_t *golden_i32(golden_file *g, const char *array, size_t *count)
{
    size_t n;
    const int64_t *values = golden_i64(g, array, &n);
    int32_t *out = golden_alloc(g, n, sizeof *out);
    for (size_t i = 0; i < n; i++) {
        if (values[i] < INT32_MIN || values[i] > INT32_MAX)
            fail_msg("%s: %s[%zu] does not fit 32 bits", g->name, array, i);
        out[i] = (int32_t)values[i];
    }
    if (count != NULL)
        *count = n;
    return out;
}

/* ---------------------------------------------------------------------------------------------------------- metadata */

const char *golden_text(golden_file *g, const char *key)
{
    const char *value = bfn__safetensors_metadata(g->st, key);
    if (value == NULL)
        fail_msg("%s: no metadata \"%s\"", g->name, key);
    return value;
}

double golden_number(golden_file *g, const char *key)
{
    const char *text = golden_text(g, key);
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0')
        fail_msg("%s: metadata \"%s\" is \"%s\", not a number", g->name, key, text);
    return value;
}

bool golden_bool(golden_file *g, const char *key)
{
    const char *text = golden_text(g, key);
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        fail_msg("%s: metadata \"%s\" is \"%s\", not true or false", g->name, key, text);
    return text[0] == 't';
}

json_t *golden_json(golden_file *g, const char *key)
{
    json_error_t error;
    json_t *document = json_loads(golden_text(g, key), 0, &error);
    if (document == NULL)
        fail_msg("%s: metadata \"%s\": %s", g->name, key, error.text);
    if (g->n_documents == MAX_DOCUMENTS) { /* a test that asks in a loop: the oldest is not in use any more */
        json_decref(g->documents[0]);
        memmove((void *)g->documents, (void *)(g->documents + 1), (MAX_DOCUMENTS - 1) * sizeof(json_t *));
        g->n_documents--;
    }
    g->documents[g->n_documents++] = document;
    return document;
}

bool golden_json_has(golden_file *g, const char *key, const char *field)
{
    return json_object_get(golden_json(g, key), field) != NULL;
}

double golden_json_number(golden_file *g, const char *key, const char *field)
{
    json_t *value = json_object_get(golden_json(g, key), field);
    if (!json_is_number(value))
        fail_msg("%s: metadata \"%s\" has no number \"%s\"", g->name, key, field);
    return json_number_value(value);
}

bool golden_json_bool(golden_file *g, const char *key, const char *field)
{
    json_t *value = json_object_get(golden_json(g, key), field);
    if (!json_is_boolean(value))
        fail_msg("%s: metadata \"%s\" has no true or false \"%s\"", g->name, key, field);
    return json_is_true(value);
}

bfn_flow golden_flow(golden_file *g)
{
    bfn_flow flow = {sizeof flow, BFN_DATA_CONTINUOUS, 0, 0.0, 0.0, 0.0};
    const char *kind = json_string_value(json_object_get(golden_json(g, "flow"), "data_kind"));
    if (kind == NULL)
        fail_msg("%s: metadata \"flow\" has no \"data_kind\"", g->name);
    if (strcmp(kind, "discrete") == 0) {
        flow.kind = BFN_DATA_DISCRETE;
        flow.n_classes = (size_t)golden_json_number(g, "flow", "n_classes");
        flow.max_sqrt_beta = golden_json_number(g, "flow", "max_sqrt_beta");
        return flow;
    }
    flow.min_variance = golden_json_number(g, "flow", "min_variance");
    if (strcmp(kind, "discretised") == 0) {
        flow.kind = BFN_DATA_DISCRETISED;
        flow.n_classes = (size_t)golden_json_number(g, "flow", "n_bins");
    } else if (strcmp(kind, "continuous") == 0) {
        flow.clip = golden_json_number(g, "flow", "clip");
    } else {
        fail_msg("%s: data kind \"%s\"", g->name, kind);
    }
    return flow;
}

/* -------------------------------------------------------------------------------------------------------- comparison */

void golden_group_begin(golden_file *g, const char *group, double bound)
{
    memset(&g->group, 0, sizeof g->group);
    (void)snprintf(g->group.name, sizeof g->group.name, "%s", group);
    g->group.bound = bound;
}

void golden_note_error(golden_file *g, const char *label, double error)
{
    if (isnan(error))
        error = (double)INFINITY;
    if (g->group.n_arrays++ == 0 || error > g->group.worst) {
        g->group.worst = error;
        (void)snprintf(g->group.worst_array, sizeof g->group.worst_array, "%s", label);
    }
}

/* got(i) and want(i) as doubles; error = max |got - want| / max |want|. */
static double relative_error(size_t n, double (*value)(const void *array, size_t i), const void *got, const void *want)
{
    double difference = 0.0, scale = 0.0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs(value(got, i) - value(want, i));
        if (!(d <= difference))
            difference = isnan(d) ? (double)INFINITY : d;
        scale = fmax(scale, fabs(value(want, i)));
    }
    return scale > 0.0 ? difference / scale : difference;
}

static double value_f32(const void *array, size_t i)
{
    return (double)((const float *)array)[i];
}

static double value_f64(const void *array, size_t i)
{
    return ((const double *)array)[i];
}

static void check_size(golden_file *g, const char *array, size_t n, size_t n_want)
{
    if (n != n_want)
        fail_msg("%s: \"%s\" holds %zu numbers, the test made %zu", g->name, array, n_want, n);
}

void golden_compare_values(golden_file *g, const char *label, const float *got, const float *want, size_t n)
{
    golden_note_error(g, label, relative_error(n, value_f32, got, want));
}

void golden_compare(golden_file *g, const char *array, const float *got, size_t n)
{
    size_t n_want;
    const float *want = golden_f32(g, array, &n_want);
    check_size(g, array, n, n_want);
    golden_compare_values(g, array, got, want, n);
}

void golden_compare_f64(golden_file *g, const char *array, const double *got, size_t n)
{
    size_t n_want;
    const double *want = golden_f64(g, array, &n_want);
    check_size(g, array, n, n_want);
    golden_note_error(g, array, relative_error(n, value_f64, got, want));
}

void golden_compare_i32(golden_file *g, const char *array, const int32_t *got, size_t n)
{
    size_t n_want, n_wrong = 0;
    const int32_t *want = golden_i32(g, array, &n_want);
    check_size(g, array, n, n_want);
    for (size_t i = 0; i < n; i++)
        n_wrong += got[i] != want[i];
    golden_note_error(g, array, (double)n_wrong);
    if (n_wrong > 0)
        fail_msg("%s: \"%s\": %zu of %zu integers differ", g->name, array, n_wrong, n);
}

void golden_group_end(golden_file *g)
{
    print_message("%-62s %-24s %4zu arrays, worst %.2e (%s), bound %.0e\n", g->name, g->group.name, g->group.n_arrays,
                  g->group.worst, g->group.worst_array, g->group.bound);
    if (g->group.n_arrays == 0)
        fail_msg("%s: %s: nothing was compared", g->name, g->group.name);
    if (!(g->group.worst <= g->group.bound))
        fail_msg("%s: %s: \"%s\" is off by %.3e, bound %.0e", g->name, g->group.name, g->group.worst_array,
                 g->group.worst, g->group.bound);
}

void golden_skip(golden_file *g, const char *reason)
{
    print_message("%-62s skipped: %s\n", g->name, reason);
}
