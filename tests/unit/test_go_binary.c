/*
 * Go programs: tables of functions in all forms, both conventions of calls, damaged at every byte;
 * and the Go compiler's front end, whose symbols must say the same as its table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "capture/elf_symbols.h"
#include "capture/go_binary.h"
#include "capture/go_functions.h"
#include "tests/lib/elf_builder.h"

enum { FUNCTION_BYTES = 48, FUNCTIONS = 3, NAMES_BYTES = 40, TABLE_BYTES = 512 };

static struct elf_builder builder;
static const char register_code[] = "\x49\x3b\x66\x10"     /* cmp rsp, [r14+16] */
                                    "\x0f\x86\x10\0\0\0"   /* jbe */
                                    "\x48\x83\xec\x28"     /* sub rsp, 40 */
                                    "\xb8\xc3\xc3\xc3\xc3" /* mov eax: no return in it */
                                    "\xc3\x90\xc3\xcc";
static const char stack_code[] = "\x64\x48\x8b\x0c\x25\xf8\xff\xff\xff" /* mov rcx, fs:-8 */
                                 "\x48\x3b\x61\x10"                     /* cmp rsp, [rcx+16] */
                                 "\x76\x10\xf3\xc3\xcc";
static const char names[NAMES_BYTES] = "\0main.main\0(*Conn).Read\0(*Conn).Write";
enum { NAME_MAIN = 1, NAME_READ = 11, NAME_WRITE = 24 };
static const uint32_t name_places[FUNCTIONS] = {NAME_MAIN, NAME_READ, NAME_WRITE};

struct table {
    uint8_t bytes[TABLE_BYTES];
    size_t length;
};

static void put(struct table *table, uint64_t number, size_t size)
{
    assert_true(table->length + size <= TABLE_BYTES);
    memcpy(table->bytes + table->length, &number, size);
    table->length += size;
}

static void put_header(struct table *table, uint32_t magic)
{
    memset(table, 0, sizeof(*table));
    put(table, magic, 4);
    put(table, 0x08010000, 4); /* two zeros, quantum 1, pointers of 8 bytes */
    put(table, FUNCTIONS, 8);
}

/* Go 1.2: everything by its place in the table. */
static void build_2(struct table *table, uint64_t code)
{
    size_t names_at = 16 + (2 * FUNCTIONS + 1) * 8, first = names_at + NAMES_BYTES;

    put_header(table, 0xfffffffb);
    for (size_t i = 0; i < FUNCTIONS; i++) {
        put(table, code + i * FUNCTION_BYTES, 8);
        put(table, first + i * 16, 8);
    }
    put(table, code + FUNCTIONS * FUNCTION_BYTES, 8);
    memcpy(table->bytes + table->length, names, NAMES_BYTES);
    table->length += NAMES_BYTES;
    for (size_t i = 0; i < FUNCTIONS; i++) {
        put(table, code + i * FUNCTION_BYTES, 8);
        put(table, names_at + name_places[i], 8);
    }
}

/* Go 1.16 (addresses) and later (distances from `text`, numbers of 4 bytes). */
static void build_later(struct table *table, uint32_t magic, uint64_t code, uint64_t text)
{
    bool is_short = magic != 0xfffffffa;
    size_t size = is_short ? 4 : 8, words = is_short ? 8 : 7, names_at = 8 + words * 8,
           index = names_at + NAMES_BYTES;

    put_header(table, magic);
    put(table, 0, 8);
    if (is_short)
        put(table, text, 8);
    put(table, names_at, 8);
    for (size_t i = 0; i < 3; i++)
        put(table, index, 8);
    put(table, index, 8);
    memcpy(table->bytes + table->length, names, NAMES_BYTES);
    table->length += NAMES_BYTES;
    for (size_t i = 0; i <= FUNCTIONS; i++) {
        put(table, code + i * FUNCTION_BYTES - (is_short ? code : 0), size);
        if (i < FUNCTIONS)
            put(table, (2 * FUNCTIONS + 1) * size + i * 16, size);
    }
    for (size_t i = 0; i < FUNCTIONS; i++) {
        put(table, code + i * FUNCTION_BYTES - (is_short ? code : 0), size);
        put(table, name_places[i], 4);
        put(table, 0, is_short ? 8 : 4);
    }
}

static struct slice build(uint32_t magic, bool has_text, uint16_t machine)
{
    uint8_t code[FUNCTIONS * FUNCTION_BYTES], info[64] = "\xff Go buildinf:\x08\x02";
    struct table table;
    uint64_t at;

    memset(code, 0xcc, sizeof(code));
    memcpy(code + FUNCTION_BYTES, register_code, sizeof(register_code) - 1);
    memcpy(code + 2 * FUNCTION_BYTES, stack_code, sizeof(stack_code) - 1);
    memcpy(info + 32, "\x08go1.19.8", 9);
    elf_builder_init(&builder, ET_EXEC, machine);
    elf_builder_section(&builder, ".text", SHT_PROGBITS, 0, 0, code, sizeof(code));
    at = ELF_BUILDER_ADDRESS + builder.sections[1].offset;
    if (magic == 0xfffffffb)
        build_2(&table, at);
    else
        build_later(&table, magic, at, has_text ? at : 0);
    elf_builder_section(&builder, ".gopclntab", SHT_PROGBITS, 0, 0, table.bytes, table.length);
    elf_builder_section(&builder, ".go.buildinfo", SHT_PROGBITS, 0, 0, info, sizeof(info));
    return elf_builder_end(&builder);
}

static void check_functions(struct slice bytes)
{
    struct go_function functions[] = {
        {.name = "(*Conn).Write"}, {.name = "(*Conn).Read"}, {.name = "Read"}};
    uint64_t code = builder.sections[1].offset;
    struct go_binary binary;
    struct go_places places;
    struct elf_image image;

    assert_int_equal(elf_image_of(&image, bytes), 0);
    assert_int_equal(go_binary_read(&image, &binary), 0);
    assert_string_equal(binary.version, "go1.19.8");
    assert_int_equal(binary.minor, 19);
    assert_int_equal(go_functions_find(&image, functions, 3), 0);
    assert_true(functions[0].is_found && functions[1].is_found && !functions[2].is_found);
    assert_int_equal(functions[1].address, ELF_BUILDER_ADDRESS + code + FUNCTION_BYTES);
    assert_int_equal(functions[1].offset, code + FUNCTION_BYTES);
    assert_int_equal(functions[1].size, FUNCTION_BYTES);
    assert_int_equal(functions[0].offset, code + 2 * FUNCTION_BYTES);

    assert_int_equal(go_binary_places(&image, &binary, &functions[1], &places), 0);
    assert_int_equal(places.convention, GO_CONVENTION_REGISTER);
    assert_int_equal(places.entry, code + FUNCTION_BYTES + 10);
    assert_int_equal(places.return_count, 2);
    assert_int_equal(places.returns[0], code + FUNCTION_BYTES + 19);
    assert_int_equal(places.returns[1], code + FUNCTION_BYTES + 21);
    assert_int_equal(go_binary_places(&image, &binary, &functions[0], &places), 0);
    assert_int_equal(places.convention, GO_CONVENTION_STACK);
    assert_int_equal(places.entry, code + 2 * FUNCTION_BYTES + 15);
    assert_int_equal(places.return_count, 1);
    image.tls_size = 16; /* whose variables are they? */
    assert_int_equal(go_binary_places(&image, &binary, &functions[0], &places), -ENOTSUP);
}

static void test_forms(void **state)
{
    (void)state;
    check_functions(build(0xfffffffb, true, EM_X86_64));
    check_functions(build(0xfffffffa, true, EM_X86_64));
    check_functions(build(0xfffffff0, true, EM_X86_64));
    check_functions(build(0xfffffff1, true, EM_X86_64));
    check_functions(build(0xfffffff1, false, EM_X86_64));
}

static void test_not_understood(void **state)
{
    struct go_function function = {.name = "main.main"};
    struct go_binary binary = {.minor = 19};
    struct go_places places;
    struct elf_image image;

    (void)state;
    assert_int_equal(elf_image_of(&image, build(0xfffffff1, true, EM_X86_64)), 0);
    assert_int_equal(go_functions_find(&image, &function, 1), 0);
    /* nothing in it checks the stack */
    assert_int_equal(go_binary_places(&image, &binary, &function, &places), -ENOTSUP);
    function.name = "(*Conn).Read";
    assert_int_equal(go_functions_find(&image, &function, 1), 0);
    builder.bytes[function.offset + 14] = 0x06; /* no instruction */
    assert_int_equal(go_binary_places(&image, &binary, &function, &places), -ENOTSUP);
    assert_int_equal(elf_image_of(&image, build(0xfffffff2, true, EM_X86_64)), 0);
    assert_int_equal(go_functions_find(&image, &function, 1), -ENOTSUP);
}

static void test_arm64(void **state)
{
    static const uint32_t code[] = {0xf9400b90, 0xeb3063ff, 0x54000209, 0xd65f03c0, 0xd503201f};
    struct go_function function = {.name = "(*Conn).Read"};
    struct go_binary binary;
    struct go_places places;
    struct elf_image image;

    (void)state;
    assert_int_equal(elf_image_of(&image, build(0xfffffff1, true, EM_AARCH64)), 0);
    assert_int_equal(go_functions_find(&image, &function, 1), 0);
    assert_int_equal(go_binary_read(&image, &binary), 0);
    memcpy(builder.bytes + function.offset, code, sizeof(code));
    assert_int_equal(go_binary_places(&image, &binary, &function, &places), 0);
    assert_int_equal(places.entry, function.offset + 12);
    assert_int_equal(places.return_count, 1);
    assert_int_equal(places.returns[0], function.offset + 12);
    assert_int_equal(places.convention, GO_CONVENTION_REGISTER);
    binary.minor = 17;
    assert_int_equal(go_binary_places(&image, &binary, &function, &places), 0);
    assert_int_equal(places.convention, GO_CONVENTION_STACK);
    binary.minor = 0;
    assert_int_equal(go_binary_places(&image, &binary, &function, &places), -ENOTSUP);
}

static void use(struct slice bytes)
{
    struct go_function functions[] = {{.name = "(*Conn).Write"}, {.name = "(*Conn).Read"}};
    struct go_binary binary;
    struct go_places places;
    struct elf_image image;

    if (elf_image_of(&image, bytes))
        return;
    (void)go_binary_read(&image, &binary);
    assert_true(memchr(binary.version, 0, sizeof(binary.version)) != NULL);
    if (go_functions_find(&image, functions, 2))
        return;
    for (size_t i = 0; i < 2; i++) {
        if (!functions[i].is_found || go_binary_places(&image, &binary, &functions[i], &places))
            continue;
        assert_true(places.entry < bytes.length);
        for (size_t k = 0; k < places.return_count; k++)
            assert_true(places.returns[k] < bytes.length);
    }
}

static void test_damage(void **state)
{
    static const uint32_t magics[] = {0xfffffffb, 0xfffffffa, 0xfffffff1};
    static const uint8_t values[] = {0, 1, 0x7f, 0xff};

    (void)state;
    for (size_t form = 0; form < 3; form++) {
        struct slice whole = build(magics[form], true, EM_X86_64);
        uint8_t *copy = malloc(whole.length);

        for (size_t length = 0; length < whole.length; length++) {
            uint8_t *cut = malloc(length ? length : 1);

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
}

/* A real program: two tables, one truth. */
static void test_beside_symbols(void **state)
{
    static const char *const wanted[] = {"crypto/tls.(*Conn).Read", "crypto/tls.(*Conn).Write",
                                         "runtime.mallocgc", "main.main"};
    struct elf_symbol symbols[4];
    struct go_function functions[4];
    struct go_binary binary;
    struct go_places places;
    struct elf_image image;

    (void)state;
    if (access("/usr/lib/go-1.19/bin/go", R_OK) ||
        elf_image_open(&image, "/usr/lib/go-1.19/bin/go"))
        skip();
    for (size_t i = 0; i < 4; i++)
        symbols[i].name = functions[i].name = wanted[i];
    assert_int_equal(go_binary_read(&image, &binary), 0);
    assert_int_equal(binary.minor, 19);
    assert_int_equal(go_functions_find(&image, functions, 4), 0);
    assert_int_equal(elf_symbols_find(&image, symbols, 4), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_true(functions[i].is_found);
        if (!symbols[i].is_found) /* stripped */
            continue;
        assert_int_equal(functions[i].address, symbols[i].address);
        assert_int_equal(functions[i].offset, symbols[i].offset);
        assert_in_range(functions[i].size, symbols[i].size, symbols[i].size + 63);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(go_binary_places(&image, &binary, &functions[i], &places), 0);
        assert_true(places.return_count >= 3);
    }
    elf_image_close(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms),
                                       cmocka_unit_test(test_not_understood),
                                       cmocka_unit_test(test_arm64), cmocka_unit_test(test_damage),
                                       cmocka_unit_test(test_beside_symbols)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
