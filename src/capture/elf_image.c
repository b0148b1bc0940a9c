#include "capture/elf_image.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "files of this byte order are read");

/* Do `length` bytes at `offset` lie in the file? */
static bool is_inside(const struct elf_image *image, uint64_t offset, uint64_t length)
{
    return length <= image->size && offset <= image->size - length;
}

int elf_image_read(const struct elf_image *image, uint64_t offset, void *to, size_t length)
{
    uint8_t *at = to;

    if (!is_inside(image, offset, length))
        return -EBADMSG;
    if (image->descriptor < 0) {
        if (length)
            memcpy(to, image->bytes.data + offset, length);
        return 0;
    }
    while (length) {
        ssize_t count = pread(image->descriptor, at, length, (off_t)offset);

        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return count < 0 ? -errno : -EBADMSG; /* it has shrunk */
        at += count;
        offset += (uint64_t)count;
        length -= (size_t)count;
    }
    return 0;
}

const uint8_t *elf_window_at(struct elf_window *window, uint64_t offset, size_t need)
{
    const struct elf_image *image = window->image;
    size_t length = ELF_WINDOW_BYTES;

    if (offset >= window->start && offset - window->start <= window->length &&
        need <= window->length - (offset - window->start))
        return window->bytes + (offset - window->start);
    if (need > ELF_WINDOW_BYTES || !is_inside(image, offset, need))
        return NULL;
    if (length > image->size - offset)
        length = (size_t)(image->size - offset);
    window->start = offset;
    window->length = 0;
    if (elf_image_read(image, offset, window->bytes, length))
        return NULL;
    window->length = length;
    return window->bytes;
}

int elf_image_section(const struct elf_image *image, uint32_t index,
                      struct elf_section *ret_section)
{
    Elf64_Shdr header;
    int result;

    if (index >= image->section_count)
        return -EBADMSG;
    result = elf_image_read(image, image->sections_at + (uint64_t)index * sizeof(header), &header,
                            sizeof(header));
    if (result)
        return result;
    *ret_section = (struct elf_section){
        .offset = header.sh_offset,
        .address = header.sh_addr,
        .size = header.sh_size,
        .entry_size = header.sh_entsize,
        .type = header.sh_type,
        .link = header.sh_link,
        .name = header.sh_name,
    };
    return 0;
}

/* Of a section that was looked for: are its bytes there? */
static int check_section(const struct elf_image *image, const struct elf_section *section)
{
    if (section->type == SHT_NOBITS)
        return -ENOENT; /* in a file of debugging information */
    return is_inside(image, section->offset, section->size) ? 0 : -EBADMSG;
}

int elf_image_section_of_type(const struct elf_image *image, uint32_t type,
                              struct elf_section *ret_section)
{
    struct elf_section section;
    int result;

    for (uint32_t i = 1; i < image->section_count; i++) {
        result = elf_image_section(image, i, &section);
        if (result)
            return result;
        if (section.type != type)
            continue;
        result = check_section(image, &section);
        if (!result)
            *ret_section = section;
        return result;
    }
    return -ENOENT;
}

static bool has_name(const struct elf_image *image, const struct elf_section *section,
                     const char *name, size_t length)
{
    char own[ELF_NAME_BYTES];

    return section->name <= image->names.size && length <= image->names.size - section->name &&
           !elf_image_read(image, image->names.offset + section->name, own, length) &&
           memcmp(own, name, length) == 0;
}

int elf_image_section_named(const struct elf_image *image, const char *name,
                            struct elf_section *ret_section)
{
    size_t length = strlen(name) + 1;
    struct elf_section section;
    int result;

    if (length > ELF_NAME_BYTES)
        return -EINVAL;
    for (uint32_t i = 1; i < image->section_count; i++) {
        result = elf_image_section(image, i, &section);
        if (result)
            return result;
        if (!has_name(image, &section, name, length))
            continue;
        result = check_section(image, &section);
        if (!result)
            *ret_section = section;
        return result;
    }
    return -ENOENT;
}

int elf_image_offset(const struct elf_image *image, uint64_t address, bool only_code,
                     uint64_t *ret_offset)
{
    for (size_t i = 0; i < image->segment_count; i++) {
        const struct elf_segment *segment = &image->segments[i];

        if (address < segment->address || address - segment->address >= segment->file_size ||
            (only_code && !segment->is_executable))
            continue;
        *ret_offset = segment->offset + (address - segment->address);
        return 0;
    }
    return -ENOENT;
}

/* The addend of the relative relocation of `address`, in any section of such. 0 or -ENOENT. */
static int find_relocation(const struct elf_image *image, uint64_t address, uint64_t *ret_value)
{
    uint32_t relative = image->machine == EM_AARCH64 ? R_AARCH64_RELATIVE : R_X86_64_RELATIVE;
    struct elf_section section;
    struct elf_window window;

    if (image->type != ET_DYN || elf_image_section_of_type(image, SHT_RELA, &section))
        return -ENOENT;
    elf_window_init(&window, image);
    for (uint64_t at = 0; section.size - at >= sizeof(Elf64_Rela); at += sizeof(Elf64_Rela)) {
        const uint8_t *bytes = elf_window_at(&window, section.offset + at, sizeof(Elf64_Rela));
        Elf64_Rela relocation;

        if (!bytes)
            return -ENOENT;
        memcpy(&relocation, bytes, sizeof(relocation));
        if (relocation.r_offset != address || ELF64_R_TYPE(relocation.r_info) != relative)
            continue;
        *ret_value = (uint64_t)relocation.r_addend;
        return 0;
    }
    return -ENOENT;
}

int elf_image_pointer(const struct elf_image *image, uint64_t address, uint64_t *ret_value)
{
    uint64_t offset;
    int result;

    if (!find_relocation(image, address, ret_value))
        return 0;
    result = elf_image_offset(image, address, false, &offset);
    return result ? result : elf_image_read(image, offset, ret_value, sizeof(*ret_value));
}

/* The loaded segments, as far as the file goes. 0 or -errno. */
static int read_segments(struct elf_image *image, const Elf64_Ehdr *header)
{
    Elf64_Phdr program;
    int result;

    if (header->e_phnum == PN_XNUM)
        return -ENOTSUP;
    if (header->e_phnum && header->e_phentsize != sizeof(program))
        return -EBADMSG;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        if (header->e_phoff > image->size)
            return -EBADMSG;
        result =
            elf_image_read(image, header->e_phoff + i * sizeof(program), &program, sizeof(program));
        if (result)
            return result;
        if (program.p_type == PT_TLS)
            image->tls_size = program.p_memsz;
        if (program.p_type != PT_LOAD)
            continue;
        if (!is_inside(image, program.p_offset, program.p_filesz) ||
            program.p_vaddr + program.p_filesz < program.p_vaddr)
            return -EBADMSG;
        if (image->segment_count == ELF_SEGMENTS_MAXIMUM)
            return -ENOTSUP;
        image->segments[image->segment_count++] = (struct elf_segment){
            .offset = program.p_offset,
            .address = program.p_vaddr,
            .file_size = program.p_filesz,
            .memory_size = program.p_memsz,
            .is_executable = program.p_flags & PF_X,
        };
    }
    return 0;
}

/* Where the sections are; a file may have none. 0 or -errno. */
static int read_sections(struct elf_image *image, const Elf64_Ehdr *header)
{
    uint64_t count = header->e_shnum, names = header->e_shstrndx;
    Elf64_Shdr first;
    int result;

    if (!header->e_shoff)
        return 0;
    if (header->e_shentsize != sizeof(first))
        return -EBADMSG;
    result = elf_image_read(image, header->e_shoff, &first, sizeof(first));
    if (result)
        return result;
    if (!count)
        count = first.sh_size; /* more than fit into the header */
    if (names == SHN_XINDEX)
        names = first.sh_link;
    if (count > ELF_SECTIONS_MAXIMUM)
        return -ENOTSUP;
    if (!is_inside(image, header->e_shoff, count * sizeof(first)))
        return -EBADMSG;
    image->sections_at = header->e_shoff;
    image->section_count = (uint32_t)count;
    if (names == SHN_UNDEF)
        return 0;
    result = elf_image_section(image, (uint32_t)names, &image->names);
    return result ? result : check_section(image, &image->names) ? -EBADMSG : 0;
}

static int read_headers(struct elf_image *image)
{
    Elf64_Ehdr header;
    int result;

    if (image->size < SELFMAG)
        return -ENOEXEC;
    result = elf_image_read(image, 0, header.e_ident, SELFMAG);
    if (result)
        return result;
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
        return -ENOEXEC;
    result = elf_image_read(image, 0, &header, sizeof(header));
    if (result)
        return result;
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
        (header.e_type != ET_EXEC && header.e_type != ET_DYN))
        return -ENOTSUP;
    image->type = header.e_type;
    image->machine = header.e_machine;
    result = read_segments(image, &header);
    return result ? result : read_sections(image, &header);
}

int elf_image_of(struct elf_image *image, struct slice bytes)
{
    *image = (struct elf_image){.descriptor = -1, .bytes = bytes, .size = bytes.length};
    return read_headers(image);
}

int elf_image_open(struct elf_image *image, const char *path)
{
    struct stat status;
    int result;

    *image = (struct elf_image){.descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (image->descriptor < 0)
        return -errno;
    if (fstat(image->descriptor, &status))
        result = -errno;
    else
        result = S_ISREG(status.st_mode) ? 0 : -ENOEXEC; /* a pipe would wait for its writer */
    image->size = result ? 0 : (uint64_t)status.st_size;
    if (!result)
        result = read_headers(image);
    if (result)
        elf_image_close(image);
    return result;
}

void elf_image_close(struct elf_image *image)
{
    if (image->descriptor >= 0)
        close(image->descriptor);
    image->descriptor = -1;
    image->size = 0;
    image->bytes = (struct slice){NULL, 0};
}
