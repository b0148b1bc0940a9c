#include "agent/delivery.h"
#include <errno.h>
#include "refine/filter.h"

enum {
    CHUNK_FULL_BYTES = 128 * 1024,
    CHUNK_MAXIMUM_BYTES = 4 * 1024 * 1024, /* one record of many full heads fits */
};

void delivery_push(struct delivery *delivery)
{
    if (!delivery->chunk)
        return;
    if (delivery->chunk->buffer.length == 0)
        outlet_chunk_drop(delivery->outlet, &delivery->chunk);
    else
        outlet_push(delivery->outlet, &delivery->chunk);
}

/* Appends the record to the chunk. False: it could not be encoded. */
static bool encode(struct delivery *delivery, const struct record *record)
{
    if (!delivery->chunk)
        delivery->chunk = outlet_chunk_take(delivery->outlet);
    if (!delivery->chunk)
        return false;
    return delivery->encoder->encode(record, &delivery->encoder_options,
                                     &delivery->chunk->buffer) == 0;
}

/* Records of losses are written, too, but they are not what is counted. */
static void write_record(struct delivery *delivery, const struct record *record, bool is_counted)
{
    if (!record->is_masked || !encode(delivery, record)) {
        delivery->lost_encoding += is_counted;
        return;
    }
    delivery->chunk->record_count += is_counted;
    delivery->handed_out += is_counted;
    if (delivery->chunk->buffer.length >= CHUNK_FULL_BYTES)
        delivery_push(delivery);
}

bool delivery_is_full(const struct delivery *delivery)
{
    return delivery->record_limit && delivery->handed_out >= delivery->record_limit;
}

static void add_host_name(const struct delivery *delivery, struct record *record)
{
    if (delivery->host_name.length)
        record_add_text(record, FIELD_HOST_NAME, delivery->host_name);
}

void delivery_take(struct delivery *delivery, struct record *record)
{
    add_host_name(delivery, record);
    if (!delivery_is_full(delivery) && stage_mask.refine(delivery->mask, record) == STAGE_PASS &&
        stage_filter.refine(delivery->query, record) == STAGE_PASS)
        write_record(delivery, record, true);
    else
        delivery->filtered++;
    record_unref(&record);
}

void delivery_add_totals(const struct delivery *delivery, struct totals *totals)
{
    struct outlet_counters outlet;

    outlet_count(delivery->outlet, &outlet);
    totals->logged += outlet.logged;
    totals->filtered += delivery->filtered;
    totals_add_loss(totals, "encoding", delivery->lost_encoding, 0, delivery->lost_encoding);
    totals_add_loss(totals, "sink_full", outlet.lost_sink_full, 0, outlet.lost_sink_full);
    totals_add_loss(totals, "sink_error", outlet.lost_sink_error, 0, outlet.lost_sink_error);
}

bool delivery_losses_are_due(const struct delivery *delivery, uint64_t now_ns)
{
    return loss_reporter_is_due(&delivery->losses, now_ns);
}

void delivery_tell_losses(struct delivery *delivery, const struct totals *totals, uint64_t now_ns)
{
    struct record *record;

    while ((record = loss_reporter_next(&delivery->losses, totals, now_ns))) {
        add_host_name(delivery, record);
        stage_mask.refine(delivery->mask, record);
        write_record(delivery, record, false);
        record_unref(&record);
    }
    loss_reporter_done(&delivery->losses, now_ns);
}

void delivery_close(struct delivery *delivery)
{
    delivery_push(delivery);
    outlet_close(delivery->outlet);
}

static const struct encoder *encoder_find(const char *name)
{
    static const struct encoder *const encoders[] = {
#define ENCODER(name) &encoder_##name,
#include "encode/encoders.def"
#undef ENCODER
    };

    for (size_t i = 0; i < sizeof(encoders) / sizeof(*encoders); i++)
        if (strcmp(encoders[i]->name, name) == 0)
            return encoders[i];
    return NULL;
}

static int outlet_start(struct delivery *delivery, const struct delivery_options *options)
{
    struct sink_options sink_options = {.target = options->output_file,
                                        .queue_bytes = options->queue_bytes};
    struct outlet_options outlet_options = {.queue_bytes = options->queue_bytes,
                                            .chunk_bytes = CHUNK_MAXIMUM_BYTES,
                                            .is_blocking = options->is_blocking,
                                            .close_timeout_ms = options->close_timeout_ms};
    int result = outlet_new(options->output_file ? &sink_file : &sink_stdout, &sink_options,
                            &outlet_options, &delivery->outlet);

    if (result)
        fprintf(stderr, "weir: %s: %s\n", options->output_file ? options->output_file : "stdout",
                strerror(-result));
    return result;
}

/* Makes the query and the masking stage. 0 or -errno, told. */
static int refine_start(struct delivery *delivery, const struct delivery_options *options)
{
    struct query_error error;
    int result = options->query.length ? query_compile(options->query, &delivery->query, &error)
                                       : 0;

    if (result) {
        fprintf(stderr, "weir: filter: %s\n",
                result == -EINVAL ? error.message : strerror(-result));
        return result;
    }
    result = mask_new(&options->mask, &delivery->mask);
    if (result)
        fprintf(stderr, "weir: masking: %s\n", strerror(-result));
    return result;
}

static void refine_done(struct delivery *delivery)
{
    if (delivery->mask)
        mask_free(&delivery->mask);
    query_free(&delivery->query);
}

int delivery_start(struct delivery *delivery, const struct delivery_options *options,
                   uint64_t started_ns)
{
    int result;

    *delivery = (struct delivery){
        .encoder = encoder_find(options->format),
        .encoder_options = {.with_colour = options->with_colour,
                            .with_headers = options->with_headers},
        .host_name = slice_of_string(options->host_name),
        .record_limit = options->record_limit,
    };
    loss_reporter_init(&delivery->losses, options->loss_interval_ns, started_ns);
    result = refine_start(delivery, options);
    return result ? result : outlet_start(delivery, options);
}

int delivery_renew(struct delivery *delivery, const struct delivery_options *options)
{
    struct delivery fresh = {0};
    int result = refine_start(&fresh, options);

    if (result == 0) {
        struct query *query = delivery->query;
        void *mask = delivery->mask;

        delivery->query = fresh.query;
        delivery->mask = fresh.mask;
        delivery->encoder_options.with_headers = options->with_headers;
        fresh.query = query;
        fresh.mask = mask;
    }
    refine_done(&fresh);
    return result;
}

void delivery_done(struct delivery *delivery)
{
    if (delivery->outlet)
        outlet_free(&delivery->outlet);
    refine_done(delivery);
    record_pool_done();
}
