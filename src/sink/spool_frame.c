/* spool_frame: the layout stands in the header. */
#include "sink/spool_frame.h"
#include <endian.h>
#include <errno.h>
#include "base/crc32c.h"

enum {
    CRC_AT = SPOOL_HEAD_BYTES - 4,
    FRAME_BODY_CRC_AT = 8,
    FLAG_COUNTED = 1,
};

static const char segment_magic[8] = {'W', 'E', 'I', 'R', 'S', 'P', 'L', '1'};
static const char position_magic[8] = {'W', 'E', 'I', 'R', 'P', 'O', 'S', '1'};
static const uint8_t frame_magic[4] = {0xf7, 'W', 'F', 0x9d};

static void put64(uint8_t *at, uint64_t number)
{
    number = htole64(number);
    memcpy(at, &number, sizeof(number));
}

static void put32(uint8_t *at, uint32_t number)
{
    number = htole32(number);
    memcpy(at, &number, sizeof(number));
}

static uint64_t get64(const uint8_t *at)
{
    uint64_t number;

    memcpy(&number, at, sizeof(number));
    return le64toh(number);
}

static uint32_t get32(const uint8_t *at)
{
    uint32_t number;

    memcpy(&number, at, sizeof(number));
    return le32toh(number);
}

static void seal(uint8_t bytes[SPOOL_HEAD_BYTES])
{
    put32(bytes + CRC_AT, crc32c(0, slice_of(bytes, CRC_AT)));
}

static bool is_sealed(struct slice bytes, const char magic[8])
{
    return bytes.length >= SPOOL_HEAD_BYTES && memcmp(bytes.data, magic, 8) == 0 &&
           get32(bytes.data + CRC_AT) == crc32c(0, slice_of(bytes.data, CRC_AT));
}

void spool_segment_head_write(const struct spool_segment_head *head,
                              uint8_t bytes[SPOOL_HEAD_BYTES])
{
    memset(bytes, 0, SPOOL_HEAD_BYTES);
    memcpy(bytes, segment_magic, 8);
    put64(bytes + 8, head->spool);
    put64(bytes + 16, head->number);
    put64(bytes + 24, head->first_sequence);
    put64(bytes + 32, head->previous_end);
    seal(bytes);
}

bool spool_segment_head_read(struct slice bytes, struct spool_segment_head *ret_head)
{
    if (!is_sealed(bytes, segment_magic))
        return false;
    ret_head->spool = get64(bytes.data + 8);
    ret_head->number = get64(bytes.data + 16);
    ret_head->first_sequence = get64(bytes.data + 24);
    ret_head->previous_end = get64(bytes.data + 32);
    return true;
}

void spool_position_write(const struct spool_position *position, uint8_t bytes[SPOOL_HEAD_BYTES])
{
    memset(bytes, 0, SPOOL_HEAD_BYTES);
    memcpy(bytes, position_magic, 8);
    put64(bytes + 8, position->spool);
    put64(bytes + 16, position->acknowledged);
    put64(bytes + 24, position->written);
    put64(bytes + 32, position->next_number);
    seal(bytes);
}

bool spool_position_read(struct slice bytes, struct spool_position *ret_position)
{
    if (!is_sealed(bytes, position_magic))
        return false;
    ret_position->spool = get64(bytes.data + 8);
    ret_position->acknowledged = get64(bytes.data + 16);
    ret_position->written = get64(bytes.data + 24);
    ret_position->next_number = get64(bytes.data + 32);
    return true;
}

uint32_t spool_frame_seed(uint64_t spool, uint64_t number)
{
    uint8_t bytes[16];

    put64(bytes, spool);
    put64(bytes + 8, number);
    return crc32c(0, slice_of(bytes, sizeof(bytes)));
}

int spool_frame_append(struct buffer *buffer, const struct sink_entry *entry, uint32_t seed)
{
    size_t length = SPOOL_FRAME_BYTES + entry->attributes.length + entry->payload.length;
    uint8_t *at;
    int result;

    if (entry->payload.length > SPOOL_PAYLOAD_MAXIMUM ||
        entry->attributes.length > SPOOL_ATTRIBUTES_MAXIMUM)
        return -EMSGSIZE;
    result = buffer_reserve(buffer, length);
    if (result < 0)
        return result;
    at = buffer->data + buffer->length;
    memcpy(at, frame_magic, sizeof(frame_magic));
    at[12] = (uint8_t)entry->attributes.length;
    at[13] = (uint8_t)(entry->attributes.length >> 8);
    at[14] = entry->severity;
    at[15] = entry->is_counted ? FLAG_COUNTED : 0;
    put32(at + 16, (uint32_t)entry->payload.length);
    put64(at + 20, entry->sequence);
    put64(at + 28, entry->id);
    put64(at + 36, entry->time_ns);
    if (entry->attributes.length)
        memcpy(at + SPOOL_FRAME_BYTES, entry->attributes.data, entry->attributes.length);
    if (entry->payload.length)
        memcpy(at + SPOOL_FRAME_BYTES + entry->attributes.length, entry->payload.data,
               entry->payload.length);
    put32(at + FRAME_BODY_CRC_AT,
          crc32c(seed, slice_of(at + SPOOL_FRAME_BYTES, length - SPOOL_FRAME_BYTES)));
    put32(at + 4, crc32c(seed, slice_of(at + FRAME_BODY_CRC_AT, SPOOL_FRAME_BYTES - 8)));
    buffer->length += length;
    return 0;
}

enum spool_frame_verdict spool_frame_read(struct slice bytes, uint32_t seed,
                                          struct spool_frame *ret_frame)
{
    const uint8_t *at = bytes.data;
    size_t attributes, payload;

    if (bytes.length < SPOOL_FRAME_BYTES) {
        ret_frame->length = SPOOL_FRAME_BYTES;
        return SPOOL_FRAME_MORE;
    }
    if (memcmp(at, frame_magic, sizeof(frame_magic)) != 0 ||
        get32(at + 4) != crc32c(seed, slice_of(at + FRAME_BODY_CRC_AT, SPOOL_FRAME_BYTES - 8)))
        return SPOOL_FRAME_NONE;
    attributes = (size_t)at[12] | (size_t)at[13] << 8;
    payload = get32(at + 16);
    if (payload > SPOOL_PAYLOAD_MAXIMUM)
        return SPOOL_FRAME_NONE;
    ret_frame->length = SPOOL_FRAME_BYTES + attributes + payload;
    ret_frame->entry = (struct sink_entry){
        .attributes = slice_of(at + SPOOL_FRAME_BYTES, attributes),
        .payload = slice_of(at + SPOOL_FRAME_BYTES + attributes, payload),
        .sequence = get64(at + 20),
        .id = get64(at + 28),
        .time_ns = get64(at + 36),
        .severity = at[14],
        .is_counted = at[15] & FLAG_COUNTED,
    };
    if (bytes.length < ret_frame->length)
        return SPOOL_FRAME_MORE;
    ret_frame->is_damaged =
        get32(at + FRAME_BODY_CRC_AT) !=
        crc32c(seed, slice_of(at + SPOOL_FRAME_BYTES, ret_frame->length - SPOOL_FRAME_BYTES));
    return SPOOL_FRAME;
}

size_t spool_frame_search(struct slice bytes, size_t from, uint32_t seed)
{
    while (from < bytes.length) {
        struct spool_frame frame;
        size_t left;

        from += slice_find(slice_part(bytes, from, bytes.length - from), frame_magic[0]);
        left = bytes.length - from;
        if (left && left < SPOOL_FRAME_BYTES &&
            memcmp(bytes.data + from, frame_magic, left < 4 ? left : 4) == 0)
            return from; /* it might be one, if more came */
        if (left >= SPOOL_FRAME_BYTES &&
            spool_frame_read(slice_part(bytes, from, left), seed, &frame) != SPOOL_FRAME_NONE)
            return from;
        from += from < bytes.length;
    }
    return bytes.length;
}
