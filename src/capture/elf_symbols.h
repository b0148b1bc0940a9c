/*
 * elf_symbols: where the code of functions lies in a file, by their names in the symbol tables
 * (System V ABI, chapter 4). Probes are attached by such offsets.
 */
#pragma once
#include "capture/elf_strings.h"

struct elf_symbol {
    const char *name; /* set by the caller */
    bool is_found;
    uint64_t address; /* as linked */
    uint64_t size;    /* bytes of code; 0: not known */
    uint64_t offset;  /* of its first byte in the file */
};

/*
 * Looks for `count` functions, in the table for linking at run time and in the full one. Those of
 * which no code is in this file stay not found. Time is linear in the file's size. 0 or -errno;
 * -ENOENT: the file has no table of symbols.
 */
int elf_symbols_find(const struct elf_image *image, struct elf_symbol *symbols, size_t count);
