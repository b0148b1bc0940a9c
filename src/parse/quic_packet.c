/* quic_packet: long headers of QUIC 1, its last drafts, and QUIC 2 (RFC 9000 §17.2, RFC 9369). */
#include "parse/quic.h"

enum { LONG_HEADER = 0x80, FIXED_BIT = 0x40, DATAGRAM_MINIMUM = 1200, SAMPLE_END = 20 };

#define SALT_T050                                                                                  \
    {                                                                                              \
        0x7f, 0xf5, 0x79, 0xe5, 0xac, 0xd0, 0x72, 0x91, 0x55, 0x80, 0x30, 0x4c, 0x43, 0xa2, 0x36,  \
            0x7c, 0x60, 0x48, 0x83, 0x10                                                           \
    }
#define SALT_T051                                                                                  \
    {                                                                                              \
        0x7a, 0x4e, 0xde, 0xf4, 0xe7, 0xcc, 0xee, 0x5f, 0xa4, 0x50, 0x6c, 0x19, 0x12, 0x4f, 0xc8,  \
            0xcc, 0xda, 0x6e, 0x03, 0x3d                                                           \
    }
#define SALT_DRAFT_22                                                                              \
    {                                                                                              \
        0x7f, 0xbc, 0xdb, 0x0e, 0x7c, 0x66, 0xbb, 0xe9, 0x19, 0x3a, 0x96, 0xcd, 0x21, 0x51, 0x9e,  \
            0xbd, 0x7a, 0x02, 0x64, 0x4a                                                           \
    }
#define SALT_DRAFT_23                                                                              \
    {                                                                                              \
        0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, 0xd2, 0x43, 0x2b, 0xb4, 0x63,  \
            0x65, 0xbe, 0xf9, 0xf5, 0x02                                                           \
    }
#define SALT_DRAFT_29                                                                              \
    {                                                                                              \
        0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, 0x86, 0xf1, 0x9c, 0x61, 0x11,  \
            0xe0, 0x43, 0x90, 0xa8, 0x99                                                           \
    }
#define SALT_1                                                                                     \
    {                                                                                              \
        0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c,  \
            0xad, 0xcc, 0xbb, 0x7f, 0x0a                                                           \
    }
#define SALT_DRAFT_2                                                                               \
    {                                                                                              \
        0xa7, 0x07, 0xc2, 0x03, 0xa5, 0x9b, 0x47, 0x18, 0x4a, 0x1d, 0x62, 0xca, 0x57, 0x04, 0x06,  \
            0xea, 0x7a, 0xe3, 0xe5, 0xd3                                                           \
    }
#define SALT_2                                                                                     \
    {                                                                                              \
        0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, 0x81, 0xbe, 0x6e, 0x26, 0x9d,  \
            0xcb, 0xf9, 0xbd, 0x2e, 0xd9                                                           \
    }

static const struct quic_version versions[] = {
    {0x00000001, "1", SALT_1, false},
    {0x6b3343cf, "2", SALT_2, true},
    {0x709a50c4, "2-draft-01", SALT_DRAFT_2, true}, /* to -04 */
    {0xff000016, "draft-22", SALT_DRAFT_22, false},
    {0xff000017, "draft-23", SALT_DRAFT_23, false},
    {0xff000018, "draft-24", SALT_DRAFT_23, false},
    {0xff000019, "draft-25", SALT_DRAFT_23, false},
    {0xff00001a, "draft-26", SALT_DRAFT_23, false},
    {0xff00001b, "draft-27", SALT_DRAFT_23, false},
    {0xff00001c, "draft-28", SALT_DRAFT_23, false},
    {0xff00001d, "draft-29", SALT_DRAFT_29, false},
    {0xff00001e, "draft-30", SALT_DRAFT_29, false},
    {0xff00001f, "draft-31", SALT_DRAFT_29, false},
    {0xff000020, "draft-32", SALT_DRAFT_29, false},
    {0xff000021, "draft-33", SALT_1, false},
    {0xff000022, "draft-34", SALT_1, false},
    {0x54303530, "T050", SALT_T050, false},
    {0x54303531, "T051", SALT_T051, false},
    {0xfaceb001, "mvfst-22", SALT_DRAFT_22, false},
    {0xfaceb002, "mvfst-27", SALT_DRAFT_23, false},
};

const struct quic_version *quic_version_find(uint32_t number)
{
    for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
        if (versions[i].number == number)
            return &versions[i];
    }
    return NULL;
}

uint64_t quic_number(struct reader *reader)
{
    uint8_t first = reader_u8(reader);
    unsigned more = (1u << (first >> 6)) - 1;

    return (uint64_t)(first & 0x3f) << (more * 8) | reader_number(reader, more);
}

bool quic_packet_next(struct reader *reader, struct quic_packet *ret_packet)
{
    size_t start = reader->at;
    uint8_t first = reader_u8(reader);
    const struct quic_version *version = quic_version_find(reader_u32(reader));
    struct slice destination = reader_vector(reader, 1), source = reader_vector(reader, 1);
    unsigned kind = first >> 4 & 3;

    if (reader->is_short || !(first & LONG_HEADER) || !version ||
        destination.length > QUIC_ID_MAXIMUM || source.length > QUIC_ID_MAXIMUM)
        return false;
    enum quic_type type = (enum quic_type)(version->is_2 ? (kind + 3) % 4 : kind);
    if (type == QUIC_RETRY) {
        reader_rest(reader);
    } else {
        if (type == QUIC_INITIAL) {
            uint64_t length = quic_number(reader);
            reader_take(reader, length < SIZE_MAX ? (size_t)length : SIZE_MAX);
        }
        uint64_t length = quic_number(reader);
        ret_packet->number_at = reader->at - start;
        reader_take(reader, length < SIZE_MAX ? (size_t)length : SIZE_MAX);
    }
    if (reader->is_short)
        return false;
    ret_packet->version = version;
    ret_packet->type = type;
    ret_packet->destination = destination;
    ret_packet->source = source;
    ret_packet->bytes = slice_part(reader->bytes, start, reader->at - start);
    return true;
}

/* RFC 9000 §17.2.1: a long header, the version 0, and the client's connection id. */
bool quic_packet_is_negotiation(struct slice bytes)
{
    struct reader reader = reader_of(bytes);
    uint8_t first = reader_u8(&reader);
    uint32_t version = reader_u32(&reader);

    reader_vector(&reader, 1);
    reader_vector(&reader, 1);
    return first & LONG_HEADER && version == 0 && !reader.is_short && reader_left(&reader) >= 4;
}

/* RFC 9000 §14.1: datagrams with Initial packets that want an answer have at least 1200 bytes. */
enum probe_verdict quic_packet_probe(struct slice bytes)
{
    struct reader reader = reader_of(bytes);
    struct quic_packet packet;

    if (bytes.length < DATAGRAM_MINIMUM || !(bytes.data[0] & FIXED_BIT) ||
        !quic_packet_next(&reader, &packet) || packet.type != QUIC_INITIAL)
        return PROBE_NO;
    return packet.bytes.length >= packet.number_at + SAMPLE_END ? PROBE_YES : PROBE_NO;
}
