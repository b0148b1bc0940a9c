/*
 * executables: symbols of built files and of this very program, whose functions are in memory to
 * compare with; files cut at every byte and damaged at every byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "capture/elf_symbols.h"
#include "tests/lib/elf_builder.h"

static struct elf_builder builder;
static uint64_t code_at;
static const char names[] = "\0my_TLS_read\0TLS_write\0missing\0data_item\0TLS_write_more";
enum { NAME_READ = 4, NAME_WRITE = 13, NAME_MISSING = 23, NAME_DATA = 31, CODE_BYTES = 64 };

static Elf64_Sym symbol(uint32_t name, unsigned char type, uint16_t section, uint64_t value)
{
    return (Elf64_Sym){.st_name = name,
                       .st_info = ELF64_ST_INFO(STB_GLOBAL, type),
                       .st_shndx = section,
                       .st_value = value,
                       .st_size = 16};
}

/* One function in the table for linking, one in the full table, one that is elsewhere. */
static struct slice build(bool with_full, bool with_linking)
{
    uint8_t code[CODE_BYTES];
    Elf64_Sym linking[3], full[4];
    uint32_t strings;

    memset(code, 0xc3, sizeof(code));
    elf_builder_init(&builder, ET_DYN, EM_X86_64);
    code_at = elf_builder_bytes(&builder, code, sizeof(code));
    linking[0] = full[0] = symbol(0, STT_NOTYPE, SHN_UNDEF, 0);
    linking[1] = symbol(NAME_READ, STT_FUNC, 1, ELF_BUILDER_ADDRESS + code_at);
    linking[2] = symbol(NAME_MISSING, STT_FUNC, SHN_UNDEF, 0);
    full[1] = symbol(NAME_DATA, STT_OBJECT, 1, ELF_BUILDER_ADDRESS + code_at);
    full[2] = symbol(NAME_WRITE, STT_FUNC, 1, ELF_BUILDER_ADDRESS + code_at + 16);
    full[3] = symbol(NAME_READ, STT_FUNC, 1, ELF_BUILDER_ADDRESS + code_at + 32);
    elf_builder_section(&builder, ".text", SHT_PROGBITS, 0, 0, NULL, 0);
    strings = elf_builder_section(&builder, ".strtab", SHT_STRTAB, 0, 0, names, sizeof(names));
    if (with_linking)
        elf_builder_section(&builder, ".dynsym", SHT_DYNSYM, strings, sizeof(Elf64_Sym), linking,
                            sizeof(linking));
    if (with_full)
        elf_builder_section(&builder, ".symtab", SHT_SYMTAB, strings, sizeof(Elf64_Sym), full,
                            sizeof(full));
    return elf_builder_end(&builder);
}

static void test_find(void **state)
{
    struct elf_symbol symbols[] = {{.name = "TLS_read"},
                                   {.name = "TLS_write"},
                                   {.name = "missing"},
                                   {.name = "data_item"},
                                   {.name = "my_TLS_read"}};
    struct elf_image image;

    (void)state;
    assert_int_equal(elf_image_of(&image, build(true, true)), 0);
    assert_int_equal(elf_symbols_find(&image, symbols, 5), 0);
    assert_true(symbols[0].is_found && symbols[1].is_found);
    assert_int_equal(symbols[0].offset, code_at);
    assert_int_equal(symbols[0].address, ELF_BUILDER_ADDRESS + code_at);
    assert_int_equal(symbols[0].size, 16);
    assert_int_equal(symbols[1].offset, code_at + 16);
    assert_false(symbols[2].is_found || symbols[3].is_found || symbols[4].is_found);

    assert_int_equal(elf_image_of(&image, build(false, true)), 0);
    assert_int_equal(elf_symbols_find(&image, symbols, 5), 0);
    assert_true(symbols[0].is_found);
    assert_false(symbols[1].is_found);

    assert_int_equal(elf_image_of(&image, build(true, false)), 0);
    assert_int_equal(elf_symbols_find(&image, symbols, 5), 0);
    assert_int_equal(symbols[0].offset, code_at + 32);

    assert_int_equal(elf_image_of(&image, build(false, false)), 0);
    assert_int_equal(elf_symbols_find(&image, symbols, 5), -ENOENT);
    assert_int_equal(elf_symbols_find(&image, symbols, ELF_STRINGS_MAXIMUM + 1), -E2BIG);
}

/* What a file may answer however it was damaged: an error, or places that are in it. */
static void use(struct slice bytes)
{
    struct elf_symbol symbols[] = {{.name = "TLS_read"}, {.name = "TLS_write"}};
    struct elf_section section;
    struct elf_image image;
    uint64_t value;

    if (elf_image_of(&image, bytes))
        return;
    if (elf_symbols_find(&image, symbols, 2) == 0)
        for (size_t i = 0; i < 2; i++)
            assert_true(!symbols[i].is_found || symbols[i].offset < bytes.length);
    if (elf_image_section_named(&image, ".text", &section) == 0)
        assert_true(section.offset <= bytes.length && section.size <= bytes.length);
    (void)elf_image_pointer(&image, ELF_BUILDER_ADDRESS + code_at, &value);
}

static void test_damage(void **state)
{
    static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
    struct slice whole = build(true, true);
    uint8_t *copy = malloc(whole.length);

    (void)state;
    for (size_t length = 0; length < whole.length; length++) {
        uint8_t *cut = malloc(length ? length : 1); /* so that a byte too far is found */

        memcpy(cut, whole.data, length);
        use(slice_of(cut, length));
        free(cut);
    }
    for (size_t at = 0; at < whole.length; at++)
        for (size_t i = 0; i < sizeof(values); i++) {
            memcpy(copy, whole.data, whole.length);
            copy[at] = values[i];
            use(slice_of(copy, whole.length));
        }
    free(copy);
}

static void test_refused(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        int result;
    } changes[] = {{0, 'x', -ENOEXEC},     {EI_CLASS, ELFCLASS32, -ENOTSUP},
                   {EI_DATA, 2, -ENOTSUP}, {16, ET_REL, -ENOTSUP},
                   {54, 0x20, -EBADMSG},   {58, 0x20, -EBADMSG},
                   {62, 0x7f, -EBADMSG},   {40 + 6, 0xff, -EBADMSG}};
    struct elf_image image;

    (void)state;
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct slice bytes = build(true, true);

        builder.bytes[changes[i].at] = changes[i].value;
        assert_int_equal(elf_image_of(&image, bytes), changes[i].result);
    }
    assert_int_equal(elf_image_of(&image, slice_of("", 0)), -ENOEXEC);
    assert_int_equal(elf_image_open(&image, "/proc/self/no such file"), -ENOENT);
    assert_int_equal(elf_image_open(&image, "/"), -ENOEXEC);
    assert_int_equal(elf_image_open(&image, "/dev/null"), -ENOEXEC);
}

/* Long tables: strings that lie across the pieces they are read in, and that share their ends. */
static void test_strings(void **state)
{
    static const char *const wanted[] = {"read", "SSL_read", "z"};
    size_t length = 3 * ELF_WINDOW_BYTES + 1000;
    struct elf_strings found;
    struct elf_image image = {.descriptor = -1};
    char *bytes = malloc(length);

    (void)state;
    image.bytes = slice_of(bytes, length);
    image.size = length;
    for (size_t shift = 0; shift < 12; shift++) {
        size_t at = 2 * ELF_WINDOW_BYTES - shift;

        memset(bytes, 'x', length);
        memcpy(bytes + at, "SSL_read", 9);
        bytes[length - 2] = 'z';
        bytes[length - 1] = 0;
        assert_int_equal(elf_strings_find(&image, 0, length, wanted, 3, &found), 0);
        assert_int_equal(found.count, 3);
        assert_int_equal(elf_strings_at(&found, at), 1);
        assert_int_equal(elf_strings_at(&found, at + 4), 0);
        assert_int_equal(elf_strings_at(&found, length - 2), 2);
        assert_int_equal(elf_strings_at(&found, at + 1), -1);
    }
    for (size_t i = 0; i + 1 < length; i += 2)
        memcpy(bytes + i, "z", 2);
    assert_int_equal(elf_strings_find(&image, 0, length, wanted, 3, &found), 0);
    assert_int_equal(found.count, ELF_STRINGS_PLACES);
    assert_int_equal(elf_strings_find(&image, 1, length, wanted, 3, &found), -EBADMSG);
    assert_int_equal(elf_strings_find(&image, 0, 1, (const char *const[]){""}, 1, &found), -EINVAL);
    free(bytes);
}

/* A function of this program: what lies at its offset of the file is what is in memory. */
static void test_own_program(void **state)
{
    struct elf_symbol symbols[] = {
        {.name = "elf_symbols_find"}, {.name = "no_such_function"}, {.name = "elf_strings_at"}};
    uint8_t bytes[64];
    struct elf_image image;

    (void)state;
    assert_int_equal(elf_image_open(&image, "/proc/self/exe"), 0);
    assert_int_equal(elf_symbols_find(&image, symbols, 3), 0);
    assert_true(symbols[0].is_found && symbols[2].is_found && !symbols[1].is_found);
    assert_int_equal(elf_image_read(&image, symbols[0].offset, bytes, sizeof(bytes)), 0);
    assert_memory_equal(bytes, (const void *)(uintptr_t)elf_symbols_find, sizeof(bytes));
    assert_int_equal((uintptr_t)elf_strings_at - (uintptr_t)elf_symbols_find,
                     symbols[2].address - symbols[0].address);
    elf_image_close(&image);
}

/* Pointers of a file that is loaded anywhere stand in its relocations. */
static void test_pointer(void **state)
{
    Elf64_Rela relocations[] = {
        {.r_offset = 0x1000, .r_info = ELF64_R_INFO(0, R_X86_64_RELATIVE), .r_addend = 5},
        {.r_offset = 0, .r_info = ELF64_R_INFO(0, R_X86_64_RELATIVE), .r_addend = 0x777}};
    const uint64_t stored[] = {0x1234, 0};
    struct elf_image image;
    uint64_t at, value;

    (void)state;
    elf_builder_init(&builder, ET_DYN, EM_X86_64);
    at = ELF_BUILDER_ADDRESS + elf_builder_bytes(&builder, stored, sizeof(stored));
    relocations[1].r_offset = at + 8;
    elf_builder_section(&builder, ".rela.dyn", SHT_RELA, 0, sizeof(Elf64_Rela), relocations,
                        sizeof(relocations));
    assert_int_equal(elf_image_of(&image, elf_builder_end(&builder)), 0);
    assert_int_equal(elf_image_pointer(&image, at, &value), 0);
    assert_int_equal(value, 0x1234);
    assert_int_equal(elf_image_pointer(&image, at + 8, &value), 0);
    assert_int_equal(value, 0x777);
    assert_int_equal(elf_image_pointer(&image, 1, &value), -ENOENT);
}

/* A file that shrinks while it is looked at is a read that fails. */
static void test_shrinking(void **state)
{
    struct elf_symbol symbols[] = {{.name = "TLS_read"}};
    struct slice bytes = build(true, true);
    char path[] = "/tmp/test_elf.XXXXXX";
    int descriptor = mkstemp(path);
    struct elf_image image;

    (void)state;
    assert_true(descriptor >= 0);
    assert_int_equal(write(descriptor, bytes.data, bytes.length), bytes.length);
    assert_int_equal(elf_image_open(&image, path), 0);
    unlink(path);
    assert_int_equal(ftruncate(descriptor, 128), 0);
    assert_int_equal(elf_symbols_find(&image, symbols, 1), -EBADMSG);
    elf_image_close(&image);
    close(descriptor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_refused),     cmocka_unit_test(test_strings),
        cmocka_unit_test(test_own_program), cmocka_unit_test(test_pointer),
        cmocka_unit_test(test_shrinking)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
