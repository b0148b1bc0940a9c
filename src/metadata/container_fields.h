/* container_fields: what is known of a container and its pod, as fields of a record. */
#pragma once
#include "metadata/facts.h"
#include "model/record.h"

/* Each adds a copy, unless the record has the field already. Empty texts and lists add nothing. */
void container_fields_text(struct record *record, enum field_id field, struct slice text);
void container_fields_list(struct record *record, enum field_id field, const struct slice *texts,
                           uint32_t count);

void container_fields_add(struct record *record, const struct facts *facts);
/* The same of the container at the record's other end. */
void container_fields_add_peer(struct record *record, const struct facts *facts);
