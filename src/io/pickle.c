/* pickle.c: a closed reader of Python's pickle format, for PyTorch state dicts.
 *
 * A pickle is a program for a small stack machine, and Python's own reader may call any function that it names: loading a checkpoint
 * can run anything. This one builds values only (numbers, texts, tuples, lists, dicts) and knows four kinds of names, each with a
 * meaning of its own: nothing can be called. It also bounds the work: an opcode makes at most one value, values are indices into one
 * array and never copied, so memory is proportional to the pickle's bytes; members of a dict are never looked at before the end;
 * nesting costs no recursion. pickle_tensors.c then walks the finished dict.
 */
#include "io/pickle_values.h"

#include "io/limits.h"
#include "io/utf8.h"

#include <string.h>

typedef bfn__pickle_machine machine;
typedef bfn__pickle_value value;

static bfn_status fail(const machine *m, const char *what)
{
    return bfn__fail(m->ctx, BFN_ERR_INPUT, "%s: the pickle's byte %zu: %s", m->label, m->op_at, what);
}

/* ---- memory ---- */

/* Room for `more` items behind the last. */
static bfn_status reserve(const machine *m, bfn__pickle_array *a, size_t more, size_t size)
{
    if (more > bfn__limit(m->ctx, BFN__CAP_PICKLE_VALUES) - a->n)
        return bfn__fail(m->ctx, BFN_ERR_INPUT, "%s: the pickle has more than %zu values, the most that is allowed",
                         m->label, bfn__limit(m->ctx, BFN__CAP_PICKLE_VALUES));
    if (a->n + more <= a->room)
        return BFN_OK;
    size_t room = a->room * 2 > a->n + more ? a->room * 2 : a->n + more + 64;
    void *block = bfn__calloc(m->ctx, room, size);
    if (block == NULL)
        return BFN_ERR_MEMORY;
    if (a->n > 0)
        memcpy(block, a->items, a->n * size);
    bfn__free(m->ctx, a->items);
    a->items = block;
    a->room = room;
    return BFN_OK;
}

static bfn_status push_index(machine *m, bfn__pickle_array *a, uint32_t index)
{
    bfn_status status = reserve(m, a, 1, sizeof index);
    if (status == BFN_OK)
        ((uint32_t *)a->items)[a->n++] = index;
    return status;
}

/* A new value on the stack. */
static bfn_status push(machine *m, value v)
{
    bfn_status status = reserve(m, &m->values, 1, sizeof v);
    if (status != BFN_OK)
        return status;
    ((value *)m->values.items)[m->values.n++] = v;
    return push_index(m, &m->stack, (uint32_t)(m->values.n - 1));
}

/* ---- the stack ---- */

/* The value `below` the top; NULL: there is none, or a mark. */
static value *peek(const machine *m, size_t below, uint32_t *index)
{
    if (below >= m->stack.n)
        return NULL;
    *index = ((uint32_t *)m->stack.items)[m->stack.n - 1 - below];
    return *index == BFN__PICKLE_NOTHING ? NULL : bfn__pickle_at(m, *index);
}

static bfn_status pop(machine *m, uint32_t *index)
{
    if (peek(m, 0, index) == NULL)
        return fail(m, "the stack has no value here");
    m->stack.n--;
    return BFN_OK;
}

/* Values above the topmost mark. */
static bfn_status count_to_mark(const machine *m, size_t *n)
{
    const uint32_t *stack = m->stack.items;
    for (*n = 0; *n < m->stack.n; ++*n)
        if (stack[m->stack.n - 1 - *n] == BFN__PICKLE_NOTHING)
            return BFN_OK;
    return fail(m, "the stack has no mark here");
}

/* ---- reading ---- */

static bfn_status take(machine *m, size_t n, const unsigned char **bytes)
{
    if (n > m->n - m->at)
        return bfn__fail(m->ctx, BFN_ERR_INPUT, "%s: the pickle ends at byte %zu, the opcode at %zu needs %zu more",
                         m->label, m->n, m->op_at, n - (m->n - m->at));
    *bytes = m->bytes + m->at;
    m->at += n;
    return BFN_OK;
}

/* An unsigned number of n <= 8 bytes, little-endian. */
static bfn_status take_number(machine *m, size_t n, uint64_t *number)
{
    const unsigned char *b;
    bfn_status status = take(m, n, &b);
    *number = 0;
    for (size_t i = n; status == BFN_OK && i > 0; i--)
        *number = *number << 8 | b[i - 1];
    return status;
}

/* Up to and without the next line feed. */
static bfn_status take_line(machine *m, const unsigned char **line, size_t *n)
{
    const unsigned char *start = m->bytes + m->at, *end = m->at < m->n ? memchr(start, '\n', m->n - m->at) : NULL;
    if (end == NULL)
        return fail(m, "a line without an end");
    *line = start;
    *n = (size_t)(end - start);
    m->at += *n + 1;
    return BFN_OK;
}

/* ---- plain values ---- */

static bfn_status do_mark(machine *m)
{
    return push_index(m, &m->stack, BFN__PICKLE_NOTHING);
}

static bfn_status do_stop(machine *m)
{
    m->stopped = true;
    return BFN_OK;
}

static bfn_status do_none(machine *m)
{
    return push(m, (value){.kind = BFN__PICKLE_NONE});
}

static bfn_status do_boolean(machine *m)
{
    return push(m, (value){.kind = BFN__PICKLE_BOOL, .is.integer = m->op == 0x88});
}

static bfn_status do_integer(machine *m)
{
    uint64_t number;
    bfn_status status = take_number(m, m->op == 'J' ? 4 : m->op == 'M' ? 2 : 1, &number);
    int64_t is = m->op == 'J' ? (int64_t)(int32_t)(uint32_t)number : (int64_t)number;
    return status != BFN_OK ? status : push(m, (value){.kind = BFN__PICKLE_INTEGER, .is.integer = is});
}

/* Two's complement of as many bytes as it says; more than 8 cannot be a size of anything here. */
static bfn_status do_long_integer(machine *m)
{
    uint64_t n, number;
    bfn_status status = take_number(m, m->op == 0x8a ? 1 : 4, &n);
    if (status != BFN_OK)
        return status;
    if (n > 8)
        return fail(m, m->op == 0x8b && n >= 0x80000000u ? "a whole number of negative length"
                                                         : "a whole number of more than 8 bytes");
    status = take_number(m, (size_t)n, &number);
    if (status != BFN_OK)
        return status;
    if (n > 0 && n < 8 && (number >> (8 * n - 1) & 1) != 0)
        number |= UINT64_MAX << (8 * n);
    return push(m, (value){.kind = BFN__PICKLE_INTEGER, .is.integer = (int64_t)number});
}

static bfn_status do_real(machine *m)
{
    const unsigned char *b;
    bfn_status status = take(m, 8, &b);
    return status != BFN_OK ? status : push(m, (value){.kind = BFN__PICKLE_REAL});
}

static bfn_status do_text(machine *m)
{
    uint64_t n;
    const unsigned char *b;
    bfn_status status = take_number(m, m->op == 'X' ? 4 : m->op == 0x8c ? 1 : 8, &n);
    if (status == BFN_OK && n > m->n)
        return fail(m, "a text longer than the pickle");
    if (status == BFN_OK)
        status = take(m, (size_t)n, &b);
    if (status != BFN_OK)
        return status;
    if (bfn__utf8_check((const char *)b, (size_t)n) < n)
        return fail(m, "a text that is not UTF-8");
    return push(m, (value){.kind = BFN__PICKLE_TEXT, .is.text = {(const char *)b, (size_t)n}});
}

/* ---- tuples, lists, dicts ---- */

/* The uppermost n values become a tuple. */
static bfn_status make_tuple(machine *m, size_t n)
{
    bfn_status status = reserve(m, &m->items, n, sizeof(uint32_t));
    if (status != BFN_OK)
        return status;
    value v = {.kind = BFN__PICKLE_TUPLE, .first = (uint32_t)m->items.n, .count = (uint32_t)n};
    const uint32_t *stack = m->stack.items;
    for (size_t i = m->stack.n - n; i < m->stack.n; i++)
        ((uint32_t *)m->items.items)[m->items.n++] = stack[i];
    m->stack.n -= n;
    return push(m, v);
}

static bfn_status do_tuple_of_few(machine *m)
{
    size_t n = m->op == ')' ? 0 : (size_t)(m->op - 0x84);
    uint32_t index;
    for (size_t i = 0; i < n; i++)
        if (peek(m, i, &index) == NULL)
            return fail(m, "the stack has too few values for a tuple");
    return make_tuple(m, n);
}

static bfn_status do_tuple_to_mark(machine *m)
{
    size_t n;
    bfn_status status = count_to_mark(m, &n);
    if (status != BFN_OK)
        return status;
    uint32_t *stack = m->stack.items; /* the mark goes */
    memmove(stack + m->stack.n - n - 1, stack + m->stack.n - n, n * sizeof *stack);
    m->stack.n--;
    return make_tuple(m, n);
}

static bfn_status do_empty(machine *m)
{
    return push(m, (value){.kind = m->op == '}' ? BFN__PICKLE_DICT : BFN__PICKLE_LIST,
                           .first = BFN__PICKLE_NOTHING,
                           .last = BFN__PICKLE_NOTHING});
}

static bfn_status add_link(machine *m, uint32_t container, uint32_t key, uint32_t item)
{
    bfn_status status = reserve(m, &m->links, 1, sizeof(bfn__pickle_link));
    if (status != BFN_OK)
        return status;
    value *v = bfn__pickle_at(m, container);
    bfn__pickle_link *links = m->links.items;
    uint32_t index = (uint32_t)m->links.n++;
    links[index] = (bfn__pickle_link){key, item, BFN__PICKLE_NOTHING};
    if (v->count++ == 0)
        v->first = index;
    else
        links[v->last].next = index;
    v->last = index;
    return BFN_OK;
}

/* The uppermost n values (pairs of key and value for a dict) go into the container below them, which stands `marks` further down. */
static bfn_status fill(machine *m, bfn__pickle_kind kind, size_t n, size_t marks)
{
    uint32_t container, *stack = m->stack.items;
    const value *v = peek(m, n + marks, &container);
    if (v == NULL || v->kind != kind)
        return fail(m, kind == BFN__PICKLE_DICT ? "items are put into something that is no dict"
                                                : "items are put into something that is no list");
    size_t step = kind == BFN__PICKLE_DICT ? 2 : 1, base = m->stack.n - n;
    if (n % step != 0)
        return fail(m, "a key without a value");
    bfn_status status = BFN_OK;
    for (size_t i = 0; i < n && status == BFN_OK; i += step)
        status = add_link(m, container, stack[base + i], stack[base + i + step - 1]);
    m->stack.n -= n + marks;
    return status;
}

static bfn_status fill_some(machine *m, bfn__pickle_kind kind, size_t n)
{
    uint32_t index;
    for (size_t i = 0; i < n; i++)
        if (peek(m, i, &index) == NULL)
            return fail(m, "the stack has too few values here");
    return fill(m, kind, n, 0);
}

static bfn_status do_set_item(machine *m)
{
    return fill_some(m, BFN__PICKLE_DICT, 2);
}

static bfn_status do_append(machine *m)
{
    return fill_some(m, BFN__PICKLE_LIST, 1);
}

static bfn_status do_set_items(machine *m)
{
    size_t n;
    bfn_status status = count_to_mark(m, &n);
    return status != BFN_OK ? status : fill(m, BFN__PICKLE_DICT, n, 1);
}

static bfn_status do_appends(machine *m)
{
    size_t n;
    bfn_status status = count_to_mark(m, &n);
    return status != BFN_OK ? status : fill(m, BFN__PICKLE_LIST, n, 1);
}

/* ---- memo ---- */

/* Slots are numbered from 0 without gaps by every writer, so a slot beyond the number of values is no honest one. */
static bfn_status do_put(machine *m)
{
    uint64_t slot = m->memo.n;
    uint32_t index;
    bfn_status status = m->op == 0x94 ? BFN_OK : take_number(m, m->op == 'q' ? 1 : 4, &slot);
    if (status != BFN_OK)
        return status;
    if (peek(m, 0, &index) == NULL)
        return fail(m, "the stack has no value to remember");
    if (slot > m->values.n)
        return bfn__fail(m->ctx, BFN_ERR_INPUT, "%s: the pickle's byte %zu: memo slot %llu, allowed here: up to %zu",
                         m->label, m->op_at, (unsigned long long)slot, m->values.n);
    while (status == BFN_OK && m->memo.n <= slot)
        status = push_index(m, &m->memo, BFN__PICKLE_NOTHING);
    if (status == BFN_OK)
        ((uint32_t *)m->memo.items)[slot] = index;
    return status;
}

static bfn_status do_get(machine *m)
{
    uint64_t slot;
    bfn_status status = take_number(m, m->op == 'h' ? 1 : 4, &slot);
    if (status != BFN_OK)
        return status;
    const uint32_t *memo = m->memo.items;
    if (slot >= m->memo.n || memo[slot] == BFN__PICKLE_NOTHING)
        return bfn__fail(m->ctx, BFN_ERR_INPUT, "%s: the pickle's byte %zu: memo slot %llu holds nothing", m->label,
                         m->op_at, (unsigned long long)slot);
    return push_index(m, &m->stack, memo[slot]);
}

/* ---- names and what is done with them ---- */

static bool is(const char *word, const unsigned char *b, size_t n)
{
    return strlen(word) == n && memcmp(word, b, n) == 0;
}

static const struct {
    const char *name;
    bfn__dtype dtype;
} storage_types[] = {
    {"DoubleStorage", BFN__DTYPE_F64},    {"FloatStorage", BFN__DTYPE_F32}, {"HalfStorage", BFN__DTYPE_F16},
    {"BFloat16Storage", BFN__DTYPE_BF16}, {"LongStorage", BFN__DTYPE_I64},  {"IntStorage", BFN__DTYPE_I32},
    {"ByteStorage", BFN__DTYPE_U8},       {"BoolStorage", BFN__DTYPE_BOOL},
};

static int storage_type(const unsigned char *b, size_t n)
{
    for (size_t i = 0; i < sizeof storage_types / sizeof storage_types[0]; i++)
        if (is(storage_types[i].name, b, n))
            return (int)storage_types[i].dtype;
    return -1;
}

static bfn_status refuse_name(machine *m, const unsigned char *module, size_t n_module, const unsigned char *b,
                              size_t n)
{
    int shown_module = n_module < 80 ? (int)n_module : 80, shown = n < 80 ? (int)n : 80;
    return bfn__fail(m->ctx, BFN_ERR_INPUT, "%s: the pickle calls \"%.*s.%.*s\", which a checkpoint may not", m->label,
                     shown_module, (const char *)module, shown, (const char *)b);
}

static bfn_status push_name(machine *m, const unsigned char *module, size_t n_module, const unsigned char *b, size_t n)
{
    uint32_t which;
    int dtype = is("torch", module, n_module) ? storage_type(b, n) : -1;
    if (dtype >= 0)
        which = BFN__PICKLE_STORAGE_TYPE + (uint32_t)dtype;
    else if (is("collections", module, n_module) && is("OrderedDict", b, n))
        which = BFN__PICKLE_ORDERED_DICT;
    else if (is("torch._utils", module, n_module) && is("_rebuild_tensor_v2", b, n))
        which = BFN__PICKLE_REBUILD_TENSOR;
    else if (is("torch._utils", module, n_module) && is("_rebuild_parameter", b, n))
        which = BFN__PICKLE_REBUILD_PARAMETER;
    else
        return refuse_name(m, module, n_module, b, n);
    return push(m, (value){.kind = BFN__PICKLE_NAME, .first = which});
}

/* The two lines of GLOBAL and INST, module and name, go to `use`. */
static bfn_status use_lines(machine *m, bfn_status (*use)(machine *m, const unsigned char *module, size_t n_module,
                                                          const unsigned char *b, size_t n))
{
    const unsigned char *module = NULL, *b = NULL;
    size_t n_module = 0, n = 0;
    bfn_status status = take_line(m, &module, &n_module);
    if (status == BFN_OK)
        status = take_line(m, &b, &n);
    return status != BFN_OK ? status : use(m, module, n_module, b, n);
}

static bfn_status do_name(machine *m)
{
    return use_lines(m, push_name);
}

static bfn_status do_stack_name(machine *m)
{
    uint32_t index;
    const value *name = peek(m, 0, &index), *module = peek(m, 1, &index);
    if (name == NULL || module == NULL || name->kind != BFN__PICKLE_TEXT || module->kind != BFN__PICKLE_TEXT)
        return fail(m, "a name that is no text");
    m->stack.n -= 2;
    return push_name(m, (const unsigned char *)module->is.text.bytes, module->is.text.n,
                     (const unsigned char *)name->is.text.bytes, name->is.text.n);
}

/* INST would call what the lines name with what lies on the stack. */
static bfn_status do_instance(machine *m)
{
    return use_lines(m, refuse_name);
}

static bool has_kind(const machine *m, const value *tuple, uint32_t i, bfn__pickle_kind kind)
{
    return i < tuple->count && bfn__pickle_at(m, bfn__pickle_item(m, tuple, i))->kind == kind;
}

static bool is_integers(const machine *m, const value *tuple, uint32_t i)
{
    if (!has_kind(m, tuple, i, BFN__PICKLE_TUPLE))
        return false;
    const value *list = bfn__pickle_at(m, bfn__pickle_item(m, tuple, i));
    for (uint32_t j = 0; j < list->count && j <= BFN__ST_MAX_RANK; j++) /* longer ones are refused later */
        if (!has_kind(m, list, j, BFN__PICKLE_INTEGER))
            return false;
    return true;
}

/* (storage, offset, size, stride, requires_grad, backward_hooks): numbers are judged when the tensor's name is known. */
static bfn_status rebuild_tensor(machine *m, uint32_t args)
{
    const value *t = bfn__pickle_at(m, args);
    if (t->count < 6 || !has_kind(m, t, 0, BFN__PICKLE_STORAGE) || !has_kind(m, t, 1, BFN__PICKLE_INTEGER) ||
        !is_integers(m, t, 2) || !is_integers(m, t, 3) || !has_kind(m, t, 4, BFN__PICKLE_BOOL))
        return fail(m, "a tensor is not made of a storage, an offset, sizes and strides");
    return push(m, (value){.kind = BFN__PICKLE_TENSOR, .first = args});
}

/* (tensor, requires_grad, backward_hooks) */
static bfn_status rebuild_parameter(machine *m, uint32_t args)
{
    const value *t = bfn__pickle_at(m, args);
    if (t->count < 2 || !has_kind(m, t, 0, BFN__PICKLE_TENSOR))
        return fail(m, "a parameter is not made of a tensor");
    return push_index(m, &m->stack, bfn__pickle_item(m, t, 0));
}

static bfn_status do_reduce(machine *m)
{
    uint32_t args = 0, callable = 0;
    bfn_status status = pop(m, &args);
    if (status == BFN_OK)
        status = pop(m, &callable);
    if (status != BFN_OK)
        return status;
    const value *name = bfn__pickle_at(m, callable), *t = bfn__pickle_at(m, args);
    if (name->kind != BFN__PICKLE_NAME || t->kind != BFN__PICKLE_TUPLE)
        return fail(m, "a call of something that is no name");
    switch (name->first) {
    case BFN__PICKLE_ORDERED_DICT:
        if (t->count > 0)
            return fail(m, "an OrderedDict with arguments, allowed: an empty one that is filled later");
        m->op = '}';
        return do_empty(m);
    case BFN__PICKLE_REBUILD_TENSOR:
        return rebuild_tensor(m, args);
    case BFN__PICKLE_REBUILD_PARAMETER:
        return rebuild_parameter(m, args);
    default:
        return fail(m, "a storage type is called, it can only be named");
    }
}

/* State of an object. A dict's attributes (module versions) say nothing about tensors and go; nothing else has state here. */
static bfn_status do_build(machine *m)
{
    uint32_t index;
    const value *state = peek(m, 0, &index), *object = peek(m, 1, &index);
    if (state == NULL || object == NULL || state->kind != BFN__PICKLE_DICT || object->kind != BFN__PICKLE_DICT)
        return fail(m, "BUILD gives state to something that is no dict");
    m->stack.n--;
    return BFN_OK;
}

/* ("storage", type, key, location, count), and in the format without zip a sixth: None, where it is no view of another storage */
static bfn_status do_storage(machine *m)
{
    uint32_t index;
    const value *t = peek(m, 0, &index);
    if (t == NULL || t->kind != BFN__PICKLE_TUPLE || !(t->count == 5 || t->count == 6) ||
        !has_kind(m, t, 0, BFN__PICKLE_TEXT) || !has_kind(m, t, 1, BFN__PICKLE_NAME) ||
        !has_kind(m, t, 2, BFN__PICKLE_TEXT) || !has_kind(m, t, 3, BFN__PICKLE_TEXT) ||
        !has_kind(m, t, 4, BFN__PICKLE_INTEGER) || (t->count == 6 && !has_kind(m, t, 5, BFN__PICKLE_NONE)))
        return fail(m, "a persistent object that is no storage");
    const value *word = bfn__pickle_at(m, bfn__pickle_item(m, t, 0)),
                *type = bfn__pickle_at(m, bfn__pickle_item(m, t, 1));
    if (!is("storage", (const unsigned char *)word->is.text.bytes, word->is.text.n) ||
        type->first < BFN__PICKLE_STORAGE_TYPE)
        return fail(m, "a persistent object that is no storage");
    m->stack.n--;
    return push(m, (value){.kind = BFN__PICKLE_STORAGE, .first = index});
}

/* ---- framing ---- */

static bfn_status do_protocol(machine *m)
{
    uint64_t version;
    bfn_status status = take_number(m, 1, &version);
    if (status == BFN_OK && (version < 2 || version > 5))
        return fail(m, "a protocol other than 2 to 5");
    return status;
}

/* Frames only help readers that read ahead. */
static bfn_status do_frame(machine *m)
{
    uint64_t n;
    bfn_status status = take_number(m, 8, &n);
    if (status == BFN_OK && n > m->n - m->at)
        return fail(m, "a frame longer than the pickle");
    return status;
}

/* ---- the machine ---- */

static bfn_status do_refused(machine *m);

typedef struct opcode {
    const char *name;
    bfn_status (*run)(machine *m);
} opcode;

static const opcode opcodes[256] = {
#define PICKLE_OP(code, name, handler) [code] = {name, do_##handler},
#include "io/pickle_ops.def"
#undef PICKLE_OP
};

static bfn_status do_refused(machine *m)
{
    return bfn__fail(m->ctx, BFN_ERR_INPUT,
                     "%s: the pickle's byte %zu is the opcode %s, which a checkpoint may not use", m->label, m->op_at,
                     opcodes[m->op].name);
}

static bfn_status run(machine *m)
{
    bfn_status status = BFN_OK;
    while (status == BFN_OK && !m->stopped) {
        m->op_at = m->at;
        if (m->at == m->n)
            return bfn__fail(m->ctx, BFN_ERR_INPUT, "%s: the pickle ends at byte %zu without STOP", m->label, m->n);
        m->op = m->bytes[m->at++];
        if (opcodes[m->op].run == NULL)
            return bfn__fail(m->ctx, BFN_ERR_INPUT, "%s: the pickle's byte %zu is 0x%02x, which is no opcode", m->label,
                             m->op_at, m->op);
        status = opcodes[m->op].run(m);
    }
    return status;
}

static bfn_status collect(machine *m, bfn__pickle *out)
{
    uint32_t root;
    const value *v = peek(m, 0, &root);
    if (m->stack.n != 1 || v == NULL || v->kind != BFN__PICKLE_DICT)
        return fail(m, "the pickle ends with something that is no dict of tensors");
    return bfn__pickle_collect(m, root, out);
}

static void free_machine(machine *m)
{
    bfn__pickle_array *arrays[] = {&m->values, &m->items, &m->links, &m->stack, &m->memo};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        bfn__free(m->ctx, arrays[i]->items);
}

/* used: NULL: of a zip file's pickle. */
static bfn_status parse(bfn_context *ctx, bfn__pickle **out, const void *bytes, size_t n, const char *label,
                        size_t *used)
{
    machine m = {.ctx = ctx, .label = label, .bytes = bytes, .n = n};
    *out = NULL;
    bfn__pickle *pickle = bfn__calloc(ctx, 1, sizeof *pickle);
    if (pickle == NULL)
        return BFN_ERR_MEMORY;
    pickle->ctx = ctx;
    bfn_status status = run(&m);
    if (status == BFN_OK)
        status = collect(&m, pickle);
    if (status == BFN_OK && used != NULL)
        status = bfn__pickle_collect_storages(&m, pickle);
    if (used != NULL)
        *used = m.at;
    free_machine(&m);
    if (status != BFN_OK) {
        bfn__pickle_destroy(pickle);
        return status;
    }
    *out = pickle;
    return BFN_OK;
}

bfn_status bfn__pickle_parse(bfn_context *ctx, bfn__pickle **out, const void *bytes, size_t n, const char *label)
{
    *out = NULL;
    if (n > bfn__limit(ctx, BFN__CAP_PICKLE_BYTES))
        return bfn__fail(ctx, BFN_ERR_INPUT, "%s: the pickle has %zu bytes, at most %zu are allowed", label, n,
                         bfn__limit(ctx, BFN__CAP_PICKLE_BYTES));
    return parse(ctx, out, bytes, n, label, NULL);
}

/* What one pickle of a row may take of the bytes that are left. */
static size_t window(const bfn_context *ctx, size_t n)
{
    size_t most = bfn__limit(ctx, BFN__CAP_PICKLE_BYTES);
    return n < most ? n : most;
}

bfn_status bfn__pickle_parse_first(bfn_context *ctx, bfn__pickle **out, const void *bytes, size_t n, const char *label,
                                   size_t *used)
{
    return parse(ctx, out, bytes, window(ctx, n), label, used);
}

/* ---- a list of texts ---- */

static bfn_status copy_texts(const machine *m, const value *list, char ***texts, size_t *n_texts)
{
    const bfn__pickle_link *links = m->links.items;
    size_t bytes = 0;
    *n_texts = list->count;
    for (uint32_t at = list->first; at != BFN__PICKLE_NOTHING; at = links[at].next) {
        const value *text = bfn__pickle_at(m, links[at].value);
        if (text->kind != BFN__PICKLE_TEXT)
            return fail(m, "the pickle's list holds something that is no text");
        bytes += text->is.text.n +
                 1; /* parts of the pickle, but the same one may come again: at most values times its size */
        if (bytes > bfn__limit(m->ctx, BFN__CAP_PICKLE_BYTES))
            return fail(m, "the pickle's list unfolds to more than a pickle may have");
    }
    char **block = bfn__calloc(m->ctx, 1, (*n_texts + 1) * sizeof *block + bytes);
    if (block == NULL)
        return BFN_ERR_MEMORY;
    char *to = (char *)(block + *n_texts + 1);
    size_t i = 0;
    for (uint32_t at = list->first; at != BFN__PICKLE_NOTHING; at = links[at].next) {
        const value *text = bfn__pickle_at(m, links[at].value);
        block[i++] = to;
        memcpy(to, text->is.text.bytes, text->is.text.n);
        to += text->is.text.n + 1;
    }
    *texts = block;
    return BFN_OK;
}

bfn_status bfn__pickle_texts_first(bfn_context *ctx, char ***texts, size_t *n_texts, const void *bytes, size_t n,
                                   const char *label, size_t *used)
{
    machine m = {.ctx = ctx, .label = label, .bytes = bytes, .n = window(ctx, n)};
    uint32_t root;
    *texts = NULL;
    bfn_status status = run(&m);
    const value *v = status == BFN_OK ? peek(&m, 0, &root) : NULL;
    if (status == BFN_OK && (m.stack.n != 1 || v == NULL || v->kind != BFN__PICKLE_LIST))
        status = fail(&m, "the pickle ends with something that is no list");
    if (status == BFN_OK)
        status = copy_texts(&m, v, texts, n_texts);
    *used = m.at;
    free_machine(&m);
    return status;
}
