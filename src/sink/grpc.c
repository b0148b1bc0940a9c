#include "sink/grpc.h"
#include <errno.h>
#include <stdio.h>
#include "sink/body_decompression.h"
#include "sink/protobuf_read.h"

enum { PREFIX_BYTES = 5 };
enum { STATUS_INVALID_ARGUMENT = 3, STATUS_RESOURCE_EXHAUSTED = 8 };
/* google/rpc/status.proto, error_details.proto, google/protobuf/any.proto, duration.proto */
enum { STATUS_DETAILS = 3, ANY_TYPE = 1, ANY_VALUE = 2, RETRY_DELAY = 1, SECONDS = 1, NANOS = 2 };

static const uint64_t second_ns = 1000000000, retry_maximum_ns = 3600ull * 1000000000;

int grpc_frame(struct slice message, bool is_compressed, struct buffer *frame)
{
    uint8_t prefix[PREFIX_BYTES] = {is_compressed};
    int result;

    if (message.length > UINT32_MAX)
        return -ENOBUFS;
    for (unsigned i = 0; i < 4; i++)
        prefix[1 + i] = (uint8_t)(message.length >> (24 - 8 * i));
    frame->length = 0;
    result = buffer_append(frame, slice_of(prefix, sizeof(prefix)));
    return result < 0 ? result : buffer_append(frame, message);
}

bool grpc_unframe(const struct grpc_answer *answer, struct slice body, struct buffer *room,
                  struct slice *ret_message)
{
    size_t length = 0;

    *ret_message = slice_part(body, 0, 0);
    if (!body.length)
        return true;
    if (body.length < PREFIX_BYTES || body.data[0] > 1)
        return false;
    for (unsigned i = 1; i < PREFIX_BYTES; i++)
        length = length << 8 | body.data[i];
    if (length > body.length - PREFIX_BYTES)
        return false;
    *ret_message = slice_part(body, PREFIX_BYTES, length);
    return !body.data[0] || body_decompress(answer->encoding, *ret_message, room, ret_message) == 0;
}

void grpc_forget(struct grpc_answer *answer)
{
    memset(answer, 0, sizeof(*answer));
    answer->status = -1;
}

static void keep(struct slice value, char *text, size_t size)
{
    size_t length = value.length < size - 1 ? value.length : size - 1;

    memcpy(text, value.data, length);
    text[length] = '\0';
}

/* A number of at most two digits; anything else is none. */
static int read_status(struct slice text)
{
    int status = 0;

    if (!text.length || text.length > 2)
        return -1;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return -1;
        status = status * 10 + text.data[i] - '0';
    }
    return status;
}

void grpc_take_line(struct grpc_answer *answer, struct slice line)
{
    size_t colon = slice_find(line, ':');
    struct slice name, value;

    if (colon >= line.length)
        return;
    name = slice_part(line, 0, colon);
    value = slice_part(line, colon + 1, SIZE_MAX);
    while (value.length && value.data[0] == ' ')
        value = slice_part(value, 1, SIZE_MAX);
    while (value.length && value.data[value.length - 1] <= ' ')
        value.length--;
    if (slice_is_equal_ignoring_case(name, SLICE_LITERAL("grpc-status"))) {
        answer->status = read_status(value);
    } else if (slice_is_equal_ignoring_case(name, SLICE_LITERAL("grpc-message"))) {
        keep(value, answer->message, sizeof(answer->message));
    } else if (slice_is_equal_ignoring_case(name, SLICE_LITERAL("grpc-encoding"))) {
        keep(value, answer->encoding, sizeof(answer->encoding));
    } else if (slice_is_equal_ignoring_case(name, SLICE_LITERAL("grpc-status-details-bin")) &&
               value.length < sizeof(answer->details)) {
        keep(value, answer->details, sizeof(answer->details));
    }
}

static int digit_of(char letter)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = letter ? strchr(digits, letter) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* How many bytes; padding may be there or not. */
static size_t decode_base64(const char *text, uint8_t *bytes, size_t size)
{
    size_t count = 0;
    uint32_t bits = 0;
    unsigned have = 0;

    for (; digit_of(*text) >= 0; text++) {
        bits = bits << 6 | (uint32_t)digit_of(*text);
        have += 6;
        if (have >= 8 && count < size) {
            have -= 8;
            bytes[count++] = (uint8_t)(bits >> have);
        }
    }
    return count;
}

static bool ends_with(struct slice text, struct slice end)
{
    return text.length >= end.length &&
           slice_is_equal(slice_part(text, text.length - end.length, SIZE_MAX), end);
}

static uint64_t read_duration(struct slice duration)
{
    struct protobuf_field field;
    uint64_t seconds = 0, nanos = 0;

    while (protobuf_take(&duration, &field)) {
        if (field.number == SECONDS)
            seconds = field.value;
        else if (field.number == NANOS)
            nanos = field.value;
    }
    if (seconds >= retry_maximum_ns / second_ns || nanos >= second_ns)
        return seconds >> 63 || nanos >> 63 ? 0 : retry_maximum_ns; /* negative: none */
    return seconds * second_ns + nanos;
}

/* Any { RetryInfo } */
static uint64_t read_detail(struct slice any)
{
    struct slice type = {0}, value = {0};
    struct protobuf_field field;

    while (protobuf_take(&any, &field)) {
        if (field.number == ANY_TYPE)
            type = field.bytes;
        else if (field.number == ANY_VALUE)
            value = field.bytes;
    }
    if (!ends_with(type, SLICE_LITERAL("google.rpc.RetryInfo")))
        return 0;
    while (protobuf_take(&value, &field))
        if (field.number == RETRY_DELAY)
            return read_duration(field.bytes);
    return 0;
}

uint64_t grpc_retry_ns(const char *details)
{
    uint8_t bytes[GRPC_DETAILS_BYTES];
    struct slice status = slice_of(bytes, decode_base64(details, bytes, sizeof(bytes)));
    struct protobuf_field field;

    while (protobuf_take(&status, &field)) {
        uint64_t pause_ns = field.number == STATUS_DETAILS ? read_detail(field.bytes) : 0;

        if (pause_ns)
            return pause_ns;
    }
    return 0;
}

/* The message itself is to blame: not one that a server takes, or larger than it takes any. */
static bool is_fault_of_message(const struct grpc_answer *answer)
{
    return answer->status == STATUS_INVALID_ARGUMENT ||
           (answer->status == STATUS_RESOURCE_EXHAUSTED && strstr(answer->message, "larger than"));
}

int grpc_judge(const struct grpc_answer *answer, unsigned http_status, struct sink_batch *batch)
{
    if (http_status == 200 && answer->status == 0)
        return 0;
    if (http_status != 200)
        snprintf(batch->reason, sizeof(batch->reason), "HTTP status %u", http_status);
    else if (answer->status < 0)
        snprintf(batch->reason, sizeof(batch->reason), "no gRPC status");
    else
        snprintf(batch->reason, sizeof(batch->reason), "gRPC status %d%s%.80s", answer->status,
                 answer->message[0] ? ": " : "", answer->message);
    for (char *at = batch->reason; *at; at++)
        if ((unsigned char)*at < ' ' || (unsigned char)*at > '~')
            *at = ' ';
    if (http_status == 200 && is_fault_of_message(answer)) {
        batch->is_too_large = true; /* halved until the record to blame stands alone */
        return -EBADMSG;
    }
    batch->retry_after_ns = grpc_retry_ns(answer->details);
    return -EPROTO;
}
