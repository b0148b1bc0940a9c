/*
 * pretty_packet: a packet on one line, in the manner that readers of tcpdump know: ends, protocol,
 * flags, numbers, options, length; in front of it VLANs and tunnels, behind it what is unusual.
 */
#include "encode/pretty.h"

/* FIELD_COUNT: no field. */
static const struct value *find(const struct pretty_line *line, enum field_id field)
{
    return field < FIELD_COUNT ? pretty_find(line, field) : NULL;
}

/* The text in front and the number, when there is one. */
static void put_number(struct pretty_line *line, const char *before, enum field_id field)
{
    const struct value *value = find(line, field);

    if (!value)
        return;
    pretty_put(line, before);
    writer_number(&line->writer, value->number);
}

static const struct member *find_member(const struct object *object, const char *name)
{
    for (uint32_t i = 0; i < object->count; i++) {
        if (!strcmp(object->members[i].name, name))
            return &object->members[i];
    }
    return NULL;
}

static void put_member(struct pretty_line *line, const struct object *object, const char *name)
{
    if (find_member(object, name))
        pretty_member(line, object, name);
    else
        pretty_put(line, "?");
}

static void put_address(struct pretty_line *line, enum field_id address, enum field_id port)
{
    const struct value *value = find(line, address);
    bool has_brackets = find(line, port) && value->address->family == ADDRESS_IPV6;

    pretty_put(line, has_brackets ? "[" : "");
    writer_address(&line->writer, value->address);
    pretty_put(line, has_brackets ? "]" : "");
    put_number(line, ":", port);
}

static void put_ends(struct pretty_line *line)
{
    pretty_put(line, " ");
    if (find(line, FIELD_SOURCE_ADDRESS)) {
        put_address(line, FIELD_SOURCE_ADDRESS, FIELD_SOURCE_PORT);
        pretty_put(line, " → ");
        put_address(line, FIELD_DESTINATION_ADDRESS, FIELD_DESTINATION_PORT);
        return;
    }
    pretty_text(line, FIELD_SOURCE_MAC);
    pretty_put(line, find(line, FIELD_SOURCE_MAC) ? " → " : "");
    pretty_text(line, FIELD_DESTINATION_MAC);
}

/* vlan 13, mpls 100, vxlan 11 10.0.0.1 → 10.0.0.2 in front of what they carry */
static void put_around(struct pretty_line *line)
{
    const struct value *tags = find(line, FIELD_VLAN_TAGS);
    const struct value *labels = find(line, FIELD_MPLS_LABELS);
    const struct value *tunnels = find(line, FIELD_TUNNELS);

    for (uint32_t i = 0; tags && i < tags->count; i++) {
        pretty_put(line, " vlan ");
        put_member(line, &tags->objects[i], "id");
    }
    for (uint32_t i = 0; labels && i < labels->count; i++) {
        pretty_put(line, " mpls ");
        put_member(line, &labels->objects[i], "label");
    }
    put_number(line, " pppoe ", FIELD_PPPOE_SESSION_ID);
    for (uint32_t i = 0; tunnels && i < tunnels->count; i++) {
        const struct object *tunnel = &tunnels->objects[i];

        pretty_put(line, " ");
        put_member(line, tunnel, "kind");
        if (find_member(tunnel, "id")) {
            pretty_put(line, " ");
            put_member(line, tunnel, "id");
        }
        pretty_put(line, " ");
        put_member(line, tunnel, "source");
        pretty_put(line, " → ");
        put_member(line, tunnel, "destination");
        pretty_put(line, " |");
    }
}

/* [S.] and so on: tcpdump's letters, in its order. */
static void put_tcp_flags(struct pretty_line *line)
{
    static const struct {
        const char *name, *letter;
    } letters[] = {{"fin", "F"}, {"syn", "S"}, {"rst", "R"}, {"psh", "P"}, {"ack", "."},
                   {"urg", "U"}, {"ece", "E"}, {"cwr", "W"}, {"ae", "e"}};
    const struct value *flags = find(line, FIELD_TCP_FLAGS);

    pretty_put(line, " [");
    for (uint32_t i = 0; flags && i < flags->count; i++) {
        for (size_t j = 0; j < sizeof(letters) / sizeof(letters[0]); j++) {
            if (slice_is_equal(flags->texts[i], slice_of_string(letters[j].name)))
                pretty_put(line, letters[j].letter);
        }
    }
    pretty_put(line, flags ? "]" : "none]");
}

/* <mss 1460,nop,window_scale 7>: names, and the value of those that have one number. */
static void put_tcp_options(struct pretty_line *line)
{
    static const char *const values[] = {"value", "shift", "blocks", "subtype_name"};
    const struct value *options = find(line, FIELD_TCP_OPTIONS);

    for (uint32_t i = 0; options && i < options->count; i++) {
        const struct object *option = &options->objects[i];

        pretty_put(line, i ? "," : " <");
        put_member(line, option, "name");
        for (size_t j = 0; j < sizeof(values) / sizeof(values[0]); j++) {
            if (!find_member(option, values[j]))
                continue;
            pretty_put(line, " ");
            put_member(line, option, values[j]);
        }
    }
    pretty_put(line, options ? ">" : "");
}

static void put_tcp(struct pretty_line *line)
{
    put_tcp_flags(line);
    put_number(line, " seq ", FIELD_TCP_SEQUENCE);
    put_number(line, " ack ", FIELD_TCP_ACKNOWLEDGMENT);
    if (find(line, FIELD_TCP_WINDOW_SCALED))
        put_number(line, " win ", FIELD_TCP_WINDOW_SCALED);
    else
        put_number(line, " win ", FIELD_TCP_WINDOW);
    put_number(line, " urg ", FIELD_TCP_URGENT_POINTER);
    put_tcp_options(line);
}

static void put_icmp(struct pretty_line *line)
{
    put_number(line, " type ", FIELD_ICMP_TYPE);
    put_number(line, " code ", FIELD_ICMP_CODE);
    put_number(line, " id ", FIELD_ICMP_ID);
    put_number(line, " seq ", FIELD_ICMP_SEQUENCE);
    put_number(line, " mtu ", FIELD_ICMP_MTU);
    if (find(line, FIELD_ICMP_TARGET)) {
        pretty_put(line, " target ");
        put_address(line, FIELD_ICMP_TARGET, FIELD_COUNT);
    }
    if (find(line, FIELD_ICMP_QUOTED_SOURCE_ADDRESS)) {
        pretty_put(line, " about ");
        put_address(line, FIELD_ICMP_QUOTED_SOURCE_ADDRESS, FIELD_ICMP_QUOTED_SOURCE_PORT);
        pretty_put(line, " → ");
        put_address(line, FIELD_ICMP_QUOTED_DESTINATION_ADDRESS,
                    FIELD_ICMP_QUOTED_DESTINATION_PORT);
    }
}

static void put_arp(struct pretty_line *line)
{
    pretty_put(line, " arp ");
    if (find(line, FIELD_ARP_KIND))
        pretty_text(line, FIELD_ARP_KIND);
    else
        put_number(line, "operation ", FIELD_ARP_OPERATION);
    if (find(line, FIELD_ARP_TARGET_ADDRESS) && find(line, FIELD_ARP_SENDER_ADDRESS)) {
        pretty_put(line, " of ");
        put_address(line, FIELD_ARP_TARGET_ADDRESS, FIELD_COUNT);
        pretty_put(line, " from ");
        put_address(line, FIELD_ARP_SENDER_ADDRESS, FIELD_COUNT);
    }
}

/* The innermost header's name stands for what has no line of its own. */
static void put_protocol(struct pretty_line *line)
{
    const struct value *layers = find(line, FIELD_PACKET_LAYERS);

    pretty_put(line, " ");
    if (find(line, FIELD_NETWORK_TRANSPORT))
        pretty_text(line, FIELD_NETWORK_TRANSPORT);
    else if (layers)
        writer_escaped(&line->writer, layers->texts[layers->count - 1], WRITER_PLAIN);
    if (find(line, FIELD_TCP_SEQUENCE))
        put_tcp(line);
    else if (find(line, FIELD_ICMP_TYPE))
        put_icmp(line);
}

static void put_list(struct pretty_line *line, const char *before, enum field_id field)
{
    const struct value *value = find(line, field);

    for (uint32_t i = 0; value && i < value->count; i++) {
        pretty_put(line, i ? " " : before);
        writer_escaped(&line->writer, value->texts[i], WRITER_PLAIN);
    }
}

static bool is_bad(const struct pretty_line *line, enum field_id field)
{
    const struct value *value = find(line, field);

    return value && slice_is_equal(value->text, SLICE_LITERAL("bad"));
}

static void put_rest(struct pretty_line *line)
{
    if (find(line, FIELD_IP_FRAGMENT_OFFSET)) {
        put_number(line, " fragment of ", FIELD_IP_ID);
        put_number(line, " at ", FIELD_IP_FRAGMENT_OFFSET);
        put_number(line, ", whole: ", FIELD_IP_REASSEMBLED_LENGTH);
    }
    put_list(line, " chunks ", FIELD_SCTP_CHUNKS);
    put_number(line, " length ", FIELD_PACKET_PAYLOAD_LENGTH);
    put_number(line, " segments ", FIELD_PACKET_SEGMENTS);
    put_number(line, " ttl ", FIELD_IP_TTL);
    if (is_bad(line, FIELD_IP_CHECKSUM_STATUS) || is_bad(line, FIELD_TCP_CHECKSUM_STATUS) ||
        is_bad(line, FIELD_UDP_CHECKSUM_STATUS) || is_bad(line, FIELD_ICMP_CHECKSUM_STATUS))
        pretty_put(line, " bad checksum");
    if (find(line, FIELD_DROP_REASON)) {
        pretty_put(line, " dropped: ");
        pretty_text(line, FIELD_DROP_REASON);
    }
    if (find(line, FIELD_INTERFACE_NAME)) {
        pretty_put(line, " ");
        pretty_text(line, FIELD_INTERFACE_NAME);
    }
    if (find(line, FIELD_MALFORMED_REASON)) {
        pretty_put(line, ": ");
        pretty_text(line, FIELD_MALFORMED_REASON);
    }
}

void pretty_packet(struct pretty_line *line)
{
    put_around(line);
    put_ends(line);
    if (find(line, FIELD_ARP_OPERATION))
        put_arp(line);
    else
        put_protocol(line);
    put_rest(line);
}
