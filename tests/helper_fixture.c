/* helper_fixture.c: set-up and end of tests of files and parsers. */
#include "helper_fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <string.h>

counting memory;
bfn_context *ctx;

int setup(void **state)
{
    (void)state;
    ctx = counting_context(&memory);
    return 0;
}

int teardown(void **state)
{
    (void)state;
    size_t live = memory.n_live;
    bfn_context_destroy(ctx);
    return live == 1 ? 0 : 1;
}

int setup_scratch(void **state)
{
    scratch_make();
    return setup(state);
}

int teardown_scratch(void **state)
{
    scratch_remove();
    return teardown(state);
}

void assert_says(bfn_status status, bfn_status wanted, const char *words)
{
    const char *message = bfn_errmsg(ctx);
    if (status != wanted || (status != BFN_OK && (message[0] == '\0' || strchr(message, '\n') != NULL)) ||
        strstr(message, words) == NULL)
        fail_msg("status %d, message \"%s\", expected %d, \"%s\"", (int)status, message, (int)wanted, words);
}
