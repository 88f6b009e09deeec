/* yaml_write.c: changing a YAML tree and writing it out.
 *
 * Nested mappings two spaces a level, lists in one line ("[1, 2]"), scalars plain when every reader would take them for the same
 * text, else in double quotes. What was a string stays in quotes, so other readers do not take "10" or "no" for
 * something else. Reading the text back gives the same tree.
 */
#include "io/limits.h"
#include "io/utf8.h"
#include "io/yaml.h"
#include "io/yaml_tree.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- changing ---- */

static bfn_status fail_path(const bfn__yaml *tree, const char *path, const char *what)
{
    return bfn__fail(tree->ctx, BFN_ERR_ARGUMENT, "%s: \"%.100s\": %s", tree->label, path, what);
}

/* An empty plain value ("train:" alone in its line) may become a mapping. */
static bool becomes_mapping(bfn__yaml_node *node)
{
    if (node->kind == BFN__YAML_SCALAR && node->value[0] == '\0' && !node->quoted)
        node->kind = BFN__YAML_MAPPING;
    return node->kind == BFN__YAML_MAPPING;
}

/* What the reader takes as one, too. */
static bool is_key(const char *key, size_t n)
{
    size_t i = 0;
    while (i < n) {
        uint32_t code = 0;
        size_t length = bfn__utf8_decode(key + i, n - i, &code);
        if (length == 0 || bfn__is_control(code))
            return false;
        i += length;
    }
    return n > 0 && n <= BFN__LIMIT_YAML_KEY_BYTES;
}

/* The node at path[0..n), made where it is missing, emptied to become a fresh scalar or sequence. */
static bfn_status make(bfn__yaml *tree, const char *path, size_t n, bfn__yaml_kind kind, bfn__yaml_node **out)
{
    bfn__yaml_node *node = tree->root;
    size_t depth = 0;
    for (size_t at = 0; at <= n;) {
        size_t length = 0;
        while (at + length < n && path[at + length] != '.')
            length++;
        if (!is_key(path + at, length))
            return fail_path(tree, path, "not a key, allowed: names joined by dots");
        if (!becomes_mapping(node))
            return fail_path(tree, path, "goes through a value that is not a mapping");
        if (++depth > BFN__LIMIT_YAML_DEPTH)
            return fail_path(tree, path, "is nested too deep");
        bfn__yaml_node *child = bfn__yaml_child(node, path + at, length);
        if (child == NULL) {
            const char *key = bfn__yaml_text(tree, path + at, length);
            bfn_status status = key != NULL ? bfn__yaml_new(tree, BFN__YAML_MAPPING, key, 0, &child) : BFN_ERR_MEMORY;
            if (status != BFN_OK)
                return status;
            bfn__yaml_append(node, child);
        }
        node = child;
        at += length + 1;
    }
    if (node->kind == BFN__YAML_MAPPING && node->first != NULL)
        return fail_path(tree, path, "is a mapping, allowed: one of its keys");
    *node = (bfn__yaml_node){.kind = kind, .key = node->key, .next = node->next, .value = ""};
    *out = node;
    return BFN_OK;
}

static bfn_status put_scalar(bfn__yaml *tree, const char *path, size_t n_path, const char *value, size_t n, bool quoted)
{
    bfn__yaml_node *node;
    for (size_t i = 0; i < n;) {
        uint32_t code;
        size_t length = bfn__utf8_decode(value + i, n - i, &code);
        if (length == 0 || bfn__is_odd_control(code))
            return fail_path(tree, path, "the value is not text (UTF-8 without control characters)");
        i += length;
    }
    const char *copy = bfn__yaml_text(tree, value, n);
    if (copy == NULL)
        return BFN_ERR_MEMORY;
    bfn_status status = make(tree, path, n_path, BFN__YAML_SCALAR, &node);
    if (status == BFN_OK) {
        node->value = copy;
        node->quoted = quoted;
    }
    return status;
}

static bfn_status append_item(bfn__yaml *tree, bfn__yaml_node *list, const char *value, size_t n)
{
    bfn__yaml_node *item;
    bfn_status status = bfn__yaml_new(tree, BFN__YAML_SCALAR, NULL, 0, &item);
    if (status != BFN_OK)
        return status;
    item->value = bfn__yaml_text(tree, value, n);
    if (item->value == NULL)
        return BFN_ERR_MEMORY;
    bfn__yaml_append(list, item);
    return BFN_OK;
}

/* "[a, b]": items are plain text between commas. */
static bfn_status set_list(bfn__yaml *tree, const char *path, size_t n_path, const char *text, size_t n)
{
    bfn__yaml_node *list;
    bfn_status status = make(tree, path, n_path, BFN__YAML_SEQUENCE, &list);
    size_t at = 1, end = n - 1;
    while (status == BFN_OK && at < end) {
        size_t stop = at;
        while (stop < end && text[stop] != ',')
            stop++;
        size_t from = at, to = stop;
        while (from < to && text[from] == ' ')
            from++;
        while (to > from && text[to - 1] == ' ')
            to--;
        if (from == to || bfn__utf8_check(text + from, to - from) != to - from)
            return fail_path(tree, path, "an item of the list is empty or not text");
        status = append_item(tree, list, text + from, to - from);
        at = stop + 1;
    }
    return status;
}

bfn_status bfn__yaml_set(bfn__yaml *tree, const char *assignment)
{
    const char *equals = strchr(assignment, '=');
    if (equals == NULL)
        return fail_path(tree, assignment, "no '=', allowed: key=value, as in train.lr=1e-3");
    const char *value = equals + 1;
    size_t n_path = (size_t)(equals - assignment), n = strlen(value);
    if (n >= 2 && value[0] == '[' && value[n - 1] == ']')
        return set_list(tree, assignment, n_path, value, n);
    return put_scalar(tree, assignment, n_path, value, n, false);
}

bfn_status bfn__yaml_put_string(bfn__yaml *tree, const char *path, const char *value)
{
    return put_scalar(tree, path, strlen(path), value, strlen(value), true);
}

bfn_status bfn__yaml_put_number(bfn__yaml *tree, const char *path, double value)
{
    char text[BFN__NUMBER_TEXT_MAX];
    if (!isfinite(value))
        return fail_path(tree, path, "the value is not finite");
    bfn__format_number(value, text);
    return put_scalar(tree, path, strlen(path), text, strlen(text), false);
}

bfn_status bfn__yaml_put_u64(bfn__yaml *tree, const char *path, uint64_t value)
{
    char text[BFN__NUMBER_TEXT_MAX];
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return put_scalar(tree, path, strlen(path), text, (size_t)n, false);
}

bfn_status bfn__yaml_put_bool(bfn__yaml *tree, const char *path, bool value)
{
    return put_scalar(tree, path, strlen(path), value ? "true" : "false", value ? 4 : 5, false);
}

bfn_status bfn__yaml_put_numbers(bfn__yaml *tree, const char *path, const double *values, size_t n)
{
    bfn__yaml_node *list;
    bfn_status status = make(tree, path, strlen(path), BFN__YAML_SEQUENCE, &list);
    for (size_t i = 0; i < n && status == BFN_OK; i++) {
        char text[BFN__NUMBER_TEXT_MAX];
        if (!isfinite(values[i]))
            return fail_path(tree, path, "a value is not finite");
        bfn__format_number(values[i], text);
        status = append_item(tree, list, text, strlen(text));
    }
    return status;
}

/* ---- writing ---- */

/* Text that is written when there is room for it and counted always. */
typedef struct sink {
    char *out; /* NULL: only count */
    size_t n;
} sink;

static void put(sink *s, const char *text, size_t n)
{
    if (s->out != NULL)
        memcpy(s->out + s->n, text, n);
    s->n += n;
}

static void put_text(sink *s, const char *text)
{
    put(s, text, strlen(text));
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("_./+-", c));
}

/* Plain text that no YAML reader takes for syntax ("..." at the start of a line ends the document). */
static bool is_plain(const char *s)
{
    bool digit_or_dot = (s[1] >= '0' && s[1] <= '9') || s[1] == '.';
    if (!is_word(s[0]) || (s[0] == '-' && !digit_or_dot) || strncmp(s, "...", 3) == 0)
        return false;
    for (; *s != '\0'; s++)
        if (!is_word(*s) && !(*s == ' ' && is_word(s[1])))
            return false;
    return true;
}

static void put_quoted(sink *s, const char *text)
{
    put_text(s, "\"");
    for (size_t i = 0, n = strlen(text); i < n;) {
        uint32_t code = 0;
        char escape[16];
        size_t length = bfn__utf8_decode(text + i, n - i, &code);
        length += length == 0; /* cannot happen: what enters the tree is checked */
        bool odd =
            bfn__is_control(code) || code == 0x2028 || code == 0x2029 || code == 0xfeff || (code & 0xfffe) == 0xfffe;
        if (code == '"' || code == '\\')
            put_text(s, "\\");
        if (code == '\n')
            put_text(s, "\\n");
        else if (odd) {
            (void)snprintf(escape, sizeof escape, "\\U%08X", (unsigned)code);
            put_text(s, escape);
        } else
            put(s, text + i, length);
        i += length;
    }
    put_text(s, "\"");
}

static void put_value(sink *s, const bfn__yaml_node *node)
{
    if (!node->quoted && (node->value[0] == '\0' || is_plain(node->value)))
        put_text(s, node->value);
    else
        put_quoted(s, node->value);
}

/* A sequence, in one line; items may be scalars, or lists and mappings in flow style. Depth is bounded by the parser's cap. */
static void put_flow(sink *s, const bfn__yaml_node *node)
{
    if (node->kind == BFN__YAML_SCALAR) {
        if (node->value[0] == '\0' && !node->quoted)
            put_text(s, "\"\"");
        else
            put_value(s, node);
        return;
    }
    put_text(s, node->kind == BFN__YAML_SEQUENCE ? "[" : "{");
    for (const bfn__yaml_node *c = node->first; c != NULL; c = c->next) {
        if (c->key != NULL) {
            if (is_plain(c->key))
                put_text(s, c->key);
            else
                put_quoted(s, c->key);
            put_text(s, ": ");
        }
        put_flow(s, c);
        put_text(s, c->next != NULL ? ", " : "");
    }
    put_text(s, node->kind == BFN__YAML_SEQUENCE ? "]" : "}");
}

static void put_mapping(sink *s, const bfn__yaml_node *mapping, int indent)
{
    for (const bfn__yaml_node *c = mapping->first; c != NULL; c = c->next) {
        for (int i = 0; i < indent; i++)
            put_text(s, " ");
        if (is_plain(c->key))
            put_text(s, c->key);
        else
            put_quoted(s, c->key);
        put_text(s, ":");
        if (c->kind == BFN__YAML_MAPPING && c->first != NULL) {
            put_text(s, "\n");
            put_mapping(s, c, indent + 2);
            continue;
        }
        bool empty = c->kind == BFN__YAML_SCALAR && c->value[0] == '\0' && !c->quoted;
        put_text(s, empty ? "" : " ");
        if (!empty)
            put_flow(s, c);
        put_text(s, "\n");
    }
}

bfn_status bfn__yaml_emit(bfn__yaml *tree, char **out)
{
    sink s = {0};
    put_mapping(&s, tree->root, 0);
    s.out = bfn__calloc(tree->ctx, s.n + 1, 1);
    *out = s.out;
    if (s.out == NULL)
        return BFN_ERR_MEMORY;
    s.n = 0;
    put_mapping(&s, tree->root, 0);
    return BFN_OK;
}
