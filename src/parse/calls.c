/* calls: see calls.h. A ring; answers that come out of order leave places that drain later. */
#include "parse/calls.h"
#include "base/allocate.h"

enum { CALLS_FIRST_CAPACITY = 4 };

void calls_move(struct calls *calls, uint64_t time_ns, bool is_call)
{
    bool was_quiet = calls->last_time_ns && time_ns >= calls->last_time_ns + CALLS_QUIET_NS;
    if (is_call && calls->is_uncertain && was_quiet && calls->count == 0)
        calls->is_uncertain = calls->has_gap = false;
    if (time_ns > calls->last_time_ns)
        calls->last_time_ns = time_ns;
}

void calls_miss(struct calls *calls, struct emitter *emitter, bool has_gap)
{
    calls_close(calls, emitter, has_gap);
    calls->is_uncertain = true;
    calls->has_gap |= has_gap;
}

static bool grow(struct calls *calls)
{
    uint32_t capacity = calls->capacity ? calls->capacity * 2 : CALLS_FIRST_CAPACITY;
    struct call *larger = allocate(capacity * sizeof(*larger));
    if (!larger)
        return false;
    for (uint32_t i = 0; i < calls->count; i++)
        larger[i] = *calls_at(calls, i);
    deallocate(calls->ring);
    calls->ring = larger;
    calls->first = 0;
    calls->capacity = capacity;
    return true;
}

struct record *calls_begin(struct calls *calls, struct emitter *emitter, uint64_t time_ns,
                           uint64_t position)
{
    struct record *record = emitter->begin(emitter);
    emitter->heads[calls->client]++;
    if (!record)
        return NULL;
    record->time_ns = time_ns;
    record->heads[0].bytes = SLICE_LITERAL("");
    record->heads[0].position = position;
    return record;
}

struct call *calls_push(struct calls *calls)
{
    bool is_full = calls->overflow || calls->count >= CALLS_OPEN_MAXIMUM;
    if (is_full || (calls->count == calls->capacity && !grow(calls))) {
        calls->overflow += !calls->is_uncertain;
        return NULL;
    }
    calls->count++;
    struct call *call = calls_tail(calls);
    *call = (struct call){0};
    return call;
}

struct call *calls_open(struct calls *calls, struct emitter *emitter, uint64_t time_ns,
                        uint64_t position)
{
    struct record *record = calls_begin(calls, emitter, time_ns, position);
    bool is_full = calls->overflow || calls->count >= CALLS_OPEN_MAXIMUM;
    struct call *call = calls_push(calls);
    if (call)
        call->record = record;
    else if (record)
        emitter->lose(emitter, record, is_full ? "pipeline_limit" : "memory");
    return call;
}

void calls_pop(struct calls *calls)
{
    calls->first = (calls->first + 1) & (calls->capacity - 1);
    calls->count--;
}

void calls_unpush(struct calls *calls)
{
    calls->count--;
}

bool calls_drain(struct calls *calls)
{
    if (calls->count || !calls->overflow)
        return false;
    calls->overflow--;
    return true;
}

void calls_finish(struct calls *calls, struct call *call, struct emitter *emitter)
{
    struct record *record = call->record;
    call->record = NULL;
    if (!record)
        return;
    bool is_broker = calls->is_broker;
    if (call->request_size)
        calls_add_number(record, is_broker ? FIELD_KAFKA_REQUEST_SIZE : FIELD_DB_REQUEST_SIZE,
                         call->request_size);
    if (record->response_time_ns)
        calls_add_number(record, is_broker ? FIELD_KAFKA_RESPONSE_SIZE : FIELD_DB_RESPONSE_SIZE,
                         call->response_size);
    emitter->finish(emitter, record, (enum direction)calls->client);
}

void calls_finish_front(struct calls *calls, struct emitter *emitter)
{
    calls_finish(calls, calls_front(calls), emitter);
    calls_pop(calls);
}

void calls_flag(struct call *call, enum record_flag flag)
{
    if (call && call->record)
        record_set_flag(call->record, flag);
}

void calls_lose(struct call *call, struct emitter *emitter, const char *reason)
{
    if (!call || !call->record)
        return;
    emitter->lose(emitter, call->record, reason);
    call->record = NULL;
}

void calls_close(struct calls *calls, struct emitter *emitter, bool has_gap)
{
    while (calls->count) {
        struct call *call = calls_front(calls);
        calls_flag(call, RECORD_FLAG_UNPAIRED);
        if (has_gap)
            calls_flag(call, RECORD_FLAG_GAP);
        calls_finish_front(calls, emitter);
    }
    calls->overflow = 0;
}

void calls_done(struct calls *calls)
{
    deallocate(calls->ring);
    *calls = (struct calls){0};
}

bool calls_add_text(struct record *record, enum field_id field, struct slice text)
{
    if (!record || text.length == 0)
        return true;
    struct slice copy = arena_copy(record->arena, text);
    return copy.data && record_add_text(record, field, copy);
}

void calls_add_number(struct record *record, enum field_id field, uint64_t number)
{
    if (record)
        record_add_number(record, field, number);
}

void calls_malformed(struct record *record, const char *reason)
{
    if (!record)
        return;
    record_set_flag(record, RECORD_FLAG_MALFORMED);
    record_add_text(record, FIELD_MALFORMED_REASON, slice_of_string(reason));
}
