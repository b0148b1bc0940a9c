/* compressed capture files: gzip and zstd, several members, cut at every byte, damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include "base/allocate.h"
#include "capture/file_input.h"
#include "capture/file_reader.h"
#include "tests/lib/capture_builder.h"

enum { PACKETS = 200, COMPRESSED_BYTES = 65536 };

static struct capture_builder file;
static uint8_t compressed[COMPRESSED_BYTES];
static size_t compressed_length;

static void build(void)
{
    capture_builder_init(&file, false);
    capture_builder_pcap(&file, 0xa1b2c3d4, 1);
    for (uint32_t i = 0; i < PACKETS; i++) {
        char text[64];

        snprintf(text, sizeof(text), "packet %u of many %u", i, i * 2654435761u);
        capture_builder_pcap_packet(&file, 1000 + i, i, text, 0);
    }
    compressed_length = 0;
}

static void add_gzip(size_t from, size_t to)
{
    z_stream stream = {.next_in = file.bytes + from,
                       .avail_in = (unsigned)(to - from),
                       .next_out = compressed + compressed_length,
                       .avail_out = (unsigned)(COMPRESSED_BYTES - compressed_length)};

    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    compressed_length += stream.total_out;
    deflateEnd(&stream);
}

static void add_zstd(size_t from, size_t to)
{
    size_t result = ZSTD_compress(compressed + compressed_length,
                                  COMPRESSED_BYTES - compressed_length, file.bytes + from,
                                  to - from, 3);

    assert_false(ZSTD_isError(result));
    compressed_length += result;
}

/* Frames that are read; *ret_reports: how often something was told. */
static unsigned read_frames(size_t length, unsigned *ret_reports, char *message)
{
    struct file_reader *reader = NULL;
    struct frame frame = {0};
    unsigned frames = 0;
    int result;

    *ret_reports = 0;
    message[0] = '\0';
    if (file_reader_open(capture_builder_path(compressed, length), NULL, &reader, message)) {
        *ret_reports = 1;
        return 0;
    }
    while ((result = file_reader_next(reader, &frame, message)) != 0) {
        frames += result == 1;
        *ret_reports += result < 0;
        assert_true(*ret_reports < 100);
    }
    file_reader_close(&reader);
    return frames;
}

static void expect(unsigned frames, unsigned reports, const char *words)
{
    char message[FILE_READER_MESSAGE_BYTES];
    unsigned told;

    assert_int_equal(read_frames(compressed_length, &told, message), frames);
    assert_int_equal(told, reports);
    assert_non_null(strstr(message, words));
}

static void members_are_read_one_behind_the_other(void **state)
{
    (void)state;
    build();
    add_gzip(0, 5000);
    add_gzip(5000, 5001);
    add_gzip(5001, file.length);
    expect(PACKETS, 0, "");
    build();
    add_zstd(0, 777);
    add_zstd(777, 777); /* an empty frame */
    add_zstd(777, file.length);
    expect(PACKETS, 0, "");
}

static void what_follows_is_left_out(void **state)
{
    (void)state;
    build();
    add_gzip(0, file.length);
    memset(compressed + compressed_length, 0, 512);
    compressed_length += 512;
    expect(PACKETS, 0, "");
    compressed[compressed_length - 512] = 'x';
    expect(PACKETS, 1, "left out");
    build();
    add_zstd(0, file.length);
    memcpy(compressed + compressed_length, "nothing", 7);
    compressed_length += 7;
    expect(PACKETS, 1, "left out");
}

static void a_cut_is_told_at_any_byte(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        unsigned before = 0;

        build();
        if (kind)
            add_zstd(0, file.length);
        else
            add_gzip(0, file.length);
        for (size_t length = 0; length < compressed_length; length++) {
            char message[FILE_READER_MESSAGE_BYTES];
            unsigned told, frames = read_frames(length, &told, message);

            assert_int_equal(told, 1);
            assert_true(frames >= before); /* the more of it, the more is read */
            before = frames;
        }
        expect(PACKETS, 0, "");
    }
}

static void damage_is_told_and_what_came_before_is_read(void **state)
{
    char message[FILE_READER_MESSAGE_BYTES];
    unsigned told;

    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        build();
        if (kind)
            add_zstd(0, file.length);
        else
            add_gzip(0, file.length);
        for (size_t at = 0; at < compressed_length; at += 3) {
            compressed[at] ^= 0x5a;
            assert_true(read_frames(compressed_length, &told, message) <= PACKETS + 1);
            compressed[at] ^= 0x5a;
        }
    }
    build();
    add_gzip(0, file.length);
    compressed[compressed_length - 6] ^= 1; /* the checksum */
    expect(PACKETS, 1, "damaged");
}

static void memory_that_runs_out_is_told(void **state)
{
    char message[FILE_READER_MESSAGE_BYTES];
    unsigned told;

    (void)state;
    build();
    add_zstd(0, file.length);
    for (uint64_t n = 1;; n++) {
        allocate_fail_at(n);
        read_frames(compressed_length, &told, message);
        if (!allocate_has_failed())
            break;
        assert_true(told);
    }
    allocate_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_read_one_behind_the_other),
        cmocka_unit_test(what_follows_is_left_out),
        cmocka_unit_test(a_cut_is_told_at_any_byte),
        cmocka_unit_test(damage_is_told_and_what_came_before_is_read),
        cmocka_unit_test(memory_that_runs_out_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
