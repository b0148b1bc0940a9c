/*
 * head_memory: a direct-mapped table; a head that comes again takes the place of the one there.
 * What came once leaves its hash only, so that heads of which no two are the same cost little.
 */
#include "model/head_memory.h"
#include "base/allocate.h"
#include "model/record.h"

enum {
    FIRST_BLOCK = 4096,
    KINDS_MAXIMUM = 4,
    ALIKE_SLOTS = 512,     /* hashes of what differed from patterns */
    PATTERN_INTERVAL = 16, /* heads that would have liked a pattern, for each that becomes one */
    PATTERN_USES = 512,    /* until it is asked for another one: dates and the like move on */
};

struct slot {
    uint64_t seen; /* hash of the head that was missed last */
    struct head_memo *memo;
};

struct head_memory {
    struct head_memory_counters counters;
    uint64_t number;                    /* of the memo that was made last */
    uint64_t missed;                    /* hash of what find did not find last */
    uint8_t guesses[HEAD_MEMORY_SLOTS]; /* by a few words of a head: the slot where it may be */
    struct slot slots[HEAD_MEMORY_SLOTS];
    unsigned wishes;               /* for a pattern, since the last one was made */
    uint8_t latest[KINDS_MAXIMUM]; /* pattern of each kind: its slot */
    uint32_t alikes[ALIKE_SLOTS];
};

static inline uint64_t load(const uint8_t *data)
{
    uint64_t word;

    memcpy(&word, data, 8);
    return word;
}

/* Of all bytes, at least 16: two words a step, the last step overlapping the one before. */
static uint64_t hash_of(unsigned kind, struct slice bytes)
{
    const uint64_t factor = 0x9E3779B97F4A7C15u, other = 0xD6E8FEB86659FD93u;
    const uint8_t *at = bytes.data, *last = bytes.data + bytes.length - 16;
    uint64_t a = bytes.length * factor, b = kind + 1;

    for (; at < last; at += 16) {
        a = (a ^ load(at)) * factor;
        b = (b ^ load(at + 8)) * other;
        a ^= a >> 29;
        b ^= b >> 31;
    }
    a = (a ^ load(last)) * factor;
    b = (b ^ load(last + 8)) * other;
    a ^= (b << 32 | b >> 32) ^ a >> 29;
    a *= other;
    return a ^ a >> 32;
}

_Static_assert(HEAD_MEMORY_SLOTS <= 256, "a guess is a byte");

/* Of the length and some words: to hash all of them costs more than to compare with one head. */
static inline uint8_t *guess_of(struct head_memory *memory, unsigned kind, struct slice bytes)
{
    const uint8_t *middle = bytes.data + bytes.length / 2 - 8;
    uint64_t sum = bytes.length + kind * 0xD6E8FEB86659FD93u;

    sum = (sum ^ load(bytes.data + 8)) * 0x9E3779B97F4A7C15u;
    sum = (sum ^ load(middle)) * 0x9E3779B97F4A7C15u;
    sum = (sum ^ load(bytes.data + bytes.length - 16)) * 0x9E3779B97F4A7C15u;
    return &memory->guesses[sum >> 32 & (HEAD_MEMORY_SLOTS - 1)];
}

static inline bool is_memo_of(const struct head_memo *memo, unsigned kind, struct slice bytes)
{
    return memo && memo->kind == kind && slice_is_equal(memo->bytes, bytes);
}

static bool is_worth_it(struct slice bytes)
{
    return bytes.length >= HEAD_MEMORY_SHORTEST && bytes.length <= HEAD_MEMORY_LONGEST;
}

struct head_memory *head_memory_new(void)
{
    struct head_memory *memory = allocate_zeroed(sizeof(struct head_memory));

    if (memory)
        memory->wishes = PATTERN_INTERVAL - 1;
    return memory;
}

void head_memory_free(struct head_memory **memory)
{
    if (!memory || !*memory)
        return;
    for (size_t i = 0; i < HEAD_MEMORY_SLOTS; i++)
        head_memo_unref(&(*memory)->slots[i].memo);
    deallocate(*memory);
    *memory = NULL;
}

void head_memo_unref(struct head_memo **memo)
{
    struct head_memo *dead = *memo;

    *memo = NULL;
    if (!dead || --dead->reference_count > 0)
        return;
    arena_free(&dead->arena);
    deallocate(dead);
}

struct head_memo *head_memory_guess(struct head_memory *memory, unsigned kind, struct slice bytes)
{
    struct head_memo *memo;

    if (!memory || !is_worth_it(bytes))
        return NULL;
    memo = memory->slots[*guess_of(memory, kind, bytes)].memo;
    if (!is_memo_of(memo, kind, bytes) || memo->is_stale)
        return NULL;
    memory->counters.found++;
    return memo;
}

struct head_memo *head_memory_find(struct head_memory *memory, unsigned kind, struct slice bytes)
{
    struct head_memo *memo = head_memory_guess(memory, kind, bytes);
    struct slot *slot;
    uint64_t hash;

    if (memo || !memory || !is_worth_it(bytes))
        return memo;
    hash = hash_of(kind, bytes);
    slot = &memory->slots[hash & (HEAD_MEMORY_SLOTS - 1)];
    memo = slot->memo;
    if (memo && memo->hash == hash && is_memo_of(memo, kind, bytes)) {
        if (!memo->is_stale) {
            *guess_of(memory, kind, bytes) = hash & (HEAD_MEMORY_SLOTS - 1);
            memory->counters.found++;
            return memo;
        }
        head_memo_unref(&slot->memo);
        slot->seen = hash;
    }
    memory->counters.missed++;
    memory->missed = hash;
    return NULL;
}

static struct head_memo *memo_new(unsigned kind, uint64_t hash, struct slice bytes)
{
    struct head_memo *memo = allocate_zeroed(sizeof(*memo));
    struct arena *arena = memo ? arena_new(FIRST_BLOCK, HEAD_MEMO_MAXIMUM) : NULL;
    uint8_t *copy = arena ? arena_allocate(arena, bytes.length + HEAD_MEMORY_PADDING) : NULL;

    if (!copy) {
        arena_free(&arena);
        deallocate(memo);
        return NULL;
    }
    memcpy(copy, bytes.data, bytes.length);
    memset(copy + bytes.length, 0, HEAD_MEMORY_PADDING);
    memo->reference_count = 1;
    memo->kind = kind;
    memo->hash = hash;
    memo->arena = arena;
    memo->bytes = slice_of(copy, bytes.length);
    return memo;
}

/* In the place of the one there; NULL: no memory. */
static struct head_memo *add(struct head_memory *memory, unsigned kind, uint64_t hash,
                             struct slice bytes)
{
    struct slot *slot = &memory->slots[hash & (HEAD_MEMORY_SLOTS - 1)];
    struct head_memo *memo = memo_new(kind, hash, bytes);

    if (!memo)
        return NULL;
    memory->counters.evicted += slot->memo != NULL;
    memory->counters.kept++;
    memo->number = ++memory->number;
    head_memo_unref(&slot->memo);
    slot->memo = memo;
    return memo;
}

struct head_memo *head_memory_add(struct head_memory *memory, unsigned kind, struct slice bytes)
{
    struct slot *slot;

    if (!memory || !is_worth_it(bytes))
        return NULL;
    slot = &memory->slots[memory->missed & (HEAD_MEMORY_SLOTS - 1)];
    if (slot->seen != memory->missed) {
        slot->seen = memory->missed;
        return NULL;
    }
    return add(memory, kind, memory->missed, bytes);
}

static bool is_pattern_of(const struct head_memo *memo, unsigned kind)
{
    return memo && memo->kind == kind && memo->is_pattern && !memo->is_stale;
}

struct head_memo *head_memory_pattern(struct head_memory *memory, unsigned kind, uint8_t *hint)
{
    struct head_memo *memo;

    if (!memory)
        return NULL;
    memo = memory->slots[*hint].memo;
    if (is_pattern_of(memo, kind))
        return memo;
    *hint = memory->latest[kind % KINDS_MAXIMUM];
    memo = memory->slots[*hint].memo;
    return is_pattern_of(memo, kind) ? memo : NULL;
}

bool head_memory_wants_pattern(struct head_memory *memory, struct head_memo *pattern)
{
    if (!memory || (pattern && pattern->uses++ < PATTERN_USES))
        return false;
    return ++memory->wishes >= PATTERN_INTERVAL;
}

struct head_memo *head_memory_keep(struct head_memory *memory, unsigned kind, struct slice bytes,
                                   uint8_t *hint)
{
    struct head_memo *memo;
    uint64_t hash;

    if (!memory || !is_worth_it(bytes))
        return NULL;
    memory->wishes = 0;
    hash = hash_of(kind, bytes);
    memo = add(memory, kind, hash, bytes);
    if (memo)
        *hint = memory->latest[kind % KINDS_MAXIMUM] = hash & (HEAD_MEMORY_SLOTS - 1);
    return memo;
}

bool head_memory_note_alike(struct head_memory *memory, uint64_t hash)
{
    uint32_t *alike = &memory->alikes[hash & (ALIKE_SLOTS - 1)];
    bool has_come = *alike == (uint32_t)(hash >> 32);

    *alike = (uint32_t)(hash >> 32);
    memory->counters.alike++;
    return has_come;
}

struct head_memo *head_memory_recall(struct head_memory *memory, uint64_t hash, uint64_t number)
{
    struct head_memo *memo = memory->slots[hash & (HEAD_MEMORY_SLOTS - 1)].memo;

    if (!memo || memo->number != number || memo->is_stale)
        return NULL;
    memory->counters.found++;
    return memo;
}

void head_memo_keep_values(struct head_memo *memo, const struct value *first, uint32_t count)
{
    struct value *values = arena_allocate(memo->arena, count * sizeof(*values));

    if (!values)
        return;
    memcpy(values, first, count * sizeof(*values));
    values_settle(values, count);
    memo->values = values;
    memo->value_count = count;
    memo->headers_at = 0;
    while (memo->headers_at < count && values[memo->headers_at].kind != VALUE_HEADERS)
        memo->headers_at++;
}

void head_memory_forget(struct head_memory *memory, const struct head_memo *memo)
{
    struct slot *slot = &memory->slots[memo->hash & (HEAD_MEMORY_SLOTS - 1)];

    if (slot->memo != memo)
        return;
    memory->counters.kept--;
    head_memo_unref(&slot->memo);
}

const struct head_memory_counters *head_memory_counters(const struct head_memory *memory)
{
    return &memory->counters;
}
