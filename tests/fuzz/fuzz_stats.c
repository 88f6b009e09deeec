/* fuzz_stats.c: any arrays as the statistics of features: shapes, types and values of "mu", "sigma", "n" and "network" (the .npz around them is
 * fuzz_npz.c's). What is accepted is finite and symmetric, and is at a finite distance from itself and from a fixed one.
 *
 * The input is read as a list: for each array a byte for its type (or that it is not there), a byte for its rank, a byte a dimension; then its
 * values, a byte each: a small number, an odd one, or eight bytes as they are. So bytes changed at random keep it in form.
 */
#include "fuzz.h"

#include "eval/feature_stats.h"
#include "io/safetensors.h"

#include <math.h>

enum { N_ARRAYS = 4, MAX_VALUES = 400 };

typedef struct input {
    const uint8_t *at, *end;
} input;

static unsigned take(input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

static double take_value(input *in)
{
    static const double odd[] = {0.0, -0.0, 1e30, -1e30, 1.1e30, 1e300, 1e-300, 5e-324, INFINITY, NAN, 1e-5, 1e15};
    enum { N_ODD = sizeof odd / sizeof odd[0] };
    unsigned code = take(in);
    double value = 0.0;
    if (code < 200)
        return ((double)code - 100.0) / 16.0;
    if (code - 200 < N_ODD)
        return odd[code - 200];
    if ((size_t)(in->end - in->at) < sizeof value)
        return 2.0;
    memcpy(&value, in->at, sizeof value);
    in->at += sizeof value;
    return value;
}

static void put_value(bfn__dtype dtype, double value, char *to)
{
    float single = (float)value;
    int64_t whole = value > -9e18 && value < 9e18 ? (int64_t)value : INT64_MAX;
    uint8_t byte = (uint8_t)(whole & 255);
    const void *from = dtype == BFN__DTYPE_F64   ? (const void *)&value
                       : dtype == BFN__DTYPE_F32 ? (const void *)&single
                       : dtype == BFN__DTYPE_I64 ? (const void *)&whole
                                                 : (const void *)&byte;
    memcpy(to, from, bfn__dtype_size(dtype));
}

/* One byte behind an odd address: arrays lie in a file as they come. */
static const bfn__st_tensor *take_array(input *in, const char *name, bfn__st_tensor *t, char *bytes)
{
    static const bfn__dtype types[] = {BFN__DTYPE_F64, BFN__DTYPE_F32, BFN__DTYPE_I64, BFN__DTYPE_U8};
    unsigned type = take(in);
    if (type % 8 == 7)
        return NULL;
    *t = (bfn__st_tensor){.name = name, .dtype = types[type / 8 % 4], .rank = (int)(take(in) % 4), .count = 1};
    for (int k = 0; k < t->rank; k++) {
        t->shape[k] = take(in) % 16;
        t->count *= t->shape[k];
    }
    if (t->count > MAX_VALUES)
        return NULL;
    t->bytes = t->count * bfn__dtype_size(t->dtype);
    t->data = bytes + 1;
    for (size_t i = 0; i < t->count; i++)
        put_value(t->dtype, take_value(in), bytes + 1 + i * bfn__dtype_size(t->dtype));
    return t;
}

static void check(bfn_context *ctx, const bfn_feature_stats *s)
{
    for (size_t i = 0; i < s->D; i++) {
        fuzz_require(isfinite(s->mean[i]) && s->scatter[i * s->D + i] >= 0.0);
        for (size_t j = 0; j < i; j++)
            fuzz_require(isfinite(s->scatter[i * s->D + j]) && s->scatter[i * s->D + j] == s->scatter[j * s->D + i]);
    }
    fuzz_require(!s->counted || s->n >= 2);
    fuzz_require(strspn(s->network, "0123456789abcdef?") == strlen(s->network));
    bfn_frechet r;
    bfn_feature_stats *other;
    const float two[32] = {1.0f};
    fuzz_require(bfn_eval_frechet(ctx, s, s, NULL, &r) == BFN_OK && isfinite(r.distance) && r.of_means == 0.0);
    fuzz_require(bfn_feature_stats_create(ctx, &other, s->D, 0) == BFN_OK);
    fuzz_require(bfn_feature_stats_add(other, 2, two) == BFN_OK);
    fuzz_require(bfn_eval_frechet(ctx, s, other, NULL, &r) == BFN_OK && isfinite(r.distance) && r.distance >= 0.0);
    bfn_feature_stats_destroy(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[N_ARRAYS] = {"mu", "sigma", "n", "network"};
    static char bytes[N_ARRAYS][8 * MAX_VALUES + 8];
    bfn_context *ctx = fuzz_context();
    bfn__st_tensor tensors[N_ARRAYS];
    const bfn__st_tensor *arrays[N_ARRAYS];
    input in = {data, data + size};
    for (size_t i = 0; i < N_ARRAYS; i++)
        arrays[i] = take_array(&in, names[i], &tensors[i], bytes[i]);
    const bfn__stats_arrays given = {arrays[0], arrays[1], arrays[2], arrays[3]};
    bfn_feature_stats *s;
    bfn_status status = bfn__feature_stats_read(ctx, &given, "fuzz", &s);
    fuzz_status(ctx, status, BFN_ERR_INPUT);
    fuzz_require((status == BFN_OK) == (s != NULL));
    if (s != NULL && s->D <= 16)
        check(ctx, s);
    bfn_feature_stats_destroy(s);
    return 0;
}

#ifdef BFN_FUZZ
#include "mutate.h"

static void put_array(fuzz_out *o, fuzz_random *r, unsigned type, size_t rank, size_t D)
{
    const uint8_t head[2] = {(uint8_t)(8 * type), (uint8_t)rank};
    fuzz_put(o, head, 2);
    for (size_t k = 0; k < rank; k++)
        fuzz_put_little(o, fuzz_chance(r, 20) ? fuzz_below(r, 16) : D, 1);
}

/* Statistics as they should be, but for a value here and there: a diagonal that outweighs what is beside it. */
static void put_stats(fuzz_out *o, fuzz_random *r)
{
    size_t D = 1 + fuzz_below(r, 6);
    put_array(o, r, (unsigned)fuzz_below(r, 2), 1, D);
    for (size_t i = 0; i < D; i++)
        fuzz_put_little(o, fuzz_below(r, fuzz_chance(r, 8) ? 256 : 200), 1);
    put_array(o, r, (unsigned)fuzz_below(r, 2), 2, D);
    for (size_t i = 0; i < D; i++)
        for (size_t j = 0; j < D; j++)
            fuzz_put_little(o, fuzz_chance(r, 40) ? fuzz_below(r, 256) : i == j ? 150 + i : 100 + (i + j) % 7, 1);
    if (fuzz_chance(r, 2)) {
        put_array(o, r, 2, 0, 0);
        fuzz_put_little(o, fuzz_below(r, 256), 1);
    }
    if (fuzz_chance(r, 2))
        put_array(o, r, 3, 1, 64 % 16);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static fuzz_out out;
    fuzz_random r = {seed};
    out.n = 0;
    out.full = false;
    if (!fuzz_chance(&r, 4))
        return LLVMFuzzerMutate(data, size, max_size);
    put_stats(&out, &r);
    return fuzz_deliver(&out, data, size, max_size);
}
#endif
