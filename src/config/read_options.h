/* read_options: what `weir read` was asked to do. */
#pragma once
#include "config/arguments.h"
#include "config/observer_options.h"
#include "config/resolve.h"

/*
 * Texts are borrowed from the arguments and the environment. Not to be copied by assignment (the
 * lists of texts point into themselves).
 */
struct read_options {
    struct operand_list files; /* "-": standard input */

    /* output */
    const char *format;      /* auto, or an encoder's name; never auto after read_options_resolve */
    const char *output_file; /* NULL: stdout */
    const char *ilogtail_config;             /* NULL: none */
    const struct observer_options *observer; /* of rows; NULL: defaults */
    struct block_list sinks;                 /* further ones */
    bool with_output;   /* also what -o and -w say; set by read_options_resolve */
    const char *colour; /* auto, always, never */
    bool with_colour;   /* what colour came to; set by read_options_resolve */
    bool is_verbose;
    bool is_quiet;

    /* what is logged */
    const char *filter; /* NULL: none */
    struct text_list types;
    bool with_packets;
    struct block_list rules, header_rules; /* what each can say: rule_options.h */
    uint64_t record_limit;                 /* 0: none */
    uint64_t community_id_seed;

    /* masking */
    bool is_masking_disabled;
    const char *mask_key_file; /* NULL: none */
    struct text_list mask_names;
    char mask_key[MASK_KEY_BYTES]; /* set by read_options_resolve */
    size_t mask_key_length;        /* 0: values become *** */

    /* limits */
    uint64_t head_limit;
    uint64_t connection_limit;
};

extern const struct option_table read_option_table;

/* What the table cannot say. 0, or -EINVAL and a message that names the option. */
int read_options_resolve(struct read_options *options, char message[OPTION_MESSAGE_BYTES]);

/* One filter expression of --filter and --type. Empty: everything. 0, -ENOBUFS or -ENOMEM. */
struct buffer;
int read_options_query(const struct read_options *options, struct buffer *ret_text);
