/*
 * selection: the kernel's tables of processes, ports and networks, and which of them count. A
 * change passes through tables that allow what the old and the new selection do, so that no
 * connection that both want is refused on the way; what was judged by them is judged again.
 */
#include <errno.h>
#include <time.h>
#include <bpf/bpf.h>
#include "capture/program.h"

_Static_assert((int)CAPTURE_CGROUPS_MAXIMUM <= (int)WEIR_CGROUPS_MAXIMUM, "one for one");

#define IGNORED_INTERVAL_NS 1000000000ull /* between judgements for the sake of the ignored */

enum { NEVER_SHIFT = 2 /* of the sides that are refused */ };

static void network_key(const struct cidr *cidr, struct weir_network *ret_key)
{
    memset(ret_key, 0, sizeof(*ret_key));
    ret_key->prefix = cidr->prefix;
    if (cidr->address.family == ADDRESS_IPV4) {
        ret_key->prefix += 96;
        ret_key->address[10] = ret_key->address[11] = 0xff;
        memcpy(ret_key->address + 12, cidr->address.bytes, 4);
    } else {
        memcpy(ret_key->address, cidr->address.bytes, 16);
    }
}

static bool has_port(const uint16_t *ports, size_t count, uint16_t port)
{
    for (size_t i = 0; i < count; i++)
        if (ports[i] == port)
            return true;
    return false;
}

static uint8_t port_sides(const struct prefilter *filter, uint16_t port)
{
    uint8_t sides = 0;

    if (has_port(filter->server_ports, filter->server_port_count, port))
        sides |= WEIR_SIDE_SERVER;
    if (has_port(filter->client_ports, filter->client_port_count, port))
        sides |= WEIR_SIDE_CLIENT;
    if (has_port(filter->either_ports, filter->either_port_count, port))
        sides |= WEIR_SIDE_EITHER;
    return sides;
}

/* Does one of the networks hold all of this one? The table tells the longest prefix only. */
static bool has_network(const struct cidr *networks, size_t count, const struct cidr *network)
{
    for (size_t i = 0; i < count; i++)
        if (networks[i].prefix <= network->prefix && cidr_contains(&networks[i], &network->address))
            return true;
    return false;
}

static uint8_t network_sides(const struct prefilter *filter, const struct cidr *network)
{
    uint8_t sides = 0;

    if (has_network(filter->server_networks, filter->server_network_count, network))
        sides |= WEIR_SIDE_SERVER;
    if (has_network(filter->client_networks, filter->client_network_count, network))
        sides |= WEIR_SIDE_CLIENT;
    if (has_network(filter->either_networks, filter->either_network_count, network))
        sides |= WEIR_SIDE_EITHER;
    return sides;
}

/*
 * One step of a change: every key of both gets a value that allows what `before` or `after` do, and
 * refuses what `after` does.
 */
struct change {
    struct weir *skeleton;
    const struct capture_selection *before, *after;
    int result;
};

static void set(struct change *change, struct bpf_map *map, const void *key, size_t size,
                uint8_t value)
{
    int result = bpf_map__update_elem(map, key, size, &value, sizeof(value), BPF_ANY);

    if (result && !change->result)
        change->result = result;
}

static void set_ports(struct change *change, const uint16_t *ports, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t only = port_sides(&change->before->only, ports[i]) |
                       port_sides(&change->after->only, ports[i]);
        uint8_t never = port_sides(&change->after->never, ports[i]);

        set(change, change->skeleton->maps.weir_ports, &ports[i], sizeof(ports[i]),
            (uint8_t)(only | never << NEVER_SHIFT));
    }
}

static void set_networks(struct change *change, const struct cidr *networks, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint8_t only = network_sides(&change->before->only, &networks[i]) |
                       network_sides(&change->after->only, &networks[i]);
        uint8_t never = network_sides(&change->after->never, &networks[i]);
        struct weir_network key;

        network_key(&networks[i], &key);
        set(change, change->skeleton->maps.weir_networks, &key, sizeof(key),
            (uint8_t)(only | never << NEVER_SHIFT));
    }
}

static void set_filter(struct change *change, const struct prefilter *keys)
{
    set_ports(change, keys->server_ports, keys->server_port_count);
    set_ports(change, keys->client_ports, keys->client_port_count);
    set_networks(change, keys->server_networks, keys->server_network_count);
    set_networks(change, keys->client_networks, keys->client_network_count);
    set_ports(change, keys->either_ports, keys->either_port_count);
    set_networks(change, keys->either_networks, keys->either_network_count);
}

static void set_selection(struct change *change, const struct capture_selection *keys)
{
    set_filter(change, &keys->only);
    set_filter(change, &keys->never);
    for (size_t i = 0; i < keys->only.pid_count; i++)
        set(change, change->skeleton->maps.weir_processes, &keys->only.pids[i],
            sizeof(keys->only.pids[i]), 1);
}

/* 0, or -errno of the first value that could not be set. */
static int pass_through(struct weir *skeleton, const struct capture_selection *before,
                        const struct capture_selection *after)
{
    struct change change = {.skeleton = skeleton, .before = before, .after = after};

    set_selection(&change, before);
    set_selection(&change, after);
    return change.result;
}

static void clear(struct bpf_map *map, size_t size)
{
    struct weir_network key; /* the largest one */

    while (bpf_map__get_next_key(map, NULL, &key, size) == 0 &&
           bpf_map__delete_elem(map, &key, size, 0) == 0)
        ;
}

static bool has_exactly(const struct capture_selection *selection, const struct weir_network *key)
{
    const struct prefilter *const filters[] = {&selection->only, &selection->never};

    for (size_t i = 0; i < 4; i++) {
        const struct prefilter *filter = filters[i / 2];
        const struct cidr *networks = i % 2 ? filter->client_networks : filter->server_networks;
        size_t count = i % 2 ? filter->client_network_count : filter->server_network_count;
        struct weir_network own;

        for (size_t j = 0; j < count; j++) {
            network_key(&networks[j], &own);
            if (memcmp(&own, key, sizeof(own)) == 0)
                return true;
        }
    }
    return false;
}

static bool has_pid(const struct prefilter *filter, uint32_t pid)
{
    for (size_t i = 0; i < filter->pid_count; i++)
        if (filter->pids[i] == pid)
            return true;
    return false;
}

static void drop_networks(struct weir *skeleton, const struct cidr *networks, size_t count,
                          const struct capture_selection *after)
{
    for (size_t i = 0; i < count; i++) {
        struct weir_network key;

        network_key(&networks[i], &key);
        if (!has_exactly(after, &key))
            bpf_map__delete_elem(skeleton->maps.weir_networks, &key, sizeof(key), 0);
    }
}

static void drop_ports(struct weir *skeleton, const uint16_t *ports, size_t count,
                       const struct capture_selection *after)
{
    for (size_t i = 0; i < count; i++)
        if (!port_sides(&after->only, ports[i]) && !port_sides(&after->never, ports[i]))
            bpf_map__delete_elem(skeleton->maps.weir_ports, &ports[i], sizeof(ports[i]), 0);
}

/* Removes the keys that only `before` has. */
static void drop_old(struct weir *skeleton, const struct capture_selection *before,
                     const struct capture_selection *after)
{
    const struct prefilter *const filters[] = {&before->only, &before->never};

    for (size_t i = 0; i < 2; i++) {
        const struct prefilter *filter = filters[i];

        drop_ports(skeleton, filter->server_ports, filter->server_port_count, after);
        drop_ports(skeleton, filter->client_ports, filter->client_port_count, after);
        drop_networks(skeleton, filter->server_networks, filter->server_network_count, after);
        drop_networks(skeleton, filter->client_networks, filter->client_network_count, after);
        drop_ports(skeleton, filter->either_ports, filter->either_port_count, after);
        drop_networks(skeleton, filter->either_networks, filter->either_network_count, after);
    }
    for (size_t i = 0; i < before->only.pid_count; i++)
        if (!has_pid(&after->only, before->only.pids[i]))
            bpf_map__delete_elem(skeleton->maps.weir_processes, &before->only.pids[i],
                                 sizeof(before->only.pids[i]), 0);
}

static uint8_t dimensions(const struct prefilter *filter)
{
    return (filter->server_port_count ? WEIR_FILTER_SERVER_PORT : 0) |
           (filter->client_port_count ? WEIR_FILTER_CLIENT_PORT : 0) |
           (filter->server_network_count ? WEIR_FILTER_SERVER_NETWORK : 0) |
           (filter->client_network_count ? WEIR_FILTER_CLIENT_NETWORK : 0) |
           (filter->either_port_count ? WEIR_FILTER_EITHER_PORT : 0) |
           (filter->either_network_count ? WEIR_FILTER_EITHER_NETWORK : 0);
}

/* Makes the copy that does not hold, then lets it hold: every connection is judged anew. */
static void renew(struct weir *skeleton, const struct capture_selection *selection)
{
    struct weir_selections *selections = &skeleton->bss->weir_selections;
    struct weir_selection *copy = &selections->copies[(selections->generation + 1) & 1];

    memset(copy, 0, sizeof(*copy));
    copy->with_both_sides = selection->with_both_sides;
    copy->with_process_filter = selection->only.pid_count > 0;
    copy->with_address_filter = dimensions(&selection->only);
    copy->with_address_exclusion = dimensions(&selection->never);
    copy->cgroup_count = (__u32)selection->cgroup_count;
    for (size_t i = 0; i < selection->cgroup_count; i++) {
        copy->cgroups[i] = (struct weir_cgroup){selection->cgroups[i].id,
                                                selection->cgroups[i].level,
                                                selection->cgroups[i].is_excluded};
        copy->with_cgroup_filter |= !selection->cgroups[i].is_excluded;
    }
    __atomic_store_n(&selections->generation, selections->generation + 1, __ATOMIC_RELEASE);
}

int selection_fill(struct weir *skeleton, const struct capture_selection *selection)
{
    int result = message_filter_set(skeleton, &selection->only);

    if (result)
        return result;
    renew(skeleton, selection);
    return pass_through(skeleton, selection, selection);
}

/* Selections are made from zeroed memory, so that padding is equal too. */
static bool is_same(const void *a, const void *b, size_t size)
{
    return memcmp(a, b, size) == 0;
}

int capture_select(struct capture *capture, const struct capture_selection *selection)
{
    struct weir *skeleton = capture->skeleton;
    struct capture_selection old = capture->selection;
    int result;

    if (is_same(&old, selection, sizeof(old)))
        return 0;
    result = message_filter_set(skeleton, &selection->only);
    if (result == 0)
        result = pass_through(skeleton, &old, selection);
    if (result) {
        message_filter_set(skeleton, &old.only);
        drop_old(skeleton, selection, &old);
        pass_through(skeleton, &old, &old);
        renew(skeleton, &old);
        return result;
    }
    renew(skeleton, selection);
    drop_old(skeleton, &old, selection);
    pass_through(skeleton, selection, selection);
    renew(skeleton, selection);
    capture->selection = *selection;
    return 0;
}

void capture_ignore(struct capture *capture, const struct process_identity *process)
{
    struct weir_process value = {.process_id = process->pid,
                                 .user_id = process->user_id,
                                 .start_time_ns = process->start_time_ns};

    memcpy(value.command, process->command, sizeof(value.command));
    /* Where the table cannot have it, what the process does is thrown away later. */
    bpf_map__update_elem(capture->skeleton->maps.weir_ignored, &value.process_id,
                         sizeof(value.process_id), &value, sizeof(value), BPF_ANY);
    capture->has_new_ignored = true;
}

void selection_tick(struct capture *capture)
{
    struct timespec now;
    uint64_t now_ns;

    if (!capture->has_new_ignored)
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    now_ns = (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
    if (now_ns - capture->ignored_renewed_ns < IGNORED_INTERVAL_NS)
        return;
    capture->ignored_renewed_ns = now_ns;
    capture->has_new_ignored = false;
    renew(capture->skeleton, &capture->selection);
}

void capture_ignore_nobody(struct capture *capture)
{
    clear(capture->skeleton->maps.weir_ignored, sizeof(__u32));
    renew(capture->skeleton, &capture->selection);
}
