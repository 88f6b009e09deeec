/* fuzz_cell.c: any text as the journal of a sweep (cells.jsonl): its first line as the head, every other one as a cell. Cells that are read are written and
 * read again to the same text.
 */
#include "fuzz.h"

#include "eval/sweep.h"

#include <math.h>

enum { N_CELLS = 2, MAX_TEXT = 4096 };

static const char *const keys[N_CELLS] = {"0123456789abcdef", "f"};

/* A sweep of two cells and two values, as far as its journal needs one. */
static bfn__sweep *make_sweep(bfn_context *ctx)
{
    static const bfn_sweep_options options = {.out_dir = "fuzz"};
    static bfn__sweep sweep;
    static bfn__cell cells[N_CELLS];
    if (sweep.header == NULL) {
        sweep.ctx = ctx;
        sweep.options = &options;
        sweep.values[0] = (bfn__value_kind){.name = "accuracy"};
        sweep.values[1] = (bfn__value_kind){.name = "inner"};
        sweep.n_values = 2;
        fuzz_require(bfn_record_create(ctx, &sweep.header) == BFN_OK);
        fuzz_require(bfn_record_set(sweep.header, "version", "0.1.0") == BFN_OK);
        fuzz_require(bfn_record_set(sweep.header, "n", "4") == BFN_OK);
        for (size_t i = 0; i < N_CELLS; i++)
            fuzz_require(bfn_record_create(ctx, &cells[i].settings) == BFN_OK);
    }
    for (size_t i = 0; i < N_CELLS; i++) {
        bfn_record *settings = cells[i].settings;
        cells[i] = (bfn__cell){.settings = settings};
        memcpy(cells[i].key, keys[i], strlen(keys[i]));
    }
    sweep.cells = cells;
    sweep.n_cells = N_CELLS;
    sweep.n_found = 0;
    return &sweep;
}

static void forget(bfn__sweep *sweep, bfn__cell *cell)
{
    for (size_t i = 0; i < cell->n_texts; i++)
        bfn__free(sweep->ctx, cell->texts[i]);
    bfn__free(sweep->ctx, cell->strip);
    cell->n_texts = 0;
    cell->strip = NULL;
    cell->done = false;
}

static void check_cell(bfn__sweep *sweep, bfn__cell *cell)
{
    fuzz_require(isfinite(cell->seconds) && cell->seconds >= 0.0 && cell->n_texts <= BFN__MAX_SHOWN);
    fuzz_require(cell->strip == NULL || (cell->strip_width > 0 && cell->strip_height > 0));
    char *text = bfn__cell_write(sweep, cell);
    fuzz_require(text != NULL);
    forget(sweep, cell);
    fuzz_require(bfn__cell_read(sweep, text, 1) == BFN_OK && cell->done);
    char *again = bfn__cell_write(sweep, cell);
    fuzz_require(again != NULL && strcmp(text, again) == 0);
    free(text);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[MAX_TEXT + 1];
    if (size > MAX_TEXT)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    bfn_context *ctx = fuzz_context();
    bfn__sweep *sweep = make_sweep(ctx);
    bfn_status status = BFN_OK;
    size_t number = 1;
    for (char *line = text, *end; line != NULL && status == BFN_OK; line = end, number++) {
        end = strchr(line, '\n');
        if (end != NULL)
            *end++ = '\0';
        if (number == 1) {
            status = bfn__header_check(sweep, line);
            fuzz_require(status == BFN_OK || status == BFN_ERR_INPUT || status == BFN_ERR_ARGUMENT);
            fuzz_require(status == BFN_OK || strpbrk(ctx->errmsg, "\n\r\x1b") == NULL);
        } else {
            status = bfn__cell_read(sweep, line, number);
            fuzz_status(ctx, status, BFN_ERR_INPUT);
        }
    }
    for (size_t i = 0; i < N_CELLS; i++) {
        if (sweep->cells[i].done)
            check_cell(sweep, &sweep->cells[i]);
        forget(sweep, &sweep->cells[i]);
    }
    return 0;
}

#ifdef BFN_FUZZ
#include "mutate.h"

static const char head[] = "{\"bfn_sweep\":1,\"header\":{\"version\":\"0.1.0\",\"n\":\"4\"}}";
static const char *const tokens[] = {"{",
                                     "}",
                                     "[",
                                     "]",
                                     ",",
                                     ":",
                                     "\"",
                                     "null",
                                     "0",
                                     "-1",
                                     "1.5",
                                     "1e400",
                                     "1e308",
                                     "5e-324",
                                     "true",
                                     "\\u0000",
                                     "\\ud800",
                                     "\\u001b[2J",
                                     "\"key\":",
                                     "\"values\":",
                                     "\"texts\":",
                                     "\"strip\":",
                                     "\"strip_width\":",
                                     "\"strip_height\":",
                                     "\"seconds\":",
                                     "9223372036854775808",
                                     "\n",
                                     "[[[[[[[["};
#define PICK(list, r) list[fuzz_below(r, sizeof list / sizeof list[0])]

static void put_pair(fuzz_out *o, fuzz_random *r, const char *name)
{
    static const char *const numbers[] = {"0", "1", "-1.5", "null", "1e308", "1e-320", "\"x\"", "1e400"};
    fuzz_put_text(o, name);
    fuzz_put_text(o, PICK(numbers, r));
    fuzz_put_text(o, ",");
    fuzz_put_text(o, PICK(numbers, r));
    fuzz_put_text(o, fuzz_chance(r, 16) ? ",1]" : "]");
}

static void put_cell(fuzz_out *o, fuzz_random *r)
{
    static const char *const texts[] = {"\"a b\"", "\"\\u00e9\"", "1", "\"\\n\"", "\"\\ud83d\\ude00\"", "\"\""};
    static const char *const strips[] = {"iVBORw0KGgo=", "", "<script>", "AAAA"};
    fuzz_put_text(o, "\n{\"key\":\"");
    fuzz_put_text(o, fuzz_chance(r, 8) ? "other" : keys[fuzz_below(r, N_CELLS)]);
    fuzz_put_text(o, "\",\"settings\":{},\"seconds\":");
    fuzz_put_text(o, fuzz_chance(r, 12) ? PICK(tokens, r) : "1.25");
    put_pair(o, r, ",\"values\":{\"accuracy\":[");
    if (!fuzz_chance(r, 12))
        put_pair(o, r, ",\"inner\":[");
    if (fuzz_chance(r, 3)) {
        fuzz_put_text(o, "},\"strip\":\"");
        fuzz_put_text(o, PICK(strips, r));
        fuzz_put_text(o, "\",\"strip_width\":");
        fuzz_put_text(o, fuzz_chance(r, 8) ? PICK(tokens, r) : "7");
        fuzz_put_text(o, ",\"strip_height\":9,\"texts\":[");
    } else {
        fuzz_put_text(o, "},\"texts\":[");
    }
    for (size_t i = 0, n = fuzz_below(r, fuzz_chance(r, 20) ? 70 : 4); i < n; i++) {
        fuzz_put_text(o, i > 0 ? "," : "");
        fuzz_put_text(o, fuzz_chance(r, 8) ? PICK(texts, r) : texts[0]);
    }
    fuzz_put_text(o, "]}");
}

/* A journal anew, one cell more, a token put in, or libFuzzer's mutations. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static fuzz_out out;
    fuzz_random r = {seed};
    out.n = 0;
    out.full = false;
    if (fuzz_chance(&r, 3))
        return LLVMFuzzerMutate(data, size, max_size);
    if (fuzz_chance(&r, 2)) {
        bool anew = fuzz_chance(&r, 2);
        fuzz_put(&out, anew ? (const void *)head : data, anew ? sizeof head - 1 : size);
        for (size_t i = 0, n = 1 + fuzz_below(&r, 3); i < n; i++)
            put_cell(&out, &r);
        return fuzz_deliver(&out, data, size, max_size);
    }
    size_t at = fuzz_below(&r, size + 1), skip = fuzz_chance(&r, 2) ? 0 : fuzz_below(&r, 12);
    fuzz_put(&out, data, at);
    fuzz_put_text(&out, PICK(tokens, &r));
    at += skip < size - at ? skip : size - at;
    fuzz_put(&out, data + at, size - at);
    return fuzz_deliver(&out, data, size, max_size);
}
#endif
