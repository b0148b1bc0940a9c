/* pretty_line: the parts that lines for people are made of. */
#include "encode/pretty.h"

const struct value *pretty_find(const struct pretty_line *line, enum field_id field)
{
    return line->index[field] ? &line->record->values[line->index[field] - 1] : NULL;
}

void pretty_put(struct pretty_line *line, const char *text)
{
    writer_bytes(&line->writer, text, strlen(text));
}

void pretty_colour(struct pretty_line *line, const char *code)
{
    if (line->with_colour)
        pretty_put(line, code);
}

void pretty_text(struct pretty_line *line, enum field_id field)
{
    const struct value *value = pretty_find(line, field);

    if (value && value->kind == VALUE_TEXT)
        writer_escaped(&line->writer, value->text, WRITER_PLAIN);
}

/* 15:04:05.123 of the RFC 3339 text; UTC. */
void pretty_time(struct pretty_line *line)
{
    const struct value *time = pretty_find(line, FIELD_TIME);
    struct buffer *buffer = line->writer.buffer;
    size_t before = buffer->length;

    writer_time(&line->writer, time ? time->number : line->record->time_ns);
    if (line->writer.error)
        return;
    memmove(buffer->data + before, buffer->data + before + 11, 12);
    buffer->length = before + 12;
}

void pretty_end(struct pretty_line *line, enum field_id address_field, enum field_id port_field)
{
    const struct value *address = pretty_find(line, address_field);
    const struct value *port = pretty_find(line, port_field);
    bool is_ipv6 = address && address->address->family == ADDRESS_IPV6;

    if (!address) {
        pretty_put(line, "?");
    } else {
        pretty_put(line, is_ipv6 ? "[" : "");
        writer_address(&line->writer, address->address);
        pretty_put(line, is_ipv6 ? "]" : "");
    }
    if (port) {
        pretty_put(line, ":");
        writer_number(&line->writer, port->number);
    }
}

/* Three digits of precision at least: 999ns, 1.23ms, 12.3s. */
static void put_scaled(struct pretty_line *line, uint64_t number, uint64_t unit, const char *name)
{
    uint64_t whole = number / unit;
    char fraction[3] = {'.', (char)('0' + number % unit * 10 / unit),
                        (char)('0' + number % unit * 100 / unit % 10)};

    writer_number(&line->writer, whole);
    if (unit > 1 && whole < 100)
        writer_bytes(&line->writer, fraction, whole < 10 ? 3 : 2);
    pretty_put(line, name);
}

void pretty_duration(struct pretty_line *line, uint64_t ns)
{
    if (ns < 1000)
        put_scaled(line, ns, 1, "ns");
    else if (ns < 1000000)
        put_scaled(line, ns, 1000, "µs");
    else if (ns < 1000000000)
        put_scaled(line, ns, 1000000, "ms");
    else
        put_scaled(line, ns, 1000000000, "s");
}

void pretty_size(struct pretty_line *line, uint64_t bytes)
{
    if (bytes < 1000)
        put_scaled(line, bytes, 1, "B");
    else if (bytes < 1000000)
        put_scaled(line, bytes, 1000, "kB");
    else if (bytes < 1000000000)
        put_scaled(line, bytes, 1000000, "MB");
    else
        put_scaled(line, bytes, 1000000000, "GB");
}

void pretty_word(struct pretty_line *line, enum field_id field)
{
    if (!pretty_find(line, field))
        return;
    pretty_put(line, " ");
    pretty_text(line, field);
}

void pretty_member(struct pretty_line *line, const struct object *object, const char *name)
{
    for (uint32_t i = 0; i < object->count; i++) {
        const struct member *member = &object->members[i];

        if (strcmp(member->name, name) != 0)
            continue;
        if (member->is_number)
            writer_number(&line->writer, member->number);
        else
            writer_escaped(&line->writer, member->text, WRITER_PLAIN);
        return;
    }
}
