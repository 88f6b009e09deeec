/* helper_golden.h: what every test against recorded reference values shares.
 *
 * A golden test runs over every file of its layout in a folder: BFN_GOLDEN_DIR of the environment, or tests/golden. Sizes, options and
 * the flow come from the files, so other sets of the same layout can be run. For each group of arrays one line says file, group,
 * number of arrays, worst error and bound. No file, a missing array or a wrong size fails the test.
 *
 *   static void run(golden_file *g)
 *   {
 *       bfn_flow flow = golden_flow(g);
 *       size_t n;
 *       const float *x = golden_f32(g, "x", &n);
 *       golden_group_begin(g, "forward", 2e-5);
 *       golden_compare(g, "y", y, n_y);
 *       golden_group_end(g);
 *   }
 *   ... golden_each("gpt", "_forward_backward", run);
 *
 * All functions fail the running cmocka test instead of returning an error. Memory they return belongs to the file.
 */
#ifndef HELPER_GOLDEN_H
#define HELPER_GOLDEN_H

#include "base/base.h"
#include "bfn/flow.h"
#include "io/safetensors.h"

struct json_t; /* jansson's */

typedef struct golden_file {
    char name[256]; /* "gpt_losses.safetensors" */
    char path[4096];
    bfn_context *ctx;
    bfn__safetensors *st;
    void **blocks; /* freed when the file is closed */
    size_t n_blocks;
    struct json_t **documents;
    size_t n_documents;
    struct {
        char name[64], worst_array[128];
        double bound, worst;
        size_t n_arrays;
    } group;
} golden_file;

/* Open every <folder>/<prefix>*<suffix>.safetensors in alphabetical order, call run, close. None at all is a failure.
 * Returns the number of files. */
size_t golden_each(const char *prefix, const char *suffix, void (*run)(golden_file *g));

/* One file by its name in the folder (a weights file that metadata names); golden_close when done. */
golden_file *golden_open(const char *name);
void golden_close(golden_file *g);
const char *golden_folder(void);

/* Arrays. count may be NULL. golden_has is for what a layout leaves out by design. */
const bfn__st_tensor *golden_tensor(golden_file *g, const char *array);
bool golden_has(golden_file *g, const char *array);
float *golden_f32(golden_file *g, const char *array, size_t *count);
double *golden_f64(golden_file *g, const char *array, size_t *count); /* converted from float */
int64_t *golden_i64(golden_file *g, const char *array, size_t *count);
int32_t *golden_i32(golden_file *g, const char *array, size_t *count); /* converted from int64 */
void *golden_alloc(golden_file *g, size_t n, size_t size);             /* zeroed scratch */

/* Metadata strings, and JSON documents inside them. */
const char *golden_text(golden_file *g, const char *key);    /* "algorithm" -> "ode_bfnsolver1" */
double golden_number(golden_file *g, const char *key);       /* "n_steps" -> 10 */
bool golden_bool(golden_file *g, const char *key);           /* "last_drop" -> true */
struct json_t *golden_json(golden_file *g, const char *key); /* "config", "flow", "optimizer" */
bfn_flow golden_flow(golden_file *g);

/* Fields of the JSON document under `key`: golden_json_number(g, "config", "n_layer"). */
bool golden_json_has(golden_file *g, const char *key, const char *field);
double golden_json_number(golden_file *g, const char *key, const char *field);
bool golden_json_bool(golden_file *g, const char *key, const char *field);

/* Compare with recorded values: worst |got - want| / max |want| of an array (absolute where all of want is 0) against the
 * group's bound; NaN is worse than everything. */
void golden_group_begin(golden_file *g, const char *group, double bound);
void golden_compare(golden_file *g, const char *array, const float *got, size_t n);
void golden_compare_f64(golden_file *g, const char *array, const double *got, size_t n);
void golden_compare_i32(golden_file *g, const char *array, const int32_t *got,
                        size_t n); /* number that differ; any is a failure */
void golden_compare_values(golden_file *g, const char *label, const float *got, const float *want, size_t n);
void golden_note_error(golden_file *g, const char *label, double error); /* an error measured by the test itself */
void golden_group_end(golden_file *g); /* prints the line; fails when beyond the bound */

/* Say that a file cannot be tested (its network is not built yet). */
void golden_skip(golden_file *g, const char *reason);

#endif
