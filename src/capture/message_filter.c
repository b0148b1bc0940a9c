/*
 * message_filter: which requests are wanted, into the kernel's tables. Entries of the generation
 * that does not count are written first, then it becomes the one that counts, then what only the
 * other knew is taken away: no request is judged by a mixture.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include "capture/program.h"

enum { KEY_MAXIMUM = WEIR_HOST_LENGTH };

/* The text as the kernel's key has it; is_host: as bpf/wanted.h lowers it. */
static void key_make(char key[KEY_MAXIMUM], const char *text, bool is_host)
{
    memset(key, 0, KEY_MAXIMUM);
    for (size_t i = 0; i < KEY_MAXIMUM - 1 && text[i]; i++)
        key[i] = is_host ? (char)(text[i] | 0x20) : text[i];
}

static int entry_add(struct bpf_map *map, size_t size, const char *text, bool is_host,
                     unsigned generation)
{
    char key[KEY_MAXIMUM];
    uint8_t generations = 0;

    key_make(key, text, is_host);
    bpf_map__lookup_elem(map, key, size, &generations, sizeof(generations), 0);
    generations |= (uint8_t)(1u << generation);
    return bpf_map__update_elem(map, key, size, &generations, sizeof(generations), BPF_ANY);
}

/* Forgets a generation; entries that no other has go. */
static void map_clean(struct bpf_map *map, size_t size, unsigned generation)
{
    char key[KEY_MAXIMUM], next[KEY_MAXIMUM];
    bool has_next = bpf_map__get_next_key(map, NULL, next, size) == 0;

    while (has_next) {
        uint8_t generations = 0;

        memcpy(key, next, size);
        has_next = bpf_map__get_next_key(map, key, next, size) == 0;
        if (bpf_map__lookup_elem(map, key, size, &generations, sizeof(generations), 0))
            continue;
        generations &= (uint8_t) ~(1u << generation);
        if (generations)
            bpf_map__update_elem(map, key, size, &generations, sizeof(generations), BPF_ANY);
        else
            bpf_map__delete_elem(map, key, size, 0);
    }
}

static void generation_clean(struct weir *skeleton, unsigned generation)
{
    map_clean(skeleton->maps.weir_methods, WEIR_METHOD_LENGTH, generation);
    map_clean(skeleton->maps.weir_hosts, WEIR_HOST_LENGTH, generation);
}

/* Who masks the name cannot have it compared: no host is ever certain then. */
static bool host_is_masked(struct weir *skeleton)
{
    struct weir_name key = {.bytes = "host"};
    __u32 manner = WEIR_MANNER_HOST;

    bpf_map__lookup_elem(skeleton->maps.weir_names, &key, sizeof(key), &manner, sizeof(manner), 0);
    return manner != WEIR_MANNER_HOST;
}

int message_filter_set(struct weir *skeleton, const struct prefilter *prefilter)
{
    struct weir_message_filter *filter = &skeleton->bss->weir_message_filter;
    unsigned old = filter->generation & 1, new = !old;
    int result = 0;

    generation_clean(skeleton, new);
    if (prefilter->host_count && !host_is_masked(skeleton)) /* looked at from now on, for good */
        result = tables_add_name(skeleton, "host", WEIR_MANNER_HOST);
    for (size_t i = 0; result == 0 && i < prefilter->method_count; i++)
        result = entry_add(skeleton->maps.weir_methods, WEIR_METHOD_LENGTH, prefilter->methods[i],
                           false, new);
    for (size_t i = 0; result == 0 && i < prefilter->host_count; i++)
        result =
            entry_add(skeleton->maps.weir_hosts, WEIR_HOST_LENGTH, prefilter->hosts[i], true, new);
    if (result) {
        generation_clean(skeleton, new);
        return result;
    }
    filter->with_methods[new] = prefilter->method_count > 0;
    filter->with_hosts[new] = prefilter->host_count > 0;
    if (filter->with_methods[new] || filter->with_hosts[new])
        __atomic_store_n(&filter->is_on, 1, __ATOMIC_RELEASE);
    __atomic_store_n(&filter->generation, new, __ATOMIC_RELEASE);
    generation_clean(skeleton, old);
    return 0;
}
