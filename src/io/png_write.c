/* png_write.c: writing PNG files through libspng: grey or RGB of 8 bits, no interlacing, texts in front of the pixels.
 *
 * libspng chooses a filter a row; the result depends on nothing but the pixels, the texts and zlib's version: no time is stored.
 */
#include "io/png.h"

#include "io/file.h"
#include "io/limits.h"
#include "io/utf8.h"

#include <spng.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_KEY = 79 };

static bool is_key(const char *key)
{
    size_t n = strlen(key);
    if (n == 0 || n > MAX_KEY || key[0] == ' ' || key[n - 1] == ' ' || strstr(key, "  ") != NULL)
        return false;
    for (size_t i = 0; i < n; i++)
        if (key[i] < ' ' || key[i] > '~')
            return false;
    return true;
}

static bool is_ascii(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text > '~' || ((unsigned char)*text < ' ' && *text != '\n'))
            return false;
    return true;
}

static bfn_status check_text(bfn_context *ctx, const bfn__png_text *text)
{
    size_t n = strlen(text->value);
    if (!is_key(text->key))
        return bfn__fail(
            ctx, BFN_ERR_ARGUMENT,
            "PNG text key \"%s\", allowed: 1 to %d printable ASCII characters, no spaces at its ends or in a row",
            text->key, MAX_KEY);
    if (n > bfn__limit(ctx, BFN__CAP_PNG_TEXT_BYTES))
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "PNG text \"%s\" has %zu bytes, at most %zu are allowed", text->key, n,
                         bfn__limit(ctx, BFN__CAP_PNG_TEXT_BYTES));
    size_t valid = bfn__utf8_check(text->value, n);
    if (valid != n)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "PNG text \"%s\" is not UTF-8 at byte %zu", text->key, valid);
    return BFN_OK;
}

/* libspng wants pointers to char for strings that it copies. */
static struct spng_text spng_text_of(const bfn__png_text *text, char *empty)
{
    struct spng_text out = {.text = (char *)text->value, .length = strlen(text->value)};
    out.type = is_ascii(text->value) ? SPNG_TEXT : SPNG_ITXT;
    memcpy(out.keyword, text->key, strlen(text->key) + 1);
    out.language_tag = empty;
    out.translated_keyword = empty;
    return out;
}

/* *n_out: those that are not empty, which libspng does not take. */
static bfn_status make_texts(bfn_context *ctx, const bfn__png_text *texts, size_t n_texts, char *empty,
                             struct spng_text **out, size_t *n_out)
{
    *out = NULL;
    *n_out = 0;
    for (size_t i = 0; i < n_texts; i++) {
        bfn_status status = check_text(ctx, &texts[i]);
        if (status != BFN_OK)
            return status;
    }
    *out = bfn__calloc(ctx, n_texts, sizeof **out);
    if (*out == NULL)
        return BFN_ERR_MEMORY;
    for (size_t i = 0; i < n_texts; i++)
        if (texts[i].value[0] != '\0')
            (*out)[(*n_out)++] = spng_text_of(&texts[i], empty);
    return BFN_OK;
}

/* The whole file into *png (by free). 0 or libspng's error. */
static int encode(spng_ctx *spng, const bfn__image *image, struct spng_text *texts, size_t n_texts, void **png,
                  size_t *n)
{
    struct spng_ihdr header = {.width = (uint32_t)image->W, .height = (uint32_t)image->H, .bit_depth = 8};
    header.color_type = image->C == 1 ? SPNG_COLOR_TYPE_GRAYSCALE : SPNG_COLOR_TYPE_TRUECOLOR;
    int code = spng_set_option(spng, SPNG_ENCODE_TO_BUFFER, 1);
    if (code == 0)
        code = spng_set_ihdr(spng, &header);
    if (code == 0 && n_texts > 0)
        code = spng_set_text(spng, texts, (uint32_t)n_texts);
    if (code == 0)
        code =
            spng_encode_image(spng, image->pixels, image->H * image->W * image->C, SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE);
    *png = code == 0 ? spng_get_png_buffer(spng, n, &code) : NULL;
    return code;
}

static bfn_status check_image(bfn_context *ctx, const bfn__image *image, size_t n_texts)
{
    if (image->H == 0 || image->H > bfn__limit(ctx, BFN__CAP_IMAGE_SIDE) || image->W == 0 ||
        image->W > bfn__limit(ctx, BFN__CAP_IMAGE_SIDE) || (image->C != 1 && image->C != 3))
        return bfn__fail(ctx, BFN_ERR_ARGUMENT,
                         "a PNG file of %zu x %zu pixels and %zu channels, allowed: 1 to %zu pixels, 1 or 3 channels",
                         image->H, image->W, image->C, bfn__limit(ctx, BFN__CAP_IMAGE_SIDE));
    if (n_texts > 1000)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "a PNG file with %zu texts, at most 1000 are allowed", n_texts);
    return BFN_OK;
}

bfn_status bfn__png_encode(bfn_context *ctx, const bfn__image *image, const bfn__png_text *texts, size_t n_texts,
                           char **out, size_t *n_out)
{
    char empty[1] = "";
    struct spng_text *entries = NULL;
    *out = NULL;
    *n_out = 0;
    bfn_status status = check_image(ctx, image, n_texts);
    if (status == BFN_OK)
        status = make_texts(ctx, texts, n_texts, empty, &entries, &n_texts);
    if (status != BFN_OK)
        return status;
    void *png = NULL;
    size_t n = 0;
    spng_ctx *spng = spng_ctx_new(SPNG_CTX_ENCODER);
    int code = spng != NULL ? encode(spng, image, entries, n_texts, &png, &n) : SPNG_EMEM;
    spng_ctx_free(spng);
    bfn__free(ctx, entries);
    if (code != 0)
        status = bfn__fail(ctx, code == SPNG_EMEM ? BFN_ERR_MEMORY : BFN_ERR_INTERNAL, "PNG encoder: %s",
                           spng_strerror(code));
    else if ((*out = bfn__calloc(ctx, n, 1)) == NULL)
        status = BFN_ERR_MEMORY;
    else {
        memcpy(*out, png, n);
        *n_out = n;
    }
    free(png);
    return status;
}

bfn_status bfn__png_save(bfn_context *ctx, const char *path, const bfn__image *image, const bfn__png_text *texts,
                         size_t n_texts)
{
    char *bytes;
    size_t n;
    bfn_status status = bfn__png_encode(ctx, image, texts, n_texts, &bytes, &n);
    if (status != BFN_OK)
        return status;
    status = bfn__file_write(ctx, path, bytes, n);
    bfn__free(ctx, bytes);
    return status;
}
