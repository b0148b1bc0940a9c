/* fuzz_elf: any bytes as an executable in which places for probes are looked for. */
#include <stdlib.h>
#include "capture/elf_symbols.h"
#include "capture/go_binary.h"
#include "capture/go_functions.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at_go(const struct elf_image *image)
{
    struct go_function functions[] = {{.name = "(*Conn).Read"}, {.name = "(*Conn).Write"}};
    struct go_binary binary;
    struct go_places places;

    (void)go_binary_read(image, &binary);
    if (go_functions_find(image, functions, 2))
        return;
    for (size_t i = 0; i < 2; i++) {
        if (!functions[i].is_found || go_binary_places(image, &binary, &functions[i], &places))
            continue;
        if (places.entry >= image->size)
            abort();
        for (size_t k = 0; k < places.return_count; k++)
            if (places.returns[k] >= image->size)
                abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct elf_symbol symbols[] = {{.name = "TLS_read"}, {.name = "TLS_write"}, {.name = "a"}};
    struct elf_image image;
    uint64_t value;

    if (elf_image_of(&image, slice_of(data, size)))
        return 0;
    if (elf_symbols_find(&image, symbols, 3) == 0)
        for (size_t i = 0; i < 3; i++)
            if (symbols[i].is_found && symbols[i].offset >= size)
                abort();
    if (image.segment_count)
        (void)elf_image_pointer(&image, image.segments[0].address, &value);
    look_at_go(&image);
    return 0;
}
