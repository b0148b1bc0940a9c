/* read_pipeline: capture file -> decode -> track -> parse -> refine -> encode -> sink. */
#include "agent/read_pipeline.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "agent/commands.h"
#include "agent/delivery.h"
#include "agent/outputs_watch.h"
#include "agent/progress.h"
#include "base/buffer.h"
#include "capture/file_reader.h"
#include "decode/decoder.h"
#include "decode/packet_record.h"
#include "track/flows.h"
#include "track/streams.h"

enum {
    QUEUE_BYTES = 16 * 1024 * 1024,
    CLOSE_TIMEOUT_MS = 1000 * 3600 * 24, /* whoever reads the output may pause, as pagers do */
    PACKETS_BETWEEN_TICKS = 1024,
    LINK_TYPES_MAXIMUM = 16, /* that are not decoded, and are counted each by itself */
    MESSAGES_OF_A_FILE = 3,  /* about damage; then they are counted only */
};

struct unknown_link_type {
    uint32_t type;
    uint64_t packets;
};

struct read_pipeline {
    const struct read_options *options;
    struct decoder *decoder;
    struct flows *flows;
    struct streams *streams;
    struct delivery delivery;
    struct progress progress;
    struct packet packet; /* large, so not on the stack */
    uint64_t packets, bytes, packet_records, lost_packet_records;
    uint64_t first_time_ns, last_time_ns;
    struct unknown_link_type unknown[LINK_TYPES_MAXIMUM];
    size_t unknown_count;
    bool is_stopped; /* a signal, or nobody reads the output */
    bool has_damage;
    int signals;
};

static void on_record(void *context, struct record *record)
{
    delivery_take(&((struct read_pipeline *)context)->delivery, record);
}

static void count_unknown(struct read_pipeline *pipeline, uint32_t type)
{
    size_t at = 0;

    while (at < pipeline->unknown_count && pipeline->unknown[at].type != type)
        at++;
    if (at == LINK_TYPES_MAXIMUM)
        at--;
    else if (at == pipeline->unknown_count)
        pipeline->unknown[pipeline->unknown_count++].type = type;
    pipeline->unknown[at].packets++;
}

static void log_packet(struct read_pipeline *pipeline)
{
    struct packet_record_options options = {.source = "pcap",
                                            .id = record_next_id(pipeline->packet.frame->time_ns)};
    struct flows_place place;

    if (flows_last(pipeline->flows, &pipeline->packet, &place)) {
        options.connection = place.connection;
        options.community_id = place.community_id;
        options.has_window_scale = place.has_window_scale;
        options.window_scale = place.window_scale;
        options.has_client = place.has_client;
        options.is_from_client = place.is_from_client;
    }
    struct record *record = packet_record_make(&pipeline->packet, &options);

    pipeline->packet_records++;
    if (record)
        delivery_take(&pipeline->delivery, record);
    else
        pipeline->lost_packet_records++;
}

static void take_frame(struct read_pipeline *pipeline, struct frame *frame)
{
    frame->number = ++pipeline->packets;
    pipeline->bytes += frame->length;
    if (!pipeline->first_time_ns)
        pipeline->first_time_ns = frame->time_ns;
    if (frame->time_ns > pipeline->last_time_ns)
        pipeline->last_time_ns = frame->time_ns;
    if (!decoder_has_link_type(frame->link_type))
        count_unknown(pipeline, frame->link_type);
    decoder_decode(pipeline->decoder, frame, &pipeline->packet);
    flows_packet(pipeline->flows, &pipeline->packet);
    if (pipeline->options->with_packets)
        log_packet(pipeline);
    if (pipeline->packets % PACKETS_BETWEEN_TICKS == 0) {
        flows_tick(pipeline->flows, frame->time_ns);
        streams_tick(pipeline->streams, frame->time_ns);
    }
}

/* True: go on with this file. */
static bool can_go_on(struct read_pipeline *pipeline, const struct file_reader *reader)
{
    struct file_reader_progress done;

    if (delivery_is_full(&pipeline->delivery))
        pipeline->is_stopped = true;
    if (pipeline->packets % PACKETS_BETWEEN_TICKS)
        return !pipeline->is_stopped;
    if (delivery_error(&pipeline->delivery) == -EPIPE)
        pipeline->is_stopped = true;
    file_reader_tell(reader, &done);
    progress_show(&pipeline->progress, done.done, done.size, pipeline->packets);
    outputs_watch(&pipeline->delivery.outputs);
    return !pipeline->is_stopped;
}

static void tell_damage(struct read_pipeline *pipeline, unsigned number, const char *message)
{
    pipeline->has_damage = true;
    progress_clear(&pipeline->progress);
    if (number <= MESSAGES_OF_A_FILE)
        fprintf(stderr, "weir: %s\n", message);
}

static void read_frames(struct read_pipeline *pipeline, struct file_reader *reader,
                        const char *path)
{
    char message[FILE_READER_MESSAGE_BYTES];
    unsigned damages = 0;
    int result;

    do {
        struct frame frame = {0};

        result = file_reader_next(reader, &frame, message);
        if (result == 1)
            take_frame(pipeline, &frame);
        else if (result == -EINTR)
            pipeline->is_stopped = true;
        else if (result < 0)
            tell_damage(pipeline, ++damages, message);
    } while (result != 0 && can_go_on(pipeline, reader));
    if (damages > MESSAGES_OF_A_FILE)
        fprintf(stderr, "weir: %s: %u more places are damaged\n", path,
                damages - MESSAGES_OF_A_FILE);
}

static void on_wait(void *context)
{
    delivery_push(&((struct read_pipeline *)context)->delivery);
}

/* An exit status. */
static int read_file(struct read_pipeline *pipeline, const char *path)
{
    char message[FILE_READER_MESSAGE_BYTES];
    struct file_reader *reader;
    struct file_reader_options options = {
        .stop_descriptor = pipeline->signals, .context = pipeline, .on_wait = on_wait};
    int result = file_reader_open(path, &options, &reader, message);

    if (result == -EINTR) {
        pipeline->is_stopped = true;
        return EXIT_DONE;
    }
    if (result) {
        progress_clear(&pipeline->progress);
        fprintf(stderr, "weir: %s\n", message);
        return result == -EBADMSG || result == -EIO || result == -ENOMEM ? EXIT_FAILED : EXIT_USAGE;
    }
    progress_begin(&pipeline->progress, path);
    read_frames(pipeline, reader, path);
    progress_clear(&pipeline->progress);
    file_reader_close(&reader);
    return EXIT_DONE;
}

static int signals_block(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGPIPE);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void signals_take(int signals)
{
    struct signalfd_siginfo info;

    while (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
        ;
}

static int delivery_begin(struct read_pipeline *pipeline)
{
    const struct read_options *options = pipeline->options;
    struct delivery_options delivery_options = {
        .with_output = options->with_output,
        .sinks = &options->sinks,
        .format = options->format,
        .with_colour = options->with_colour,
        .with_headers = options->is_verbose,
        .output_file = options->output_file,
        .queue_bytes = QUEUE_BYTES,
        .is_blocking = true,
        .close_timeout_ms = CLOSE_TIMEOUT_MS,
        .mask = {.is_disabled = options->is_masking_disabled,
                 .key = slice_of(options->mask_key, options->mask_key_length),
                 .names = options->mask_names.count ? options->mask_names.items : NULL},
        .rules = {.rules = &options->rules,
                  .header_rules = &options->header_rules,
                  .key = slice_of(options->mask_key, options->mask_key_length)},
        .record_limit = options->record_limit,
        .observer = options->observer,
        .is_offline = true,
    };
    struct buffer text;
    int result;

    buffer_init(&text, 1024 * 1024);
    result = read_options_query(options, &text);
    delivery_options.query = buffer_slice(&text);
    if (result)
        fprintf(stderr, "weir: filter: %s\n", strerror(-result));
    else
        result = delivery_start(&pipeline->delivery, &delivery_options, 0);
    buffer_done(&text);
    return result;
}

/* 0 or -errno, told. */
static int stages_start(struct read_pipeline *pipeline)
{
    const struct read_options *options = pipeline->options;
    struct streams_options streams_options = {
        .connection_maximum = options->connection_limit,
        .head_maximum = options->head_limit,
        .source = "pcap",
        .context = pipeline,
        .on_record = on_record,
    };
    struct flows_options flows_options = {
        .flow_maximum = options->connection_limit,
        .community_id_seed = (uint16_t)options->community_id_seed,
        .source = "pcap",
        .context = pipeline,
        .on_record = on_record,
    };
    int result = streams_new(&streams_options, &pipeline->streams);

    if (result == 0) {
        flows_options.listener = streams_listener(pipeline->streams);
        result = flows_new(&flows_options, &pipeline->flows);
    }
    if (result == 0)
        result = decoder_new(&(struct decoder_options){0}, &pipeline->decoder);
    if (result) {
        fprintf(stderr, "weir: %s\n", strerror(-result));
        return result;
    }
    return delivery_begin(pipeline);
}

static void totals_gather(const struct read_pipeline *pipeline, struct totals *totals)
{
    const struct streams_counters *streams = streams_counters(pipeline->streams);
    const struct flows_counters *flows = flows_counters(pipeline->flows);

    memset(totals, 0, sizeof(*totals));
    totals->seen = streams->seen + flows->seen + pipeline->packet_records;
    for (size_t i = 0; i < STREAMS_REASONS_MAXIMUM && streams->reasons[i].reason; i++)
        totals_add_loss(totals, streams->reasons[i].reason, streams->reasons[i].count, 0,
                        streams->reasons[i].count);
    for (size_t i = 0; i < FLOWS_REASONS_MAXIMUM && flows->reasons[i].reason; i++)
        totals_add_loss(totals, flows->reasons[i].reason, flows->reasons[i].count, 0,
                        flows->reasons[i].count);
    totals_add_loss(totals, "reassembly_limit", 0, 0, flows->memory_limited);
    totals_add_decoder(totals, decoder_counters(pipeline->decoder));
    if (pipeline->lost_packet_records)
        totals_add_loss(totals, "memory", pipeline->lost_packet_records, 0,
                        pipeline->lost_packet_records);
}

static void tell_totals(const struct read_pipeline *pipeline)
{
    struct totals totals;

    for (size_t i = 0; i < pipeline->unknown_count; i++)
        fprintf(stderr, "weir: link type %u%s is not decoded: %" PRIu64 " packets skipped\n",
                pipeline->unknown[i].type, i == LINK_TYPES_MAXIMUM - 1 ? " and others" : "",
                pipeline->unknown[i].packets);
    fprintf(stderr,
            "weir: read %" PRIu64 " packets, %" PRIu64 " bytes: %" PRIu64 " connections, %" PRIu64
            " exchanges\n",
            pipeline->packets, pipeline->bytes, flows_counters(pipeline->flows)->seen,
            streams_counters(pipeline->streams)->seen);
    totals_gather(pipeline, &totals);
    delivery_print_totals(&pipeline->delivery, &totals);
}

static void pipeline_end(struct read_pipeline *pipeline)
{
    struct totals totals;

    flows_flush(pipeline->flows, pipeline->last_time_ns);
    streams_flush(pipeline->streams, pipeline->last_time_ns);
    totals_gather(pipeline, &totals);
    delivery_add_totals(&pipeline->delivery, &totals);
    pipeline->delivery.losses.last_ns = pipeline->first_time_ns;
    delivery_tell_losses(&pipeline->delivery, &totals, pipeline->last_time_ns);
    if (pipeline->is_stopped) /* by a signal, which nobody has taken yet; the next one is meant */
        signals_take(pipeline->signals);
    delivery_close(&pipeline->delivery, pipeline->signals);
    tell_totals(pipeline);
}

static void pipeline_done(struct read_pipeline *pipeline)
{
    if (pipeline->flows)
        flows_free(&pipeline->flows);
    if (pipeline->streams)
        streams_free(&pipeline->streams);
    if (pipeline->decoder)
        decoder_free(&pipeline->decoder);
    delivery_done(&pipeline->delivery);
    if (pipeline->signals >= 0)
        close(pipeline->signals);
}

/* Opens each file once, so that a wrong name is told before anything is written. */
static int check_files(const struct read_options *options)
{
    int status = EXIT_DONE;

    for (size_t i = 0; i < options->files.count; i++) {
        char message[FILE_READER_MESSAGE_BYTES];

        if (!file_reader_is_known(options->files.items[i], message)) {
            fprintf(stderr, "weir: %s\n", message);
            status = EXIT_USAGE;
        }
    }
    return status;
}

int read_pipeline_run(const struct read_options *options)
{
    static struct read_pipeline pipeline; /* large */
    int status = check_files(options);

    if (status != EXIT_DONE)
        return status;
    pipeline.options = options;
    pipeline.signals = signals_block();
    progress_init(&pipeline.progress, options->is_quiet);
    status = EXIT_FAILED;
    if (stages_start(&pipeline) == 0) {
        status = EXIT_DONE;
        for (size_t i = 0; i < options->files.count && !pipeline.is_stopped; i++) {
            int result = read_file(&pipeline, options->files.items[i]);

            status = result > status ? result : status;
        }
        pipeline_end(&pipeline);
        if (status == EXIT_DONE && pipeline.has_damage)
            status = EXIT_FAILED;
    }
    pipeline_done(&pipeline);
    return status;
}
