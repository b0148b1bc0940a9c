/*
 * pretty: one line a record for people: time, who to whom, method, URL, status, duration, size,
 * process. Folded headers begin with spaces, records never do. Whatever came from the wire is
 * escaped, so nothing but this file's own colours reaches the terminal as a control (ECMA-48
 * SGR).
 */
#include "encode/encoder.h"
#include "encode/pretty.h"

static void put_status(struct pretty_line *line)
{
    const struct value *status = pretty_find(line, FIELD_HTTP_RESPONSE_STATUS_CODE);

    if (!status) {
        pretty_colour(line, PRETTY_RED);
        pretty_put(line, " ---");
        pretty_colour(line, PRETTY_RESET);
        return;
    }
    pretty_colour(line, status->number >= 500   ? PRETTY_RED
                        : status->number >= 400 ? PRETTY_YELLOW
                        : status->number >= 300 ? PRETTY_CYAN
                                                : PRETTY_GREEN);
    pretty_put(line, " ");
    writer_number(&line->writer, status->number);
    pretty_colour(line, PRETTY_RESET);
}

static void put_http(struct pretty_line *line)
{
    const struct value *target = pretty_find(line, FIELD_URL_ORIGINAL);
    const struct value *duration = pretty_find(line, FIELD_DURATION_NS);
    const struct value *size = pretty_find(line, FIELD_HTTP_RESPONSE_BODY_SIZE);
    bool is_origin_form = target && target->text.length && target->text.data[0] == '/';

    pretty_put(line, " ");
    pretty_colour(line, PRETTY_BOLD);
    if (pretty_find(line, FIELD_HTTP_REQUEST_METHOD))
        pretty_text(line, FIELD_HTTP_REQUEST_METHOD);
    else
        pretty_put(line, "?");
    pretty_colour(line, PRETTY_RESET);
    pretty_put(line, " ");
    if (!target || is_origin_form)
        pretty_text(line, FIELD_URL_DOMAIN);
    pretty_text(line, FIELD_URL_ORIGINAL);
    put_status(line);
    if (duration) {
        pretty_put(line, " ");
        pretty_duration(line, duration->number);
    }
    if (size) {
        pretty_put(line, " ");
        pretty_size(line, size->number);
    }
}

static void put_process(struct pretty_line *line)
{
    const struct value *pid = pretty_find(line, FIELD_PROCESS_PID);

    if (!pid && !pretty_find(line, FIELD_PROCESS_COMMAND))
        return;
    pretty_put(line, " ");
    pretty_colour(line, PRETTY_DIM);
    pretty_text(line, FIELD_PROCESS_COMMAND);
    if (pid) {
        pretty_put(line, "[");
        writer_number(&line->writer, pid->number);
        pretty_put(line, "]");
    }
    pretty_colour(line, PRETTY_RESET);
}

/* One direction's packets and whole bytes: ↑12/3.4kB */
static void put_traffic(struct pretty_line *line, const char *arrow, enum field_id packets_field,
                        enum field_id bytes_field)
{
    const struct value *packets = pretty_find(line, packets_field);
    const struct value *bytes = pretty_find(line, bytes_field);

    if (!packets || !bytes)
        return;
    pretty_put(line, arrow);
    writer_number(&line->writer, packets->number);
    pretty_put(line, "/");
    pretty_size(line, bytes->number);
}

/* tcp http SF ShADadFf 10.3ms ↑12/3.4kB ↓10/56kB rtt 1.2ms */
static void put_connection(struct pretty_line *line)
{
    const struct value *duration = pretty_find(line, FIELD_DURATION_NS);
    const struct value *rtt = pretty_find(line, FIELD_SERVER_RTT_NS);
    const struct value *number = pretty_find(line, FIELD_NETWORK_IANA_NUMBER);

    pretty_put(line, " ");
    pretty_colour(line, PRETTY_BOLD);
    if (pretty_find(line, FIELD_NETWORK_TRANSPORT))
        pretty_text(line, FIELD_NETWORK_TRANSPORT);
    else if (number)
        writer_number(&line->writer, number->number);
    pretty_colour(line, PRETTY_RESET);
    pretty_put(line, pretty_find(line, FIELD_NETWORK_PROTOCOL_NAME) ? " " : "");
    pretty_text(line, FIELD_NETWORK_PROTOCOL_NAME);
    pretty_put(line, " ");
    pretty_text(line, FIELD_CONNECTION_STATE);
    pretty_put(line, pretty_find(line, FIELD_CONNECTION_HISTORY) ? " " : "");
    pretty_text(line, FIELD_CONNECTION_HISTORY);
    if (duration) {
        pretty_put(line, " ");
        pretty_duration(line, duration->number);
    }
    put_traffic(line, " ↑", FIELD_CLIENT_PACKETS, FIELD_CLIENT_BYTES);
    put_traffic(line, " ↓", FIELD_SERVER_PACKETS, FIELD_SERVER_BYTES);
    if (rtt) {
        pretty_put(line, " rtt ");
        pretty_duration(line, rtt->number);
    }
}

/* What a record of another type says: all of its own fields as name=value. */
static void put_other(struct pretty_line *line)
{
    const struct value *duration = pretty_find(line, FIELD_DURATION_NS);

    pretty_put(line, " ");
    pretty_text(line, FIELD_TYPE);
    pretty_values(line);
    if (duration) {
        pretty_put(line, " ");
        pretty_duration(line, duration->number);
    }
}

static void put_flags(struct pretty_line *line)
{
    uint32_t flags = line->record->flags & ~(1u << RECORD_FLAG_MASKED);
    const char *separator = " (";

    if (line->writer.has_binary)
        flags |= 1u << RECORD_FLAG_BINARY;
    if (!flags)
        return;
    pretty_colour(line, PRETTY_YELLOW);
    for (unsigned i = 0; i < RECORD_FLAG_COUNT; i++) {
        if (!(flags & 1u << i))
            continue;
        pretty_put(line, separator);
        pretty_put(line, record_flag_names[i]);
        separator = " ";
    }
    pretty_put(line, ")");
    pretty_colour(line, PRETTY_RESET);
}

static void put_headers(struct pretty_line *line, enum field_id field, const char *mark)
{
    const struct value *value = pretty_find(line, field);

    for (uint32_t i = 0; value && i < value->count; i++) {
        pretty_put(line, "    ");
        pretty_put(line, mark);
        pretty_colour(line, PRETTY_CYAN);
        writer_escaped(&line->writer, value->headers[i].name, WRITER_PLAIN);
        pretty_colour(line, PRETTY_RESET);
        pretty_put(line, ": ");
        writer_escaped(&line->writer, value->headers[i].value, WRITER_PLAIN);
        pretty_put(line, "\n");
    }
}

static int encode(const struct record *record, const struct encoder_options *options,
                  struct buffer *ret_buffer)
{
    struct pretty_line line = {.writer = writer_begin(ret_buffer),
                               .record = record,
                               .with_colour = options && options->with_colour};
    const struct value *type;
    bool is_packet;

    writer_index(record, line.index);
    type = pretty_find(&line, FIELD_TYPE);
    pretty_colour(&line, PRETTY_DIM);
    pretty_time(&line);
    pretty_colour(&line, PRETTY_RESET);
    is_packet = type && slice_is_equal(type->text, SLICE_LITERAL("packet"));
    if (!is_packet &&
        (pretty_find(&line, FIELD_CLIENT_ADDRESS) || pretty_find(&line, FIELD_SERVER_ADDRESS))) {
        pretty_put(&line, " ");
        pretty_end(&line, FIELD_CLIENT_ADDRESS, FIELD_CLIENT_PORT);
        pretty_put(&line, " → ");
        pretty_end(&line, FIELD_SERVER_ADDRESS, FIELD_SERVER_PORT);
    }
    if (!type || slice_is_equal(type->text, SLICE_LITERAL("http")))
        put_http(&line);
    else if (is_packet)
        pretty_packet(&line);
    else if (slice_is_equal(type->text, SLICE_LITERAL("dns")))
        pretty_dns(&line);
    else if (slice_is_equal(type->text, SLICE_LITERAL("tls")))
        pretty_tls(&line);
    else if (pretty_find(&line, FIELD_DB_SYSTEM_NAME) || pretty_find(&line, FIELD_MESSAGING_SYSTEM))
        pretty_db(&line);
    else if (pretty_find(&line, FIELD_CONNECTION_STATE))
        put_connection(&line);
    else
        put_other(&line);
    put_process(&line);
    put_flags(&line);
    pretty_put(&line, "\n");
    if (options && options->with_headers) {
        put_headers(&line, FIELD_HTTP_REQUEST_HEADERS, "> ");
        put_headers(&line, FIELD_HTTP_REQUEST_TRAILERS, "> ");
        put_headers(&line, FIELD_HTTP_RESPONSE_HEADERS, "< ");
        put_headers(&line, FIELD_HTTP_RESPONSE_TRAILERS, "< ");
        pretty_dns_details(&line);
        pretty_tls_details(&line);
    }
    return writer_finish(&line.writer);
}

const struct encoder encoder_pretty = {
    .name = "pretty",
    .help = "one line for people, coloured on a terminal",
    .encode = encode,
};
