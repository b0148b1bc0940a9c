/*
 * ilogtail-schema: rows as the schema file of iLogtail's observer describes them: one for each
 * connection and request, of the types l7_db, l7_req and l4. Numbers are numbers where the schema
 * has them, local_info and remote_info are JSON in a string. docs/ilogtail.md lists the fields.
 */
#include "encode/ilogtail.h"

enum {
    SECOND_NS = 1000000000,
    INFO_BYTES = 32 * 1024, /* five texts of OBSERVER_TEXT_BYTES, each byte escaped */
    FAILURE_FROM = 400,     /* HTTP status */
};

static void put_inner(struct writer *writer, const char *name, struct slice text)
{
    if (!text.length)
        return;
    writer_bytes(writer, ",", writer->buffer->length > 1);
    writer_literal(writer, "\"");
    writer_bytes(writer, name, strlen(name));
    writer_literal(writer, "\":\"");
    writer_escaped(writer, text, WRITER_QUOTED);
    writer_literal(writer, "\"");
}

static void put_local_info(struct ilogtail_row *row)
{
    uint8_t bytes[INFO_BYTES];
    struct buffer buffer = {bytes, 0, sizeof(bytes), sizeof(bytes)};
    struct writer writer = writer_begin(&buffer);
    uint8_t number[24];
    struct buffer digits = {number, 0, sizeof(number), sizeof(number)};
    struct writer number_writer = writer_begin(&digits);

    if (row->index[FIELD_PROCESS_PID])
        writer_number(&number_writer, ilogtail_number(row, FIELD_PROCESS_PID));
    writer_literal(&writer, "{");
    put_inner(&writer, "_namespace_", ilogtail_text(row, FIELD_K8S_NAMESPACE_NAME));
    put_inner(&writer, "_container_name_", ilogtail_text(row, FIELD_CONTAINER_NAME));
    put_inner(&writer, "_pod_name_", ilogtail_text(row, FIELD_K8S_POD_NAME));
    put_inner(&writer, "_workload_name_", ilogtail_workload(row));
    if (digits.length)
        put_inner(&writer, "_running_mode_", ilogtail_mode(row));
    put_inner(&writer, "_process_cmd_", ilogtail_text(row, FIELD_PROCESS_COMMAND_LINE));
    put_inner(&writer, "_process_pid_", buffer_slice(&digits));
    writer_literal(&writer, "}");
    ilogtail_put_text(row, "local_info", buffer_slice(&buffer));
}

static struct slice address_text(const struct address *address, char text[46])
{
    return address ? slice_of(text, address_format(address, text)) : (struct slice){NULL, 0};
}

static void put_remote_info(struct ilogtail_row *row)
{
    uint8_t bytes[2048];
    struct buffer buffer = {bytes, 0, sizeof(bytes), sizeof(bytes)};
    struct writer writer = writer_begin(&buffer);
    struct slice name = ilogtail_text(row, FIELD_AGGREGATE_REMOTE_NAME);
    char text[46];

    if (!name.length)
        name = address_text(ilogtail_end_address(row, true), text);
    writer_literal(&writer, "{");
    put_inner(&writer, "_remote_host_", name);
    writer_literal(&writer, "}");
    ilogtail_put_text(row, "remote_info", buffer_slice(&buffer));
}

/* What all three types have, up to the role. */
static void put_connection(struct ilogtail_row *row, const char *type)
{
    char text[46];

    ilogtail_put_number(row, "__time__", row->record->time_ns / SECOND_NS, false);
    ilogtail_put_text(row, "_local_addr_", address_text(ilogtail_end_address(row, false), text));
    ilogtail_put_number(row, "_local_port_", ilogtail_end_port(row, false), false);
    ilogtail_put_text(row, "_remote_addr_", address_text(ilogtail_end_address(row, true), text));
    ilogtail_put_number(row, "_remote_port_", ilogtail_end_port(row, true), false);
    ilogtail_put_text(row, "type", slice_of_string(type));
    put_local_info(row);
    put_remote_info(row);
    ilogtail_put_number(row, "conn_id", ilogtail_number(row, FIELD_CONNECTION_ID), true);
    ilogtail_put_number(row, "interval",
                        ilogtail_number(row, FIELD_AGGREGATE_INTERVAL_NS) / SECOND_NS, false);
    ilogtail_put_text(row, "role", slice_part(ilogtail_text(row, FIELD_ROLE), 0, 1));
}

static void put_extra(struct ilogtail_row *row)
{
    bool is_cut = record_has_flag(row->record, RECORD_FLAG_TRUNCATED);

    ilogtail_put_text(row, "extra",
                      is_cut ? SLICE_LITERAL("{\"truncated\":true}") : SLICE_LITERAL("{}"));
}

static void put_database(struct ilogtail_row *row)
{
    ilogtail_put_text(row, "query_cmd", ilogtail_text(row, FIELD_DB_OPERATION_NAME));
    ilogtail_put_text(row, "query", ilogtail_text(row, FIELD_DB_QUERY_TEXT));
    put_extra(row);
    ilogtail_put_number(row, "status", ilogtail_number(row, FIELD_AGGREGATE_SUCCESS), false);
}

static void put_request(struct ilogtail_row *row)
{
    uint64_t code = ilogtail_number(row, FIELD_HTTP_RESPONSE_STATUS_CODE);
    bool is_failed = code >= FAILURE_FROM;
    struct slice parts[3] = {ilogtail_text(row, FIELD_HTTP_REQUEST_METHOD),
                             ilogtail_text(row, FIELD_URL_DOMAIN),
                             ilogtail_text(row, FIELD_URL_PATH)};

    if (ilogtail_category(row) != ILOGTAIL_HTTP)
        is_failed = !ilogtail_number(row, FIELD_AGGREGATE_SUCCESS);
    if (ilogtail_category(row) == ILOGTAIL_DNS) {
        parts[0] = ilogtail_text(row, FIELD_DNS_QUESTION_TYPE);
        parts[1] = parts[2] = ilogtail_text(row, FIELD_DNS_QUESTION_NAME);
    } else if (ilogtail_category(row) == ILOGTAIL_QUEUE) {
        parts[0] = ilogtail_text(row, FIELD_MESSAGING_OPERATION_NAME);
        parts[1] = ilogtail_text(row, FIELD_MESSAGING_CLIENT_ID);
        parts[2] = ilogtail_text(row, FIELD_MESSAGING_DESTINATION_NAME);
    }
    ilogtail_put_text(row, "req_type", parts[0]);
    ilogtail_put_text(row, "req_domain", parts[1]);
    ilogtail_put_text(row, "req_resource", parts[2]);
    ilogtail_put_number(row, "resp_code", code, false);
    ilogtail_put_number(row, "resp_status", is_failed, false);
    put_extra(row);
}

static void put_calls(struct ilogtail_row *row)
{
    bool is_database = ilogtail_category(row) == ILOGTAIL_DATABASE;

    put_connection(row, is_database ? "l7_db" : "l7_req");
    ilogtail_put_text(row, "version", ilogtail_version(row));
    ilogtail_put_text(row, "protocol", ilogtail_text(row, FIELD_NETWORK_PROTOCOL_NAME));
    if (is_database)
        put_database(row);
    else
        put_request(row);
    ilogtail_put_number(row, "latency_ns", ilogtail_number(row, FIELD_AGGREGATE_DURATION_NS),
                        false);
    ilogtail_put_text(row, "tdigest_latency", ilogtail_text(row, FIELD_AGGREGATE_DURATION_DIGEST));
    ilogtail_put_number(row, "count", ilogtail_number(row, FIELD_AGGREGATE_COUNT), false);
    ilogtail_put_number(row, "req_bytes", ilogtail_number(row, FIELD_AGGREGATE_REQUEST_BYTES),
                        false);
    ilogtail_put_number(row, "resp_bytes", ilogtail_number(row, FIELD_AGGREGATE_RESPONSE_BYTES),
                        false);
}

static void put_statistics(struct ilogtail_row *row)
{
    struct slice transport = ilogtail_text(row, FIELD_NETWORK_TRANSPORT);

    put_connection(row, "l4");
    ilogtail_put_number(row, "conn_type", slice_is_equal(transport, SLICE_LITERAL("udp")), false);
    put_extra(row);
    ilogtail_put_number(row, "recv_bytes", ilogtail_number(row, FIELD_AGGREGATE_RECEIVED_BYTES),
                        false);
    ilogtail_put_number(row, "send_bytes", ilogtail_number(row, FIELD_AGGREGATE_SENT_BYTES), false);
    ilogtail_put_number(row, "recv_packets", ilogtail_number(row, FIELD_AGGREGATE_RECEIVED_PACKETS),
                        false);
    ilogtail_put_number(row, "send_packets", ilogtail_number(row, FIELD_AGGREGATE_SENT_PACKETS),
                        false);
}

static int encode(const struct record *record, const struct encoder_options *options,
                  struct buffer *ret_buffer)
{
    struct ilogtail_row row;

    (void)options;
    if (!ilogtail_begin(&row, record, ret_buffer))
        return 0;
    if (ilogtail_is_calls(&row))
        put_calls(&row);
    else
        put_statistics(&row);
    ilogtail_put_tags(&row);
    return ilogtail_end(&row);
}

const struct encoder encoder_ilogtail_schema = {
    .name = "ilogtail-schema",
    .help = "the same for each connection, with a t-digest of durations, as its schema has them",
    .rows = ENCODER_ROWS_OF_CONNECTIONS,
    .encode = encode,
};
