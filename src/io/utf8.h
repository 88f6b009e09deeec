/* utf8.h: one character at a time; RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef BFN_UTF8_H
#define BFN_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of the character at s (1 to 4) and its code point; 0 when it is not valid UTF-8 or cut off. n >= 1. */
size_t bfn__utf8_decode(const char *s, size_t n, uint32_t *code);

/* Writes 1 to 4 bytes, returns how many. code must be a valid code point. */
size_t bfn__utf8_encode(uint32_t code, char out[4]);

/* Offset of the first byte that is not valid UTF-8, or n. */
size_t bfn__utf8_check(const char *s, size_t n);

/* C0 and C1 controls, DEL: what may steer a terminal. */
bool bfn__is_control(uint32_t code);

/* Controls that have no business in a text: all but tab, line feed, vertical tab, form feed, carriage return. */
bool bfn__is_odd_control(uint32_t code);

#endif
