#include "capture/elf_symbols.h"
#include <elf.h>
#include <errno.h>

/* A symbol whose name is wanted: is it a function of this file? */
static void take_symbol(const struct elf_image *image, const Elf64_Sym *entry,
                        struct elf_symbol *symbol)
{
    uint64_t offset;

    if (symbol->is_found || ELF64_ST_TYPE(entry->st_info) != STT_FUNC ||
        entry->st_shndx == SHN_UNDEF || elf_image_offset(image, entry->st_value, true, &offset))
        return;
    symbol->is_found = true;
    symbol->address = entry->st_value;
    symbol->size = entry->st_size;
    symbol->offset = offset;
}

static int walk_table(const struct elf_image *image, const struct elf_section *table,
                      const struct elf_strings *names, struct elf_symbol *symbols)
{
    struct elf_window window;

    elf_window_init(&window, image);
    for (uint64_t at = 0; table->size - at >= sizeof(Elf64_Sym); at += sizeof(Elf64_Sym)) {
        const uint8_t *bytes = elf_window_at(&window, table->offset + at, sizeof(Elf64_Sym));
        Elf64_Sym entry;
        int index;

        if (!bytes)
            return -EBADMSG;
        memcpy(&entry, bytes, sizeof(entry));
        index = elf_strings_at(names, entry.st_name);
        if (index >= 0)
            take_symbol(image, &entry, &symbols[index]);
    }
    return 0;
}

static int find_in(const struct elf_image *image, uint32_t type, struct elf_symbol *symbols,
                   size_t count)
{
    const char *strings[ELF_STRINGS_MAXIMUM];
    struct elf_section table, string_table;
    struct elf_strings names;
    int result = elf_image_section_of_type(image, type, &table);

    if (!result)
        result = elf_image_section(image, table.link, &string_table);
    if (result)
        return result;
    if (string_table.type != SHT_STRTAB || table.entry_size != sizeof(Elf64_Sym))
        return -EBADMSG;
    for (size_t i = 0; i < count; i++)
        strings[i] = symbols[i].name;
    result =
        elf_strings_find(image, string_table.offset, string_table.size, strings, count, &names);
    return result || !names.count ? result : walk_table(image, &table, &names, symbols);
}

int elf_symbols_find(const struct elf_image *image, struct elf_symbol *symbols, size_t count)
{
    int linking, full;

    if (count > ELF_STRINGS_MAXIMUM)
        return -E2BIG;
    for (size_t i = 0; i < count; i++)
        symbols[i] = (struct elf_symbol){.name = symbols[i].name};
    linking = find_in(image, SHT_DYNSYM, symbols, count);
    if (linking && linking != -ENOENT)
        return linking;
    for (size_t i = 0; i < count; i++) {
        if (symbols[i].is_found)
            continue;
        full = find_in(image, SHT_SYMTAB, symbols, count);
        return full == -ENOENT && !linking ? 0 : full;
    }
    return 0;
}
