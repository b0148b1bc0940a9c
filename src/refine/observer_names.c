/* observer_names: direct mapped by the address. */
#include "refine/observer_names.h"
#include <errno.h>
#include "base/allocate.h"

enum { NAMES_MAXIMUM = 4096, NAME_BYTES = 255 /* RFC 1035 §2.3.4 */ };

struct observer_names {
    struct observer_name {
        struct address address;
        uint8_t length;
        uint8_t bytes[NAME_BYTES];
    } items[NAMES_MAXIMUM];
};

int observer_names_new(struct observer_names **ret_names)
{
    *ret_names = allocate_zeroed(sizeof(**ret_names));
    return *ret_names ? 0 : -ENOMEM;
}

void observer_names_free(struct observer_names **names)
{
    deallocate(*names);
    *names = NULL;
}

static size_t place_of(const struct address *address)
{
    uint32_t hash = address->family;

    for (size_t i = 0; i < sizeof(address->bytes); i++)
        hash = (hash ^ address->bytes[i]) * 16777619u;
    return (hash ^ hash >> 15) % NAMES_MAXIMUM;
}

static void set(struct observer_names *names, const struct address *address, struct slice name)
{
    struct observer_name *item = &names->items[place_of(address)];

    if (!name.length || name.length > NAME_BYTES)
        return;
    item->address = *address;
    item->length = (uint8_t)name.length;
    memcpy(item->bytes, name.data, name.length);
}

static struct slice member_of(const struct object *object, const char *name)
{
    for (uint32_t i = 0; i < object->count; i++)
        if (strcmp(object->members[i].name, name) == 0 && !object->members[i].is_number)
            return object->members[i].text;
    return (struct slice){NULL, 0};
}

void observer_names_learn(struct observer_names *names, const struct record *record)
{
    const struct value *answers = record_find_const(record, FIELD_DNS_ANSWERS);
    const struct value *question = record_find_const(record, FIELD_DNS_QUESTION_NAME);

    if (!answers || answers->kind != VALUE_OBJECTS || !question)
        return;
    for (uint32_t i = 0; i < answers->count; i++) {
        const struct object *answer = &answers->objects[i];
        struct slice type = member_of(answer, "type");
        struct address address;

        if ((slice_is_equal(type, SLICE_LITERAL("A")) ||
             slice_is_equal(type, SLICE_LITERAL("AAAA"))) &&
            address_parse(member_of(answer, "data"), &address) == 0)
            set(names, &address, question->text);
    }
}

struct slice observer_names_find(const struct observer_names *names, const struct address *address)
{
    const struct observer_name *item = &names->items[place_of(address)];

    if (!item->length || !address_is_equal(&item->address, address))
        return (struct slice){NULL, 0};
    return slice_of(item->bytes, item->length);
}
