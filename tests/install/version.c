/* version.c: the smallest program that uses the library: the header it was compiled with is the library it runs with. */
#include <bfn/model.h>
#include <bfn/sample.h>
#include <bfn/train.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    char header[32];
    snprintf(header, sizeof header, "%d.%d.%d", BFN_VERSION_MAJOR, BFN_VERSION_MINOR, BFN_VERSION_PATCH);
    if (strcmp(header, bfn_version()) != 0)
        return 1;
    bfn_context *ctx;
    if (bfn_context_create(&ctx, NULL) != BFN_OK)
        return 1;
    printf("bfn %s\n", bfn_version());
    bfn_context_destroy(ctx);
    return 0;
}
