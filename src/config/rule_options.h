/* rule_options: what one block of `rules` and one of `header-rules` can say. */
#pragma once
#include "config/option.h"

/* The first rule whose `match` holds decides about a record. */
struct rule_options {
    const char *name;    /* what counters call it; NULL: its number */
    const char *match;   /* an expression (model/query.h); NULL: everything */
    const char *level;   /* heads, summary, off */
    const char *sample;  /* a share, such as 10%, 0.1 or 1/10; NULL: all */
    uint64_t per_second; /* at most so many of the rest; 0: no limit */
    uint64_t slow_ns;    /* what takes so long is always kept */
    const char *keep;    /* and so is what this expression holds for */
};
extern const struct option_table rule_option_table;

/* Of each header the first rule that names it, and whose `match` holds, decides. */
struct header_rule_options {
    struct text_list names; /* globs with * and ?, any case */
    const char *match;      /* NULL: everything */
    const char *direction;  /* both, request, response */
    const char *action;     /* include, drop, mask, hash, length */
};
extern const struct option_table header_rule_option_table;
