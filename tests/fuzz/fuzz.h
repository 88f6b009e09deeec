/* fuzz.h: the entry point that libFuzzer and replay.c call. Returns 0; a finding is a crash. */
#ifndef BFN_FUZZ_H
#define BFN_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
