/* run_options: what `weir run` was asked to do. */
#pragma once
#include <stdio.h>
#include "config/arguments.h"
#include "config/observer_options.h"
#include "config/resolve.h"

/*
 * Texts are borrowed from the arguments and the environment. Not to be copied by assignment
 * (mask_names points into itself).
 */
struct run_options {
    const char *config_file; /* NULL: the default one, when it is there */
    const char *profile;     /* NULL: none */

    /* output */
    const char *format;      /* auto, or an encoder's name; never auto after run_options_resolve */
    const char *output_file; /* NULL: stdout */
    const char *ilogtail_config;             /* NULL: none */
    const struct observer_options *observer; /* of rows; NULL: defaults */
    struct block_list sinks;                 /* further ones */
    bool with_output;     /* also what -o and -w say; set by run_options_resolve */
    const char *colour;   /* auto, always, never */
    bool with_colour;     /* what colour came to; set by run_options_resolve */
    bool is_verbose;      /* pretty: headers under the line */
    bool is_quiet;        /* nothing on stderr but warnings, errors and the totals */
    const char *on_full;  /* drop, block: when a sink's queue is full */
    uint64_t queue_bytes; /* limit of a sink's queue */

    /* what is logged; run_options_query makes one expression of all of it */
    const char *filter; /* NULL: none */
    struct number_list pids;
    struct number_list ports;
    struct network_list addresses;
    struct text_list methods;
    struct text_list hosts;
    struct text_list cgroups; /* paths of cgroup v2 directories; empty: any */
    struct text_list excluded_cgroups;
    bool with_both_sides;
    bool is_http_only;    /* nothing of connections that do not speak HTTP/1 */
    bool is_tls_disabled; /* no plaintext of TLS libraries */

    /* identity */
    bool with_command_line; /* of processes */
    bool with_namespace_labels;
    bool without_domains; /* of other ends, from DNS answers */
    bool with_reverse_dns;
    struct text_list container_sockets; /* of runtimes; empty: the usual ones */
    struct text_list container_variables;
    struct text_list pod_annotations; /* names */
    const char *kubernetes;           /* auto, off, or a URL */
    const char *kubernetes_token_file, *kubernetes_ca_file, *kubernetes_node; /* NULL: usual */
    const char *kubernetes_scope;                                             /* node, cluster */
    uint64_t metadata_wait_ns;             /* how long a record waits for it */
    struct block_list rules, header_rules; /* what each can say: rule_options.h */

    /* masking */
    bool is_masking_disabled;
    const char *mask_key_file; /* NULL: none */
    struct text_list mask_names;
    char mask_key[MASK_KEY_BYTES]; /* set by run_options_resolve */
    size_t mask_key_length;        /* 0: values become *** */

    /* packets */
    struct text_list packets; /* interfaces; empty: no packets */
    const char *packet_hook;  /* order of enum packets_hook */
    struct text_list namespaces;
    bool with_packet_records;
    bool with_promiscuous;
    bool with_drops;
    bool with_connections;
    bool with_unix; /* Unix sockets; said by DropUnixSocket of --ilogtail-config */
    bool with_socket_wait;
    uint64_t packet_ring_bytes; /* a power of two */
    uint64_t packet_message_bytes;
    uint64_t flow_limit;
    uint64_t statistics_interval_ns;
    uint64_t community_id_seed;

    /* capture */
    const char *rung;          /* auto, fentry, tracepoint, syscall: order of enum capture_rung */
    uint64_t head_limit;       /* bytes of one head that are kept */
    uint64_t ring_bytes;       /* a power of two */
    uint64_t poll_interval_ns; /* how often the ring is drained when it does not ask for it */
    uint64_t connection_limit; /* connections that are followed at the same time */
    uint64_t loss_interval_ns; /* between loss records */
    uint64_t duration_ns;      /* stop after; 0: never */
    uint64_t record_limit;     /* stop after so many records; 0: never */
    const char *metrics;       /* where to listen; NULL: nowhere */
    const char *ready_file;    /* created when capture is live; NULL: none */
};

extern const struct option_table run_option_table;

/*
 * What the tables cannot say: reads the mask key, decides format and colour for this terminal,
 * checks options against each other. 0, or -EINVAL and a message that names the option.
 */
int run_options_resolve(struct run_options *options, char message[OPTION_MESSAGE_BYTES]);

/*
 * One filter expression (model/query.h) that holds when all of --filter, --pid, --port, --address,
 * --method and --host do. Empty text: everything is wanted. 0, -ENOBUFS or -ENOMEM.
 */
struct buffer;
int run_options_query(const struct run_options *options, struct buffer *ret_text);
