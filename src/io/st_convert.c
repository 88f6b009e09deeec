/* st_convert.c: element types of safetensors and npy: sizes, names, conversion to float and int64, bfloat16.
 *
 * Tensors in a file need not be aligned, so every element is copied out before it is used. Conversions never lose a value
 * silently: a whole number that float cannot hold exactly, or a double beyond float's range, is an error with its index.
 * (A double or a half is rounded to float: that is precision, not value.)
 */
#include "io/safetensors.h"

#include <math.h>
#include <string.h>

size_t bfn__dtype_size(bfn__dtype dtype)
{
    static const size_t sizes[] = {8, 4, 2, 2, 8, 4, 1, 1};
    return sizes[dtype];
}

bool bfn__dtype_extent(bfn__dtype dtype, int rank, const size_t *shape, size_t *count, size_t *bytes)
{
    bool fits = true, empty = false;
    *count = 1;
    for (int i = 0; i < rank; i++) {
        empty = empty || shape[i] == 0;
        fits = bfn__size_mul(*count, shape[i], count) && fits;
    }
    if (empty)
        *count = 0;
    if (bfn__size_mul(*count, bfn__dtype_size(dtype), bytes) && (fits || empty))
        return true;
    *count = *bytes = SIZE_MAX;
    return false;
}

const char *bfn__dtype_name(bfn__dtype dtype)
{
    static const char *const names[] = {"F64", "F32", "F16", "BF16", "I64", "I32", "U8", "BOOL"};
    return names[dtype];
}

void bfn__bf16_from_f32(size_t n, const float *in, uint16_t *out)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &in[i], sizeof bits);
        if ((bits & 0x7fffffffu) > 0x7f800000u) /* NaN: rounding could carry it into infinity */
            bits |= 0x00400000u;
        else
            bits += 0x7fffu + ((bits >> 16) & 1u);
        out[i] = (uint16_t)(bits >> 16);
    }
}

void bfn__f32_from_bf16(size_t n, const uint16_t *in, float *out)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)in[i] << 16;
        memcpy(&out[i], &bits, sizeof bits);
    }
}

/* A half of a finite or infinite value; too large for one: infinity. */
static uint16_t half_of(float value)
{
    uint32_t bits, sign;
    memcpy(&bits, &value, sizeof bits);
    sign = bits >> 16 & 0x8000u;
    bits &= 0x7fffffffu;
    if (bits > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u);
    if (bits >= 0x477ff000u) /* 65520 rounds beyond 65504 */
        return (uint16_t)(sign | 0x7c00u);
    if (bits < 0x38800000u) /* below 2^-14: steps of 2^-24 */
        return (uint16_t)(sign | (uint32_t)lrint(fabs((double)value) * 0x1p24));
    bits += 0xfffu + (bits >> 13 & 1u);
    return (uint16_t)(sign | (bits - 0x38000000u) >> 13);
}

size_t bfn__f16_from_f32(size_t n, const float *in, uint16_t *out)
{
    size_t misfit = n;
    for (size_t i = 0; i < n; i++) {
        out[i] = half_of(in[i]);
        if (misfit == n && isfinite(in[i]) && (out[i] & 0x7fffu) == 0x7c00u)
            misfit = i;
    }
    return misfit;
}

/* IEEE half: 1 sign, 5 exponent (bias 15), 10 fraction bits. */
static double half_value(uint16_t h)
{
    int exponent = h >> 10 & 31;
    double fraction = h & 1023, sign = h & 0x8000 ? -1.0 : 1.0;
    if (exponent == 31)
        return fraction == 0.0 ? sign * (double)INFINITY : (double)NAN;
    if (exponent == 0)
        return sign * ldexp(fraction, -24);
    return sign * ldexp(1024.0 + fraction, exponent - 25);
}

/* Element i of a floating type. */
static double real_at(const bfn__st_tensor *t, size_t i)
{
    const char *p = (const char *)t->data + i * bfn__dtype_size(t->dtype);
    double d;
    float f;
    uint16_t h;
    switch (t->dtype) {
    case BFN__DTYPE_F64:
        memcpy(&d, p, sizeof d);
        return d;
    case BFN__DTYPE_F16:
        memcpy(&h, p, sizeof h);
        return half_value(h);
    case BFN__DTYPE_BF16:
        memcpy(&h, p, sizeof h);
        bfn__f32_from_bf16(1, &h, &f);
        return (double)f;
    default:
        memcpy(&f, p, sizeof f);
        return (double)f;
    }
}

/* Element i of a whole-number type. */
static int64_t integer_at(const bfn__st_tensor *t, size_t i)
{
    const unsigned char *p = (const unsigned char *)t->data + i * bfn__dtype_size(t->dtype);
    int64_t wide;
    int32_t narrow;
    switch (t->dtype) {
    case BFN__DTYPE_I64:
        memcpy(&wide, p, sizeof wide);
        return wide;
    case BFN__DTYPE_I32:
        memcpy(&narrow, p, sizeof narrow);
        return narrow;
    default:
        return *p;
    }
}

static bool is_real(bfn__dtype dtype)
{
    return dtype <= BFN__DTYPE_BF16;
}

static bfn_status check_bool(bfn_context *ctx, const bfn__st_tensor *t, size_t i, int64_t value)
{
    if (t->dtype == BFN__DTYPE_BOOL && value > 1)
        return bfn__fail(ctx, BFN_ERR_INPUT, "\"%s\"[%zu] is a BOOL of value %lld, allowed: 0 or 1", t->name, i,
                         (long long)value);
    return BFN_OK;
}

double bfn__st_value(const bfn__st_tensor *t, size_t i)
{
    return is_real(t->dtype) ? real_at(t, i) : (double)integer_at(t, i);
}

size_t bfn__st_first_nonfinite(const bfn__st_tensor *t)
{
    size_t i = 0;
    if (!is_real(t->dtype))
        return t->count;
    if (t->dtype == BFN__DTYPE_F32) { /* most tensors are, and large: without a call each */
        for (uint32_t bits; i < t->count; i++) {
            memcpy(&bits, (const char *)t->data + i * sizeof bits, sizeof bits);
            if ((bits & 0x7f800000u) == 0x7f800000u)
                break;
        }
        return i;
    }
    if (t->dtype == BFN__DTYPE_BF16) {
        for (uint16_t bits; i < t->count; i++) {
            memcpy(&bits, (const char *)t->data + i * sizeof bits, sizeof bits);
            if ((bits & 0x7f80u) == 0x7f80u)
                break;
        }
        return i;
    }
    while (i < t->count && isfinite(real_at(t, i)))
        i++;
    return i;
}

static bfn_status to_f32(bfn_context *ctx, const bfn__st_tensor *t, size_t i, float *out)
{
    if (is_real(t->dtype)) {
        double value = real_at(t, i);
        *out = (float)value;
        if (isfinite(value) && fabs(value) > 0x1.fffffefffffffp127)
            return bfn__fail(ctx, BFN_ERR_INPUT, "\"%s\"[%zu] is %g, allowed: the range of 32-bit floats", t->name, i,
                             value);
        return BFN_OK;
    }
    int64_t value = integer_at(t, i);
    bfn_status status = check_bool(ctx, t, i, value);
    if (status != BFN_OK)
        return status;
    *out = (float)value;
    if ((double)*out >= 0x1p63 || (int64_t)*out != value)
        return bfn__fail(ctx, BFN_ERR_INPUT, "\"%s\"[%zu] is %lld, which a 32-bit float cannot hold exactly", t->name,
                         i, (long long)value);
    return BFN_OK;
}

bfn_status bfn__st_slice_to_f32(bfn_context *ctx, const bfn__st_tensor *t, size_t first, size_t n, float *out)
{
    if (t->dtype == BFN__DTYPE_F32) {
        if (n > 0)
            memcpy(out, (const char *)t->data + first * sizeof *out, n * sizeof *out);
        return BFN_OK;
    }
    if (t->dtype == BFN__DTYPE_BF16) {
        for (size_t i = 0; i < n; i++) {
            uint16_t half;
            memcpy(&half, (const char *)t->data + (first + i) * sizeof half, sizeof half);
            bfn__f32_from_bf16(1, &half, &out[i]);
        }
        return BFN_OK;
    }
    bfn_status status = BFN_OK;
    for (size_t i = 0; i < n && status == BFN_OK; i++)
        status = to_f32(ctx, t, first + i, &out[i]);
    return status;
}

bfn_status bfn__st_to_f32(bfn_context *ctx, const bfn__st_tensor *t, float *out)
{
    return bfn__st_slice_to_f32(ctx, t, 0, t->count, out);
}

bfn_status bfn__st_to_i64(bfn_context *ctx, const bfn__st_tensor *t, int64_t *out)
{
    for (size_t i = 0; i < t->count; i++) {
        if (!is_real(t->dtype)) {
            out[i] = integer_at(t, i);
            bfn_status status = check_bool(ctx, t, i, out[i]);
            if (status != BFN_OK)
                return status;
            continue;
        }
        double value = real_at(t, i);
        if (!(value >= -0x1p63 && value < 0x1p63) || value != trunc(value))
            return bfn__fail(ctx, BFN_ERR_INPUT, "\"%s\"[%zu] is %g, allowed: whole numbers of 64 bits", t->name, i,
                             value);
        out[i] = (int64_t)value;
    }
    return BFN_OK;
}
