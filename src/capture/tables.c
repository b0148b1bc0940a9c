/* tables: the kernel's tables of names and of followed connections. */
#include <ctype.h>
#include <errno.h>
#include <bpf/bpf.h>
#include "capture/program.h"

/* Schemes that may be shown (IANA HTTP Authentication Schemes, and some in wide use). */
static const char *const known_schemes[] = {
    "basic",         "bearer",    "digest", "dpop",  "gnap",         "hoba",
    "mutual",        "negotiate", "ntlm",   "oauth", "privatetoken", "scram-sha-1",
    "scram-sha-256", "vapid",     "apikey", "token", "hawk",         "aws4-hmac-sha256",
    "sharedkey",     "signature", "key",    NULL,
};

/* Lets names that start so, or with '_' instead of '-', through the filter of first bytes. */
static void start_add(struct weir_name_filter *filter, const unsigned char *name, size_t length)
{
    enum { START = 4 };

    if (length < START - 1) { /* what follows the colon may be anything */
        memset(filter->starts, 0xff, sizeof(filter->starts));
        return;
    }
    for (unsigned variant = 0; variant < 1 << START; variant++) {
        uint32_t first = 0, hash;

        for (size_t i = 0; i < START; i++) {
            unsigned char byte = i < length ? name[i] | 0x20 : ':';

            if (byte == '-' && (variant & (1u << i)))
                byte = '_' | 0x20;
            first |= (uint32_t)byte << (8 * i);
        }
        hash = WEIR_START_HASH(first);
        filter->starts[hash >> 6] |= 1ull << (hash & 63);
    }
}

/* The name as the table has it. 0, or -EINVAL for one that it cannot hold. */
static int name_key(const char *name, struct weir_name *ret_key)
{
    size_t length = strlen(name);

    memset(ret_key, 0, sizeof(*ret_key));
    if (length == 0 || length >= sizeof(ret_key->bytes))
        return -EINVAL;
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)tolower((unsigned char)name[i]);
        ret_key->bytes[i] = byte == '_' ? '-' : byte;
    }
    return 0;
}

/* To the table and to the filters in front of it. */
int tables_add_name(struct weir *skeleton, const char *name, __u32 manner)
{
    struct weir_name key;
    uint64_t first = 0, hash;
    size_t length = strlen(name);

    if (name_key(name, &key) < 0)
        return -EINVAL;
    for (size_t i = 0; i < length && i < 8; i++)
        first |= (uint64_t)(key.bytes[i] | 0x20) << (8 * i);
    if (manner != WEIR_MANNER_SCHEME) {
        hash = WEIR_FILTER_HASH(first);
        skeleton->bss->weir_name_filter.words[hash >> 6] |= 1ull << (hash & 63);
        start_add(&skeleton->bss->weir_name_filter, key.bytes, length);
    }
    return bpf_map__update_elem(skeleton->maps.weir_names, &key, sizeof(key), &manner,
                                sizeof(manner), BPF_ANY);
}

static __u32 manner_for_kernel(enum mask_manner manner)
{
    switch (manner) {
    case MASK_CREDENTIALS:
        return WEIR_MANNER_CREDENTIALS;
    case MASK_COOKIE:
        return WEIR_MANNER_COOKIE;
    case MASK_SET_COOKIE:
        return WEIR_MANNER_SET_COOKIE;
    case MASK_WHOLE:
        break;
    }
    return WEIR_MANNER_WHOLE;
}

/* Names that tell how long a body is (RFC 9112 §6): looked at whether values are masked or not. */
static const char *const framing_names[] = {"content-length", "transfer-encoding", NULL};

static void framing_fill(struct weir *skeleton)
{
    for (size_t i = 0; framing_names[i]; i++)
        start_add(&skeleton->bss->weir_name_filter, (const unsigned char *)framing_names[i],
                  strlen(framing_names[i]));
}

int tables_fill_names(struct weir *skeleton, const char *const *mask_names)
{
    int result = 0;

    for (size_t i = 0; result == 0 && known_schemes[i]; i++)
        result = tables_add_name(skeleton, known_schemes[i], WEIR_MANNER_SCHEME);
    for (size_t i = 0; result == 0 && mask_default_names[i].name; i++)
        result = tables_add_name(skeleton, mask_default_names[i].name,
                                 manner_for_kernel(mask_default_names[i].manner));
    for (size_t i = 0; result == 0 && mask_names && mask_names[i]; i++)
        result = tables_add_name(skeleton, mask_names[i], WEIR_MANNER_WHOLE);
    return result;
}

static bool is_default_name(const struct weir_name *key)
{
    struct weir_name other;

    for (size_t i = 0; mask_default_names[i].name; i++)
        if (name_key(mask_default_names[i].name, &other) == 0 &&
            memcmp(key, &other, sizeof(other)) == 0)
            return true;
    for (size_t i = 0; known_schemes[i]; i++)
        if (name_key(known_schemes[i], &other) == 0 && memcmp(key, &other, sizeof(other)) == 0)
            return true;
    return false;
}

/* New names first, so that one that stays is masked all the time; the filter keeps its bits. */
int tables_change_names(struct weir *skeleton, const char *const *old, const char *const *new)
{
    int result = 0;

    for (size_t i = 0; result == 0 && new &&new[i]; i++)
        result = tables_add_name(skeleton, new[i], WEIR_MANNER_WHOLE);
    for (size_t i = 0; result == 0 && old && old[i]; i++) {
        struct weir_name key;
        bool stays = name_key(old[i], &key) < 0 || is_default_name(&key);

        for (size_t j = 0; !stays && new &&new[j]; j++) {
            struct weir_name other;

            stays = name_key(new[j], &other) == 0 && memcmp(&key, &other, sizeof(key)) == 0;
        }
        if (!stays)
            bpf_map__delete_elem(skeleton->maps.weir_names, &key, sizeof(key), 0);
    }
    /* What was masked by the old names is known no more. */
    __atomic_add_fetch(&skeleton->bss->weir_name_filter.version, 1, __ATOMIC_RELEASE);
    return result;
}

int capture_change_mask_names(struct capture *capture, const char *const *old,
                              const char *const *new)
{
    return tables_change_names(capture->skeleton, old, new);
}

void capture_follow(struct capture *capture, uint64_t connection, bool is_wanted,
                    bool with_payloads)
{
    struct bpf_map *map = capture->skeleton->maps.weir_followed;
    uint8_t value = !is_wanted      ? WEIR_FOLLOW_NOT
                    : with_payloads ? WEIR_FOLLOW_WHOLE
                                    : WEIR_FOLLOW_FRAMES;

    if (capture->is_datagram) /* what is DNS or QUIC among them is told by their first bytes */
        return;
    /* Where the table cannot have it, the gaps are told by position. */
    bpf_map__update_elem(map, &connection, sizeof(connection), &value, sizeof(value), BPF_ANY);
}

int tables_fill(struct weir *skeleton, const struct capture_options *options)
{
    int result = 0;

    framing_fill(skeleton);
    if (!options->is_masking_disabled)
        result = tables_fill_names(skeleton, options->mask_names);
    return result ? result : selection_fill(skeleton, &options->selection);
}
