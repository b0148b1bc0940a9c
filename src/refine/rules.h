/*
 * rules: which records are logged, and how much of them. Of the rules the first one that matches
 * decides: its level, and whether the record is sampled out; the header rules then say what is
 * shown of the headers. Runs behind masking, so that no rule can tell secrets apart. One context
 * belongs to one thread.
 */
#pragma once
#include "config/blocks.h"
#include "config/option.h"
#include "model/query.h"
#include "refine/rule_levels.h"

struct rules;

struct rules_options {
    const struct block_list *rules, *header_rules;
    const char *path; /* where they stand, for messages; NULL: arguments */
    struct slice key; /* of digests; may be empty */
};

/* 0, -EINVAL or -ENOMEM and a message. Nothing of the options is kept. */
int rules_new(const struct rules_options *options, struct rules **ret_rules,
              char message[OPTION_MESSAGE_BYTES]);
/* Frees the records that wait, too. */
void rules_free(struct rules **rules);

enum rules_verdict {
    RULES_LOG,
    RULES_OFF,
    RULES_SAMPLED_OUT,
    RULES_HELD, /* it comes back through rules_next, or is counted; the reference was taken */
};
enum rules_verdict rules_take(struct rules *rules, struct record *record);
/* Records of seconds that are over at this time can be taken by rules_next. UINT64_MAX: all. */
void rules_close(struct rules *rules, uint64_t now_ns);
/* The next record that is to be logged after all; NULL: none. */
struct record *rules_next(struct rules *rules);

/* What each rule has decided. */
struct rule_counters {
    const char *name; /* the rule's own */
    uint64_t matched, off, sampled_out, logged;
};
/* False: there is no such rule. */
bool rules_counters(const struct rules *rules, size_t index, struct rule_counters *ret_counters);
/* Is there any rule about records? */
bool rules_have_any(const struct rules *rules);
/* All that the rules took out. */
uint64_t rules_filtered(const struct rules *rules);
/*
 * What `old` has counted goes on in rules of the same name; what has none is told of as one rule
 * behind the others.
 */
void rules_inherit(struct rules *rules, const struct rules *old);
/* As many as are waiting now. */
uint64_t rules_held(const struct rules *rules);

/*
 * Will nothing be logged of any record that says this of itself, whatever else it says? `query`:
 * what is wanted at all; NULL: everything.
 */
bool rules_refuse(const struct rules *rules, const struct query *query, const struct record *known);
/* Adds ports and networks of which one is enough to be refused. */
void rules_exclusions(const struct rules *rules, struct prefilter *exclusions);
