/*
 * flat: values as one text each, for formats that know neither lists nor objects (CEF, LEEF, line
 * protocol). A list of headers or objects is JSON, other lists are joined by commas. What is no
 * printable text is \u00XX as everywhere (encode/writer.h); then the format's own escapes are put
 * over it by its rules. Private to encode/.
 */
#pragma once
#include "encode/writer.h"

enum { FLAT_KEY_BYTES = 96 };

struct flat_rules {
    const char *special;   /* characters that get a backslash in front */
    const char *kept;      /* letters whose escapes the format knows itself: "nr" of \n, \r */
    const char *backslash; /* what becomes of a backslash that is meant */
    const char *lead;      /* what becomes of one that leads an escape the format does not know */
};

void flat_text(struct writer *writer, struct slice text, const struct flat_rules *rules);
void flat_value(struct writer *writer, const struct value *value, const struct flat_rules *rules);
/* Names of flags, with "binary" where the writer has met some; joined by commas. */
void flat_flags(struct writer *writer, uint32_t flags, const struct flat_rules *rules);
/* "http.request.method" as httpRequestMethod, with a prefix as prefixHttpRequestMethod. Returns
 * its length. */
size_t flat_key(char key[FLAT_KEY_BYTES], const char *prefix, enum field_id field);
/* What the record is about: method and path, the query's name, or the type. */
void flat_summary(struct writer *writer, const struct record *record,
                  const struct flat_rules *rules);
