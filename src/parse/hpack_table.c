/*
 * hpack_table: the static table (RFC 7541 Appendix A) and the dynamic one (§2.3.2, §4). The newest
 * entries are kept, so an entry that is found is always the right one: eviction takes the oldest,
 * whatever the maximum is, and a reference counts from the newest.
 */
#include "base/allocate.h"
#include "parse/hpack.h"

enum {
    ENTRY_OVERHEAD = 32, /* §4.1 */
    ENTRIES_FIRST = 16,
    TEXT_FIRST = 512,
};

#define S(name, value)                                                                             \
    {                                                                                              \
        SLICE_LITERAL(name), SLICE_LITERAL(value)                                                  \
    }
static const struct header static_table[HPACK_STATIC_COUNT] = {
    S(":authority", ""),
    S(":method", "GET"),
    S(":method", "POST"),
    S(":path", "/"),
    S(":path", "/index.html"),
    S(":scheme", "http"),
    S(":scheme", "https"),
    S(":status", "200"),
    S(":status", "204"),
    S(":status", "206"),
    S(":status", "304"),
    S(":status", "400"),
    S(":status", "404"),
    S(":status", "500"),
    S("accept-charset", ""),
    S("accept-encoding", "gzip, deflate"),
    S("accept-language", ""),
    S("accept-ranges", ""),
    S("accept", ""),
    S("access-control-allow-origin", ""),
    S("age", ""),
    S("allow", ""),
    S("authorization", ""),
    S("cache-control", ""),
    S("content-disposition", ""),
    S("content-encoding", ""),
    S("content-language", ""),
    S("content-length", ""),
    S("content-location", ""),
    S("content-range", ""),
    S("content-type", ""),
    S("cookie", ""),
    S("date", ""),
    S("etag", ""),
    S("expect", ""),
    S("expires", ""),
    S("from", ""),
    S("host", ""),
    S("if-match", ""),
    S("if-modified-since", ""),
    S("if-none-match", ""),
    S("if-range", ""),
    S("if-unmodified-since", ""),
    S("last-modified", ""),
    S("link", ""),
    S("location", ""),
    S("max-forwards", ""),
    S("proxy-authenticate", ""),
    S("proxy-authorization", ""),
    S("range", ""),
    S("referer", ""),
    S("refresh", ""),
    S("retry-after", ""),
    S("server", ""),
    S("set-cookie", ""),
    S("strict-transport-security", ""),
    S("transfer-encoding", ""),
    S("user-agent", ""),
    S("vary", ""),
    S("via", ""),
    S("www-authenticate", ""),
};
#undef S

static struct hpack_entry *at(const struct hpack_table *table, uint32_t index)
{
    return &table->entries[(table->newest - index) & (table->capacity - 1)];
}

static inline uint32_t text_length(const struct hpack_entry *entry)
{
    return entry->name_length + entry->value_length;
}

/* Position of the oldest text that is needed. */
static uint32_t text_start(const struct hpack_table *table)
{
    return table->count ? at(table, table->count - 1)->position : table->text_end;
}

void hpack_table_done(struct hpack_table *table)
{
    deallocate(table->text);
    deallocate(table->entries);
    *table = (struct hpack_table){0};
}

static void empty(struct hpack_table *table)
{
    table->version++;
    table->count = 0;
    table->size = 0;
}

void hpack_table_forget(struct hpack_table *table)
{
    empty(table);
    table->maximum = HPACK_MAXIMUM_UNKNOWN;
    table->has_unknown = true;
}

void hpack_table_begin(struct hpack_table *table)
{
    empty(table);
    table->maximum = HPACK_MAXIMUM_DEFAULT;
    table->has_unknown = false;
}

static void evict_oldest(struct hpack_table *table)
{
    table->size -= at(table, table->count - 1)->size;
    table->count--;
}

/* Evicts until `more` bytes fit into what the encoder may use (§4.3, §4.4). */
static void make_room(struct hpack_table *table, uint64_t more)
{
    if (table->maximum == HPACK_MAXIMUM_UNKNOWN)
        return;
    if (table->size + more + ENTRY_OVERHEAD > table->maximum)
        table->has_unknown = false; /* they are older than those that are known */
    while (table->count && table->size + more > table->maximum)
        evict_oldest(table);
}

void hpack_table_resize(struct hpack_table *table, uint64_t maximum)
{
    table->version++;
    table->maximum = maximum < HPACK_MAXIMUM_UNKNOWN ? (uint32_t)maximum : HPACK_MAXIMUM_UNKNOWN;
    make_room(table, 0);
}

static struct hpack_field field_of(const struct hpack_table *table, const struct hpack_entry *entry)
{
    const uint8_t *text = table->text + (entry->position - table->text_base);
    return (struct hpack_field){
        .name = slice_of(text, entry->name_length),
        .value = slice_of(text + entry->name_length, entry->value_length),
        .is_name_known = entry->is_name_known,
        .is_value_known = entry->is_value_known,
    };
}

struct hpack_field hpack_table_find(const struct hpack_table *table, uint64_t index)
{
    if (index >= 1 && index <= HPACK_STATIC_COUNT) {
        const struct header *header = &static_table[index - 1];
        return (struct hpack_field){header->name, header->value, true, true, false};
    }
    if (index > HPACK_STATIC_COUNT && index - HPACK_STATIC_COUNT <= table->count)
        return field_of(table, at(table, (uint32_t)(index - HPACK_STATIC_COUNT - 1)));
    return (struct hpack_field){.is_invalid = !table->has_unknown || index == 0};
}

bool hpack_table_newest(const struct hpack_table *table, struct hpack_field *ret_field)
{
    if (!table->count)
        return false;
    *ret_field = field_of(table, at(table, 0));
    return true;
}

/* Moves the text that is needed to the front, into more memory when it needs that. */
static bool renew_text(struct hpack_table *table, size_t more)
{
    uint32_t start = text_start(table);
    size_t live = table->text_end - start;
    size_t capacity = table->text_capacity ? table->text_capacity : TEXT_FIRST;
    while (capacity / 2 < live + more) /* half of it free, so that moving stays rare */
        capacity *= 2;
    if (capacity == table->text_capacity) {
        memmove(table->text, table->text + (start - table->text_base), live);
    } else {
        uint8_t *larger = allocate(capacity);
        if (!larger)
            return false;
        if (live)
            memcpy(larger, table->text + (start - table->text_base), live);
        deallocate(table->text);
        table->text = larger;
        table->text_capacity = (uint32_t)capacity;
    }
    table->text_base = start;
    return true;
}

uint8_t *hpack_table_reserve(struct hpack_table *table, size_t length)
{
    size_t used = table->text_end - table->text_base;
    if ((!table->text || table->text_capacity - used < length) && !renew_text(table, length))
        return NULL;
    return table->text + (table->text_end - table->text_base);
}

static bool grow_entries(struct hpack_table *table)
{
    uint32_t capacity = table->capacity ? table->capacity * 2 : ENTRIES_FIRST;
    struct hpack_entry *larger = allocate(capacity * sizeof(*larger));
    if (!larger)
        return false;
    for (uint32_t i = 0; i < table->count; i++)
        larger[table->count - 1 - i] = *at(table, i);
    deallocate(table->entries);
    table->entries = larger;
    table->capacity = capacity;
    table->newest = table->count ? table->count - 1 : 0;
    return true;
}

bool hpack_table_insert(struct hpack_table *table, struct hpack_entry entry)
{
    table->version++;
    make_room(table, entry.size);
    if (entry.size > table->maximum)
        return true; /* too large for the table: it has become empty (§4.4) */
    while (table->count &&
           (table->count >= HPACK_ENTRIES_MAXIMUM ||
            table->text_end + text_length(&entry) - text_start(table) > HPACK_TABLE_KEPT)) {
        evict_oldest(table);
        table->has_unknown = true;
    }
    if (table->count == table->capacity && !grow_entries(table)) {
        hpack_table_forget(table);
        return false;
    }
    entry.position = table->text_end;
    table->text_end += text_length(&entry);
    table->newest++;
    table->count++;
    table->size += entry.size;
    *at(table, 0) = entry;
    return true;
}
