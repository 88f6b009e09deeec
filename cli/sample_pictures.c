/* sample_pictures.c: bfn sample for models of images: where pictures go, their film, their preview in the terminal.
 *
 * A grid and arrays need all pictures at once, as bytes; a folder gets them chunk by chunk under the numbers of the samples. The film is
 * made of what the network believes after each row of the plan (at most 64 samples and about 100 frames of it); its strip shows for
 * a few samples the state above and the belief below, at ten times.
 */
#include "sample_pictures.h"
#include "sample_record.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILM_SAMPLES = 64, FILM_FRAMES = 100, STRIP_SAMPLES = 4, STRIP_TIMES = 10 };
enum { PATH_BYTES = 4096 };

/* ---- the run's memory ---- */

typedef struct picture_run {
    sample_run *run;
    size_t D, chunk;
    void *samples;           /* [chunk, D]: int32_t or float */
    uint8_t *pixels;         /* [n, D], for a folder [chunk, D] */
    bfn_picture_text *texts; /* the record, and what the picture is */
    size_t n_texts;
    bfn_plan_info plan;
} picture_run;

/* The record as it stands, and which of the run's pictures the file is. */
static bfn_status make_texts(picture_run *p, const char *picture)
{
    bfn_record *record = p->run->record;
    if (p->texts != NULL)
        bfn_record_free_texts(record, p->texts);
    p->texts = NULL;
    bfn_status status = bfn_record_set(record, "picture", picture);
    return status == BFN_OK ? bfn_record_texts(record, &p->texts, &p->n_texts) : status;
}

static bfn_pictures pictures_of(const picture_run *p, size_t n, const uint8_t *pixels)
{
    bfn_pictures pictures = BFN_PICTURES_INIT;
    const bfn_model_info *info = &p->run->info;
    pictures.n = n;
    pictures.height = info->height;
    pictures.width = info->width;
    pictures.channels = info->channels;
    pictures.pixels = pixels;
    pictures.columns = p->run->v->columns;
    pictures.scale = p->run->v->scale;
    pictures.texts = p->texts;
    pictures.n_texts = p->n_texts;
    return pictures;
}

/* ---- film ---- */

struct picture_film {
    size_t n, D, K, n_frames, every; /* samples; frames kept: each `every`th row and the last */
    uint8_t *beliefs, *states;       /* [n_frames, n, D] */
    double *times;                   /* [n_frames] */
    const bfn_flow *flow;
    float *shown; /* [D, shown width] */
};

static void film_destroy(picture_film *film)
{
    if (film == NULL)
        return;
    free(film->beliefs);
    free(film->states);
    free(film->times);
    free(film->shown);
    free(film);
}

static picture_film *film_create(const picture_run *p)
{
    picture_film *film = calloc(1, sizeof *film);
    if (film == NULL)
        return NULL;
    size_t n = p->run->v->n, rows = p->plan.n_rows;
    film->n = n < FILM_SAMPLES ? n : FILM_SAMPLES;
    film->D = p->D;
    film->flow = &p->run->info.flow;
    film->K = bfn_flow_state_width(film->flow);
    film->every = (rows + FILM_FRAMES - 1) / FILM_FRAMES;
    film->n_frames = (rows + film->every - 1) / film->every + 1;
    film->beliefs = calloc(film->n_frames * film->n, p->D);
    film->states = calloc(film->n_frames * film->n, p->D);
    film->times = calloc(film->n_frames, sizeof *film->times);
    film->shown = calloc(p->D, bfn_flow_shown_width(film->flow) * sizeof *film->shown);
    if (film->beliefs != NULL && film->states != NULL && film->times != NULL && film->shown != NULL)
        return film;
    film_destroy(film);
    return NULL;
}

/* A state as the network is shown it: the mean, or for black and white grey by the probability of white. */
static void state_pixels(const picture_film *film, const float *state, uint8_t *pixels)
{
    bfn_flow mean = *film->flow;
    bfn_flow_show(film->flow, 1, film->D, state, film->shown);
    if (mean.kind == BFN_DATA_DISCRETE) {
        for (size_t d = 0; d < film->D; d++)
            film->shown[d] = -film->shown[d];
        mean.kind = BFN_DATA_CONTINUOUS;
    }
    bfn_samples_to_pixels(&mean, film->D, film->shown, pixels);
}

void sample_pictures_step(sample_run *r, const bfn_sample_step *step)
{
    picture_film *film = r->pictures_film;
    bool last = step->row == step->n_rows;
    if (step->row % film->every != 0 && !last)
        return;
    size_t frame = last ? film->n_frames - 1 : step->row / film->every;
    film->times[frame] = step->t;
    for (size_t i = 0; i < step->n; i++) {
        size_t number = step->first + i - r->v->first;
        if (number >= film->n)
            return;
        size_t at = (frame * film->n + number) * film->D;
        if (last) { /* the state may be the last prediction instead of a state: what is left of both is the sample */
            bfn_samples_to_pixels(film->flow, film->D, (const float *)step->sample + i * film->D, film->beliefs + at);
            memcpy(film->states + at, film->beliefs + at, film->D);
        } else {
            bfn_predictions_to_pixels(film->flow, film->D, step->prediction + i * film->D * film->K,
                                      film->beliefs + at);
            state_pixels(film, step->state + i * film->D * film->K, film->states + at);
        }
    }
}

static bfn_status save_film(const picture_run *p, const picture_film *film, const char *path)
{
    bfn_film *out;
    bfn_pictures layout = pictures_of(p, film->n, NULL);
    bfn_status status = bfn_film_create(p->run->ctx, &out, &layout);
    for (size_t f = 0; f < film->n_frames && status == BFN_OK; f++)
        status = bfn_film_add(out, film->beliefs + f * film->n * film->D, f + 1 == film->n_frames ? 1500 : 100);
    if (status == BFN_OK)
        status = bfn_film_save(out, path);
    bfn_film_destroy(out);
    return status;
}

/* Rows of a strip: state and belief of each sample; columns: frames from the first to the last. */
static bfn_status save_strip(const picture_run *p, const picture_film *film, const char *path)
{
    size_t samples = film->n < STRIP_SAMPLES ? film->n : STRIP_SAMPLES;
    size_t columns = film->n_frames < STRIP_TIMES ? film->n_frames : STRIP_TIMES, D = film->D;
    char times[STRIP_TIMES][16];
    const char *column_labels[STRIP_TIMES], *row_labels[2 * STRIP_SAMPLES];
    uint8_t *pixels = calloc(2 * samples * columns, D);
    if (pixels == NULL)
        return BFN_ERR_MEMORY;
    for (size_t c = 0; c < columns; c++) {
        size_t frame = columns > 1 ? c * (film->n_frames - 1) / (columns - 1) : 0;
        snprintf(times[c], sizeof times[c], "%.2f", film->times[frame]);
        column_labels[c] = times[c];
        for (size_t i = 0; i < samples; i++) {
            size_t from = (frame * film->n + i) * D;
            memcpy(pixels + (2 * i * columns + c) * D, film->states + from, D);
            memcpy(pixels + ((2 * i + 1) * columns + c) * D, film->beliefs + from, D);
        }
    }
    for (size_t i = 0; i < 2 * samples; i++)
        row_labels[i] = i % 2 == 0 ? "state" : "belief";
    bfn_board board = BFN_BOARD_INIT;
    board.n_rows = 2 * samples;
    board.n_columns = columns;
    board.row_labels = row_labels;
    board.column_labels = column_labels;
    board.cell = pictures_of(p, 1, NULL);
    board.pixels = pixels;
    bfn_status status = bfn_board_save_png(p->run->ctx, path, &board);
    free(pixels);
    return status;
}

/* "grid.png" with "film" is "grid-film.png". */
static bool beside(const char *out, const char *what, char path[PATH_BYTES])
{
    const char *slash = strrchr(out, '/'), *dot = strrchr(out, '.');
    int n = dot != NULL && (slash == NULL || dot > slash) ? (int)(dot - out) : (int)strlen(out);
    return snprintf(path, PATH_BYTES, "%.*s-%s.png", n, out, what) < PATH_BYTES;
}

static int write_film(picture_run *p)
{
    sample_run *r = p->run;
    char film[PATH_BYTES], strip[PATH_BYTES];
    if (r->pictures_film == NULL)
        return 0;
    if (!beside(r->v->out, "film", film) || !beside(r->v->out, "strip", strip))
        return cli_usage(r->command, "-o: the path is too long");
    bfn_status status = make_texts(p, "film");
    if (status == BFN_OK)
        status = save_film(p, r->pictures_film, film);
    if (status == BFN_OK)
        status = make_texts(p, "strip");
    if (status == BFN_OK)
        status = save_strip(p, r->pictures_film, strip);
    return status == BFN_OK ? 0 : sample_failure(r, status);
}

/* ---- where they go ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static bool is_folder(const char *path)
{
    struct stat info;
    return ends_with(path, "/") || (stat(path, &info) == 0 && S_ISDIR(info.st_mode));
}

static int find_format(sample_run *r)
{
    const sample_values *v = r->v;
    r->format = (sample_format)v->format;
    if (r->format == FORMAT_TXT || r->format == FORMAT_JSONL)
        return cli_usage(r->command, "--format: %s is a model of images: it has png, folder, npy and npz", v->model);
    if (v->out == NULL && !(v->preview && v->format == FORMAT_AUTO))
        return cli_usage(r->command, "-o FILE is missing: FILE.png (a grid), FILE.npz, FILE.npy or FOLDER/");
    if (v->out == NULL || r->format != FORMAT_AUTO)
        return 0;
    if (is_folder(v->out))
        r->format = FORMAT_FOLDER;
    else if (ends_with(v->out, ".png"))
        r->format = FORMAT_PNG;
    else if (ends_with(v->out, ".npy"))
        r->format = FORMAT_NPY;
    else if (ends_with(v->out, ".npz"))
        r->format = FORMAT_NPZ;
    else
        return cli_usage(r->command, "-o: found \"%s\", needs FILE.png, FILE.npy, FILE.npz or FOLDER/, or --format",
                         v->out);
    return 0;
}

static int usage_errors(sample_run *r)
{
    const sample_values *v = r->v;
    int code = find_format(r);
    if (code != 0)
        return code;
    if (v->film && r->format != FORMAT_PNG)
        return cli_usage(r->command, "--film: is written beside FILE.png: needs -o FILE.png");
    if (v->infill != NULL && v->mask == NULL)
        return cli_usage(r->command, "--infill: images need --mask FILE.png too, white where pixels are kept");
    if (v->preview && !cli_colour(STDERR_FILENO) && v->out == NULL)
        return cli_usage(r->command, "--preview: standard error is no terminal with colours: needs -o FILE");
    return 0;
}

/* Before samples are drawn for nothing. */
static int check_output(const sample_run *r)
{
    if (r->v->out == NULL)
        return 0;
    return (r->format == FORMAT_FOLDER ? cli_check_folder : cli_check_output)(r->command, r->v->out);
}

static int check_grid(const picture_run *p)
{
    size_t height, width;
    const bfn_pictures all = pictures_of(p, p->run->v->n, NULL);
    if (p->run->format != FORMAT_PNG)
        return 0;
    bfn_status status = bfn_pictures_size(p->run->ctx, &all, &height, &width);
    return status == BFN_OK ? 0 : sample_failure(p->run, status);
}

/* A file of a folder is one sample: its record names that alone. */
static bfn_status record_one(picture_run *p, uint64_t number)
{
    bfn_record *record = p->run->record;
    bfn_status status = bfn_record_set_count(record, "first", number);
    if (status == BFN_OK)
        status = bfn_record_set_count(record, "n", 1);
    return status == BFN_OK ? make_texts(p, "grid") : status;
}

static bfn_status save_each(picture_run *p, size_t n)
{
    const sample_run *r = p->run;
    bfn_status status = BFN_OK;
    for (size_t i = 0; i < n && status == BFN_OK; i++) {
        char path[PATH_BYTES];
        uint64_t number = r->v->first + r->done + i;
        status = record_one(p, number);
        bfn_pictures one = pictures_of(p, 1, p->pixels + i * p->D);
        one.scale = r->v->scale > 0 ? r->v->scale : 1;
        snprintf(path, sizeof path, "%.4000s%s%06" PRIu64 ".png", r->v->out, ends_with(r->v->out, "/") ? "" : "/",
                 number);
        if (status == BFN_OK)
            status = bfn_pictures_save_png(r->ctx, path, &one);
    }
    return status;
}

/* With the class of each picture, where the network was told one. */
static bfn_status save_npz(const picture_run *p, const bfn_pictures *all)
{
    const sample_run *r = p->run;
    int32_t *labels = r->info.n_labels > 0 ? calloc(all->n, sizeof *labels) : NULL;
    if (r->info.n_labels > 0 && labels == NULL)
        return BFN_ERR_MEMORY;
    for (size_t i = 0; labels != NULL && i < all->n; i++)
        labels[i] = (int32_t)(r->v->label != SIZE_MAX ? r->v->label : (r->v->first + i) % r->info.n_labels);
    bfn_status status = bfn_pictures_save_npz(r->ctx, r->v->out, all, labels);
    free(labels);
    return status;
}

static bfn_status save_all(const picture_run *p)
{
    const sample_run *r = p->run;
    const bfn_pictures all = pictures_of(p, r->v->n, p->pixels);
    switch (r->format) {
    case FORMAT_PNG:
        return bfn_pictures_save_png(r->ctx, r->v->out, &all);
    case FORMAT_NPY:
        return bfn_pictures_save_npy(r->ctx, r->v->out, &all);
    case FORMAT_NPZ:
        return save_npz(p, &all);
    case FORMAT_AUTO:
    case FORMAT_TXT:
    case FORMAT_JSONL:
    case FORMAT_FOLDER:
        break;
    }
    return BFN_OK;
}

static bfn_status preview(const picture_run *p, size_t n)
{
    const sample_run *r = p->run;
    char *text;
    if (!r->v->preview || !cli_colour(STDERR_FILENO))
        return BFN_OK;
    bfn_pictures shown = pictures_of(p, n, p->pixels);
    shown.scale = 1;
    bfn_status status = bfn_pictures_preview(r->ctx, &shown, cli_columns(STDERR_FILENO), &text);
    if (status == BFN_OK) {
        fputs(text, stderr);
        bfn_preview_free(r->ctx, text);
    }
    return status;
}

/* ---- the run ---- */

/* What is white in the mask is kept, at the level that the model's data has for it. */
static void keep_pixels(sample_run *r, const uint8_t *given, const uint8_t *mask)
{
    const bfn_flow *flow = &r->info.flow;
    int32_t *classes = r->known_values;
    float *values = r->known_values;
    for (size_t d = 0; d < r->info.positions; d++) {
        double x = 2.0 * (double)given[d] / 255.0 - 1.0;
        r->known[d] = mask[d] >= 128;
        if (flow->kind == BFN_DATA_DISCRETE)
            classes[d] = given[d] >= 128;
        else
            values[d] = (float)(flow->n_classes > 0 ? bfn_flow_bin_centre(flow, bfn_flow_bin(flow, x)) : x);
    }
}

static int prepare_infill(sample_run *r)
{
    const bfn_model_info *i = &r->info;
    size_t D = i->positions;
    if (r->v->infill == NULL)
        return 0;
    uint8_t *pixels = calloc(2, D); /* of the picture, of the mask */
    r->known = calloc(D, 1);
    r->known_values = calloc(D, sizeof(float));
    if (pixels == NULL || r->known == NULL || r->known_values == NULL) {
        free(pixels);
        return sample_no_memory(r);
    }
    bfn_status status = bfn_picture_load_png(r->ctx, r->v->infill, i->height, i->width, i->channels, pixels);
    if (status == BFN_OK)
        status = bfn_picture_load_png(r->ctx, r->v->mask, i->height, i->width, i->channels, pixels + D);
    if (status == BFN_OK)
        keep_pixels(r, pixels, pixels + D);
    free(pixels);
    r->sampler.known = r->known;
    r->sampler.known_values = r->known_values;
    r->sampler.known_blurred = i->flow.kind != BFN_DATA_DISCRETE;
    return status == BFN_OK ? 0 : sample_failure(r, status);
}

static int prepare(picture_run *p)
{
    sample_run *r = p->run;
    const sample_values *v = r->v;
    size_t chunk = v->batch * SAMPLE_CHUNK_BATCHES;
    bfn_plan *plan;
    bfn_status status = bfn_plan_create(r->ctx, &plan, &r->info.flow, &r->solver);
    if (status != BFN_OK)
        return cli_solver_failure(r->command, r->ctx, status, "--method");
    bfn_plan_get_info(plan, &p->plan);
    bfn_plan_destroy(plan);
    int code = check_grid(p);
    if (code != 0)
        return code;
    p->D = r->info.positions;
    p->chunk = v->n < chunk ? v->n : chunk;
    size_t kept = r->format == FORMAT_FOLDER ? p->chunk : v->n;
    p->samples = calloc(p->chunk, p->D * sizeof(float));
    p->pixels = calloc(kept, p->D);
    if (p->samples == NULL || p->pixels == NULL)
        return sample_no_memory(r);
    if (v->film && (r->pictures_film = film_create(p)) == NULL)
        return sample_no_memory(r);
    code = prepare_infill(r);
    if (code == 0)
        code = sample_record(r);
    if (code != 0)
        return code;
    status = make_texts(p, "grid");
    return status == BFN_OK ? 0 : sample_failure(r, status);
}

static int run_chunks(picture_run *p)
{
    sample_run *r = p->run;
    bool folder = r->format == FORMAT_FOLDER;
    for (r->done = 0; r->done < r->v->n;) {
        size_t left = r->v->n - r->done, n = left < p->chunk ? left : p->chunk;
        bfn_status status = bfn_model_sample(r->model, &r->solver, &r->sampler, r->v->first + r->done, n, p->samples);
        if (status != BFN_OK)
            return sample_failure(r, status);
        bfn_samples_to_pixels(&r->info.flow, n * p->D, p->samples, p->pixels + (folder ? 0 : r->done * p->D));
        status = folder ? save_each(p, n) : BFN_OK;
        if (status != BFN_OK)
            return sample_failure(r, status);
        r->done += n;
    }
    sample_end_counting(r);
    bfn_status status = preview(p, folder ? (r->v->n < p->chunk ? r->v->n : p->chunk) : r->v->n);
    if (status == BFN_OK && !folder)
        status = save_all(p);
    return status == BFN_OK ? 0 : sample_failure(r, status);
}

int sample_pictures(sample_run *r)
{
    picture_run p = {.run = r};
    int code = usage_errors(r);
    if (code == 0)
        code = prepare(&p);
    if (code == 0)
        code = check_output(r);
    if (code == 0)
        code = run_chunks(&p);
    if (code == 0)
        code = write_film(&p);
    if (code == 0 && r->format == FORMAT_NPY)
        code = sample_record_beside(r);
    film_destroy(r->pictures_film);
    if (p.texts != NULL)
        bfn_record_free_texts(r->record, p.texts);
    free(p.samples);
    free(p.pixels);
    return code;
}
