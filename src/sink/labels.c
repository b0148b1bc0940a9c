/* labels: "NAME=FIELD" where FIELD is a field's name, else "NAME=TEXT"; "FIELD" alone. */
#include "sink/labels.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include "sink/attributes.h"

static void set_name(struct label *label, const char *text, size_t length, bool is_plain)
{
    if (length >= LABEL_NAME_BYTES)
        length = LABEL_NAME_BYTES - 1;
    for (size_t i = 0; i < length; i++) {
        bool is_good = isalnum((unsigned char)text[i]) || text[i] == '_';

        label->name[i] = is_plain && !is_good ? '_' : text[i];
    }
    label->name[length] = '\0';
}

int labels_make(const struct text_list *list, bool is_plain, struct labels *ret_labels,
                char message[SINK_MESSAGE_BYTES])
{
    ret_labels->count = 0;
    for (size_t i = 0; i < list->count; i++) {
        const char *text = list->items[i], *equals = strchr(text, '=');
        struct label *label = &ret_labels->items[ret_labels->count];

        if (ret_labels->count == LABELS_MAXIMUM) {
            snprintf(message, SINK_MESSAGE_BYTES, "more than %d labels", LABELS_MAXIMUM);
            return -EINVAL;
        }
        label->field = field_find(slice_of_string(equals ? equals + 1 : text));
        if ((!equals && label->field == FIELD_COUNT) || equals == text) {
            snprintf(message, SINK_MESSAGE_BYTES, "'%.80s' is no field; a fixed text is NAME=TEXT",
                     text);
            return -EINVAL;
        }
        set_name(label, text, equals ? (size_t)(equals - text) : strlen(text), is_plain);
        label->text = slice_of_string(equals ? equals + 1 : text);
        ret_labels->count++;
    }
    return 0;
}

size_t labels_fields(const struct labels *labels, enum field_id *fields, size_t count)
{
    for (size_t i = 0; i < labels->count && count < SINK_ATTRIBUTES_MAXIMUM; i++)
        if (labels->items[i].field != FIELD_COUNT)
            fields[count++] = labels->items[i].field;
    return count;
}

struct slice labels_value(const struct label *label, const struct sink_entry *entry)
{
    if (label->field == FIELD_COUNT)
        return label->text;
    return attributes_find(entry->attributes,
                           slice_of_string(field_descriptions[label->field].name));
}
