/* siem: what CEF and LEEF have in common: the walk over the fields under names of their own. */
#pragma once
#include "encode/flat.h"

enum { SIEM_KEY_BYTES = FLAT_KEY_BYTES + 2 };

/* Keys with their "=": of the dictionary (`number` 0: none; the same text, the same number), and
 * the field's own. */
struct siem_key {
    uint8_t number, length, own_length;
    char text[32], own[SIEM_KEY_BYTES];
};

struct siem_format {
    const char *const *names; /* of each field; NULL or empty: made of the field's own */
    const char *prefix;       /* of those that are made */
    const char *separator;    /* between pairs */
    const struct flat_rules *rules;
    bool has_sides;                       /* keys with s and d for the two ends' processes */
    struct siem_key keys[2][FIELD_COUNT]; /* of a server's record, of a client's; by siem_names */
};

/* Makes the keys, once. */
void siem_names(struct siem_format *format);

/* Version of weir, the type, and so on: "|weir|weir|0.1.0|http|", header text without escapes. */
void siem_product(struct writer *writer, const struct record *record,
                  const struct flat_rules *rules);
/* Each field as KEY=VALUE behind a separator. */
void siem_fields(struct writer *writer, const struct record *record,
                 const struct siem_format *format);
/* 0 to 10. */
unsigned siem_severity(const struct record *record);
