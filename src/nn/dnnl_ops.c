/* dnnl_ops.c: the only file that calls oneDNN (C API of 2.6).
 *
 * f32 products go through dnnl_sgemm, which exists unchanged in oneDNN 2.x and 3.x, takes row strides (so heads and padded rows
 * need no copies) and packs its operands itself. It is called on tiles of fixed size from our own parallel loops: what a tile
 * gives depends on its size alone, not on the batch or on the number of threads.
 *
 * Where oneDNN has kernels that read weights in a layout of their own (AVX-512: brgemm, in f32 and bf16), a matmul primitive is made
 * for each size of tile, while the number of threads is set to one, so that it runs on the thread that calls it. These kernels want
 * operands without gaps between rows, so a tile goes through a buffer of its thread on its way to the epilogue. Memory objects are
 * kept for each thread and only pointed elsewhere, so running allocates nothing of ours; the primitives' work space is ours as well.
 */
#include "nn/dnnl_ops.h"

#include "nn/nn.h"
#include "nn/parallel.h"
#include "nn/peak.h"

#include <dnnl.h>
#include <string.h>

bool bfn__gemm(bool trans_a, bool trans_b, size_t M, size_t N, size_t K, const float *A, size_t lda, const float *B,
               size_t ldb, float beta, float *C, size_t ldc)
{
    return dnnl_sgemm(trans_a ? 'T' : 'N', trans_b ? 'T' : 'N', (dnnl_dim_t)M, (dnnl_dim_t)N, (dnnl_dim_t)K, 1.0f, A,
                      (dnnl_dim_t)lda, B, (dnnl_dim_t)ldb, beta, C, (dnnl_dim_t)ldc) == dnnl_success;
}

/* What a thread needs to run a product. */
typedef struct slot {
    dnnl_memory_t a, c, work;
    void *work_block;
} slot;

struct bfn__product {
    bfn__product_key key;
    dnnl_primitive_t primitive;
    dnnl_memory_desc_t weights;
    slot *slots; /* [n_threads] */
    struct bfn__product *next;
};

typedef struct kept_memory {
    dnnl_memory_t memory;
    struct kept_memory *next;
} kept_memory;

struct bfn__dnnl {
    bfn_context *ctx;
    int n_threads;
    dnnl_engine_t engine;
    dnnl_stream_t *streams; /* [n_threads] */
    bfn__product *products;
    kept_memory *weights;
    bool no_memory; /* the allocator refused: that is no lack of a kernel */
};

bfn_status bfn__dnnl_create(bfn_context *ctx, bfn__dnnl **out, int n_threads)
{
    *out = NULL;
    bfn__dnnl *d = bfn__calloc(ctx, 1, sizeof *d);
    if (d == NULL)
        return BFN_ERR_MEMORY;
    d->ctx = ctx;
    d->n_threads = n_threads;
    d->streams = bfn__calloc(ctx, (size_t)n_threads, sizeof *d->streams);
    bool ok = d->streams != NULL && dnnl_engine_create(&d->engine, dnnl_cpu, 0) == dnnl_success;
    for (int i = 0; ok && i < n_threads; i++)
        ok = dnnl_stream_create(&d->streams[i], d->engine, dnnl_stream_in_order) == dnnl_success;
    if (!ok) {
        bfn__dnnl_destroy(d);
        return bfn__fail(ctx, BFN_ERR_MEMORY, "oneDNN gave no engine or stream");
    }
    *out = d;
    return BFN_OK;
}

static void product_clear(bfn__dnnl *d, bfn__product *p)
{
    for (int i = 0; p->slots != NULL && i < d->n_threads; i++) {
        (void)dnnl_memory_destroy(p->slots[i].a);
        (void)dnnl_memory_destroy(p->slots[i].c);
        (void)dnnl_memory_destroy(p->slots[i].work);
        bfn__free(d->ctx, p->slots[i].work_block);
    }
    bfn__free(d->ctx, p->slots);
    (void)dnnl_primitive_destroy(p->primitive);
}

static void product_destroy(bfn__dnnl *d, bfn__product *p)
{
    product_clear(d, p);
    bfn__free(d->ctx, p);
}

void bfn__dnnl_destroy(bfn__dnnl *d)
{
    if (d == NULL)
        return;
    while (d->products != NULL) {
        bfn__product *next = d->products->next;
        product_destroy(d, d->products);
        d->products = next;
    }
    while (d->weights != NULL) {
        kept_memory *next = d->weights->next;
        (void)dnnl_memory_destroy(d->weights->memory);
        bfn__free(d->ctx, d->weights);
        d->weights = next;
    }
    for (int i = 0; d->streams != NULL && i < d->n_threads; i++)
        (void)dnnl_stream_destroy(d->streams[i]);
    (void)dnnl_engine_destroy(d->engine);
    bfn__free(d->ctx, d->streams);
    bfn__free(d->ctx, d);
}

static bool matrix_desc(dnnl_memory_desc_t *desc, size_t rows, size_t cols, dnnl_data_type_t type, size_t row_stride,
                        size_t col_stride)
{
    const dnnl_dims_t dims = {(dnnl_dim_t)rows, (dnnl_dim_t)cols};
    const dnnl_dims_t strides = {(dnnl_dim_t)row_stride, (dnnl_dim_t)col_stride};
    return dnnl_memory_desc_init_by_strides(desc, 2, dims, type, strides) == dnnl_success;
}

static bool weights_desc(dnnl_memory_desc_t *desc, const bfn__product_key *key)
{
    const dnnl_dims_t dims = {(dnnl_dim_t)key->K, (dnnl_dim_t)key->N};
    return dnnl_memory_desc_init_by_tag(desc, 2, dims, key->bf16 ? dnnl_bf16 : dnnl_f32, dnnl_format_tag_any) ==
           dnnl_success;
}

/* The primitive's work space comes from the caller. */
static dnnl_primitive_attr_t make_attributes(void)
{
    dnnl_primitive_attr_t attr = NULL;
    if (dnnl_primitive_attr_create(&attr) == dnnl_success &&
        dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user) == dnnl_success)
        return attr;
    (void)dnnl_primitive_attr_destroy(attr);
    return NULL;
}

/* Kernels worth the packing: block-reduce GEMM; for bf16 anything but the slow reference. */
static bool good_implementation(dnnl_primitive_desc_t desc, const bfn__product_key *key)
{
    const char *name = NULL;
    if (key->any)
        return true;
    if (dnnl_primitive_desc_query(desc, dnnl_query_impl_info_str, 0, (void *)&name) != dnnl_success || name == NULL)
        return false;
    return key->bf16 ? strncmp(name, "ref", 3) != 0 : strncmp(name, "brg", 3) == 0;
}

static void *take(bfn__dnnl *d, size_t n, size_t size)
{
    void *block = bfn__calloc(d->ctx, n, size);
    d->no_memory = d->no_memory || block == NULL;
    return block;
}

static bool make_slots(bfn__dnnl *d, bfn__product *p, dnnl_primitive_desc_t desc, const dnnl_memory_desc_t *a,
                       const dnnl_memory_desc_t *c)
{
    const dnnl_memory_desc_t *work = dnnl_primitive_desc_query_md(desc, dnnl_query_scratchpad_md, 0);
    size_t bytes = work != NULL ? dnnl_memory_desc_get_size(work) : 0;
    p->slots = take(d, (size_t)d->n_threads, sizeof *p->slots);
    bool ok = p->slots != NULL;
    for (int i = 0; ok && i < d->n_threads; i++) {
        slot *s = &p->slots[i];
        ok = dnnl_memory_create(&s->a, a, d->engine, DNNL_MEMORY_NONE) == dnnl_success &&
             dnnl_memory_create(&s->c, c, d->engine, DNNL_MEMORY_NONE) == dnnl_success;
        if (ok && bytes > 0)
            ok = (s->work_block = take(d, bytes, 1)) != NULL &&
                 dnnl_memory_create(&s->work, work, d->engine, s->work_block) == dnnl_success;
    }
    return ok;
}

static bool build_product(bfn__dnnl *d, bfn__product *p, const bfn__product *like)
{
    const bfn__product_key *key = &p->key;
    dnnl_memory_desc_t a, w, c;
    dnnl_matmul_desc_t op;
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_attr_t attr = make_attributes();
    bool ok = attr != NULL && matrix_desc(&a, key->M, key->K, key->bf16 ? dnnl_bf16 : dnnl_f32, key->K, 1) &&
              matrix_desc(&c, key->M, key->N, dnnl_f32, key->N, 1) && weights_desc(&w, key);
    if (ok && like != NULL)
        w = like->weights;
    ok = ok && dnnl_matmul_desc_init(&op, &a, &w, NULL, &c) == dnnl_success &&
         dnnl_primitive_desc_create(&desc, &op, attr, d->engine, NULL) == dnnl_success &&
         good_implementation(desc, key) && dnnl_primitive_create(&p->primitive, desc) == dnnl_success &&
         make_slots(d, p, desc, &a, &c);
    if (ok)
        p->weights = *dnnl_primitive_desc_query_md(desc, dnnl_query_weights_md, 0);
    (void)dnnl_primitive_desc_destroy(desc);
    (void)dnnl_primitive_attr_destroy(attr);
    return ok;
}

const bfn__product *bfn__dnnl_product(bfn__dnnl *d, const bfn__product_key *key, const bfn__product *like)
{
    for (bfn__product *p = d->products; p != NULL; p = p->next) {
        const bfn__product_key *k = &p->key;
        bool same_layout = like == NULL || dnnl_memory_desc_equal(&p->weights, &like->weights);
        if (k->M == key->M && k->N == key->N && k->K == key->K && k->bf16 == key->bf16 && k->any == key->any &&
            same_layout)
            return p;
    }
    bfn__product *p = take(d, 1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->key = *key;
    int before = bfn__limit_threads(1);
    bool ok = build_product(d, p, like);
    (void)bfn__limit_threads(before);
    if (!ok) {
        product_destroy(d, p);
        return NULL;
    }
    p->next = d->products;
    d->products = p;
    return p;
}

bool bfn__dnnl_no_memory(const bfn__dnnl *d)
{
    return d != NULL && d->no_memory;
}

size_t bfn__product_packed_bytes(const bfn__product *p)
{
    return dnnl_memory_desc_get_size(&p->weights);
}

static bool keep_weights(bfn__dnnl *d, const bfn__product *p, void *packed, void **weights)
{
    kept_memory *kept = bfn__calloc(d->ctx, 1, sizeof *kept);
    if (kept == NULL)
        return false;
    if (dnnl_memory_create(&kept->memory, &p->weights, d->engine, packed) != dnnl_success) {
        bfn__free(d->ctx, kept);
        return false;
    }
    kept->next = d->weights;
    d->weights = kept;
    *weights = kept->memory;
    return true;
}

/* Copy `from` into `to`, converting layout and type. */
static bool reorder(bfn__dnnl *d, const dnnl_memory_desc_t *from_desc, void *from, const dnnl_memory_desc_t *to_desc,
                    dnnl_memory_t to)
{
    dnnl_primitive_desc_t desc = NULL;
    dnnl_primitive_t primitive = NULL;
    dnnl_memory_t source = NULL;
    bool ok =
        dnnl_memory_create(&source, from_desc, d->engine, from) == dnnl_success &&
        dnnl_reorder_primitive_desc_create(&desc, from_desc, d->engine, to_desc, d->engine, NULL) == dnnl_success &&
        dnnl_primitive_create(&primitive, desc) == dnnl_success;
    if (ok) {
        const dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, source}, {DNNL_ARG_TO, to}};
        ok = dnnl_primitive_execute(primitive, d->streams[0], 2, args) == dnnl_success &&
             dnnl_stream_wait(d->streams[0]) == dnnl_success;
    }
    (void)dnnl_primitive_destroy(primitive);
    (void)dnnl_primitive_desc_destroy(desc);
    (void)dnnl_memory_destroy(source);
    return ok;
}

bool bfn__dnnl_pack(bfn__dnnl *d, const bfn__product *p, const float *w, size_t ldw, void *packed, void **weights)
{
    dnnl_memory_desc_t plain;
    union {
        const float *given;
        void *read;
    } source = {w}; /* oneDNN's interface has no const here; a reorder only reads */
    if (*weights == NULL && !keep_weights(d, p, packed, weights))
        return false;
    return matrix_desc(&plain, p->key.K, p->key.N, dnnl_f32, 1, ldw) &&
           reorder(d, &plain, source.read, &p->weights, *weights);
}

bool bfn__product_run(const bfn__dnnl *d, const bfn__product *p, int thread, const void *A, void *weights, float *C)
{
    slot *s = &p->slots[thread];
    dnnl_stream_t stream = d->streams[thread];
    union {
        const void *given;
        void *read;
    } a = {A};
    if (dnnl_memory_set_data_handle_v2(s->a, a.read, stream) != dnnl_success ||
        dnnl_memory_set_data_handle_v2(s->c, C, stream) != dnnl_success)
        return false;
    const dnnl_exec_arg_t args[] = {
        {DNNL_ARG_SRC, s->a}, {DNNL_ARG_WEIGHTS, weights}, {DNNL_ARG_DST, s->c}, {DNNL_ARG_SCRATCHPAD, s->work}};
    return dnnl_primitive_execute(p->primitive, stream, s->work != NULL ? 4 : 3, args) == dnnl_success &&
           dnnl_stream_wait(stream) == dnnl_success;
}

/* ---- the bench's product ---- */

/* The same for bf16 on all threads: A as bf16, weights packed. */
static double time_bf16(bfn_context *ctx, size_t n, const float *a, const float *b, float *c)
{
    bfn__dnnl *d;
    if (bfn__dnnl_create(ctx, &d, 1) != BFN_OK)
        return 0.0;
    bfn__product p = {.key = {.M = n, .N = n, .K = n, .bf16 = true}};
    void *halves = bfn__calloc(ctx, n * n, 2), *packed = NULL, *weights = NULL;
    dnnl_memory_desc_t f32, bf16;
    dnnl_memory_t a16 = NULL;
    double took = 0.0;
    union {
        const float *given;
        void *read;
    } source = {a};
    bool ok = halves != NULL && build_product(d, &p, NULL) &&
              (packed = bfn__calloc(ctx, bfn__product_packed_bytes(&p), 1)) != NULL &&
              matrix_desc(&f32, n, n, dnnl_f32, n, 1) && matrix_desc(&bf16, n, n, dnnl_bf16, n, 1) &&
              dnnl_memory_create(&a16, &bf16, d->engine, halves) == dnnl_success &&
              reorder(d, &f32, source.read, &bf16, a16) && bfn__dnnl_pack(d, &p, b, n, packed, &weights);
    if (ok) {
        double begin = bfn__seconds();
        ok = bfn__product_run(d, &p, 0, halves, weights, c);
        took = bfn__seconds() - begin;
    }
    (void)dnnl_memory_destroy(a16);
    product_clear(d, &p);
    bfn__dnnl_destroy(d);
    bfn__free(ctx, halves);
    bfn__free(ctx, packed);
    return ok ? took : 0.0;
}

double bfn__dnnl_time_product(bfn_context *ctx, int n_threads, bool bf16, size_t n, const float *a, const float *b,
                              float *c)
{
    int before = bfn__limit_threads(n_threads);
    double took;
    if (bf16) {
        took = time_bf16(ctx, n, a, b, c);
    } else {
        double begin = bfn__seconds();
        bool ok = bfn__gemm(false, false, n, n, n, a, n, b, n, 0.0f, c, n);
        took = ok ? bfn__seconds() - begin : 0.0;
    }
    (void)bfn__limit_threads(before);
    return took;
}

#define STRING_(x) #x
#define STRING(x) STRING_(x)

const char *bfn__dnnl_version(void)
{
    return STRING(DNNL_VERSION_MAJOR) "." STRING(DNNL_VERSION_MINOR) "." STRING(DNNL_VERSION_PATCH);
}
