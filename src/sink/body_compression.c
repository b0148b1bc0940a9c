/*
 * body_compression: contexts are kept, so that a batch costs no set-up; levels are the fast ones.
 * Bodies are whole in memory, which is what libdeflate asks for (docs/decisions/libdeflate.md).
 */
#include "sink/body_compression.h"
#include <errno.h>
#include <libdeflate.h>
#include <zstd.h>
#include "base/allocate.h"
#include "sink/snappy.h"

enum {
    GZIP_LEVEL = 1,
    ZSTD_LEVEL = 1,
    OUTPUT_MAXIMUM = 256 * 1024 * 1024,
};

struct body_compressor {
    bool is_snappy;
    struct libdeflate_compressor *gzip; /* one of these, or neither */
    ZSTD_CCtx *zstd;
    struct buffer output;
};

int body_compressor_new(const char *how, struct body_compressor **ret_compressor)
{
    struct body_compressor *compressor = allocate_zeroed(sizeof(*compressor));
    int result = 0;

    if (!compressor)
        return -ENOMEM;
    buffer_init(&compressor->output, OUTPUT_MAXIMUM);
    if (strcmp(how, "gzip") == 0) {
        compressor->gzip = libdeflate_alloc_compressor(GZIP_LEVEL);
        result = compressor->gzip ? 0 : -ENOMEM;
    } else if (strcmp(how, "zstd") == 0) {
        compressor->zstd = ZSTD_createCCtx();
        result = compressor->zstd ? 0 : -ENOMEM;
    } else if (strcmp(how, "snappy") == 0) {
        compressor->is_snappy = true;
    }
    if (result == 0)
        *ret_compressor = compressor;
    else
        body_compressor_free(&compressor);
    return result;
}

void body_compressor_free(struct body_compressor **compressor)
{
    struct body_compressor *dead = *compressor;

    if (!dead)
        return;
    libdeflate_free_compressor(dead->gzip);
    ZSTD_freeCCtx(dead->zstd);
    buffer_done(&dead->output);
    deallocate(dead);
    *compressor = NULL;
}

const char *body_compressor_encoding(const struct body_compressor *compressor)
{
    return compressor->gzip        ? "gzip"
           : compressor->zstd      ? "zstd"
           : compressor->is_snappy ? "snappy"
                                   : NULL;
}

static int compress_gzip(struct body_compressor *compressor, struct slice body)
{
    size_t bound = libdeflate_gzip_compress_bound(compressor->gzip, body.length), length;

    compressor->output.length = 0;
    if (buffer_reserve(&compressor->output, bound) < 0)
        return -ENOMEM;
    length = libdeflate_gzip_compress(compressor->gzip, body.data, body.length,
                                      compressor->output.data, bound);
    if (!length)
        return -EIO;
    compressor->output.length = length;
    return 0;
}

static int compress_zstd(struct body_compressor *compressor, struct slice body)
{
    size_t bound = ZSTD_compressBound(body.length), length;

    compressor->output.length = 0;
    if (buffer_reserve(&compressor->output, bound) < 0)
        return -ENOMEM;
    length = ZSTD_compressCCtx(compressor->zstd, compressor->output.data, bound, body.data,
                               body.length, ZSTD_LEVEL);
    if (ZSTD_isError(length))
        return -EIO;
    compressor->output.length = length;
    return 0;
}

static int compress_snappy(struct body_compressor *compressor, struct slice body)
{
    compressor->output.length = 0;
    return snappy_compress(body, &compressor->output);
}

int body_compress(struct body_compressor *compressor, struct slice body, struct slice *ret_body)
{
    int result = 0;

    *ret_body = body;
    if (compressor->gzip)
        result = compress_gzip(compressor, body);
    else if (compressor->zstd)
        result = compress_zstd(compressor, body);
    else if (compressor->is_snappy)
        result = compress_snappy(compressor, body);
    else
        return 0;
    *ret_body = buffer_slice(&compressor->output);
    return result;
}
