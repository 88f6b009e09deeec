/* test_locale.c: a program that lives where the decimal mark is a comma: files and what is read are the same as everywhere. The locale is
 * made by the test, so none needs to be installed. */
#include "helper_io.h"
#include "helper_train.h"
#include "io/yaml.h"
#include "model/config.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* false: this machine has no localedef. */
static bool enter_comma(const training *s)
{
    char path[PATH_BYTES], folder[PATH_MAX], command[2 * PATH_BYTES], shown[16];
    path_in(s, "comma.src", path);
    write_file(path, "LC_NUMERIC\ndecimal_point \",\"\nthousands_sep \".\"\ngrouping 3;3\nEND LC_NUMERIC\n");
    (void)snprintf(command, sizeof command, "cd %s && localedef -c -i comma.src ./comma >/dev/null 2>&1", s->folder);
    int code = system(command); /* 1: categories are missing, as they should */
    assert_non_null(realpath(s->folder, folder));
    assert_int_equal(setenv("LOCPATH", folder, 1), 0);
    if (setlocale(LC_ALL, "comma") == NULL) {
        (void)printf("no locale: localedef ends with %d\n", code);
        return false;
    }
    (void)snprintf(shown, sizeof shown, "%.1f", 1.5);
    assert_string_equal(shown, "1,5");
    return true;
}

static void test_training_is_the_same(void **p)
{
    training *s = *p;
    static const char *const files[] = {"last.safetensors", "best.safetensors", "config.yaml", "loss.svg",
                                        "samples.txt"};
    const char *set[] = {"train.lr=1.5e-3", "train.clip_norm=0.25"}, *comma[] = {"train.lr=0,5"};
    assert_int_equal(train(s, "a", NULL, 0, set, 2), BFN_OK);
    if (!enter_comma(s))
        skip();
    watcher half = {.stop_at = 9};
    bfn_status first = train(s, "b", &half, 0, set, 2), rest = train(s, "b", NULL, 1, NULL, 0);
    bfn_status refused = train(s, "c", NULL, 0, comma, 1);
    (void)setlocale(LC_ALL, "C");
    assert_int_equal(first, BFN_CANCELLED);
    assert_int_equal(rest, BFN_OK);
    assert_int_equal(refused, BFN_ERR_ARGUMENT);
    assert_non_null(strstr(bfn_errmsg(s->ctx), "\"0,5\""));
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char here[64], there[64];
        (void)snprintf(here, sizeof here, "a/%s", files[i]);
        (void)snprintf(there, sizeof there, "b/%s", files[i]);
        if (!same_bytes(s, here, there))
            fail_msg("%s: the locale changes it", files[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_training_is_the_same, setup_train, teardown_train),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
