#include "capture/elf_strings.h"
#include <errno.h>

/* Strings by their last byte: most strings of a table end in none of these. */
struct wanted {
    const char *const *strings;
    size_t count;
    size_t lengths[ELF_STRINGS_MAXIMUM];
    bool is_last[256];
};

static int wanted_init(struct wanted *wanted, const char *const *strings, size_t count)
{
    if (count > ELF_STRINGS_MAXIMUM)
        return -E2BIG;
    memset(wanted, 0, sizeof(*wanted));
    wanted->strings = strings;
    wanted->count = count;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(strings[i]);

        if (length == 0 || length > ELF_STRING_BYTES)
            return -EINVAL;
        wanted->lengths[i] = length;
        wanted->is_last[(uint8_t)strings[i][length - 1]] = true;
    }
    return 0;
}

/* Keeps the order of the places: of strings with one end, the longest begins first. */
static void add_place(struct elf_strings *found, uint64_t at, uint32_t index)
{
    size_t i = found->count;

    if (found->count == ELF_STRINGS_PLACES)
        return;
    for (; i > 0 && found->places[i - 1].at > at; i--)
        found->places[i] = found->places[i - 1];
    found->places[i] = (struct elf_string_place){at, index};
    found->count++;
}

/* Which of the strings end at `end`, of which `before` bytes can be looked at. */
static void look_back(const struct wanted *wanted, const uint8_t *end, size_t before, uint64_t at,
                      struct elf_strings *found)
{
    if (before == 0 || !wanted->is_last[end[-1]])
        return;
    for (size_t i = 0; i < wanted->count; i++) {
        size_t length = wanted->lengths[i];

        if (length <= before && memcmp(end - length, wanted->strings[i], length) == 0)
            add_place(found, at - length, (uint32_t)i);
    }
}

int elf_strings_find(const struct elf_image *image, uint64_t offset, uint64_t length,
                     const char *const *strings, size_t count, struct elf_strings *ret_found)
{
    uint8_t bytes[ELF_STRING_BYTES + ELF_WINDOW_BYTES];
    struct wanted wanted;
    size_t kept = 0; /* bytes of the last piece that are still in front */
    int result = wanted_init(&wanted, strings, count);

    if (result)
        return result;
    ret_found->count = 0;
    for (uint64_t at = 0; at < length;) {
        size_t piece = length - at < ELF_WINDOW_BYTES ? (size_t)(length - at) : ELF_WINDOW_BYTES;
        const uint8_t *limit = bytes + kept + piece;

        result = elf_image_read(image, offset + at, bytes + kept, piece);
        if (result)
            return result;
        for (const uint8_t *end = memchr(bytes + kept, 0, piece); end;
             end = memchr(end + 1, 0, (size_t)(limit - end - 1)))
            look_back(&wanted, end, (size_t)(end - bytes), at - kept + (uint64_t)(end - bytes),
                      ret_found);
        at += piece;
        piece += kept;
        kept = piece < ELF_STRING_BYTES ? piece : ELF_STRING_BYTES;
        memmove(bytes, bytes + piece - kept, kept);
    }
    return 0;
}

int elf_strings_at(const struct elf_strings *found, uint64_t at)
{
    size_t low = 0, high = found->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (found->places[middle].at == at)
            return (int)found->places[middle].index;
        if (found->places[middle].at < at)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}
