/*
 * kafka: passive parser of Kafka's protocol (kafka.apache.org/protocol). One record a request; its
 * response has the same correlation id, so that what was missed disturbs nothing. A Produce with
 * acks=0 has no response. Record batches are skipped.
 */
#include "parse/kafka.h"

struct kafka_state {
    bool is_decided, is_stopped;
    bool has_tokens; /* of SASL, without a header: they follow SaslHandshake 0 */
    struct frame frames[2];
    struct calls calls; /* tag: correlation id; kind: API; number: version; is_started: answered */
};

/* One call of the parser. */
struct kafka_call {
    struct kafka_state *state;
    struct frame *frame;
    struct emitter *emitter;
    uint64_t position; /* behind the message at hand */
    bool is_client;
    bool is_bad;
};

static bool is_name(struct slice name)
{
    for (size_t i = 0; i < name.length; i++) {
        if (name.data[i] < ' ' || name.data[i] >= 0x7f)
            return false;
    }
    return true;
}

/*
 * Old clients and brokers have no name. Their requests are known by a body that is what its API
 * says, to the last byte. `bytes` from the size on, of which `size` follow.
 */
static enum probe_verdict probe_nameless(struct slice bytes, uint64_t size, int key, int version)
{
    enum { BEFORE = 14, SIZE_MAXIMUM = 4096 };
    const struct kafka_api *api = kafka_api_find(key);
    struct kafka_body body = {0};
    if (key == KAFKA_API_VERSIONS)
        return size < 256 ? PROBE_YES : PROBE_NO;
    if (!api->request || kafka_api_is_flexible(api, version) || size > SIZE_MAXIMUM)
        return PROBE_NO;
    if (bytes.length < 4 + size)
        return PROBE_MAYBE;
    struct reader reader = reader_of(slice_part(bytes, BEFORE, 4 + (size_t)size - BEFORE));
    kafka_body_read(&reader, api->request, version, false, &body);
    bool is_fitting = !body.is_short && !reader_left(&reader);
    for (uint32_t i = 0; i < body.topic_count; i++)
        is_fitting = is_fitting && (body.is_topic_id[i] || is_name(body.topics[i]));
    return is_fitting ? PROBE_YES : PROBE_NO;
}

/* A request's first bytes: size, API, version, correlation id, client id. */
static enum probe_verdict probe_request(struct slice bytes)
{
    struct reader reader = reader_of(bytes);
    uint64_t size = reader_u32(&reader);
    uint16_t key = reader_u16(&reader), version = reader_u16(&reader);
    reader_u32(&reader);
    uint16_t length = reader_u16(&reader);
    bool is_null = length == UINT16_MAX;
    if (bytes.length && bytes.data[0] > 0x07)
        return PROBE_NO;
    if ((bytes.length >= 4 && (size < 10 || size > INT32_MAX)) ||
        (bytes.length >= 6 && !kafka_api_find(key)) ||
        (bytes.length >= 8 && version > KAFKA_VERSION_MAXIMUM))
        return PROBE_NO;
    if (bytes.length < 14)
        return bytes.length ? PROBE_MAYBE : PROBE_NO;
    if (is_null || length == 0)
        return probe_nameless(bytes, size, key, version);
    struct slice client = slice_part(bytes, 14, length);
    if (length > KAFKA_CLIENT_MAXIMUM || (uint64_t)length + 10 > size || !is_name(client))
        return PROBE_NO;
    return client.length == length ? PROBE_YES : PROBE_MAYBE;
}

static struct kafka_call call_of(struct kafka_state *state, enum direction direction,
                                 struct emitter *emitter)
{
    return (struct kafka_call){.state = state,
                               .frame = &state->frames[direction],
                               .emitter = emitter,
                               .position = emitter->position,
                               .is_client = state->calls.client == direction};
}

static bool measure(void *context, const uint8_t *header, uint64_t *ret_size, uint64_t *ret_limit)
{
    struct reader reader = reader_of(slice_of(header, 4));
    uint64_t length = reader_u32(&reader);
    const struct kafka_call *call = context;
    *ret_size = 4 + length;
    *ret_limit = KAFKA_KEPT;
    return (length >= 4 || call->state->has_tokens) && length <= INT32_MAX;
}

/* RFC 4648 §5 without padding, as Kafka prints its UUIDs. */
static struct slice print_uuid(struct record *record, struct slice id)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t *text = arena_allocate(record->arena, 24);
    size_t length = 0;
    uint32_t bits = 0, count = 0;
    if (!text)
        return (struct slice){0};
    for (size_t i = 0; i < id.length; i++) {
        bits = bits << 8 | id.data[i];
        for (count += 8; count >= 6; count -= 6)
            text[length++] = (uint8_t)digits[bits >> (count - 6) & 63];
    }
    if (count)
        text[length++] = (uint8_t)digits[bits << (6 - count) & 63];
    return slice_of(text, length);
}

static void add_topics(struct record *record, const struct kafka_body *body)
{
    if (body->topic_count == 0)
        return;
    struct slice *topics = arena_allocate(record->arena, body->topic_count * sizeof(*topics));
    for (uint32_t i = 0; topics && i < body->topic_count; i++)
        topics[i] = body->is_topic_id[i] ? print_uuid(record, body->topics[i])
                                         : arena_copy(record->arena, body->topics[i]);
    /* What is not kept of a message may be records only. */
    bool is_all = !body->has_more_topics &&
                  (!body->is_short || body->topics_read == body->topics_announced);
    if (!topics || !is_all)
        record_set_flag(record, RECORD_FLAG_TRUNCATED);
    if (topics && body->topic_count == 1 && is_all)
        record_add_text(record, FIELD_MESSAGING_DESTINATION_NAME, topics[0]);
    else if (topics)
        record_add_texts(record, FIELD_KAFKA_TOPICS, topics, body->topic_count);
}

static void add_request(struct record *record, struct kafka_body *body)
{
    bool is_group = body->key.length && body->key_type == 0;
    if (!record)
        return;
    add_topics(record, body);
    calls_add_text(record, FIELD_MESSAGING_CONSUMER_GROUP_NAME, is_group ? body->key : body->group);
    if (body->has_acks)
        record_add_text(record, FIELD_KAFKA_ACKS,
                        body->acks < 0    ? SLICE_LITERAL("all")
                        : body->acks == 0 ? SLICE_LITERAL("0")
                                          : SLICE_LITERAL("1"));
}

static struct call *open_call(struct kafka_call *call, uint16_t key, uint16_t version)
{
    struct frame *frame = call->frame;
    struct calls *calls = &call->state->calls;
    struct call *open = calls_open(calls, call->emitter, frame->time_ns, frame->position);
    calls->overflow = 0; /* responses are told by their ids */
    if (!open)
        return NULL;
    open->kind = key;
    open->number = version;
    open->request_size = frame->size;
    return open;
}

static void take_request(struct kafka_call *call, struct slice message)
{
    struct frame *frame = call->frame;
    struct reader reader = reader_of(message);
    reader_u32(&reader);
    uint16_t key = reader_u16(&reader), version = reader_u16(&reader);
    uint32_t id = reader_u32(&reader);
    const struct kafka_api *api = kafka_api_find(key);
    if (reader.is_short || !api || version > KAFKA_VERSION_MAXIMUM)
        return; /* a token of SASL without a header, as SaslHandshake 0 has it */
    uint16_t length = reader_u16(&reader);
    struct slice client = reader_take(&reader, length == UINT16_MAX ? 0 : length);
    bool is_flexible = kafka_api_is_flexible(api, version);
    if (is_flexible)
        kafka_body_skip_tags(&reader);
    struct call *open = open_call(call, key, version);
    if (!open)
        return;
    struct kafka_body body = {0};
    open->tag = id;
    call->state->has_tokens |= key == KAFKA_SASL_HANDSHAKE && version == 0;
    if (!frame->is_starved)
        kafka_body_read(&reader, api->request, version, is_flexible, &body);
    struct record *record = open->record;
    if (record) {
        record_add_text(record, FIELD_MESSAGING_SYSTEM, SLICE_LITERAL("kafka"));
        record_add_text(record, FIELD_MESSAGING_OPERATION_NAME, slice_of_string(api->name));
        record_add_number(record, FIELD_KAFKA_API_KEY, key);
        record_add_number(record, FIELD_KAFKA_API_VERSION, version);
        calls_add_text(record, FIELD_MESSAGING_CLIENT_ID, client);
        add_request(record, &body);
        if (frame->has_gap)
            record_set_flag(record, RECORD_FLAG_GAP);
        if (frame->is_starved)
            record_set_flag(record, RECORD_FLAG_TRUNCATED);
    }
    if (key == KAFKA_PRODUCE && body.has_acks && body.acks == 0) {
        calls_finish(&call->state->calls, open, call->emitter);
        calls_unpush(&call->state->calls);
    }
}

/* Brokers answer in order: what was asked before an answered call gets no answer any more. */
static struct call *find_answered(struct kafka_call *call, uint32_t id)
{
    struct calls *calls = &call->state->calls;
    uint32_t index = 0;
    while (index < calls->count && calls_at(calls, index)->tag != id)
        index++;
    if (index == calls->count)
        return NULL;
    for (; index; index--) {
        calls_flag(calls_front(calls), RECORD_FLAG_UNPAIRED);
        calls_finish_front(calls, call->emitter);
    }
    return calls_front(calls);
}

static void take_response(struct kafka_call *call, struct slice message)
{
    struct frame *frame = call->frame;
    struct reader reader = reader_of(message);
    reader_u32(&reader);
    uint32_t id = reader_u32(&reader);
    struct call *front = reader.is_short ? NULL : find_answered(call, id);
    if (!front)
        return;
    const struct kafka_api *api = kafka_api_find(front->kind);
    bool is_flexible = kafka_api_is_flexible(api, (int)front->number);
    struct kafka_body body = {0};
    /* ApiVersions: its header never has tags, so that any client can read an error (KIP-511). */
    if (is_flexible && front->kind != KAFKA_API_VERSIONS)
        kafka_body_skip_tags(&reader);
    if (!frame->is_starved)
        kafka_body_read(&reader, api->response, (int)front->number, is_flexible, &body);
    front->response_size = frame->size;
    struct record *record = front->record;
    if (record) {
        const char *name = kafka_error_name(body.error);
        record->response_time_ns = frame->time_ns;
        record->end_time_ns = call->emitter->time_ns;
        if (body.error > 0)
            calls_add_number(record, FIELD_ERROR_CODE, (uint64_t)body.error);
        if (body.message.length)
            calls_add_text(record, FIELD_ERROR_MESSAGE, body.message);
        else if (body.error && name)
            record_add_text(record, FIELD_ERROR_MESSAGE, slice_of_string(name));
    }
    calls_finish_front(&call->state->calls, call->emitter);
}

/* One message; false: no more bytes can be used. */
static bool step(struct kafka_call *call, struct slice *bytes)
{
    struct frame_rules rules = {.header = 4, .measure = measure, .context = call};
    struct slice message;
    size_t before = bytes->length;
    enum frame_verdict verdict =
        frame_take(call->frame, &rules, call->emitter, call->position, bytes, &message);
    call->position += before - bytes->length;
    if (verdict == FRAME_BAD)
        call->is_bad = true;
    if (verdict != FRAME_WHOLE)
        return false;
    if (call->is_client)
        take_request(call, message);
    else
        take_response(call, message);
    frame_next(call->frame);
    return true;
}

/* After a gap: a request that is sure, or a response to one that waits. */
static bool is_start(struct kafka_call *call, struct slice bytes)
{
    struct reader reader = reader_of(bytes);
    uint32_t size = reader_u32(&reader), id = reader_u32(&reader);
    if (call->emitter->starts_message)
        return true;
    if (call->is_client)
        return probe_request(bytes) == PROBE_YES;
    if (reader.is_short || size < 4 || size > INT32_MAX)
        return false;
    for (uint32_t i = 0; i < call->state->calls.count; i++) {
        if (calls_at(&call->state->calls, i)->tag == id)
            return true;
    }
    return false;
}

static enum parse_verdict kafka_parse(void *opaque, struct slice bytes, enum direction direction,
                                      struct emitter *emitter, struct parse_result *ret_result)
{
    struct kafka_state *state = opaque;
    size_t length = bytes.length;
    *ret_result = (struct parse_result){0};
    if (state->is_stopped)
        return PARSE_BAD;
    if (!state->is_decided && length) {
        enum probe_verdict verdict = probe_request(bytes);
        if (verdict != PROBE_YES)
            return verdict == PROBE_NO ? PARSE_BAD : PARSE_MORE;
        state->is_decided = true;
        state->calls.client = (uint8_t)direction;
        state->calls.is_broker = true;
        state->frames[!direction].is_lost |= emitter->is_late;
    }
    struct kafka_call call = call_of(state, direction, emitter);
    struct frame *frame = call.frame;
    if (frame->is_lost && length && is_start(&call, bytes))
        frame->is_lost = false;
    if (frame->is_lost) {
        ret_result->consumed = length;
        return PARSE_OK;
    }
    while (!call.is_bad && step(&call, &bytes))
        ;
    ret_result->consumed = length - bytes.length;
    state->is_stopped = call.is_bad;
    if (call.is_bad)
        return PARSE_BAD;
    ret_result->skip = frame_ask_skip(frame, call.position);
    return PARSE_OK;
}

static enum probe_verdict kafka_probe(struct slice bytes)
{
    return probe_request(bytes);
}

static void kafka_gap(void *opaque, enum direction direction, struct gap gap,
                      struct emitter *emitter)
{
    struct kafka_state *state = opaque;
    struct frame *frame = &state->frames[direction];
    (void)emitter;
    if (state->is_stopped || frame_pass_gap(frame, gap))
        return;
    frame_next(frame);
    frame->is_lost = true;
}

static void kafka_end(void *opaque, enum direction direction, struct emitter *emitter)
{
    struct kafka_state *state = opaque;
    struct frame *frame = &state->frames[direction];
    struct kafka_call call = call_of(state, direction, emitter);
    if (state->is_stopped || !state->is_decided || frame->is_lost)
        return;
    frame_end(frame, emitter->position);
    if (call.is_client && frame->size && frame->seen < frame->size && frame->kept.length >= 12) {
        uint32_t before = state->calls.count;
        frame->size = frame->seen;
        take_request(&call, buffer_slice(&frame->kept));
        if (state->calls.count > before)
            calls_flag(calls_tail(&state->calls), RECORD_FLAG_INCOMPLETE);
    }
    frame_next(frame);
    frame->is_lost = true;
}

static void kafka_close(void *opaque, struct emitter *emitter)
{
    struct kafka_state *state = opaque;
    kafka_end(state, DIRECTION_A_TO_B, emitter);
    kafka_end(state, DIRECTION_B_TO_A, emitter);
    calls_close(&state->calls, emitter, false);
    calls_done(&state->calls);
    for (size_t i = 0; i < 2; i++)
        frame_done(&state->frames[i]);
}

static const uint16_t kafka_ports[] = {9092, 9093, 9094, 0};

const struct parser parser_kafka = {
    .name = "kafka",
    .record_type = "kafka",
    .protocol = "kafka",
    .transports = PARSER_STREAM,
    .port_hints = kafka_ports,
    .state_size = sizeof(struct kafka_state),
    .probe = kafka_probe,
    .parse = kafka_parse,
    .gap = kafka_gap,
    .end = kafka_end,
    .close = kafka_close,
};
