/*
 * lasting: direct-mapped by the connection's id. Values are kept from a connection's second record
 * on, since many connections have one only.
 */
#include "track/lasting.h"
#include "base/allocate.h"
#include "track/connection.h"
#include "track/process_fields.h"

enum { CREDIT_MAXIMUM = 4 };

static void slot_clear(struct lasting_slot *slot)
{
    common_values_unref(&slot->values);
    *slot = (struct lasting_slot){.connection = NULL};
}

void lasting_free(struct lasting **lasting)
{
    for (size_t i = 0; *lasting && i < LASTING_SLOTS; i++)
        slot_clear(&(*lasting)->slots[i]);
    deallocate(*lasting);
    *lasting = NULL;
}

static struct lasting_slot *slot_of(const struct connection *connection)
{
    struct lasting *lasting = connection->streams->lasting;
    uint64_t mixed = connection->id * 0x9E3779B97F4A7C15u;

    return lasting ? &lasting->slots[mixed >> 32 & (LASTING_SLOTS - 1)] : NULL;
}

void lasting_forget(struct connection *connection)
{
    struct lasting_slot *slot = slot_of(connection);

    if (slot && slot->connection == connection)
        slot_clear(slot);
}

static void add_ends(const struct connection *connection, struct record *record, bool is_client)
{
    const struct endpoint *client = is_client ? &connection->local : &connection->remote;
    const struct endpoint *server = is_client ? &connection->remote : &connection->local;
    struct address *addresses = arena_allocate(record->arena, 2 * sizeof(*addresses));
    unsigned family = client->address.family ? client->address.family : server->address.family;

    if (addresses) {
        addresses[0] = client->address;
        addresses[1] = server->address;
    } else {
        record_set_flag(record, RECORD_FLAG_TRUNCATED);
    }
    if (addresses && client->address.family)
        record_add_address(record, FIELD_CLIENT_ADDRESS, &addresses[0]);
    if (addresses && server->address.family)
        record_add_address(record, FIELD_SERVER_ADDRESS, &addresses[1]);
    if (family)
        record_add_text(record, FIELD_NETWORK_TYPE,
                        family == ADDRESS_IPV4 ? SLICE_LITERAL("ipv4") : SLICE_LITERAL("ipv6"));
    if (client->port)
        record_add_number(record, FIELD_CLIENT_PORT, client->port);
    if (server->port)
        record_add_number(record, FIELD_SERVER_PORT, server->port);
}

/* What the key says, as values. */
static void add_values(const struct connection *connection, const struct lasting_key *key,
                       const struct process_details details[2], struct record *record)
{
    const struct parser *parser = key->parser;
    const char *source = key->carrier ? "tls" : connection->streams->options.source;
    bool is_client = key->traits & LASTING_CLIENT;
    const char *role = key->traits & LASTING_OBSERVED ? "observer"
                       : is_client                    ? "client"
                                                      : "server";

    record_add_text(record, FIELD_TYPE, slice_of_string(parser->record_type));
    record_add_text(record, FIELD_SOURCE, slice_of_string(source));
    record_add_text(record, FIELD_ROLE, slice_of_string(role));
    add_ends(connection, record, is_client);
    record_add_text(record, FIELD_NETWORK_TRANSPORT,
                    connection->is_unix              ? SLICE_LITERAL("unix")
                    : key->traits & LASTING_DATAGRAM ? SLICE_LITERAL("udp")
                                                     : SLICE_LITERAL("tcp"));
    if (parser->protocol)
        record_add_text(record, FIELD_NETWORK_PROTOCOL_NAME, slice_of_string(parser->protocol));
    record_add_number(record, FIELD_CONNECTION_ID, key->carrier ? key->carrier : connection->id);
    if (key->processes[0].pid)
        process_fields_add(record, &key->processes[0], &details[0]);
    if (key->processes[1].pid)
        process_fields_add_peer(record, &key->processes[1], &details[1]);
}

/* False: whether it is still the same cannot be told the next time. */
static bool key_fill(const struct connection *connection, bool is_client, struct lasting_key *key,
                     struct process_details details[2])
{
    const struct streams_options *options = &connection->streams->options;
    const struct connection *peer = connection->peer;
    bool is_known = true;

    key->parser = connection->parser;
    key->carrier = connection->carrier;
    key->traits = (is_client ? LASTING_CLIENT : 0) |
                  (connection->is_observed ? LASTING_OBSERVED : 0) |
                  (connection->emitter.is_datagram ? LASTING_DATAGRAM : 0);
    key->processes[0] = connection->process;
    key->processes[1] = peer && peer->process.pid ? peer->process : connection->peer_process;
    for (size_t i = 0; i < 2; i++) {
        if (!key->processes[i].pid || !options->identify) {
            memset(&details[i], 0, sizeof(details[i]));
            continue;
        }
        options->identify(options->context, &key->processes[i], &details[i]);
        key->versions[i] = details[i].version;
        is_known &= details[i].version != 0;
    }
    return is_known;
}

/* The values that were just added, for the next time. */
static void keep(struct connection *connection, const struct lasting_key *key,
                 const struct record *record, uint32_t first)
{
    struct streams *streams = connection->streams;
    struct lasting_slot *slot;

    if (!streams->lasting)
        streams->lasting = allocate_zeroed(sizeof(*streams->lasting));
    slot = slot_of(connection);
    if (!slot)
        return;
    if (slot->connection && slot->connection != connection && slot->credit) {
        slot->credit--;
        return;
    }
    slot_clear(slot);
    slot->values = common_values_new(&record->values[first], record->value_count - first);
    if (!slot->values)
        return;
    slot->connection = connection;
    slot->key = *key;
}

void lasting_add(struct connection *connection, struct record *record, bool is_client)
{
    struct lasting_slot *slot = slot_of(connection);
    struct process_details details[2];
    struct lasting_key key;
    uint32_t first = record->value_count, flags = record->flags;
    bool is_known;

    memset(&key, 0, sizeof(key));
    is_known = key_fill(connection, is_client, &key, details);
    if (is_known && slot && slot->connection == connection &&
        memcmp(&slot->key, &key, sizeof(key)) == 0 &&
        record_add_common(record, COMMON_OF_CONNECTION, slot->values)) {
        slot->credit += slot->credit < CREDIT_MAXIMUM;
        return;
    }
    record->flags = 0;
    add_values(connection, &key, details, record);
    if (is_known && connection->has_records && !record->flags &&
        record->value_count < RECORD_VALUES_MAXIMUM && !connection->streams->options.is_forgetful)
        keep(connection, &key, record, first);
    record->flags |= flags;
    connection->has_records = true;
}
