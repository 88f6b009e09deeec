/* test_yaml.c: configuration files: reading, typed values, overrides, unknown keys, writing; locale, caps, memory. */
#include "helper_fixture.h"
#include "io/limits.h"
#include "io/yaml.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void assert_refused(bfn_status status, const char *words)
{
    assert_says(status, BFN_ERR_ARGUMENT, words);
}

static bfn__yaml *parse(const char *text)
{
    bfn__yaml *tree;
    size_t n = strlen(text);
    char *copy = exact_copy(text, n);
    if (bfn__yaml_parse(ctx, &tree, copy, n, "c.yaml") != BFN_OK)
        fail_msg("%s: %s", text, bfn_errmsg(ctx));
    free(copy);
    return tree;
}

static void refuse(const char *text, size_t n, const char *words)
{
    bfn__yaml *tree = (bfn__yaml *)1;
    char *copy = exact_copy(text, n);
    bfn_status status = bfn__yaml_parse(ctx, &tree, copy, n, "c.yaml");
    free(copy);
    assert_refused(status, words);
    assert_null(tree);
}

static const char example[] = "# a comment\n"
                              "model:\n"
                              "  network: gpt   # the transformer\n"
                              "  layers: 12\n"
                              "  bias: true\n"
                              "  grid: [0.5, 1e-3, -2]\n"
                              "train:\n"
                              "  lr: 1e-3\n"
                              "  seed: 18446744073709551615\n"
                              "  note: \"two\\nlines, \\\"quoted\\\"\"\n"
                              "  block: |\n"
                              "    kept\n"
                              "  number_as_text: '10'\n"
                              "  nothing:\n"
                              "empty: {}\n";

static void test_values(void **state)
{
    (void)state;
    bfn__yaml *t = parse(example);
    double number = 0.0, grid[4];
    size_t size = 0, n = 0;
    uint64_t seed = 0;
    bool bias = false;
    const char *text = NULL;
    int choice = -1;
    static const char *const networks[] = {"unet", "gpt", NULL};
    assert_int_equal(bfn__yaml_get_number(t, "train.lr", 0.0, 1.0, &number), BFN_OK);
    assert_true(number == 1e-3);
    assert_int_equal(bfn__yaml_get_number(t, "model.layers", 0.0, 12.0, &number), BFN_OK);
    assert_true(number == 12.0);
    assert_int_equal(bfn__yaml_get_size(t, "model.layers", 12, 12, &size), BFN_OK);
    assert_int_equal(size, 12);
    assert_int_equal(bfn__yaml_get_u64(t, "train.seed", 0, UINT64_MAX, &seed), BFN_OK);
    assert_true(seed == UINT64_MAX);
    assert_int_equal(bfn__yaml_get_bool(t, "model.bias", &bias), BFN_OK);
    assert_true(bias);
    assert_int_equal(bfn__yaml_get_choice(t, "model.network", networks, &choice), BFN_OK);
    assert_int_equal(choice, 1);
    assert_int_equal(bfn__yaml_get_numbers(t, "model.grid", -9.0, 9.0, 4, grid, &n), BFN_OK);
    assert_int_equal(n, 3);
    assert_true(grid[0] == 0.5 && grid[1] == 1e-3 && grid[2] == -2.0);
    assert_int_equal(bfn__yaml_get_numbers(t, "train.lr", 0.0, 1.0, 4, grid, &n), BFN_OK);
    assert_true(n == 1 && grid[0] == 1e-3);
    assert_int_equal(bfn__yaml_get_string(t, "train.note", &text), BFN_OK);
    assert_string_equal(text, "two\nlines, \"quoted\"");
    assert_int_equal(bfn__yaml_get_string(t, "train.block", &text), BFN_OK);
    assert_string_equal(text, "kept\n");
    assert_int_equal(bfn__yaml_get_string(t, "train.number_as_text", &text), BFN_OK);
    assert_string_equal(text, "10");
    /* Missing keys leave the default; so does a key below an empty value. */
    number = 7.0;
    assert_int_equal(bfn__yaml_get_number(t, "train.decay", 0.0, 1.0, &number), BFN_OK);
    assert_int_equal(bfn__yaml_get_number(t, "train.nothing.x", 0.0, 1.0, &number), BFN_OK);
    assert_int_equal(bfn__yaml_get_number(t, "other.lr", 0.0, 1.0, &number), BFN_OK);
    assert_true(number == 7.0);
    assert_int_equal(bfn__yaml_find(t, "model.layers")->line, 4);
    assert_int_equal(bfn__yaml_find(t, "train")->line, 7);
    assert_null(bfn__yaml_find(t, "train.l"));
    assert_ptr_equal(bfn__yaml_find(t, ""), bfn__yaml_root(t));
    bfn__yaml_destroy(t);
    bfn__yaml_destroy(NULL);
}

static void test_booleans(void **state)
{
    (void)state;
    bfn__yaml *t = parse("a: true\nb: false\nc: yes\nd: no\ne: on\nf: off\ng: 'true'\nh: 1\ni: True\n");
    static const char *const keys[] = {"a", "b", "c", "d", "e", "f"};
    for (size_t i = 0; i < 6; i++) {
        bool value = i % 2 == 1;
        assert_int_equal(bfn__yaml_get_bool(t, keys[i], &value), BFN_OK);
        assert_int_equal(value, i % 2 == 0);
    }
    bool value;
    assert_refused(bfn__yaml_get_bool(t, "g", &value),
                   "c.yaml: line 7: g is \"true\" (a string), allowed: true or false");
    assert_refused(bfn__yaml_get_bool(t, "h", &value), "h is \"1\"");
    assert_refused(bfn__yaml_get_bool(t, "i", &value), "i is \"True\"");
    bfn__yaml_destroy(t);
}

/* ---- numbers ---- */

static const char *const good_numbers[] = {"0",    "-0",      "+1.5",  ".5",     "5.",  "1e3",
                                           "1E-3", "1.5e+10", "007.5", "1e-320", "0.1", "123456789012345678"};
static const char *const bad_numbers[] = {"",
                                          "x",
                                          "10x",
                                          "1 2",
                                          "1_000",
                                          "1,5",
                                          "0x10",
                                          "inf",
                                          "nan",
                                          ".nan",
                                          "1e",
                                          "e5",
                                          "1e+",
                                          ".",
                                          "-",
                                          "+-1",
                                          "--1",
                                          "1e400",
                                          "-1e400",
                                          "\xe2\x88\x92"
                                          "3",
                                          "\xef\xbc\x91",
                                          "1.2.3",
                                          " 1",
                                          "1 ",
                                          "1e3.0",
                                          "1d3",
                                          "1f",
                                          "Infinity"};

static void check_numbers(void)
{
    double value;
    for (size_t i = 0; i < sizeof good_numbers / sizeof good_numbers[0]; i++)
        if (!bfn__parse_number(good_numbers[i], &value))
            fail_msg("\"%s\" was refused", good_numbers[i]);
    for (size_t i = 0; i < sizeof bad_numbers / sizeof bad_numbers[0]; i++)
        if (bfn__parse_number(bad_numbers[i], &value))
            fail_msg("\"%s\" was read as %g", bad_numbers[i], value);
    assert_true(bfn__parse_number("-1.25e2", &value) && value == -125.0);
    assert_true(bfn__parse_number("0.1", &value) && value == 0.1);
    assert_true(bfn__parse_number("1.7976931348623157e308", &value) && value == DBL_MAX);
    static const double values[] = {0.0,  1.0,        0.1,     1e-3,    1.0 / 3.0, 1e22,
                                    1e23, 123456.789, DBL_MAX, DBL_MIN, 5e-324,    -2.5};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char text[BFN__NUMBER_TEXT_MAX];
        bfn__format_number(values[i], text);
        assert_null(strchr(text, ','));
        assert_true(bfn__parse_number(text, &value) && value == values[i]);
    }
    char text[BFN__NUMBER_TEXT_MAX];
    bfn__format_number(0.1, text);
    assert_string_equal(text, "0.1");
    bfn__format_number(1e-3, text);
    assert_string_equal(text, "0.001");
}

static void test_numbers(void **state)
{
    (void)state;
    check_numbers();
    assert_ptr_equal(uselocale((locale_t)0), LC_GLOBAL_LOCALE); /* the thread's locale is as it was */
    uint64_t value;
    assert_true(bfn__parse_u64("18446744073709551615", &value) && value == UINT64_MAX);
    assert_true(bfn__parse_u64("0", &value) && value == 0);
    static const char *const bad[] = {"",   "-1", "+1", "1.0", "1e3", "18446744073709551616", "99999999999999999999999",
                                      " 1", "1 ", "x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(bfn__parse_u64(bad[i], &value));
}

/* A locale with a decimal comma, installed or made for the occasion. */
static bool use_comma_locale(void)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8",  "fr_FR.UTF-8",
                                        "nl_NL.UTF-8", "es_ES.UTF-8", "de_DE"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (setlocale(LC_ALL, names[i]) != NULL && strcmp(localeconv()->decimal_point, ",") == 0)
            return true;
    char command[600];
    (void)snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 ./%s >/dev/null 2>&1", scratch("de_DE.UTF-8"));
    if (system(command) != 0)
        return false;
    (void)snprintf(command, sizeof command, "%s", scratch(""));
    assert_int_equal(setenv("LOCPATH", command, 1), 0);
    return setlocale(LC_ALL, "de_DE.UTF-8") != NULL && strcmp(localeconv()->decimal_point, ",") == 0;
}

static void test_locale(void **state)
{
    (void)state;
    char command[600];
    scratch_make();
    bool usable = use_comma_locale();
    if (usable) {
        bfn__yaml *t = parse(example);
        double value;
        char *text;
        check_numbers();
        assert_int_equal(bfn__yaml_put_number(t, "train.lr", 0.25), BFN_OK);
        assert_int_equal(bfn__yaml_emit(t, &text), BFN_OK);
        assert_non_null(strstr(text, "lr: 0.25\n"));
        assert_refused(bfn__yaml_get_number(t, "train.lr", 0.5, 1.5, &value), "a number from 0.5 to 1.5");
        assert_string_equal(localeconv()->decimal_point, ","); /* the caller's locale is as it was */
        bfn__free(ctx, text);
        bfn__yaml_destroy(t);
    }
    (void)setlocale(LC_ALL, "C");
    (void)snprintf(command, sizeof command, "rm -r ./%s", scratch(""));
    assert_int_equal(system(command), 0);
    if (!usable) {
        print_message("no locale with a decimal comma here\n");
        skip();
    }
}

static void test_wrong_values(void **state)
{
    (void)state;
    bfn__yaml *t =
        parse("a: 10x\nb: -1\nc: [1, 2]\nd: {x: 1}\ne:\nf: '3'\ng: gtp\nh: nan\ni: 1e3\nj: [1, x]\nk: \xe2\x88\x92"
              "3\nl: ''\n");
    double value, list[2];
    size_t size, n;
    const char *text;
    int choice;
    static const char *const names[] = {"gpt", "unet_vdm", NULL};
    assert_refused(bfn__yaml_get_number(t, "a", 0.0, 1.0, &value),
                   "c.yaml: line 1: a is \"10x\", allowed: a number from 0 to 1");
    assert_refused(bfn__yaml_get_number(t, "b", 0.0, DBL_MAX, &value),
                   "line 2: b is \"-1\", allowed: a number of at least 0");
    assert_refused(bfn__yaml_get_number(t, "c", 0.0, 1.0, &value), "line 3: c is a list");
    assert_refused(bfn__yaml_get_number(t, "d", 0.0, 1.0, &value), "line 4: d is a mapping");
    assert_refused(bfn__yaml_get_number(t, "e", 0.0, 1.0, &value), "line 5: e is empty");
    assert_refused(bfn__yaml_get_number(t, "f", 0.0, 9.0, &value), "line 6: f is \"3\" (a string)");
    assert_refused(bfn__yaml_get_number(t, "h", -DBL_MAX, DBL_MAX, &value), "h is \"nan\", allowed: a number");
    assert_refused(bfn__yaml_get_number(t, "k", -9.0, 9.0, &value), "k is \"\xe2\x88\x92"
                                                                    "3\"");
    assert_refused(bfn__yaml_get_size(t, "b", 0, 9, &size), "b is \"-1\", allowed: a whole number from 0 to 9");
    assert_refused(bfn__yaml_get_size(t, "i", 0, 9999, &size), "i is \"1e3\", allowed: a whole number");
    assert_refused(bfn__yaml_get_numbers(t, "c", 0.0, 9.0, 1, list, &n), "c has more than 1 numbers");
    assert_refused(bfn__yaml_get_numbers(t, "c", 0.0, 1.5, 2, list, &n), "c is \"2\", allowed: a number from 0 to 1.5");
    assert_refused(bfn__yaml_get_numbers(t, "j", 0.0, 9.0, 2, list, &n), "j is \"x\"");
    assert_refused(bfn__yaml_get_numbers(t, "d", 0.0, 9.0, 2, list, &n), "d is a mapping");
    assert_refused(bfn__yaml_get_string(t, "c", &text), "c is a list, allowed: text");
    assert_refused(bfn__yaml_get_choice(t, "g", names, &choice),
                   "g is \"gtp\", allowed: gpt, unet_vdm (did you mean \"gpt\"?)");
    assert_refused(bfn__yaml_get_number(t, "a.b", 0.0, 1.0, &value), "a is \"10x\", allowed: a mapping");
    assert_refused(bfn__yaml_get_number(t, "c.b", 0.0, 1.0, &value), "c is a list, allowed: a mapping");
    assert_refused(bfn__yaml_get_number(t, "l.b", 0.0, 1.0, &value), "l is empty, allowed: a mapping");
    assert_refused(bfn__yaml_fail(t, "a", "at least %d", 3), "c.yaml: line 1: a is \"10x\", allowed: at least 3");
    assert_refused(bfn__yaml_fail(t, "none", "something"), "none is missing, allowed: something");
    bfn__yaml_destroy(t);
}

/* ---- refused documents ---- */

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } bad[] = {
        {"a: 1\nb: 2\na: 3", "line 3: key \"a\" occurs twice, first in line 1"},
        {"m:\n  a: 1\n  'a': 2", "line 3: key \"a\" occurs twice"},
        {"a: &x 1", "line 1: an anchor or alias"},
        {"a: 1\nb: *x", "line 2"},
        {"a: &x [1]\nb: [*x, *x]", "line 1: an anchor or alias"},
        {"&x a: 1", "an anchor or alias"},
        {"a: &x {b: 1}", "an anchor or alias"},
        {"a: !!int 1", "line 1: a tag"},
        {"a: !python/object:os.system x", "a tag"},
        {"a: !x [1]", "a tag"},
        {"!x {a: 1}", "a tag"},
        {"a: 1\n---\nb: 2", "line 2: a second document"},
        {"--- a\n--- b", "not a mapping"},
        {"- 1\n- 2", "line 1: not a mapping"},
        {"text", "not a mapping"},
        {"'': 1", "an empty key"},
        {": 1", "line 1"},
        {"? [a]\n: 1", "a key that is a list"},
        {"{[1]: 2}", "a key that is a list"},
        {"a: [1", "not valid YAML"},
        {"a: {b", "not valid YAML"},
        {"a: 'x", "not valid YAML"},
        {"a: b: c", "not valid YAML"},
        {"\ta: 1", "not valid YAML"},
        {"a: 1\n b: 2", "not valid YAML"},
        {"a: @x", "not valid YAML"},
        {"a: \"\\0\"", "a control character"},
        {"a: \"\\x1b[2J\"", "a control character"},
        {"\"a\\n\": 1", "a control character"},
        {"a: \xff", "byte 3"},
        {"a: \xc0\xaf", "byte 3"},
        {"a: \x01", "byte 3"},
        {"a: \xed\xa0\x80", "byte 3"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refuse(bad[i].text, strlen(bad[i].text), bad[i].words);
    refuse("a\0b: 1", 6, "byte 1");
    static const char utf16[] = "\xff\xfe"
                                "a\0:\0";
    refuse(utf16, sizeof utf16 - 1, "byte 0");
}

static void test_empty_documents(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "\n\n", "# nothing\n", "---\n", "\xef\xbb\xbf", "{}", "---\n...\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        bfn__yaml *t = parse(texts[i]);
        assert_null(bfn__yaml_root(t)->first);
        bfn__yaml_destroy(t);
    }
    bfn__yaml *t = parse("\xef\xbb\xbf"
                         "a: 1\r\nb: 2\r\n");
    assert_string_equal(bfn__yaml_find(t, "b")->value, "2");
    bfn__yaml_destroy(t);
}

static char *repeat(const char *head, const char *part, size_t n)
{
    size_t n_head = strlen(head), n_part = strlen(part);
    char *text = malloc(n_head + n * n_part + 1);
    memcpy(text, head, n_head);
    for (size_t i = 0; i < n; i++)
        memcpy(text + n_head + i * n_part, part, n_part);
    text[n_head + n * n_part] = '\0';
    return text;
}

static void test_caps(void **state)
{
    (void)state;
    static const struct {
        const char *head, *part;
        size_t n;
        const char *words;
    } cases[] = {
        {"a: ", "[", 100000, "nested deeper than 16"}, {"a: ", "{b: ", 100000, "nested deeper than 16"},
        {"a: [", "1,", 20000, "more than 10000"},      {"a: [", "[],", 20000, "more than 10000"},
        {"a: '", "x", 1 << 21, "at most 1048576"},     {"a: 1\n? ", "x", 81, "line 2: a key of 81 bytes, at most 80"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = repeat(cases[i].head, cases[i].part, cases[i].n);
        clock_t begin = clock();
        refuse(text, strlen(text), cases[i].words);
        assert_true((double)(clock() - begin) / CLOCKS_PER_SEC < 2.0);
        free(text);
    }
    char *text = repeat("a: ", "[", 16);
    refuse(text, strlen(text), "nested deeper");
    free(text);
    text = repeat("a: ", "[", 15);
    refuse(text, strlen(text), "not valid YAML");
    free(text);
}

static void test_truncated_everywhere(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof example; n++) {
        bfn__yaml *tree;
        char *copy = exact_copy(example, n);
        bfn_status status = bfn__yaml_parse(ctx, &tree, copy, n, "c.yaml");
        free(copy);
        assert_true(status == BFN_OK || (status == BFN_ERR_ARGUMENT && bfn_errmsg(ctx)[0] != '\0'));
        bfn__yaml_destroy(tree);
    }
}

static char *emit(bfn__yaml *t)
{
    char *text;
    if (bfn__yaml_emit(t, &text) != BFN_OK)
        fail_msg("%s", bfn_errmsg(ctx));
    return text;
}

/* Whatever is accepted can be written, and reading that back gives the same text again. */
static void test_corrupted_everywhere(void **state)
{
    (void)state;
    static const char bytes[] = "\x00\n #:-[]{}\"'&*!|>%@`,?x1\xff\xc3\t\\";
    size_t accepted = 0, refused = 0;
    for (size_t i = 0; i < sizeof example - 1; i++)
        for (size_t k = 0; k < sizeof bytes - 1; k++) {
            bfn__yaml *tree;
            char copy[sizeof example];
            memcpy(copy, example, sizeof example);
            copy[i] = bytes[k];
            bfn_status status = bfn__yaml_parse(ctx, &tree, copy, sizeof example - 1, "c.yaml");
            assert_true(status == BFN_OK || status == BFN_ERR_ARGUMENT);
            accepted += status == BFN_OK;
            refused += status != BFN_OK;
            if (status != BFN_OK)
                continue;
            char *once = emit(tree);
            bfn__yaml *again = parse(once);
            char *twice = emit(again);
            assert_string_equal(once, twice);
            bfn__free(ctx, once);
            bfn__free(ctx, twice);
            bfn__yaml_destroy(tree);
            bfn__yaml_destroy(again);
        }
    assert_true(accepted > 1000 && refused > 1000);
}

/* ---- unknown keys ---- */

static void test_unknown_keys(void **state)
{
    (void)state;
    double value = 0.0;
    static const char *const offered[] = {"train.warmup", "data.alphabet", NULL};
    static const struct {
        const char *text, *words;
    } bad[] = {
        {"train:\n  lr: 1\n  lrr: 2", "c.yaml: line 3: unknown key \"train.lrr\" (did you mean \"train.lr\"?)"},
        {"train:\n  warmpu: 2", "line 2: unknown key \"train.warmpu\" (did you mean \"train.warmup\"?)"},
        {"lr: 1", "line 1: unknown key \"lr\" (did you mean \"train.lr\"?)"},
        {"data:\n  alphabett: x", "did you mean \"data.alphabet\""},
        {"trian:\n  lr: 1", "line 1: unknown key \"trian\" (did you mean \"train\"?)"},
        {"completely_else: 1", "line 1: unknown key \"completely_else\""},
        {"train:\n  lr: 1\n\"b\xc3\xa4h\": 1", "unknown key \"b\xc3\xa4h\""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bfn__yaml *t = parse(bad[i].text);
        assert_int_equal(bfn__yaml_get_number(t, "train.lr", 0.0, 9.0, &value), BFN_OK);
        assert_refused(bfn__yaml_check_unknown(t, offered), bad[i].words);
        bfn__yaml_destroy(t);
    }
    bfn__yaml *t = parse("train:\n  lr: 1\nfree:\n  x: {y: 1}\ndata:\nlist: [1]");
    assert_int_equal(bfn__yaml_get_number(t, "train.lr", 0.0, 9.0, &value), BFN_OK);
    assert_refused(bfn__yaml_check_unknown(t, NULL), "unknown key \"free\"");
    bfn__yaml_allow(t, "free", true);
    assert_refused(bfn__yaml_check_unknown(t, NULL), "unknown key \"data\"");
    bfn__yaml_allow(t, "data.alphabet", false); /* an empty value above a known key is an empty mapping */
    assert_refused(bfn__yaml_check_unknown(t, NULL), "unknown key \"list\"");
    bfn__yaml_allow(t, "list", false);
    assert_int_equal(bfn__yaml_check_unknown(t, NULL), BFN_OK);
    bfn__yaml_destroy(t);
    t = parse("free: {x: 1}");
    bfn__yaml_allow(t, "free", false); /* itself, but nothing below */
    assert_refused(bfn__yaml_check_unknown(t, NULL), "unknown key \"free.x\"");
    bfn__yaml_destroy(t);
}

/* ---- overrides and writing ---- */

static void test_set(void **state)
{
    (void)state;
    bfn__yaml *t = parse(example);
    double value = 0.0, list[3];
    size_t n;
    const char *text;
    assert_int_equal(bfn__yaml_set(t, "train.lr=2e-4"), BFN_OK);
    assert_int_equal(bfn__yaml_get_number(t, "train.lr", 0.0, 1.0, &value), BFN_OK);
    assert_true(value == 2e-4);
    assert_int_equal(bfn__yaml_set(t, "new.deep.key=a=b: c"), BFN_OK);
    assert_int_equal(bfn__yaml_get_string(t, "new.deep.key", &text), BFN_OK);
    assert_string_equal(text, "a=b: c");
    assert_int_equal(bfn__yaml_set(t, "model.grid=[1, 2.5 ,3]"), BFN_OK);
    assert_int_equal(bfn__yaml_get_numbers(t, "model.grid", 0.0, 9.0, 3, list, &n), BFN_OK);
    assert_true(n == 3 && list[1] == 2.5);
    assert_int_equal(bfn__yaml_set(t, "model.grid=4"), BFN_OK);
    assert_int_equal(bfn__yaml_get_numbers(t, "model.grid", 0.0, 9.0, 3, list, &n), BFN_OK);
    assert_true(n == 1 && list[0] == 4.0);
    assert_int_equal(bfn__yaml_set(t, "model.grid=[]"), BFN_OK);
    assert_int_equal(bfn__yaml_get_numbers(t, "model.grid", 0.0, 9.0, 3, list, &n), BFN_OK);
    assert_int_equal(n, 0);
    assert_int_equal(bfn__yaml_set(t, "train.nothing.x=5"), BFN_OK);
    assert_int_equal(bfn__yaml_set(t, "train.lr="), BFN_OK);
    assert_refused(bfn__yaml_get_number(t, "train.lr", 0.0, 1.0, &value), "c.yaml: train.lr is empty");
    assert_int_equal(bfn__yaml_set(t, "train.lr=10x"), BFN_OK);
    assert_refused(bfn__yaml_get_number(t, "train.lr", 0.0, 1.0, &value), "c.yaml: train.lr is \"10x\"");
    static const struct {
        const char *assignment, *words;
    } bad[] = {{"train.lr", "no '='"},
               {"=1", "not a key"},
               {"a..b=1", "not a key"},
               {".a=1", "not a key"},
               {"a.=1", "not a key"},
               {"", "no '='"},
               {"train=1", "is a mapping"},
               {"model.layers.x=1", "not a mapping"},
               {"a=\xff", "not text"},
               {"a=\x1b", "not text"},
               {"a=[1,,2]", "empty"},
               {"\xff=1", "not a key"},
               {"a\xc2\x85=1", "not a key"},
               {"a\nb=1", "not a key"},
               {"a234567890123456789012345678901234567890123456789012345678901234567890123456789012=1", "not a key"},
               {"z.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a=1", "too deep"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_refused(bfn__yaml_set(t, bad[i].assignment), bad[i].words);
    bfn__yaml_destroy(t);
}

static const char *const awkward[] = {"",
                                      "plain",
                                      "two words",
                                      " lead",
                                      "trail ",
                                      "a: b",
                                      "a #b",
                                      "#x",
                                      "- x",
                                      "-",
                                      "---",
                                      "...",
                                      "... x",
                                      "...x",
                                      "-5",
                                      "- ",
                                      "[1]",
                                      "{a}",
                                      "'q'",
                                      "\"q\"",
                                      "back\\s",
                                      "tab\t",
                                      "a\nb",
                                      "\n",
                                      "&x",
                                      "*x",
                                      "!x",
                                      "%x",
                                      "@x",
                                      "`x",
                                      "|",
                                      ">",
                                      "?",
                                      ":",
                                      "a,b",
                                      "no",
                                      "null",
                                      "~",
                                      "1e3",
                                      "0x10",
                                      "=",
                                      "<<",
                                      "\xc3\xa4",
                                      "\xe2\x82\xac",
                                      "\xf0\x9f\x98\x80",
                                      "\xe2\x80\xa8",
                                      "\xef\xbb\xbf",
                                      "\xef\xbf\xbe",
                                      "\r",
                                      "\x0b\x0c",
                                      " abcdefghijklmnopqrstuvwxyz",
                                      "a  b",
                                      "a \xe2\x80\xa8 b",
                                      "\xc2\xa0"};

static void test_round_trip(void **state)
{
    (void)state;
    enum { N = sizeof awkward / sizeof awkward[0] };
    bfn__yaml *t;
    char long_key[BFN__LIMIT_YAML_KEY_BYTES + 1] = "";
    for (size_t i = 0; i + 3 < sizeof long_key; i += 3)
        memcpy(long_key + i, "\xe2\x80\xa8", 3); /* U+2028, which is escaped to 10 bytes */
    assert_int_equal(bfn__yaml_create(ctx, &t, "made"), BFN_OK);
    for (size_t i = 0; i < N; i++) {
        char path[64], assignment[128];
        (void)snprintf(path, sizeof path, "text.k%zu", i);
        assert_int_equal(bfn__yaml_put_string(t, path, awkward[i]), BFN_OK);
        if (awkward[i][0] == '[')
            continue;
        (void)snprintf(assignment, sizeof assignment, "set.k%zu=%s", i, awkward[i]);
        assert_int_equal(bfn__yaml_set(t, assignment), BFN_OK);
    }
    static const double grid[] = {0.1, 1e-300, -7.0};
    assert_int_equal(bfn__yaml_put_number(t, "a.lr", 1.0 / 3.0), BFN_OK);
    assert_int_equal(bfn__yaml_put_u64(t, "a.seed", UINT64_MAX), BFN_OK);
    assert_int_equal(bfn__yaml_put_bool(t, "a.b.c.d", true), BFN_OK);
    assert_int_equal(bfn__yaml_put_numbers(t, "a.grid", grid, 3), BFN_OK);
    assert_int_equal(bfn__yaml_put_string(t, "a.k: #\xc3\xa4 \" key", "x"), BFN_OK);
    assert_int_equal(bfn__yaml_put_string(t, long_key, "x"), BFN_OK);
    char *once = emit(t);
    bfn__yaml *again = parse(once);
    for (size_t i = 0; i < N; i++) {
        char path[64];
        const char *text = NULL;
        (void)snprintf(path, sizeof path, "text.k%zu", i);
        assert_int_equal(bfn__yaml_get_string(again, path, &text), BFN_OK);
        assert_string_equal(text, awkward[i]);
        assert_true(bfn__yaml_find(again, path)->quoted); /* a string for other readers, too */
        (void)snprintf(path, sizeof path, "set.k%zu", i);
        if (awkward[i][0] == '[')
            continue;
        assert_int_equal(bfn__yaml_get_string(again, path, &text), BFN_OK);
        assert_string_equal(text, awkward[i]);
    }
    double number = 0.0, list[3];
    uint64_t seed = 0;
    bool d = false;
    size_t n = 0;
    const char *text = NULL;
    assert_int_equal(bfn__yaml_get_number(again, "a.lr", 0.0, 1.0, &number), BFN_OK);
    assert_true(number == 1.0 / 3.0);
    assert_int_equal(bfn__yaml_get_u64(again, "a.seed", 0, UINT64_MAX, &seed), BFN_OK);
    assert_true(seed == UINT64_MAX);
    assert_int_equal(bfn__yaml_get_bool(again, "a.b.c.d", &d), BFN_OK);
    assert_true(d);
    assert_int_equal(bfn__yaml_get_numbers(again, "a.grid", -9.0, 9.0, 3, list, &n), BFN_OK);
    assert_true(n == 3 && memcmp(list, grid, sizeof grid) == 0);
    assert_int_equal(bfn__yaml_get_string(again, "a.k: #\xc3\xa4 \" key", &text), BFN_OK);
    assert_string_equal(text, "x");
    char *twice = emit(again);
    assert_string_equal(once, twice);
    bfn__free(ctx, once);
    bfn__free(ctx, twice);
    bfn__yaml_destroy(t);
    bfn__yaml_destroy(again);
}

/* At the start of a line these end a document or begin one: a key has to be quoted there (found by fuzzing). */
static void test_keys_at_line_start(void **state)
{
    (void)state;
    bfn__yaml *t = parse("m:\n  x: 1\n? '... lr'\n: 1\n? '...'\n: 2\n? '--- b'\n: 3\n? '---'\n: 4\n? '%YAML'\n: 5\n");
    char *text = emit(t);
    bfn__yaml *again = parse(text);
    char *twice = emit(again);
    assert_string_equal(text, twice);
    assert_string_equal(text, "m:\n  x: 1\n\"... lr\": 1\n\"...\": 2\n\"--- b\": 3\n\"---\": 4\n\"%YAML\": 5\n");
    bfn__free(ctx, text);
    bfn__free(ctx, twice);
    bfn__yaml_destroy(t);
    bfn__yaml_destroy(again);
}

static void test_emitted_text(void **state)
{
    (void)state;
    bfn__yaml *t = parse(example);
    char *text = emit(t);
    assert_string_equal(text, "model:\n"
                              "  network: gpt\n"
                              "  layers: 12\n"
                              "  bias: true\n"
                              "  grid: [0.5, 1e-3, -2]\n"
                              "train:\n"
                              "  lr: 1e-3\n"
                              "  seed: 18446744073709551615\n"
                              "  note: \"two\\nlines, \\\"quoted\\\"\"\n"
                              "  block: \"kept\\n\"\n"
                              "  number_as_text: \"10\"\n"
                              "  nothing:\n"
                              "empty: {}\n");
    bfn__free(ctx, text);
    assert_refused(bfn__yaml_put_number(t, "x", (double)NAN), "not finite");
    assert_refused(bfn__yaml_put_numbers(t, "y", (const double[]){1.0, (double)INFINITY}, 2), "not finite");
    bfn__yaml_destroy(t);
}

/* ---- memory ---- */

static bfn_status work(bfn__yaml *t)
{
    double value = 0.0;
    bfn_status status = bfn__yaml_get_number(t, "train.lr", 0.0, 1.0, &value);
    for (int i = 0; i < 300 && status == BFN_OK; i++) { /* more than one chunk of the arena */
        char assignment[64];
        (void)snprintf(assignment, sizeof assignment, "x.k%d=%d", i, i);
        status = bfn__yaml_set(t, assignment);
    }
    bfn__yaml_allow(t, "x", true);
    for (int i = 0; i < 200; i++)
        bfn__yaml_allow(t, "model", true);
    bfn__yaml_allow(t, "train", true);
    bfn__yaml_allow(t, "empty", true);
    if (status == BFN_OK)
        status = bfn__yaml_check_unknown(t, NULL);
    return status;
}

static bfn_status run_all(bfn_context *context, void *arg)
{
    bfn__yaml *t;
    char *text = NULL;
    bfn_status status = bfn__yaml_parse(context, &t, arg, sizeof example - 1, "c.yaml");
    if (status == BFN_OK)
        status = work(t);
    if (status == BFN_OK)
        status = bfn__yaml_emit(t, &text);
    bfn__free(context, text);
    bfn__yaml_destroy(t);
    return status;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    char *copy = exact_copy(example, sizeof example - 1);
    assert_true(each_allocation(run_all, copy, BFN_OK) >= 10);
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_booleans, setup, teardown),
        cmocka_unit_test_setup_teardown(test_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_locale, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty_documents, setup, teardown),
        cmocka_unit_test_setup_teardown(test_caps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_truncated_everywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_corrupted_everywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_set, setup, teardown),
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys_at_line_start, setup, teardown),
        cmocka_unit_test_setup_teardown(test_emitted_text, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
