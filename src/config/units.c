/* units: numbers with units, as people write them. */
#include "config/units.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    uint64_t factor;
};

#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull

static const struct unit size_units[] = {
    {"", 1},
    {"B", 1},
    {"K", 1ull << 10},
    {"KB", 1ull << 10},
    {"KiB", 1ull << 10},
    {"M", 1ull << 20},
    {"MB", 1ull << 20},
    {"MiB", 1ull << 20},
    {"G", 1ull << 30},
    {"GB", 1ull << 30},
    {"GiB", 1ull << 30},
    {NULL, 0},
};

static const struct unit duration_units[] = {
    {"ns", 1},
    {"us", 1000},
    {"ms", NS_PER_MS},
    {"s", NS_PER_S},
    {"m", 60 * NS_PER_S},
    {"h", 3600 * NS_PER_S},
    {"d", 86400 * NS_PER_S},
    {NULL, 0},
};

/* Digits at *text, which moves behind them. */
static int take_digits(const char **text, uint64_t *ret_number)
{
    const char *at = *text;
    uint64_t number = 0;
    if (!isdigit((unsigned char)*at))
        return -EINVAL;
    for (; isdigit((unsigned char)*at); at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (number > (UINT64_MAX - digit) / 10)
            return -ERANGE;
        number = number * 10 + digit;
    }
    *text = at;
    *ret_number = number;
    return 0;
}

static const struct unit *find_unit(const struct unit *units, const char *name, size_t length)
{
    for (; units->name; units++) {
        if (strlen(units->name) == length && strncasecmp(units->name, name, length) == 0)
            return units;
    }
    return NULL;
}

int units_parse_number(const char *text, uint64_t *ret_number)
{
    uint64_t number;
    int status = take_digits(&text, &number);
    if (status < 0)
        return status;
    if (*text)
        return -EINVAL;
    *ret_number = number;
    return 0;
}

int units_parse_size(const char *text, uint64_t *ret_bytes)
{
    uint64_t number;
    int status = take_digits(&text, &number);
    if (status < 0)
        return status;
    const struct unit *unit = find_unit(size_units, text, strlen(text));
    if (!unit)
        return -EINVAL;
    if (number > UINT64_MAX / unit->factor)
        return -ERANGE;
    *ret_bytes = number * unit->factor;
    return 0;
}

int units_parse_duration(const char *text, uint64_t *ret_ns)
{
    uint64_t total = 0;
    for (int part = 0; part == 0 || *text; part++) {
        uint64_t number;
        int status = take_digits(&text, &number);
        if (status < 0)
            return status;
        size_t length = 0;
        while (isalpha((unsigned char)text[length]))
            length++;
        const struct unit *unit = find_unit(duration_units, text, length);
        uint64_t factor = unit ? unit->factor : NS_PER_S;
        if (!unit && (length > 0 || *text || part > 0))
            return -EINVAL;
        if (number > (UINT64_MAX - total) / factor)
            return -ERANGE;
        total += number * factor;
        text += length;
    }
    *ret_ns = total;
    return 0;
}

void units_format_size(uint64_t bytes, char text[32])
{
    static const char *const names[] = {"", "KiB", "MiB", "GiB"};
    size_t at = 0;
    while (at + 1 < sizeof(names) / sizeof(names[0]) && bytes >= 1024 && bytes % 1024 == 0) {
        bytes /= 1024;
        at++;
    }
    snprintf(text, 32, "%" PRIu64 "%s", bytes, names[at]);
}

void units_format_duration(uint64_t ns, char text[32])
{
    static const struct unit steps[] = {
        {"h", 3600 * NS_PER_S}, {"m", 60 * NS_PER_S}, {"s", NS_PER_S},
        {"ms", NS_PER_MS},      {"us", 1000},         {"ns", 1},
    };
    size_t at = 0;
    while (steps[at].factor > 1 && (ns == 0 || ns % steps[at].factor != 0))
        at++;
    if (ns == 0)
        at = 2;
    snprintf(text, 32, "%" PRIu64 "%s", ns / steps[at].factor, steps[at].name);
}
