/*
 * capture_builder: capture files for tests, byte by byte, as a path that file_reader can open.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CAPTURE_BUILDER_BYTES = 65536 };

struct capture_builder {
    uint8_t bytes[CAPTURE_BUILDER_BYTES];
    size_t length;
    bool is_big_endian;
    size_t block; /* where the open pcapng block begins */
};

void capture_builder_init(struct capture_builder *builder, bool is_big_endian);
void capture_builder_bytes(struct capture_builder *builder, const void *bytes, size_t length);
void capture_builder_16(struct capture_builder *builder, uint16_t number);
void capture_builder_32(struct capture_builder *builder, uint32_t number);

void capture_builder_pcap(struct capture_builder *builder, uint32_t magic, uint32_t link_type);
/* `text` is the frame; the length on the wire is `more` bytes longer. */
void capture_builder_pcap_packet(struct capture_builder *builder, uint32_t seconds,
                                 uint32_t fraction, const char *text, uint32_t more);

/* A pcapng block: begin, its body, end. */
void capture_builder_begin(struct capture_builder *builder, uint32_t type);
void capture_builder_end(struct capture_builder *builder);
/* An option, padded; code 0 ends the list. */
void capture_builder_option(struct capture_builder *builder, uint16_t code, const void *value,
                            uint16_t length);
void capture_builder_section(struct capture_builder *builder);
void capture_builder_interface(struct capture_builder *builder, uint16_t link_type,
                               uint8_t resolution);
/* An enhanced packet block without options. */
void capture_builder_enhanced(struct capture_builder *builder, uint32_t interface, uint64_t time,
                              const char *text);

/* A path to a file in memory with these bytes; it lives until the next call. */
const char *capture_builder_path(const void *bytes, size_t length);
