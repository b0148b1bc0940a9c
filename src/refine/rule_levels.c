#include "refine/rule_levels.h"

void rule_level_apply(enum rule_level level, struct record *record)
{
    uint8_t kept = 0;

    if (level != RULE_SUMMARY)
        return;
    for (uint8_t i = 0; i < record->value_count; i++) {
        enum value_kind kind = record->values[i].kind;

        if (kind != VALUE_HEADERS && kind != VALUE_OBJECTS)
            record->values[kept++] = record->values[i];
    }
    record->value_count = kept;
}
