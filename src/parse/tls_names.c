/* tls_names: numbers of the TLS registries of IANA by name; unknown ones in hex. */
#include "parse/tls.h"

struct entry {
    uint16_t number;
    const char *name;
};

static const struct entry ciphers[] = {
#define CIPHER(number, name) {number, name},
#include "parse/tls_ciphers.def"
#undef CIPHER
};

static const struct entry groups[] = {
#define GROUP(number, name) {number, name},
#define ALERT(number, name)
#include "parse/tls_names.def"
#undef GROUP
#undef ALERT
};

static const struct entry alerts[] = {
#define GROUP(number, name)
#define ALERT(number, name) {number, name},
#include "parse/tls_names.def"
#undef GROUP
#undef ALERT
};

static struct slice find(const struct entry *entries, size_t count, uint16_t number)
{
    size_t low = 0, high = count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (entries[middle].number == number)
            return slice_of_string(entries[middle].name);
        if (entries[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return (struct slice){NULL, 0};
}
#define FIND(entries, number) find(entries, sizeof(entries) / sizeof(*(entries)), number)

struct slice tls_version_name(struct arena *arena, uint16_t version)
{
    switch (version) {
    case 0x0002:
    case 0x0200:
        return SLICE_LITERAL("2.0");
    case 0x0300:
        return SLICE_LITERAL("3.0");
    case 0x0301:
        return SLICE_LITERAL("1.0");
    case 0x0302:
        return SLICE_LITERAL("1.1");
    case TLS_VERSION_1_2:
        return SLICE_LITERAL("1.2");
    case TLS_VERSION_1_3:
        return SLICE_LITERAL("1.3");
    default:
        break;
    }
    if (version >> 8 == 0x7f)
        return arena_format(arena, "1.3-draft%u", version & 0xff);
    return arena_format(arena, "0x%04x", version);
}

struct slice tls_cipher_name(struct arena *arena, uint16_t cipher)
{
    struct slice name = FIND(ciphers, cipher);

    return name.length ? name : arena_format(arena, "0x%04x", cipher);
}

struct slice tls_group_name(struct arena *arena, uint16_t group)
{
    struct slice name = FIND(groups, group);

    return name.length ? name : arena_format(arena, "0x%04x", group);
}

struct slice tls_alert_name(struct arena *arena, uint8_t alert)
{
    struct slice name = FIND(alerts, alert);

    return name.length ? name : arena_format(arena, "alert_%u", alert);
}
