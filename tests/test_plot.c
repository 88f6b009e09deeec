/* test_plot.c: SVG plots: well-formed text, round ticks, points where they belong, gaps, long curves, odd data, locale. */
#include "helper_fixture.h"
#include "io/file.h"
#include "io/markup.h"
#include "io/plot.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tags open and close, attributes are quoted, nothing but the five entities, no NaN: what a strict XML reader asks of this subset. */
static void assert_well_formed(const char *svg)
{
    int depth = 0, digits = 0;
    assert_true(strncmp(svg, "<svg xmlns=\"http://www.w3.org/2000/svg\"", 39) == 0 ||
                strncmp(svg, "<svg class=\"plot\" viewBox=\"", 27) == 0);
    assert_null(strstr(svg, "nan"));
    assert_null(strstr(svg, "inf"));
    for (const char *s = svg; *s != '\0'; s++) {
        assert_true((unsigned char)*s >= ' ' || *s == '\n');
        digits = *s >= '0' && *s <= '9' ? digits + 1 : 0;
        assert_true(digits < 16); /* no coordinate that overflowed */
        if (*s == '&')
            assert_true(strncmp(s, "&amp;", 5) == 0 || strncmp(s, "&lt;", 4) == 0 || strncmp(s, "&gt;", 4) == 0 ||
                        strncmp(s, "&quot;", 6) == 0);
        if (*s != '<')
            continue;
        bool quoted = false, closing = s[1] == '/';
        const char *end = s + 1;
        for (; *end != '\0' && (quoted || *end != '>'); end++) {
            assert_true(*end != '<');
            if (*end == '"')
                quoted = !quoted;
        }
        assert_int_equal(*end, '>');
        depth += closing ? -1 : end[-1] == '/' ? 0 : 1;
        assert_true(depth >= 0);
        s = end;
    }
    assert_int_equal(depth, 0);
}

static char *plot_text(const bfn__plot *plot)
{
    char *svg;
    size_t n;
    assert_ok(bfn__plot_svg(ctx, plot, &svg, &n));
    assert_int_equal(strlen(svg), n);
    assert_well_formed(svg);
    return svg;
}

static size_t count(const char *text, const char *word)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++)
        n++;
    return n;
}

static void assert_has(const char *svg, const char *word)
{
    if (strstr(svg, word) == NULL)
        fail_msg("\"%s\" is not in %s", word, svg);
}

static void test_ticks_and_labels(void **state)
{
    (void)state;
    static const double x[] = {0, 500, 1000}, y[] = {2.0, 0.7, 0.13};
    const bfn__curve curves[] = {{.name = "training", .n = 3, .x = x, .y = y},
                                 {.name = "a < b & \"c\"", .n = 2, .x = x, .y = y}};
    bfn__plot plot = {.title = "loss & more", .x_label = "step", .y_label = "bits", .n_curves = 2, .curves = curves};
    char *svg = plot_text(&plot);
    static const char *const words[] = {">loss &amp; more<",
                                        ">step<",
                                        ">bits<",
                                        ">training<",
                                        ">a &lt; b &amp; &quot;c&quot;<",
                                        ">0<",
                                        ">200<",
                                        ">400<",
                                        ">1000<",
                                        ">0.5<",
                                        ">1.5<",
                                        ">2<"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        assert_has(svg, words[i]);
    assert_int_equal(count(svg, "class=\"c\""), 2);
    /* Frame: 70 to 704 by 34 to 374; x from 0 to 1000, y from 0 to 2. */
    assert_has(svg, "d=\"M70.0 34.0L387.0 255.0L704.0 351.9\"");
    bfn__free(ctx, svg);
    plot.log_y = true;
    svg = plot_text(&plot);
    static const char *const log_words[] = {">0.2<", ">0.5<", ">1<", ">2<"};
    for (size_t i = 0; i < 4; i++)
        assert_has(svg, log_words[i]);
    assert_int_equal(count(svg, ">0.7<"), 0);
    bfn__free(ctx, svg);
}

static void test_log_decades(void **state)
{
    (void)state;
    static const double x[] = {0, 1}, y[] = {1e-6, 1e5};
    const bfn__curve curve = {.name = "", .n = 2, .x = x, .y = y};
    bfn__plot plot = {.log_y = true, .n_curves = 1, .curves = &curve};
    char *svg = plot_text(&plot);
    assert_has(svg, ">1e-06<");
    assert_has(svg, ">0.01<");
    assert_has(svg, ">1<");
    assert_has(svg, ">10000<");
    bfn__free(ctx, svg);
}

/* Less than a power of ten: even steps, so that values can be read, wherever it lies. */
static void test_short_log_axis(void **state)
{
    (void)state;
    static const double x[] = {0, 1}, first[] = {3.3, 12.0}, second[] = {3.405, 3.462};
    const bfn__curve curves[] = {{.name = "", .n = 2, .x = x, .y = first}, {.name = "", .n = 2, .x = x, .y = second}};
    bfn__plot plot = {.log_y = true, .n_curves = 1, .curves = curves};
    char *svg = plot_text(&plot);
    static const char *const words[] = {">4<", ">6<", ">8<", ">10<", ">12<"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        assert_has(svg, words[i]);
    bfn__free(ctx, svg);
    plot.curves = curves + 1;
    svg = plot_text(&plot);
    static const char *const fine[] = {">3.41<", ">3.42<", ">3.43<", ">3.44<", ">3.45<", ">3.46<"};
    for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
        assert_has(svg, fine[i]);
    bfn__free(ctx, svg);
}

static void test_gaps(void **state)
{
    (void)state;
    static const double x[] = {0, 1, 2, 3, 4, 5, 6, 7}, y[] = {1, 2, NAN, 3, INFINITY, 4, 5, -1};
    const bfn__curve curve = {.name = NULL, .n = 8, .x = x, .y = y};
    bfn__plot plot = {.n_curves = 1, .curves = &curve};
    char *svg = plot_text(&plot);
    const char *path = strstr(svg, "class=\"c\"");
    assert_non_null(path);
    const char *end = strchr(strstr(path, "d=\""), '>');
    size_t moves = 0, dots = 0;
    for (const char *s = strstr(path, "d=\""); s < end; s++) {
        moves += *s == 'M';
        dots += *s == 'h';
    }
    assert_int_equal(moves, 3);
    assert_int_equal(dots, 1); /* the lone point */
    bfn__free(ctx, svg);
    plot.log_y = true; /* -1 drops out, too */
    svg = plot_text(&plot);
    assert_int_equal(count(strstr(svg, "class=\"c\""), "L"), 2);
    bfn__free(ctx, svg);
}

/* A million points: a small file that still shows the one peak. */
static void test_long_curve(void **state)
{
    (void)state;
    enum { N = 1000000 };
    double *x = malloc(N * sizeof *x), *y = malloc(N * sizeof *y);
    assert_non_null(x);
    assert_non_null(y);
    for (size_t i = 0; i < N; i++) {
        x[i] = (double)i;
        y[i] = i == 654321 ? 10.0 : (double)(i % 7) / 7.0;
    }
    const bfn__curve curve = {.name = "long", .n = N, .x = x, .y = y};
    bfn__plot plot = {.n_curves = 1, .curves = &curve};
    char *svg = plot_text(&plot);
    assert_true(strlen(svg) < 60000);
    assert_has(strstr(svg, "class=\"c\""), " 34.0"); /* the curve reaches the top of the frame, 10 */
    assert_has(svg, ">10<");
    bfn__free(ctx, svg);
    free(x);
    free(y);
}

/* Data that leave no range, or too large a one. */
static void test_odd_data(void **state)
{
    (void)state;
    static const struct {
        double x[3], y[3];
        size_t n;
    } odd[] = {
        {{0}, {0}, 0},
        {{5}, {3}, 1},
        {{0}, {0}, 1},
        {{1, 2}, {7, 7}, 2},
        {{1, 1}, {7, 8}, 2},
        {{0, 1}, {NAN, NAN}, 2},
        {{0, 1}, {-1, -2}, 2},
        {{0, 1, 2}, {DBL_MAX, -DBL_MAX, 1}, 3},
        {{0, 1, 2}, {1e99, -1e99, 1}, 3},
        {{0, 1, 2}, {DBL_MIN, 5e-324, DBL_MIN}, 3},
        {{0, 1, 2}, {0, 5e-324, 0}, 3},
        {{0, DBL_MAX, -DBL_MAX}, {0, 1, 2}, 3},
        {{1e15, 1e15 + 1, 1e15 + 2}, {1, 1 + 1e-15, 1}, 3},
        {{INFINITY, NAN, 1}, {1, 1, 1}, 3},
        {{-5, -4, -3}, {-1e-9, 0, 1e-9}, 3},
    };
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        for (int log_y = 0; log_y < 2; log_y++) {
            const bfn__curve curve = {.name = "x", .n = odd[i].n, .x = odd[i].x, .y = odd[i].y};
            bfn__plot plot = {.n_curves = 1, .curves = &curve, .log_y = log_y != 0, .width = 160, .height = 10000};
            char *svg = plot_text(&plot);
            assert_has(svg, "</svg>\n");
            assert_true(strlen(svg) < 20000);
            bfn__free(ctx, svg);
        }
}

static void test_odd_words(void **state)
{
    (void)state;
    static const double x[] = {0, 1};
    char name[2000];
    memset(name, 'w', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    const bfn__curve curves[] = {{.name = name, .n = 2, .x = x, .y = x},
                                 {.name = "\x1b[2J\x01 \xff \xc3\xb6", .n = 2, .x = x, .y = x}};
    bfn__plot plot = {.n_curves = 2, .curves = curves, .title = "\n"};
    char *svg = plot_text(&plot);
    assert_has(svg, name);
    assert_has(svg, ">?[2J? ? \xc3\xb6<");
    bfn__free(ctx, svg);
}

static void test_refused(void **state)
{
    (void)state;
    static const double x[] = {0, 1};
    const bfn__curve curve = {.name = "x", .n = 2, .x = x, .y = x};
    bfn__plot plot = {.n_curves = 0, .curves = &curve};
    char *svg;
    size_t n;
    assert_says(bfn__plot_svg(ctx, &plot, &svg, &n), BFN_ERR_ARGUMENT, "0 curves, allowed: 1 to 8");
    assert_null(svg);
    plot.n_curves = 9;
    assert_says(bfn__plot_svg(ctx, &plot, &svg, &n), BFN_ERR_ARGUMENT, "9 curves");
    plot.n_curves = 1;
    plot.width = 10001;
    assert_says(bfn__plot_svg(ctx, &plot, &svg, &n), BFN_ERR_ARGUMENT, "10001 x 0 pixels");
    plot.width = 159;
    assert_says(bfn__plot_svg(ctx, &plot, &svg, &n), BFN_ERR_ARGUMENT, "159 x 0 pixels");
    plot.width = 0;
    assert_says(bfn__plot_save(ctx, "/dev/full", &plot), BFN_ERR_WRITE, "No space left");
    assert_ok(bfn__plot_save(ctx, scratch("a.svg"), &plot));
    assert_ok(bfn__plot_save(ctx, scratch("a.svg"), &plot)); /* refreshed */
    assert_int_equal(scratch_count(), 1);
}

static void test_locale(void **state)
{
    (void)state;
    static const double x[] = {0, 0.5, 1}, y[] = {0.25, 0.125, 0.5};
    const bfn__curve curve = {.name = "x", .n = 3, .x = x, .y = y};
    bfn__plot plot = {.n_curves = 1, .curves = &curve};
    char *plain = plot_text(&plot);
    bool comma = setlocale(LC_ALL, "de_DE.UTF-8") != NULL || setlocale(LC_ALL, "de_DE") != NULL;
    char *other = plot_text(&plot);
    (void)setlocale(LC_ALL, "C");
    if (!comma)
        print_message("no locale with a decimal comma is installed\n");
    assert_string_equal(plain, other);
    bfn__free(ctx, plain);
    bfn__free(ctx, other);
}

/* In a page: 380 wide without 46 + 16 of margins, so log10 of 10..1000 with 3 % of room at both ends lies on 318 pixels from 46 on; 300
 * high without 30 + 48, y from 0 to 1. */
static void test_page(void **state)
{
    (void)state;
    static const double x[] = {10, 100, 1000}, y[] = {0.25, 0.5, 0.75}, low[] = {0.0, 0.25, (double)NAN},
                        high[] = {0.5, 1.0, 1.0}, ticks[] = {10, 11, 100, 1000};
    const bfn__curve curve = {
        .name = "a < b", .n = 3, .x = x, .y = y, .low = low, .high = high, .mark = 2, .style = "k0"};
    const bfn__plot_level level = {y[1], "vr", NULL};
    const bfn__plot plot = {.title = "T",
                            .x_label = "evaluations",
                            .y_label = "score",
                            .log_x = true,
                            .x_ticks = ticks,
                            .n_x_ticks = 4,
                            .levels = &level,
                            .n_levels = 1,
                            .page = true,
                            .width = 380,
                            .height = 300,
                            .n_curves = 1,
                            .curves = &curve};
    char *svg = plot_text(&plot);
    const double left = 46 + 318 * 0.03 / 1.06, right = 46 + 318 * 1.03 / 1.06;
    char wanted[128];
    (void)snprintf(wanted, sizeof wanted, "<path class=\"c k0\" d=\"M%.1f 196.5L205.0 141.0L%.1f 85.5\"/>", left,
                   right);
    assert_has(svg, wanted);
    (void)snprintf(wanted, sizeof wanted, "<path class=\"b k0\" d=\"M%.1f 141.0L205.0 30.0L205.0 196.5L%.1f 252.0Z\"/>",
                   left, left);
    assert_has(svg, wanted);
    assert_int_equal(count(svg, "<path class=\"m k0\""), 3);
    assert_null(strstr(svg, "<path class=\"w"));
    assert_has(svg, "<path class=\"v vr\" d=\"M46 141.0H364\"/>");
    assert_has(svg, "<title>a &lt; b at 100: 0.5000 ± 0.5000</title>");
    assert_int_equal(count(svg, "text-anchor=\"middle\""), 4); /* 11 is too near to 10 for a label; the axis has one */
    assert_int_equal(count(svg, "<path class=\"a\""), 5);      /* but all marks are there */
    assert_null(strstr(svg, "<style"));
    assert_null(strstr(svg, "#"));
    assert_has(svg, "role=\"img\" aria-label=\"T\"");
    assert_int_equal(count(svg, ">score</text>"), 1);
    bfn__free(ctx, svg);
}

/* Heights of the labels at the ends of lines, from above; returns how many. */
static size_t label_heights(const char *svg, double heights[16])
{
    size_t n = 0;
    for (const char *at = svg; n < 16 && (at = strstr(at, "<text class=\"e ")) != NULL; at++)
        heights[n++] = strtod(strstr(at, " y=\"") + 4, NULL);
    return n;
}

/* Eight lines that end within a few pixels: labels in the order of the lines, far enough apart, inside the plot. */
static void test_end_labels(void **state)
{
    (void)state;
    enum { N = BFN__PLOT_MAX_CURVES };
    static const double x[] = {1, 2, 3};
    double y[N][3], heights[16];
    char names[N][8];
    bfn__curve curves[N];
    for (int k = 0; k < N; k++) {
        (void)snprintf(names[k], sizeof names[k], "line%d", k);
        for (int i = 0; i < 3; i++)
            y[k][i] = i < 2 ? 0.5 * (double)k : k == 5 ? (double)NAN : 0.01 * (double)k;
        curves[k] = (bfn__curve){.name = "x", .label = names[k], .n = 3, .x = x, .y = y[k], .style = "k0"};
    }
    const bfn__plot_level levels[] = {{1.0, "vr", "real"}, {99.0, "vo", "far"}};
    bfn__plot plot = {
        .page = true, .width = 480, .height = 300, .n_curves = N, .curves = curves, .levels = levels, .n_levels = 2};
    assert_true(bfn__plot_labels_fit(&plot));
    char *svg = plot_text(&plot);
    assert_int_equal(label_heights(svg, heights), N + 2);
    for (size_t i = 1; i < N + 2; i++)
        assert_true(heights[i] - heights[i - 1] > 14.9);
    assert_true(heights[0] >= 30.0 && heights[N + 1] <= 300.0 - 48.0 + 5.0);
    static const char *const order[] = {">↑ far<", ">line5<", ">real<",  ">line7<", ">line6<",
                                        ">line4<", ">line3<", ">line2<", ">line1<", ">line0<"};
    const char *at = svg;
    for (size_t i = 0; i < N + 2; i++) {
        const char *next = strstr(at, order[i]);
        if (next == NULL)
            fail_msg("%s does not follow in %s", order[i], svg);
        at = next;
    }
    assert_int_equal(count(svg, "<path class=\"v "), 1); /* the far level does not press the lines together */
    assert_null(strstr(svg, ">50<"));
    assert_true(count(svg, "<path class=\"r k0\"") >= 6); /* labels that had to move are led to */
    bfn__free(ctx, svg);

    curves[0].label = "a line with a very long name";
    plot.width = 160; /* no room: none at all */
    assert_false(bfn__plot_labels_fit(&plot));
    svg = plot_text(&plot);
    assert_int_equal(label_heights(svg, heights), 0);
    bfn__free(ctx, svg);
    plot.n_levels = 3;
    size_t n;
    assert_says(bfn__plot_svg(ctx, &plot, &svg, &n), BFN_ERR_ARGUMENT, "3 levels, allowed: up to 2");
}

/* A single number of evaluations: its error is a line, from 252 (the lowest, 0) to 30 (1). */
static void test_lone_points(void **state)
{
    (void)state;
    static const double x[] = {20}, y[] = {0.5}, low[] = {0.0}, high[] = {1.0};
    const bfn__curve curve = {.n = 1, .x = x, .y = y, .low = low, .high = high, .mark = 1, .style = "k3"};
    const bfn__plot plot = {.page = true, .log_x = true, .width = 380, .height = 300, .n_curves = 1, .curves = &curve};
    char *svg = plot_text(&plot);
    assert_has(svg, "<path class=\"w k3\" d=\"M205.0 252.0L205.0 30.0\"/>");
    assert_null(strstr(svg, "<path class=\"b"));
    bfn__free(ctx, svg);
}

/* Labels with room stay at the heights of their lines: y = 0 and 1 at the edges of a frame from 30 to 252. */
static void test_end_labels_in_place(void **state)
{
    (void)state;
    static const double x[] = {1, 2}, low[] = {0.5, 0.0}, high[] = {0.5, 1.0};
    const bfn__curve curves[] = {{.label = "low", .n = 2, .x = x, .y = low, .style = "k0"},
                                 {.label = "high", .n = 2, .x = x, .y = high, .style = "k1"}};
    const bfn__plot plot = {.page = true, .width = 380, .height = 300, .n_curves = 2, .curves = curves};
    double heights[16];
    char *svg = plot_text(&plot);
    assert_int_equal(label_heights(svg, heights), 2);
    assert_true(fabs(heights[0] - 34.5) < 0.06 && fabs(heights[1] - 256.5) < 0.06);
    assert_null(strstr(svg, "class=\"r "));
    bfn__free(ctx, svg);
}

static void test_log_x(void **state)
{
    (void)state;
    static const double x[] = {-1, 0, 1, 100}, y[] = {1, 1, 1, 2};
    const bfn__curve curve = {.name = "x", .n = 4, .x = x, .y = y};
    const bfn__plot plot = {.log_x = true, .y_low = -3.0, .y_high = 5.0, .n_curves = 1, .curves = &curve};
    char *svg = plot_text(&plot);
    assert_has(svg, ">100</text>");
    assert_has(svg, ">10</text>");
    assert_has(svg, ">-4</text>"); /* the range that was asked for, in whole steps */
    assert_has(svg, ">6</text>");
    assert_int_equal(count(svg, "<path class=\"c\""), 1);
    bfn__free(ctx, svg);
}

static void test_markup(void **state)
{
    (void)state;
    bfn__markup m = {.ctx = ctx};
    bfn__markup_fixed(&m, -0.05, 1);
    bfn__markup_text(&m, " ");
    bfn__markup_fixed(&m, 1.2345, 3);
    bfn__markup_text(&m, " ");
    bfn__markup_fixed(&m, 12.5, 0);
    bfn__markup_fixed(&m, (double)NAN, 2);
    bfn__markup_fixed(&m, -1e300, 2);
    bfn__markup_fixed(&m, 999999999.0, 9);
    bfn__markup_add(&m, " %d ", 7);
    bfn__markup_escaped(&m, "a&<\"é\x01");
    assert_string_equal(m.data, "-0.1 1.235 13–-∞999999999.000000000 7 a&amp;&lt;&quot;é?");
    assert_int_equal(m.n, strlen(m.data));
    bfn__free(ctx, m.data);
}

static bfn_status run(bfn_context *context, void *arg)
{
    static const double x[] = {0, 1}, y[] = {1, 2};
    const bfn__curve curve = {.name = "x", .n = 2, .x = x, .y = y};
    bfn__plot plot = {.n_curves = 1, .curves = &curve, .title = "t"};
    return bfn__plot_save(context, arg, &plot);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    char path[512];
    (void)snprintf(path, sizeof path, "%s", scratch("a.svg"));
    assert_true(each_allocation(run, path, BFN_OK) >= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ticks_and_labels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_decades, setup, teardown),
        cmocka_unit_test_setup_teardown(test_short_log_axis, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gaps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_curve, setup, teardown),
        cmocka_unit_test_setup_teardown(test_odd_data, setup, teardown),
        cmocka_unit_test_setup_teardown(test_odd_words, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_locale, setup, teardown),
        cmocka_unit_test_setup_teardown(test_page, setup, teardown),
        cmocka_unit_test_setup_teardown(test_end_labels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lone_points, setup, teardown),
        cmocka_unit_test_setup_teardown(test_end_labels_in_place, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_x, setup, teardown),
        cmocka_unit_test_setup_teardown(test_markup, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_memory, setup_scratch, teardown_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
