/*
 * grpc_messages: see grpc_messages.h. Prefix: a byte of flags (1: compressed, 0x80: trailers of
 * gRPC-Web, as header lines of HTTP/1 with names in lower case), four of the length.
 */
#include "parse/grpc_messages.h"
#include "base/allocate.h"
#include "parse/http_fields.h"

enum { PREFIX = 5, PREFIX_COMPRESSED = 1, PREFIX_TRAILER = 0x80, STATUS_MAXIMUM = 16 };

bool grpc_web_is_type(struct slice type, bool *ret_is_text)
{
    static const struct slice web = SLICE_LITERAL("application/grpc-web"),
                              text = SLICE_LITERAL("-text");
    if (!slice_is_equal_ignoring_case(slice_part(type, 0, web.length), web))
        return false;
    struct slice tail = slice_part(type, web.length, SIZE_MAX);
    *ret_is_text = slice_is_equal_ignoring_case(slice_part(tail, 0, text.length), text);
    if (*ret_is_text)
        tail = slice_part(tail, text.length, SIZE_MAX);
    return !tail.length || strchr("+; ", tail.data[0]);
}

bool grpc_add_method(struct record *record, struct slice path)
{
    path = slice_part(path, 0, slice_find(path, '?'));
    const uint8_t *slash = path.length ? memrchr(path.data, '/', path.length) : NULL;
    if (!slash || path.data[0] != '/' || slash == path.data)
        return true;
    size_t end = (size_t)(slash - path.data);
    return http_fields_add_text(record, FIELD_RPC_SERVICE, slice_part(path, 1, end - 1)) &&
           http_fields_add_text(record, FIELD_RPC_METHOD, slice_part(path, end + 1, SIZE_MAX));
}

bool grpc_read_status(struct slice text, unsigned *ret_status)
{
    unsigned status = 0;
    for (size_t i = 0; i < text.length; i++) {
        uint8_t digit = (uint8_t)(text.data[i] - '0');
        if (digit > 9)
            return false;
        status = status * 10 + digit;
        if (status > STATUS_MAXIMUM)
            return false;
    }
    *ret_status = status;
    return text.length > 0 && text.length <= 2;
}

static void end_message(struct grpc_messages *messages)
{
    messages->prefix_length = 0;
    if (messages->is_trailer) {
        messages->has_trailer = true;
        return;
    }
    messages->count++;
    messages->bytes += messages->length;
}

static void begin_message(struct grpc_messages *messages)
{
    const uint8_t *prefix = messages->prefix;
    messages->length = (uint32_t)prefix[1] << 24 | (uint32_t)prefix[2] << 16 |
                       (uint32_t)prefix[3] << 8 | prefix[4];
    messages->left = messages->length;
    messages->is_trailer = prefix[0] & PREFIX_TRAILER;
}

static bool is_kept(const struct grpc_messages *messages)
{
    return messages->is_trailer && messages->keeps_trailer &&
           !(messages->prefix[0] & PREFIX_COMPRESSED);
}

static void keep(struct grpc_messages *messages, struct slice bytes)
{
    size_t room = GRPC_TRAILER_KEPT - (size_t)messages->trailer_length;
    if (!messages->trailer)
        messages->trailer = allocate(GRPC_TRAILER_KEPT);
    if (!messages->trailer)
        room = 0;
    messages->is_trailer_cut |= bytes.length > room;
    bytes = slice_part(bytes, 0, room);
    if (bytes.length)
        memcpy(messages->trailer + messages->trailer_length, bytes.data, bytes.length);
    messages->trailer_length = (uint16_t)(messages->trailer_length + bytes.length);
}

static void take_plain(struct grpc_messages *messages, struct slice bytes)
{
    while (bytes.length) {
        size_t used = 1;
        if (messages->prefix_length < PREFIX) {
            messages->prefix[messages->prefix_length++] = bytes.data[0];
            if (messages->prefix_length == PREFIX)
                begin_message(messages);
        } else {
            used = bytes.length < messages->left ? bytes.length : (size_t)messages->left;
            messages->left -= used;
            if (is_kept(messages))
                keep(messages, slice_part(bytes, 0, used));
        }
        if (messages->prefix_length == PREFIX && !messages->left)
            end_message(messages);
        bytes = slice_part(bytes, used, SIZE_MAX);
    }
}

/* The value of a digit of base64 (RFC 4648 §4); 64: it is none. */
static uint32_t digit_of(uint8_t byte)
{
    if (byte >= 'A' && byte <= 'Z')
        return byte - 'A';
    if (byte >= 'a' && byte <= 'z')
        return byte - 'a' + 26u;
    if (byte >= '0' && byte <= '9')
        return byte - '0' + 52u;
    return byte == '+' ? 62 : byte == '/' ? 63 : 64;
}

/* gRPC-Web's text: base64, which may be padded in the middle. False: it is none. */
static bool take_text(struct grpc_messages *messages, struct slice bytes)
{
    for (size_t i = 0; i < bytes.length; i++) {
        uint32_t digit = digit_of(bytes.data[i]);
        if (bytes.data[i] == '=' && messages->digits >= 2) {
            messages->padding++;
            digit = 0;
        } else if (digit > 63 || messages->padding) {
            return false;
        }
        messages->group = messages->group << 6 | digit;
        if (++messages->digits < 4)
            continue;
        uint8_t plain[3] = {(uint8_t)(messages->group >> 16), (uint8_t)(messages->group >> 8),
                            (uint8_t)messages->group};
        take_plain(messages, slice_of(plain, 3u - messages->padding));
        messages->digits = messages->padding = 0;
        messages->group = 0;
    }
    return true;
}

bool grpc_messages_take(struct grpc_messages *messages, struct slice bytes)
{
    if (messages->is_text)
        return take_text(messages, bytes);
    take_plain(messages, bytes);
    return true;
}

bool grpc_messages_pass(struct grpc_messages *messages, uint64_t count)
{
    if (count > grpc_messages_skip(messages))
        return false;
    messages->left -= count;
    if (count && !messages->left)
        end_message(messages);
    return true;
}

uint64_t grpc_messages_skip(const struct grpc_messages *messages)
{
    bool is_payload = messages->prefix_length == PREFIX && !messages->is_text && !is_kept(messages);
    return is_payload ? messages->left : 0;
}

/* The next line with its value trimmed; false: there is none. */
static bool next_line(struct slice *bytes, struct header *ret_header)
{
    while (bytes->length) {
        size_t end = slice_find(*bytes, '\n');
        struct slice line = slice_part(*bytes, 0, end);
        *bytes = slice_part(*bytes, end + 1, SIZE_MAX);
        if (line.length && line.data[line.length - 1] == '\r')
            line.length--;
        size_t colon = slice_find(line, ':');
        if (colon == 0 || colon == line.length)
            continue;
        ret_header->name = slice_part(line, 0, colon);
        ret_header->value = slice_trim_ows(slice_part(line, colon + 1, SIZE_MAX));
        return true;
    }
    return false;
}

/* Without the line that the limit cut. */
static struct slice whole_lines(const struct grpc_messages *messages)
{
    struct slice bytes = slice_of(messages->trailer, messages->trailer_length);
    while (messages->is_trailer_cut && bytes.length && bytes.data[bytes.length - 1] != '\n')
        bytes.length--;
    return bytes;
}

void grpc_messages_add_trailer(const struct grpc_messages *messages, struct record *record)
{
    if (!messages->has_trailer || !messages->trailer)
        return;
    struct slice bytes = arena_copy(record->arena, whole_lines(messages));
    struct header *headers =
        arena_allocate(record->arena, GRPC_TRAILERS_MAXIMUM * sizeof(*headers));
    struct header header;
    uint32_t count = 0;
    unsigned status;
    if (messages->is_trailer_cut || !headers)
        record_set_flag(record, RECORD_FLAG_TRUNCATED);
    while (headers && next_line(&bytes, &header)) {
        if (count == GRPC_TRAILERS_MAXIMUM) {
            record_set_flag(record, RECORD_FLAG_TRUNCATED);
            break;
        }
        headers[count++] = header;
        if (slice_is_equal_ignoring_case(header.name, SLICE_LITERAL("grpc-status")) &&
            grpc_read_status(header.value, &status) &&
            !record_find(record, FIELD_RPC_GRPC_STATUS_CODE))
            record_add_number(record, FIELD_RPC_GRPC_STATUS_CODE, status);
    }
    if (count && !record_find(record, FIELD_HTTP_RESPONSE_TRAILERS) &&
        !record_add_headers(record, FIELD_HTTP_RESPONSE_TRAILERS, headers, count))
        record_set_flag(record, RECORD_FLAG_TRUNCATED);
}

void grpc_messages_done(struct grpc_messages *messages)
{
    deallocate(messages->trailer);
    *messages = (struct grpc_messages){0};
}
