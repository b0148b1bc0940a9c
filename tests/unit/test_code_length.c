/*
 * lengths of instructions: samples of each form, and every instruction of two whole programs beside
 * a disassembler: the Go compiler's front end, and a library with all that AVX-512 has.
 * TIMEOUT: 240
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "capture/code_length.h"
#include "capture/elf_image.h"

static size_t from_hex(const char *text, uint8_t *bytes, size_t room)
{
    size_t length = 0;
    int used;

    for (unsigned byte; length < room && sscanf(text, "%2x%n", &byte, &used) == 1; text += used)
        bytes[length++] = (uint8_t)byte;
    return length;
}

static const char *const samples[] = {
    "c3",
    "f3c3",
    "c20800",
    "90",
    "6690",
    "0f1f00",
    "0f1f8000000000",
    "662e0f1f840000000000",
    "4883ec28",
    "4881ec00010000",
    "6681c73412",
    "488d442410",
    "488d0512345678",
    "8b04251234abcd",
    "498b4610",
    "493b6610",
    "4d3b6610",
    "7605",
    "0f8612345678",
    "e812345678",
    "eb10",
    "64488b0c25f8ffffff",
    "48b81122334455667788",
    "b811223344",
    "66b81122",
    "a11122334455667788",
    "67a111223344",
    "f6c001",
    "f6d0",
    "f7c001000000",
    "66f7c00100",
    "48f7c001000000",
    "f7d8",
    "ff25aabbccdd",
    "ffd0",
    "41ff2424",
    "c745fc01000000",
    "66c745fc0100",
    "c645fc01",
    "c8100001",
    "6a01",
    "6811223344",
    "6bc003",
    "69c011223344",
    "d1e0",
    "c1e003",
    "0f05",
    "0fa2",
    "0f0b",
    "0fa4c203",
    "0fba2503000000ff",
    "f20f10442408",
    "660f6f0510203040",
    "660f70c01b",
    "660f3800c1",
    "660f3a0fc108",
    "f30f38f0c0",
    "f2480f38f1c0",
    "660f78c00101",
    "f20f78c10203",
    "c5f877",
    "c5f9700511223344ff",
    "c4e27d58c0",
    "c4e37d39c001",
    "c4c17d6fc0",
    "62f17c481011",
    "62f1fd486f4001",
    "62f3fd481fc801",
    "62f57c4858c1",
    "f0480fb10f",
    "f3a4",
    "f348ab",
    "cc",
    "cd80",
    "0fc7f0",
    "480fc70f",
    "c6f801",
    "c7f811223344",
    "9b",
    "d9c0",
    "dd4508",
    "0fae05aabbccdd",
    "0f0d08",
    "0f0fc8b4",
    "e310",
    "67e310",
    "4c8d9c2480000000",
    "43807c252a00",
    "8fe878c2ec0e",
    "8fe97880c1",
    "8fea781011aabbccdd",
    "8f0424",
    "8fc0",
};
static const char *const refused[] = {"06", "0e",   "60",   "82c001", "9a112233445566",
                                      "d4", "ea",   "0f04", "0f24",   "0fa6",
                                      "48", "660f", "62f4", "c4e0"};

/* Whole instructions: each must need all of its bytes, and no byte behind them. */
static void test_samples(void **state)
{
    uint8_t bytes[32];

    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++) {
        size_t length = from_hex(samples[i], bytes, sizeof(bytes));

        memset(bytes + length, 0xcc, sizeof(bytes) - length);
        if (code_length_x86(slice_of(bytes, sizeof(bytes))) != length)
            fail_msg("%s: %zu", samples[i], code_length_x86(slice_of(bytes, sizeof(bytes))));
        for (size_t cut = 0; cut < length; cut++)
            assert_int_equal(code_length_x86(slice_of(bytes, cut)), 0);
    }
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
        assert_int_equal(
            code_length_x86(slice_of(bytes, from_hex(refused[i], bytes, sizeof(bytes)))), 0);
    memset(bytes, 0x66, sizeof(bytes));
    assert_int_equal(code_length_x86(slice_of(bytes, sizeof(bytes))), 0);
}

/* All of one, two and three bytes: never longer than what is there. */
static void test_any_bytes(void **state)
{
    uint8_t bytes[16];

    (void)state;
    for (unsigned i = 0; i < 1u << 24; i++) {
        size_t length;

        memset(bytes, (int)(i * 7 & 0xff), sizeof(bytes));
        bytes[0] = (uint8_t)i;
        bytes[1] = (uint8_t)(i >> 8);
        bytes[2] = (uint8_t)(i >> 16);
        length = code_length_x86(slice_of(bytes, sizeof(bytes)));
        if (length > CODE_LENGTH_MAXIMUM ||
            (length && code_length_x86(slice_of(bytes, length - 1))))
            fail_msg("%02x %02x %02x: %zu", bytes[0], bytes[1], bytes[2], length);
    }
}

struct comparison {
    struct elf_image image;
    uint64_t last; /* address of the instruction before; 0: none */
    bool is_odd;   /* the disassembler could not read it, or shows parts of it */
    uint64_t compared, wrong;
};

/* "  401000:\tmov ..." */
static void compare_line(struct comparison *comparison, const char *line)
{
    uint64_t address, offset;
    uint8_t bytes[CODE_LENGTH_MAXIMUM];
    char *end;
    size_t length;

    address = strtoull(line, &end, 16);
    if (line[0] != ' ' || end[0] != ':' || end[1] != '\t') {
        comparison->last = 0; /* another function */
        return;
    }
    if (comparison->last && !comparison->is_odd && address > comparison->last &&
        !elf_image_offset(&comparison->image, comparison->last, true, &offset) &&
        !elf_image_read(&comparison->image, offset, bytes, sizeof(bytes))) {
        length = code_length_x86(slice_of(bytes, sizeof(bytes)));
        comparison->compared++;
        comparison->wrong += length != address - comparison->last;
        if (length != address - comparison->last && comparison->wrong < 5)
            print_message("%llx: %zu, not %llu\n", (unsigned long long)comparison->last, length,
                          (unsigned long long)(address - comparison->last));
    }
    comparison->last = address;
    comparison->is_odd = strstr(line, "(bad)") || strstr(line, "...") || !end[2] ||
                         strstr(end, "\trex") || strstr(end, "\tdata16\n") || strstr(end, "\tfs\n");
}

/* `wrong`: how many may differ, where data lies between the functions. */
static void compare(const char *path, uint64_t least, uint64_t wrong)
{
    struct comparison comparison = {.last = 0};
    char command[512], *line = NULL;
    size_t size = 0;
    FILE *lines;

    if (access(path, R_OK) || elf_image_open(&comparison.image, path))
        return;
    if (comparison.image.machine == 62) { /* EM_X86_64 */
        snprintf(command, sizeof(command), "objdump -d -w --no-show-raw-insn '%s'", path);
        lines = popen(command, "r");
        assert_non_null(lines);
        while (getline(&line, &size, lines) > 0)
            compare_line(&comparison, line);
        free(line);
        if (pclose(lines) == 0) {
            print_message("%s: %llu instructions, %llu differ\n", path,
                          (unsigned long long)comparison.compared,
                          (unsigned long long)comparison.wrong);
            assert_true(comparison.compared >= least);
            assert_true(comparison.wrong <= wrong);
        }
    }
    elf_image_close(&comparison.image);
}

static void test_beside_disassembler(void **state)
{
    (void)state;
    if (system("objdump --version > /dev/null 2>&1") != 0)
        skip();
    compare("/usr/lib/go-1.19/bin/go", 1000000, 0);
    compare("/usr/lib/x86_64-linux-gnu/libcrypto.so.3", 500000, 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_samples),
                                       cmocka_unit_test(test_any_bytes),
                                       cmocka_unit_test(test_beside_disassembler)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
