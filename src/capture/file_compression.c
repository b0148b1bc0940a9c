#include "capture/file_compression.h"
#include <errno.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>
#include "base/allocate.h"

enum {
    GZIP_WINDOW_BITS = 15 + 16, /* zlib: the largest window; 16: a gzip header */
    ZSTD_WINDOW_LOG_MAXIMUM = 27,
};

struct file_compression {
    enum file_compression_kind kind;
    z_stream gzip;
    ZSTD_DStream *zstd;
    bool is_inside; /* a member has begun and not ended */
    const char *trouble;
};

static bool is_gzip(struct slice bytes)
{
    return bytes.length >= 2 && bytes.data[0] == 0x1f && bytes.data[1] == 0x8b;
}

enum file_compression_kind file_compression_probe(struct slice bytes)
{
    static const uint8_t zstd[] = {0x28, 0xb5, 0x2f, 0xfd}, skippable[] = {0x2a, 0x4d, 0x18};

    if (is_gzip(bytes))
        return FILE_COMPRESSION_GZIP;
    if (bytes.length < 4)
        return FILE_COMPRESSION_NONE;
    if (memcmp(bytes.data, zstd, sizeof(zstd)) == 0 ||
        ((bytes.data[0] & 0xf0) == 0x50 && memcmp(bytes.data + 1, skippable, 3) == 0))
        return FILE_COMPRESSION_ZSTD;
    return FILE_COMPRESSION_NONE;
}

int file_compression_new(enum file_compression_kind kind, struct file_compression **ret_compression)
{
    struct file_compression *compression = allocate_zeroed(sizeof(*compression));

    if (!compression)
        return -ENOMEM;
    if (kind == FILE_COMPRESSION_GZIP) {
        if (inflateInit2(&compression->gzip, GZIP_WINDOW_BITS) != Z_OK) {
            deallocate(compression);
            return -ENOMEM;
        }
    } else {
        compression->zstd = ZSTD_createDStream();
        if (!compression->zstd) {
            deallocate(compression);
            return -ENOMEM;
        }
        ZSTD_DCtx_setParameter(compression->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAXIMUM);
    }
    compression->kind = kind;
    *ret_compression = compression;
    return 0;
}

void file_compression_free(struct file_compression **compression)
{
    if (!*compression)
        return;
    if ((*compression)->kind == FILE_COMPRESSION_GZIP)
        inflateEnd(&(*compression)->gzip);
    ZSTD_freeDStream((*compression)->zstd);
    deallocate(*compression);
    *compression = NULL;
}

static int damaged(struct file_compression *compression, const char *trouble)
{
    compression->trouble = trouble;
    return -EBADMSG;
}

/* Between two members: does another one begin? Zeros may follow the last one, as on tapes. */
static int begin_gzip_member(struct file_compression *compression, struct slice input)
{
    if (input.data[0] == 0)
        return -ENODATA;
    if (input.data[0] != 0x1f)
        return damaged(compression, "what follows the compressed data is none: left out");
    if (inflateReset(&compression->gzip) != Z_OK)
        return damaged(compression, "zlib cannot go on");
    compression->is_inside = true;
    return 0;
}

static int decode_gzip(struct file_compression *compression, struct slice input, uint8_t *output,
                       size_t room, struct file_compression_step *step)
{
    z_stream *gzip = &compression->gzip;
    int result = compression->is_inside ? 0 : begin_gzip_member(compression, input);

    if (result)
        return result;
    gzip->next_in = (uint8_t *)input.data;
    gzip->avail_in = (unsigned)input.length;
    gzip->next_out = output;
    gzip->avail_out = (unsigned)room;
    result = inflate(gzip, Z_NO_FLUSH);
    step->consumed = input.length - gzip->avail_in;
    step->produced = room - gzip->avail_out;
    if (result == Z_STREAM_END)
        compression->is_inside = false;
    else if (result == Z_MEM_ERROR)
        return damaged(compression, "no memory to decompress");
    else if (result != Z_OK || !(step->consumed || step->produced))
        return damaged(compression, "the gzip data are damaged; everything before is read");
    return 0;
}

static int decode_zstd(struct file_compression *compression, struct slice input, uint8_t *output,
                       size_t room, struct file_compression_step *step)
{
    ZSTD_inBuffer in = {input.data, input.length, 0};
    ZSTD_outBuffer out = {output, room, 0};
    size_t result = ZSTD_decompressStream(compression->zstd, &out, &in);

    step->consumed = in.pos;
    step->produced = out.pos;
    if (!ZSTD_isError(result)) {
        compression->is_inside = result != 0;
        return 0;
    }
    switch (ZSTD_getErrorCode(result)) {
    case ZSTD_error_frameParameter_windowTooLarge:
        return damaged(compression, "the Zstandard data need a window of more than 128 MiB; "
                                    "decompress with zstd -dc --long=31 FILE | weir read -");
    case ZSTD_error_memory_allocation:
        return damaged(compression, "no memory to decompress");
    case ZSTD_error_prefix_unknown:
        return damaged(compression, "what follows the compressed data is none: left out");
    default:
        return damaged(compression, "the Zstandard data are damaged; everything before is read");
    }
}

int file_compression_decode(struct file_compression *compression, struct slice input,
                            uint8_t *output, size_t room, struct file_compression_step *ret_step)
{
    *ret_step = (struct file_compression_step){0};
    if (compression->trouble)
        return -EBADMSG;
    if (compression->kind == FILE_COMPRESSION_GZIP)
        return decode_gzip(compression, input, output, room, ret_step);
    return decode_zstd(compression, input, output, room, ret_step);
}

bool file_compression_is_inside(const struct file_compression *compression)
{
    return compression->is_inside;
}

const char *file_compression_trouble(const struct file_compression *compression)
{
    return compression->trouble ? compression->trouble
                                : "the compressed data end early: the file was cut, or is still "
                                  "being written; everything before is read";
}
