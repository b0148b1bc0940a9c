/* naming: one number stands for the state of all sources. */
#include "metadata/naming.h"

static _Atomic uint64_t changes = 1;

void naming_changed(void)
{
    changes++;
}

uint64_t naming_version(void)
{
    return changes;
}

/* Names are given before any stage changes a record, so its values are still the connection's. */
static struct common_values *connection_of(const struct record *record)
{
    return record->commons[COMMON_OF_CONNECTION].common;
}

static bool is_current(const struct common_values *connection, uint64_t version, uint64_t now_ns)
{
    return connection->names_version == version && now_ns < connection->names_until_ns;
}

bool naming_recall(struct record *record, uint64_t version, uint64_t now_ns)
{
    const struct common_values *connection = connection_of(record);

    if (!connection || !connection->are_names_kept || !is_current(connection, version, now_ns))
        return false;
    return !connection->names || record_add_common(record, COMMON_OF_NAMES, connection->names);
}

/* Of kinds that can be copied, and all there? */
static bool is_whole(const struct record *record, uint32_t first)
{
    for (uint32_t i = first; i < record->value_count; i++)
        if (record->values[i].kind != VALUE_TEXT && record->values[i].kind != VALUE_NUMBER &&
            record->values[i].kind != VALUE_TEXTS)
            return false;
    return record->value_count < RECORD_VALUES_MAXIMUM;
}

void naming_keep(struct record *record, uint32_t first, uint64_t version, uint64_t now_ns)
{
    struct common_values *connection = connection_of(record);
    uint32_t count = record->value_count - first;
    bool is_second;

    if (!connection)
        return;
    is_second = is_current(connection, version, now_ns) && is_whole(record, first);
    common_values_unref(&connection->names);
    if (is_second && count)
        connection->names = common_values_new(&record->values[first], count);
    connection->are_names_kept = is_second && (connection->names || !count);
    connection->names_version = version;
    connection->names_until_ns = now_ns + NAMING_KEPT_NS;
}
