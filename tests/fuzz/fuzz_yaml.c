/* fuzz_yaml.c: any bytes as a configuration file. What is read and written must read back to the same text. */
#include "fuzz.h"

#include "io/yaml.h"

static void check_round_trip(bfn_context *ctx, bfn__yaml *tree)
{
    char *text = NULL, *again = NULL;
    bfn__yaml *copy = NULL;
    fuzz_require(bfn__yaml_emit(tree, &text) == BFN_OK);
    fuzz_require(bfn__yaml_parse(ctx, &copy, text, strlen(text), "emitted") == BFN_OK);
    fuzz_require(bfn__yaml_emit(copy, &again) == BFN_OK);
    fuzz_require(strcmp(text, again) == 0);
    bfn__free(ctx, text);
    bfn__free(ctx, again);
    bfn__yaml_destroy(copy);
}

static void ask(bfn__yaml *tree)
{
    static const char *const names[] = {"cosine", "constant", NULL};
    double number = 0.0, list[3];
    size_t size = 1, n = 0;
    bool flag = false;
    int choice = 0;
    const char *text = NULL;
    (void)bfn__yaml_get_number(tree, "train.lr", 0.0, 1.0, &number);
    (void)bfn__yaml_get_size(tree, "train.steps", 1, 1000, &size);
    (void)bfn__yaml_get_bool(tree, "network.bias", &flag);
    (void)bfn__yaml_get_string(tree, "data.alphabet", &text);
    (void)bfn__yaml_get_choice(tree, "train.schedule", names, &choice);
    (void)bfn__yaml_get_numbers(tree, "train.betas", 0.0, 1.0, 3, list, &n);
    (void)bfn__yaml_check_unknown(tree, NULL);
    fuzz_require(number >= 0.0 && number <= 1.0 && size >= 1 && size <= 1000 && choice >= 0 && choice <= 1 && n <= 3);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bfn_context *ctx = fuzz_context();
    bfn__yaml *tree = NULL;
    bfn_status status = bfn__yaml_parse(ctx, &tree, data, size, "fuzz");
    fuzz_status(ctx, status, BFN_ERR_ARGUMENT);
    fuzz_require((status == BFN_OK) == (tree != NULL));
    if (status == BFN_OK) {
        /* writing costs more than all the rest: a part of the inputs, told by their bytes so that a finding can be repeated */
        if (size > 0 && data[size / 2] % 4 == 0)
            check_round_trip(ctx, tree);
        ask(tree);
    }
    bfn__yaml_destroy(tree);
    return 0;
}

#ifdef BFN_FUZZ
#include "mutate.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static const char *const keys[] = {"train",    "data",  "network",  "lr",      "steps", "bias", "alphabet",
                                       "schedule", "betas", "train.lr", "\"a b\"", "x",     NULL};
    static const char *const values[] = {"1e-3",        "30",     "true",      "no",  "text8", "\"10\"",
                                         "[0.9, 0.98]", "cosine", "two words", "'q'", NULL};
    static const fuzz_words words = {keys, values};
    static fuzz_out out;
    fuzz_random r = {seed};
    out.n = 0;
    out.full = false;
    if (fuzz_chance(&r, 3))
        return LLVMFuzzerMutate(data, size, max_size);
    fuzz_put_yaml_mutated(&out, &r, data, size, &words);
    return fuzz_deliver(&out, data, size, max_size);
}
#endif
