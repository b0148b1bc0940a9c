/* record_build: see the header. */
#include "decode/record_build.h"

static void close_object(struct objects *objects)
{
    size_t size = objects->member_count * sizeof(objects->members[0]);
    struct member *members;

    if (!objects->is_open)
        return;
    objects->is_open = false;
    members = arena_allocate(objects->record->arena, size);
    if (!members) {
        record_set_flag(objects->record, RECORD_FLAG_TRUNCATED);
        return;
    }
    memcpy(members, objects->members, size);
    objects->list[objects->count++] = (struct object){members, objects->member_count};
}

bool objects_begin(struct objects *objects)
{
    close_object(objects);
    objects->member_count = 0;
    if (objects->count >= OBJECTS_MAXIMUM) {
        record_set_flag(objects->record, RECORD_FLAG_TRUNCATED);
        return false;
    }
    objects->is_open = true;
    return true;
}

static void add_member(struct objects *objects, struct member member)
{
    if (objects->is_open && objects->member_count < MEMBERS_MAXIMUM)
        objects->members[objects->member_count++] = member;
}

void objects_number(struct objects *objects, const char *name, uint64_t number)
{
    add_member(objects, (struct member){.name = name, .number = number, .is_number = true});
}

void objects_text(struct objects *objects, const char *name, struct slice text)
{
    if (text.length)
        add_member(objects, (struct member){.name = name, .text = text});
}

void build_objects(struct build *build, enum field_id field, struct objects *objects)
{
    struct object *list;

    close_object(objects);
    if (!objects->count)
        return;
    list = arena_allocate(build->record->arena, objects->count * sizeof(*list));
    if (!list) {
        record_set_flag(build->record, RECORD_FLAG_TRUNCATED);
        return;
    }
    memcpy(list, objects->list, objects->count * sizeof(*list));
    record_add_objects(build->record, field, list, objects->count);
}

static const char hex_digits[] = "0123456789abcdef";

struct slice build_hex(struct build *build, struct slice bytes)
{
    uint8_t *text = bytes.length ? arena_allocate(build->record->arena, bytes.length * 2) : NULL;

    if (!text)
        return (struct slice){0};
    for (size_t i = 0; i < bytes.length; i++) {
        text[2 * i] = (uint8_t)hex_digits[bytes.data[i] >> 4];
        text[2 * i + 1] = (uint8_t)hex_digits[bytes.data[i] & 15];
    }
    return slice_of(text, bytes.length * 2);
}

struct slice build_mac(struct build *build, const uint8_t *bytes)
{
    enum { MAC_TEXT = 17 };
    uint8_t *text = arena_allocate(build->record->arena, MAC_TEXT + 1);

    if (!text)
        return (struct slice){0};
    for (size_t i = 0; i < 6; i++) {
        text[3 * i] = (uint8_t)hex_digits[bytes[i] >> 4];
        text[3 * i + 1] = (uint8_t)hex_digits[bytes[i] & 15];
        text[3 * i + 2] = ':';
    }
    return slice_of(text, MAC_TEXT);
}

static size_t address_bytes(uint8_t family)
{
    return family == ADDRESS_IPV4 ? 4 : 16;
}

struct slice build_address_text(struct build *build, uint8_t family, const uint8_t *bytes)
{
    return build_address_list(build, family, slice_of(bytes, address_bytes(family)));
}

struct slice build_address_list(struct build *build, uint8_t family, struct slice bytes)
{
    size_t step = address_bytes(family), length = 0, count = bytes.length / step;
    uint8_t *text = count ? arena_allocate(build->record->arena, count * 46) : NULL;
    struct address address = {.family = family};

    if (!text)
        return (struct slice){0};
    for (size_t i = 0; i < count; i++) {
        memcpy(address.bytes, bytes.data + i * step, step);
        if (i)
            text[length++] = ' ';
        length += address_format(&address, (char *)text + length);
    }
    return slice_of(text, length);
}

void build_address(struct build *build, enum field_id field, uint8_t family, const uint8_t *bytes)
{
    struct address *address = arena_allocate(build->record->arena, sizeof(*address));

    if (!address)
        return;
    *address = (struct address){.family = family};
    memcpy(address->bytes, bytes, address_bytes(family));
    record_add_address(build->record, field, address);
}

void build_names(struct build *build, enum field_id field, uint32_t bits, const char *const *names,
                 uint32_t count)
{
    uint32_t used = 0, set = (uint32_t)__builtin_popcount(bits);
    struct slice *texts = set ? arena_allocate(build->record->arena, set * sizeof(*texts)) : NULL;

    if (!texts)
        return;
    for (uint32_t i = 0; i < count; i++) {
        if (bits & UINT32_C(1) << i)
            texts[used++] = slice_of_string(names[i]);
    }
    record_add_texts(build->record, field, texts, used);
}

void build_malformed(struct build *build, const char *reason)
{
    if (record_has_flag(build->record, RECORD_FLAG_MALFORMED))
        return;
    record_set_flag(build->record, RECORD_FLAG_MALFORMED);
    record_add_text(build->record, FIELD_MALFORMED_REASON, slice_of_string(reason));
}
