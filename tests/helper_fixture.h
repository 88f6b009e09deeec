/* helper_fixture.h: what tests of files and parsers begin and end with: a context whose memory is counted, and a scratch folder. */
#ifndef HELPER_FIXTURE_H
#define HELPER_FIXTURE_H

#include "helper_io.h"

extern counting memory;  /* of ctx */
extern bfn_context *ctx; /* between setup and teardown */

/* For cmocka. A test that leaves memory behind fails. */
int setup(void **state);
int teardown(void **state);
/* The same with a scratch folder around the test. */
int setup_scratch(void **state);
int teardown_scratch(void **state);

/* The status, and words in the message of ctx, which is one line. */
void assert_says(bfn_status status, bfn_status wanted, const char *words);
#define assert_ok(status) assert_says(status, BFN_OK, "")

#endif
