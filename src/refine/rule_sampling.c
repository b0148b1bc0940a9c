#include "refine/rule_sampling.h"
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/allocate.h"

#define SECOND_NS 1000000000ull
#define GRACE_NS SECOND_NS /* what ends in a second may be told in the next */
#define SET_BACK_S 60      /* so far the clock goes back only when it is set */

struct sampling {
    uint64_t threshold; /* hashes below it are kept */
    bool has_share;
    uint64_t per_second, slow_ns;
    struct query *keep;
    uint64_t random;      /* state */
    uint64_t second;      /* of the records in `held` */
    uint64_t offered;     /* of this second */
    struct record **held; /* per_second places */
    size_t held_count;
    struct record *ready, **ready_end; /* of seconds that are over */
    uint64_t displaced;
};

static uint64_t mix(uint64_t number)
{
    number += 0x9e3779b97f4a7c15ull;
    number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9ull;
    number = (number ^ number >> 27) * 0x94d049bb133111ebull;
    return number ^ number >> 31;
}

/* "10%", "0.1", "1/10". False: no share. */
static bool share_parse(const char *text, double *ret_share)
{
    char *end;
    double number, divisor = 1;

    if (!isdigit((unsigned char)*text) && *text != '.')
        return false;
    number = strtod(text, &end);
    if (*end == '%') {
        divisor = 100;
        end++;
    } else if (*end == '/' && isdigit((unsigned char)end[1])) {
        divisor = strtod(end + 1, &end);
    }
    if (*end || !isfinite(number) || !(divisor > 0) || !(number / divisor <= 1))
        return false;
    *ret_share = number / divisor;
    return true;
}

static int share_set(struct sampling *sampling, const char *text, struct query_error *ret_error)
{
    double share;

    if (!share_parse(text, &share)) {
        ret_error->column = 0;
        snprintf(ret_error->message, sizeof(ret_error->message),
                 "'%.60s' is no share; allowed is 0%% to 100%%, such as 10%%, 0.1 or 1/10", text);
        return -EINVAL;
    }
    sampling->has_share = share < 1;
    sampling->threshold = share < 1 ? (uint64_t)ldexp(share, 64) : UINT64_MAX;
    return 0;
}

int sampling_new(const struct sampling_options *options, struct sampling **ret_sampling,
                 struct query_error *ret_error)
{
    struct sampling *sampling = allocate_zeroed(sizeof(*sampling));
    int result = sampling ? 0 : -ENOMEM;

    if (result == 0 && options->share)
        result = share_set(sampling, options->share, ret_error);
    if (result == 0 && options->keep)
        result = query_compile(slice_of_string(options->keep), &sampling->keep, ret_error);
    if (result == 0 && options->per_second) {
        sampling->held = allocate_zeroed(options->per_second * sizeof(struct record *));
        result = sampling->held ? 0 : -ENOMEM;
    }
    if (result) {
        sampling_free(&sampling);
        return result;
    }
    sampling->per_second = options->per_second;
    sampling->slow_ns = options->slow_ns;
    sampling->ready_end = &sampling->ready;
    *ret_sampling = sampling;
    return 0;
}

void sampling_free(struct sampling **sampling)
{
    struct record *record;

    if (!*sampling)
        return;
    if ((*sampling)->held) {
        sampling_close(*sampling, UINT64_MAX);
        while ((record = sampling_next(*sampling)))
            record_unref(&record);
    }
    query_free(&(*sampling)->keep);
    deallocate((*sampling)->held);
    deallocate(*sampling);
    *sampling = NULL;
}

/* The same for all records of a trace; else for this one only. */
static uint64_t hash_of(const struct record *record)
{
    const struct value *trace = record_find_const(record, FIELD_TRACE_ID);
    const struct value *id = record_find_const(record, FIELD_ID);
    uint64_t hash = 0xcbf29ce484222325ull;

    if (!trace || !trace->text.length)
        return mix(id ? id->number : record->time_ns);
    for (size_t i = 0; i < trace->text.length; i++)
        hash = (hash ^ trace->text.data[i]) * 0x100000001b3ull;
    return mix(hash);
}

static bool is_slow(const struct sampling *sampling, const struct record *record)
{
    const struct value *duration = record_find_const(record, FIELD_DURATION_NS);

    return sampling->slow_ns && duration && duration->number >= sampling->slow_ns;
}

static uint64_t end_of(const struct record *record)
{
    uint64_t last = record->time_ns;

    if (record->response_time_ns > last)
        last = record->response_time_ns;
    return record->end_time_ns > last ? record->end_time_ns : last;
}

static int compare_times(const void *a, const void *b)
{
    const struct record *const *one = a, *const *other = b;

    return ((*one)->time_ns > (*other)->time_ns) - ((*one)->time_ns < (*other)->time_ns);
}

static void close_second(struct sampling *sampling)
{
    qsort(sampling->held, sampling->held_count, sizeof(*sampling->held), compare_times);
    for (size_t i = 0; i < sampling->held_count; i++) {
        sampling->held[i]->next = NULL;
        *sampling->ready_end = sampling->held[i];
        sampling->ready_end = &sampling->held[i]->next;
    }
    sampling->held_count = 0;
    sampling->offered = 0;
}

static enum sampling_verdict hold(struct sampling *sampling, struct record *record)
{
    uint64_t second = end_of(record) / SECOND_NS, place;

    if (second > sampling->second || second + SET_BACK_S < sampling->second) {
        close_second(sampling);
        sampling->second = second;
    }
    sampling->offered++;
    if (sampling->held_count < sampling->per_second) {
        sampling->held[sampling->held_count++] = record;
        return SAMPLING_HELD;
    }
    sampling->random = mix(sampling->random);
    place = sampling->random % sampling->offered;
    if (place >= sampling->per_second)
        return SAMPLING_OUT;
    record_unref(&sampling->held[place]);
    sampling->held[place] = record;
    sampling->displaced++;
    return SAMPLING_HELD;
}

enum sampling_verdict sampling_take(struct sampling *sampling, struct record *record)
{
    if (is_slow(sampling, record) || (sampling->keep && query_matches(sampling->keep, record)))
        return SAMPLING_KEEP;
    if (sampling->has_share && hash_of(record) >= sampling->threshold)
        return SAMPLING_OUT;
    return sampling->per_second ? hold(sampling, record) : SAMPLING_KEEP;
}

void sampling_close(struct sampling *sampling, uint64_t now_ns)
{
    if (sampling->held_count &&
        (now_ns == UINT64_MAX || now_ns / SECOND_NS > sampling->second + GRACE_NS / SECOND_NS ||
         now_ns / SECOND_NS + SET_BACK_S < sampling->second))
        close_second(sampling);
}

struct record *sampling_next(struct sampling *sampling)
{
    struct record *record = sampling->ready;

    if (!record)
        return NULL;
    sampling->ready = record->next;
    if (!sampling->ready)
        sampling->ready_end = &sampling->ready;
    record->next = NULL;
    return record;
}

uint64_t sampling_displaced(struct sampling *sampling)
{
    uint64_t displaced = sampling->displaced;

    sampling->displaced = 0;
    return displaced;
}
