#include "tests/lib/capture_builder.h"
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void capture_builder_init(struct capture_builder *builder, bool is_big_endian)
{
    builder->length = 0;
    builder->is_big_endian = is_big_endian;
}

void capture_builder_bytes(struct capture_builder *builder, const void *bytes, size_t length)
{
    if (builder->length + length > sizeof(builder->bytes))
        abort();
    if (length)
        memcpy(builder->bytes + builder->length, bytes, length);
    builder->length += length;
}

void capture_builder_16(struct capture_builder *builder, uint16_t number)
{
    uint16_t wire = builder->is_big_endian ? htobe16(number) : htole16(number);

    capture_builder_bytes(builder, &wire, sizeof(wire));
}

void capture_builder_32(struct capture_builder *builder, uint32_t number)
{
    uint32_t wire = builder->is_big_endian ? htobe32(number) : htole32(number);

    capture_builder_bytes(builder, &wire, sizeof(wire));
}

void capture_builder_pcap(struct capture_builder *builder, uint32_t magic, uint32_t link_type)
{
    capture_builder_32(builder, magic);
    capture_builder_16(builder, 2);
    capture_builder_16(builder, 4);
    capture_builder_32(builder, 0);
    capture_builder_32(builder, 0);
    capture_builder_32(builder, 65535);
    capture_builder_32(builder, link_type);
}

void capture_builder_pcap_packet(struct capture_builder *builder, uint32_t seconds,
                                 uint32_t fraction, const char *text, uint32_t more)
{
    uint32_t length = (uint32_t)strlen(text);

    capture_builder_32(builder, seconds);
    capture_builder_32(builder, fraction);
    capture_builder_32(builder, length);
    capture_builder_32(builder, length + more);
    capture_builder_bytes(builder, text, length);
}

static void pad(struct capture_builder *builder)
{
    static const uint8_t zeros[4];

    capture_builder_bytes(builder, zeros, -builder->length & 3);
}

void capture_builder_begin(struct capture_builder *builder, uint32_t type)
{
    builder->block = builder->length;
    capture_builder_32(builder, type);
    capture_builder_32(builder, 0);
}

void capture_builder_end(struct capture_builder *builder)
{
    size_t end;

    pad(builder);
    capture_builder_32(builder, (uint32_t)(builder->length + 4 - builder->block));
    end = builder->length;
    memcpy(builder->bytes + builder->block + 4, builder->bytes + end - 4, 4);
}

void capture_builder_option(struct capture_builder *builder, uint16_t code, const void *value,
                            uint16_t length)
{
    capture_builder_16(builder, code);
    capture_builder_16(builder, length);
    capture_builder_bytes(builder, value, length);
    pad(builder);
}

void capture_builder_section(struct capture_builder *builder)
{
    capture_builder_begin(builder, 0x0a0d0d0a);
    capture_builder_32(builder, 0x1a2b3c4d);
    capture_builder_16(builder, 1);
    capture_builder_16(builder, 0);
    capture_builder_32(builder, UINT32_MAX);
    capture_builder_32(builder, UINT32_MAX);
    capture_builder_end(builder);
}

void capture_builder_interface(struct capture_builder *builder, uint16_t link_type,
                               uint8_t resolution)
{
    capture_builder_begin(builder, 1);
    capture_builder_16(builder, link_type);
    capture_builder_16(builder, 0);
    capture_builder_32(builder, 262144);
    capture_builder_option(builder, 9, &resolution, 1);
    capture_builder_option(builder, 0, NULL, 0);
    capture_builder_end(builder);
}

void capture_builder_enhanced(struct capture_builder *builder, uint32_t interface, uint64_t time,
                              const char *text)
{
    uint32_t length = (uint32_t)strlen(text);

    capture_builder_begin(builder, 6);
    capture_builder_32(builder, interface);
    capture_builder_32(builder, (uint32_t)(time >> 32));
    capture_builder_32(builder, (uint32_t)time);
    capture_builder_32(builder, length);
    capture_builder_32(builder, length);
    capture_builder_bytes(builder, text, length);
    capture_builder_end(builder);
}

const char *capture_builder_path(const void *bytes, size_t length)
{
    static int descriptor = -1;
    static char path[64];

    if (descriptor < 0)
        descriptor = memfd_create("capture", MFD_CLOEXEC);
    if (descriptor < 0 || ftruncate(descriptor, 0) < 0 ||
        pwrite(descriptor, bytes, length, 0) != (ssize_t)length)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
    return path;
}
