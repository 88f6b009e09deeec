/* fuzz_config.c: any bytes as the configuration of a model: what a checkpoint's metadata bfn.config hold, or `bfn train` is given.
 *
 * What is accepted is written and read again to the same text. Where it can be resolved, its network is described (nothing of
 * its size is allocated), and the resolved text resolves to itself.
 */
#include "fuzz.h"

#include "model/config.h"

enum { MAX_DEPTH = 2 };

/* Networks of few layers, so that describing one takes microseconds: where the depth is not given a small one is, where it is given large the
 * network is left out (true). */
static bool is_deep(bfn_context *ctx, bfn__config *config)
{
    static const char *const depths[][2] = {
        {"gpt", "n_layer"}, {"unet_vdm", "n_blocks"}, {"unet_adm", "num_res_blocks"}};
    for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++) {
        if (strcmp(bfn__config_class(config), depths[i][0]) != 0)
            continue;
        for (size_t k = 0; k < config->network.n_options; k++)
            if (strcmp(config->network.keys[k], depths[i][1]) == 0)
                return config->network.values[k] > MAX_DEPTH;
        char key[64] = "network.";
        memcpy(key + 8, depths[i][1], strlen(depths[i][1]) + 1);
        return bfn__config_set(ctx, config, key, "1") != BFN_OK; /* no room for one more option */
    }
    return true;
}

/* A copy that went through text. */
static void check_text(bfn_context *ctx, const bfn__config *config, bfn__config *again)
{
    char *text = NULL, *twice = NULL;
    fuzz_require(bfn__config_write(ctx, config, &text) == BFN_OK);
    bfn__config_init(again);
    fuzz_require(bfn__config_parse(ctx, again, text, strlen(text), "written") == BFN_OK);
    fuzz_require(bfn__config_write(ctx, again, &twice) == BFN_OK);
    fuzz_require(strcmp(text, twice) == 0);
    bfn__free(ctx, text);
    bfn__free(ctx, twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bfn__config config, again;
    bfn_context *ctx = fuzz_context();
    bfn__net *net = NULL;
    bfn__config_init(&config);
    bfn_status status = bfn__config_parse(ctx, &config, (const char *)data, size, "fuzz");
    fuzz_status(ctx, status, BFN_ERR_ARGUMENT);
    if (status != BFN_OK)
        return 0;
    bool written =
        size > 0 && data[size / 2] % 8 == 0; /* writing numbers costs ten times what reading does: a part is enough */
    if (written)
        check_text(ctx, &config, &again);
    if (is_deep(ctx, &config))
        return 0;
    status = bfn__config_resolve(ctx, &config, 0, &net);
    fuzz_status(ctx, status, BFN_ERR_ARGUMENT);
    fuzz_require((status == BFN_OK) == (net != NULL));
    bfn__net_destroy(net);
    if (status != BFN_OK)
        return 0;
    fuzz_require(bfn__config_positions(&config) > 0);
    if (!written)
        return 0;
    check_text(ctx, &config, &again);
    fuzz_status(ctx, bfn__config_compare(ctx, &config, &again), BFN_ERR_ARGUMENT);
    return 0;
}

#ifdef BFN_FUZZ
#include "mutate.h"

#include "model/config_fields.h"

enum { MAX_WORDS = 128 };

/* The last parts of the names of all fields, and what stands beside them. */
static const char *const *field_keys(void)
{
    static const char *keys[MAX_WORDS] = {"data",    "network", "flow",   "train",   "class",
                                          "n_layer", "n_head",  "n_embd", "dropout", "bias"};
    static size_t n = 10;
    for (size_t i = 0; n == 10 + i && i < bfn__n_fields() && n + 1 < MAX_WORDS; i++) {
        const char *dot = strchr(bfn__field_at(i)->name, '.');
        keys[n++] = dot != NULL ? dot + 1 : bfn__field_at(i)->name;
    }
    return keys;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static const char *const values[] = {"text",
                                         "image",
                                         "gpt",
                                         "unet_vdm",
                                         "unet_adm",
                                         "text8",
                                         "chars",
                                         "true",
                                         "false",
                                         "0",
                                         "1",
                                         "2",
                                         "3",
                                         "16",
                                         "27",
                                         "32",
                                         "256",
                                         "1e-3",
                                         "0.5",
                                         "[0.9, 0.98]",
                                         "[0.9, 0.05, 0.05]",
                                         "discrete",
                                         "discretised",
                                         "continuous",
                                         "cosine",
                                         "constant",
                                         "cross_entropy",
                                         "18446744073709551615",
                                         NULL};
    fuzz_words words = {field_keys(), values};
    static fuzz_out out;
    fuzz_random r = {seed};
    out.n = 0;
    out.full = false;
    if (fuzz_chance(&r, 4))
        return LLVMFuzzerMutate(data, size, max_size);
    fuzz_put_yaml_mutated(&out, &r, data, size, &words);
    return fuzz_deliver(&out, data, size, max_size);
}
#endif
