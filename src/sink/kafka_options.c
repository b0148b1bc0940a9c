/* kafka_options: the option table of the kafka sink. */
#include "sink/kafka_options.h"

static const char *const acknowledgements[] = {"0", "1", "all", NULL};
static const char *const compressions[] = {"none", "gzip", "lz4", "zstd", "snappy", NULL};
static const char *const mechanisms[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", NULL};

#define VALUE(field) .offset = offsetof(struct kafka_options, field)
#define SECOND 1000000000ull

static const struct option options[] = {
    {.name = "brokers",
     .kind = OPTION_TEXT,
     VALUE(brokers),
     .argument = "HOST:PORT,...",
     .help = "Brokers to begin with."},
    {.name = "topic",
     .kind = OPTION_TEXT,
     VALUE(topic),
     .argument = "TEMPLATE",
     .default_text = "weir",
     .help = "The topic; {FIELD} stands for a field's value, as in weir-{type}. Then topics says "
             "which are allowed."},
    {.name = "topics",
     .kind = OPTION_TEXTS,
     VALUE(topics),
     .argument = "TOPIC,...",
     .help = "Topics that the template may make; what makes another one goes to the first of "
             "them."},
    {.name = "key",
     .kind = OPTION_TEXT,
     VALUE(key),
     .argument = "TEMPLATE",
     .default_text = "{connection.id}",
     .help = "The key, which chooses the partition, so that the records of a connection stay in "
             "order."},
    {.name = "header",
     .kind = OPTION_TEXTS,
     VALUE(headers),
     .argument = "LABEL,...",
     .help = "Headers of each message, such as type,id: NAME=FIELD, NAME=TEXT, or FIELD. Without "
             "it there are none, since each costs time with every message."},
    {.name = "acks",
     .kind = OPTION_CHOICE,
     VALUE(acknowledgements),
     .argument = "WHO",
     .default_text = "all",
     .choices = acknowledgements,
     .help = "Whose confirmation is waited for."},
    {.name = "not-idempotent",
     .kind = OPTION_FLAG,
     VALUE(is_not_idempotent),
     .help = "Let a retry write a message twice, for brokers without idempotence; needed with "
             "acks other than all."},
    {.name = "compression",
     .kind = OPTION_CHOICE,
     VALUE(compression),
     .argument = "HOW",
     .default_text = "lz4",
     .choices = compressions,
     .help = "How batches are compressed."},
    {.name = "timeout",
     .kind = OPTION_DURATION,
     VALUE(timeout_ns),
     .argument = "TIME",
     .default_text = "30s",
     .minimum = SECOND / 10,
     .maximum = 3600 * SECOND,
     .help = "How long a message may take to be confirmed before it is sent again."},
    {.name = "tls", .kind = OPTION_FLAG, VALUE(is_tls), .help = "Connect over TLS."},
    TLS_FILES_OPTIONS(struct kafka_options),
    {.name = "sasl-mechanism",
     .kind = OPTION_CHOICE,
     VALUE(mechanism),
     .argument = "NAME",
     .choices = mechanisms,
     .help = "How weir proves who it is, with user and password-file."},
    {.name = "user",
     .kind = OPTION_TEXT,
     VALUE(user),
     .argument = "NAME",
     .help = "Name for SASL."},
    {.name = "password-file",
     .kind = OPTION_TEXT,
     VALUE(password_file),
     .argument = "FILE",
     .help = "File with the password; others must not be able to read it."},
    {.name = "password-variable",
     .kind = OPTION_TEXT,
     VALUE(password_variable),
     .argument = "NAME",
     .help = "Variable with the password."},
    {.name = "property",
     .kind = OPTION_TEXTS,
     VALUE(properties),
     .argument = "NAME=VALUE",
     .traits = OPTION_HAS_COMMAS,
     .help = "A property of librdkafka, such as partitioner=murmur2_random; may be repeated. "
             "Passwords are refused here. A batch goes to each partition as one request as long as "
             "it stays below batch.size and message.max.bytes, 1,000,000 bytes; larger ones are "
             "cut, so for brokers far away raise batch-size and both."},
};

const struct option_table kafka_table = {
    .command = "kafka", .count = sizeof(options) / sizeof(*options), .options = options};
