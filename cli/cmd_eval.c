/* cmd_eval.c: bfn eval: finds the measure in the table and runs it. Each measure is a command of its own: eval_<measure>.c. */
#include "cli.h"
#include "eval.h"

#include <stdio.h>
#include <string.h>

static const cli_command *const measures[] = {&cli_eval_spell, &cli_eval_text, &cli_eval_bpd, &cli_eval_bound,
                                              &cli_eval_fid};
enum { N_MEASURES = sizeof measures / sizeof measures[0] };

/* "spell, bound" */
static const char *measure_list(char *out, size_t capacity)
{
    size_t length = 0;
    out[0] = '\0';
    for (size_t i = 0; i < N_MEASURES && length < capacity; i++)
        length += (size_t)snprintf(out + length, capacity - length, "%s%s", i > 0 ? ", " : "",
                                   measures[i]->name + strlen("eval "));
    return out;
}

static int run(const cli_command *command, int argc, char **argv)
{
    char list[128];
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        cli_help(command);
        return cli_flush(command);
    }
    if (argc < 2)
        return cli_usage(command, "a measure is missing: one of %s", measure_list(list, sizeof list));
    if (argv[1][0] == '-')
        return cli_usage(command, "found \"%s\", a measure comes first: one of %s", argv[1],
                         measure_list(list, sizeof list));
    const char *names[N_MEASURES];
    for (size_t i = 0; i < N_MEASURES; i++) {
        names[i] = measures[i]->name + strlen("eval ");
        if (strcmp(argv[1], names[i]) == 0)
            return measures[i]->run(measures[i], argc - 1, argv + 1);
    }
    const char *near = cli_nearest(argv[1], names, N_MEASURES);
    return cli_usage(command, "found \"%s\", the measures are %s%s%s", argv[1], measure_list(list, sizeof list),
                     near != NULL ? "; nearest is " : "", near != NULL ? near : "");
}

const cli_command cli_command_eval = {
    "eval",
    "measure a model: spelling and likeness of its text, likelihood bounds, FID",
    "MEASURE [options]",
    "Measures\n"
    "  spell   words that a dictionary knows, for methods and evaluations of a model or for a file's lines\n"
    "  text    samples or a file's strings beside real text: spelling, divergence, copied spans, and baselines\n"
    "  bpd     bits per dimension of images or character of text (beside n-gram models) that the model needs at most\n"
    "  bound   the same as bpd\n"
    "  fid     Fréchet and kernel distance of pictures to reference pictures\n\n"
    "bfn eval MEASURE --help tells more of each.",
    NULL,
    0,
    "  bfn eval spell --model models/text8-small.safetensors --methods bfn,ode2m,sde2m --nfe 5,10,20,50\n"
    "  bfn eval text --model models/text8-small.safetensors --data book.txt --n 500\n"
    "  bfn eval bpd --model models/text8-small.safetensors --data book.txt --precision 0.02\n"
    "  bfn eval fid --model images.safetensors --data /usr/share/datasets/fashion-mnist \\\n"
    "      --features models/features-fashion-mnist.safetensors",
    run,
};
