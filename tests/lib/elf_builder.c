#include "tests/lib/elf_builder.h"
#include <elf.h>
#include <stdlib.h>
#include <string.h>

void elf_builder_init(struct elf_builder *builder, uint16_t type, uint16_t machine)
{
    Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = type,
        .e_machine = machine,
        .e_version = EV_CURRENT,
        .e_phoff = sizeof(header),
        .e_ehsize = sizeof(header),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 1,
        .e_shentsize = sizeof(Elf64_Shdr),
    };

    memset(builder, 0, sizeof(*builder));
    memcpy(builder->bytes, &header, sizeof(header));
    builder->length = sizeof(header) + sizeof(Elf64_Phdr);
    builder->section_count = 1;
}

uint64_t elf_builder_bytes(struct elf_builder *builder, const void *bytes, size_t length)
{
    size_t at = (builder->length + 15) & ~(size_t)15;

    if (length > ELF_BUILDER_BYTES || at > ELF_BUILDER_BYTES - length)
        abort();
    if (length)
        memcpy(builder->bytes + at, bytes, length);
    builder->length = at + length;
    return at;
}

uint32_t elf_builder_section(struct elf_builder *builder, const char *name, uint32_t type,
                             uint32_t link, uint64_t entry_size, const void *bytes, size_t length)
{
    size_t index = builder->section_count++;

    if (index >= ELF_BUILDER_SECTIONS || strlen(name) >= sizeof(builder->sections[0].name))
        abort();
    strcpy(builder->sections[index].name, name);
    builder->sections[index].type = type;
    builder->sections[index].link = link;
    builder->sections[index].entry_size = entry_size;
    builder->sections[index].offset = elf_builder_bytes(builder, bytes, length);
    builder->sections[index].size = length;
    return (uint32_t)index;
}

struct slice elf_builder_end(struct elf_builder *builder)
{
    char names[ELF_BUILDER_SECTIONS * 32] = {0};
    Elf64_Shdr headers[ELF_BUILDER_SECTIONS] = {{0}};
    size_t names_length = 1;
    Elf64_Phdr program = {.p_type = PT_LOAD,
                          .p_flags = PF_R | PF_X,
                          .p_vaddr = ELF_BUILDER_ADDRESS,
                          .p_paddr = ELF_BUILDER_ADDRESS};
    uint32_t index = elf_builder_section(builder, ".shstrtab", SHT_STRTAB, 0, 0, NULL, 0);
    Elf64_Ehdr *header = (void *)builder->bytes;

    for (size_t i = 1; i < builder->section_count; i++) {
        headers[i] = (Elf64_Shdr){
            .sh_name = (uint32_t)names_length,
            .sh_type = builder->sections[i].type,
            .sh_addr = ELF_BUILDER_ADDRESS + builder->sections[i].offset,
            .sh_offset = builder->sections[i].offset,
            .sh_size = builder->sections[i].size,
            .sh_link = builder->sections[i].link,
            .sh_entsize = builder->sections[i].entry_size,
        };
        strcpy(names + names_length, builder->sections[i].name);
        names_length += strlen(builder->sections[i].name) + 1;
    }
    headers[index].sh_offset = elf_builder_bytes(builder, names, names_length);
    headers[index].sh_size = names_length;
    header->e_shoff =
        elf_builder_bytes(builder, headers, builder->section_count * sizeof(headers[0]));
    header->e_shnum = (uint16_t)builder->section_count;
    header->e_shstrndx = (uint16_t)index;
    program.p_filesz = program.p_memsz = builder->length;
    memcpy(builder->bytes + sizeof(*header), &program, sizeof(program));
    return slice_of(builder->bytes, builder->length);
}
