/* yaml_read.c: typed values out of a YAML tree, and the check for keys that nobody knows.
 *
 * Every getter writes its path into the tree's list of asked paths. What the program asks for *is* the schema: when all
 * getters have run, a node that is not on the list (nor above or, where allowed, below one on it) is a slip of the writer.
 */
#include "base/nearest.h"
#include "io/yaml.h"
#include "io/yaml_tree.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

enum { PATH_MAX_BYTES = 256, SHOWN = 60, ALLOWED_MAX = 512 };

static bfn_status ask(bfn__yaml *tree, const char *path, bool subtree)
{
    bfn__yaml_asked *asked = bfn__yaml_take(tree, sizeof *asked);
    const char *copy = asked != NULL ? bfn__yaml_text(tree, path, strlen(path)) : NULL;
    if (copy == NULL)
        return BFN_ERR_MEMORY;
    *asked = (bfn__yaml_asked){.path = copy, .subtree = subtree, .next = tree->asked};
    tree->asked = asked;
    return BFN_OK;
}

void bfn__yaml_allow(bfn__yaml *tree, const char *path, bool subtree)
{
    if (ask(tree, path, subtree) != BFN_OK)
        tree->failed = true; /* told by bfn__yaml_check_unknown */
}

/* "label: line 7: path is "value"", as far as these are known. */
static bfn_status fail_node(const bfn__yaml *tree, const bfn__yaml_node *node, const char *path, const char *allowed)
{
    char where[32] = "";
    if (node != NULL && node->line > 0)
        (void)snprintf(where, sizeof where, "line %zu: ", node->line);
    if (node == NULL)
        return bfn__fail(tree->ctx, BFN_ERR_ARGUMENT, "%s: %s is missing, allowed: %s", tree->label, path, allowed);
    if (node->kind != BFN__YAML_SCALAR)
        return bfn__fail(tree->ctx, BFN_ERR_ARGUMENT, "%s: %s%s is a %s, allowed: %s", tree->label, where, path,
                         node->kind == BFN__YAML_MAPPING ? "mapping" : "list", allowed);
    if (node->value[0] == '\0')
        return bfn__fail(tree->ctx, BFN_ERR_ARGUMENT, "%s: %s%s is empty, allowed: %s", tree->label, where, path,
                         allowed);
    return bfn__fail(tree->ctx, BFN_ERR_ARGUMENT, "%s: %s%s is \"%.*s\"%s, allowed: %s", tree->label, where, path,
                     SHOWN, node->value, node->quoted ? " (a string)" : "", allowed);
}

bfn_status bfn__yaml_fail(bfn__yaml *tree, const char *path, const char *allowed, ...)
{
    char text[ALLOWED_MAX];
    va_list args;
    va_start(args, allowed);
    (void)vsnprintf(text, sizeof text, allowed, args);
    va_end(args);
    return fail_node(tree, bfn__yaml_find(tree, path), path, text);
}

/* The node at path, NULL when it is not there; asking for something below a plain value is an error. */
static bfn_status get(bfn__yaml *tree, const char *path, bfn__yaml_node **out)
{
    *out = NULL;
    bfn_status status = ask(tree, path, false);
    bfn__yaml_node *node = tree->root;
    for (const char *p = path; status == BFN_OK && node != NULL && *p != '\0';) {
        char above[PATH_MAX_BYTES];
        (void)snprintf(above, sizeof above, "%.*s", p > path ? (int)(p - path - 1) : 0, path);
        bool nothing = node->kind == BFN__YAML_SCALAR && node->value[0] == '\0' && !node->quoted;
        if (node->kind != BFN__YAML_MAPPING && !nothing)
            return fail_node(tree, node, above, "a mapping of keys to values");
        size_t n = strcspn(p, ".");
        node = bfn__yaml_child(node, p, n);
        p += n + (p[n] == '.');
    }
    *out = node;
    return status;
}

static bool plain(const bfn__yaml_node *node)
{
    return node->kind == BFN__YAML_SCALAR && !node->quoted;
}

static void describe_range(double low, double high, char out[ALLOWED_MAX])
{
    char a[BFN__NUMBER_TEXT_MAX], b[BFN__NUMBER_TEXT_MAX];
    bfn__format_number(low, a);
    bfn__format_number(high, b);
    if (low <= -DBL_MAX && high >= DBL_MAX)
        (void)snprintf(out, ALLOWED_MAX, "a number");
    else if (high >= DBL_MAX)
        (void)snprintf(out, ALLOWED_MAX, "a number of at least %s", a);
    else
        (void)snprintf(out, ALLOWED_MAX, "a number from %s to %s", a, b);
}

static bfn_status number_of(const bfn__yaml *tree, const bfn__yaml_node *node, const char *path, double low,
                            double high, double *out)
{
    char allowed[ALLOWED_MAX];
    double value;
    if (plain(node) && bfn__parse_number(node->value, &value) && value >= low && value <= high) {
        *out = value;
        return BFN_OK;
    }
    describe_range(low, high, allowed);
    return fail_node(tree, node, path, allowed);
}

bfn_status bfn__yaml_get_number(bfn__yaml *tree, const char *path, double low, double high, double *out)
{
    bfn__yaml_node *node;
    bfn_status status = get(tree, path, &node);
    return status != BFN_OK || node == NULL ? status : number_of(tree, node, path, low, high, out);
}

bfn_status bfn__yaml_get_numbers(bfn__yaml *tree, const char *path, double low, double high, size_t max, double *out,
                                 size_t *n)
{
    char allowed[ALLOWED_MAX];
    bfn__yaml_node *node;
    bfn_status status = get(tree, path, &node);
    if (status != BFN_OK || node == NULL)
        return status;
    if (node->kind == BFN__YAML_MAPPING) {
        describe_range(low, high, allowed);
        return fail_node(tree, node, path, allowed);
    }
    size_t count = 0;
    for (bfn__yaml_node *item = node->kind == BFN__YAML_SEQUENCE ? node->first : node; item != NULL;) {
        if (count == max)
            return bfn__fail(tree->ctx, BFN_ERR_ARGUMENT,
                             "%s: line %zu: %s has more than %zu numbers, the most allowed", tree->label, node->line,
                             path, max);
        status = number_of(tree, item, path, low, high, &out[count++]);
        if (status != BFN_OK)
            return status;
        item = node->kind == BFN__YAML_SEQUENCE ? item->next : NULL;
    }
    *n = count;
    return BFN_OK;
}

bfn_status bfn__yaml_get_u64(bfn__yaml *tree, const char *path, uint64_t low, uint64_t high, uint64_t *out)
{
    bfn__yaml_node *node;
    uint64_t value;
    char allowed[ALLOWED_MAX];
    bfn_status status = get(tree, path, &node);
    if (status != BFN_OK || node == NULL)
        return status;
    if (plain(node) && bfn__parse_u64(node->value, &value) && value >= low && value <= high) {
        *out = value;
        return BFN_OK;
    }
    (void)snprintf(allowed, sizeof allowed, "a whole number from %llu to %llu", (unsigned long long)low,
                   (unsigned long long)high);
    return fail_node(tree, node, path, allowed);
}

bfn_status bfn__yaml_get_size(bfn__yaml *tree, const char *path, size_t low, size_t high, size_t *out)
{
    uint64_t value = *out;
    bfn_status status = bfn__yaml_get_u64(tree, path, low, high, &value);
    if (status == BFN_OK)
        *out = (size_t)value;
    return status;
}

bfn_status bfn__yaml_get_bool(bfn__yaml *tree, const char *path, bool *out)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};
    bfn__yaml_node *node;
    bfn_status status = get(tree, path, &node);
    if (status != BFN_OK || node == NULL)
        return status;
    for (size_t i = 0; plain(node) && i < 6; i++)
        if (strcmp(node->value, words[i]) == 0) {
            *out = i % 2 == 1;
            return BFN_OK;
        }
    return fail_node(tree, node, path, "true or false");
}

bfn_status bfn__yaml_get_string(bfn__yaml *tree, const char *path, const char **out)
{
    bfn__yaml_node *node;
    bfn_status status = get(tree, path, &node);
    if (status != BFN_OK || node == NULL)
        return status;
    if (node->kind != BFN__YAML_SCALAR)
        return fail_node(tree, node, path, "text");
    *out = node->value;
    return BFN_OK;
}

static const char *listed_name(const void *user, size_t i)
{
    const char *const *names = user;
    return names[i];
}

bfn_status bfn__yaml_get_choice(bfn__yaml *tree, const char *path, const char *const *names, int *out)
{
    bfn__yaml_node *node;
    bfn_status status = get(tree, path, &node);
    if (status != BFN_OK || node == NULL)
        return status;
    char allowed[ALLOWED_MAX] = "";
    size_t n = 0, used = 0;
    for (; names[n] != NULL; n++) {
        if (node->kind == BFN__YAML_SCALAR && strcmp(node->value, names[n]) == 0) {
            *out = (int)n;
            return BFN_OK;
        }
        if (used < sizeof allowed)
            used += (size_t)snprintf(allowed + used, sizeof allowed - used, "%s%s", n > 0 ? ", " : "", names[n]);
    }
    size_t near = node->kind == BFN__YAML_SCALAR ? bfn__nearest(node->value, n, listed_name, names) : n;
    if (near < n && used < sizeof allowed)
        (void)snprintf(allowed + used, sizeof allowed - used, " (did you mean \"%s\"?)", names[near]);
    return fail_node(tree, node, path, allowed);
}

/* ---- keys that nobody asked for ---- */

static bool is_above(const char *path, const char *below)
{
    size_t n = strlen(path);
    return strncmp(path, below, n) == 0 && below[n] == '.';
}

/* Lists of paths to look through: the asked ones, then the offered ones. */
typedef struct candidates {
    const char **paths;
    size_t n;
} candidates;

static bool is_known(const bfn__yaml *tree, const char *const *offered, const char *path, bool is_mapping)
{
    for (const bfn__yaml_asked *a = tree->asked; a != NULL; a = a->next)
        if (strcmp(path, a->path) == 0 || (a->subtree && (a->path[0] == '\0' || is_above(a->path, path))) ||
            (is_mapping && is_above(path, a->path)))
            return true;
    for (size_t i = 0; is_mapping && offered != NULL && offered[i] != NULL; i++)
        if (is_above(path, offered[i]))
            return true;
    return false;
}

static const char *last_part(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot != NULL ? dot + 1 : path;
}

/* A known path with the same last part (the key stands in the wrong mapping), or the one nearest in spelling. */
static const char *suggestion(const candidates *c, const char *path)
{
    for (size_t i = 0; i < c->n; i++)
        if (strcmp(last_part(c->paths[i]), last_part(path)) == 0)
            return c->paths[i];
    size_t near = bfn__nearest(path, c->n, listed_name, c->paths);
    return near < c->n ? c->paths[near] : NULL;
}

/* A path, and the mapping that it lies in. */
static bfn_status add_candidate(bfn__yaml *tree, candidates *c, const char *path)
{
    const char *dot = strrchr(path, '.');
    if (path[0] != '\0')
        c->paths[c->n++] = path;
    if (dot == NULL)
        return BFN_OK;
    c->paths[c->n] = bfn__yaml_text(tree, path, (size_t)(dot - path));
    return c->paths[c->n++] != NULL ? BFN_OK : BFN_ERR_MEMORY;
}

static bfn_status collect(bfn__yaml *tree, const char *const *offered, candidates *c)
{
    size_t n = 0;
    for (const bfn__yaml_asked *a = tree->asked; a != NULL; a = a->next)
        n++;
    for (size_t i = 0; offered != NULL && offered[i] != NULL; i++)
        n++;
    c->paths = bfn__yaml_take(tree, (2 * n + 1) * sizeof *c->paths);
    bfn_status status = c->paths != NULL ? BFN_OK : BFN_ERR_MEMORY;
    for (const bfn__yaml_asked *a = tree->asked; a != NULL && status == BFN_OK; a = a->next)
        status = add_candidate(tree, c, a->path);
    for (size_t i = 0; offered != NULL && offered[i] != NULL && status == BFN_OK; i++)
        status = add_candidate(tree, c, offered[i]);
    return status;
}

static bfn_status refuse(bfn__yaml *tree, const char *const *offered, const bfn__yaml_node *node, const char *path)
{
    candidates c = {0};
    if (collect(tree, offered, &c) != BFN_OK)
        return BFN_ERR_MEMORY;
    const char *near = suggestion(&c, path);
    char where[32] = "";
    if (node->line > 0)
        (void)snprintf(where, sizeof where, "line %zu: ", node->line);
    return bfn__fail(tree->ctx, BFN_ERR_ARGUMENT, "%s: %sunknown key \"%s\"%s%s%s", tree->label, where, path,
                     near != NULL ? " (did you mean \"" : "", near != NULL ? near : "", near != NULL ? "\"?)" : "");
}

/* Depth is bounded by BFN__LIMIT_YAML_DEPTH. */
static bfn_status check_children(bfn__yaml *tree, const char *const *offered, const bfn__yaml_node *parent,
                                 const char *above)
{
    for (const bfn__yaml_node *node = parent->first; node != NULL; node = node->next) {
        char path[PATH_MAX_BYTES];
        int n = snprintf(path, sizeof path, "%s%s%s", above, above[0] != '\0' ? "." : "", node->key);
        bool mapping = node->kind == BFN__YAML_MAPPING || (node->kind == BFN__YAML_SCALAR && node->value[0] == '\0');
        if (n >= PATH_MAX_BYTES || !is_known(tree, offered, path, mapping))
            return refuse(tree, offered, node, path);
        if (node->kind != BFN__YAML_MAPPING)
            continue;
        bfn_status status = check_children(tree, offered, node, path);
        if (status != BFN_OK)
            return status;
    }
    return BFN_OK;
}

bfn_status bfn__yaml_check_unknown(bfn__yaml *tree, const char *const *offered)
{
    if (tree->failed)
        return bfn__fail(tree->ctx, BFN_ERR_MEMORY, "%s: out of memory", tree->label);
    return check_children(tree, offered, tree->root, "");
}
