/* helper_torch.c: writers of PyTorch's file format for tests, after Python's documentation of pickle and PKWARE's of zip. */
#include "helper_torch.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

void blob_put(blob *b, const void *bytes, size_t n)
{
    if (b->n + n > b->room) {
        b->room = 2 * (b->n + n) + 64;
        b->bytes = realloc(b->bytes, b->room);
        assert_non_null(b->bytes);
    }
    if (n > 0)
        memcpy(b->bytes + b->n, bytes, n);
    b->n += n;
}

void blob_text(blob *b, const char *text)
{
    blob_put(b, text, strlen(text));
}

void blob_number(blob *b, unsigned long long value, int n)
{
    for (int i = 0; i < n; i++, value >>= 8) {
        unsigned char byte = (unsigned char)value;
        blob_put(b, &byte, 1);
    }
}

/* ---- pickles ---- */

typedef struct pickler {
    blob *out;
    bool four; /* protocol 4 */
    unsigned memo;
} pickler;

static void remember(pickler *p)
{
    if (p->four) {
        blob_text(p->out, "\x94");
        return;
    }
    blob_text(p->out, p->memo < 256 ? "q" : "r");
    blob_number(p->out, p->memo, p->memo < 256 ? 1 : 4);
    p->memo++;
}

static void put_word(pickler *p, const char *text)
{
    size_t n = strlen(text);
    bool brief = p->four && n < 256;
    blob_text(p->out, brief ? "\x8c" : "X");
    blob_number(p->out, n, brief ? 1 : 4);
    blob_text(p->out, text);
    remember(p);
}

static void put_name(pickler *p, const char *module, const char *name)
{
    if (p->four) {
        put_word(p, module);
        put_word(p, name);
        blob_text(p->out, "\x93");
    } else {
        blob_text(p->out, "c");
        blob_text(p->out, module);
        blob_text(p->out, "\n");
        blob_text(p->out, name);
        blob_text(p->out, "\n");
    }
    remember(p);
}

static void put_integer(pickler *p, long long value)
{
    if (value >= 0 && value < 256) {
        blob_text(p->out, "K");
        blob_number(p->out, (unsigned long long)value, 1);
    } else if (value >= 0 && value < 65536) {
        blob_text(p->out, "M");
        blob_number(p->out, (unsigned long long)value, 2);
    } else if (value >= -2147483647 && value <= 2147483647) {
        blob_text(p->out, "J");
        blob_number(p->out, (unsigned long long)value, 4);
    } else {
        blob_text(p->out, "\x8a\x08");
        blob_number(p->out, (unsigned long long)value, 8);
    }
}

static void put_integers(pickler *p, const long long *values, int n)
{
    static const char *const brief[] = {")", "\x85", "\x86", "\x87"};
    if (n > 3)
        blob_text(p->out, "(");
    for (int i = 0; i < n; i++)
        put_integer(p, values[i]);
    blob_text(p->out, n > 3 ? "t" : brief[n]);
    if (n > 0)
        remember(p);
}

static void put_empty_dict(pickler *p)
{
    put_name(p, "collections", "OrderedDict");
    blob_text(p->out, ")R");
    remember(p);
}

static void put_view(pickler *p, const torch_view *v)
{
    if (v->parameter)
        put_name(p, "torch._utils", "_rebuild_parameter");
    put_name(p, "torch._utils", "_rebuild_tensor_v2");
    blob_text(p->out, "((");
    put_word(p, "storage");
    put_name(p, "torch", v->type);
    put_word(p, v->storage);
    put_word(p, "cpu");
    put_integer(p, (long long)v->storage_count);
    blob_text(p->out, "t");
    remember(p);
    blob_text(p->out, "Q");
    put_integer(p, v->offset);
    put_integers(p, v->shape, v->rank);
    put_integers(p, v->stride, v->rank);
    blob_text(p->out, "\x89");
    put_empty_dict(p);
    blob_text(p->out, "t");
    remember(p);
    blob_text(p->out, "R");
    remember(p);
    if (v->parameter) {
        blob_text(p->out, "\x88");
        put_empty_dict(p);
        blob_text(p->out, "\x87R");
        remember(p);
    }
}

void torch_pickle(blob *b, const torch_view *views, size_t n, torch_style style)
{
    pickler p = {.out = b, .four = (style & TORCH_PROTOCOL_4) != 0};
    blob_text(b, p.four ? "\x80\x04" : "\x80\x02");
    if (p.four)
        blob_put(b, "\x95\0\0\0\0\0\0\0\0", 9);
    if (style & TORCH_ORDERED) {
        put_empty_dict(&p);
    } else {
        blob_text(b, "}");
        remember(&p);
    }
    blob_text(b, "(");
    for (size_t i = 0; i < n; i++) {
        put_word(&p, views[i].name);
        put_view(&p, &views[i]);
    }
    blob_text(b, "u");
    if (style & TORCH_ORDERED) {
        blob_text(b, "}");
        remember(&p);
        put_word(&p, "_metadata");
        put_empty_dict(&p);
        put_word(&p, "net");
        blob_text(b, "}");
        remember(&p);
        put_word(&p, "version");
        put_integer(&p, 1);
        blob_text(b, "sssb");
    }
    blob_text(b, ".");
}

/* ---- zip ---- */

static void emit(zipper *z, const void *bytes, size_t n)
{
    assert_int_equal(fwrite(bytes, 1, n, z->out), n);
    z->at += n;
}

/* What local and central headers share, from "version needed" to the length of the extra field. */
static void put_common(blob *b, const zipper *z, unsigned crc, size_t n, size_t n_name)
{
    blob_number(b, z->zip64 ? 45 : 20, 2);
    blob_number(b, z->flags, 2);
    blob_number(b, 0, 2); /* stored */
    blob_number(b, 0, 2);
    blob_number(b, 1 << 5 | 1, 2);
    blob_number(b, crc, 4);
    blob_number(b, n, 4);
    blob_number(b, n, 4);
    blob_number(b, n_name, 2);
    blob_number(b, 0, 2);
}

void zipper_add(zipper *z, const char *name, const void *bytes, size_t n)
{
    blob local = {0};
    unsigned crc = (unsigned)crc32_z(0, n > 0 ? bytes : (const void *)"", n);
    size_t n_name = strlen(name), at = z->at;
    assert_true(n < 0xffffffffu && at < 0xffffffffu);
    blob_text(&local, "PK\3\4");
    put_common(&local, z, crc, n, n_name);
    blob_text(&local, name);
    emit(z, local.bytes, local.n);
    emit(z, bytes, n);
    free(local.bytes);
    blob_text(&z->central, "PK\1\2");
    blob_number(&z->central, 45, 2);
    put_common(&z->central, z, crc, n, n_name);
    blob_number(&z->central, 0, 10); /* comment, disk, attributes */
    blob_number(&z->central, at, 4);
    blob_text(&z->central, name);
    z->n++;
}

void zipper_end(zipper *z)
{
    blob end = {0};
    size_t start = z->at;
    emit(z, z->central.bytes, z->central.n);
    if (z->zip64 || z->n > 0xfffe) {
        blob_text(&end, "PK\6\6");
        blob_number(&end, 44, 8);
        blob_number(&end, 45 | 45 << 16, 4);
        blob_number(&end, 0, 8);
        blob_number(&end, z->n, 8);
        blob_number(&end, z->n, 8);
        blob_number(&end, z->central.n, 8);
        blob_number(&end, start, 8);
        blob_text(&end, "PK\6\7");
        blob_number(&end, 0, 4);
        blob_number(&end, z->at, 8);
        blob_number(&end, 1, 4);
    }
    bool many = z->zip64 || z->n > 0xfffe;
    blob_text(&end, "PK\5\6");
    blob_number(&end, 0, 4);
    blob_number(&end, many ? 0xffff : z->n, 2);
    blob_number(&end, many ? 0xffff : z->n, 2);
    blob_number(&end, many ? 0xffffffffu : z->central.n, 4);
    blob_number(&end, many ? 0xffffffffu : start, 4);
    blob_number(&end, 0, 2);
    emit(z, end.bytes, end.n);
    free(end.bytes);
    free(z->central.bytes);
    z->central = (blob){0};
}

/* ---- whole files ---- */

static const char *storage_name(bfn__dtype dtype)
{
    static const char *const names[] = {"DoubleStorage", "FloatStorage", "HalfStorage", "BFloat16Storage",
                                        "LongStorage",   "IntStorage",   "ByteStorage", "BoolStorage"};
    return names[dtype];
}

void torch_save(FILE *out, const char *root, const char *prefix, const bfn__st_tensor *tensors, size_t n)
{
    enum { NAME = 256 };
    torch_view *views = calloc(n, sizeof *views);
    char(*names)[NAME] = calloc(n, sizeof *names), (*keys)[24] = calloc(n, sizeof *keys), path[2 * NAME];
    zipper z = {.out = out};
    blob pickle = {0};
    assert_true(views != NULL && names != NULL && keys != NULL);
    for (size_t i = 0; i < n; i++) {
        const bfn__st_tensor *t = &tensors[i];
        snprintf(names[i], NAME, "%s%s", prefix, t->name);
        snprintf(keys[i], sizeof keys[i], "%zu", i);
        views[i] = (torch_view){.name = names[i],
                                .type = storage_name(t->dtype),
                                .storage = keys[i],
                                .storage_count = t->count,
                                .rank = t->rank};
        for (long long d = t->rank - 1, step = 1; d >= 0; step *= (long long)t->shape[d--]) {
            views[i].shape[d] = (long long)t->shape[d];
            views[i].stride[d] = step;
        }
    }
    torch_pickle(&pickle, views, n, TORCH_PLAIN);
    snprintf(path, sizeof path, "%s/data.pkl", root);
    zipper_add(&z, path, pickle.bytes, pickle.n);
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/data/%zu", root, i);
        zipper_add(&z, path, tensors[i].data, tensors[i].count * bfn__dtype_size(tensors[i].dtype));
    }
    snprintf(path, sizeof path, "%s/version", root);
    zipper_add(&z, path, "3\n", 2);
    zipper_end(&z);
    free(pickle.bytes);
    free(views);
    free(names);
    free(keys);
}

void torch_save_path(const char *path, const char *prefix, const bfn__st_tensor *tensors, size_t n)
{
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    torch_save(out, "checkpoint", prefix, tensors, n);
    assert_int_equal(fclose(out), 0);
}
