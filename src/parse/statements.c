/* statements: see statements.h. The key is a hash of the name; the name is compared as well. */
#include "parse/statements.h"
#include "base/allocate.h"
#include "parse/calls.h"

/* What a name stands for: `statement` may be shared with other names. */
struct entry {
    struct statement *statement;
    uint32_t name_length;
    uint8_t name[];
};

static uint64_t key_of(struct slice name)
{
    uint64_t key = 14695981039346656037ull; /* FNV-1a */
    for (size_t i = 0; i < name.length; i++)
        key = (key ^ name.data[i]) * 1099511628211ull;
    return key;
}

static size_t size_of(const struct statement *statement)
{
    return sizeof(*statement) + statement->name_length + statement->text_length;
}

static void release(struct statement *statement)
{
    if (--statement->references == 0)
        deallocate(statement);
}

static struct entry *find(const struct statements *statements, struct slice name)
{
    struct entry *entry = statements->is_ready ? table_find(&statements->table, key_of(name))
                                               : NULL;
    return entry && slice_is_equal(slice_of(entry->name, entry->name_length), name) ? entry : NULL;
}

static void drop(struct statements *statements, struct entry *entry)
{
    statements->bytes -= sizeof(*entry) + entry->name_length + size_of(entry->statement);
    release(entry->statement);
    deallocate(entry);
}

void statements_remove(struct statements *statements, struct slice name)
{
    if (find(statements, name))
        drop(statements, table_remove(&statements->table, key_of(name)));
}

bool statements_link(struct statements *statements, struct slice name, struct statement *statement)
{
    struct entry *entry;
    size_t size = sizeof(*entry) + name.length + (statement ? size_of(statement) : 0);
    if (statement)
        statement->references++;
    statements_remove(statements, name);
    if (!statement)
        return true;
    if (!statements->is_ready)
        table_init(&statements->table, STATEMENTS_MAXIMUM);
    statements->is_ready = true;
    entry = statements->bytes + size <= STATEMENTS_BYTES_MAXIMUM ? allocate(size) : NULL;
    if (entry) {
        entry->statement = statement;
        entry->name_length = (uint32_t)name.length;
        if (name.length)
            memcpy(entry->name, name.data, name.length);
    }
    if (!entry || table_find(&statements->table, key_of(name)) ||
        table_set(&statements->table, key_of(name), entry) < 0) {
        statements->is_full = true;
        deallocate(entry);
        release(statement);
        return false;
    }
    statements->bytes += size;
    return true;
}

bool statements_set(struct statements *statements, struct slice name, struct slice text,
                    bool is_cut)
{
    struct slice kept = slice_part(text, 0, STATEMENTS_TEXT_KEPT);
    size_t size = sizeof(struct statement) + name.length + kept.length;
    bool has_room = statements->bytes + size <= STATEMENTS_BYTES_MAXIMUM;
    struct statement *statement = has_room ? allocate(size) : NULL;
    if (!statement) {
        statements_remove(statements, name);
        statements->is_full = true;
        return false;
    }
    *statement = (struct statement){.references = 1,
                                    .name_length = (uint32_t)name.length,
                                    .text_length = (uint32_t)kept.length,
                                    .is_cut = is_cut || kept.length < text.length};
    if (name.length)
        memcpy(statement->bytes, name.data, name.length);
    if (kept.length)
        memcpy(statement->bytes + name.length, kept.data, kept.length);
    bool is_kept = statements_link(statements, name, statement);
    release(statement);
    return is_kept;
}

struct statement *statements_find(const struct statements *statements, struct slice name)
{
    struct entry *entry = find(statements, name);
    return entry ? entry->statement : NULL;
}

void statements_clear(struct statements *statements)
{
    if (!statements->is_ready)
        return;
    for (size_t i = 0; i < statements->table.capacity; i++) {
        if (statements->table.slots[i].value)
            drop(statements, statements->table.slots[i].value);
    }
    table_done(&statements->table);
    statements->is_ready = statements->is_full = false;
}

void short_text_set(struct short_text *text, struct slice bytes)
{
    bytes = slice_part(bytes, 0, STATEMENTS_WORD_KEPT);
    text->length = (uint8_t)bytes.length;
    if (bytes.length)
        memcpy(text->text, bytes.data, bytes.length);
}

static bool is_letter(uint8_t byte)
{
    return (uint8_t)((byte | 0x20) - 'a') < 26 || byte == '_';
}

struct slice sql_operation(struct slice text)
{
    size_t at = 0;
    while (at < text.length && !is_letter(text.data[at])) {
        struct slice rest = slice_part(text, at, SIZE_MAX);
        if (rest.length >= 2 && rest.data[0] == '/' && rest.data[1] == '*' &&
            !(rest.length >= 3 && rest.data[2] == '!')) {
            const uint8_t *end = memmem(rest.data + 2, rest.length - 2, "*/", 2);
            at = end ? (size_t)(end - text.data) + 2 : text.length;
        } else if ((rest.length >= 2 && memcmp(rest.data, "--", 2) == 0) || rest.data[0] == '#') {
            at += slice_find(rest, '\n');
        } else {
            at++;
        }
    }
    size_t start = at;
    while (at < text.length && is_letter(text.data[at]))
        at++;
    return slice_part(text, start, at - start);
}

void sql_add_text(struct record *record, struct slice text, bool is_cut)
{
    if (!record || text.length == 0)
        return;
    struct slice copy = arena_copy(record->arena, text);
    if (!copy.data) {
        record_set_flag(record, RECORD_FLAG_TRUNCATED);
        return;
    }
    struct slice operation = sql_operation(copy);
    record_add_text(record, FIELD_DB_QUERY_TEXT, copy);
    if (operation.length && operation.length <= STATEMENTS_WORD_KEPT)
        record_add_text(record, FIELD_DB_OPERATION_NAME, operation);
    if (is_cut)
        record_set_flag(record, RECORD_FLAG_TRUNCATED);
}
