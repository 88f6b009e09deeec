/* fuzz_yaml.c: any bytes as a configuration file. What is read and written must read back to the same text. */
#include "fuzz.h"

#include "io/yaml.h"

#include <stdlib.h>
#include <string.h>

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_round_trip(bfn_context *ctx, bfn__yaml *tree)
{
    char *text = NULL, *again = NULL;
    bfn__yaml *copy = NULL;
    require(bfn__yaml_emit(tree, &text) == BFN_OK);
    require(bfn__yaml_parse(ctx, &copy, text, strlen(text), "emitted") == BFN_OK);
    require(bfn__yaml_emit(copy, &again) == BFN_OK);
    require(strcmp(text, again) == 0);
    bfn__free(ctx, text);
    bfn__free(ctx, again);
    bfn__yaml_destroy(copy);
}

static void ask(bfn__yaml *tree)
{
    double number = 0.0;
    size_t size = 1;
    bool flag = false;
    const char *text = NULL;
    (void)bfn__yaml_get_number(tree, "train.lr", 0.0, 1.0, &number);
    (void)bfn__yaml_get_size(tree, "train.steps", 1, 1000, &size);
    (void)bfn__yaml_get_bool(tree, "network.bias", &flag);
    (void)bfn__yaml_get_string(tree, "data.alphabet", &text);
    (void)bfn__yaml_check_unknown(tree, NULL);
    require(number >= 0.0 && number <= 1.0 && size >= 1 && size <= 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bfn_context *ctx;
    if (bfn_context_create(&ctx, NULL) != BFN_OK)
        return 0;
    bfn__yaml *tree = NULL;
    bfn_status status = bfn__yaml_parse(ctx, &tree, data, size, "fuzz");
    if (status == BFN_OK) {
        check_round_trip(ctx, tree);
        ask(tree);
    } else {
        require(bfn_errmsg(ctx)[0] != '\0' && strchr(bfn_errmsg(ctx), '\n') == NULL);
    }
    bfn__yaml_destroy(tree);
    bfn_context_destroy(ctx);
    return 0;
}
