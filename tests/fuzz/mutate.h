/* mutate.h: what the mutators of the libFuzzer build share: random numbers from libFuzzer's seed, an output that cannot overflow, and
 * containers (deflate, zip, npy, pickle, YAML) whose lengths and checksums are right.
 *
 * Bytes that are changed at random die at a magic, a length or a checksum. So a mutator takes the input apart as far as it is in its
 * format, changes one part (by libFuzzer's own mutations, which know what comparisons looked for) and puts it together again; or
 * makes a fresh input. Now and then it leaves the input broken: refusing is tested, too.
 */
#ifndef BFN_FUZZ_MUTATE_H
#define BFN_FUZZ_MUTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

typedef struct fuzz_random {
    uint64_t state;
} fuzz_random;

size_t fuzz_below(fuzz_random *r, size_t n); /* 0 .. n-1 */
bool fuzz_chance(fuzz_random *r, size_t n);  /* one in n */

/* ---- output ---- */

enum { FUZZ_ROOM = 1 << 15 };

typedef struct fuzz_out {
    uint8_t data[FUZZ_ROOM];
    size_t n;
    bool full; /* something did not fit */
} fuzz_out;

void fuzz_put(fuzz_out *o, const void *bytes, size_t n);
void fuzz_put_text(fuzz_out *o, const char *text);
void fuzz_put_little(fuzz_out *o, uint64_t value, int n); /* n bytes */
void fuzz_put_big(fuzz_out *o, uint64_t value, int n);
void fuzz_put_random(fuzz_out *o, fuzz_random *r, size_t n);
/* bytes after LLVMFuzzerMutate, which may make them up to `more` longer. */
void fuzz_put_mutated(fuzz_out *o, const void *bytes, size_t n, size_t more);
/* The output to libFuzzer's buffer. Where it is too long, or nothing, the input is mutated as it stands. */
size_t fuzz_deliver(const fuzz_out *o, uint8_t *data, size_t size, size_t max_size);

/* ---- deflate ---- */

/* Raw deflate data of the bytes: in stored blocks, or by zlib. */
void fuzz_put_deflated(fuzz_out *o, fuzz_random *r, const void *bytes, size_t n);
/* window_bits as zlib's. Inflates as far as there is room. *used: bytes of input; the result is the bytes of output; *whole: it ended well. */
size_t fuzz_inflate(const void *in, size_t n, int window_bits, void *out, size_t room, size_t *used, bool *whole);
uint32_t fuzz_crc(const void *bytes, size_t n);

/* ---- zip ---- */

enum { FUZZ_ENTRIES = 10, FUZZ_ENTRY_ROOM = 2048 };

typedef struct fuzz_entry {
    uint8_t name[64], content[FUZZ_ENTRY_ROOM];
    size_t n_name, n, n_stored, offset;
    uint32_t crc;
    unsigned method;
} fuzz_entry;

void fuzz_set_content(fuzz_entry *e, const fuzz_out *o);
/* Changes one of *count files, or how many there are (0 to FUZZ_ENTRIES). */
typedef void (*fuzz_change_fn)(fuzz_entry *entries, size_t *count, fuzz_random *r);

/* The files of a zip, inflated, changed, and in a new zip, stored or deflated; now and then with a flag, a method or a size that lies, or mutated as
 * bytes. Ready to be LLVMFuzzerCustomMutator. */
size_t fuzz_mutate_zip(uint8_t *data, size_t size, size_t max_size, unsigned seed, fuzz_change_fn change);

/* ---- formats that two targets share ---- */

/* A pickle with a phrase of PyTorch's inserted, a piece copied, or bytes changed; it mostly ends with STOP. */
size_t fuzz_mutate_pickle(uint8_t *data, size_t size, size_t max_size, unsigned seed);

/* A fresh .npy file; one with a part changed and its lengths right. */
void fuzz_put_npy(fuzz_out *o, fuzz_random *r);
void fuzz_put_npy_mutated(fuzz_out *o, fuzz_random *r, const uint8_t *data, size_t n);

/* A text with a line changed, added, moved or taken away; keys and values are picked from the lists or invented. */
typedef struct fuzz_words {
    const char *const *keys, *const *values; /* NULL-terminated */
} fuzz_words;
void fuzz_put_yaml_mutated(fuzz_out *o, fuzz_random *r, const uint8_t *data, size_t n, const fuzz_words *words);

#endif
