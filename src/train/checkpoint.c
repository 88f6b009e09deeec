/* checkpoint.c: everything a run needs to go on, in one safetensors file, written atomically.
 *
 *   net.X  ema.net.X  adam.m.X  adam.v.X   for every trained parameter X (fixed buffers: net.X alone);  data.mean
 *   metadata bfn.config (resolved YAML, the seed in it), bfn.data, bfn.train (step, counters, bounds)
 *
 * Nothing in it depends on the clock or the machine, so two runs that are the same write the same bytes.
 */
#include "train/trainer.h"

#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N_KINDS = 4, NAME_BYTES = BFN__MAX_NAME + 16 };
static const char *const prefixes[N_KINDS] = {"net.", "ema.net.", "adam.m.", "adam.v."};

typedef struct tensor_list {
    bfn__st_tensor *items;
    char (*names)[NAME_BYTES];
    size_t n;
} tensor_list;

static void add(tensor_list *list, const char *prefix, const bfn__param *p, const float *arena)
{
    bfn__st_tensor *t = &list->items[list->n];
    char *name = list->names[list->n++];
    snprintf(name, NAME_BYTES, "%s%s", prefix, p->name);
    *t = (bfn__st_tensor){.name = name, .dtype = BFN__DTYPE_F32, .rank = p->rank, .count = p->count};
    memcpy(t->shape, p->shape, (size_t)p->rank * sizeof(size_t));
    t->data = arena + p->offset;
    t->bytes = p->count * sizeof(float);
}

static void add_mean(tensor_list *list, const bfn__data_info *data, size_t K)
{
    bfn__st_tensor *t = &list->items[list->n++];
    size_t rows = data->mean_rows;
    *t = (bfn__st_tensor){.name = "data.mean", .dtype = BFN__DTYPE_F32, .rank = 1, .shape = {K}, .count = rows * K};
    if (rows > 1) {
        t->rank = 2;
        t->shape[0] = rows;
        t->shape[1] = K;
    }
    t->data = data->mean;
    t->bytes = t->count * sizeof(float);
}

static void add_all(const bfn__trainer *tr, tensor_list *list)
{
    const float *arenas[N_KINDS] = {tr->params, tr->ema, tr->m, tr->v};
    for (size_t k = 0; k < N_KINDS; k++)
        for (size_t i = 0; i < bfn__net_n_params(tr->net); i++) {
            const bfn__param *p = bfn__net_param(tr->net, i);
            if (k == 0 || p->trained)
                add(list, prefixes[k], p, arenas[k]);
        }
    if (tr->data.mean != NULL)
        add_mean(list, &tr->data, tr->K);
}

static bfn_status save_list(const bfn__trainer *tr, const tensor_list *list, const char *path)
{
    char *data = bfn__data_info_write(&tr->data), *trained = bfn__train_info_write(&tr->info);
    bfn_status status = BFN_ERR_MEMORY;
    if (data != NULL && trained != NULL) {
        const bfn__st_entry metadata[] = {
            {"bfn.config", tr->config_text}, {"bfn.data", data}, {"bfn.train", trained}, {"format", "pt"}};
        status =
            bfn__safetensors_save(tr->ctx, path, list->items, list->n, metadata, sizeof metadata / sizeof metadata[0]);
    }
    free(data);
    free(trained);
    return status;
}

bfn_status bfn__checkpoint_save(bfn__trainer *tr, const char *path)
{
    size_t n = N_KINDS * bfn__net_n_params(tr->net) + 1;
    tensor_list list = {bfn__calloc(tr->ctx, n, sizeof *list.items), bfn__calloc(tr->ctx, n, sizeof *list.names), 0};
    bfn_status status = BFN_ERR_MEMORY;
    if (list.items != NULL && list.names != NULL) {
        add_all(tr, &list);
        status = save_list(tr, &list, path);
    }
    bfn__free(tr->ctx, list.items);
    bfn__free(tr->ctx, list.names);
    return status;
}

bfn_status bfn__checkpoint_load(bfn__trainer *tr, const bfn__safetensors *st, const char *label)
{
    float *arenas[N_KINDS] = {tr->params, tr->ema, tr->m, tr->v};
    bfn_status status = bfn__weights_check_names(tr->ctx, st, tr->net);
    for (size_t k = 0; k < N_KINDS && status == BFN_OK; k++)
        status = bfn__weights_read(tr->ctx, st, tr->net, prefixes[k], false, arenas[k]);
    if (status == BFN_OK)
        status = bfn__train_info_read(tr->ctx, st, &tr->info);
    return status == BFN_OK ? BFN_OK : bfn__fail_prefix(tr->ctx, status, label);
}

/* ---- which file is the newest ---- */

/* The step of "step-000000500.safetensors"; 0: another file. */
static uint64_t step_of_name(const char *name)
{
    if (strncmp(name, "step-", 5) != 0)
        return 0;
    char *end;
    unsigned long long step = strtoull(name + 5, &end, 10);
    return strcmp(end, ".safetensors") == 0 ? step : 0;
}

static bool numbered_path(const char *folder, uint64_t step, char *path)
{
    return snprintf(path, PATH_MAX, "%s/step-%09llu.safetensors", folder, (unsigned long long)step) < PATH_MAX;
}

/* The largest numbered step below `below`, and how many there are; 0: none. */
static uint64_t largest_step(const char *folder, uint64_t below, size_t *count)
{
    uint64_t best = 0;
    *count = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        uint64_t step = step_of_name(entry->d_name);
        if (step == 0 || step >= below)
            continue;
        ++*count;
        best = step > best ? step : best;
    }
    if (dir != NULL)
        closedir(dir);
    return best;
}

bfn_status bfn__checkpoint_newest(bfn_context *ctx, const char *folder, bfn__safetensors **st, char *path)
{
    if (snprintf(path, PATH_MAX, "%s/last.safetensors", folder) >= PATH_MAX)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "%s: the path is too long", folder);
    bfn_status first = bfn__safetensors_open(ctx, st, path);
    uint64_t below = UINT64_MAX;
    for (bfn_status status = first; status != BFN_OK;) {
        size_t count;
        below = largest_step(folder, below, &count);
        if (below == 0 || !numbered_path(folder, below, path)) /* nothing older: the first message is the useful one */
            return bfn__fail_prefix(ctx, first, "nothing to resume");
        bfn__log(ctx, "%s; trying %s", bfn_errmsg(ctx), path);
        status = bfn__safetensors_open(ctx, st, path);
    }
    return BFN_OK;
}

void bfn__checkpoint_rotate(bfn__trainer *tr, const char *folder, uint64_t previous_step)
{
    char last[PATH_MAX], kept[PATH_MAX];
    size_t keep = tr->config.train.keep - 1, count;
    if (snprintf(last, sizeof last, "%s/last.safetensors", folder) >= PATH_MAX)
        return;
    if (keep > 0 && previous_step > 0 && numbered_path(folder, previous_step, kept) && access(kept, F_OK) != 0 &&
        link(last, kept) != 0)
        bfn__log(tr->ctx, "%s: cannot be kept as %s", last, kept);
    uint64_t below = UINT64_MAX;
    for (size_t i = 0; i < keep; i++)
        below = largest_step(folder, below, &count);
    while (below > 0 && (below = largest_step(folder, below, &count)) > 0)
        if (numbered_path(folder, below, kept))
            unlink(kept);
}
