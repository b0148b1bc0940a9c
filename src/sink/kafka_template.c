/* kafka_template: a list of parts, each of them a fixed text or a field. */
#include "sink/kafka_template.h"
#include <errno.h>
#include <stdio.h>
#include "sink/labels.h"

int kafka_template_make(const char *text, struct kafka_template *ret_template,
                        char message[SINK_MESSAGE_BYTES])
{
    ret_template->count = 0;
    while (*text) {
        struct kafka_template_part *part = &ret_template->parts[ret_template->count++];
        size_t length = strcspn(text, "{");

        if (length) {
            *part = (struct kafka_template_part){slice_of(text, length), FIELD_COUNT};
        } else {
            length = strcspn(text, "}");
            part->text = slice_of(text + 1, length - 1);
            part->field = field_find(part->text);
            length += text[length] == '}';
        }
        if ((*text == '{' && part->field == FIELD_COUNT) ||
            (ret_template->count == KAFKA_TEMPLATE_PARTS && text[length])) {
            snprintf(message, SINK_MESSAGE_BYTES, "'%.80s' is no template, or too long", text);
            return -EINVAL;
        }
        text += length;
    }
    return 0;
}

size_t kafka_template_fields(const struct kafka_template *template, enum field_id *fields,
                             size_t count)
{
    for (size_t i = 0; i < template->count && count < SINK_ATTRIBUTES_MAXIMUM; i++)
        if (template->parts[i].field != FIELD_COUNT)
            fields[count++] = template->parts[i].field;
    return count;
}

static bool is_plain(uint8_t byte)
{
    return (uint8_t)((byte | 0x20) - 'a') < 26 || (uint8_t)(byte - '0') < 10 || byte == '.' ||
           byte == '_' || byte == '-';
}

size_t kafka_template_fill(const struct kafka_template *template, const struct sink_entry *entry,
                           char *text, size_t size)
{
    size_t length = 0;

    for (size_t i = 0; i < template->count; i++) {
        const struct kafka_template_part *part = &template->parts[i];
        struct label label = {.field = part->field, .text = part->text};
        struct slice value = labels_value(&label, entry);
        size_t taken = value.length < size - 1 - length ? value.length : size - 1 - length;

        for (size_t j = 0; j < taken; j++)
            text[length + j] = is_plain(value.data[j]) ? (char)value.data[j] : '_';
        length += taken;
    }
    text[length] = '\0';
    return length;
}
