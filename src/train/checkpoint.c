/* checkpoint.c: everything a run needs to go on, in one safetensors file, written atomically.
 *
 *   net.X  ema.net.X  adam.m.X  adam.v.X   for every trained parameter X (fixed buffers: net.X alone);  data.mean
 *   metadata bfn.config (resolved YAML, the seed in it), bfn.data, bfn.train (step, counters, bounds), bfn.sha256 (of the file)
 *
 * Nothing in it depends on the clock or the machine, so two runs that are the same write the same bytes.
 */
#include "train/trainer.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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
            {"bfn.config", tr->config_text}, {"bfn.data", data}, {"bfn.train", trained}, {"format", "pt"},
            {BFN__ST_CHECKSUM, NULL},
        };
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

/* Numbers that were rounded since would go on as another run. */
static bfn_status check_types(bfn_context *ctx, const bfn__safetensors *st)
{
    for (size_t i = 0; i < bfn__safetensors_n_tensors(st); i++) {
        const bfn__st_tensor *t = bfn__safetensors_tensor(st, i);
        if (t->dtype != BFN__DTYPE_F32)
            return bfn__fail(ctx, BFN_ERR_INPUT, "\"%.120s\" is %s, a training goes on from F32 alone", t->name,
                             bfn__dtype_name(t->dtype));
    }
    return BFN_OK;
}

bfn_status bfn__checkpoint_load(bfn__trainer *tr, const bfn__safetensors *st, const char *label)
{
    float *arenas[N_KINDS] = {tr->params, tr->ema, tr->m, tr->v};
    bfn_status status = check_types(tr->ctx, st);
    if (status == BFN_OK)
        status = bfn__weights_check_names(tr->ctx, st, tr->net);
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

static bool named_path(const char *folder, const char *name, char *path)
{
    return snprintf(path, PATH_MAX, "%s/%s.safetensors", folder, name) < PATH_MAX;
}

/* The largest numbered step below `below`; 0: none. */
static uint64_t largest_step(const char *folder, uint64_t below)
{
    uint64_t best = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        uint64_t step = step_of_name(entry->d_name);
        if (step < below && step > best)
            best = step;
    }
    if (dir != NULL)
        closedir(dir);
    return best;
}

/* The files of a run that can be resumed from, the one to be preferred first: last, the numbered ones from new to old, best. false: no more. */
typedef struct candidates {
    const char *folder;
    uint64_t below; /* numbered ones left: those of smaller steps */
    enum { AT_LAST, AT_NUMBERED, AT_BEST, AT_END } at;
} candidates;

static bool next_candidate(candidates *c, char *path)
{
    if (c->at == AT_LAST) {
        c->at = AT_NUMBERED;
        return named_path(c->folder, "last", path);
    }
    if (c->at == AT_NUMBERED) {
        c->below = largest_step(c->folder, c->below);
        if (c->below > 0)
            return numbered_path(c->folder, c->below, path);
        c->at = AT_BEST;
    }
    if (c->at == AT_END)
        return false;
    c->at = AT_END;
    return named_path(c->folder, "best", path);
}

static bfn_status open_whole(bfn_context *ctx, const char *path, bfn__safetensors **st)
{
    bfn_status status = bfn__safetensors_open(ctx, st, path);
    if (status != BFN_OK)
        return status;
    status = bfn__checkpoint_verify(ctx, *st, path);
    if (status != BFN_OK) {
        bfn__safetensors_close(*st);
        *st = NULL;
    }
    return status;
}

bfn_status bfn__checkpoint_newest(bfn_context *ctx, const char *folder, bfn__safetensors **st, char *path,
                                  bool *is_last)
{
    candidates c = {folder, UINT64_MAX, AT_LAST};
    bfn_status first = BFN_OK;
    char why[BFN__ERRMSG_MAX] = "";
    while (next_candidate(&c, path)) {
        bfn_status status = open_whole(ctx, path, st);
        *is_last = first == BFN_OK;
        if (status == BFN_OK && !*is_last)
            bfn__log(ctx, "going on from %s", path);
        if (status == BFN_OK || status == BFN_ERR_MEMORY) /* without memory, nothing is known of the file */
            return status;
        if (status != BFN_ERR_NOT_FOUND)
            bfn__log(ctx, "warning: %s", bfn_errmsg(ctx));
        if (first == BFN_OK) {
            first = status;
            snprintf(why, sizeof why, "%s", bfn_errmsg(ctx));
        }
    }
    return bfn__fail(ctx, first, "nothing to resume: %s", why); /* why the newest one was not taken is what helps */
}

bool bfn__checkpoint_any(const char *folder)
{
    candidates c = {folder, UINT64_MAX, AT_LAST};
    char path[PATH_MAX];
    struct stat info;
    while (next_candidate(&c, path))
        if (lstat(path, &info) == 0)
            return true;
    return false;
}

/* ---- keeping older ones ---- */

/* Remember the newest judgements; what is forgotten is read again. */
static void judge(bfn__trainer *tr, uint64_t step, bool whole)
{
    size_t i = 0;
    while (i < tr->n_judged && tr->judged[i].step != step)
        i++;
    if (i == BFN__N_JUDGED) {
        memmove(tr->judged, tr->judged + 1, (BFN__N_JUDGED - 1) * sizeof *tr->judged);
        i--;
    } else if (i == tr->n_judged) {
        tr->n_judged++;
    }
    tr->judged[i].step = step;
    tr->judged[i].whole = whole;
}

void bfn__checkpoint_keep(bfn__trainer *tr)
{
    char last[PATH_MAX], kept[PATH_MAX];
    const char *folder = tr->options->out_dir;
    if (tr->config.train.keep < 2 || tr->last_step == 0 || !named_path(folder, "last", last) ||
        !numbered_path(folder, tr->last_step, kept))
        return;
    (void)unlink(kept); /* of the same step, from before the run was interrupted */
    bool good = link(last, kept) == 0;
    if (good)
        judge(tr, tr->last_step, true);
    else if (!tr->link_failed) /* some file systems have no links: once is enough */
        bfn__log(tr->ctx, "warning: %s: cannot be kept as %s: %s", last, kept, strerror(errno));
    tr->link_failed = !good;
}

/* Whole, as far as this process knows: it wrote the file, or has read it once. A file that cannot be judged for want of memory counts as damaged:
 * that keeps more files, not fewer. */
static bool is_whole(bfn__trainer *tr, uint64_t step)
{
    char path[PATH_MAX];
    bfn__safetensors *st;
    for (size_t i = 0; i < tr->n_judged; i++)
        if (tr->judged[i].step == step)
            return tr->judged[i].whole;
    if (!numbered_path(tr->options->out_dir, step, path))
        return false;
    bfn_status status = open_whole(tr->ctx, path, &st);
    if (status == BFN_OK)
        bfn__safetensors_close(st);
    else
        bfn__log(tr->ctx, "warning: %s; older checkpoints are kept in its place", bfn_errmsg(tr->ctx));
    if (status != BFN_ERR_MEMORY)
        judge(tr, step, status == BFN_OK);
    return status == BFN_OK;
}

/* Files are read only where there are more than are to be kept, and each of them once. */
void bfn__checkpoint_prune(bfn__trainer *tr)
{
    char path[PATH_MAX];
    const char *folder = tr->options->out_dir;
    size_t wanted = tr->config.train.keep - 1, n = 0, n_whole = 0;
    for (uint64_t step = UINT64_MAX; (step = largest_step(folder, step)) > 0;)
        n++;
    for (uint64_t step = UINT64_MAX; n > wanted && (step = largest_step(folder, step)) > 0;) {
        if (n_whole < wanted)
            n_whole += is_whole(tr, step);
        else if (numbered_path(folder, step, path))
            (void)unlink(path);
    }
}
