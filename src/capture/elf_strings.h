/*
 * elf_strings: where given strings stand in a table of strings, found in one pass over it, so that
 * a table of any size needs no memory and no look-up of single strings. A string may be the end of
 * a longer one: tables share such ends.
 */
#pragma once
#include "capture/elf_image.h"

enum {
    ELF_STRINGS_MAXIMUM = 64,                     /* strings that are looked for at once */
    ELF_STRING_BYTES = 255,                       /* of one of them */
    ELF_STRINGS_PLACES = 4 * ELF_STRINGS_MAXIMUM, /* all places; what is behind is not known */
};

struct elf_string_place {
    uint64_t at;    /* from the start of the table */
    uint32_t index; /* of the string */
};

struct elf_strings {
    size_t count;
    struct elf_string_place places[ELF_STRINGS_PLACES]; /* `at` grows */
};

/* Looks for `count` strings in `length` bytes of the file. 0 or -errno. */
int elf_strings_find(const struct elf_image *image, uint64_t offset, uint64_t length,
                     const char *const *strings, size_t count, struct elf_strings *ret_found);

/* Which string stands at that place of the table; -1: none of them. */
int elf_strings_at(const struct elf_strings *found, uint64_t at);
