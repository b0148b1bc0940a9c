/* body_compression: contexts are kept, so that a batch costs no set-up; levels are the fast ones.
 */
#include "sink/body_compression.h"
#include <errno.h>
#include <zlib.h>
#include <zstd.h>
#include "base/allocate.h"
#include "sink/snappy.h"

enum {
    GZIP_LEVEL = 1,
    GZIP_WINDOW = 15 + 16, /* with a gzip header */
    GZIP_MEMORY = 8,
    ZSTD_LEVEL = 1,
    OUTPUT_MAXIMUM = 256 * 1024 * 1024,
};

struct body_compressor {
    bool is_gzip, is_zstd, is_snappy;
    z_stream stream;
    ZSTD_CCtx *context;
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
        compressor->is_gzip = deflateInit2(&compressor->stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW,
                                           GZIP_MEMORY, Z_DEFAULT_STRATEGY) == Z_OK;
        result = compressor->is_gzip ? 0 : -ENOMEM;
    } else if (strcmp(how, "zstd") == 0) {
        compressor->context = ZSTD_createCCtx();
        compressor->is_zstd = compressor->context;
        result = compressor->is_zstd ? 0 : -ENOMEM;
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
    if (dead->is_gzip)
        deflateEnd(&dead->stream);
    ZSTD_freeCCtx(dead->context);
    buffer_done(&dead->output);
    deallocate(dead);
    *compressor = NULL;
}

const char *body_compressor_encoding(const struct body_compressor *compressor)
{
    return compressor->is_gzip     ? "gzip"
           : compressor->is_zstd   ? "zstd"
           : compressor->is_snappy ? "snappy"
                                   : NULL;
}

static int compress_gzip(struct body_compressor *compressor, struct slice body)
{
    z_stream *stream = &compressor->stream;
    size_t bound;

    if (body.length > UINT32_MAX / 2 || deflateReset(stream) != Z_OK)
        return -EMSGSIZE;
    bound = deflateBound(stream, body.length);
    compressor->output.length = 0;
    if (buffer_reserve(&compressor->output, bound) < 0)
        return -ENOMEM;
    stream->next_in = (Bytef *)(uintptr_t)body.data;
    stream->avail_in = (uInt)body.length;
    stream->next_out = compressor->output.data;
    stream->avail_out = (uInt)bound;
    if (deflate(stream, Z_FINISH) != Z_STREAM_END)
        return -EIO;
    compressor->output.length = bound - stream->avail_out;
    return 0;
}

static int compress_zstd(struct body_compressor *compressor, struct slice body)
{
    size_t bound = ZSTD_compressBound(body.length), length;

    compressor->output.length = 0;
    if (buffer_reserve(&compressor->output, bound) < 0)
        return -ENOMEM;
    length = ZSTD_compressCCtx(compressor->context, compressor->output.data, bound, body.data,
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
    if (compressor->is_gzip)
        result = compress_gzip(compressor, body);
    else if (compressor->is_zstd)
        result = compress_zstd(compressor, body);
    else if (compressor->is_snappy)
        result = compress_snappy(compressor, body);
    else
        return 0;
    *ret_body = buffer_slice(&compressor->output);
    return result;
}
