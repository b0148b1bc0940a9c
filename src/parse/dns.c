/*
 * dns: DNS over UDP and TCP (RFC 1035, 7766), multicast DNS (RFC 6762), LLMNR (RFC 4795). Queries
 * and answers are paired by id and question; an answer that nobody asked for has a record of its
 * own, and so has a query that stays without. Queries to a group are not waited for: their answers
 * come from other addresses. After a gap a stream goes on where a message surely starts.
 */
#include "parse/dns.h"

enum { PARTIAL_KEPT = 4 }; /* of a message that never ends: its length and id */

struct dns_direction {
    bool is_lost;    /* where the next message starts is not known */
    bool is_partial; /* the first bytes of a message were shown */
    uint8_t partial_length;
    uint8_t partial[PARTIAL_KEPT];
    uint64_t first_time_ns; /* of the partial message */
    uint32_t gaps;
};

struct dns_state {
    struct dns_open open;
    uint64_t group_hash; /* of the last question to a group, to know it again */
    uint16_t group_id;
    struct dns_direction directions[2];
};

/* One message on its way. */
struct dns_call {
    struct dns_state *state;
    struct emitter *emitter;
    enum direction direction;
    uint64_t time_ns; /* of its first byte */
    bool is_group;    /* sent to a multicast group */
};

static bool is_multicast(const struct address *address)
{
    return address->family == ADDRESS_IPV4   ? (address->bytes[0] & 0xf0) == 0xe0
           : address->family == ADDRESS_IPV6 ? address->bytes[0] == 0xff
                                             : false;
}

/* RFC 6762 §5.1, §6.7: only messages between two ports 5353, or to the group, are multicast DNS. */
static enum dns_flavour flavour_of(struct dns_call *call)
{
    const struct endpoint *from = &call->emitter->ends[call->direction];
    const struct endpoint *to = &call->emitter->ends[!call->direction];

    if (!call->emitter->is_datagram)
        return DNS_PLAIN;
    call->is_group = is_multicast(&to->address);
    if ((call->is_group || from->port == to->port) && to->port == DNS_PORT_MDNS)
        return DNS_MDNS;
    if (from->port == DNS_PORT_LLMNR || to->port == DNS_PORT_LLMNR)
        return DNS_LLMNR;
    return DNS_PLAIN;
}

static void add_protocol(struct record *record, enum dns_flavour flavour)
{
    static const char *const names[] = {"dns", "mdns", "llmnr"};

    record_add_text(record, FIELD_NETWORK_PROTOCOL_NAME, slice_of_string(names[flavour]));
}

/* A record for a message that starts one: its header and all its sections. */
static struct record *begin(struct dns_call *call, struct dns_message *message)
{
    struct record *record = call->emitter->begin(call->emitter);

    if (!record)
        return NULL;
    record->time_ns = call->time_ns;
    add_protocol(record, message->flavour);
    record_add_number(record, FIELD_DNS_ID, message->id);
    record_add_text(record, FIELD_DNS_OPCODE,
                    dns_opcode_name(record->arena, message->bits >> 11 & 15));
    dns_message_add(message, record);
    return record;
}

/* The query has no answer, or none that was seen. Its place is free afterwards. */
static void give_up(struct dns_state *state, struct dns_query *query, struct emitter *emitter,
                    bool is_limit)
{
    struct record *record = query->record;
    enum direction client = (enum direction)query->client;
    struct dns_message message = {.bits = query->bits, .flavour = (enum dns_flavour)query->flavour};
    bool has_gap = state->directions[!client].gaps != query->gaps;
    uint32_t reasons = query->reasons;
    bool is_transfer_begun = query->is_transfer_begun;

    dns_open_remove(&state->open, query);
    if (!record)
        return;
    if (is_transfer_begun)
        record_set_flag(record, RECORD_FLAG_INCOMPLETE);
    else
        record_set_flag(record, RECORD_FLAG_UNPAIRED);
    if (is_limit)
        record_set_flag(record, RECORD_FLAG_TRUNCATED);
    if (has_gap)
        record_set_flag(record, RECORD_FLAG_GAP);
    dns_message_add_flags(&message, record);
    dns_message_add_reasons(record, reasons);
    emitter->finish(emitter, record, client);
}

static void expire(struct dns_state *state, struct emitter *emitter)
{
    struct dns_query *oldest = dns_open_oldest(&state->open);

    while (oldest && emitter->time_ns > oldest->time_ns + DNS_QUERY_TIMEOUT_NS) {
        give_up(state, oldest, emitter, false);
        oldest = dns_open_oldest(&state->open);
    }
}

static void finish_alone(struct dns_call *call, struct dns_message *message, struct record *record,
                         enum direction client)
{
    record_set_flag(record, RECORD_FLAG_UNPAIRED);
    dns_message_add_flags(message, record);
    dns_message_add_reasons(record, message->reasons);
    call->emitter->finish(call->emitter, record, client);
}

static void take_query(struct dns_call *call, struct dns_message *message)
{
    struct dns_state *state = call->state;
    struct dns_query query = {.question_hash = message->question_hash,
                              .time_ns = call->time_ns,
                              .gaps = state->directions[!call->direction].gaps,
                              .id = message->id,
                              .type = message->question_type,
                              .bits = message->bits,
                              .client = (uint8_t)call->direction,
                              .flavour = (uint8_t)message->flavour,
                              .has_question = message->has_question};
    struct dns_query *before = dns_open_find(&state->open, &query);
    struct dns_query *crowding;

    query.record = begin(call, message);
    query.reasons = message->reasons;
    if (query.record && before && before->has_question == query.has_question)
        record_set_flag(query.record, RECORD_FLAG_RETRANSMISSION);
    if (query.record && (call->is_group || message->flavour == DNS_MDNS)) {
        if (message->has_question && message->id && message->id == state->group_id &&
            message->question_hash == state->group_hash)
            record_set_flag(query.record, RECORD_FLAG_RETRANSMISSION);
        state->group_id = message->id;
        state->group_hash = message->question_hash;
        finish_alone(call, message, query.record, call->direction);
        return;
    }
    crowding = dns_open_crowding(&state->open, &query);
    if (crowding)
        give_up(state, crowding, call->emitter, true);
    else if (state->open.count >= DNS_OPEN_MAXIMUM)
        give_up(state, dns_open_oldest(&state->open), call->emitter, true);
    if (!dns_open_add(&state->open, &query) && query.record)
        call->emitter->lose(call->emitter, query.record, "memory");
}

/* Is this the last message of a zone transfer (RFC 5936 §2.2)? It ends in the SOA it began with. */
static bool is_transfer_done(struct dns_query *query, const struct dns_message *message)
{
    bool is_transfer = query->type == DNS_TYPE_AXFR || query->type == DNS_TYPE_IXFR;

    if (!is_transfer || message->response_code || !message->counts[1])
        return true;
    query->soa_count += (uint32_t)message->soa_count;
    return message->is_soa_last &&
           (query->soa_count > 1 || (query->type == DNS_TYPE_IXFR && message->counts[1] == 1));
}

static void take_answer(struct dns_call *call, struct dns_message *message)
{
    struct dns_state *state = call->state;
    enum direction client = (enum direction) !call->direction;
    struct dns_query like = {.question_hash = message->question_hash,
                             .id = message->id,
                             .client = (uint8_t)client,
                             .has_question = message->has_question};
    struct dns_query *query = message->flavour == DNS_MDNS ? NULL
                                                           : dns_open_find(&state->open, &like);

    if (!query) {
        struct record *record = begin(call, message);
        if (!record)
            return;
        if (state->directions[client].gaps)
            record_set_flag(record, RECORD_FLAG_GAP);
        record->response_time_ns = call->time_ns;
        record->end_time_ns = call->emitter->time_ns;
        finish_alone(call, message, record, client);
        return;
    }
    struct record *record = query->record;
    if (record) {
        dns_message_add(message, record);
        record->response_time_ns = record->response_time_ns ? record->response_time_ns
                                                            : call->time_ns;
        record->end_time_ns = call->emitter->time_ns;
    }
    query->reasons |= message->reasons;
    bool is_done = is_transfer_done(query, message);
    query->is_transfer_begun = true;
    if (!is_done)
        return;
    uint32_t reasons = query->reasons;
    dns_open_remove(&state->open, query);
    if (!record)
        return;
    dns_message_add_flags(message, record);
    dns_message_add_reasons(record, reasons);
    call->emitter->finish(call->emitter, record, client);
}

/* Whole messages, and what is kept of long ones. False: not even a header. */
static bool take_message(struct dns_call *call, struct slice bytes, bool is_cut)
{
    struct dns_message message = {.is_cut = is_cut};

    expire(call->state, call->emitter);
    if (!dns_message_open(&message, bytes, flavour_of(call)))
        return false;
    if (dns_is_response(&message))
        take_answer(call, &message);
    else
        take_query(call, &message);
    return !(message.reasons & DNS_BIT(COUNTS));
}

/* After a gap: bytes before the next message that surely starts here. */
static size_t find_start(struct dns_direction *direction, struct slice bytes)
{
    size_t at = 0;

    for (; at < bytes.length; at++) {
        struct slice rest = slice_part(bytes, at, SIZE_MAX);
        enum probe_verdict verdict = dns_probe_stream(rest);

        if (verdict == PROBE_YES)
            direction->is_lost = false;
        if (verdict != PROBE_NO)
            break;
    }
    return at;
}

static void remember_partial(struct dns_direction *direction, struct slice bytes, uint64_t time_ns)
{
    if (!direction->is_partial)
        direction->first_time_ns = time_ns;
    direction->is_partial = true;
    struct slice kept = slice_part(bytes, 0, PARTIAL_KEPT);
    memcpy(direction->partial, kept.data, kept.length);
    direction->partial_length = (uint8_t)kept.length;
}

/* The next message of a stream; bytes used, 0: more are needed. */
static size_t step(struct dns_call *call, struct slice bytes, struct parse_result *ret_result)
{
    struct dns_direction *direction = &call->state->directions[call->direction];
    struct reader reader = reader_of(bytes);
    size_t length = reader_u16(&reader);
    size_t kept = length < call->emitter->head_maximum ? length : call->emitter->head_maximum;

    if (reader.is_short || reader_left(&reader) < kept) {
        remember_partial(direction, bytes, call->emitter->time_ns);
        ret_result->need = reader.is_short ? 1 : kept - reader_left(&reader);
        return 0;
    }
    call->time_ns = direction->is_partial ? direction->first_time_ns : call->emitter->time_ns;
    direction->is_partial = false;
    if (!take_message(call, reader_take(&reader, kept), kept < length))
        direction->is_lost = true;
    else
        ret_result->skip = length - kept;
    return reader.at;
}

static enum parse_verdict dns_parse(void *opaque, struct slice bytes, enum direction direction,
                                    struct emitter *emitter, struct parse_result *ret_result)
{
    struct dns_state *state = opaque;
    struct dns_direction *side = &state->directions[direction];
    struct dns_call call = {
        .state = state, .emitter = emitter, .direction = direction, .time_ns = emitter->time_ns};

    *ret_result = (struct parse_result){0};
    if (emitter->is_datagram) {
        take_message(&call, bytes, false);
        ret_result->consumed = bytes.length;
        return PARSE_OK;
    }
    while (bytes.length && !ret_result->skip) {
        size_t used = side->is_lost ? find_start(side, bytes) : 0;

        bytes = slice_part(bytes, used, SIZE_MAX);
        ret_result->consumed += used;
        if (side->is_lost && bytes.length)
            return PARSE_MORE;
        if (side->is_lost)
            break;
        used = step(&call, bytes, ret_result);
        if (!used)
            return PARSE_MORE;
        ret_result->consumed += used;
        bytes = slice_part(bytes, used, SIZE_MAX);
    }
    return PARSE_OK;
}

/* The message in progress will not go on. */
static void cut(struct dns_state *state, enum direction direction, struct emitter *emitter,
                enum record_flag flag)
{
    struct dns_direction *side = &state->directions[direction];
    struct reader reader = reader_of(slice_of(side->partial, side->partial_length));

    if (!side->is_partial)
        return;
    side->is_partial = false;
    reader_u16(&reader);
    uint16_t id = reader_u16(&reader);
    struct record *record = reader.is_short ? NULL : emitter->begin(emitter);
    if (!record)
        return;
    record->time_ns = side->first_time_ns;
    add_protocol(record, DNS_PLAIN);
    record_add_number(record, FIELD_DNS_ID, id);
    record_set_flag(record, RECORD_FLAG_UNPAIRED);
    record_set_flag(record, flag);
    emitter->finish(emitter, record, direction);
}

static void dns_gap(void *opaque, enum direction direction, struct gap gap, struct emitter *emitter)
{
    struct dns_state *state = opaque;

    (void)gap;
    if (emitter->is_datagram)
        return;
    cut(state, direction, emitter, RECORD_FLAG_GAP);
    state->directions[direction].gaps++;
    state->directions[direction].is_lost = true;
}

static void dns_end(void *opaque, enum direction direction, struct emitter *emitter)
{
    cut(opaque, direction, emitter, RECORD_FLAG_INCOMPLETE);
}

static void dns_close(void *opaque, struct emitter *emitter)
{
    struct dns_state *state = opaque;

    while (state->open.count)
        give_up(state, dns_open_oldest(&state->open), emitter, false);
    dns_open_done(&state->open);
}

/*
 * A stream's message has its length before it: read as a datagram, its flags are a count of
 * questions that no datagram has. So both may be asked.
 */
static enum probe_verdict dns_probe(struct slice bytes)
{
    enum probe_verdict verdict = dns_probe_stream(bytes);

    return dns_probe_datagram(bytes) == PROBE_YES ? PROBE_YES : verdict;
}

static const uint16_t dns_ports[] = {53, DNS_PORT_MDNS, DNS_PORT_LLMNR, 0};

const struct parser parser_dns = {
    .name = "dns",
    .record_type = "dns",
    .transports = PARSER_STREAM | PARSER_DATAGRAM,
    .port_hints = dns_ports,
    .state_size = sizeof(struct dns_state),
    .probe = dns_probe,
    .parse = dns_parse,
    .gap = dns_gap,
    .end = dns_end,
    .close = dns_close,
};
