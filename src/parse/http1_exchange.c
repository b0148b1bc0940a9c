/*
 * http1_exchange: requests and responses pair in order (RFC 9112 §9.3.2). A ring of open exchanges;
 * lost requests hold a place in it, so that their responses are not given to others.
 */
#include "base/allocate.h"
#include "parse/http1.h"

static inline struct http1_exchange *at(struct http1_state *state, uint32_t index)
{
    index += state->open_first;
    return state->open ? &state->open[index & (state->open_capacity - 1)]
                       : &state->open_inline[index & (HTTP1_OPEN_INLINE - 1)];
}

struct http1_exchange *http1_exchange_front(struct http1_state *state)
{
    return state->open_count ? at(state, 0) : NULL;
}

struct http1_exchange *http1_exchange_tail(struct http1_state *state)
{
    return state->open_count ? at(state, state->open_count - 1) : NULL;
}

static void pop_front(struct http1_state *state)
{
    uint32_t capacity = state->open ? state->open_capacity : HTTP1_OPEN_INLINE;
    state->open_first = (state->open_first + 1) & (capacity - 1);
    state->open_count--;
}

/* A zeroed place behind the tail. NULL: the limit is reached or memory is out (*ret_reason). */
static struct http1_exchange *push(struct http1_state *state, const char **ret_reason)
{
    uint32_t capacity = state->open ? state->open_capacity : HTTP1_OPEN_INLINE;
    if (state->overflow || state->open_count >= HTTP1_OPEN_MAXIMUM) {
        *ret_reason = "pipeline_limit";
        return NULL;
    }
    if (state->open_count == capacity) {
        struct http1_exchange *larger = allocate(capacity * 2 * sizeof(*larger));
        if (!larger) {
            *ret_reason = "memory";
            return NULL;
        }
        for (uint32_t i = 0; i < state->open_count; i++)
            larger[i] = *at(state, i);
        deallocate(state->open);
        state->open = larger;
        state->open_first = 0;
        state->open_capacity = capacity * 2;
    }
    state->open_count++;
    struct http1_exchange *tail = http1_exchange_tail(state);
    *tail = (struct http1_exchange){0};
    return tail;
}

void http1_exchange_flag(struct http1_exchange *exchange, enum record_flag flag)
{
    if (exchange && exchange->record)
        record_set_flag(exchange->record, flag);
}

void http1_exchange_lose(struct http1_exchange *exchange, struct emitter *emitter,
                         const char *reason)
{
    if (exchange && exchange->record) {
        emitter->lose(emitter, exchange->record, reason);
        exchange->record = NULL;
    }
}

/* Hands the record over. */
static void finish(struct http1_state *state, struct http1_exchange *exchange,
                   struct emitter *emitter)
{
    struct record *record = exchange->record;
    exchange->record = NULL;
    if (!record)
        return;
    if (exchange->interim_count) {
        uint64_t *numbers =
            arena_allocate(record->arena, exchange->interim_count * sizeof(*numbers));
        for (unsigned i = 0; numbers && i < exchange->interim_count; i++)
            numbers[i] = exchange->interim[i];
        if (numbers)
            record_add_numbers(record, FIELD_HTTP_RESPONSE_INTERIM, numbers,
                               exchange->interim_count);
        else
            record_set_flag(record, RECORD_FLAG_TRUNCATED);
    }
    http1_fields_add_reasons(record, exchange->reasons);
    emitter->finish(emitter, record, (enum direction)state->client);
}

static void finish_unpaired(struct http1_state *state, struct http1_exchange *exchange,
                            struct emitter *emitter, bool has_gap)
{
    if (!exchange->is_response_done)
        http1_exchange_flag(exchange, RECORD_FLAG_UNPAIRED);
    if (has_gap)
        http1_exchange_flag(exchange, RECORD_FLAG_GAP);
    finish(state, exchange, emitter);
}

/*
 * A request begins. A client that has always waited for one answer before it sent the next request
 * does so now too: whatever was lost has been answered, and pairing begins anew.
 */
static void take_turn(struct http1_state *state, struct emitter *emitter)
{
    if (state->is_uncertain && state->turns >= HTTP1_TURNS_ENOUGH && !state->overlaps) {
        while (state->open_count) {
            finish_unpaired(state, http1_exchange_front(state), emitter, true);
            pop_front(state);
        }
        state->overflow = 0;
        state->is_uncertain = state->may_overlap = false;
    } else if (state->open_count || state->overflow) {
        state->may_overlap = true;
    } else if (!state->is_uncertain && state->turns < UINT8_MAX) {
        state->turns++;
    }
}

struct http1_exchange *http1_exchange_open(struct http1_call *call)
{
    struct http1_state *state = call->state;
    struct emitter *emitter = call->emitter;
    take_turn(state, emitter);
    const char *reason = NULL;
    struct record *record = emitter->begin(emitter);
    struct http1_exchange *exchange = push(state, &reason);
    if (!exchange) {
        state->overflow++;
        if (record)
            emitter->lose(emitter, record, reason);
        return NULL;
    }
    if (record)
        record->time_ns = call->direction->head_time_ns;
    exchange->record = record;
    exchange->is_uncertain = state->is_uncertain;
    return exchange;
}

struct http1_exchange *http1_exchange_of(struct http1_call *call)
{
    if (call->role == HTTP1_REQUEST) {
        struct http1_exchange *tail = http1_exchange_tail(call->state);
        return tail && !tail->is_request_done && !tail->lost_run && !call->state->overflow ? tail
                                                                                           : NULL;
    }
    switch (call->direction->target) {
    case HTTP1_TARGET_FRONT:
        return http1_exchange_front(call->state);
    case HTTP1_TARGET_ORPHAN:
        return &call->state->orphan;
    default:
        return NULL;
    }
}

/* A response whose request is not known gets a record of its own. */
static void open_orphan(struct http1_call *call, bool has_gap)
{
    struct record *record = call->emitter->begin(call->emitter);
    call->state->orphan = (struct http1_exchange){.record = record, .is_request_done = true};
    call->direction->target = HTTP1_TARGET_ORPHAN;
    if (!record)
        return;
    record->time_ns = call->direction->head_time_ns;
    record_set_flag(record, RECORD_FLAG_UNPAIRED);
    if (has_gap)
        record_set_flag(record, RECORD_FLAG_GAP);
}

/* One response has come, or was lost, that answers a request that was never seen. */
static void take_unmatched(struct http1_state *state, struct emitter *emitter, bool is_logged)
{
    state->unmatched++;
    if (!is_logged)
        emitter->miss(emitter, 1);
}

void http1_exchange_answer(struct http1_call *call)
{
    struct http1_state *state = call->state;
    struct http1_direction *direction = call->direction;
    struct http1_exchange *front = direction->is_orphan ? NULL : http1_exchange_front(state);
    direction->target = HTTP1_TARGET_NONE;
    direction->is_untrusted = true;
    state->overlaps |= state->may_overlap; /* no gap came in between */
    state->may_overlap = false;
    if (direction->is_orphan_known) {
        open_orphan(call, false);
    } else if (!front && state->overflow && !direction->is_orphan) {
        state->overflow--;
    } else if (!front || front->is_uncertain || front->is_response_done) {
        if (state->is_uncertain || front) {
            open_orphan(call, state->is_uncertain);
        } else {
            /* A source that counts has seen the request, and counted it as lost. */
            bool is_logged = !call->emitter->marks_starts;
            if (is_logged)
                open_orphan(call, false);
            take_unmatched(state, call->emitter, is_logged);
        }
    } else if (front->lost_run) {
        if (--front->lost_run == 0)
            pop_front(state);
    } else {
        direction->target = HTTP1_TARGET_FRONT;
        direction->is_untrusted = !front->is_method_known;
    }
}

void http1_exchange_request_done(struct http1_call *call)
{
    struct http1_state *state = call->state;
    struct http1_exchange *exchange = http1_exchange_of(call);
    if (!exchange)
        return;
    exchange->is_request_done = true;
    if (exchange->is_uncertain) {
        finish_unpaired(state, exchange, call->emitter, true);
        state->open_count--;
    } else if (exchange->is_response_done) {
        finish(state, exchange, call->emitter);
        state->open_count--;
    }
}

void http1_exchange_response_done(struct http1_call *call)
{
    struct http1_exchange *exchange = http1_exchange_of(call);
    if (exchange) {
        exchange->is_response_done = true;
        if (exchange->is_request_done) {
            finish(call->state, exchange, call->emitter);
            if (call->direction->target == HTTP1_TARGET_FRONT)
                pop_front(call->state);
        }
    }
    call->direction->target = HTTP1_TARGET_NONE;
}

void http1_exchange_upgrade(struct http1_call *call, bool carries)
{
    struct http1_exchange *exchange = http1_exchange_of(call);
    http1_exchange_flag(exchange, RECORD_FLAG_UPGRADED);
    call->emitter->carried_client = (enum direction)call->state->client;
    if (exchange)
        exchange->is_request_done = true;
    if (exchange && carries) {
        if (exchange->record)
            http1_fields_add_reasons(exchange->record, exchange->reasons);
        call->emitter->carried = exchange->record;
        exchange->record = NULL;
    }
    http1_exchange_response_done(call);
    http1_exchange_close_all(call->state, call->emitter);
    call->state->is_stopped = true;
    call->is_switching = true;
}

static void miss_requests(struct http1_call *call, uint64_t messages)
{
    struct http1_state *state = call->state;
    uint64_t known = messages < state->unmatched ? messages : state->unmatched;
    state->unmatched -= known;
    messages -= known;
    if (messages == 0)
        return;
    call->emitter->miss(call->emitter, messages);
    if (state->is_uncertain)
        return;
    struct http1_exchange *tail = http1_exchange_tail(state);
    const char *reason;
    if (!tail || !tail->lost_run || state->overflow)
        tail = push(state, &reason);
    if (tail) {
        tail->lost_run += messages;
        tail->is_request_done = true;
    } else {
        state->overflow += messages;
    }
}

/* One of `messages` responses, or as many at once as answer requests that were missed too. */
static uint64_t miss_response(struct http1_call *call, uint64_t messages)
{
    struct http1_state *state = call->state;
    struct http1_exchange *front = http1_exchange_front(state);
    uint64_t run = 1;
    if (!front && state->overflow) {
        run = messages < state->overflow ? messages : state->overflow;
        state->overflow -= run;
    } else if (!front || front->is_response_done) {
        run = messages;
        state->unmatched += run;
        call->emitter->miss(call->emitter, run);
    } else if (front->lost_run) {
        run = messages < front->lost_run ? messages : front->lost_run;
        front->lost_run -= run;
        if (front->lost_run == 0)
            pop_front(state);
    } else if (!front->is_request_done) {
        http1_exchange_flag(front, RECORD_FLAG_UNPAIRED);
        http1_exchange_flag(front, RECORD_FLAG_GAP);
        front->is_response_done = true;
    } else {
        finish_unpaired(state, front, call->emitter, true);
        pop_front(state);
    }
    return run;
}

/* An unknown number of responses was lost: none that is open can be paired any more. */
static void miss_responses_unknown(struct http1_call *call)
{
    struct http1_state *state = call->state;
    state->may_overlap = false;
    if (state->open_count == 0 && state->overflow == 0)
        return;
    state->is_uncertain = true;
    state->overflow = 0;
    while (state->open_count) {
        struct http1_exchange *front = http1_exchange_front(state);
        if (!front->is_request_done) {
            front->is_uncertain = true;
            break;
        }
        finish_unpaired(state, front, call->emitter, true);
        pop_front(state);
    }
}

void http1_exchange_miss(struct http1_call *call, int64_t messages)
{
    enum { MISSED_MAXIMUM = 1 << 30 }; /* no true count is larger */
    struct http1_state *state = call->state;
    if (messages > MISSED_MAXIMUM)
        messages = -1;
    if (messages < 0) {
        if (call->role == HTTP1_REQUEST) {
            state->is_uncertain = true;
            state->unmatched = 0; /* they may be what was missed here */
        } else {
            miss_responses_unknown(call);
        }
        return;
    }
    size_t index = (size_t)(call->direction - state->directions);
    call->emitter->heads[index] += (uint64_t)messages;
    if (call->role == HTTP1_REQUEST) {
        miss_requests(call, (uint64_t)messages);
        return;
    }
    while (messages && !state->is_uncertain)
        messages -= (int64_t)miss_response(call, (uint64_t)messages);
}

void http1_exchange_close_all(struct http1_state *state, struct emitter *emitter)
{
    while (state->open_count) {
        struct http1_exchange *front = http1_exchange_front(state);
        finish_unpaired(state, front, emitter, false);
        pop_front(state);
    }
    finish_unpaired(state, &state->orphan, emitter, false);
    state->overflow = 0;
}
