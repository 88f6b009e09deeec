/* helper_io.c: a counting, failing allocator and a scratch folder for tests. */
#define _XOPEN_SOURCE 700 /* nftw */
#include "helper_io.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *count_alloc(void *user, size_t bytes, size_t align)
{
    counting *c = user;
    void *block = NULL;
    if (++c->n_calls == c->fail_at || posix_memalign(&block, align, bytes) != 0)
        return NULL;
    c->n_live++;
    return block;
}

static void count_free(void *user, void *block)
{
    counting *c = user;
    c->n_live--;
    free(block);
}

bfn_context *counting_context(counting *c)
{
    bfn_context_options options = BFN_CONTEXT_OPTIONS_INIT;
    bfn_context *ctx;
    *c = (counting){0};
    options.allocator = (bfn_allocator){c, count_alloc, count_free};
    assert_int_equal(bfn_context_create(&ctx, &options), BFN_OK);
    return ctx;
}

size_t each_allocation(bfn_status (*run)(bfn_context *ctx, void *arg), void *arg, bfn_status wanted)
{
    for (size_t k = 1;; k++) {
        counting c;
        bfn_context *ctx = counting_context(&c);
        size_t before = c.n_calls;
        c.fail_at = before + k;
        bfn_status status = run(ctx, arg);
        bool failed = c.n_calls >= c.fail_at;
        if (status != (failed ? BFN_ERR_MEMORY : wanted))
            fail_msg("allocation %zu: status %d, message \"%s\"", k, (int)status, bfn_errmsg(ctx));
        if (failed)
            assert_true(bfn_errmsg(ctx)[0] != '\0');
        assert_int_equal(c.n_live, 1);
        bfn_context_destroy(ctx);
        if (!failed)
            return k - 1;
    }
}

static char folder[64];

void scratch_make(void)
{
    (void)snprintf(folder, sizeof folder, "scratch-XXXXXX");
    assert_non_null(mkdtemp(folder));
}

const char *scratch(const char *name)
{
    static char paths[4][512];
    static int turn;
    turn = (turn + 1) % 4;
    (void)snprintf(paths[turn], sizeof paths[turn], "%s/%s", folder, name);
    return paths[turn];
}

size_t scratch_count(void)
{
    size_t n = 0;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(dir);
    return n;
}

static int erase(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

void scratch_remove(void)
{
    assert_int_equal(nftw(folder, erase, 8, FTW_DEPTH | FTW_PHYS), 0);
}

void *exact_copy(const void *bytes, size_t n)
{
    void *copy = malloc(n > 0 ? n : 1);
    assert_non_null(copy);
    if (n > 0)
        memcpy(copy, bytes, n);
    return copy;
}
