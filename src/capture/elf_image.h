/*
 * elf_image: an executable or a shared library, as far as places for probes in it are looked for:
 * its segments, its sections and its bytes. System V ABI, chapters 4 and 5; 64 bits, little-endian.
 * Nothing is mapped, so a file that shrinks meanwhile is a read that fails. What a file says of
 * itself is believed only as far as the file goes: anything else is -EBADMSG.
 */
#pragma once
#include "base/slice.h"

enum {
    ELF_SEGMENTS_MAXIMUM = 64,   /* loaded ones */
    ELF_SECTIONS_MAXIMUM = 4096, /* in a file */
    ELF_NAME_BYTES = 32,         /* of a section's name that are compared */
    ELF_WINDOW_BYTES = 32768,
};

struct elf_segment {
    uint64_t offset, address, file_size, memory_size;
    bool is_executable;
};

struct elf_section {
    uint64_t offset, address, size, entry_size;
    uint32_t type, link; /* enum of elf.h; of the section that goes with it */
    uint32_t name;       /* place in the table of section names */
};

struct elf_image {
    int descriptor;     /* -1: the bytes are in memory */
    struct slice bytes; /* then */
    uint64_t size;
    uint16_t type, machine; /* ET_EXEC or ET_DYN; EM_X86_64 and the like */
    uint32_t section_count;
    uint64_t sections_at;
    struct elf_section names;
    uint64_t tls_size; /* of the segment of thread-local variables, 0: there is none */
    size_t segment_count;
    struct elf_segment segments[ELF_SEGMENTS_MAXIMUM];
};

/*
 * Opens a file and reads its headers. 0; -ENOEXEC: no ELF file; -ENOTSUP: one of another class,
 * byte order or kind; -EBADMSG: damaged; or -errno of reading. `path` may lead through
 * /proc/PID/root. To be closed only after 0.
 */
int elf_image_open(struct elf_image *image, const char *path);
/* The same for bytes in memory, which are borrowed. */
int elf_image_of(struct elf_image *image, struct slice bytes);
void elf_image_close(struct elf_image *image);

/* `length` bytes at `offset` of the file, all of them. 0 or -errno. */
int elf_image_read(const struct elf_image *image, uint64_t offset, void *to, size_t length);

/* Section `index`. 0 or -errno. */
int elf_image_section(const struct elf_image *image, uint32_t index,
                      struct elf_section *ret_section);
/* The first section of that type; its bytes are in the file. 0, -ENOENT or -errno. */
int elf_image_section_of_type(const struct elf_image *image, uint32_t type,
                              struct elf_section *ret_section);
/* The first section of that name (shorter than ELF_NAME_BYTES). 0, -ENOENT or -errno. */
int elf_image_section_named(const struct elf_image *image, const char *name,
                            struct elf_section *ret_section);

/*
 * Where in the file the byte is that is loaded at `address`. With `only_code`, in executable
 * segments only. 0 or -ENOENT.
 */
int elf_image_offset(const struct elf_image *image, uint64_t address, bool only_code,
                     uint64_t *ret_offset);
/* The pointer stored at `address`, as it is after relocation in an image loaded at 0. */
int elf_image_pointer(const struct elf_image *image, uint64_t address, uint64_t *ret_value);

/* Bytes of an image that are looked at in order. */
struct elf_window {
    const struct elf_image *image;
    uint64_t start; /* place in the file of bytes[0] */
    size_t length;
    uint8_t bytes[ELF_WINDOW_BYTES];
};

static inline void elf_window_init(struct elf_window *window, const struct elf_image *image)
{
    window->image = image;
    window->start = 0;
    window->length = 0;
}

/*
 * At least `need` bytes (at most ELF_WINDOW_BYTES) at `offset` of the file, valid until the next
 * call; NULL: the file does not have them.
 */
const uint8_t *elf_window_at(struct elf_window *window, uint64_t offset, size_t need);
