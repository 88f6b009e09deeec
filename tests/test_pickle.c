/* test_pickle.c: the closed pickle reader: what it accepts, and that everything else is refused by its name, with bounded work. */
#include "helper_fixture.h"
#include "helper_torch.h"
#include "io/pickle.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static bfn_status parse(const void *bytes, size_t n)
{
    bfn__pickle *pickle;
    void *copy = exact_copy(bytes, n);
    bfn_status status = bfn__pickle_parse(ctx, &pickle, copy, n, "x.pt");
    assert_true((status == BFN_OK) == (pickle != NULL));
    bfn__pickle_destroy(pickle);
    free(copy);
    return status;
}

#define LITERAL(text) (text), sizeof(text) - 1
static void refuse(const char *bytes, size_t n, const char *words)
{
    assert_says(parse(bytes, n), BFN_ERR_INPUT, words);
    assert_int_equal(strncmp(bfn_errmsg(ctx), "x.pt: ", 6), 0);
}

/* ---- what is accepted ---- */

static const torch_view views[] = {
    {.name = "net.a",
     .type = "FloatStorage",
     .storage = "0",
     .storage_count = 6,
     .rank = 2,
     .shape = {2, 3},
     .stride = {3, 1}},
    {.name = "net.b",
     .type = "HalfStorage",
     .storage = "1",
     .storage_count = 70000,
     .rank = 1,
     .shape = {7},
     .stride = {10000},
     .offset = 300},
    {.name = "step", .type = "LongStorage", .storage = "a_2", .storage_count = 1, .rank = 0},
    {.name = "none",
     .type = "BoolStorage",
     .storage = "3",
     .storage_count = 0,
     .rank = 4,
     .shape = {4, 0, 2, 1},
     .stride = {2, 2, 1, 1}},
    {.name = "p",
     .type = "DoubleStorage",
     .storage = "4",
     .storage_count = 3,
     .rank = 1,
     .shape = {3},
     .stride = {1},
     .parameter = true},
};
enum { N_VIEWS = sizeof views / sizeof views[0] };

static void check_views(const bfn__pickle *pickle)
{
    static const bfn__dtype dtypes[] = {BFN__DTYPE_F32, BFN__DTYPE_F16, BFN__DTYPE_I64, BFN__DTYPE_BOOL,
                                        BFN__DTYPE_F64};
    assert_int_equal(bfn__pickle_n_tensors(pickle), N_VIEWS);
    for (size_t i = 0; i < N_VIEWS; i++) {
        const bfn__pickle_tensor *t = bfn__pickle_tensor_at(pickle, i);
        size_t count = 1;
        assert_string_equal(t->name, views[i].name);
        assert_string_equal(t->storage, views[i].storage);
        assert_int_equal(t->dtype, dtypes[i]);
        assert_int_equal(t->storage_count, views[i].storage_count);
        assert_int_equal(t->offset, views[i].offset);
        assert_int_equal(t->rank, views[i].rank);
        for (int d = 0; d < t->rank; d++) {
            assert_int_equal(t->shape[d], views[i].shape[d]);
            assert_int_equal(t->stride[d], views[i].stride[d]);
            count *= t->shape[d];
        }
        assert_int_equal(t->count, count);
    }
}

/* Every style, and each cut at every byte. */
static void test_state_dicts(void **state)
{
    (void)state;
    for (int style = 0; style < 4; style++) {
        blob b = {0};
        bfn__pickle *pickle;
        torch_pickle(&b, views, N_VIEWS, (torch_style)style);
        assert_ok(bfn__pickle_parse(ctx, &pickle, b.bytes, b.n, "x.pt"));
        check_views(pickle);
        bfn__pickle_destroy(pickle);
        for (size_t n = 0; n < b.n; n++)
            assert_says(parse(b.bytes, n), BFN_ERR_INPUT, n == b.n - 1 ? "without STOP" : "x.pt: the pickle");
        free(b.bytes);
    }
}

/* Any byte of a pickle replaced by any other: no crash, and one line where it is refused. */
static void test_corruption(void **state)
{
    (void)state;
    blob b = {0};
    torch_pickle(&b, views, 2, TORCH_ORDERED);
    for (size_t i = 0; i < b.n; i++) {
        unsigned char old = b.bytes[i];
        for (unsigned byte = 0; byte < 256; byte += 3) {
            b.bytes[i] = (unsigned char)byte;
            bfn_status status = parse(b.bytes, b.n);
            assert_true(status == BFN_OK || status == BFN_ERR_INPUT);
        }
        b.bytes[i] = old;
    }
    free(b.bytes);
}

/* A dict of dicts, with values that are no tensors. */
static void test_nested(void **state)
{
    (void)state;
    blob b = {0}, inner = {0};
    bfn__pickle *pickle;
    torch_pickle(&inner, views, 1, TORCH_PROTOCOL_4);
    blob_put(&b, LITERAL("\x80\x04}(X\5\0\0\0model"));
    blob_put(&b, inner.bytes + 2, inner.n - 3); /* without PROTO and STOP */
    blob_put(&b, LITERAL("\x8c\4stepK\7\x8c\4rateG?\xf0\0\0\0\0\0\0\x8c\4list](K\1K\2eu."));
    assert_ok(bfn__pickle_parse(ctx, &pickle, b.bytes, b.n, "x.pt"));
    assert_int_equal(bfn__pickle_n_tensors(pickle), 1);
    assert_string_equal(bfn__pickle_tensor_at(pickle, 0)->name, "model.net.a");
    bfn__pickle_destroy(pickle);
    free(b.bytes);
    free(inner.bytes);
}

/* ---- what could run something ---- */

static void test_payloads(void **state)
{
    (void)state;
    refuse(LITERAL("\x80\2cos\nsystem\nX\2\0\0\0id\x85R."), "calls \"os.system\", which a checkpoint may not");
    refuse(LITERAL("\x80\4\x8c\2os\x8c\6system\x93\x8c\2id\x85R."), "calls \"os.system\"");
    refuse(LITERAL("\x80\2(X\2\0\0\0idios\nsystem\n."), "calls \"os.system\"");
    refuse(LITERAL("\x80\2cbuiltins\neval\nX\1\0\0\0"
                   "1\x85R."),
           "calls \"builtins.eval\"");
    refuse(LITERAL("\x80\2ctorch._utils\n_rebuild_tensor\n."), "calls \"torch._utils._rebuild_tensor\"");
    refuse(LITERAL("\x80\2ctorch\nShortStorage\n."), "calls \"torch.ShortStorage\"");
    refuse(LITERAL("\x80\2ctorch\nload\n."), "calls \"torch.load\"");
    refuse(LITERAL("\x80\2ctorch\nFloatStorage.mro\n."), "calls \"torch.FloatStorage.mro\"");
    refuse(LITERAL("\x80\2c\x1b[31m\nx\n."), "calls \"?[31m.x\""); /* no escape sequence gets out */
    refuse(LITERAL("\x80\2(cos\nsystem\no."), "os.system");
    refuse(LITERAL("\x80\2(}o."), "opcode OBJ, which a checkpoint may not use");
    refuse(LITERAL("\x80\2ccollections\nOrderedDict\n)\x81."), "opcode NEWOBJ");
    refuse(LITERAL("\x80\4})}\x92."), "opcode NEWOBJ_EX");
    refuse(LITERAL("\x80\2\x82\1."), "opcode EXT1");
    refuse(LITERAL("\x80\2\x83\1\0."), "opcode EXT2");
    refuse(LITERAL("\x80\2\x84\1\0\0\0."), "opcode EXT4");
    refuse(LITERAL("\x80\2P0\n."), "opcode PERSID");
    refuse(LITERAL("\x80\2}2."), "opcode DUP");
    refuse(LITERAL("\x80\5\x97."), "opcode NEXT_BUFFER");
    refuse(LITERAL("\x80\2\xff."), "is 0xff, which is no opcode");
    refuse(LITERAL("\x80\2ccollections\nOrderedDict\n]\x85R."), "OrderedDict with arguments");
    refuse(LITERAL("\x80\2ctorch\nFloatStorage\n)R."), "a storage type is called");
    refuse(LITERAL("\x80\2K\1)R."), "a call of something that is no name");
    refuse(LITERAL("\x80\2]}b."), "BUILD gives state to something that is no dict");
    refuse(LITERAL("\x80\2}K\1b."), "BUILD gives state");
}

/* ---- what could use memory or time without bound ---- */

static void test_lengths(void **state)
{
    (void)state;
    refuse(LITERAL("\x80\2}r\0\0\0\x80."), "memo slot 2147483648, allowed here: up to 1");
    refuse(LITERAL("\x80\2j\0\0\0\x80."), "memo slot 2147483648 holds nothing");
    refuse(LITERAL("\x80\2h\0."), "memo slot 0 holds nothing");
    refuse(LITERAL("\x80\2\x8b\xff\xff\xff\xff."), "a whole number of negative length");
    refuse(LITERAL("\x80\2\x8b\x09\0\0\0"
                   "123456789."),
           "more than 8 bytes");
    refuse(LITERAL("\x80\2\x8a\x09"
                   "123456789."),
           "more than 8 bytes");
    refuse(LITERAL("\x80\4\x8d\0\0\0\0\0\0\0\x80."), "a text longer than the pickle");
    refuse(LITERAL("\x80\2X\xff\xff\xff\xff."), "a text longer than the pickle");
    refuse(LITERAL("\x80\2X\3\0\0\0ab"), "needs 1 more");
    refuse(LITERAL("\x80\2X\1\0\0\0\xff."), "not UTF-8");
    refuse(LITERAL("\x80\4\x95\0\0\0\0\0\0\0\x80}."), "a frame longer");
    refuse(LITERAL("\x80\6}."), "a protocol other than 2 to 5");
    refuse(LITERAL("\x80\1}."), "a protocol other than 2 to 5");
    refuse(LITERAL("\x80\2cos"), "a line without an end");
    refuse(LITERAL(""), "ends at byte 0 without STOP");
    refuse(LITERAL("\x80\2}"), "without STOP");
}

static void test_stack(void **state)
{
    (void)state;
    refuse(LITERAL("."), "no dict of tensors");
    refuse(LITERAL("]."), "no dict of tensors");
    refuse(LITERAL("}}."), "no dict of tensors");
    refuse(LITERAL("}(."), "no dict of tensors");
    refuse(LITERAL("(."), "no dict of tensors");
    refuse(LITERAL("]X\1\0\0\0aK\1s."), "something that is no dict");
    refuse(LITERAL("}K\1a."), "something that is no list");
    refuse(LITERAL("K\1(K\1K\1u."), "something that is no dict");
    refuse(LITERAL("}(K\1u."), "a key without a value");
    refuse(LITERAL("}K\1u."), "no mark here");
    refuse(LITERAL("K\1t."), "no mark here");
    refuse(LITERAL("(K\1s."), "too few values");
    refuse(LITERAL("}s."), "too few values");
    refuse(LITERAL("(\x85."), "too few values for a tuple");
    refuse(LITERAL("q\0."), "no value to remember");
    refuse(LITERAL("(q\0."), "no value to remember");
    refuse(LITERAL("R."), "no value here");
    refuse(LITERAL(")R."), "no value here");
    refuse(LITERAL("\x93."), "a name that is no text");
    refuse(LITERAL("K\1K\1\x93."), "a name that is no text");
    refuse(LITERAL("K\1Q."), "a persistent object that is no storage");
    refuse(LITERAL("Q."), "a persistent object that is no storage");
    refuse(LITERAL("b."), "BUILD gives state");
}

static void repeat(blob *b, const char *text, size_t n_text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        blob_put(b, text, n_text);
}

/* A million marks, tuples in tuples, and a tuple whose every level holds the one below ten times. */
static void test_bombs(void **state)
{
    (void)state;
    enum { MANY = 1000000, LEVELS = 200 };
    blob marks = {0}, tuples = {0}, laughs = {0};
    blob_text(&marks, "\x80\2}");
    repeat(&marks, "(", 1, MANY);
    blob_text(&marks, ".");
    assert_says(parse(marks.bytes, marks.n), BFN_ERR_INPUT, "no dict of tensors");
    marks.n--;
    repeat(&marks, "t", 1, MANY);
    blob_text(&marks, ".");
    assert_says(parse(marks.bytes, marks.n), BFN_ERR_INPUT, "no dict of tensors");
    blob_text(&tuples, "\x80\2)");
    repeat(&tuples, "\x85", 1, MANY);
    blob_text(&tuples, ".");
    assert_says(parse(tuples.bytes, tuples.n), BFN_ERR_INPUT, "no dict of tensors");

    blob_put(&laughs, LITERAL("\x80\2}X\1\0\0\0a"));
    repeat(&laughs, "(", 1, LEVELS);
    blob_put(&laughs, LITERAL(")q\0"));
    for (unsigned i = 0; i < LEVELS; i++) {
        char again[2] = {'h', (char)i}, put[3] = {'t', 'q', (char)(i + 1)};
        repeat(&laughs, again, 2, 9);
        blob_put(&laughs, put, sizeof put);
    }
    blob_text(&laughs, "s.");
    assert_ok(parse(laughs.bytes, laughs.n)); /* 10^200 nothings are no tensor, and nobody counts them */
    free(marks.bytes);
    free(tuples.bytes);
    free(laughs.bytes);
}

/* Dicts: each holds the one below nine times, twelve levels: what is visited is bounded. */
static void test_dicts_in_dicts(void **state)
{
    (void)state;
    blob b = {0};
    enum { LEVELS = 12, COPIES = 8 };
    blob_text(&b, "\x80\2");
    for (unsigned i = 0; i < LEVELS; i++) {
        char begin[4] = {'}', 'q', (char)i, '('};
        blob_put(&b, begin, sizeof begin);
        blob_put(&b, LITERAL("X\1\0\0\0x"));
    }
    blob_text(&b, "}q"); /* the innermost */
    blob_number(&b, LEVELS, 1);
    for (unsigned i = LEVELS; i > 0; i--) {
        for (unsigned j = 0; j < COPIES; j++) {
            blob_put(&b, LITERAL("X\1\0\0\0"));
            blob_number(&b, 'a' + j, 1);
            blob_text(&b, "h");
            blob_number(&b, i, 1);
        }
        blob_text(&b, "u");
    }
    blob_text(&b, ".");
    assert_says(parse(b.bytes, b.n), BFN_ERR_INPUT, "unfold to more than");
    free(b.bytes);
    refuse(LITERAL("\x80\2}q\0X\1\0\0\0ah\0s."), "dicts are more than 16 deep"); /* a dict in itself */
}

/* ---- tensors that lie about themselves ---- */

static void refuse_view(torch_view v, const char *words)
{
    blob b = {0};
    torch_pickle(&b, &v, 1, TORCH_PLAIN);
    refuse((const char *)b.bytes, b.n, words);
    free(b.bytes);
}

static void test_views(void **state)
{
    (void)state;
    static const torch_view good = {.name = "w",
                                    .type = "FloatStorage",
                                    .storage = "0",
                                    .storage_count = 6,
                                    .rank = 2,
                                    .shape = {2, 3},
                                    .stride = {3, 1}};
    torch_view v = good;
    v.offset = 1;
    refuse_view(v, "\"w\": offset and strides reach number 6, its storage has 6 numbers");
    v = good;
    v.offset = -1;
    refuse_view(v, "\"w\": its offset is negative");
    v = good;
    v.stride[0] = 4;
    refuse_view(v, "reach number 6");
    v = good;
    v.stride[1] = -1;
    refuse_view(v, "\"w\": strides has -1, which is negative");
    v = good;
    v.shape[0] = -2;
    refuse_view(v, "sizes has -2");
    v = good;
    v.shape[0] = v.shape[1] = v.stride[0] = v.stride[1] = 1LL << 40;
    refuse_view(v, "reach beyond");
    v = good;
    v.offset = INT64_MAX;
    v.stride[0] = v.stride[1] = INT64_MAX;
    refuse_view(v, "reach beyond");
    v = good;
    v.shape[0] = 1LL << 62;
    v.stride[0] = v.stride[1] = 0;
    refuse_view(v, "\"w\"");
    v = good;
    v.stride[0] = v.stride[1] = 0; /* 6 copies of a number in a storage of 6 are fine, 12 are not */
    v.shape[0] = 4;
    refuse_view(v, "more numbers than its storage");
    v = good;
    v.storage_count = 0;
    refuse_view(v, "its storage has 0 numbers");
    v = good;
    v.storage = "../x";
    refuse_view(v, "the key of its storage");
    v.storage = "";
    refuse_view(v, "the key of its storage");
    v = good;
    v.rank = 9;
    for (int i = 0; i < 9; i++)
        v.shape[i] = v.stride[i] = 1;
    refuse_view(v, "9 sizes, at most 8 are allowed");
    v = good;
    v.name = "w\x1b[2J";
    refuse_view(v, "control characters");
    v = good;
    v.storage_count = (size_t)-5;
    refuse_view(v, "negative number of elements");
    v = good;
    char name[600];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    v.name = name;
    refuse_view(v, "more than 512 bytes");
}

static bfn_status run_parse(bfn_context *context, void *arg)
{
    const blob *b = arg;
    bfn__pickle *pickle;
    bfn_status status = bfn__pickle_parse(context, &pickle, b->bytes, b->n, "x.pt");
    bfn__pickle_destroy(pickle);
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    blob b = {0};
    torch_pickle(&b, views, N_VIEWS, TORCH_ORDERED);
    assert_true(each_allocation(run_parse, &b, BFN_OK) > 6);
    free(b.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_state_dicts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_corruption, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nested, setup, teardown),
        cmocka_unit_test_setup_teardown(test_payloads, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lengths, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stack, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bombs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dicts_in_dicts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_views, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
