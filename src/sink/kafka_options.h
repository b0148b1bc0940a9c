/* kafka_options: the settings of the kafka sink. */
#pragma once
#include "config/option.h"

struct kafka_options {
    const char *brokers, *topic, *key;
    struct text_list topics, headers, properties;
    const char *acknowledgements, *compression;
    bool is_not_idempotent, is_tls;
    const char *ca_file, *certificate_file, *key_file;
    const char *mechanism, *user, *password_file, *password_variable;
    uint64_t timeout_ns;
};

extern const struct option_table kafka_table;
