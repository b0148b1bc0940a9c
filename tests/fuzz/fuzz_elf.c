/* fuzz_elf: any bytes as an executable in which places for probes are looked for. */
#include <stdlib.h>
#include "capture/elf_symbols.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    return 0;
}
