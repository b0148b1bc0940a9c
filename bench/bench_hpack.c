/*
 * bench_hpack: nanoseconds for a header block, with this decoder and with libnghttp2's. The blocks
 * are those of a browser's requests and a server's responses, made by libnghttp2's encoder: the
 * first of a connection, and the ones that follow. Argument: rounds (default 200000).
 * PACKAGE: libnghttp2
 */
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "parse/hpack.h"

enum { BLOCKS = 16, BLOCK_MAXIMUM = 4096, TURNS = 15 };

struct block {
    uint8_t bytes[BLOCK_MAXIMUM];
    size_t length;
};

static struct block blocks[BLOCKS];
static size_t header_bytes, wire_bytes;

static uint64_t now_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static nghttp2_nv pair(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), 0};
}

/* The heads of one connection, one after the other. */
static void make_blocks(void)
{
    static char paths[BLOCKS][64], ids[BLOCKS][40];
    nghttp2_hd_deflater *deflater;

    nghttp2_hd_deflate_new(&deflater, 4096);
    for (unsigned i = 0; i < BLOCKS; i++) {
        snprintf(paths[i], sizeof(paths[i]), "/api/v1/items?page=%u&sort=price", i);
        snprintf(ids[i], sizeof(ids[i]), "4bf92f3577b34da6a3ce929d0e0e%04x", i * 7919);
        nghttp2_nv headers[] = {
            pair(":method", "GET"),
            pair(":scheme", "https"),
            pair(":authority", "shop.example:8080"),
            pair(":path", paths[i]),
            pair("user-agent",
                 "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
            pair("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
            pair("accept-language", "en-US,en;q=0.5"),
            pair("accept-encoding", "gzip, deflate, br"),
            pair("authorization", "Bearer 2YotnFZFEjr1zCsicMWpAA2YotnFZFEjr1zC"),
            pair("cookie", "session=0a6d6cafdc7f4c3a9f3b"),
            pair("referer", "https://shop.example/catalogue"),
            pair("x-request-id", ids[i]),
            pair("cache-control", "max-age=0"),
            pair("sec-fetch-mode", "navigate"),
        };
        size_t count = sizeof(headers) / sizeof(*headers);

        for (size_t j = 0; j < count; j++)
            header_bytes += headers[j].namelen + headers[j].valuelen;
        ssize_t length =
            nghttp2_hd_deflate_hd(deflater, blocks[i].bytes, BLOCK_MAXIMUM, headers, count);

        if (length < 0)
            exit(1);
        blocks[i].length = (size_t)length;
        wire_bytes += (size_t)length;
    }
    nghttp2_hd_deflate_del(deflater);
}

static size_t decode_own(unsigned from, unsigned until, struct hpack_decoder *decoder,
                         struct arena *arena)
{
    size_t sum = 0;

    for (unsigned i = from; i < until; i++) {
        struct hpack_list list;

        arena_reset(arena);
        hpack_list_start(&list, arena, 65536);
        hpack_decoder_feed(decoder, slice_of(blocks[i].bytes, blocks[i].length), &list);
        hpack_decoder_end(decoder, &list);
        for (uint32_t j = 0; j < list.count; j++)
            sum += list.headers[j].name.length + list.headers[j].value.length;
    }
    return sum;
}

/* Copies what it finds, as a record must. */
static size_t decode_other(unsigned from, unsigned until, nghttp2_hd_inflater *inflater,
                           struct arena *arena)
{
    size_t sum = 0;

    for (unsigned i = from; i < until; i++) {
        const uint8_t *at = blocks[i].bytes;
        size_t left = blocks[i].length;
        struct header headers[64];
        size_t count = 0;
        int flags = 0;

        arena_reset(arena);
        do {
            nghttp2_nv header;
            ssize_t used = nghttp2_hd_inflate_hd2(inflater, &header, &flags, at, left, 1);

            if (used < 0)
                exit(1);
            at += used;
            left -= (size_t)used;
            if (flags & NGHTTP2_HD_INFLATE_EMIT && count < 64) {
                headers[count].name = arena_copy(arena, slice_of(header.name, header.namelen));
                headers[count].value = arena_copy(arena, slice_of(header.value, header.valuelen));
                sum += headers[count].name.length + headers[count].value.length;
                count++;
            }
        } while (!(flags & NGHTTP2_HD_INFLATE_FINAL));
        nghttp2_hd_inflate_end_headers(inflater);
    }
    return sum;
}

struct result {
    double first, next;
};

/* The fastest of some turns: the first block of a connection, and each that follows. */
static struct result measure(bool is_own, unsigned rounds)
{
    struct result best = {1e9, 1e9};
    struct arena *arena = arena_new(4096, 1 << 20);
    size_t sum = 0;

    for (unsigned turn = 0; turn < TURNS; turn++) {
        uint64_t first = 0, next = 0;

        for (unsigned i = 0; i < rounds / TURNS / BLOCKS; i++) {
            struct hpack_decoder decoder = {0};
            nghttp2_hd_inflater *inflater;

            hpack_table_begin(&decoder.table);
            nghttp2_hd_inflate_new(&inflater);
            uint64_t start = now_ns();
            sum += is_own ? decode_own(0, 1, &decoder, arena) : decode_other(0, 1, inflater, arena);
            uint64_t middle = now_ns();
            sum += is_own ? decode_own(1, BLOCKS, &decoder, arena)
                          : decode_other(1, BLOCKS, inflater, arena);
            next += now_ns() - middle;
            first += middle - start;
            hpack_decoder_done(&decoder);
            nghttp2_hd_inflate_del(inflater);
        }
        double count = rounds / TURNS / BLOCKS;
        best.first = first / count < best.first ? first / count : best.first;
        best.next = next / count / (BLOCKS - 1) < best.next ? next / count / (BLOCKS - 1)
                                                            : best.next;
    }
    arena_free(&arena);
    return sum ? best : (struct result){0, 0};
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 200000;

    make_blocks();
    printf("heads of %zu bytes in blocks of %zu on average, the first of %zu\n",
           header_bytes / BLOCKS, wire_bytes / BLOCKS, blocks[0].length);
    struct result own = measure(true, rounds), other = measure(false, rounds);
    printf("own        first %6.0f ns   next %6.0f ns\n", own.first, own.next);
    printf("libnghttp2 first %6.0f ns   next %6.0f ns\n", other.first, other.next);
    return 0;
}
