/* container_fields: what is known of a container, as fields of a record. */
#pragma once
#include "metadata/facts.h"
#include "model/record.h"

void container_fields_add(struct record *record, const struct facts *facts);
