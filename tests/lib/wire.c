/* wire: see wire.h. Packets are made as decode/ makes them, with a real TCP header behind them. */
#include "tests/lib/wire.h"
#include <stdio.h>
#include <stdlib.h>

enum { IP_HEAD = 20, LINK_HEAD = 14, TCP_HEAD = 20, UDP_HEAD = 8, STEP_NS = 1000000 };

static void on_open(void *context, const struct stream_open *open)
{
    struct wire *wire = context;
    wire->opened++;
    wire->is_late = open->is_late;
    wire->is_datagram = open->is_datagram;
    for (int i = 0; i < 2; i++) {
        memset(wire->streams[i].bytes, '?', sizeof(wire->streams[i].bytes));
        wire->streams[i].length = 0;
        wire->streams[i].end = UINT64_MAX;
        wire->streams[i].is_disordered = false;
    }
}

static void on_data(void *context, const struct stream_data *data)
{
    struct wire *wire = context;
    struct wire_stream *stream = &wire->streams[data->direction];
    if (data->position < stream->length || data->end_position < data->position + data->bytes.length)
        stream->is_disordered = true;
    if (data->position + data->bytes.length <= WIRE_BYTES_MAXIMUM && data->bytes.length)
        memcpy(stream->bytes + data->position, data->bytes.data, data->bytes.length);
    stream->length = data->end_position;
}

static void on_end(void *context, const struct stream_end *end)
{
    ((struct wire *)context)->streams[end->direction].end = end->position;
}

static void on_close(void *context, uint64_t connection, uint64_t time_ns, bool was_reset)
{
    (void)connection, (void)time_ns, (void)was_reset;
    ((struct wire *)context)->closed++;
}

static void on_record(void *context, struct record *record)
{
    struct wire *wire = context;
    if (wire->record_count < WIRE_RECORDS_MAXIMUM)
        wire->records[wire->record_count++] = record;
    else
        record_unref(&record);
}

int wire_init(struct wire *wire, const struct flows_options *options)
{
    struct flows_options own = options ? *options : (struct flows_options){0};
    memset(wire, 0, sizeof(*wire));
    wire->time_ns = 1700000000ull * 1000000000;
    wire->ends[0] = (struct endpoint){{ADDRESS_IPV4, {10, 0, 0, 1}}, 40000};
    wire->ends[1] = (struct endpoint){{ADDRESS_IPV4, {10, 0, 0, 2}}, 8081};
    wire->sequence[0] = 1000;
    wire->sequence[1] = 5000;
    own.source = "pcap";
    own.listener = (struct stream_listener){.context = wire,
                                            .on_open = on_open,
                                            .on_data = on_data,
                                            .on_end = on_end,
                                            .on_close = on_close};
    own.context = wire;
    own.on_record = on_record;
    return flows_new(&own, &wire->flows);
}

void wire_forget(struct wire *wire)
{
    for (size_t i = 0; i < wire->record_count; i++)
        record_unref(&wire->records[i]);
    wire->record_count = 0;
}

void wire_done(struct wire *wire)
{
    flows_free(&wire->flows);
    wire_forget(wire);
}

static void prepare(struct wire *wire, int side, struct frame *frame, struct packet *packet)
{
    wire->time_ns += STEP_NS;
    *frame = (struct frame){.time_ns = wire->time_ns};
    *packet = (struct packet){.frame = frame,
                              .ip_version = 4,
                              .source = wire->ends[side].address,
                              .destination = wire->ends[!side].address,
                              .source_port = wire->ends[side].port,
                              .destination_port = wire->ends[!side].port,
                              .has_transport = true,
                              .has_ports = true,
                              .layer_count = 1};
    if (wire->vlan) {
        packet->vlans[0] = wire->vlan;
        packet->vlan_count = 1;
    }
}

static uint16_t checksum_of(const struct packet *packet, const uint8_t *header, size_t length)
{
    uint32_t sum = packet->protocol + (uint32_t)length + packet->payload_length;
    for (size_t i = 0; i < 4; i += 2)
        sum += (uint32_t)(packet->source.bytes[i] << 8 | packet->source.bytes[i + 1]) +
               (uint32_t)(packet->destination.bytes[i] << 8 | packet->destination.bytes[i + 1]);
    for (size_t i = 0; i < length; i += 2)
        sum += (uint32_t)(header[i] << 8 | header[i + 1]);
    for (size_t i = 0; i < packet->payload.length; i++)
        sum += (uint32_t)packet->payload.data[i] << (i % 2 ? 0 : 8);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

void wire_send(struct wire *wire, const struct wire_segment *segment)
{
    struct frame frame;
    struct packet packet;
    uint8_t header[TCP_HEAD] = {
        [12] = 5 << 4, [18] = (uint8_t)(segment->urgent >> 8), [19] = (uint8_t)segment->urgent};
    prepare(wire, segment->side, &frame, &packet);
    packet.protocol = PROTOCOL_TCP;
    packet.layers[0] =
        (struct packet_layer){.kind = LAYER_TCP, .header = slice_of(header, TCP_HEAD)};
    packet.tcp_sequence = segment->sequence;
    packet.tcp_acknowledgment = segment->acknowledgment;
    packet.tcp_flags = segment->flags;
    packet.tcp_window = segment->is_window_zero ? 0 : segment->window ? segment->window : 65535;
    packet.payload = segment->payload;
    packet.payload_length = segment->length ? segment->length : (uint32_t)segment->payload.length;
    packet.ip_length = IP_HEAD + TCP_HEAD + packet.payload_length;
    frame.length = LINK_HEAD + packet.ip_length;
    frame.segment_count = segment->segment_count;
    uint16_t checksum = checksum_of(&packet, header, TCP_HEAD);
    if (segment->checksum == WIRE_CHECKSUM_WRONG)
        checksum ^= 0x5555;
    header[16] = (uint8_t)(checksum >> 8);
    header[17] = (uint8_t)checksum;
    if (segment->checksum == WIRE_CHECKSUM_NONE)
        packet.layers[0].header.length = 0;
    flows_packet(wire->flows, &packet);
}

void wire_datagram(struct wire *wire, int side, struct slice payload)
{
    struct frame frame;
    struct packet packet;
    uint8_t header[UDP_HEAD] = {0};
    prepare(wire, side, &frame, &packet);
    packet.protocol = PROTOCOL_UDP;
    packet.layers[0] =
        (struct packet_layer){.kind = LAYER_UDP, .header = slice_of(header, UDP_HEAD)};
    packet.payload = payload;
    packet.payload_length = (uint32_t)payload.length;
    packet.ip_length = IP_HEAD + UDP_HEAD + packet.payload_length;
    frame.length = LINK_HEAD + packet.ip_length;
    flows_packet(wire->flows, &packet);
}

static uint16_t flag_of(char letter)
{
    static const char letters[] = "FSRPAU";
    const char *at = strchr(letters, letter);
    return at && letter ? (uint16_t)(1u << (at - letters)) : 0;
}

/* One word; returns the place behind it. */
static const char *play_word(struct wire *wire, const char *at)
{
    static uint8_t payload[WIRE_BYTES_MAXIMUM];
    struct wire_segment segment = {.side = *at++ == '<'};
    bool is_repeated = false;
    unsigned long length = 0;
    for (; *at && *at != ' '; at++) {
        if (*at >= '0' && *at <= '9')
            length = length * 10 + (unsigned long)(*at - '0');
        is_repeated |= *at == '~';
        segment.is_window_zero |= *at == 'z';
        segment.flags |= flag_of(*at);
    }
    uint32_t space = (uint32_t)length + (segment.flags & TCP_SYN ? 1 : 0) +
                     (segment.flags & TCP_FIN ? 1 : 0);
    uint32_t *sequence = &wire->sequence[segment.side];
    segment.sequence = is_repeated ? *sequence - space : *sequence;
    segment.acknowledgment = segment.flags & TCP_ACK ? wire->sequence[!segment.side] : 0;
    segment.payload = slice_of(payload, length);
    wire_send(wire, &segment);
    *sequence = segment.sequence + space;
    return at;
}

void wire_play(struct wire *wire, const char *words)
{
    while (*words)
        words = *words == ' ' ? words + 1 : play_word(wire, words);
}

const char *wire_text(const struct record *record, const char *field, char text[256])
{
    const struct value *value =
        record ? record_find_const(record, field_find(slice_of_string(field))) : NULL;
    text[0] = 0;
    if (value && value->kind == VALUE_TEXT)
        snprintf(text, 256, "%.*s", (int)value->text.length, (const char *)value->text.data);
    else if (value && value->kind != VALUE_TEXTS)
        snprintf(text, 256, "%llu", (unsigned long long)value->number);
    for (uint32_t i = 0; value && value->kind == VALUE_TEXTS && i < value->count; i++)
        snprintf(text + strlen(text), 256 - strlen(text), "%s%.*s", i ? " " : "",
                 (int)value->texts[i].length, (const char *)value->texts[i].data);
    return text;
}
