/* names: a table by address, in order of use. */
#include "metadata/names.h"
#include <errno.h>
#include "base/allocate.h"
#include "base/table.h"
#include "metadata/naming.h"

struct name {
    uint64_t until_ns, learned_ns;
    uint32_t pid;
    uint8_t length; /* 0: the place is free */
    uint8_t text[NAMES_BYTES_MAXIMUM];
};

struct place {
    struct place *newer, *older; /* by use */
    uint64_t key;
    struct address address;
    uint8_t count;
    struct name *names[NAMES_OF_ADDRESS_MAXIMUM]; /* `count` of them */
};

struct names {
    struct table table;
    struct place *newest, *oldest;
};

static uint64_t key_of(const struct address *address)
{
    size_t length = address->family == ADDRESS_IPV4 ? 4 : 16;
    uint64_t hash = 0xcbf29ce484222325ull; /* FNV-1a */

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ address->bytes[i]) * 0x100000001b3ull;
    return hash;
}

static void unlink_place(struct names *names, struct place *place)
{
    *(place->newer ? &place->newer->older : &names->newest) = place->older;
    *(place->older ? &place->older->newer : &names->oldest) = place->newer;
}

static void link_newest(struct names *names, struct place *place)
{
    place->newer = NULL;
    place->older = names->newest;
    *(names->newest ? &names->newest->newer : &names->oldest) = place;
    names->newest = place;
}

static void forget(struct names *names, struct place *place)
{
    unlink_place(names, place);
    table_remove(&names->table, place->key);
    while (place->count)
        deallocate(place->names[--place->count]);
    deallocate(place);
}

int names_new(struct names **ret_names)
{
    struct names *names = allocate_zeroed(sizeof(*names));

    if (!names)
        return -ENOMEM;
    table_init(&names->table, NAMES_ADDRESSES_MAXIMUM);
    *ret_names = names;
    return 0;
}

void names_free(struct names **names)
{
    if (!*names)
        return;
    while ((*names)->oldest)
        forget(*names, (*names)->oldest);
    table_done(&(*names)->table);
    deallocate(*names);
    *names = NULL;
}

size_t names_count(const struct names *names)
{
    return names->table.count;
}

/* The address's place, made when there is none. NULL: no memory, or another has its hash. */
static struct place *place_of(struct names *names, const struct address *address)
{
    uint64_t key = key_of(address);
    struct place *place = table_find(&names->table, key);

    if (place) {
        if (!address_is_equal(&place->address, address))
            return NULL;
        unlink_place(names, place);
        link_newest(names, place);
        return place;
    }
    if (names->table.count >= NAMES_ADDRESSES_MAXIMUM)
        forget(names, names->oldest);
    place = allocate_zeroed(sizeof(*place));
    if (!place)
        return NULL;
    place->key = key;
    place->address = *address;
    if (table_set(&names->table, key, place)) {
        deallocate(place);
        return NULL;
    }
    link_newest(names, place);
    return place;
}

static struct slice text_of(const struct name *name)
{
    return slice_of(name->text, name->length);
}

/* The place's name for this asker, else a new one, else the one learned first. NULL: no memory. */
static struct name *name_in(struct place *place, struct slice text, uint32_t pid)
{
    size_t oldest = 0;

    for (size_t i = 0; i < place->count; i++) {
        if (place->names[i]->pid == pid &&
            slice_is_equal_ignoring_case(text_of(place->names[i]), text))
            return place->names[i];
        if (place->names[i]->learned_ns < place->names[oldest]->learned_ns)
            oldest = i;
    }
    if (place->count == NAMES_OF_ADDRESS_MAXIMUM)
        return place->names[oldest];
    place->names[place->count] = allocate_zeroed(sizeof(struct name));
    return place->names[place->count] ? place->names[place->count++] : NULL;
}

static void learn(struct names *names, struct slice address_text, struct slice text, uint64_t ttl,
                  uint32_t pid, uint64_t now_ns)
{
    uint64_t lives_ns = ttl < NAMES_LONGEST_NS / 1000000000u ? ttl * 1000000000u : NAMES_LONGEST_NS;
    struct address address;
    struct place *place;
    struct name *name;

    if (address_parse(address_text, &address) < 0)
        return;
    place = place_of(names, &address);
    name = place ? name_in(place, text, pid) : NULL;
    if (!name) {
        if (place && !place->count)
            forget(names, place);
        return;
    }
    if (place->count > 1 || name->until_ns <= now_ns || name->pid != pid ||
        !slice_is_equal(text_of(name), text))
        naming_changed();
    name->learned_ns = now_ns;
    name->until_ns = now_ns + (lives_ns < NAMES_SHORTEST_NS ? NAMES_SHORTEST_NS : lives_ns);
    name->pid = pid;
    name->length = (uint8_t)text.length;
    memcpy(name->text, text.data, text.length);
}

static struct slice text_field(const struct record *record, enum field_id field)
{
    const struct value *value = record_find_const(record, field);

    return value && value->kind == VALUE_TEXT ? value->text : (struct slice){NULL, 0};
}

static uint32_t number_field(const struct record *record, enum field_id field)
{
    const struct value *value = record_find_const(record, field);

    return value && value->kind == VALUE_NUMBER ? (uint32_t)value->number : 0;
}

/* Did a process of this host get the answer, or was it seen with its question on the way to one? */
static bool is_believed(const struct record *record, uint32_t pid)
{
    bool is_observed = slice_is_equal(text_field(record, FIELD_ROLE), SLICE_LITERAL("observer"));

    return (pid || is_observed) && !record_has_flag(record, RECORD_FLAG_UNPAIRED) &&
           slice_is_equal(text_field(record, FIELD_DNS_RESPONSE_CODE), SLICE_LITERAL("NOERROR"));
}

/* Who received the answer; 0: it is not known. */
static uint32_t asker_of(const struct record *record)
{
    bool is_client = slice_is_equal(text_field(record, FIELD_ROLE), SLICE_LITERAL("client"));

    return number_field(record, is_client ? FIELD_PROCESS_PID : FIELD_PEER_PROCESS_PID);
}

struct answer {
    struct slice name, type, data;
    uint64_t ttl;
};

static struct answer answer_of(const struct object *object)
{
    struct answer answer = {.ttl = 0};

    for (uint32_t i = 0; i < object->count; i++) {
        const struct member *member = &object->members[i];

        if (strcmp(member->name, "name") == 0)
            answer.name = member->text;
        else if (strcmp(member->name, "type") == 0)
            answer.type = member->text;
        else if (strcmp(member->name, "data") == 0)
            answer.data = member->text;
        else if (strcmp(member->name, "ttl") == 0)
            answer.ttl = member->number;
    }
    return answer;
}

static bool is_among(const struct slice *names, size_t count, struct slice name)
{
    for (size_t i = 0; i < count; i++)
        if (slice_is_equal_ignoring_case(names[i], name))
            return true;
    return false;
}

/* The question's name and its aliases. Their number. */
static size_t aliases_find(const struct value *answers, uint32_t count, struct slice question,
                           struct slice aliases[NAMES_ALIASES_MAXIMUM])
{
    size_t found = 1, before = 0;

    aliases[0] = question;
    while (found > before && found < NAMES_ALIASES_MAXIMUM) {
        before = found;
        for (uint32_t i = 0; i < count && found < NAMES_ALIASES_MAXIMUM; i++) {
            struct answer answer = answer_of(&answers->objects[i]);

            if (slice_is_equal(answer.type, SLICE_LITERAL("CNAME")) &&
                is_among(aliases, found, answer.name) && !is_among(aliases, found, answer.data))
                aliases[found++] = answer.data;
        }
    }
    return found;
}

void names_learn(struct names *names, const struct record *record, uint64_t now_ns)
{
    struct slice aliases[NAMES_ALIASES_MAXIMUM], question;
    const struct value *type, *answers;
    uint32_t pid, count;
    size_t alias_count;

    /* With it the values of a connection begin, and most records need not be searched for it. */
    type = record_find_at(record, FIELD_TYPE, record->commons[COMMON_OF_CONNECTION].first);
    if (!type || type->kind != VALUE_TEXT || !slice_is_equal(type->text, SLICE_LITERAL("dns")))
        return;
    answers = record_find_const(record, FIELD_DNS_ANSWERS);
    question = text_field(record, FIELD_DNS_QUESTION_NAME);
    pid = asker_of(record);

    if (!answers || answers->kind != VALUE_OBJECTS || !question.length ||
        question.length > NAMES_BYTES_MAXIMUM || !is_believed(record, pid))
        return;
    count = answers->count < NAMES_ANSWERS_MAXIMUM ? answers->count : NAMES_ANSWERS_MAXIMUM;
    alias_count = aliases_find(answers, count, question, aliases);
    for (uint32_t i = 0; i < count; i++) {
        struct answer answer = answer_of(&answers->objects[i]);

        if ((slice_is_equal(answer.type, SLICE_LITERAL("A")) ||
             slice_is_equal(answer.type, SLICE_LITERAL("AAAA"))) &&
            is_among(aliases, alias_count, answer.name))
            learn(names, answer.data, question, answer.ttl, pid, now_ns);
    }
}

struct slice names_find(struct names *names, const struct address *address, uint32_t pid,
                        uint64_t now_ns)
{
    struct place *place = names->table.count ? table_find(&names->table, key_of(address)) : NULL;
    const struct name *own = NULL, *any = NULL;
    bool is_doubtful = false;

    if (!place || !address_is_equal(&place->address, address))
        return (struct slice){NULL, 0};
    unlink_place(names, place);
    link_newest(names, place);
    for (size_t i = 0; i < place->count; i++) {
        const struct name *name = place->names[i];

        if (name->until_ns <= now_ns)
            continue;
        if (name->pid == pid && (!own || own->learned_ns <= name->learned_ns))
            own = name;
        is_doubtful |= any && !slice_is_equal_ignoring_case(text_of(any), text_of(name));
        any = name;
    }
    if (!own && !is_doubtful)
        own = any;
    return own ? text_of(own) : (struct slice){NULL, 0};
}
