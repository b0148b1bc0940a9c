/* rule_levels: how much of a record is logged. */
#pragma once
#include "model/record.h"

enum rule_level {
    RULE_HEADS,   /* everything */
    RULE_SUMMARY, /* no headers, trailers, or lists of objects */
    RULE_OFF,
};
/* Takes out what the level leaves out. */
void rule_level_apply(enum rule_level level, struct record *record);
