/* packet_source: see the header. */
#include "agent/packet_source.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/allocate.h"
#include "decode/decoder.h"
#include "decode/packet_record.h"
#include "track/claims.h"
#include "track/flows.h"
#include "track/streams.h"
#include "track/summaries.h"

enum {
    FRAME_SNAP = 16 * 1024, /* what the kernel side can hand over of one frame */
    FOLLOWED_MAXIMUM = 64,
};

struct packet_source {
    struct packets_options packets_options;
    struct text_list interfaces, namespaces, mask_names;
    uint64_t statistics_interval_ns;
    struct packets *packets;
    void *context;
    void (*on_record)(void *context, struct record *record);
    struct decoder *decoder;
    struct flows *flows;
    struct streams *streams;
    struct claims *claims;
    struct packet packet;                      /* large, so not on the stack */
    uint16_t followed_ports[FOLLOWED_MAXIMUM]; /* of the parsers that are not found by content */
    uint64_t packet_records, flow_records, lost_records, duplicate_flows;
    bool with_connections; /* closed sockets have records of their own */
    bool is_xdp;
    uint16_t community_id_seed;
};

static const char *source_name(const struct packet_source *source)
{
    return source->is_xdp ? "xdp" : "tc";
}

/* `is_flow`: the packet went through flows. */
static void log_packet(struct packet_source *source, bool is_flow)
{
    bool is_drop = source->packet.frame->drop_reason.length;
    struct packet_record_options options = {
        .source = is_drop ? "drop" : source_name(source),
        .id = record_next_id(source->packet.frame->time_ns),
    };
    struct flows_place place;

    if (is_flow && flows_last(source->flows, &source->packet, &place)) {
        options.connection = place.connection;
        options.community_id = place.community_id;
        options.has_window_scale = place.has_window_scale;
        options.window_scale = place.window_scale;
        options.has_client = place.has_client;
        options.is_from_client = place.is_from_client;
    }
    if (!options.connection && !source->packet.tunnel_count)
        options.connection = source->packet.frame->flow;
    struct record *record = packet_record_make(&source->packet, &options);

    source->packet_records++;
    if (record)
        source->on_record(source->context, record);
    else
        source->lost_records++;
}

static void on_frame(void *context, const struct packets_frame *frame)
{
    struct packet_source *source = context;

    decoder_decode(source->decoder, &frame->frame, &source->packet);
    if (frame->is_stream)
        flows_packet(source->flows, &source->packet);
    if (frame->is_record)
        log_packet(source, frame->is_stream);
}

static void on_flow(void *context, const struct flow_summary *flow)
{
    struct packet_source *source = context;
    struct record *record;

    if (source->with_connections && claims_has(source->claims, &flow->ends[0], &flow->ends[1])) {
        source->duplicate_flows++;
        return;
    }
    record = summary_record(flow, NULL, source->community_id_seed);
    source->flow_records++;
    if (record)
        source->on_record(source->context, record);
    else
        source->lost_records++;
}

/* A finished exchange. */
static void on_exchange(void *context, struct record *record)
{
    claims_hold(((struct packet_source *)context)->claims, record);
}

/* The kernel has counted the flows better: it has seen all of their packets. */
static void on_partial_flow(void *context, struct record *record)
{
    (void)context;
    record_unref(&record);
}

static void on_single(void *context, struct record *record)
{
    const struct packet_source *source = context;

    source->on_record(source->context, record);
}

/* HTTP is found on any port by its content; others by the ports of their parsers. */
static void followed_ports_find(struct packet_source *source)
{
    size_t count = 0;

    for (size_t i = 0; parsers_all[i]; i++) {
        const uint16_t *port = parsers_all[i]->port_hints;

        if (strcmp(parsers_all[i]->record_type, "http") == 0)
            continue;
        for (; port && *port && count + 1 < FOLLOWED_MAXIMUM; port++)
            source->followed_ports[count++] = *port;
    }
}

static int stages_make(struct packet_source *source, const struct run_options *options)
{
    struct streams_options streams_options = {
        .connection_maximum = options->connection_limit,
        .head_maximum = options->head_limit,
        .source = source_name(source),
        .context = source,
        .on_record = on_exchange,
    };
    struct flows_options flows_options = {
        .flow_maximum = options->connection_limit,
        .community_id_seed = (uint16_t)options->community_id_seed,
        .source = source_name(source),
        .context = source,
        .on_record = on_partial_flow,
    };
    int result = streams_new(&streams_options, &source->streams);

    if (getrandom(&flows_options.hash_seed, sizeof(flows_options.hash_seed), 0) < 0)
        return -errno;
    if (result == 0) {
        flows_options.listener = streams_listener(source->streams);
        result = flows_new(&flows_options, &source->flows);
    }
    if (result == 0)
        result = decoder_new(&(struct decoder_options){0}, &source->decoder);
    return result ? result : claims_new(2 * options->connection_limit, &source->claims);
}

static enum packets_hook hook_of(const char *name)
{
    int hook = PACKETS_HOOK_AUTO;

    for (int i = 0; i < PACKETS_HOOK_COUNT; i++)
        if (strcmp(packets_hook_names[i], name) == 0)
            hook = i;
    return (enum packets_hook)hook;
}

static void list_copy(struct text_list *to, const struct text_list *from)
{
    *to = *from;
    for (size_t i = 0; i < from->count; i++)
        to->items[i] = to->bytes + (from->items[i] - from->bytes);
}

int packet_source_new(const struct run_options *options, const struct prefilter *prefilter,
                      void *context, void (*on_record)(void *context, struct record *record),
                      struct packet_source **ret_source)
{
    static const char *const automatic[] = {"auto", NULL};
    struct packet_source *source = allocate_zeroed(sizeof(*source));
    int result = -ENOMEM;

    if (source) {
        source->context = context;
        source->on_record = on_record;
        source->with_connections = options->with_connections;
        source->community_id_seed = (uint16_t)options->community_id_seed;
        source->statistics_interval_ns = options->statistics_interval_ns;
        list_copy(&source->interfaces, &options->packets);
        list_copy(&source->namespaces, &options->namespaces);
        list_copy(&source->mask_names, &options->mask_names);
        followed_ports_find(source);
        source->packets_options = (struct packets_options){
            .hook = options->packets.count || options->with_packet_records
                        ? hook_of(options->packet_hook)
                        : PACKETS_HOOK_NONE,
            .interfaces = source->interfaces.count ? source->interfaces.items : automatic,
            .namespaces = source->namespaces.items,
            .ring_bytes = options->packet_ring_bytes,
            .snap = FRAME_SNAP,
            .message_bytes = options->packet_message_bytes,
            .flow_maximum = options->flow_limit,
            .with_records = options->with_packet_records,
            .with_streams = true,
            .with_drops = options->with_drops,
            .is_promiscuous = options->with_promiscuous,
            .prefilter = *prefilter,
            .followed_ports = source->followed_ports,
            /* With a key user space needs the values: it makes their digests. */
            .with_masking = !options->is_masking_disabled && options->mask_key_length == 0,
            .mask_names = source->mask_names.items,
        };
        source->is_xdp = source->packets_options.hook >= PACKETS_HOOK_XDP &&
                         source->packets_options.hook <= PACKETS_HOOK_XDP_GENERIC;
        result = stages_make(source, options);
    }
    if (result) {
        fprintf(stderr, "weir: %s\n", strerror(-result));
        packet_source_free(&source);
        return result;
    }
    *ret_source = source;
    return 0;
}

void packet_source_free(struct packet_source **source)
{
    if (!source || !*source)
        return;
    packets_free(&(*source)->packets);
    if ((*source)->flows)
        flows_free(&(*source)->flows);
    if ((*source)->streams)
        streams_free(&(*source)->streams);
    if ((*source)->decoder)
        decoder_free(&(*source)->decoder);
    claims_free(&(*source)->claims);
    deallocate(*source);
    *source = NULL;
}

struct stream_listener packet_source_listen(struct packet_source *source,
                                            const struct stream_listener *next)
{
    return claims_listener(source->claims, next);
}

void packet_source_note(struct packet_source *source, const struct flow_summary *socket)
{
    if (!socket->is_unix)
        claims_note(source->claims, &socket->ends[0], &socket->ends[1], socket->closed_ns);
}

int packet_source_start(struct packet_source *source)
{
    struct packets_listener listener = {source, on_frame, on_flow};
    char message[1024];
    int result = packets_new(&source->packets_options, &listener, &source->packets, message);

    if (result)
        fprintf(stderr,
                "weir: cannot look at packets: %s\n"
                "weir: this needs root, or CAP_BPF and CAP_NET_ADMIN (or CAP_NET_RAW); `weir "
                "doctor` says more\n",
                message[0] ? message : strerror(-result));
    else if (packets_complaint(source->packets))
        fprintf(stderr, "weir: warning: %s\n", packets_complaint(source->packets));
    return result;
}

void packet_source_change_statistics(struct packet_source *source, uint64_t interval_ns)
{
    source->statistics_interval_ns = interval_ns;
}

int packet_source_change(struct packet_source *source, const struct prefilter *prefilter,
                         const struct text_list *mask_names)
{
    int result =
        packets_change_mask_names(source->packets, source->mask_names.items, mask_names->items);

    if (result)
        return result;
    list_copy(&source->mask_names, mask_names);
    return packets_filter(source->packets, prefilter, source->followed_ports);
}

const char *packet_source_hook(const struct packet_source *source)
{
    return source->packets ? packets_hook_names[packets_hook_used(source->packets)] : NULL;
}

int packet_source_descriptor(const struct packet_source *source)
{
    return packets_descriptor(source->packets);
}

int packet_source_drain(struct packet_source *source, uint64_t claimed_ns)
{
    int count = packets_drain(source->packets);
    uint64_t time_ns = clock_even_ns();

    packets_tick(source->packets, source->statistics_interval_ns);
    flows_tick(source->flows, time_ns);
    streams_tick(source->streams, time_ns);
    claims_settle(source->claims, claimed_ns, false, source, on_single);
    return count;
}

void packet_source_end(struct packet_source *source)
{
    uint64_t time_ns = clock_even_ns();

    packets_detach(source->packets);
    packets_drain(source->packets);
    packets_flush(source->packets);
    flows_flush(source->flows, time_ns);
    streams_flush(source->streams, time_ns);
    claims_settle(source->claims, time_ns, true, source, on_single);
}

void packet_source_add_totals(struct packet_source *source, struct totals *totals)
{
    const struct streams_counters *streams = streams_counters(source->streams);
    struct packets_counters kernel;

    if (!source->packets)
        return;
    packets_read_counters(source->packets, &kernel);
    totals->seen += streams->seen - claims_duplicates(source->claims) + source->packet_records +
                    source->flow_records;
    for (size_t i = 0; i < kernel.reason_count; i++) {
        totals->seen += kernel.reasons[i].records;
        totals_add_loss(totals, kernel.reasons[i].reason, kernel.reasons[i].records,
                        kernel.reasons[i].bytes, kernel.reasons[i].packets);
    }
    for (size_t i = 0; i < STREAMS_REASONS_MAXIMUM && streams->reasons[i].reason; i++)
        totals_add_loss(totals, streams->reasons[i].reason, streams->reasons[i].count, 0,
                        streams->reasons[i].count);
    totals_add_loss(totals, "memory", source->lost_records, 0, source->lost_records);
    totals_add_decoder(totals, decoder_counters(source->decoder));
}

void packet_source_tell(struct packet_source *source, FILE *file)
{
    struct packets_counters kernel;

    packets_read_counters(source->packets, &kernel);
    fprintf(file,
            "weir: packets %" PRIu64 ", of them %" PRIu64 " not wanted, %" PRIu64
            " seen at several hooks and counted at one; shown by the sockets too: %" PRIu64
            " exchanges, %" PRIu64 " connections\n",
            kernel.packets, kernel.refused, kernel.duplicates, claims_duplicates(source->claims),
            source->duplicate_flows);
}
