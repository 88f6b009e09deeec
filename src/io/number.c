/* number.c: numbers as text, the same in every locale.
 *
 *   number = [+-] (digits [. digits*] | . digits) [(e|E) [+-] digits]
 *
 * The grammar is checked first (strtod alone would take "inf", "nan", "0x10" and leading blanks); then strtod, which rounds
 * correctly, runs in the "C" locale of this thread only, so that a decimal comma elsewhere changes nothing.
 */
#include "io/yaml.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *skip_digits(const char *s)
{
    while (*s >= '0' && *s <= '9')
        s++;
    return s;
}

static bool is_number(const char *s)
{
    s += *s == '+' || *s == '-';
    const char *whole = skip_digits(s), *end = whole;
    size_t digits = (size_t)(whole - s);
    if (*end == '.') {
        end = skip_digits(whole + 1);
        digits += (size_t)(end - whole) - 1;
    }
    if (digits == 0)
        return false;
    if (*end == 'e' || *end == 'E') {
        s = end + 1;
        s += *s == '+' || *s == '-';
        end = skip_digits(s);
        if (end == s)
            return false;
    }
    return *end == '\0';
}

bool bfn__parse_number(const char *text, double *out)
{
    if (!is_number(text))
        return false;
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (plain == (locale_t)0)
        return false;
    locale_t before = uselocale(plain);
    double value = strtod(text, NULL);
    uselocale(before);
    freelocale(plain);
    if (!isfinite(value))
        return false;
    *out = value;
    return true;
}

bool bfn__parse_u64(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    if (*text == '\0' || *skip_digits(text) != '\0')
        return false;
    for (; *text != '\0'; text++)
        if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value))
            return false;
    *out = value;
    return true;
}

void bfn__format_number(double value, char out[BFN__NUMBER_TEXT_MAX])
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale_t before = plain != (locale_t)0 ? uselocale(plain) : (locale_t)0;
    bool whole = fabs(value) <= 1e9 && value == floor(value); /* 30, not 3e+01 */
    for (int digits = whole ? 10 : 1; digits <= 17; digits++) {
        (void)snprintf(out, BFN__NUMBER_TEXT_MAX, "%.*g", digits, value);
        if (strtod(out, NULL) == value)
            break;
    }
    if (plain != (locale_t)0) {
        uselocale(before);
        freelocale(plain);
    }
}
