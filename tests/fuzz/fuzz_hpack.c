/*
 * fuzz_hpack: the HPACK decoder against libnghttp2's. The input is a connection's header blocks:
 * a byte that says how many of them the observer misses, then blocks with a byte of length and a
 * byte that says how the block is cut. What libnghttp2 decodes must come out, or, after blocks that
 * were missed, be left out and flagged; nothing else may.
 * PACKAGE: libnghttp2
 */
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include "parse/hpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_MAXIMUM = 1 << 20, NAMES_MAXIMUM = 2048 };

/* What libnghttp2 found in one block. */
struct expected {
    struct header headers[NAMES_MAXIMUM];
    size_t count;
    uint8_t text[TEXT_MAXIMUM]; /* it keeps names and values only until the next one */
    size_t used;
};

static struct expected expected;

static struct slice keep(const uint8_t *bytes, size_t length)
{
    if (expected.used + length > TEXT_MAXIMUM)
        return slice_of(NULL, SIZE_MAX);
    if (length)
        memcpy(expected.text + expected.used, bytes, length);
    expected.used += length;
    return slice_of(expected.text + expected.used - length, length);
}

/* False: it does not like the block, or the block is too large for this test. */
static bool inflate(nghttp2_hd_inflater *inflater, struct slice block)
{
    expected.count = expected.used = 0;
    for (;;) {
        nghttp2_nv header;
        int flags = 0;
        ssize_t used =
            nghttp2_hd_inflate_hd2(inflater, &header, &flags, block.data, block.length, 1);
        if (used < 0)
            return false;
        block = slice_part(block, (size_t)used, SIZE_MAX);
        if (flags & NGHTTP2_HD_INFLATE_EMIT) {
            struct slice name = keep(header.name, header.namelen);
            struct slice value = keep(header.value, header.valuelen);
            if (expected.count == NAMES_MAXIMUM || !name.data || !value.data)
                return false;
            expected.headers[expected.count++] = (struct header){name, value};
        }
        if (flags & NGHTTP2_HD_INFLATE_FINAL) {
            nghttp2_hd_inflate_end_headers(inflater);
            return true;
        }
    }
}

/* What came out must be the same, in order; only after missed blocks some may be left out. */
static void compare(const struct hpack_list *list, bool is_late)
{
    size_t at = 0;
    for (uint32_t i = 0; i < list->count; i++, at++) {
        while (at < expected.count &&
               !(slice_is_equal(list->headers[i].name, expected.headers[at].name) &&
                 slice_is_equal(list->headers[i].value, expected.headers[at].value)))
            at++;
        if (at == expected.count)
            abort();
    }
    bool is_whole = list->count == expected.count;
    if (!is_whole && (!is_late || !(list->is_partial)))
        abort();
    if (list->is_malformed || list->is_starved || list->is_truncated)
        abort();
}

static void decode(struct hpack_decoder *decoder, struct slice block, uint8_t cut, bool is_late)
{
    struct arena *arena = arena_new(4096, 64 << 20);
    struct hpack_list list;
    hpack_list_start(&list, arena, TEXT_MAXIMUM);
    while (block.length) {
        size_t length = cut && cut < block.length ? cut : block.length;
        uint8_t *copy = malloc(length); /* so that sanitizers see a read behind it */
        if (!copy)
            abort();
        memcpy(copy, block.data, length);
        hpack_decoder_feed(decoder, slice_of(copy, length), &list);
        free(copy);
        block = slice_part(block, length, SIZE_MAX);
    }
    hpack_decoder_end(decoder, &list);
    compare(&list, is_late);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = slice_of(data, size);
    struct hpack_decoder decoder = {0};
    nghttp2_hd_inflater *inflater = NULL;
    if (size < 1 || nghttp2_hd_inflate_new(&inflater) != 0)
        return 0;
    nghttp2_hd_inflate_change_table_size(inflater, 1 << 16);
    unsigned missed = input.data[0] & 3;
    input = slice_part(input, 1, SIZE_MAX);
    if (missed)
        hpack_table_forget(&decoder.table);
    else
        hpack_table_begin(&decoder.table);
    for (unsigned i = 0; input.length >= 2; i++) {
        uint8_t cut = input.data[1];
        struct slice block = slice_part(input, 2, input.data[0]);
        input = slice_part(input, 2 + block.length, SIZE_MAX);
        if (!inflate(inflater, block))
            break;
        if (i >= missed)
            decode(&decoder, block, cut, missed > 0);
    }
    hpack_decoder_done(&decoder);
    nghttp2_hd_inflate_del(inflater);
    return 0;
}
