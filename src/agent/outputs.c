/* outputs: who wants which record, and the encoding for them. */
#include "agent/output_rows.h"
#include "agent/outputs_parts.h"
#include "agent/outputs_watch.h"
#include <errno.h>
#include <stdio.h>
#include "base/allocate.h"
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
    group->stream_at += (uint32_t)chunk_bytes(group->chunk);
    if (chunk_count(group->chunk))
        for (size_t i = 0; i < outputs->count; i++)
            if (outputs->items[i] && outputs->items[i]->group == index)
                outlet_push(outputs->items[i]->outlet, group->chunk);
    chunk_unref(outputs->pool, &group->chunk);
}

void outputs_push(struct outputs *outputs)
{
    for (size_t i = 0; i < outputs->group_count; i++)
        push_group(outputs, &outputs->groups[i]);
    if (outputs->retirements)
        outputs_settle(outputs, false);
    outputs_watch(outputs);
}

/* The group's chunk. False: memory is out. */
static bool has_chunk(struct outputs *outputs, struct output_group *group)
{
    size_t index = (size_t)(group - outputs->groups);
    bool is_laid = false;

    if (group->chunk)
        return true;
    group->chunk = chunk_take(outputs->pool);
    if (!group->chunk)
        return false;
    group->chunk->stream_at = group->stream_at;
    /* Of several sinks that want it laid somewhere the first one is asked. */
    for (size_t i = 0; i < outputs->count && !is_laid; i++)
        if (outputs->items[i] && outputs->items[i]->group == index)
            is_laid = outlet_lay(outputs->items[i]->outlet, group->chunk, group->stream_at);
    return true;
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
    const struct value *id;

    if (!has_chunk(outputs, group))
        return false;
    chunk = group->chunk;
    /* Most have it right before the values of their connection. */
    id = record_find_at(record, FIELD_ID, record->commons[COMMON_OF_CONNECTION].first - 1);
    entry->offset = (uint32_t)chunk->buffer.length;
    entry->attributes_offset = (uint32_t)chunk->attributes.length;
    entry->id = id ? id->number : 0;
    entry->time_ns = record->time_ns;
    if (group->encoder->encode(record, &group->encoder_options, &chunk->buffer) == 0 &&
        add_attributes(group, record) == 0 && chunk_add(chunk, entry) == 0) {
        outputs->encoded++;
        return true;
    }
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
        outputs->items[__builtin_ctz(wanted)]->lost_encoding++;
}

/* The sinks that want the record. How bad it is is found out where one of them needs to know. */
static uint32_t choose(struct outputs *outputs, const struct record *record, bool is_counted,
                       uint8_t *ret_severity)
{
    unsigned severity = 0;
    uint32_t wanted = 0;

    for (size_t i = 0; i < outputs->count; i++) {
        struct output *output = outputs->items[i];

        if (!output || output->takes_metrics)
            continue;
        if (output->heeds_severity && !severity)
            severity = severity_of(record);
        if ((!output->heeds_severity || severity <= output->worst) &&
            !output->settings->common.is_draining &&
            (!output->query || !is_counted || query_matches(output->query, record)))
            wanted |= 1u << i;
        else
            output->filtered += is_counted;
    }
    *ret_severity = (uint8_t)(severity ? severity : SEVERITY_INFORMATIONAL);
    return wanted;
}

bool outputs_write(struct outputs *outputs, const struct record *record, bool is_counted)
{
    struct chunk_entry entry = {.is_counted = is_counted};
    uint32_t all = choose(outputs, record, is_counted, &entry.severity);

    outputs->offered += is_counted;
    for (size_t i = 0; i < outputs->group_count && all; i++) {
        struct output_group *group = &outputs->groups[i];

        entry.wanted = 0;
        for (uint32_t left = all; left; left &= left - 1)
            if (outputs->items[__builtin_ctz(left)]->group == i)
                entry.wanted |= left & -left;
        if (!entry.wanted)
            continue;
        if (group->encoder && group->encoder->rows != ENCODER_ROWS_NONE) {
            output_rows_take(outputs->items[__builtin_ctz(entry.wanted)], record, is_counted);
            continue;
        }
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

/* One sink's walk over the metrics. */
struct metrics_walk {
    struct outputs *outputs;
    struct output *output;
    const struct metrics_moment *moment;
    uint32_t bit;
};

/* -ENODATA: this series has nothing to say there. */
static int add_series(const struct metrics_walk *walk, const struct metric_series *series)
{
    struct output_group *group = &walk->outputs->groups[walk->output->group];
    const struct sink_settings *settings = walk->output->settings;
    struct chunk_entry entry = {.time_ns = walk->moment->now_ns,
                                .wanted = walk->bit,
                                .severity = SEVERITY_INFORMATIONAL,
                                .is_counted = true};
    int result;

    if (!has_chunk(walk->outputs, group))
        return -ENOMEM;
    entry.offset = (uint32_t)group->chunk->buffer.length;
    entry.attributes_offset = (uint32_t)group->chunk->attributes.length;
    result = settings->sink->encode_metric(&settings->options, series, walk->moment,
                                           &group->chunk->buffer);
    if (result < 0 || group->chunk->buffer.length == entry.offset)
        return result < 0 ? result : -ENODATA;
    result = chunk_add(group->chunk, &entry);
    if (result < 0)
        group->chunk->buffer.length = entry.offset;
    return result;
}

static void take_series(void *context, const struct metric_series *series)
{
    const struct metrics_walk *walk = context;
    struct output_group *group = &walk->outputs->groups[walk->output->group];
    int result = add_series(walk, series);

    if (result == -ENOBUFS && chunk_count(group->chunk)) {
        push_group(walk->outputs, group);
        result = add_series(walk, series);
    }
    if (result < 0 && result != -ENODATA)
        walk->output->lost_encoding++;
    if (group->chunk && group->chunk->buffer.length >= CHUNK_FULL_BYTES)
        push_group(walk->outputs, group);
}

void outputs_write_metrics(struct outputs *outputs, struct metrics *metrics,
                           const struct metrics_moment *moment)
{
    for (size_t i = 0; i < outputs->count; i++) {
        struct output *output = outputs->items[i];
        struct metrics_walk walk = {outputs, output, moment, 1u << i};
        uint64_t interval_ns;
        bool is_set_back;

        if (!output || !output->takes_metrics)
            continue;
        interval_ns = output->settings->common.interval_ns;
        is_set_back = output->metrics_due_ns > moment->now_ns + interval_ns;
        if (moment->now_ns < output->metrics_due_ns && !is_set_back && !moment->is_last)
            continue;
        output->metrics_due_ns = moment->now_ns + interval_ns;
        metrics_visit(metrics, take_series, &walk);
        push_group(outputs, &outputs->groups[output->group]);
    }
}

static void write_row(struct outputs *outputs, size_t index, const struct record *row)
{
    struct output *output = outputs->items[index];
    struct output_group *group = &outputs->groups[output->group];
    struct chunk_entry entry = {
        .is_counted = true, .severity = SEVERITY_INFORMATIONAL, .wanted = 1u << index};

    if (!encode(outputs, group, row, &entry))
        output->lost_encoding++;
    else if (group->chunk->buffer.length >= CHUNK_FULL_BYTES)
        push_group(outputs, group);
}

void outputs_tick(struct outputs *outputs, uint64_t now_ns)
{
    for (size_t i = 0; i < outputs->count; i++) {
        struct output *output = outputs->items[i];
        struct record *row;

        if (!output || !output->observer)
            continue;
        output_rows_tick(output, now_ns);
        while ((row = output_rows_next(output))) {
            write_row(outputs, i, row);
            record_unref(&row);
        }
    }
}

void outputs_reopen(struct outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++)
        if (outputs->items[i])
            outlet_reopen(outputs->items[i]->outlet);
}

int outputs_error(const struct outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++)
        if (outputs->items[i] && outlet_error(outputs->items[i]->outlet) != -EPIPE)
            return 0;
    return -EPIPE;
}

void outputs_close(struct outputs *outputs, int signals)
{
    outputs_push(outputs);
    outputs_wait(outputs, signals);
    for (size_t i = 0; i < outputs->count; i++)
        if (outputs->items[i])
            outlet_close(outputs->items[i]->outlet);
    outputs_settle(outputs, true);
}

void outputs_done(struct outputs *outputs)
{
    for (size_t i = 0; i < outputs->group_count; i++)
        if (outputs->groups[i].chunk)
            chunk_unref(outputs->pool, &outputs->groups[i].chunk);
    outputs_settle(outputs, true);
    for (size_t i = 0; i < outputs->count; i++)
        output_free(&outputs->items[i]);
    for (size_t i = 0; i < outputs->group_count; i++)
        stricter_free(&outputs->groups[i].stricter);
    while (outputs->reasons) {
        struct reason_text *next = outputs->reasons->next;

        deallocate(outputs->reasons);
        outputs->reasons = next;
    }
    chunk_pool_free(&outputs->pool);
    outputs->count = outputs->group_count = 0;
}
