#include "capture/go_binary.h"
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include "capture/code_length.h"
#include "capture/go_functions.h"

enum {
    INFO_BYTES = 32,
    INFO_POINTER_SIZE_AT = 14,
    INFO_FLAGS_AT = 15,
    INFO_IS_BIG_ENDIAN = 1,
    INFO_IS_INLINE = 2,     /* Go 1.18: the strings follow, with their lengths in front */
    START_INSTRUCTIONS = 8, /* the check of the stack is among them */
    TLS_BYTES = 8,          /* the current goroutine is the only thread-local variable */
    FIRST_REGISTERS_ARM64 = 18,
    ARM64_INSTRUCTION = 4,
};
static const char info_magic[INFO_POINTER_SIZE_AT] = "\xff Go buildinf:";

/* Before Go 1.18: the address of a string, which is an address and a length. */
static int find_old_version(const struct elf_image *image, const struct elf_section *section,
                            uint64_t *ret_offset, uint64_t *ret_length)
{
    uint64_t string, text, offset;
    int result = elf_image_pointer(image, section->address + INFO_POINTER_SIZE_AT + 2, &string);

    if (!result)
        result = elf_image_pointer(image, string, &text);
    if (!result)
        result = elf_image_offset(image, string, false, &offset);
    if (!result)
        result = elf_image_read(image, offset + sizeof(text), ret_length, sizeof(*ret_length));
    return result ? result : elf_image_offset(image, text, false, ret_offset);
}

/* The version's place. 0 or -errno. */
static int find_version(const struct elf_image *image, const struct elf_section *section,
                        uint64_t *ret_offset, uint64_t *ret_length)
{
    uint8_t header[INFO_BYTES], length;
    int result;

    if (section->size < sizeof(header))
        return -EBADMSG;
    result = elf_image_read(image, section->offset, header, sizeof(header));
    if (result)
        return result;
    if (memcmp(header, info_magic, sizeof(info_magic)) != 0 ||
        header[INFO_FLAGS_AT] & INFO_IS_BIG_ENDIAN)
        return -EBADMSG;
    if (!(header[INFO_FLAGS_AT] & INFO_IS_INLINE))
        return find_old_version(image, section, ret_offset, ret_length);
    *ret_offset = section->offset + INFO_BYTES + 1;
    result = elf_image_read(image, *ret_offset - 1, &length, 1);
    *ret_length = length; /* one byte of a varint: what is longer is no version */
    return result;
}

static void read_version(const struct elf_image *image, const struct elf_section *section,
                         struct go_binary *binary)
{
    uint64_t offset, length;
    char *end;

    if (find_version(image, section, &offset, &length) || length >= GO_VERSION_BYTES ||
        elf_image_read(image, offset, binary->version, (size_t)length)) {
        binary->version[0] = 0;
        return;
    }
    binary->version[length] = 0;
    for (size_t i = 0; i < length; i++)
        if (binary->version[i] < ' ' || binary->version[i] > '~')
            binary->version[i] = '?';
    if (strncmp(binary->version, "go1.", 4) == 0)
        binary->minor = (unsigned)strtoul(binary->version + 4, &end, 10) & 0xffff;
}

int go_binary_read(const struct elf_image *image, struct go_binary *ret_binary)
{
    struct elf_section section;
    int result = elf_image_section_named(image, ".go.buildinfo", &section);

    memset(ret_binary, 0, sizeof(*ret_binary));
    if (result)
        return result;
    read_version(image, &section, ret_binary);
    return 0;
}

static bool begins(struct slice code, const char *bytes, size_t length)
{
    return code.length >= length && memcmp(code.data, bytes, length) == 0;
}
#define BEGINS(code, bytes) begins(code, bytes, sizeof(bytes) - 1)

/* What the start of a function on x86-64 has shown so far. */
struct start {
    bool has_goroutine; /* the current goroutine was loaded from where it is expected */
    bool has_compared;  /* a stack pointer with the stack's limit, 16 bytes into the goroutine */
    enum go_convention convention;
};

static void start_look(struct start *start, struct slice code)
{
    /* mov rcx, fs:-8, in one piece or by a register that holds -8 */
    if (BEGINS(code, "\x64\x48\x8b\x0c\x25\xf8\xff\xff\xff") || BEGINS(code, "\x64\x48\x8b\x09"))
        start->has_goroutine = true;
    /* cmp rsp, [r14+16]; cmp r12, [r14+16] for a larger frame */
    if (BEGINS(code, "\x49\x3b\x66\x10") || BEGINS(code, "\x4d\x3b\x66\x10")) {
        start->has_compared = true;
        start->convention = GO_CONVENTION_REGISTER;
    }
    /* cmp rsp, [rcx+16]; cmp rax, [rcx+16] */
    if (start->has_goroutine &&
        (BEGINS(code, "\x48\x3b\x61\x10") || BEGINS(code, "\x48\x3b\x41\x10"))) {
        start->has_compared = true;
        start->convention = GO_CONVENTION_STACK;
    }
}

static int places_x86(struct slice code, struct go_places *places)
{
    struct start start = {.has_goroutine = false};
    size_t count = 0;

    for (size_t at = 0; at < code.length; count++) {
        struct slice rest = slice_part(code, at, SIZE_MAX);
        size_t length = code_length_x86(rest);

        if (!length)
            return -ENOTSUP;
        if (count < START_INSTRUCTIONS && !places->entry) {
            /* jbe, to where the stack grows */
            if (start.has_compared && (rest.data[0] == 0x76 || BEGINS(rest, "\x0f\x86")))
                places->entry = at + length;
            else
                start_look(&start, rest);
        }
        if (rest.data[0] == 0xc3 || rest.data[0] == 0xc2 || BEGINS(rest, "\xf3\xc3")) {
            if (places->return_count == GO_RETURNS_MAXIMUM)
                return -ENOTSUP;
            places->returns[places->return_count++] = at;
        }
        at += length;
    }
    places->convention = start.convention;
    return places->entry ? 0 : -ENOTSUP;
}

static int places_arm64(struct slice code, bool has_registers, struct go_places *places)
{
    bool has_limit = false;

    for (size_t at = 0; at + ARM64_INSTRUCTION <= code.length; at += ARM64_INSTRUCTION) {
        uint32_t word;

        memcpy(&word, code.data + at, sizeof(word));
        if (word == 0xf9400b90) /* ldr x16, [x28, 16] */
            has_limit = true;
        if (has_limit && !places->entry && at / ARM64_INSTRUCTION < START_INSTRUCTIONS &&
            (word & 0xff00001f) == 0x54000009) /* b.ls */
            places->entry = at + ARM64_INSTRUCTION;
        if (word == 0xd65f03c0) { /* ret */
            if (places->return_count == GO_RETURNS_MAXIMUM)
                return -ENOTSUP;
            places->returns[places->return_count++] = at;
        }
    }
    places->convention = has_registers ? GO_CONVENTION_REGISTER : GO_CONVENTION_STACK;
    return places->entry ? 0 : -ENOTSUP;
}

int go_binary_places(const struct elf_image *image, const struct go_binary *binary,
                     const struct go_function *function, struct go_places *ret_places)
{
    struct go_places places = {.entry = 0};
    struct elf_window window;
    struct slice code;
    int result;

    if (function->size > GO_CODE_BYTES)
        return -ENOTSUP;
    elf_window_init(&window, image);
    code = slice_of(elf_window_at(&window, function->offset, (size_t)function->size),
                    (size_t)function->size);
    if (!code.data)
        return -EBADMSG;
    if (image->machine == EM_X86_64)
        result = image->tls_size <= TLS_BYTES ? places_x86(code, &places) : -ENOTSUP;
    else if (image->machine == EM_AARCH64 && binary->minor)
        result = places_arm64(code, binary->minor >= FIRST_REGISTERS_ARM64, &places);
    else
        result = -ENOTSUP;
    if (result)
        return result;
    places.entry += function->offset;
    for (size_t i = 0; i < places.return_count; i++)
        places.returns[i] += function->offset;
    *ret_places = places;
    return 0;
}
