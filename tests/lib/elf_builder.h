/*
 * elf_builder: executables for tests, section by section. The whole file is one loaded, executable
 * segment at ELF_BUILDER_ADDRESS, so that an address is that plus the place in the file.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/slice.h"

enum {
    ELF_BUILDER_BYTES = 65536,
    ELF_BUILDER_SECTIONS = 16,
    ELF_BUILDER_ADDRESS = 0x400000,
};

struct elf_builder {
    uint8_t bytes[ELF_BUILDER_BYTES];
    size_t length;
    size_t section_count; /* with the first one, which is empty */
    struct {
        char name[32];
        uint32_t type, link;
        uint64_t offset, size, entry_size;
    } sections[ELF_BUILDER_SECTIONS];
};

void elf_builder_init(struct elf_builder *builder, uint16_t type, uint16_t machine);
/* Appends bytes aligned to 16; where in the file they are. */
uint64_t elf_builder_bytes(struct elf_builder *builder, const void *bytes, size_t length);
/* Appends a section; its index. `link` is that of the section that goes with it. */
uint32_t elf_builder_section(struct elf_builder *builder, const char *name, uint32_t type,
                             uint32_t link, uint64_t entry_size, const void *bytes, size_t length);
/* Appends the names and the table of sections and completes the header. */
struct slice elf_builder_end(struct elf_builder *builder);
