/*
 * websocket_frames: see websocket_frames.h.
 *
 *   FIN RSV(3) opcode(4) | MASK length(7) | length(16 or 64) | masking key(32) | payload
 */
#include "parse/websocket_frames.h"
#include "parse/http_fields.h"

#define BIT(identifier) (1u << WEBSOCKET_REASON_##identifier)

enum { FIN = 128, RSV1 = 64, RSV_OTHERS = 48, OPCODE_CLOSE = 8, CONTROL_MAXIMUM = 125 };

static const char *const opcode_names[WEBSOCKET_OPCODES] = {
    [0] = "continuation", [1] = "text", [2] = "binary", [8] = "close", [9] = "ping", [10] = "pong",
};

/* Bytes of the header that begins with these; 0: more must be seen. */
static uint8_t header_need(const uint8_t *header, uint8_t length)
{
    if (length < 2)
        return 0;
    uint8_t short_length = header[1] & 127;
    uint8_t need = short_length == 126 ? 4 : short_length == 127 ? 10 : 2;
    return header[1] & 128 ? need + 4 : need;
}

static const char *const reason_texts[] = {
#define REASON(identifier, text) text,
    WEBSOCKET_REASONS(REASON)
#undef REASON
};

/*
 * What breaks the rules without making it doubtful where the next frame begins: a length that fits
 * in fewer bytes (§5.2), bits of extensions that none uses, RSV1 behind a message's first frame
 * (RFC 7692 §6.1), data frames out of order (§5.4), a close frame of one byte (§5.5.1).
 */
static void check_header(struct websocket_side *side, uint64_t length)
{
    uint8_t first = side->header[0], bytes = side->header[1] & 127, opcode = first & 15;
    bool is_control = opcode & 8;
    if ((bytes == 126 && length < 126) || (bytes == 127 && length <= UINT16_MAX))
        side->reasons |= BIT(LENGTH);
    if (first & RSV_OTHERS || (first & RSV1 && (is_control || !opcode)))
        side->reasons |= BIT(RESERVED);
    if (side->has_frames && side->is_masked != (side->header[1] >> 7))
        side->reasons |= BIT(MASK);
    if (opcode == OPCODE_CLOSE && length == 1)
        side->reasons |= BIT(FRAME);
    if (is_control)
        return;
    if (side->is_within != !opcode)
        side->reasons |= BIT(ORDER);
    side->is_within = !(first & FIN);
}

static void end_header(struct websocket_side *side)
{
    const uint8_t *header = side->header;
    uint8_t opcode = header[0] & 15, bytes = header[1] & 127;
    uint64_t length = bytes;
    if (bytes >= 126) {
        length = 0;
        for (size_t i = 0; i < (bytes == 126 ? 2 : 8); i++)
            length = length << 8 | header[2 + i];
    }
    bool is_control = opcode & 8;
    if (!opcode_names[opcode] || length >> 63 ||
        (is_control && (length > CONTROL_MAXIMUM || !(header[0] & FIN)))) {
        side->is_broken = true;
        side->reasons |= BIT(FRAME);
        return;
    }
    check_header(side, length);
    if (!side->has_frames)
        side->is_masked = header[1] & 128;
    side->has_frames = true;
    side->frames[opcode]++;
    if (header[0] & RSV1) /* permessage-deflate (RFC 7692 §6) */
        side->compressed[opcode]++;
    side->bytes[opcode] += length;
    side->left = length;
    side->close_length = 0;
    if (!length)
        side->header_length = 0;
}

/* The first two bytes of a close frame's payload (§5.5.1), unmasked (§5.3). */
static size_t take_close(struct websocket_side *side, struct slice bytes)
{
    size_t used = 0;
    const uint8_t *key = side->header + side->header_length - 4;
    while (side->close_length < 2 && used < bytes.length && side->left) {
        uint8_t mask = side->header[1] & 128 ? key[side->close_length] : 0;
        side->close[side->close_length++] = bytes.data[used++] ^ mask;
        side->left--;
    }
    if (side->close_length == 2) {
        side->has_close_code = true;
        side->close_code = (uint16_t)(side->close[0] << 8 | side->close[1]);
    }
    return used;
}

bool websocket_side_is_closed(const struct websocket_side *side)
{
    return side->frames[OPCODE_CLOSE];
}

static bool is_in_close(const struct websocket_side *side)
{
    return (side->header[0] & 15) == OPCODE_CLOSE && side->close_length < 2;
}

void websocket_side_take(struct websocket_side *side, struct slice bytes)
{
    while (bytes.length && !side->is_broken) {
        size_t used;
        if (side->left) {
            used = is_in_close(side) ? take_close(side, bytes) : 0;
            size_t rest = bytes.length - used;
            size_t passed = side->left < rest ? (size_t)side->left : rest;
            websocket_side_pass(side, passed);
            used += passed;
            if (!side->left)
                side->header_length = 0;
        } else {
            side->header[side->header_length++] = bytes.data[0];
            used = 1;
            if (side->header_length == header_need(side->header, side->header_length))
                end_header(side);
        }
        bytes = slice_part(bytes, used, SIZE_MAX);
    }
}

uint64_t websocket_side_skip(const struct websocket_side *side)
{
    if (side->is_broken)
        return UINT64_MAX;
    return is_in_close(side) ? 0 : side->left;
}

void websocket_side_pass(struct websocket_side *side, uint64_t count)
{
    if (count > side->left)
        side->is_broken = true;
    side->left -= count < side->left ? count : side->left;
    if (!side->left && count)
        side->header_length = 0;
}

/*
 * One object for each opcode that was seen: its name, frames, bytes of payload, and how many frames
 * began a compressed message.
 */
static bool add_frames(struct record *record, enum field_id field,
                       const struct websocket_side *side)
{
    enum { MEMBERS = 4 };
    uint32_t count = 0;
    for (size_t i = 0; i < WEBSOCKET_OPCODES; i++)
        count += side->frames[i] != 0;
    if (!count)
        return true;
    struct object *objects = arena_allocate(record->arena, count * sizeof(*objects));
    struct member *members = arena_allocate(record->arena, count * MEMBERS * sizeof(*members));
    if (!objects || !members)
        return false;
    uint32_t at = 0;
    for (size_t i = 0; i < WEBSOCKET_OPCODES; i++) {
        if (!side->frames[i])
            continue;
        struct member *own = members + (size_t)at * MEMBERS;
        own[0] = (struct member){.name = "opcode", .text = slice_of_string(opcode_names[i])};
        own[1] = (struct member){.name = "frames", .number = side->frames[i], .is_number = true};
        own[2] = (struct member){.name = "bytes", .number = side->bytes[i], .is_number = true};
        own[3] =
            (struct member){.name = "compressed", .number = side->compressed[i], .is_number = true};
        objects[at++] = (struct object){own, side->compressed[i] ? MEMBERS : MEMBERS - 1};
    }
    return record_add_objects(record, field, objects, count);
}

bool websocket_fields_add(struct record *record, const struct websocket_side *client,
                          const struct websocket_side *server)
{
    uint32_t reasons = (client ? client->reasons : 0u) | (server ? server->reasons : 0u);
    /* §5.1: the client masks, the server does not. */
    if ((client && client->has_frames && !client->is_masked) ||
        (server && server->has_frames && server->is_masked))
        reasons |= BIT(MASK);
    http_fields_add_reasons(record, reasons, reason_texts);
    const struct websocket_side *closer = client && client->has_close_code ? client : server;
    return (!client || client->is_broken ||
            add_frames(record, FIELD_WEBSOCKET_CLIENT_FRAMES, client)) &&
           (!server || server->is_broken ||
            add_frames(record, FIELD_WEBSOCKET_SERVER_FRAMES, server)) &&
           (!closer || !closer->has_close_code ||
            record_add_number(record, FIELD_WEBSOCKET_CLOSE_CODE, closer->close_code));
}
