/* kafka_options: the settings of the kafka sink. */
#pragma once
#include "config/option.h"
#include "sink/tls_files.h"

struct kafka_options {
    const char *brokers, *topic, *key;
    struct text_list topics, headers, properties;
    const char *acknowledgements, *compression;
    bool is_not_idempotent, is_tls;
    struct tls_files tls;
    const char *mechanism, *user, *password_file, *password_variable;
    uint64_t timeout_ns;
};

extern const struct option_table kafka_table;
