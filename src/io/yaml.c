/* yaml.c: YAML text to a tree, by the events of libyaml.
 *
 * Events are pulled one by one, so that depth and size are checked before anything large is built, and everything that a
 * configuration does not need is refused with its line: anchors and aliases (a few lines of them unfold to gigabytes), tags,
 * several documents, keys that are not plain text, a key twice. An open mapping or sequence is a frame of a small stack.
 */
#include "io/yaml.h"

#include "io/limits.h"
#include "io/utf8.h"
#include "io/yaml_tree.h"

#include <string.h>
#include <yaml.h>

enum { CHUNK = 4096 };

/* ---- the tree ---- */

void *bfn__yaml_take(bfn__yaml *tree, size_t bytes)
{
    bytes = (bytes + 15) & ~(size_t)15;
    bfn__yaml_chunk *chunk = tree->chunks;
    if (chunk == NULL || chunk->room - chunk->used < bytes) {
        size_t head = (sizeof *chunk + 15) & ~(size_t)15, room = head + (bytes > CHUNK ? bytes : CHUNK);
        chunk = bfn__calloc(tree->ctx, room, 1);
        if (chunk == NULL)
            return NULL;
        *chunk = (bfn__yaml_chunk){.next = tree->chunks, .used = head, .room = room};
        tree->chunks = chunk;
    }
    void *block = (char *)chunk + chunk->used;
    chunk->used += bytes;
    return block;
}

const char *bfn__yaml_text(bfn__yaml *tree, const char *s, size_t n)
{
    char *copy = bfn__yaml_take(tree, n + 1);
    if (copy != NULL && n > 0)
        memcpy(copy, s, n);
    return copy;
}

bfn_status bfn__yaml_new(bfn__yaml *tree, bfn__yaml_kind kind, const char *key, size_t line, bfn__yaml_node **out)
{
    if (tree->n_nodes >= bfn__limit(tree->ctx, BFN__CAP_YAML_NODES))
        return bfn__fail(tree->ctx, BFN_ERR_ARGUMENT, "%s: line %zu: more than %zu keys and values, the most allowed",
                         tree->label, line, bfn__limit(tree->ctx, BFN__CAP_YAML_NODES));
    bfn__yaml_node *node = bfn__yaml_take(tree, sizeof *node);
    if (node == NULL)
        return BFN_ERR_MEMORY;
    *node = (bfn__yaml_node){.kind = kind, .key = key, .line = line, .value = kind == BFN__YAML_SCALAR ? "" : NULL};
    tree->n_nodes++;
    *out = node;
    return BFN_OK;
}

bfn__yaml_node *bfn__yaml_child(const bfn__yaml_node *node, const char *key, size_t n_key)
{
    if (node->kind != BFN__YAML_MAPPING)
        return NULL;
    for (bfn__yaml_node *c = node->first; c != NULL; c = c->next)
        if (strncmp(c->key, key, n_key) == 0 && c->key[n_key] == '\0')
            return c;
    return NULL;
}

void bfn__yaml_append(bfn__yaml_node *parent, bfn__yaml_node *child)
{
    if (parent->last != NULL)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
}

bfn_status bfn__yaml_create(bfn_context *ctx, bfn__yaml **out, const char *label)
{
    *out = NULL;
    bfn__yaml *tree = bfn__calloc(ctx, 1, sizeof *tree);
    if (tree == NULL)
        return BFN_ERR_MEMORY;
    tree->ctx = ctx;
    tree->label = bfn__yaml_text(tree, label, strlen(label));
    if (tree->label == NULL || bfn__yaml_new(tree, BFN__YAML_MAPPING, NULL, 1, &tree->root) != BFN_OK) {
        bfn__yaml_destroy(tree);
        return BFN_ERR_MEMORY;
    }
    *out = tree;
    return BFN_OK;
}

void bfn__yaml_destroy(bfn__yaml *tree)
{
    if (tree == NULL)
        return;
    for (bfn__yaml_chunk *chunk = tree->chunks; chunk != NULL;) {
        bfn__yaml_chunk *next = chunk->next;
        bfn__free(tree->ctx, chunk);
        chunk = next;
    }
    bfn__free(tree->ctx, tree);
}

bfn__yaml_node *bfn__yaml_root(bfn__yaml *tree)
{
    return tree->root;
}

bfn__yaml_node *bfn__yaml_find(bfn__yaml *tree, const char *path)
{
    bfn__yaml_node *node = tree->root;
    while (node != NULL && *path != '\0') {
        size_t n = strcspn(path, ".");
        node = bfn__yaml_child(node, path, n);
        path += n + (path[n] == '.');
    }
    return node;
}

/* ---- events to nodes ---- */

typedef struct builder {
    bfn__yaml *tree;
    bfn__yaml_node *open[BFN__LIMIT_YAML_DEPTH];
    size_t depth;
    const char *key; /* read, its value is awaited */
    size_t key_line;
    size_t n_documents;
} builder;

static bfn_status fail_line(const builder *b, size_t line, const char *found, const char *allowed)
{
    return bfn__fail(b->tree->ctx, BFN_ERR_ARGUMENT, "%s: line %zu: %s, allowed: %s", b->tree->label, line, found,
                     allowed);
}

/* A scalar's text: no NUL and no controls that could steer a terminal when it is printed. */
static bfn_status take_text(const builder *b, const yaml_event_t *e, size_t line, bool is_key, const char **out)
{
    const char *s = (const char *)e->data.scalar.value;
    size_t n = e->data.scalar.length;
    for (size_t i = 0; i < n;) {
        uint32_t code = 0;
        size_t length = bfn__utf8_decode(s + i, n - i, &code);
        if (length == 0 || (is_key ? bfn__is_control(code) : bfn__is_odd_control(code)))
            return fail_line(b, line, "a control character", "text");
        i += length;
    }
    *out = bfn__yaml_text(b->tree, s, n);
    return *out != NULL ? BFN_OK : BFN_ERR_MEMORY;
}

static bfn_status take_key(builder *b, const yaml_event_t *e, size_t line)
{
    const bfn__yaml_node *mapping = b->open[b->depth - 1];
    const char *key;
    if (e->type != YAML_SCALAR_EVENT)
        return fail_line(b, line, "a key that is a list or a mapping", "plain text as key");
    bfn_status status = take_text(b, e, line, true, &key);
    if (status != BFN_OK)
        return status;
    if (key[0] == '\0')
        return fail_line(b, line, "an empty key", "plain text as key");
    if (strlen(key) > BFN__LIMIT_YAML_KEY_BYTES)
        return bfn__fail(b->tree->ctx, BFN_ERR_ARGUMENT, "%s: line %zu: a key of %zu bytes, at most %zu are allowed",
                         b->tree->label, line, strlen(key), BFN__LIMIT_YAML_KEY_BYTES);
    const bfn__yaml_node *twin = bfn__yaml_child(mapping, key, strlen(key));
    if (twin != NULL)
        return bfn__fail(b->tree->ctx, BFN_ERR_ARGUMENT, "%s: line %zu: key \"%.60s\" occurs twice, first in line %zu",
                         b->tree->label, line, key, twin->line);
    b->key = key;
    b->key_line = line;
    return BFN_OK;
}

static bfn_status push(builder *b, bfn__yaml_node *node, size_t line)
{
    if (b->depth == BFN__LIMIT_YAML_DEPTH)
        return bfn__fail(b->tree->ctx, BFN_ERR_ARGUMENT,
                         "%s: line %zu: nested deeper than %zu levels, the most allowed", b->tree->label, line,
                         BFN__LIMIT_YAML_DEPTH);
    b->open[b->depth++] = node;
    return BFN_OK;
}

static bfn_status take_scalar(const builder *b, const yaml_event_t *e, size_t line, bfn__yaml_node *node)
{
    node->quoted = e->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return take_text(b, e, line, false, &node->value);
}

/* A scalar, a mapping or a sequence: the root, the value of the key just read, or the next item of a sequence. */
static bfn_status take_node(builder *b, const yaml_event_t *e, size_t line)
{
    bfn__yaml_kind kind = e->type == YAML_SCALAR_EVENT          ? BFN__YAML_SCALAR
                          : e->type == YAML_MAPPING_START_EVENT ? BFN__YAML_MAPPING
                                                                : BFN__YAML_SEQUENCE;
    if (b->depth == 0) {
        bool empty = kind == BFN__YAML_SCALAR && e->data.scalar.length == 0;
        if (kind == BFN__YAML_MAPPING)
            return push(b, b->tree->root, line);
        return empty ? BFN_OK : fail_line(b, line, "not a mapping", "lines of the form \"key: value\"");
    }
    bfn__yaml_node *parent = b->open[b->depth - 1], *node;
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): libyaml's events come in pairs, so depth is right */
    if (parent->kind == BFN__YAML_MAPPING && b->key == NULL)
        return take_key(b, e, line);
    bfn_status status = bfn__yaml_new(b->tree, kind, b->key, b->key != NULL ? b->key_line : line, &node);
    if (status != BFN_OK)
        return status;
    b->key = NULL;
    bfn__yaml_append(parent, node);
    return kind == BFN__YAML_SCALAR ? take_scalar(b, e, line, node) : push(b, node, line);
}

static bool has_anchor(const yaml_event_t *e)
{
    return (e->type == YAML_SCALAR_EVENT && e->data.scalar.anchor != NULL) ||
           (e->type == YAML_MAPPING_START_EVENT && e->data.mapping_start.anchor != NULL) ||
           (e->type == YAML_SEQUENCE_START_EVENT && e->data.sequence_start.anchor != NULL);
}

static bool has_tag(const yaml_event_t *e)
{
    return (e->type == YAML_SCALAR_EVENT && e->data.scalar.tag != NULL) ||
           (e->type == YAML_MAPPING_START_EVENT && e->data.mapping_start.tag != NULL) ||
           (e->type == YAML_SEQUENCE_START_EVENT && e->data.sequence_start.tag != NULL);
}

static bfn_status take_event(builder *b, const yaml_event_t *e)
{
    size_t line = e->start_mark.line + 1;
    if (e->type == YAML_ALIAS_EVENT || has_anchor(e))
        return fail_line(b, line, "an anchor or alias (& or *)", "values written out");
    if (has_tag(e))
        return fail_line(b, line, "a tag (!)", "values without tags");
    switch (e->type) {
    case YAML_DOCUMENT_START_EVENT:
        return b->n_documents++ == 0 ? BFN_OK : fail_line(b, line, "a second document (---)", "one document");
    case YAML_SCALAR_EVENT:
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        return take_node(b, e, line);
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        b->depth--;
        return BFN_OK;
    default:
        return BFN_OK;
    }
}

static bfn_status fail_syntax(const builder *b, const yaml_parser_t *p)
{
    if (p->error == YAML_MEMORY_ERROR)
        return bfn__fail(b->tree->ctx, BFN_ERR_MEMORY, "%s: out of memory", b->tree->label);
    if (p->error == YAML_READER_ERROR)
        return bfn__fail(b->tree->ctx, BFN_ERR_ARGUMENT, "%s: byte %zu: %s, allowed: text in UTF-8", b->tree->label,
                         p->problem_offset, p->problem);
    return bfn__fail(b->tree->ctx, BFN_ERR_ARGUMENT, "%s: line %zu: not valid YAML: %s", b->tree->label,
                     p->problem_mark.line + 1, p->problem);
}

static bfn_status take_all(builder *b, yaml_parser_t *parser)
{
    for (bool more = true; more;) {
        yaml_event_t event;
        if (!yaml_parser_parse(parser, &event))
            return fail_syntax(b, parser);
        bfn_status status = take_event(b, &event);
        more = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
        if (status != BFN_OK)
            return status;
    }
    return BFN_OK;
}

bfn_status bfn__yaml_parse(bfn_context *ctx, bfn__yaml **out, const void *bytes, size_t n, const char *label)
{
    *out = NULL;
    if (n > bfn__limit(ctx, BFN__CAP_YAML_BYTES))
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "%s: has %zu bytes, at most %zu are allowed", label, n,
                         bfn__limit(ctx, BFN__CAP_YAML_BYTES));
    builder b = {0};
    bfn_status status = bfn__yaml_create(ctx, &b.tree, label);
    if (status != BFN_OK)
        return status;
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        bfn__yaml_destroy(b.tree);
        return bfn__fail(ctx, BFN_ERR_MEMORY, "%s: out of memory", label);
    }
    size_t skip = n >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0; /* byte-order mark */
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, n > 0 ? (const unsigned char *)bytes + skip : (const unsigned char *)"",
                                 n - skip);
    status = take_all(&b, &parser);
    yaml_parser_delete(&parser);
    if (status != BFN_OK) {
        bfn__yaml_destroy(b.tree);
        return status;
    }
    *out = b.tree;
    return BFN_OK;
}
