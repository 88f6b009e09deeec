/* describe.c: the small JSON texts in a checkpoint's metadata.
 *
 *   bfn.data   {"alphabet": "symbols in order", "pad": bool, "variance": tr Cov / D, "sha256": "of the data"}
 *              images: {"name": "mnist", "labels": classes that labels name, "variance", "sha256"}
 *   bfn.train  {"step": n, "bad_steps": n, "bad_in_row": n, "valid_bound": bits, "best_bound": bits, "weights": "raw" or "ema",
 *              "valid_loss": nats, "loss_sum": nats, "loss_count": n}   (the last three: what a resumed run's next line of the log needs)
 *
 * The data's mean is a tensor (data.mean) so that its floats survive exactly. Whatever is missing reads as unknown, whatever
 * has the wrong type is an error: checkpoints are untrusted input.
 */
#include "model/model_internal.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *dump(json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(17));
    json_decref(object);
    return text;
}

static json_t *real_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

char *bfn__data_info_write(const bfn__data_info *data)
{
    json_t *object = json_object();
    if (data->alphabet != NULL) {
        json_object_set_new(object, "alphabet", json_string(bfn__alphabet_symbols(data->alphabet)));
        json_object_set_new(object, "pad", json_boolean(bfn__alphabet_pad(data->alphabet) >= 0));
    }
    if (data->name[0] != '\0')
        json_object_set_new(object, "name", json_string(data->name));
    if (data->n_labels > 0)
        json_object_set_new(object, "labels", json_integer((json_int_t)data->n_labels));
    if (data->mean != NULL)
        json_object_set_new(object, "variance", real_or_null(data->variance));
    if (data->sha256[0] != '\0')
        json_object_set_new(object, "sha256", json_string(data->sha256));
    return dump(object);
}

char *bfn__train_info_write(const bfn__train_info *info)
{
    json_t *object = json_object();
    json_object_set_new(object, "step", json_integer((json_int_t)info->step));
    json_object_set_new(object, "bad_steps", json_integer((json_int_t)info->bad_steps));
    json_object_set_new(object, "bad_in_row", json_integer((json_int_t)info->bad_in_row));
    json_object_set_new(object, "valid_bound", real_or_null(info->valid_bound));
    json_object_set_new(object, "best_bound", real_or_null(info->best_bound));
    json_object_set_new(object, "weights", json_string(info->weights));
    if (isfinite(info->valid_loss))
        json_object_set_new(object, "valid_loss", json_real(info->valid_loss));
    if (info->loss_count > 0) {
        json_object_set_new(object, "loss_sum", real_or_null(info->loss_sum));
        json_object_set_new(object, "loss_count", json_integer((json_int_t)info->loss_count));
    }
    return dump(object);
}

/* The metadata `key` as a JSON object; *out NULL when the file has none. */
static bfn_status load_object(bfn_context *ctx, const bfn__safetensors *st, const char *key, json_t **out)
{
    *out = NULL;
    const char *text = bfn__safetensors_metadata(st, key);
    if (text == NULL)
        return BFN_OK;
    json_error_t error;
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(object)) {
        json_decref(object);
        return bfn__fail(ctx, BFN_ERR_INPUT, "metadata %s: not a JSON object: %s", key, error.text);
    }
    *out = object;
    return BFN_OK;
}

static uint64_t count_of(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value > 0 ? (uint64_t)value : 0;
}

static double real_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

bfn_status bfn__train_info_read(bfn_context *ctx, const bfn__safetensors *st, bfn__train_info *info)
{
    json_t *object;
    bfn_status status = load_object(ctx, st, "bfn.train", &object);
    if (status != BFN_OK)
        return status;
    *info = (bfn__train_info){.step = count_of(object, "step"),
                              .bad_steps = count_of(object, "bad_steps"),
                              .bad_in_row = count_of(object, "bad_in_row"),
                              .valid_bound = real_of(object, "valid_bound"),
                              .best_bound = real_of(object, "best_bound"),
                              .valid_loss = real_of(object, "valid_loss"),
                              .loss_sum = real_of(object, "loss_sum"),
                              .loss_count = count_of(object, "loss_count"),
                              .weights = "raw"};
    if (!isfinite(info->loss_sum))
        info->loss_sum = 0.0;
    const char *weights = json_string_value(json_object_get(object, "weights"));
    if (weights != NULL && strcmp(weights, "ema") == 0)
        memcpy(info->weights, "ema", 4);
    json_decref(object);
    return BFN_OK;
}

bfn_status bfn__checkpoint_verify(bfn_context *ctx, const bfn__safetensors *st, const char *label)
{
    static const char *const known[] = {"bfn.config", "bfn.data", "bfn.train", BFN__ST_CHECKSUM, "format"};
    for (size_t i = 0; i < bfn__safetensors_n_metadata(st); i++) {
        const char *key = bfn__safetensors_metadata_at(st, i)->key;
        size_t k = 0, n = sizeof known / sizeof known[0];
        while (k < n && strcmp(known[k], key) != 0)
            k++;
        if (k == n)
            return bfn__fail(ctx, BFN_ERR_INPUT, "%s: metadata \"%.60s\": found in no checkpoint: is the file damaged?",
                             label, key);
    }
    return bfn__safetensors_verify(st, label, NULL);
}

void bfn__data_info_free(bfn_context *ctx, bfn__data_info *data)
{
    bfn__alphabet_destroy(data->alphabet);
    bfn__free(ctx, data->mean);
    memset(data, 0, sizeof *data);
}

bfn_status bfn__data_info_check_labels(bfn_context *ctx, const bfn__data_info *data, const bfn__net *net,
                                       const char *path)
{
    size_t known = bfn__net_n_labels(net);
    if (known == 0 || (data->n_labels > 0 && data->n_labels <= known))
        return BFN_OK;
    if (data->n_labels == 0)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "network.num_classes: found %zu, %s has no labels: it must be 0", known,
                         path);
    return bfn__fail(ctx, BFN_ERR_ARGUMENT, "network.num_classes: found %zu, the labels of %s need %zu", known, path,
                     data->n_labels);
}

bfn_status bfn__data_info_default(bfn_context *ctx, const bfn__config *config, bfn__data_info *data)
{
    bool text8 = config->data.kind == BFN__FORM_TEXT && config->data.alphabet == 0 && config->flow.n_classes == 27;
    return text8 ? bfn__alphabet_text8(ctx, &data->alphabet) : BFN_OK;
}

static bfn_status read_mean(bfn_context *ctx, const bfn__safetensors *st, size_t D, size_t K, bfn__data_info *data)
{
    const bfn__st_tensor *mean = bfn__safetensors_find(st, "data.mean");
    if (mean == NULL)
        return BFN_OK;
    if (mean->count != K && mean->count != D * K)
        return bfn__fail(ctx, BFN_ERR_INPUT, "\"data.mean\" has %zu numbers, the configuration needs %zu or %zu",
                         mean->count, K, D * K);
    data->mean_rows = mean->count / K;
    data->mean = bfn__calloc(ctx, mean->count, sizeof(float));
    if (data->mean == NULL)
        return BFN_ERR_MEMORY;
    bfn_status status = bfn__st_to_f32(ctx, mean, data->mean);
    for (size_t i = 0; status == BFN_OK && i < mean->count; i++)
        if (!isfinite(data->mean[i]))
            status = bfn__fail(ctx, BFN_ERR_INPUT, "\"data.mean\": number %zu is not finite", i);
    return status;
}

static bfn_status read_alphabet(bfn_context *ctx, const json_t *object, size_t K, bfn__data_info *data)
{
    const char *symbols = json_string_value(json_object_get(object, "alphabet"));
    if (symbols == NULL)
        return BFN_OK;
    bool pad = json_is_true(json_object_get(object, "pad"));
    bfn_status status = bfn__alphabet_from_symbols(ctx, &data->alphabet, symbols, pad);
    if (status != BFN_OK)
        return status;
    if (bfn__alphabet_size(data->alphabet) != K)
        return bfn__fail(ctx, BFN_ERR_INPUT,
                         "metadata bfn.data: the alphabet has %zu symbols, the configuration needs %zu",
                         bfn__alphabet_size(data->alphabet), K);
    return BFN_OK;
}

bfn_status bfn__data_info_read(bfn_context *ctx, const bfn__safetensors *st, size_t D, size_t K, bfn__data_info *data)
{
    memset(data, 0, sizeof *data);
    json_t *object;
    bfn_status status = load_object(ctx, st, "bfn.data", &object);
    if (status != BFN_OK)
        return status;
    status = read_alphabet(ctx, object, K, data);
    if (status == BFN_OK)
        status = read_mean(ctx, st, D, K, data);
    data->variance = real_of(object, "variance");
    if (status == BFN_OK && data->mean != NULL && !(data->variance >= 0.0))
        status = bfn__fail(ctx, BFN_ERR_INPUT, "metadata bfn.data: \"variance\" is missing or negative");
    data->n_labels = (size_t)count_of(object, "labels");
    const char *name = json_string_value(json_object_get(object, "name"));
    if (name != NULL)
        snprintf(data->name, sizeof data->name, "%s", name);
    const char *sha256 = json_string_value(json_object_get(object, "sha256"));
    if (sha256 != NULL && strlen(sha256) == BFN__SHA256_TEXT - 1)
        memcpy(data->sha256, sha256, BFN__SHA256_TEXT);
    json_decref(object);
    if (status != BFN_OK)
        bfn__data_info_free(ctx, data);
    return status;
}
