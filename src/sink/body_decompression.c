/* body_decompression: answers are few and short, so nothing is kept from one to the next. */
#include "sink/body_decompression.h"
#include <errno.h>
#include <libdeflate.h>

static int inflate(struct slice body, struct buffer *output)
{
    struct libdeflate_decompressor *decompressor = libdeflate_alloc_decompressor();
    enum libdeflate_result result;

    if (!decompressor)
        return -ENOMEM;
    result = libdeflate_gzip_decompress(decompressor, body.data, body.length, output->data,
                                        output->maximum, &output->length);
    libdeflate_free_decompressor(decompressor);
    if (result == LIBDEFLATE_SUCCESS)
        return 0;
    output->length = 0;
    return result == LIBDEFLATE_INSUFFICIENT_SPACE ? -ENOBUFS : -EPROTO;
}

int body_decompress(const char *how, struct slice body, struct buffer *output,
                    struct slice *ret_body)
{
    int result;

    if (strcmp(how, "gzip") != 0)
        return -EPROTO;
    output->length = 0;
    if (buffer_reserve(output, output->maximum) < 0)
        return -ENOMEM;
    result = inflate(body, output);
    if (result == 0)
        *ret_body = buffer_slice(output);
    return result;
}
