/*
 * syslog: RFC 5424 messages over UDP (RFC 5426), TCP with octet counting (RFC 6587 §3.4.1) or TLS
 * (RFC 5425). The message is the record: JSON, or CEF or LEEF for security systems. TCP confirms
 * nothing but that the kernel has the bytes: what was under way when a connection broke may be
 * lost with the receiver, or come twice; the records' ids tell.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>
#include "base/allocate.h"
#include "base/buffer.h"
#include "config/option.h"
#include "encode/writer.h"
#include "sink/attributes.h"
#include "sink/connection.h"

enum {
    HOST_BYTES = 256,
    MESSAGE_MAXIMUM = 64 * 1024 * 1024,
    UDP_MAXIMUM = 65000, /* bytes of a datagram; a longer message is rejected */
    SEND_BYTES = 256 * 1024,
    FACILITY_SHIFT = 3,
};

struct own_options {
    const char *address, *transport, *facility, *application;
    struct tls_files tls;
    uint64_t timeout_ns;
};

static const char *const transports[] = {"udp", "tcp", "tls", NULL};
static const char *const facilities[] = {
    "kern",   "user",     "mail",   "daemon", "auth",   "syslog", "lpr",   "news",   "uucp",
    "cron",   "authpriv", "ftp",    "ntp",    "audit",  "alert",  "clock", "local0", "local1",
    "local2", "local3",   "local4", "local5", "local6", "local7", NULL};

#define VALUE(field) .offset = offsetof(struct own_options, field)
#define SECOND 1000000000ull

static const struct option options[] = {
    {.name = "address",
     .kind = OPTION_TEXT,
     VALUE(address),
     .argument = "HOST[:PORT]",
     .help = "Where to send. Without a port: 514, with TLS 6514. An IPv6 address has brackets."},
    {.name = "transport",
     .kind = OPTION_CHOICE,
     VALUE(transport),
     .argument = "HOW",
     .default_text = "tcp",
     .choices = transports,
     .help = "How to send. Datagrams may be lost without anybody knowing."},
    {.name = "facility",
     .kind = OPTION_CHOICE,
     VALUE(facility),
     .argument = "NAME",
     .default_text = "local0",
     .choices = facilities,
     .help = "The facility; the severity is the record's level."},
    {.name = "application",
     .kind = OPTION_TEXT,
     VALUE(application),
     .argument = "NAME",
     .default_text = "weir",
     .help = "APP-NAME of the messages."},
    {.name = "timeout",
     .kind = OPTION_DURATION,
     VALUE(timeout_ns),
     .argument = "TIME",
     .default_text = "30s",
     .minimum = SECOND / 10,
     .maximum = 3600 * SECOND,
     .help = "How long connecting or writing may take."},
    TLS_FILES_OPTIONS(struct own_options),
};

static const struct option_table table = {
    .command = "syslog", .count = sizeof(options) / sizeof(*options), .options = options};

struct syslog {
    const struct own_options *options;
    struct connection *connection;
    struct buffer out;
    unsigned facility;
    bool is_udp;
    char host_name[HOST_BYTES];
    char host[HOST_BYTES], port[16];
};

/* HOST, HOST:PORT, [ADDRESS], [ADDRESS]:PORT. 0 or -EINVAL. */
static int split_address(const char *address, bool is_tls, char host[HOST_BYTES], char port[16])
{
    bool has_brackets = address[0] == '[';
    const char *start = address + has_brackets;
    size_t length = strcspn(start, has_brackets ? "]" : ":");
    const char *rest = start + length + (has_brackets && start[length] == ']');

    if (!length || length >= HOST_BYTES || (*rest && (*rest != ':' || !rest[1])) ||
        strlen(rest) > 6)
        return -EINVAL;
    memcpy(host, start, length);
    host[length] = '\0';
    snprintf(port, 16, "%s", *rest ? rest + 1 : is_tls ? "6514" : "514");
    return 0;
}

static int check(const struct sink_options *sink_options, char message[SINK_MESSAGE_BYTES])
{
    const struct own_options *own = sink_options->values[0];
    char host[HOST_BYTES], port[16];

    if (!own->address || split_address(own->address, false, host, port) < 0) {
        snprintf(message, SINK_MESSAGE_BYTES, "address: is HOST or HOST:PORT");
        return -EINVAL;
    }
    for (const char *at = own->application; *at; at++)
        if (*at <= ' ' || *at > '~' || strlen(own->application) > 48) {
            snprintf(message, SINK_MESSAGE_BYTES, "application: at most 48 printable characters");
            return -EINVAL;
        }
    return tls_files_check(&own->tls, message);
}

static void syslog_close(void *context)
{
    struct syslog *syslog = context;

    connection_free(&syslog->connection);
    buffer_done(&syslog->out);
    deallocate(syslog);
}

static int syslog_open(const struct sink_options *sink_options, void **ret_context,
                       char message[SINK_MESSAGE_BYTES])
{
    const struct own_options *own = sink_options->values[0];
    struct connection_options connection = {.is_udp = strcmp(own->transport, "udp") == 0,
                                            .is_tls = strcmp(own->transport, "tls") == 0,
                                            .tls = own->tls,
                                            .timeout_ns = own->timeout_ns};
    struct syslog *syslog = allocate_zeroed(sizeof(*syslog));
    int result;

    if (!syslog)
        return -ENOMEM;
    syslog->options = own;
    syslog->is_udp = connection.is_udp;
    buffer_init(&syslog->out, MESSAGE_MAXIMUM);
    gethostname(syslog->host_name, sizeof(syslog->host_name) - 1);
    while (strcmp(facilities[syslog->facility], own->facility) != 0)
        syslog->facility++;
    result = split_address(own->address, connection.is_tls, syslog->host, syslog->port);
    connection.host = syslog->host;
    connection.port = syslog->port;
    if (result == 0)
        result = connection_new(&connection, &syslog->connection, message);
    if (result == 0)
        *ret_context = syslog;
    else
        syslog_close(syslog);
    return result;
}

/* "-" for what is not there; RFC 5424 §6: printable US-ASCII without spaces. */
static void put_word(struct writer *writer, struct slice text, size_t maximum)
{
    char word[HOST_BYTES];
    size_t length = text.length < maximum ? text.length : maximum;

    for (size_t i = 0; i < length; i++)
        word[i] = (char)(text.data[i] > ' ' && text.data[i] <= '~' ? text.data[i] : '_');
    if (length)
        writer_bytes(writer, word, length);
    else
        writer_literal(writer, "-");
}

/* <PRI>1 TIME HOST APP - TYPE - MESSAGE; times have microseconds at most. */
static void put_message(const struct syslog *syslog, struct writer *writer,
                        const struct sink_entry *entry)
{
    struct slice host = attributes_find(entry->attributes, SLICE_LITERAL("host.name"));
    struct slice line = entry->payload;
    uint8_t *time;

    if (line.length && line.data[line.length - 1] == '\n')
        line.length--;
    writer_literal(writer, "<");
    writer_number(writer, syslog->facility << FACILITY_SHIFT | entry->severity);
    writer_literal(writer, ">1 ");
    writer_time(writer, entry->time_ns);
    if (!writer->error) { /* ...123456789Z becomes ...123456Z */
        time = writer->buffer->data + writer->buffer->length - 4;
        *time = 'Z';
        writer->buffer->length -= 3;
    }
    writer_literal(writer, " ");
    put_word(writer, host.length ? host : slice_of_string(syslog->host_name), 255);
    writer_literal(writer, " ");
    put_word(writer, slice_of_string(syslog->options->application), 48);
    writer_literal(writer, " - ");
    put_word(writer, attributes_find(entry->attributes, SLICE_LITERAL("type")), 32);
    writer_literal(writer, " - ");
    writer_bytes(writer, line.data, line.length);
}

/* LENGTH SP MESSAGE, or the message alone for a datagram. 0 or -errno. */
static int add_message(struct syslog *syslog, const struct sink_entry *entry)
{
    enum { DIGITS = 10 };
    struct writer writer = writer_begin(&syslog->out);
    size_t start = syslog->out.length + (syslog->is_udp ? 0 : DIGITS + 1), length;
    char count[DIGITS + 2];

    if (!syslog->is_udp)
        writer_literal(&writer, "           "); /* room for the length */
    put_message(syslog, &writer, entry);
    if (writer_finish(&writer) < 0)
        return -ENOBUFS;
    if (syslog->is_udp)
        return 0;
    length = syslog->out.length - start;
    snprintf(count, sizeof(count), "%zu ", length);
    memmove(syslog->out.data + start - DIGITS - 1 + strlen(count), syslog->out.data + start,
            length);
    memcpy(syslog->out.data + start - DIGITS - 1, count, strlen(count));
    syslog->out.length = start - DIGITS - 1 + strlen(count) + length;
    return 0;
}

static int send_out(struct syslog *syslog, struct sink_batch *batch, size_t first, size_t end)
{
    int result = connection_write(syslog->connection, buffer_slice(&syslog->out), batch->reason);

    syslog->out.length = 0;
    for (size_t i = first; i < end && result == 0; i++)
        if (batch->entries[i].verdict == SINK_PENDING)
            batch->entries[i].verdict = SINK_DELIVERED;
    return result;
}

static int syslog_send(void *context, struct sink_batch *batch)
{
    struct syslog *syslog = context;
    int result = connection_open(syslog->connection, batch->reason);
    size_t first = 0;

    syslog->out.length = 0;
    for (size_t i = 0; i < batch->count && result == 0; i++) {
        result = add_message(syslog, &batch->entries[i]);
        if (result == 0 && syslog->is_udp && syslog->out.length > UDP_MAXIMUM) {
            batch->entries[i].verdict = SINK_REJECTED;
            snprintf(batch->reason, sizeof(batch->reason), "too long for a datagram");
            syslog->out.length = 0;
            first = i + 1;
        } else if (result == 0 &&
                   (syslog->is_udp || syslog->out.length >= SEND_BYTES || i + 1 == batch->count)) {
            result = send_out(syslog, batch, first, i + 1);
            first = i + 1;
        }
    }
    return result;
}

static size_t attributes(const struct sink_options *sink_options, enum field_id *ret_fields)
{
    (void)sink_options;
    ret_fields[0] = FIELD_HOST_NAME;
    ret_fields[1] = FIELD_TYPE;
    return 2;
}

const struct sink sink_syslog = {
    .name = "syslog",
    .help = "A syslog server, over UDP, TCP or TLS.",
    .target = "address",
    .format = "json",
    .parts = {{&table, sizeof(struct own_options)}},
    .heeds_severity = true,
    .check = check,
    .attributes = attributes,
    .open = syslog_open,
    .send = syslog_send,
    .close = syslog_close,
};
