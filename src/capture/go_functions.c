#include "capture/go_functions.h"
#include <elf.h>
#include <errno.h>

enum form { FORM_2, FORM_16, FORM_18 };

static const struct {
    uint32_t magic;
    enum form form;
} forms[] = {
    {0xfffffffb, FORM_2}, {0xfffffffa, FORM_16}, {0xfffffff0, FORM_18}, {0xfffffff1, FORM_18}};

enum { HEADER_BYTES = 8, POINTER_BYTES = 8, WORDS = 8, TRIES_MAXIMUM = 16 };

/*
 * The table. Behind 8 bytes of header come words: of FORM_2 the number of functions and then their
 * index; of FORM_16 that number, one of files, and where names, compile units, files, pc tables and
 * functions are; FORM_18 has the address of all code before those.
 */
struct go_table {
    const struct elf_image *image;
    struct elf_section section;
    enum form form;
    uint64_t count;
    uint64_t text;         /* address that the index counts from; 0: it has addresses */
    uint64_t names;        /* all places from the start of the section */
    uint64_t index;        /* of pairs: address, place of a function's description */
    uint64_t descriptions; /* what those places count from */
    size_t size;           /* of one of a pair */
};

/* The address of the first function, where the table does not say it. */
static int find_text(struct go_table *table)
{
    struct elf_section section;
    int result = elf_image_section_named(table->image, ".text", &section);

    if (!result)
        table->text = section.address;
    return result == -ENOENT ? -ENOTSUP : result;
}

static int read_words(struct go_table *table)
{
    uint64_t words[WORDS] = {0};
    size_t shift = table->form == FORM_18 ? 1 : 0;
    size_t count = table->form == FORM_2 ? 1 : 7 + shift;
    int result;

    if (table->section.size < HEADER_BYTES + count * POINTER_BYTES)
        return -EBADMSG;
    result = elf_image_read(table->image, table->section.offset + HEADER_BYTES, words,
                            count * POINTER_BYTES);
    if (result)
        return result;
    table->count = words[0];
    table->size = POINTER_BYTES;
    if (table->form == FORM_2) {
        table->index = HEADER_BYTES + POINTER_BYTES;
        return 0;
    }
    table->names = words[2 + shift];
    table->index = table->descriptions = words[6 + shift];
    if (table->form == FORM_16)
        return 0;
    table->size = sizeof(uint32_t);
    result = elf_image_pointer(
        table->image, table->section.address + HEADER_BYTES + 2 * POINTER_BYTES, &table->text);
    return result || table->text ? result : find_text(table);
}

/* Does a table begin with these bytes? Its form. */
static bool is_header(const uint8_t *header, enum form *ret_form)
{
    uint32_t magic;

    memcpy(&magic, header, sizeof(magic));
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
        if (forms[i].magic == magic) {
            *ret_form = forms[i].form;
            return header[4] == 0 && header[5] == 0 && header[7] == POINTER_BYTES;
        }
    return false;
}

/* The table that begins the section. */
static int table_open(struct go_table *table)
{
    uint8_t header[HEADER_BYTES];
    int result;

    if (table->section.size < sizeof(header))
        return -EBADMSG;
    result = elf_image_read(table->image, table->section.offset, header, sizeof(header));
    if (result)
        return result;
    if (!is_header(header, &table->form))
        return -ENOTSUP;
    result = read_words(table);
    if (result)
        return result;
    if (table->count > GO_FUNCTIONS_MAXIMUM || table->names > table->section.size ||
        table->index > table->section.size ||
        (table->section.size - table->index) / (2 * table->size) < table->count)
        return -EBADMSG;
    return 0;
}

/* Looks for a table in a section that holds other things too. 0 or -ENOENT. */
static int table_search(struct go_table *table, const struct elf_section *section)
{
    struct elf_window window;
    unsigned tries = 0;

    elf_window_init(&window, table->image);
    for (uint64_t at = 0; section->size - at >= HEADER_BYTES; at += POINTER_BYTES) {
        const uint8_t *bytes = elf_window_at(&window, section->offset + at, HEADER_BYTES);

        if (!bytes || tries == TRIES_MAXIMUM)
            return -ENOENT;
        if (!is_header(bytes, &table->form))
            continue;
        tries++;
        *table = (struct go_table){.image = table->image, .section = *section};
        table->section.offset += at;
        table->section.address += at;
        table->section.size -= at;
        if (table_open(table) == 0 && table->count)
            return 0;
    }
    return -ENOENT;
}

static int table_find(struct go_table *table, const struct elf_image *image)
{
    struct elf_section section;
    int result;

    *table = (struct go_table){.image = image};
    result = elf_image_section_named(image, ".gopclntab", &table->section);
    if (result == -ENOENT) /* an image that can be loaded anywhere */
        result = elf_image_section_named(image, ".data.rel.ro.gopclntab", &table->section);
    if (result != -ENOENT)
        return result ? result : table_open(table);
    /* The same, put together by a linker for C. */
    result = elf_image_section_named(image, ".go.buildinfo", &section);
    if (!result)
        result = elf_image_section_named(image, ".data.rel.ro", &section);
    return result ? result : table_search(table, &section);
}

/* A number of the table, `size` bytes at `at` from its start. False: it is not there. */
static bool read_number(struct elf_window *window, const struct go_table *table, uint64_t at,
                        size_t size, uint64_t *ret_number)
{
    const uint8_t *bytes;

    *ret_number = 0;
    if (at > table->section.size || size > table->section.size - at)
        return false;
    bytes = elf_window_at(window, table->section.offset + at, size);
    if (bytes)
        memcpy(ret_number, bytes, size);
    return bytes;
}

/* The address of function `i`; of one behind the last: the end. 0 or -errno. */
static int function_address(const struct go_table *table, uint64_t i, uint64_t *ret_address)
{
    uint64_t at = table->index + i * 2 * table->size;
    uint32_t number;
    int result;

    if (at > table->section.size || table->size > table->section.size - at)
        return -EBADMSG;
    if (table->form != FORM_18)
        return elf_image_pointer(table->image, table->section.address + at, ret_address);
    result = elf_image_read(table->image, table->section.offset + at, &number, sizeof(number));
    *ret_address = table->text + number;
    return result;
}

static int take_function(const struct go_table *table, uint64_t i, struct go_function *function)
{
    uint64_t address, end, offset, last;
    int result = function_address(table, i, &address);

    if (!result)
        result = function_address(table, i + 1, &end);
    if (result)
        return result;
    if (end <= address || elf_image_offset(table->image, address, true, &offset) ||
        elf_image_offset(table->image, end - 1, true, &last) || last - offset != end - 1 - address)
        return -EBADMSG;
    function->is_found = true;
    function->address = address;
    function->size = end - address;
    function->offset = offset;
    return 0;
}

/*
 * Descriptions lie in the order of the index, so both are read forwards. A description begins with
 * the function's address and the place of its name.
 */
static int walk(const struct go_table *table, const struct elf_strings *names,
                struct go_function *functions)
{
    struct elf_window index, descriptions;
    uint64_t before = 0;

    elf_window_init(&index, table->image);
    elf_window_init(&descriptions, table->image);
    for (uint64_t i = 0; i < table->count; i++) {
        uint64_t at, name;
        int which, result;

        if (!read_number(&index, table, table->index + (i * 2 + 1) * table->size, table->size,
                         &at) ||
            at < before || at > table->section.size ||
            !read_number(&descriptions, table, table->descriptions + at + table->size,
                         sizeof(uint32_t), &name))
            return -EBADMSG;
        before = at;
        which = elf_strings_at(names, name);
        if (which < 0 || functions[which].is_found)
            continue;
        result = take_function(table, i, &functions[which]);
        if (result)
            return result;
    }
    return 0;
}

int go_functions_find(const struct elf_image *image, struct go_function *functions, size_t count)
{
    const char *strings[ELF_STRINGS_MAXIMUM];
    struct elf_strings names;
    struct go_table table;
    int result;

    if (count > ELF_STRINGS_MAXIMUM)
        return -E2BIG;
    for (size_t i = 0; i < count; i++) {
        functions[i] = (struct go_function){.name = functions[i].name};
        strings[i] = functions[i].name;
    }
    result = table_find(&table, image);
    if (!result)
        result = elf_strings_find(image, table.section.offset + table.names,
                                  table.section.size - table.names, strings, count, &names);
    return result ? result : walk(&table, &names, functions);
}
