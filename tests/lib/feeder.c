/* feeder: see feeder.h. */
#include "tests/lib/feeder.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static void keep_record(void *context, struct record *record)
{
    struct feeder *feeder = context;
    if (feeder->record_count < FEEDER_RECORDS_MAXIMUM)
        feeder->records[feeder->record_count++] = record;
    else
        abort();
}

int feeder_init(struct feeder *feeder, const struct streams_options *options)
{
    struct streams_options own = options ? *options : (struct streams_options){0};
    memset(feeder, 0, sizeof(*feeder));
    own.source = "socket";
    own.on_record = keep_record;
    own.context = feeder;
    feeder->time_ns = 1000000000ull;
    int error = streams_new(&own, &feeder->streams);
    if (!error)
        feeder->listener = streams_listener(feeder->streams);
    return error;
}

void feeder_done(struct feeder *feeder)
{
    streams_free(&feeder->streams);
    for (size_t i = 0; i < feeder->record_count; i++)
        record_unref(&feeder->records[i]);
    feeder->record_count = 0;
}

static struct endpoint endpoint_of(uint8_t last, uint16_t port)
{
    return (struct endpoint){.address = {.family = ADDRESS_IPV4, .bytes = {10, 0, 0, last}},
                             .port = port};
}

void feeder_open(struct feeder *feeder)
{
    struct stream_open open = {.connection = 1,
                               .local = endpoint_of(1, 40000),
                               .remote = endpoint_of(2, 80),
                               .is_initiator = true,
                               .is_datagram = feeder->is_datagram};
    feeder->positions[0] = feeder->positions[1] = 0;
    feeder->listener.on_open(feeder->listener.context, &open);
}

void feeder_send(struct feeder *feeder, enum direction direction, struct slice bytes)
{
    feeder->time_ns += 1000;
    struct stream_data data = {.connection = 1,
                               .direction = direction,
                               .time_ns = feeder->time_ns,
                               .position = feeder->positions[direction],
                               .end_position = feeder->positions[direction] + bytes.length,
                               .bytes = bytes};
    feeder->positions[direction] += bytes.length;
    feeder->listener.on_data(feeder->listener.context, &data);
}

void feeder_send_copy(struct feeder *feeder, enum direction direction, struct slice bytes)
{
    uint8_t *copy = malloc(bytes.length ? bytes.length : 1);

    if (!copy)
        abort();
    memcpy(copy, bytes.data, bytes.length);
    feeder_send(feeder, direction, slice_of(copy, bytes.length));
    free(copy);
}

void feeder_pass(struct feeder *feeder, enum direction direction, uint64_t count)
{
    feeder->time_ns += 1000;
    feeder->positions[direction] += count;
    struct stream_data data = {.connection = 1,
                               .direction = direction,
                               .time_ns = feeder->time_ns,
                               .end_position = feeder->positions[direction]};
    feeder->listener.on_data(feeder->listener.context, &data);
}

void feeder_close(struct feeder *feeder)
{
    feeder->listener.on_close(feeder->listener.context, 1, feeder->time_ns, false);
}

size_t feeder_step_length(const struct feeder_step *step)
{
    return step->length || !step->text ? step->length : strlen(step->text);
}

void feeder_play(struct feeder *feeder, const struct feeder_step *steps, feeder_cut cut,
                 void *context)
{
    feeder->is_datagram = steps->way == 'D';
    feeder_open(feeder);
    for (const struct feeder_step *step = steps + feeder->is_datagram; step->way; step++) {
        enum direction direction = step->way == '>' || step->way == '}' ? DIRECTION_A_TO_B
                                                                        : DIRECTION_B_TO_A;
        if (step->way == '}' || step->way == '{') {
            struct stream_end end = {.connection = 1,
                                     .direction = direction,
                                     .time_ns = feeder->time_ns,
                                     .position = feeder->positions[direction]};
            feeder->listener.on_end(feeder->listener.context, &end);
            continue;
        }
        size_t length = feeder_step_length(step);
        for (size_t at = 0; at < length;) {
            bool is_cut = cut && !feeder->is_datagram;
            size_t piece = is_cut ? cut(context, length - at) : length - at;
            feeder_send_copy(feeder, direction, slice_of(step->text + at, piece));
            at += piece;
        }
    }
    feeder_close(feeder);
}

static void print_slice(FILE *out, struct slice text)
{
    if (text.length)
        fwrite(text.data, 1, text.length, out);
}

static void print_objects(FILE *out, const struct value *value)
{
    for (uint32_t i = 0; i < value->count; i++) {
        for (uint32_t j = 0; j < value->objects[i].count; j++) {
            const struct member *member = &value->objects[i].members[j];
            fprintf(out, "%s%s=", j ? " " : "", member->name);
            if (member->is_number)
                fprintf(out, "%" PRIu64, member->number);
            else
                print_slice(out, member->text);
        }
        fputc('\n', out);
    }
}

static void print_value(FILE *out, const struct value *value)
{
    char text[46];
    switch (value->kind) {
    case VALUE_TEXT:
        print_slice(out, value->text);
        break;
    case VALUE_ADDRESS:
        fprintf(out, "%.*s", (int)address_format(value->address, text), text);
        break;
    case VALUE_HEADERS:
        for (uint32_t i = 0; i < value->count; i++) {
            print_slice(out, value->headers[i].name);
            fputs(": ", out);
            print_slice(out, value->headers[i].value);
            fputc('\n', out);
        }
        break;
    case VALUE_NUMBERS:
        for (uint32_t i = 0; i < value->count; i++)
            fprintf(out, "%s%" PRIu64, i ? " " : "", value->numbers[i]);
        break;
    case VALUE_TEXTS:
        for (uint32_t i = 0; i < value->count; i++) {
            fputs(i ? " " : "", out);
            print_slice(out, value->texts[i]);
        }
        break;
    case VALUE_OBJECTS:
        print_objects(out, value);
        break;
    default:
        fprintf(out, "%" PRIu64, value->number);
        break;
    }
}

static bool is_time(enum field_id field)
{
    return field == FIELD_TIME || field == FIELD_ID || field == FIELD_DURATION_NS ||
           field == FIELD_TTFB_NS;
}

static void print_record(FILE *out, const struct record *record)
{
    fprintf(out, "record flags");
    for (unsigned i = 0; i < RECORD_FLAG_COUNT; i++) {
        if (record->flags >> i & 1)
            fprintf(out, " %s", record_flag_names[i]);
    }
    fputc('\n', out);
    for (size_t field = 0; field < FIELD_COUNT; field++) {
        const struct value *value = record_find_const(record, (enum field_id)field);
        if (!value || is_time((enum field_id)field))
            continue;
        fprintf(out, "%s=", field_descriptions[field].name);
        print_value(out, value);
        fputc('\n', out);
    }
    fprintf(out, "at %" PRIu64 " %" PRIu64 "\n", record->heads[0].position,
            record->heads[1].position);
}

char *feeder_describe(const struct feeder *feeder)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    for (size_t i = 0; i < feeder->record_count; i++)
        print_record(out, feeder->records[i]);
    fclose(out);
    return text;
}

char *feeder_value(const struct record *record, const char *field)
{
    const struct value *value = record_find_const(record, field_find(slice_of_string(field)));
    char *text = NULL;
    size_t size;
    if (!value)
        return NULL;
    FILE *out = open_memstream(&text, &size);
    print_value(out, value);
    fclose(out);
    return text;
}

bool feeder_is_balanced(const struct feeder *feeder)
{
    const struct streams_counters *counters = streams_counters(feeder->streams);
    uint64_t reasons = 0;
    for (size_t i = 0; i < STREAMS_REASONS_MAXIMUM; i++)
        reasons += counters->reasons[i].count;
    return counters->seen == counters->handed_on + counters->lost && reasons == counters->lost &&
           counters->handed_on == feeder->record_count;
}

int feeder_finish(void **state)
{
    (void)state;
    record_pool_done();
    return 0;
}
