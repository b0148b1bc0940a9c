/*
 * capture files: what the readers make of every format, of files cut at every byte, of lengths
 * that lie, and of compression.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/allocate.h"
#include "capture/file_reader.h"
#include "tests/lib/capture_builder.h"

enum { TEXT_BYTES = 8192 };

/* What came out: "time link length frame;" for each frame, "!" for each report. */
struct reading {
    char text[TEXT_BYTES];
    size_t used;
    unsigned frames, reports;
    int open_result;
    char message[FILE_READER_MESSAGE_BYTES];
};

static struct capture_builder file;
static struct reading reading;

static void add_frame(struct reading *to, const struct frame *frame)
{
    to->used +=
        (size_t)snprintf(to->text + to->used, TEXT_BYTES - to->used, "%llu.%09llu %u %u %.*s;",
                         (unsigned long long)frame->time_ns / 1000000000u,
                         (unsigned long long)frame->time_ns % 1000000000u, frame->link_type,
                         frame->length, (int)frame->bytes.length, (const char *)frame->bytes.data);
    assert_true(to->used < TEXT_BYTES);
    assert_true(frame->length >= frame->bytes.length);
}

static void read_path(struct reading *to, const char *path)
{
    struct file_reader *reader = NULL;
    struct frame frame = {0};
    int result;

    memset(to, 0, sizeof(*to));
    to->open_result = file_reader_open(path, NULL, &reader, to->message);
    if (to->open_result)
        return;
    while ((result = file_reader_next(reader, &frame, to->message)) != 0) {
        if (result == 1) {
            add_frame(to, &frame);
            to->frames++;
        } else {
            to->reports++;
            assert_true(strlen(to->message) > 0);
        }
        assert_true(to->frames + to->reports < 10000);
        frame = (struct frame){0};
    }
    assert_int_equal(file_reader_next(reader, &frame, to->message), 0);
    file_reader_close(&reader);
    assert_null(reader);
}

static void read_bytes(struct reading *to, const void *bytes, size_t length)
{
    read_path(to, capture_builder_path(bytes, length));
}

static void read_file(void)
{
    read_bytes(&reading, file.bytes, file.length);
}

static void expect(const char *text)
{
    read_file();
    assert_int_equal(reading.open_result, 0);
    assert_string_equal(reading.text, text);
    assert_int_equal(reading.reports, 0);
}

static void pcap_of_every_kind_is_read(void **state)
{
    static const struct {
        uint32_t magic;
        const char *text;
    } kinds[] = {
        {0xa1b2c3d4, "7.000005000 1 5 hello;8.000006000 1 9 you;"},
        {0xa1b23c4d, "7.000000005 1 5 hello;8.000000006 1 9 you;"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        for (int is_big_endian = 0; is_big_endian < 2; is_big_endian++) {
            capture_builder_init(&file, is_big_endian);
            capture_builder_pcap(&file, kinds[i].magic, 1);
            capture_builder_pcap_packet(&file, 7, 5, "hello", 0);
            capture_builder_pcap_packet(&file, 8, 6, "you", 6);
            expect(kinds[i].text);
        }
}

static void longer_headers_of_pcap_are_passed(void **state)
{
    (void)state;
    for (int is_big_endian = 0; is_big_endian < 2; is_big_endian++) {
        capture_builder_init(&file, is_big_endian);
        capture_builder_pcap(&file, 0xa1b2cd34, 113);
        for (uint32_t i = 0; i < 2; i++) {
            capture_builder_32(&file, 7 + i);
            capture_builder_32(&file, 5);
            capture_builder_32(&file, 2);
            capture_builder_32(&file, 2);
            capture_builder_bytes(&file, "\1\0\0\0\0\10\4\0hi", 10);
        }
        expect("7.000005000 113 2 hi;8.000005000 113 2 hi;");
        capture_builder_init(&file, is_big_endian);
        capture_builder_pcap(&file, 0x1c0001ac, 1);
        capture_builder_32(&file, 21);
        capture_builder_pcap_packet(&file, 1, 2, "hello", 0);
        expect("1.000000002 1 5 hello;");
    }
}

static void odd_fields_of_pcap_are_understood(void **state)
{
    (void)state;
    capture_builder_init(&file, false);
    capture_builder_pcap(&file, 0xa1b2c3d4, 0x24000000 | 12); /* FCS bits; DLT_RAW */
    capture_builder_pcap_packet(&file, 1, 0, "abc", 0);
    file.bytes[6] = 3; /* version 2.3: the two lengths may be exchanged */
    capture_builder_32(&file, 2);
    capture_builder_32(&file, 0);
    capture_builder_32(&file, 60);
    capture_builder_32(&file, 2);
    capture_builder_bytes(&file, "xy", 2);
    expect("1.000000000 101 3 abc;2.000000000 101 60 xy;");
}

static void build_pcapng(bool is_big_endian)
{
    uint64_t offset = is_big_endian ? 0x0a00000000000000ull : 10; /* written below, big endian */

    capture_builder_init(&file, is_big_endian);
    capture_builder_section(&file);
    capture_builder_interface(&file, 1, 6);
    capture_builder_interface(&file, 101, 9);
    capture_builder_interface(&file, 113, 0x80 | 10);
    capture_builder_interface(&file, 0, 3);
    offset = is_big_endian ? __builtin_bswap64(10) : 10;
    capture_builder_begin(&file, 1);
    capture_builder_16(&file, 276);
    capture_builder_16(&file, 0);
    capture_builder_32(&file, 4);
    capture_builder_option(&file, 2, "eth0", 4);
    capture_builder_option(&file, 14, &offset, 8);
    capture_builder_end(&file);
    capture_builder_enhanced(&file, 0, 3000001, "micro");
    capture_builder_enhanced(&file, 1, 3000000001, "nano");
    capture_builder_enhanced(&file, 2, 3 * 1024 + 512, "binary");
    capture_builder_enhanced(&file, 3, 3001, "milli");
    capture_builder_begin(&file, 0x0bad); /* custom, of nobody */
    capture_builder_bytes(&file, "abcdefg", 7);
    capture_builder_end(&file);
    capture_builder_begin(&file, 0x7777);
    capture_builder_end(&file);
    capture_builder_enhanced(&file, 4, 1000000, "late");
}

static void pcapng_clocks_and_interfaces_are_kept_apart(void **state)
{
    (void)state;
    for (int is_big_endian = 0; is_big_endian < 2; is_big_endian++) {
        build_pcapng(is_big_endian);
        expect("3.000001000 1 5 micro;3.000000001 101 4 nano;3.500000000 113 6 binary;"
               "3.001000000 0 5 milli;11.000000000 276 4 late;");
    }
}

static void sections_of_both_orders_follow_each_other(void **state)
{
    (void)state;
    capture_builder_init(&file, false);
    capture_builder_section(&file);
    capture_builder_interface(&file, 1, 6);
    capture_builder_enhanced(&file, 0, 1000000, "one");
    file.is_big_endian = true;
    capture_builder_section(&file);
    capture_builder_interface(&file, 101, 9);
    capture_builder_enhanced(&file, 0, 2000000000, "two");
    expect("1.000000000 1 3 one;2.000000000 101 3 two;");
}

static void old_and_simple_packets_are_read(void **state)
{
    (void)state;
    capture_builder_init(&file, true);
    capture_builder_section(&file);
    capture_builder_begin(&file, 1);
    capture_builder_16(&file, 1);
    capture_builder_16(&file, 0);
    capture_builder_32(&file, 4); /* snap length */
    capture_builder_end(&file);
    capture_builder_begin(&file, 2);
    capture_builder_16(&file, 0);
    capture_builder_16(&file, 9); /* drops */
    capture_builder_32(&file, 0);
    capture_builder_32(&file, 5000000);
    capture_builder_32(&file, 3);
    capture_builder_32(&file, 70);
    capture_builder_bytes(&file, "old", 3);
    capture_builder_end(&file);
    capture_builder_begin(&file, 3);
    capture_builder_32(&file, 80);
    capture_builder_bytes(&file, "simp", 4);
    capture_builder_end(&file);
    expect("5.000000000 1 70 old;5.000000000 1 80 simp;");
}

static void direction_and_interface_are_told(void **state)
{
    struct file_reader *reader = NULL;
    struct frame frame = {0};
    char message[FILE_READER_MESSAGE_BYTES];

    (void)state;
    capture_builder_init(&file, false);
    capture_builder_section(&file);
    capture_builder_begin(&file, 1);
    capture_builder_32(&file, 1);
    capture_builder_32(&file, 0);
    capture_builder_option(&file, 2, "veth7", 5);
    capture_builder_end(&file);
    for (uint32_t flags = 0; flags < 3; flags++) {
        capture_builder_enhanced(&file, 0, 0, "hello");
        file.length -= 4; /* open it again for an option */
        capture_builder_option(&file, 2, (uint8_t[]){(uint8_t)flags, 0, 0, 0}, 4);
        capture_builder_end(&file);
    }
    assert_int_equal(
        file_reader_open(capture_builder_path(file.bytes, file.length), NULL, &reader, message), 0);
    for (int direction = 0; direction < 3; direction++) {
        assert_int_equal(file_reader_next(reader, &frame, message), 1);
        assert_int_equal(frame.direction, direction);
        assert_true(slice_is_equal(frame.interface_name, SLICE_LITERAL("veth7")));
    }
    file_reader_close(&reader);
}

/* A file cut at any byte gives the frames before the cut, perhaps a part of one, and a report. */
static void check_every_cut(void)
{
    static struct reading whole;

    read_bytes(&whole, file.bytes, file.length);
    assert_int_equal(whole.reports, 0);
    for (size_t length = 0; length < file.length; length++) {
        const char *last;

        read_bytes(&reading, file.bytes, length);
        if (reading.open_result) {
            assert_true(strlen(reading.message) > 0);
            continue;
        }
        assert_true(reading.reports <= 1);
        /* All but the last frame are as they were. */
        last = reading.reports ? strrchr(reading.text, ' ') : reading.text + reading.used;
        if (last)
            assert_memory_equal(whole.text, reading.text, (size_t)(last - reading.text));
    }
}

static void files_cut_at_any_byte_are_read_up_to_there(void **state)
{
    (void)state;
    for (int is_big_endian = 0; is_big_endian < 2; is_big_endian++) {
        capture_builder_init(&file, is_big_endian);
        capture_builder_pcap(&file, 0xa1b2c3d4, 1);
        for (uint32_t i = 0; i < 4; i++)
            capture_builder_pcap_packet(&file, 7 + i, i, "some_bytes", i);
        check_every_cut();
        build_pcapng(is_big_endian);
        check_every_cut();
    }
}

static void every_byte_may_be_wrong(void **state)
{
    static struct capture_builder good;

    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        build_pcapng(kind);
        if (kind) {
            capture_builder_init(&file, false);
            capture_builder_pcap(&file, 0xa1b23c4d, 1);
            for (uint32_t i = 0; i < 6; i++)
                capture_builder_pcap_packet(&file, 7 + i, i, "some_bytes", i);
        }
        good = file;
        for (size_t at = 0; at < good.length; at++)
            for (unsigned change = 1; change < 256; change += 127) {
                file = good;
                file.bytes[at] ^= (uint8_t)change;
                read_file();
            }
    }
}

static void reading_goes_on_behind_damage(void **state)
{
    (void)state;
    capture_builder_init(&file, false);
    capture_builder_pcap(&file, 0xa1b2c3d4, 1);
    for (uint32_t i = 0; i < 6; i++)
        capture_builder_pcap_packet(&file, 7 + i, i, "some_bytes", 0);
    memset(file.bytes + 24 + 26, 0xff, 16); /* the second packet's header */
    read_file();
    assert_int_equal(reading.frames, 5);
    assert_int_equal(reading.reports, 1);
    assert_non_null(strstr(reading.message, "at byte 50"));
    build_pcapng(false);
    memset(file.bytes + file.length - 4, 0xee, 4); /* the last block's second length */
    read_file();
    assert_int_equal(reading.frames, 5);
}

static void lengths_that_lie_cost_nothing(void **state)
{
    (void)state;
    capture_builder_init(&file, false);
    capture_builder_pcap(&file, 0xa1b2c3d4, 1);
    capture_builder_32(&file, 1);
    capture_builder_32(&file, 1);
    capture_builder_32(&file, 0xfffffff0);
    capture_builder_32(&file, 0xfffffff0);
    read_file();
    assert_int_equal(reading.frames, 0);
    assert_int_equal(reading.reports, 1);
    for (uint32_t type = 0; type < 12; type++)
        for (uint32_t length = 0; length < 64; length++) {
            capture_builder_init(&file, false);
            capture_builder_section(&file);
            capture_builder_interface(&file, 1, 6);
            capture_builder_32(&file, type);
            capture_builder_32(&file, length < 40 ? length : -length);
            capture_builder_bytes(&file, "0123456789abcdefghijklmnopqrstuvwxyz", 36);
            read_file();
            assert_true(reading.reports <= 3);
        }
    capture_builder_init(&file, false);
    capture_builder_section(&file);
    capture_builder_enhanced(&file, 3, 1, "of no interface");
    capture_builder_interface(&file, 1, 6);
    capture_builder_enhanced(&file, 0, 1, "good");
    read_file();
    assert_string_equal(reading.text, "0.000001000 1 4 good;");
    assert_int_equal(reading.reports, 1);
}

static void what_is_no_capture_file_is_refused(void **state)
{
    (void)state;
    read_path(&reading, "/nonexistent/file");
    assert_int_equal(reading.open_result, -ENOENT);
    read_path(&reading, "/");
    assert_int_equal(reading.open_result, -EISDIR);
    read_bytes(&reading, "", 0);
    assert_int_equal(reading.open_result, -EMEDIUMTYPE);
    assert_non_null(strstr(reading.message, "empty"));
    read_bytes(&reading, "BZh91AY", 7);
    assert_int_equal(reading.open_result, -EMEDIUMTYPE);
    assert_non_null(strstr(reading.message, "bzip2"));
}

static void memory_that_runs_out_is_told(void **state)
{
    (void)state;
    build_pcapng(false);
    for (uint64_t n = 1;; n++) {
        allocate_fail_at(n);
        read_file();
        if (!allocate_has_failed())
            break;
        assert_true(reading.open_result == -ENOMEM || reading.reports);
    }
    allocate_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pcap_of_every_kind_is_read),
        cmocka_unit_test(longer_headers_of_pcap_are_passed),
        cmocka_unit_test(odd_fields_of_pcap_are_understood),
        cmocka_unit_test(pcapng_clocks_and_interfaces_are_kept_apart),
        cmocka_unit_test(sections_of_both_orders_follow_each_other),
        cmocka_unit_test(old_and_simple_packets_are_read),
        cmocka_unit_test(direction_and_interface_are_told),
        cmocka_unit_test(files_cut_at_any_byte_are_read_up_to_there),
        cmocka_unit_test(every_byte_may_be_wrong),
        cmocka_unit_test(reading_goes_on_behind_damage),
        cmocka_unit_test(lengths_that_lie_cost_nothing),
        cmocka_unit_test(what_is_no_capture_file_is_refused),
        cmocka_unit_test(memory_that_runs_out_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
