/*
 * observer_options: how traffic is aggregated into the rows of iLogtail's network observer: the
 * parameters of observer_ilogtail_network_v1 under its names, with its documented defaults.
 */
#pragma once
#include "config/option.h"

enum observer_protocol {
    OBSERVER_HTTP,
    OBSERVER_MYSQL,
    OBSERVER_DNS,
    OBSERVER_REDIS,
    OBSERVER_KAFKA,
    OBSERVER_PGSQL,
    OBSERVER_PROTOCOL_COUNT,
};
extern const char *const observer_protocol_names[OBSERVER_PROTOCOL_COUNT + 1]; /* NULL at the end */

/* What is included and what is excluded have the same kinds. Texts are "KEY=EXPRESSION". */
struct observer_selection {
    struct text_list container_labels, k8s_labels, variables;
    const char *command, *container, *pod, *name_space; /* expressions; NULL: none */
};

struct observer_options {
    uint64_t l4_interval_ns, l7_interval_ns;
    uint64_t meta_interval_ns, netlink_interval_ns;
    uint64_t sampling; /* of a hundred connections */
    bool with_protocols;
    bool is_dropping_unix, is_dropping_local, is_dropping_unknown;
    struct text_list protocols; /* empty: all */
    struct text_list tags;      /* "NAME=VALUE" */
    const char *cluster;
    uint64_t sizes[OBSERVER_PROTOCOL_COUNT][2]; /* most rows: of clients, of servers */
    struct observer_selection included, excluded;
    bool is_saving; /* SaveToDisk, which its authors used for tests */

    bool with_sockets, with_packets; /* EBPF.Enabled, PCAP.Enabled */
    uint64_t pid;                    /* 0: all */
    const char *interface_name;      /* NULL: all */
    const char *packet_filter;       /* NULL: none */
    bool is_promiscuous;
    uint64_t packet_timeout_ms;
};

/* Options are named "Common.FlushOutL4Interval" and so on; help says what weir does. */
extern const struct option_table observer_option_table;

/* The structure need not be zeroed. */
void observer_options_set_defaults(struct observer_options *ret_options);
bool observer_options_has_protocol(const struct observer_options *options,
                                   enum observer_protocol protocol);

/* Owns the texts that the options borrow from the file. */
struct observer_file;

/*
 * Reads a configuration of iLogtail, YAML or JSON, in which an input is an
 * observer_ilogtail_network_v1. 0, or -errno of a file that cannot be read, -EINVAL for one that is
 * wrong, with a message that names file, line, column, key and what is allowed.
 */
int observer_file_read(const char *path, struct observer_options *ret_options,
                       struct observer_file **ret_file, char message[OPTION_MESSAGE_BYTES]);
void observer_file_free(struct observer_file **file);
