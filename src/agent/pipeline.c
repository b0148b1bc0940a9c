/* pipeline: capture -> track -> parse -> refine -> encode -> sink, for one shard. */
#include "agent/pipeline.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/clock.h"
#include "agent/commands.h"
#include "agent/delivery.h"
#include "agent/exporter.h"
#include "agent/enrichment.h"
#include "agent/packet_source.h"
#include "agent/ready.h"
#include "agent/process_choices.h"
#include "agent/selection.h"
#include "agent/signals.h"
#include "base/clock.h"
#include "capture/capture.h"
#include "capture/ring_pace.h"
#include "track/streams.h"
#include "track/summaries.h"

struct pipeline {
    const struct run_options *options; /* of *setup */
    struct setup **setup;
    char *const *arguments;
    struct capture_selection selection; /* what the kernel decides */
    struct enrichment *enrichment;
    struct process_choices *choices; /* whom the kernel need not look at */
    struct streams *streams;
    struct delivery delivery;
    struct exporter *exporter;      /* NULL: no metrics */
    struct capture *capture;        /* NULL: the sockets are not looked at */
    struct packet_source *packets;  /* NULL: nor are packets */
    uint64_t sockets, lost_sockets; /* closed ones that were told; without memory for a record */
    char host_name[HOST_NAME_MAX + 1];
    int signals;
};

static void on_record(void *context, struct record *record)
{
    enrichment_take(((struct pipeline *)context)->enrichment, record);
}

/* What is to be known of the record is known. */
static void on_enriched(void *context, struct record *record)
{
    delivery_take(&((struct pipeline *)context)->delivery, record);
}

static void on_protocol(void *context, uint64_t connection, const struct parser *parser,
                        bool wants_payloads, bool is_successor)
{
    struct pipeline *pipeline = context;
    bool is_followed = parser && !parser->is_start_enough;

    /* Behind something else the hooks do not look for heads, and copy. */
    if (pipeline->capture && !(parser && parser->is_known_to_source && !is_successor))
        capture_follow(pipeline->capture, connection, is_followed, wants_payloads);
}

static void identify(void *context, const struct process_identity *identity,
                     struct process_details *ret_details)
{
    enrichment_identify(((struct pipeline *)context)->enrichment, identity, ret_details);
}

static void on_process(void *context, const struct process_identity *process)
{
    struct pipeline *pipeline = context;

    if (pipeline->capture)
        process_choices_see(pipeline->choices, &pipeline->delivery, pipeline->enrichment,
                            pipeline->capture, process);
}

/* A TCP socket has closed, or lives and has changed. */
static void on_socket(void *context, const struct flow_summary *socket)
{
    struct pipeline *pipeline = context;
    struct process_details details = {0};
    struct record *record;

    if (socket->process.pid)
        identify(pipeline, &socket->process, &details);
    record = summary_record(socket, &details, (uint16_t)pipeline->options->community_id_seed);
    pipeline->sockets++;
    if (pipeline->packets)
        packet_source_note(pipeline->packets, socket);
    if (record)
        enrichment_take(pipeline->enrichment, record);
    else
        pipeline->lost_sockets++;
}

/* What happened before the records were delivered. */
static void totals_gather(struct pipeline *pipeline, struct totals *totals)
{
    const struct streams_counters *streams = streams_counters(pipeline->streams);
    struct capture_counters kernel = {0};

    if (pipeline->capture)
        capture_read_counters(pipeline->capture, &kernel);
    memset(totals, 0, sizeof(*totals));
    totals->seen = streams->seen + kernel.lost_exchanges + kernel.filtered + pipeline->sockets;
    totals->filtered = kernel.filtered + streams->silenced;
    totals_add_loss(totals, "memory", pipeline->lost_sockets, 0, pipeline->lost_sockets);
    for (size_t i = 0; i < kernel.reason_count; i++)
        totals_add_loss(totals, kernel.reasons[i].reason, kernel.reasons[i].exchanges,
                        kernel.reasons[i].bytes, kernel.reasons[i].events);
    for (size_t i = 0; i < STREAMS_REASONS_MAXIMUM && streams->reasons[i].reason; i++)
        totals_add_loss(totals, streams->reasons[i].reason, streams->reasons[i].count, 0,
                        streams->reasons[i].count);
    enrichment_add_totals(pipeline->enrichment, totals);
    if (pipeline->packets)
        packet_source_add_totals(pipeline->packets, totals);
}

static void losses_write(struct pipeline *pipeline, uint64_t time_ns)
{
    struct totals totals;

    totals_gather(pipeline, &totals);
    delivery_add_totals(&pipeline->delivery, &totals);
    delivery_tell_losses(&pipeline->delivery, &totals, time_ns);
}

static void totals_publish(struct pipeline *pipeline, uint64_t time_ns)
{
    struct exporter_health health = {0};
    struct totals totals;

    totals_gather(pipeline, &totals);
    delivery_add_totals(&pipeline->delivery, &totals);
    streams_hops(pipeline->streams, &health.hops_linked, &health.hops_overlooked);
    if (pipeline->capture)
        capture_ring_peak(pipeline->capture, &health.ring_peak, &health.ring_size);
    exporter_publish(pipeline->exporter, &totals, &health, &pipeline->delivery, time_ns);
}

/* Takes what the rings hold through all stages. The number of ring records, or -errno. */
static int pipeline_drain(struct pipeline *pipeline)
{
    uint64_t time_ns = clock_now_ns(CLOCK_REALTIME), began_ns = clock_even_ns();
    int count = 0, others = 0;

    delivery_follow_clock(&pipeline->delivery);
    if (pipeline->capture)
        count = capture_drain(pipeline->capture);
    if (pipeline->packets)
        others = packet_source_drain(pipeline->packets, began_ns);
    streams_tick(pipeline->streams, clock_even_ns());
    enrichment_tick(pipeline->enrichment);
    if (delivery_losses_are_due(&pipeline->delivery, time_ns))
        losses_write(pipeline, time_ns);
    if (exporter_is_due(pipeline->exporter, time_ns))
        totals_publish(pipeline, time_ns);
    delivery_tick(&pipeline->delivery, time_ns);
    delivery_push(&pipeline->delivery);
    return count < 0 ? count : others < 0 ? others : count + others;
}

static struct delivery_options delivery_options_of(const struct pipeline *pipeline,
                                                   const struct run_options *options,
                                                   struct slice query)
{
    return (struct delivery_options){
        .with_output = options->with_output,
        .format = options->format,
        .with_colour = options->with_colour,
        .with_headers = options->is_verbose,
        .output_file = options->output_file,
        .queue_bytes = options->queue_bytes,
        .is_blocking = strcmp(options->on_full, "block") == 0,
        .sinks = &options->sinks,
        .config_path = (*pipeline->setup)->path,
        .metrics = exporter_metrics(pipeline->exporter),
        .rules = setup_rules_of(options, (*pipeline->setup)->path),
        .query = query,
        .mask = {.is_disabled = options->is_masking_disabled,
                 .key = slice_of(options->mask_key, options->mask_key_length),
                 .names = options->mask_names.count ? options->mask_names.items : NULL},
        .observer = options->observer,
        .with_datagrams = !options->packets.count,
        .host_name = pipeline->host_name,
        .record_limit = options->record_limit,
        .loss_interval_ns = options->loss_interval_ns,
    };
}

static int told(int result)
{
    if (result)
        fprintf(stderr, "weir: %s\n", strerror(-result));
    return result;
}

/* Takes what the fresh options change. False, and told: nothing has changed. */
static bool options_apply(struct pipeline *pipeline, const struct run_options *fresh)
{
    const struct run_options *old = pipeline->options;
    struct capture_selection selection;
    struct delivery_options options;
    struct buffer text;
    int result;

    buffer_init(&text, 1024 * 1024);
    result = selection_make(fresh, &text, &selection);
    if (result == 0 && pipeline->capture && !fresh->is_masking_disabled)
        result = told(capture_change_mask_names(
            pipeline->capture, old->mask_names.count ? old->mask_names.items : NULL,
            fresh->mask_names.count ? fresh->mask_names.items : NULL));
    if (result == 0 && pipeline->packets)
        result = told(packet_source_change(pipeline->packets, &selection.only, &fresh->mask_names));
    if (result == 0 && pipeline->capture)
        result = told(capture_select(pipeline->capture, &selection));
    options = delivery_options_of(pipeline, fresh, buffer_slice(&text));
    if (result == 0)
        result = delivery_renew(&pipeline->delivery, &options);
    if (result == 0) {
        if (pipeline->capture)
            capture_change_statistics(pipeline->capture, fresh->statistics_interval_ns);
        if (pipeline->packets)
            packet_source_change_statistics(pipeline->packets, fresh->statistics_interval_ns);
        streams_change_sides(pipeline->streams, fresh->with_both_sides, clock_even_ns());
        pipeline->selection = selection;
        if (pipeline->capture && !selection_is_equal(old, fresh)) {
            process_choices_forget(pipeline->choices, pipeline->capture);
            streams_tell_processes(pipeline->streams);
        }
    } else if (pipeline->capture) {
        capture_select(pipeline->capture, &pipeline->selection);
    }
    buffer_done(&text);
    return result == 0;
}

/* SIGHUP: the options anew. What is wrong is told, and the old ones stay in force. */
static void setup_renew(struct pipeline *pipeline)
{
    struct setup *fresh = NULL;
    int status;

    if (setup_load(pipeline->arguments, &fresh, &status)) {
        struct run_options *options = &fresh->options;

        if (options->mask_key_length == 0) { /* the variable was wiped when it was read */
            memcpy(options->mask_key, pipeline->options->mask_key, sizeof(options->mask_key));
            options->mask_key_length = pipeline->options->mask_key_length;
        }
        setup_tell_restart(pipeline->options, options);
        if (options_apply(pipeline, options)) {
            setup_free(pipeline->setup);
            *pipeline->setup = fresh;
            pipeline->options = options;
            if (!options->is_quiet)
                fputs("weir: configuration read again\n", stderr);
            return;
        }
        setup_free(&fresh);
    }
    fputs("weir: the old configuration stays in force\n", stderr);
}

/* False: a signal says that it is time to end. */
static bool signals_handle(struct pipeline *pipeline)
{
    struct signalfd_siginfo info;

    while (read(pipeline->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo != SIGHUP)
            return false;
        delivery_reopen(&pipeline->delivery);
        setup_renew(pipeline);
    }
    return true;
}

static bool limits_are_open(const struct pipeline *pipeline, uint64_t started_ns)
{
    const struct run_options *options = pipeline->options;

    if (delivery_is_full(&pipeline->delivery))
        return false;
    return !options->duration_ns ||
           clock_now_ns(CLOCK_MONOTONIC) - started_ns < options->duration_ns;
}

/* 0, or -errno when it was not the user who ended it. */
static int pipeline_loop(struct pipeline *pipeline)
{
    struct pollfd polls[] = {
        {.fd = pipeline->signals, .events = POLLIN},
        {.fd = pipeline->capture ? capture_descriptor(pipeline->capture) : -1, .events = POLLIN},
        {.fd = pipeline->packets ? packet_source_descriptor(pipeline->packets) : -1,
         .events = POLLIN},
    };
    uint64_t started_ns = clock_now_ns(CLOCK_MONOTONIC);
    uint64_t worked_ns = clock_now_ns(CLOCK_THREAD_CPUTIME_ID);
    struct ring_pace pace;

    ring_pace_start(&pace, pipeline->options->poll_interval_ns);
    while (limits_are_open(pipeline, started_ns)) {
        struct timespec sleep = {.tv_nsec = (long)pace.sleep_ns};
        uint64_t before_ns = worked_ns;
        int count;

        /*
         * Busy: by time alone, since the ring's descriptor is readable at any byte. Idle: the
         * ring too, so that a burst is not slept through.
         */
        if (ppoll(polls, ring_pace_is_idle(&pace) ? 3 : 1, &sleep, NULL) > 0 && polls[0].revents &&
            !signals_handle(pipeline))
            return 0;
        polls[0].revents = 0;
        count = pipeline_drain(pipeline);
        if (count < 0 && count != -EINTR)
            return count;
        if (delivery_error(&pipeline->delivery) == -EPIPE)
            return 0;
        worked_ns = clock_now_ns(CLOCK_THREAD_CPUTIME_ID);
        ring_pace_look(&pace, worked_ns - before_ns, count > 0);
    }
    return 0;
}

/* Everything but capture. 0 or -errno, told. */
static int stages_start(struct pipeline *pipeline)
{
    const struct run_options *options = pipeline->options;
    struct streams_options streams_options = {
        .connection_maximum = options->connection_limit,
        .head_maximum = options->head_limit,
        .source = "socket",
        .with_both_sides = options->with_both_sides,
        .context = pipeline,
        .identify = identify,
        .on_protocol = on_protocol,
        .on_process = on_process,
        .on_record = on_record,
    };
    struct buffer text;
    int result;

    buffer_init(&text, 1024 * 1024);
    result = selection_make(options, &text, &pipeline->selection);
    if (result == 0)
        result = enrichment_new(options, pipeline, on_enriched, &pipeline->enrichment);
    if (result == 0)
        result = told(process_choices_new(&pipeline->choices));
    if (result == 0)
        result = told(streams_new(&streams_options, &pipeline->streams));
    if (result == 0 && (options->metrics || delivery_wants_metrics(&options->sinks)))
        result = exporter_start(options->metrics, options->is_quiet, &pipeline->exporter);
    if (result == 0) {
        struct delivery_options delivery_options =
            delivery_options_of(pipeline, options, buffer_slice(&text));

        result =
            delivery_start(&pipeline->delivery, &delivery_options, clock_now_ns(CLOCK_REALTIME));
    }
    buffer_done(&text);
    return result;
}

static int capture_start(struct pipeline *pipeline)
{
    const struct run_options *options = pipeline->options;
    struct stream_listener own = streams_listener(pipeline->streams);
    struct stream_listener listener =
        pipeline->packets ? packet_source_listen(pipeline->packets, &own) : own;
    struct capture_options capture_options = {
        .with_protocols = !options->is_http_only,
        .with_tls = !options->is_tls_disabled,
        .ring_bytes = options->ring_bytes,
        .is_masking_disabled = options->is_masking_disabled,
        .mask_key = slice_of(options->mask_key, options->mask_key_length),
        .mask_names = options->mask_names.count ? options->mask_names.items : NULL,
        .selection = pipeline->selection,
        .on_summary = options->with_connections ? on_socket : NULL,
        .summary_context = pipeline,
        .statistics_interval_ns = options->statistics_interval_ns,
        .on_process = enrichment_learn,
        .process_context = pipeline->enrichment,
        .with_command_line = options->with_command_line,
        .with_socket_wait = options->with_socket_wait,
        .with_unix = options->with_unix,
    };
    char message[1024];
    int result;

    for (int rung = 0; rung < CAPTURE_RUNG_COUNT; rung++)
        if (strcmp(options->rung, capture_rung_names[rung]) == 0)
            capture_options.rung = (enum capture_rung)rung;
    result = capture_new(&capture_options, &listener, &pipeline->capture, message);
    if (result == 0)
        enrichment_set_capture(pipeline->enrichment, pipeline->capture);
    if (result)
        fprintf(stderr,
                "weir: cannot capture: %s\n"
                "weir: %s; `weir doctor` says more\n",
                message[0] ? message : strerror(-result),
                geteuid() == 0 ? "this kernel or a limit of this host refuses it, even to root"
                               : "run as root or with CAP_BPF and CAP_PERFMON");
    return result;
}

static void pipeline_end(struct pipeline *pipeline)
{
    struct totals totals;

    if (pipeline->capture)
        capture_detach(pipeline->capture);
    pipeline_drain(pipeline);
    streams_flush(pipeline->streams, clock_even_ns());
    enrichment_flush(pipeline->enrichment);
    if (pipeline->packets)
        packet_source_end(pipeline->packets);
    losses_write(pipeline, clock_now_ns(CLOCK_REALTIME));
    if (pipeline->exporter)
        totals_publish(pipeline, clock_now_ns(CLOCK_REALTIME));
    exporter_end(pipeline->exporter, &pipeline->delivery, clock_now_ns(CLOCK_REALTIME));
    delivery_close(&pipeline->delivery, pipeline->signals);
    totals_gather(pipeline, &totals);
    if (pipeline->packets)
        packet_source_tell(pipeline->packets, stderr);
    enrichment_tell(pipeline->enrichment, stderr);
    delivery_print_totals(&pipeline->delivery, &totals);
}

static void pipeline_done(struct pipeline *pipeline)
{
    capture_free(&pipeline->capture);
    packet_source_free(&pipeline->packets);
    if (pipeline->streams)
        streams_free(&pipeline->streams);
    enrichment_free(&pipeline->enrichment);
    exporter_stop(&pipeline->exporter); /* before what it shows */
    process_choices_free(&pipeline->choices);
    delivery_done(&pipeline->delivery);
    if (pipeline->signals >= 0)
        close(pipeline->signals);
}

/* Both sources, as far as they are asked for. 0 or -errno, told. */
static int sources_start(struct pipeline *pipeline)
{
    const struct run_options *options = pipeline->options;
    bool with_sockets = strcmp(options->rung, "none") != 0;
    bool with_packets = options->packets.count || options->with_packet_records ||
                        options->with_drops;
    int result = 0;

    if (with_packets)
        result = packet_source_new(options, &pipeline->selection.only, pipeline->enrichment,
                                   enrichment_take_packet, &pipeline->packets);
    if (result == 0 && with_sockets)
        result = capture_start(pipeline);
    if (result == 0 && with_packets)
        result = packet_source_start(pipeline->packets);
    return result;
}

int pipeline_run(struct setup **setup, char *const *arguments)
{
    struct pipeline pipeline = {.options = &(*setup)->options,
                                .setup = setup,
                                .arguments = arguments,
                                .signals = signals_block()};
    int status = EXIT_FAILED;

    gethostname(pipeline.host_name, sizeof(pipeline.host_name) - 1);
    if (stages_start(&pipeline) == 0) {
        int result = sources_start(&pipeline);

        status = result == 0 ? EXIT_DONE : result == -ENOMEM ? EXIT_FAILED : EXIT_NOT_ALLOWED;
        if (result == 0) {
            ready_tell(pipeline.options, pipeline.capture, pipeline.packets);
            if (pipeline_loop(&pipeline) < 0)
                status = EXIT_FAILED;
            pipeline_end(&pipeline);
        }
    }
    pipeline_done(&pipeline);
    return status;
}
