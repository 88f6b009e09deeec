/* text_samples.h: the strings that commands measure: samples of a text model, or what a file holds. */
#ifndef BFN_CLI_TEXT_SAMPLES_H
#define BFN_CLI_TEXT_SAMPLES_H

#include "bfn/eval.h"
#include "cli.h"

typedef struct cli_text_samples {
    size_t n, D;
    int32_t *indices; /* [n, D] */
    char *text;       /* [n][4 D + 1] */
    const char **strings;
    double seconds; /* that the last draw took, without decoding */
} cli_text_samples;

/* Room for n samples of D positions. false: the message is out. */
bool cli_text_samples_create(const cli_command *command, cli_text_samples *samples, size_t n, size_t D);
void cli_text_samples_free(cli_text_samples *samples);
/* Samples first .. first+n-1 of the seed. */
bfn_status cli_text_samples_draw(cli_text_samples *samples, bfn_model *model, const bfn_solver_options *solver,
                                 uint64_t seed, uint64_t first, size_t batch);

/* bfn_text_strings_parse of a file, a pipe, or "-" (standard input). 0, or the exit code with the message out. */
int cli_read_strings(const cli_command *command, bfn_context *ctx, const char *path, const bfn_text_corpus *corpus,
                     bfn_text_strings **strings);

#endif
