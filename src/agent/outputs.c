/* outputs: who wants which record, and the encoding for them. */
#include "agent/outputs.h"
#include <errno.h>
#include <stdio.h>
#include "encode/severity.h"
#include "encode/writer.h"
#include "sink/attributes.h"

enum {
    CHUNK_FULL_BYTES = 128 * 1024,
    ATTRIBUTE_TEXT_BYTES = 64,
};

static void push_group(struct outputs *outputs, struct output_group *group)
{
    size_t index = (size_t)(group - outputs->groups);

    if (!group->chunk)
        return;
    if (chunk_count(group->chunk))
        for (size_t i = 0; i < outputs->count; i++)
            if (outputs->items[i].group == index)
                outlet_push(outputs->items[i].outlet, group->chunk);
    chunk_unref(outputs->pool, &group->chunk);
}

void outputs_push(struct outputs *outputs)
{
    for (size_t i = 0; i < outputs->group_count; i++)
        push_group(outputs, &outputs->groups[i]);
}

/* A value as text; what has no short one is empty. */
static struct slice value_text(const struct value *value, struct buffer *room)
{
    struct writer writer;

    room->length = 0;
    writer = writer_begin(room);
    switch ((enum value_kind)value->kind) {
    case VALUE_TEXT:
        return value->text;
    case VALUE_NUMBER:
        writer_number(&writer, value->number);
        break;
    case VALUE_TIME:
        writer_time(&writer, value->number);
        break;
    case VALUE_ID:
        writer_hex16(&writer, value->number);
        break;
    case VALUE_ADDRESS:
        writer_address(&writer, value->address);
        break;
    default:
        break;
    }
    return buffer_slice(room);
}

static int add_attributes(struct output_group *group, const struct record *record)
{
    uint8_t bytes[ATTRIBUTE_TEXT_BYTES];
    struct buffer room = {bytes, 0, sizeof(bytes), sizeof(bytes)};
    int result = 0;

    for (size_t i = 0; i < group->attribute_count && result == 0; i++) {
        enum field_id field = group->attributes[i];
        const struct value *value = record_find_const(record, field);
        struct slice text = value ? value_text(value, &room) : (struct slice){0};

        if (text.length)
            result =
                attributes_add(&group->chunk->attributes, field_descriptions[field].name, text);
    }
    return result;
}

/* Encodes the record into the group's chunk. False: it could not be done. */
static bool add_record(struct outputs *outputs, struct output_group *group,
                       const struct record *record, struct chunk_entry *entry)
{
    struct chunk *chunk;
    const struct value *id = record_find_const(record, FIELD_ID);

    if (!group->chunk)
        group->chunk = chunk_take(outputs->pool);
    chunk = group->chunk;
    if (!chunk)
        return false;
    entry->offset = (uint32_t)chunk->buffer.length;
    entry->attributes_offset = (uint32_t)chunk->attributes.length;
    entry->id = id ? id->number : 0;
    entry->time_ns = record->time_ns;
    if (group->encoder->encode(record, &group->encoder_options, &chunk->buffer) == 0 &&
        add_attributes(group, record) == 0 && chunk_add(chunk, entry) == 0)
        return true;
    chunk->buffer.length = entry->offset;
    chunk->attributes.length = entry->attributes_offset;
    return false;
}

/* The same, and once more into an empty chunk where this one has no room left. */
static bool encode(struct outputs *outputs, struct output_group *group, const struct record *record,
                   struct chunk_entry *entry)
{
    struct record *copy = NULL;
    bool is_done;

    if (group->stricter) {
        copy = stricter_copy(group->stricter, record);
        if (!copy)
            return false;
        record = copy;
    }
    is_done = add_record(outputs, group, record, entry);
    if (!is_done && group->chunk && chunk_count(group->chunk)) {
        push_group(outputs, group);
        is_done = add_record(outputs, group, record, entry);
    }
    record_unref(&copy);
    return is_done;
}

static void count_failure(struct outputs *outputs, uint32_t wanted)
{
    for (; wanted; wanted &= wanted - 1)
        outputs->items[__builtin_ctz(wanted)].lost_encoding++;
}

/* The sinks that want the record. */
static uint32_t choose(struct outputs *outputs, const struct record *record, unsigned severity,
                       bool is_counted)
{
    uint32_t wanted = 0;

    for (size_t i = 0; i < outputs->count; i++) {
        struct output *output = &outputs->items[i];

        if (severity <= output->worst &&
            (!output->query || !is_counted || query_matches(output->query, record)))
            wanted |= 1u << i;
        else
            output->filtered += is_counted;
    }
    return wanted;
}

bool outputs_write(struct outputs *outputs, const struct record *record, bool is_counted)
{
    struct chunk_entry entry = {.is_counted = is_counted, .severity = (uint8_t)severity_of(record)};
    uint32_t all = choose(outputs, record, entry.severity, is_counted);

    for (size_t i = 0; i < outputs->group_count && all; i++) {
        struct output_group *group = &outputs->groups[i];

        entry.wanted = 0;
        for (uint32_t left = all; left; left &= left - 1)
            if (outputs->items[__builtin_ctz(left)].group == i)
                entry.wanted |= left & -left;
        if (!entry.wanted)
            continue;
        if (!record->is_masked || !encode(outputs, group, record, &entry)) {
            if (is_counted)
                count_failure(outputs, entry.wanted);
            continue;
        }
        if (group->chunk->buffer.length >= CHUNK_FULL_BYTES)
            push_group(outputs, group);
    }
    return all;
}

void outputs_reopen(struct outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++)
        outlet_reopen(outputs->items[i].outlet);
}

int outputs_error(const struct outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++)
        if (outlet_error(outputs->items[i].outlet) != -EPIPE)
            return 0;
    return -EPIPE;
}

void outputs_close(struct outputs *outputs)
{
    outputs_push(outputs);
    for (size_t i = 0; i < outputs->count; i++)
        outlet_close(outputs->items[i].outlet);
}

void outputs_show_headers(struct outputs *outputs, bool with_headers)
{
    if (outputs->count)
        outputs->groups[outputs->items[0].group].encoder_options.with_headers = with_headers;
}

void outputs_done(struct outputs *outputs)
{
    for (size_t i = 0; i < outputs->group_count; i++)
        if (outputs->groups[i].chunk)
            chunk_unref(outputs->pool, &outputs->groups[i].chunk);
    for (size_t i = 0; i < outputs->count; i++) {
        outlet_free(&outputs->items[i].outlet);
        query_free(&outputs->items[i].query);
        sink_settings_free(&outputs->items[i].settings);
    }
    for (size_t i = 0; i < outputs->group_count; i++)
        stricter_free(&outputs->groups[i].stricter);
    chunk_pool_free(&outputs->pool);
    outputs->count = outputs->group_count = 0;
}
