/*
 * packet_filter: what packets are wanted, into the tables of the kernel. Entries of the generation
 * that does not count are written first, then it becomes the one that counts, then what only the
 * other knew is taken away: no packet is judged by a mixture.
 */
#include <errno.h>
#include <bpf/bpf.h>
#include "capture/packet_program.h"

struct filling {
    struct weir *skeleton;
    unsigned generation; /* that is written */
    uint32_t dimensions;
};

/* Sets dimensions of an entry for the generation; what the other has stays. */
static int entry_add(struct bpf_map *map, const void *key, size_t size, unsigned generation,
                     unsigned dimensions)
{
    struct weir_packet_entry entry = {0};

    bpf_map__lookup_elem(map, key, size, &entry, sizeof(entry), 0);
    entry.dimensions[generation] |= (uint16_t)dimensions;
    return bpf_map__update_elem(map, key, size, &entry, sizeof(entry), BPF_ANY);
}

static int ports_add(struct filling *filling, const uint16_t *ports, size_t count,
                     unsigned dimension)
{
    int result = 0;

    for (size_t i = 0; result == 0 && i < count; i++)
        result = entry_add(filling->skeleton->maps.weir_packet_ports, &ports[i], sizeof(ports[i]),
                           filling->generation, dimension);
    filling->dimensions |= count ? dimension & ~(unsigned)WEIR_PACKET_FOLLOW : 0;
    return result;
}

static int networks_add(struct filling *filling, const struct cidr *networks, size_t count,
                        unsigned dimension)
{
    int result = 0;

    for (size_t i = 0; result == 0 && i < count; i++) {
        struct weir_network key = {.prefix = networks[i].prefix};

        if (networks[i].address.family == ADDRESS_IPV4) {
            key.prefix += 96;
            key.address[10] = key.address[11] = 0xff;
            memcpy(key.address + 12, networks[i].address.bytes, 4);
        } else {
            memcpy(key.address, networks[i].address.bytes, 16);
        }
        result = entry_add(filling->skeleton->maps.weir_packet_nets, &key, sizeof(key),
                           filling->generation, dimension);
    }
    filling->dimensions |= count ? dimension : 0;
    return result;
}

/* A network inside another one is found instead of it: it has all that the other has. */
static void networks_inherit(struct filling *filling)
{
    struct bpf_map *map = filling->skeleton->maps.weir_packet_nets;
    struct weir_network key, next, wider;
    bool has_next = bpf_map__get_next_key(map, NULL, &next, sizeof(next)) == 0;

    while (has_next) {
        key = next;
        has_next = bpf_map__get_next_key(map, &key, &next, sizeof(next)) == 0;
        for (wider = key; wider.prefix > 0;) {
            struct weir_packet_entry entry = {0};
            int descriptor = bpf_map__fd(map);

            wider.prefix--;
            wider.address[wider.prefix / 8] &= (uint8_t)(0xff00 >> wider.prefix % 8);
            /* The longest match of the shorter prefix; walk on from what it says. */
            if (bpf_map_lookup_elem(descriptor, &wider, &entry))
                break;
            entry_add(map, &key, sizeof(key), filling->generation,
                      entry.dimensions[filling->generation]);
        }
    }
}

/* Forgets a generation; entries that have nothing left go. */
static void map_clean(struct bpf_map *map, size_t key_size, unsigned generation)
{
    uint8_t key[sizeof(struct weir_network)], next[sizeof(struct weir_network)];
    bool has_next = bpf_map__get_next_key(map, NULL, next, key_size) == 0;

    while (has_next) {
        struct weir_packet_entry entry = {0};

        memcpy(key, next, key_size);
        has_next = bpf_map__get_next_key(map, key, next, key_size) == 0;
        if (bpf_map__lookup_elem(map, key, key_size, &entry, sizeof(entry), 0))
            continue;
        entry.dimensions[generation] = 0;
        if (entry.dimensions[!generation])
            bpf_map__update_elem(map, key, key_size, &entry, sizeof(entry), BPF_ANY);
        else
            bpf_map__delete_elem(map, key, key_size, 0);
    }
}

static void generation_clean(struct weir *skeleton, unsigned generation)
{
    map_clean(skeleton->maps.weir_packet_ports, sizeof(uint16_t), generation);
    map_clean(skeleton->maps.weir_packet_nets, sizeof(struct weir_network), generation);
}

static int filling_fill(struct filling *filling, const struct prefilter *prefilter,
                        const uint16_t *followed_ports)
{
    size_t followed = 0;
    int result;

    while (followed_ports && followed_ports[followed])
        followed++;
    result = ports_add(filling, followed_ports, followed, WEIR_PACKET_FOLLOW);
    if (result == 0)
        result = ports_add(filling, prefilter->server_ports, prefilter->server_port_count,
                           WEIR_PACKET_SERVER_PORT);
    if (result == 0)
        result = ports_add(filling, prefilter->client_ports, prefilter->client_port_count,
                           WEIR_PACKET_CLIENT_PORT);
    if (result == 0)
        result = networks_add(filling, prefilter->server_networks, prefilter->server_network_count,
                              WEIR_PACKET_SERVER_NETWORK);
    if (result == 0)
        result = networks_add(filling, prefilter->client_networks, prefilter->client_network_count,
                              WEIR_PACKET_CLIENT_NETWORK);
    if (result == 0)
        result = ports_add(filling, prefilter->either_ports, prefilter->either_port_count,
                           WEIR_PACKET_EITHER_PORT);
    if (result == 0)
        result = networks_add(filling, prefilter->either_networks, prefilter->either_network_count,
                              WEIR_PACKET_EITHER_NETWORK);
    if (result == 0)
        networks_inherit(filling);
    return result;
}

int packet_filter_set(struct weir *skeleton, const struct prefilter *prefilter,
                      const uint16_t *followed_ports)
{
    struct weir_packet_filter *filter = &skeleton->bss->weir_packet_filter;
    struct filling filling = {skeleton, !(filter->generation & 1), 0};
    unsigned old = filter->generation & 1;
    int result;

    generation_clean(skeleton, filling.generation);
    result = filling_fill(&filling, prefilter, followed_ports);
    if (result) {
        generation_clean(skeleton, filling.generation);
        return result;
    }
    filling.dimensions |= (prefilter->has_protocols ? WEIR_PACKET_PROTOCOL : 0) |
                          (prefilter->tcp_flags ? WEIR_PACKET_TCP_FLAGS : 0);
    filter->dimensions[filling.generation] = filling.dimensions;
    filter->tcp_flags[filling.generation] = prefilter->tcp_flags;
    memcpy(filter->protocols[filling.generation], prefilter->protocols,
           sizeof(filter->protocols[0]));
    __atomic_store_n(&filter->generation, filling.generation, __ATOMIC_RELEASE);
    generation_clean(skeleton, old);
    return 0;
}
