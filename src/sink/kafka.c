/*
 * kafka: Apache Kafka by librdkafka, idempotent by default: records of a batch are produced, and
 * each is confirmed or refused by its own delivery report. Topic and key are made of a template
 * whose values from traffic are letters, digits, '.', '_' and '-', and of topics that are allowed.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/allocate.h"
#include "sink/kafka_options.h"
#include "sink/labels.h"
#include "sink/kafka_template.h"
#include "sink/secret.h"
#ifdef WEIR_WITH_KAFKA
#include <librdkafka/rdkafka.h>
#endif

enum { TOPIC_BYTES = 250, KEY_BYTES = 256, TOPICS_MAXIMUM = 64 };
/* What a message has beside key, value and headers, and which share of a request is its own. */
enum { MESSAGE_OVERHEAD = 40, REQUEST_SHARE = 16 };

/* Properties whose values are secrets, or whole keys. */
static bool is_secret(const char *property)
{
    static const char *const parts[] = {"password", "secret", ".pem", "oauthbearer.config"};

    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        const char *found = strstr(property, parts[i]);

        if (found && found < property + strcspn(property, "="))
            return true;
    }
    return false;
}

static int check(const struct sink_options *sink_options, char message[SINK_MESSAGE_BYTES])
{
    const struct kafka_options *own = sink_options->values[0];
    struct kafka_template template;
    struct labels labels;

#ifndef WEIR_WITH_KAFKA
    snprintf(message, SINK_MESSAGE_BYTES, "this weir was built without librdkafka");
    return -EINVAL;
#endif
    if (!own->brokers) {
        snprintf(message, SINK_MESSAGE_BYTES, "brokers: are needed");
        return -EINVAL;
    }
    for (size_t i = 0; i < own->properties.count; i++)
        if (is_secret(own->properties.items[i]) || !strchr(own->properties.items[i], '=')) {
            snprintf(message, SINK_MESSAGE_BYTES, "property: is NAME=VALUE, and no secret");
            return -EINVAL;
        }
    if (strchr(own->topic, '{') && !own->topics.count) {
        snprintf(message, SINK_MESSAGE_BYTES, "topic: a template needs topics, which are allowed");
        return -EINVAL;
    }
    if (own->topics.count > TOPICS_MAXIMUM) {
        snprintf(message, SINK_MESSAGE_BYTES, "topics: at most %d", TOPICS_MAXIMUM);
        return -EINVAL;
    }
    if (kafka_template_make(own->topic, &template, message) < 0 ||
        kafka_template_make(own->key, &template, message) < 0 ||
        tls_files_check(&own->tls, message) < 0)
        return -EINVAL;
    return labels_make(&own->headers, false, &labels, message);
}

static size_t attributes(const struct sink_options *sink_options, enum field_id *ret_fields)
{
    const struct kafka_options *own = sink_options->values[0];
    char message[SINK_MESSAGE_BYTES];
    struct kafka_template template;
    struct labels labels;
    size_t count = 0;

    if (kafka_template_make(own->topic, &template, message) == 0)
        count = kafka_template_fields(&template, ret_fields, count);
    if (kafka_template_make(own->key, &template, message) == 0)
        count = kafka_template_fields(&template, ret_fields, count);
    return labels_make(&own->headers, false, &labels, message) == 0
               ? labels_fields(&labels, ret_fields, count)
               : count;
}

#ifdef WEIR_WITH_KAFKA
struct kafka {
    const struct kafka_options *options;
    rd_kafka_t *producer;
    rd_kafka_topic_t *topics[TOPICS_MAXIMUM]; /* those that are allowed; without any, the one */
    struct kafka_template topic, key;
    struct labels headers;
    size_t request_bytes, request_messages; /* what a request takes, of messages together */
    size_t outstanding, outstanding_bytes;
    bool has_hopeless; /* one of those that were sent will never be taken */
    char reason[SINK_REASON_BYTES];
    atomic_bool is_interrupted;
};

static bool is_hopeless(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE ||
           error == RD_KAFKA_RESP_ERR_INVALID_MSG || error == RD_KAFKA_RESP_ERR_INVALID_RECORD;
}

static void judge(struct kafka *kafka, struct sink_entry *entry, rd_kafka_resp_err_t error)
{
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
        entry->verdict = SINK_DELIVERED;
        return;
    }
    snprintf(kafka->reason, sizeof(kafka->reason), "%.100s", rd_kafka_err2str(error));
}

/* librdkafka says what became of a message; in rd_kafka_poll, on the sender's thread. */
static void on_report(rd_kafka_t *producer, const rd_kafka_message_t *message, void *context)
{
    struct kafka *kafka = context;

    (void)producer;
    kafka->outstanding--;
    judge(kafka, message->_private, message->err);
    /* The broker refuses a whole batch for one of its messages. */
    kafka->has_hopeless |= is_hopeless(message->err);
}

static void on_log(const rd_kafka_t *producer, int level, const char *facility, const char *text)
{
    (void)producer, (void)level, (void)facility, (void)text; /* counters and reasons say it */
}

static rd_kafka_topic_t *choose_topic(const struct kafka *kafka, const struct sink_entry *entry)
{
    const struct text_list *allowed = &kafka->options->topics;
    char text[TOPIC_BYTES];

    if (allowed->count > 1)
        kafka_template_fill(&kafka->topic, entry, text, sizeof(text));
    for (size_t i = 1; i < allowed->count; i++)
        if (strcmp(allowed->items[i], text) == 0)
            return kafka->topics[i];
    return kafka->topics[0];
}

static rd_kafka_headers_t *make_headers(const struct kafka *kafka, const struct sink_entry *entry)
{
    rd_kafka_headers_t *headers = kafka->headers.count ? rd_kafka_headers_new(kafka->headers.count)
                                                       : NULL;

    for (size_t i = 0; i < kafka->headers.count; i++) {
        struct slice value = labels_value(&kafka->headers.items[i], entry);

        if (value.length)
            rd_kafka_header_add(headers, kafka->headers.items[i].name, -1, value.data,
                                (ssize_t)value.length);
    }
    return headers;
}

/*
 * Waits until each message has its report. Each has a time-out of its own, after which the report
 * comes in any case. Nothing more joins these, so nobody lingers.
 */
static void await_reports(struct kafka *kafka)
{
    enum { POLL_MS = 100 };

    while (kafka->outstanding) {
        if (atomic_load(&kafka->is_interrupted))
            rd_kafka_purge(kafka->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
        rd_kafka_flush(kafka->producer, POLL_MS);
    }
    kafka->outstanding_bytes = 0;
}

/*
 * Hands a record to librdkafka, which does not copy it: it stays until its report. What is more
 * than one request takes has to wait for its answer first: the thread of an idempotent producer
 * that has messages left while others of the partition are under way asks for news without pause.
 */
static void produce(struct kafka *kafka, struct sink_entry *entry)
{
    char key[KEY_BYTES];
    size_t key_length = kafka_template_fill(&kafka->key, entry, key, sizeof(key));
    rd_kafka_headers_t *headers = make_headers(kafka, entry);
    size_t length = entry->payload.length;
    size_t bytes = length + key_length + MESSAGE_OVERHEAD +
                   (headers ? 2 * entry->attributes.length : 0);
    rd_kafka_resp_err_t error;

    if (length && entry->payload.data[length - 1] == '\n')
        length--;
    if (kafka->outstanding == kafka->request_messages ||
        kafka->outstanding_bytes + bytes > kafka->request_bytes)
        await_reports(kafka);
    error = rd_kafka_producev(kafka->producer, RD_KAFKA_V_RKT(choose_topic(kafka, entry)),
                              RD_KAFKA_V_KEY(key_length ? key : NULL, key_length),
                              RD_KAFKA_V_VALUE((void *)(uintptr_t)entry->payload.data, length),
                              RD_KAFKA_V_TIMESTAMP((int64_t)(entry->time_ns / 1000000)),
                              RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(entry),
                              RD_KAFKA_V_END);
    if (error) {
        if (headers)
            rd_kafka_headers_destroy(headers);
        judge(kafka, entry, error);
        if (is_hopeless(error)) /* this one, by librdkafka's own limit */
            entry->verdict = SINK_REJECTED;
    } else {
        kafka->outstanding++;
        kafka->outstanding_bytes += bytes;
    }
}

static void kafka_interrupt(void *context)
{
    atomic_store(&((struct kafka *)context)->is_interrupted, true);
}

static void stop(struct kafka *kafka)
{
    for (size_t i = 0; i < TOPICS_MAXIMUM; i++) {
        if (kafka->topics[i])
            rd_kafka_topic_destroy(kafka->topics[i]);
        kafka->topics[i] = NULL;
    }
    if (kafka->producer)
        rd_kafka_destroy(kafka->producer);
    kafka->producer = NULL;
}

static void kafka_close(void *context)
{
    struct kafka *kafka = context;

    stop(kafka);
    deallocate(kafka);
}

/* Sets a property, if there is a value. False, and a message: librdkafka refuses it. */
static bool set(rd_kafka_conf_t *configuration, const char *name, const char *value, char *message)
{
    return !value || rd_kafka_conf_set(configuration, name, value, message, SINK_MESSAGE_BYTES) ==
                         RD_KAFKA_CONF_OK;
}

static bool set_properties(rd_kafka_conf_t *configuration, const struct kafka_options *own,
                           char *message)
{
    for (size_t i = 0; i < own->properties.count; i++) {
        const char *text = own->properties.items[i], *equals = strchr(text, '=');
        char name[128];

        snprintf(name, sizeof(name), "%.*s", (int)(equals - text), text);
        if (!set(configuration, name, equals + 1, message))
            return false;
    }
    return true;
}

static bool configure(rd_kafka_conf_t *configuration, const struct kafka_options *own,
                      const struct secret *password, char *message)
{
    bool is_plain = own->is_not_idempotent || strcmp(own->acknowledgements, "all") != 0;
    const char *protocol = own->mechanism ? (own->is_tls ? "sasl_ssl" : "sasl_plaintext")
                                          : (own->is_tls ? "ssl" : "plaintext");
    unsigned long long timeout_ms = own->timeout_ns / 1000000;
    char timeout[24], linger[24];

    /* A batch is complete when it is flushed, and goes as one request; no part of it before. */
    snprintf(timeout, sizeof(timeout), "%llu", timeout_ms);
    snprintf(linger, sizeof(linger), "%llu", timeout_ms / 2 < 10000 ? timeout_ms / 2 : 10000);
    return set(configuration, "bootstrap.servers", own->brokers, message) &&
           set(configuration, "client.id", "weir", message) &&
           set(configuration, "acks", own->acknowledgements, message) &&
           set(configuration, "enable.idempotence", is_plain ? "false" : "true", message) &&
           set(configuration, "compression.type", own->compression, message) &&
           set(configuration, "message.timeout.ms", timeout, message) &&
           set(configuration, "linger.ms", linger, message) &&
           set(configuration, "socket.nagle.disable", "true", message) &&
           set(configuration, "sticky.partitioning.linger.ms", "10", message) &&
           set(configuration, "security.protocol", protocol, message) &&
           set(configuration, "ssl.ca.location", own->tls.ca_file, message) &&
           set(configuration, "ssl.certificate.location", own->tls.certificate_file, message) &&
           set(configuration, "ssl.key.location", own->tls.key_file, message) &&
           set(configuration, "sasl.mechanism", own->mechanism, message) &&
           set(configuration, "sasl.username", own->mechanism ? own->user : NULL, message) &&
           set(configuration, "sasl.password", password->length ? password->text : NULL, message) &&
           set_properties(configuration, own, message);
}

static size_t number_of(const rd_kafka_conf_t *configuration, const char *name)
{
    char text[24] = "";
    size_t size = sizeof(text);

    return rd_kafka_conf_get(configuration, name, text, &size) == RD_KAFKA_CONF_OK
               ? (size_t)strtoull(text, NULL, 10)
               : 0;
}

static void note_limits(struct kafka *kafka, const rd_kafka_conf_t *configuration)
{
    size_t batch = number_of(configuration, "batch.size");
    size_t most = number_of(configuration, "message.max.bytes");

    kafka->request_bytes = batch < most ? batch : most;
    kafka->request_bytes -= kafka->request_bytes / REQUEST_SHARE;
    kafka->request_messages = number_of(configuration, "batch.num.messages");
}

/* The topics' handles, which spare looking for the name with each message. */
static int open_topics(struct kafka *kafka, char *message)
{
    const struct text_list *allowed = &kafka->options->topics;
    size_t count = allowed->count ? allowed->count : 1;
    char text[TOPIC_BYTES];

    kafka_template_fill(&kafka->topic, &(struct sink_entry){0}, text, sizeof(text));
    for (size_t i = 0; i < count; i++) {
        const char *name = allowed->count ? allowed->items[i] : text;

        kafka->topics[i] = rd_kafka_topic_new(kafka->producer, name, NULL);
        if (!kafka->topics[i]) {
            snprintf(message, SINK_MESSAGE_BYTES, "topic '%.80s': %.100s", name,
                     rd_kafka_err2str(rd_kafka_last_error()));
            return -EINVAL;
        }
    }
    return 0;
}

static int start(struct kafka *kafka, char message[SINK_MESSAGE_BYTES])
{
    const struct kafka_options *own = kafka->options;
    rd_kafka_conf_t *configuration;
    struct secret password;
    int result = secret_read(own->password_file, own->password_variable, &password, message);

    if (result < 0)
        return result;
    configuration = rd_kafka_conf_new();
    rd_kafka_conf_set_opaque(configuration, kafka);
    rd_kafka_conf_set_dr_msg_cb(configuration, on_report);
    rd_kafka_conf_set_log_cb(configuration, on_log);
    if (configure(configuration, own, &password, message)) {
        note_limits(kafka, configuration);
        kafka->producer =
            rd_kafka_new(RD_KAFKA_PRODUCER, configuration, message, SINK_MESSAGE_BYTES);
    }
    if (!kafka->producer)
        rd_kafka_conf_destroy(configuration);
    secret_forget(&password);
    result = kafka->producer ? open_topics(kafka, message) : -EINVAL;
    if (result < 0)
        stop(kafka);
    return result;
}

/*
 * librdkafka takes some errors for the end of an idempotent producer: the right to produce, which
 * the operator may give, or a broker that has forgotten it. A new one goes on; what had no report
 * before may come twice, with the record's id.
 */
static void forget_fatal(struct kafka *kafka)
{
    char text[SINK_REASON_BYTES];

    if (!rd_kafka_fatal_error(kafka->producer, text, sizeof(text)))
        return;
    snprintf(kafka->reason, sizeof(kafka->reason), "%.120s", text);
    stop(kafka);
}

static int renew(struct kafka *kafka)
{
    char message[SINK_MESSAGE_BYTES] = "";
    int result = start(kafka, message);

    if (result < 0)
        snprintf(kafka->reason, sizeof(kafka->reason), "%.120s", message);
    return result;
}

static int kafka_send(void *context, struct sink_batch *batch)
{
    struct kafka *kafka = context;
    bool is_missing = false;

    kafka->reason[0] = '\0';
    kafka->has_hopeless = false;
    if (!kafka->producer && renew(kafka) < 0) {
        memcpy(batch->reason, kafka->reason, sizeof(batch->reason));
        return -EAGAIN;
    }
    for (size_t i = 0; i < batch->count; i++)
        produce(kafka, &batch->entries[i]);
    await_reports(kafka);
    forget_fatal(kafka);
    memcpy(batch->reason, kafka->reason, sizeof(batch->reason));
    batch->is_too_large = kafka->has_hopeless;
    for (size_t i = 0; i < batch->count; i++)
        is_missing |= batch->entries[i].verdict == SINK_PENDING;
    return is_missing ? -EAGAIN : 0;
}

static int kafka_open(const struct sink_options *sink_options, void **ret_context,
                      char message[SINK_MESSAGE_BYTES])
{
    struct kafka *kafka = allocate_zeroed(sizeof(*kafka));
    int result;

    if (!kafka)
        return -ENOMEM;
    kafka->options = sink_options->values[0];
    result = kafka_template_make(kafka->options->topic, &kafka->topic, message);
    if (result == 0)
        result = kafka_template_make(kafka->options->key, &kafka->key, message);
    if (result == 0)
        result = labels_make(&kafka->options->headers, false, &kafka->headers, message);
    if (result == 0)
        result = start(kafka, message);
    if (result == 0)
        *ret_context = kafka;
    else
        kafka_close(kafka);
    return result;
}
#endif

const struct sink sink_kafka = {
    .name = "kafka",
    .help = "Apache Kafka, or what speaks its protocol.",
    .target = "brokers",
    .format = "json",
    .batch_bytes = 640 * 1024, /* one request, as brokers take it, and most caches, too */
    .parts = {{&kafka_table, sizeof(struct kafka_options)}},
    .check = check,
    .attributes = attributes,
#ifdef WEIR_WITH_KAFKA
    .open = kafka_open,
    .send = kafka_send,
    .interrupt = kafka_interrupt,
    .close = kafka_close,
#endif
};
