/* protobuf: texts; most are ASCII, which is seen eight bytes at a time. */
#include "encode/protobuf.h"

size_t protobuf_odd_bytes(struct slice text)
{
    const uint64_t tops = 0x8080808080808080u;
    size_t odd = 0, at = 0, length;
    uint64_t word;

    for (; at + 8 <= text.length; at += 8) {
        memcpy(&word, text.data + at, 8);
        if (word & tops)
            break;
    }
    if (at + 8 > text.length && text.length >= 8) { /* the rest, in the last eight */
        memcpy(&word, text.data + text.length - 8, 8);
        if (!(word & tops))
            return 0;
    }
    while (at < text.length && text.data[at] < 0x80)
        at++;
    for (; at < text.length; at += length ? length : 1) {
        length = writer_utf8_length(text.data + at, text.length - at);
        odd += length == 0;
    }
    return odd;
}

uint8_t *protobuf_put_text(uint8_t *at, struct slice text, size_t odd_bytes)
{
    size_t length;

    if (!odd_bytes) {
        if (text.length)
            memcpy(at, text.data, text.length);
        return at + text.length;
    }
    for (size_t i = 0; i < text.length; i += length ? length : 1) {
        length = writer_utf8_length(text.data + i, text.length - i);
        if (length) {
            memcpy(at, text.data + i, length);
            at += length;
        } else { /* U+0080 to U+00FF take two bytes */
            *at++ = (uint8_t)(0xc0 | text.data[i] >> 6);
            *at++ = (uint8_t)(0x80 | (text.data[i] & 0x3f));
        }
    }
    return at;
}

void protobuf_text(struct writer *writer, unsigned field, struct slice text)
{
    size_t odd = protobuf_odd_bytes(text);
    uint8_t *at;

    writer->has_binary |= odd > 0;
    protobuf_tag(writer, field, PROTOBUF_BYTES);
    protobuf_varint(writer, text.length + odd);
    at = writer_room(writer, text.length + odd);
    if (!at)
        return;
    protobuf_put_text(at, text, odd);
    writer_advance(writer, text.length + odd);
}
