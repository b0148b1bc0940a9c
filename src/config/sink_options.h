/* sink_options: the settings that every sink has; what a kind of sink adds stands in its file. */
#pragma once
#include "config/option.h"

/* Texts are borrowed from the block that they come from. */
struct sink_common_options {
    const char *name; /* NULL: the type */
    const char *filter;
    const char *level;    /* order of enum sink_level */
    const char *format;   /* NULL: the sink's own */
    uint64_t interval_ns; /* of metrics */
    bool is_verbose;
    bool with_colour;
    struct text_list mask_names;
    struct text_list omitted;

    uint64_t queue_bytes;
    const char *on_full; /* drop-newest, drop-oldest, block */
    uint64_t batch_bytes, batch_records, batch_age_ns;
    uint64_t retry_first_ns, retry_maximum_ns;
    uint64_t close_timeout_ns;
    bool is_giving_up;

    const char *spool; /* directory; NULL: none */
    uint64_t spool_quota_bytes;
    uint64_t spool_segment_bytes; /* 0: by the quota */
    bool is_spooled_first;
    bool is_draining;        /* takes no new records */
    const char *dead_letter; /* file; NULL: none */
};

enum sink_level { SINK_LEVEL_ALL, SINK_LEVEL_WARNING, SINK_LEVEL_ERROR, SINK_LEVEL_CRITICAL };

extern const struct option_table sink_common_table;
