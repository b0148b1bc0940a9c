/*
 * labels: a list of fields or fixed texts that a user names: "type", "env=prod", "host=host.name"
 * (another name for a field). Fields are taken from the attributes of an entry.
 */
#pragma once
#include "config/option.h"
#include "contract/sink.h"

enum { LABELS_MAXIMUM = SINK_ATTRIBUTES_MAXIMUM, LABEL_NAME_BYTES = 64 };

struct label {
    char name[LABEL_NAME_BYTES];
    enum field_id field; /* FIELD_COUNT: `text` is fixed */
    struct slice text;
};

struct labels {
    size_t count;
    struct label items[LABELS_MAXIMUM];
};

/*
 * With `is_plain` names keep only letters, digits and '_', others become '_'. 0, or -EINVAL and a
 * message. The list's texts are borrowed.
 */
int labels_make(const struct text_list *list, bool is_plain, struct labels *ret_labels,
                char message[SINK_MESSAGE_BYTES]);
/* Adds the fields that the labels need. How many there are now. */
size_t labels_fields(const struct labels *labels, enum field_id *fields, size_t count);
/* The label's value for this entry; length 0: it has none. */
struct slice labels_value(const struct label *label, const struct sink_entry *entry);
