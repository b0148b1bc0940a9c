/*
 * ilogtail: rows as iLogtail's documentation of observer_ilogtail_network shows them: an object a
 * line, every value a string, of the types `protocols` and `statistics`. docs/ilogtail.md lists the
 * fields.
 */
#include "encode/ilogtail.h"

enum { SECOND_NS = 1000000000 };

static void put_process(struct ilogtail_row *row)
{
    static const struct {
        const char *name;
        enum field_id field;
    } texts[] = {{"_container_name_", FIELD_CONTAINER_NAME},
                 {"_pod_name_", FIELD_K8S_POD_NAME},
                 {"_namespace_", FIELD_K8S_NAMESPACE_NAME}};
    struct slice workload = ilogtail_workload(row);

    if (row->index[FIELD_PROCESS_PID])
        ilogtail_put_number(row, "_process_pid_", ilogtail_number(row, FIELD_PROCESS_PID), true);
    if (row->index[FIELD_PROCESS_COMMAND_LINE])
        ilogtail_put_text(row, "_process_cmd_", ilogtail_text(row, FIELD_PROCESS_COMMAND_LINE));
    if (row->index[FIELD_PROCESS_PID])
        ilogtail_put_text(row, "_running_mode_", ilogtail_mode(row));
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        if (row->index[texts[i].field])
            ilogtail_put_text(row, texts[i].name, ilogtail_text(row, texts[i].field));
    if (workload.length)
        ilogtail_put_text(row, "_workload_name_", workload);
}

/* JSON in a string, with a line break at its end. None of its values needs an escape. */
static void put_remote(struct ilogtail_row *row)
{
    static const char *const types[] = {"server", "database", "dns", "mq", "unknown"};
    const struct address *address = ilogtail_end_address(row, true);
    const char *type = row->is_server ? "unknown" : types[ilogtail_category(row)];
    struct writer *writer = &row->writer;

    writer_literal(writer, ",\"remote_info\":\"{\\\"remote_ip\\\":\\\"");
    if (address)
        writer_address(writer, address);
    writer_literal(writer, "\\\",\\\"remote_port\\\":\\\"");
    writer_number(writer, ilogtail_end_port(row, true));
    writer_literal(writer, "\\\",\\\"remote_type\\\":\\\"");
    writer_bytes(writer, type, strlen(type));
    writer_literal(writer, "\\\"}\\n\"");
}

static void put_role(struct ilogtail_row *row)
{
    ilogtail_put_text(row, "role", ilogtail_text(row, FIELD_ROLE));
}

static void put_request(struct ilogtail_row *row)
{
    struct slice version = ilogtail_version(row);

    ilogtail_put_text(row, "protocol", ilogtail_text(row, FIELD_NETWORK_PROTOCOL_NAME));
    switch (ilogtail_category(row)) {
    case ILOGTAIL_DNS:
        ilogtail_put_text(row, "query_record", ilogtail_text(row, FIELD_DNS_QUESTION_NAME));
        ilogtail_put_text(row, "query_type", ilogtail_text(row, FIELD_DNS_QUESTION_TYPE));
        ilogtail_put_number(row, "success", ilogtail_number(row, FIELD_AGGREGATE_SUCCESS), true);
        break;
    case ILOGTAIL_HTTP:
        ilogtail_put_text(row, "version", version);
        ilogtail_put_text(row, "host", ilogtail_text(row, FIELD_URL_DOMAIN));
        ilogtail_put_text(row, "method", ilogtail_text(row, FIELD_HTTP_REQUEST_METHOD));
        ilogtail_put_text(row, "url", ilogtail_text(row, FIELD_URL_PATH));
        ilogtail_put_number(row, "resp_code", ilogtail_number(row, FIELD_HTTP_RESPONSE_STATUS_CODE),
                            true);
        break;
    case ILOGTAIL_QUEUE:
        ilogtail_put_text(row, "version", version);
        ilogtail_put_text(row, "method", ilogtail_text(row, FIELD_MESSAGING_OPERATION_NAME));
        ilogtail_put_text(row, "topic", ilogtail_text(row, FIELD_MESSAGING_DESTINATION_NAME));
        ilogtail_put_number(row, "success", ilogtail_number(row, FIELD_AGGREGATE_SUCCESS), true);
        break;
    default:
        ilogtail_put_text(row, "version", version);
        ilogtail_put_text(row, "query_cmd", ilogtail_text(row, FIELD_DB_OPERATION_NAME));
        ilogtail_put_text(row, "query", ilogtail_text(row, FIELD_DB_QUERY_TEXT));
        ilogtail_put_number(row, "status", ilogtail_number(row, FIELD_AGGREGATE_SUCCESS), true);
        break;
    }
}

static void put_numbers(struct ilogtail_row *row, const char *const names[4],
                        const enum field_id fields[4])
{
    for (int i = 0; i < 4; i++)
        ilogtail_put_number(row, names[i], ilogtail_number(row, fields[i]), true);
}

static void put_calls(struct ilogtail_row *row)
{
    static const char *const names[] = {"total_count", "total_latency_ns", "total_req_bytes",
                                        "total_resp_bytes"};
    static const enum field_id fields[] = {FIELD_AGGREGATE_COUNT, FIELD_AGGREGATE_DURATION_NS,
                                           FIELD_AGGREGATE_REQUEST_BYTES,
                                           FIELD_AGGREGATE_RESPONSE_BYTES};

    ilogtail_put_text(row, "type", SLICE_LITERAL("protocols"));
    put_process(row);
    put_request(row);
    put_role(row);
    put_remote(row);
    put_numbers(row, names, fields);
}

/* The two latencies are always 0 in iLogtail, which has never measured them. */
static void put_statistics(struct ilogtail_row *row)
{
    static const char *const names[] = {"send_bytes", "recv_bytes", "send_packets", "recv_packets"};
    static const enum field_id fields[] = {
        FIELD_AGGREGATE_SENT_BYTES, FIELD_AGGREGATE_RECEIVED_BYTES, FIELD_AGGREGATE_SENT_PACKETS,
        FIELD_AGGREGATE_RECEIVED_PACKETS};

    ilogtail_put_text(row, "type", SLICE_LITERAL("statistics"));
    put_process(row);
    put_remote(row);
    ilogtail_put_text(
        row, "socket_type",
        slice_is_equal(ilogtail_text(row, FIELD_NETWORK_TRANSPORT), SLICE_LITERAL("unix"))
            ? SLICE_LITERAL("unix_socket")
            : SLICE_LITERAL("inet_socket"));
    put_role(row);
    put_numbers(row, names, fields);
    ilogtail_put_number(row, "send_total_latency", 0, true);
    ilogtail_put_number(row, "recv_total_latency", 0, true);
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
    ilogtail_put_number(&row, "__time__", record->time_ns / SECOND_NS, true);
    ilogtail_put_tags(&row);
    return ilogtail_end(&row);
}

const struct encoder encoder_ilogtail = {
    .name = "ilogtail",
    .help = "sums of calls and of connections, as iLogtail's network observer documents its rows",
    .rows = ENCODER_ROWS_OF_PROCESSES,
    .encode = encode,
};
