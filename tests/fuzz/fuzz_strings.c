/* fuzz_strings.c: any bytes as a list of strings, in each of the forms. All that is accepted is read to its last byte. */
#include "fuzz.h"

#include "io/strings.h"

#include <stdlib.h>
#include <string.h>

static void require(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bfn_context *ctx;
    bfn__alphabet *alphabet;
    if (bfn_context_create(&ctx, NULL) != BFN_OK)
        return 0;
    if (bfn__alphabet_text8(ctx, &alphabet) == BFN_OK) {
        for (int form = BFN__STRINGS_ANY; form <= BFN__STRINGS_JSON; form++) {
            bfn__strings s;
            size_t length = 0;
            bfn_status status = bfn__strings_parse(ctx, &s, data, size, "fuzz", (bfn__strings_form)form, alphabet);
            require(status == BFN_OK || status == BFN_ERR_INPUT || status == BFN_ERR_MEMORY);
            require((status == BFN_OK) == (s.n > 0));
            for (size_t i = 0; i < s.n; i++)
                length += strlen(s.list[i]);
            require(length <= 4 * size);
            bfn__strings_free(ctx, &s);
        }
        bfn__alphabet_destroy(alphabet);
    }
    bfn_context_destroy(ctx);
    return 0;
}
