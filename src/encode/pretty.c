/*
 * pretty: one line a record for people: time, who to whom, method, URL, status, duration, size,
 * process. Folded headers begin with spaces, records never do. Whatever came from the wire is
 * escaped, so nothing but this file's own colours reaches the terminal as a control (ECMA-48
 * SGR).
 */
#include "encode/encoder.h"
#include "encode/writer.h"

struct line {
    struct writer writer;
    const struct record *record;
    uint8_t index[FIELD_COUNT];
    bool with_colour;
};

#define RESET "\033[0m"
#define DIM "\033[2m"
#define BOLD "\033[1m"
#define RED "\033[31m"
#define GREEN "\033[32m"
#define YELLOW "\033[33m"
#define CYAN "\033[36m"

static const struct value *find(const struct line *line, enum field_id field)
{
    return line->index[field] ? &line->record->values[line->index[field] - 1] : NULL;
}

static void put(struct line *line, const char *text)
{
    writer_bytes(&line->writer, text, strlen(text));
}

static void colour(struct line *line, const char *code)
{
    if (line->with_colour)
        put(line, code);
}

static void put_text(struct line *line, enum field_id field)
{
    const struct value *value = find(line, field);

    if (value && value->kind == VALUE_TEXT)
        writer_escaped(&line->writer, value->text, WRITER_PLAIN);
}

/* 15:04:05.123 of the RFC 3339 text; UTC. */
static void put_time(struct line *line)
{
    const struct value *time = find(line, FIELD_TIME);
    struct buffer *buffer = line->writer.buffer;
    size_t before = buffer->length;

    writer_time(&line->writer, time ? time->number : line->record->time_ns);
    if (line->writer.error)
        return;
    memmove(buffer->data + before, buffer->data + before + 11, 12);
    buffer->length = before + 12;
}

static void put_end(struct line *line, enum field_id address_field, enum field_id port_field)
{
    const struct value *address = find(line, address_field);
    const struct value *port = find(line, port_field);
    bool is_ipv6 = address && address->address->family == ADDRESS_IPV6;

    if (!address) {
        put(line, "?");
    } else {
        put(line, is_ipv6 ? "[" : "");
        writer_address(&line->writer, address->address);
        put(line, is_ipv6 ? "]" : "");
    }
    if (port) {
        put(line, ":");
        writer_number(&line->writer, port->number);
    }
}

/* Three digits of precision at least: 999ns, 1.23ms, 12.3s. */
static void put_scaled(struct line *line, uint64_t number, uint64_t unit, const char *name)
{
    uint64_t whole = number / unit;
    char fraction[3] = {'.', (char)('0' + number % unit * 10 / unit),
                        (char)('0' + number % unit * 100 / unit % 10)};

    writer_number(&line->writer, whole);
    if (unit > 1 && whole < 100)
        writer_bytes(&line->writer, fraction, whole < 10 ? 3 : 2);
    put(line, name);
}

static void put_duration(struct line *line, uint64_t ns)
{
    if (ns < 1000)
        put_scaled(line, ns, 1, "ns");
    else if (ns < 1000000)
        put_scaled(line, ns, 1000, "µs");
    else if (ns < 1000000000)
        put_scaled(line, ns, 1000000, "ms");
    else
        put_scaled(line, ns, 1000000000, "s");
}

static void put_size(struct line *line, uint64_t bytes)
{
    if (bytes < 1000)
        put_scaled(line, bytes, 1, "B");
    else if (bytes < 1000000)
        put_scaled(line, bytes, 1000, "kB");
    else if (bytes < 1000000000)
        put_scaled(line, bytes, 1000000, "MB");
    else
        put_scaled(line, bytes, 1000000000, "GB");
}

static void put_status(struct line *line)
{
    const struct value *status = find(line, FIELD_HTTP_RESPONSE_STATUS_CODE);

    if (!status) {
        colour(line, RED);
        put(line, " ---");
        colour(line, RESET);
        return;
    }
    colour(line, status->number >= 500   ? RED
                 : status->number >= 400 ? YELLOW
                 : status->number >= 300 ? CYAN
                                         : GREEN);
    put(line, " ");
    writer_number(&line->writer, status->number);
    colour(line, RESET);
}

static void put_http(struct line *line)
{
    const struct value *target = find(line, FIELD_URL_ORIGINAL);
    const struct value *duration = find(line, FIELD_DURATION_NS);
    const struct value *size = find(line, FIELD_HTTP_RESPONSE_BODY_SIZE);
    bool is_origin_form = target && target->text.length && target->text.data[0] == '/';

    put(line, " ");
    colour(line, BOLD);
    if (find(line, FIELD_HTTP_REQUEST_METHOD))
        put_text(line, FIELD_HTTP_REQUEST_METHOD);
    else
        put(line, "?");
    colour(line, RESET);
    put(line, " ");
    if (!target || is_origin_form)
        put_text(line, FIELD_URL_DOMAIN);
    put_text(line, FIELD_URL_ORIGINAL);
    put_status(line);
    if (duration) {
        put(line, " ");
        put_duration(line, duration->number);
    }
    if (size) {
        put(line, " ");
        put_size(line, size->number);
    }
}

static void put_process(struct line *line)
{
    const struct value *pid = find(line, FIELD_PROCESS_PID);

    if (!pid && !find(line, FIELD_PROCESS_COMMAND))
        return;
    put(line, " ");
    colour(line, DIM);
    put_text(line, FIELD_PROCESS_COMMAND);
    if (pid) {
        put(line, "[");
        writer_number(&line->writer, pid->number);
        put(line, "]");
    }
    colour(line, RESET);
}

/* One direction's packets and whole bytes: ↑12/3.4kB */
static void put_traffic(struct line *line, const char *arrow, enum field_id packets_field,
                        enum field_id bytes_field)
{
    const struct value *packets = find(line, packets_field);
    const struct value *bytes = find(line, bytes_field);

    if (!packets || !bytes)
        return;
    put(line, arrow);
    writer_number(&line->writer, packets->number);
    put(line, "/");
    put_size(line, bytes->number);
}

/* tcp http SF ShADadFf 10.3ms ↑12/3.4kB ↓10/56kB rtt 1.2ms */
static void put_connection(struct line *line)
{
    const struct value *duration = find(line, FIELD_DURATION_NS);
    const struct value *rtt = find(line, FIELD_SERVER_RTT_NS);
    const struct value *number = find(line, FIELD_NETWORK_IANA_NUMBER);

    put(line, " ");
    colour(line, BOLD);
    if (find(line, FIELD_NETWORK_TRANSPORT))
        put_text(line, FIELD_NETWORK_TRANSPORT);
    else if (number)
        writer_number(&line->writer, number->number);
    colour(line, RESET);
    put(line, find(line, FIELD_NETWORK_PROTOCOL_NAME) ? " " : "");
    put_text(line, FIELD_NETWORK_PROTOCOL_NAME);
    put(line, " ");
    put_text(line, FIELD_CONNECTION_STATE);
    put(line, find(line, FIELD_CONNECTION_HISTORY) ? " " : "");
    put_text(line, FIELD_CONNECTION_HISTORY);
    if (duration) {
        put(line, " ");
        put_duration(line, duration->number);
    }
    put_traffic(line, " ↑", FIELD_CLIENT_PACKETS, FIELD_CLIENT_BYTES);
    put_traffic(line, " ↓", FIELD_SERVER_PACKETS, FIELD_SERVER_BYTES);
    if (rtt) {
        put(line, " rtt ");
        put_duration(line, rtt->number);
    }
}

/* What a record of another type says: all of its own fields as name=value. */
static void put_other(struct line *line)
{
    put(line, " ");
    put_text(line, FIELD_TYPE);
    for (unsigned field = FIELD_HOST_NAME + 1; field < FIELD_COUNT; field++) {
        const struct value *value = find(line, field);

        if (!value)
            continue;
        put(line, " ");
        put(line, field_descriptions[field].name);
        put(line, "=");
        if (value->kind == VALUE_TEXT)
            writer_escaped(&line->writer, value->text, WRITER_PLAIN);
        else if (value->kind == VALUE_NUMBER)
            writer_number(&line->writer, value->number);
    }
}

static void put_flags(struct line *line)
{
    uint32_t flags = line->record->flags & ~(1u << RECORD_FLAG_MASKED);
    const char *separator = " (";

    if (line->writer.has_binary)
        flags |= 1u << RECORD_FLAG_BINARY;
    if (!flags)
        return;
    colour(line, YELLOW);
    for (unsigned i = 0; i < RECORD_FLAG_COUNT; i++) {
        if (!(flags & 1u << i))
            continue;
        put(line, separator);
        put(line, record_flag_names[i]);
        separator = " ";
    }
    put(line, ")");
    colour(line, RESET);
}

static void put_headers(struct line *line, enum field_id field, const char *mark)
{
    const struct value *value = find(line, field);

    for (uint32_t i = 0; value && i < value->count; i++) {
        put(line, "    ");
        put(line, mark);
        colour(line, CYAN);
        writer_escaped(&line->writer, value->headers[i].name, WRITER_PLAIN);
        colour(line, RESET);
        put(line, ": ");
        writer_escaped(&line->writer, value->headers[i].value, WRITER_PLAIN);
        put(line, "\n");
    }
}

static int encode(const struct record *record, const struct encoder_options *options,
                  struct buffer *ret_buffer)
{
    struct line line = {.writer = writer_begin(ret_buffer),
                        .record = record,
                        .with_colour = options && options->with_colour};
    const struct value *type;

    writer_index(record, line.index);
    type = find(&line, FIELD_TYPE);
    colour(&line, DIM);
    put_time(&line);
    colour(&line, RESET);
    if (find(&line, FIELD_CLIENT_ADDRESS) || find(&line, FIELD_SERVER_ADDRESS)) {
        put(&line, " ");
        put_end(&line, FIELD_CLIENT_ADDRESS, FIELD_CLIENT_PORT);
        put(&line, " → ");
        put_end(&line, FIELD_SERVER_ADDRESS, FIELD_SERVER_PORT);
    }
    if (!type || slice_is_equal(type->text, SLICE_LITERAL("http")))
        put_http(&line);
    else if (find(&line, FIELD_CONNECTION_STATE))
        put_connection(&line);
    else
        put_other(&line);
    put_process(&line);
    put_flags(&line);
    put(&line, "\n");
    if (options && options->with_headers) {
        put_headers(&line, FIELD_HTTP_REQUEST_HEADERS, "> ");
        put_headers(&line, FIELD_HTTP_REQUEST_TRAILERS, "> ");
        put_headers(&line, FIELD_HTTP_RESPONSE_HEADERS, "< ");
        put_headers(&line, FIELD_HTTP_RESPONSE_TRAILERS, "< ");
    }
    return writer_finish(&line.writer);
}

const struct encoder encoder_pretty = {
    .name = "pretty",
    .help = "one line for people, coloured on a terminal",
    .encode = encode,
};
