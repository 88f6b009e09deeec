/* film.h: samples settling in the terminal, one frame a row of the plan. On standard error. */
#ifndef BFN_CLI_FILM_H
#define BFN_CLI_FILM_H

#include "bfn/model.h"
#include "cli.h"

typedef struct cli_film cli_film;

/* known: [D] or NULL, the given positions of an infilling. NULL: no text model or no memory. */
cli_film *cli_film_create(const bfn_model *model, const unsigned char *known);
void cli_film_destroy(cli_film *film);
/* For bfn_sampler_options.step. */
int cli_film_step(void *user, const bfn_sample_step *step);

#endif
