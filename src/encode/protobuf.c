#include "encode/protobuf.h"

void protobuf_text(struct writer *writer, unsigned field, struct slice text)
{
    size_t bad = 0, length;
    uint8_t *at;

    for (size_t i = 0; i < text.length; i += length ? length : 1) {
        length = writer_utf8_length(text.data + i, text.length - i);
        bad += length == 0;
    }
    if (bad == 0) {
        protobuf_bytes(writer, field, text);
        return;
    }
    writer->has_binary = true;
    protobuf_tag(writer, field, PROTOBUF_BYTES);
    protobuf_varint(writer, text.length + bad); /* U+0080 to U+00FF take two bytes */
    at = writer_room(writer, text.length + bad);
    if (!at)
        return;
    for (size_t i = 0; i < text.length; i += length ? length : 1) {
        length = writer_utf8_length(text.data + i, text.length - i);
        if (length) {
            memcpy(at, text.data + i, length);
            at += length;
        } else {
            *at++ = (uint8_t)(0xc0 | text.data[i] >> 6);
            *at++ = (uint8_t)(0x80 | (text.data[i] & 0x3f));
        }
    }
    writer_advance(writer, text.length + bad);
}
