/* option: turns one option's text into its value. */
#include "config/option.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "config/nearest.h"
#include "config/units.h"

enum { PORT_MAXIMUM = 65535, PID_MAXIMUM = 1 << 22 };

static int refuse(char *message, const char *text, const char *why)
{
    snprintf(message, OPTION_MESSAGE_BYTES, "'%.100s' %s", text, why);
    return -EINVAL;
}

static void format_limit(const struct option *option, uint64_t number, char text[32])
{
    if (option->kind == OPTION_SIZE)
        units_format_size(number, text);
    else if (option->kind == OPTION_DURATION)
        units_format_duration(number, text);
    else
        snprintf(text, 32, "%" PRIu64, number);
}

static int set_number(const struct option *option, void *value, const char *text, char *message)
{
    uint64_t number;
    int status;
    const char *why = "is no number";
    if (option->kind == OPTION_SIZE) {
        status = units_parse_size(text, &number);
        why = "is no size; allowed are bytes with or without a unit, such as 65536, 64KiB or 4MiB";
    } else if (option->kind == OPTION_DURATION) {
        status = units_parse_duration(text, &number);
        why = "is no duration; allowed are numbers with units, such as 500ms, 10s or 1h30m";
    } else {
        status = units_parse_number(text, &number);
    }
    if (status == -EINVAL)
        return refuse(message, text, why);
    if (status < 0 || number < option->minimum || (option->maximum && number > option->maximum)) {
        char low[32], high[32];
        format_limit(option, option->minimum, low);
        format_limit(option, option->maximum ? option->maximum : UINT64_MAX, high);
        snprintf(message, OPTION_MESSAGE_BYTES, "'%.100s' is out of range; allowed is %s to %s",
                 text, low, high);
        return -EINVAL;
    }
    if ((option->traits & OPTION_IS_POWER_OF_TWO) && (number & (number - 1)))
        return refuse(message, text, "is no power of two");
    *(uint64_t *)value = number;
    return 0;
}

static int set_choice(const struct option *option, void *value, const char *text, char *message)
{
    struct nearest nearest = nearest_begin(text);
    for (const char *const *choice = option->choices; *choice; choice++) {
        if (strcmp(*choice, text) == 0) {
            *(const char **)value = *choice;
            return 0;
        }
        nearest_offer(&nearest, *choice);
    }
    int used = snprintf(message, OPTION_MESSAGE_BYTES, "'%.100s' is not one of ", text);
    for (const char *const *choice = option->choices; *choice; choice++)
        used += snprintf(message + used, OPTION_MESSAGE_BYTES - (size_t)used, "%s%s", *choice,
                         choice[1] ? ", " : "");
    if (nearest.name)
        snprintf(message + used, OPTION_MESSAGE_BYTES - (size_t)used, "; did you mean '%s'?",
                 nearest.name);
    return -EINVAL;
}

static int add_number(const struct option *option, struct number_list *list, const char *item,
                      char *message)
{
    uint64_t maximum = option->kind == OPTION_PORTS ? PORT_MAXIMUM : PID_MAXIMUM;
    uint64_t number;
    if (units_parse_number(item, &number) < 0 || number < 1 || number > maximum)
        return refuse(message, item,
                      option->kind == OPTION_PORTS ? "is no port; allowed is 1 to 65535"
                                                   : "is no process id; allowed is 1 to 4194304");
    list->items[list->count++] = (uint32_t)number;
    return 0;
}

static int add_network(struct network_list *list, const char *item, char *message)
{
    struct cidr network;
    if (cidr_parse(slice_of_string(item), &network) < 0)
        return refuse(message, item,
                      "is no address or network; allowed are such as 192.0.2.7, 10.0.0.0/8 or ::1");
    list->items[list->count++] = network;
    return 0;
}

static int add_text(struct text_list *list, const char *item, char *message)
{
    size_t size = strlen(item) + 1;
    if (size > sizeof(list->bytes) - list->used)
        return refuse(message, item, "is too much: the values of this option are limited to 4 KiB");
    memcpy(list->bytes + list->used, item, size);
    list->items[list->count++] = list->bytes + list->used;
    list->items[list->count] = NULL;
    list->used += size;
    return 0;
}

/* All three lists begin with their count. */
static size_t list_count(const void *list)
{
    return *(const size_t *)list;
}

static int add_item(const struct option *option, void *list, const char *item, char *message)
{
    if (!*item)
        return refuse(message, item, "is empty");
    if (list_count(list) >= OPTION_LIST_MAXIMUM)
        return refuse(message, item, "is one too many: at most 64 values are possible");
    if (option->kind == OPTION_NETWORKS)
        return add_network(list, item, message);
    if (option->kind == OPTION_TEXTS)
        return add_text(list, item, message);
    return add_number(option, list, item, message);
}

static int add_items(const struct option *option, void *list, const char *text, char *message)
{
    for (;;) {
        char item[256];
        size_t length = option->traits & OPTION_HAS_COMMAS ? strlen(text) : strcspn(text, ",");
        if (length >= sizeof(item))
            return refuse(message, text, "is too long");
        memcpy(item, text, length);
        item[length] = '\0';
        int status = add_item(option, list, item, message);
        if (status < 0)
            return status;
        if (!text[length])
            return 0;
        text += length + 1;
    }
}

static int add_block(struct block_list *list, const char *text, char *message)
{
    int result = blocks_parse(list, text);

    if (result == -ENOBUFS)
        refuse(message, text, "is one too many: at most 32 are possible, of 32 KiB in all");
    else if (result < 0)
        refuse(message, text, "is not TYPE=TARGET KEY=VALUE...; quotes need their ends");
    return result;
}

int option_set(const struct option *option, void *values, const char *text,
               char message[OPTION_MESSAGE_BYTES])
{
    void *value = (char *)values + option->offset;
    switch (option->kind) {
    case OPTION_FLAG:
        *(bool *)value = true;
        return 0;
    case OPTION_TEXT:
        if (!*text)
            return refuse(message, text, "is empty");
        *(const char **)value = text;
        return 0;
    case OPTION_CHOICE:
        return set_choice(option, value, text, message);
    case OPTION_NUMBER:
    case OPTION_SIZE:
    case OPTION_DURATION:
        return set_number(option, value, text, message);
    case OPTION_PIDS:
    case OPTION_PORTS:
    case OPTION_NETWORKS:
    case OPTION_TEXTS:
        return add_items(option, value, text, message);
    case OPTION_BLOCKS:
        return add_block(value, text, message);
    }
    return refuse(message, text, "cannot be set");
}

void option_set_defaults(const struct option_table *table, void *values)
{
    char message[OPTION_MESSAGE_BYTES];
    for (size_t i = 0; i < table->count; i++) {
        const struct option *option = &table->options[i];
        if (option->default_text && option_set(option, values, option->default_text, message) < 0)
            abort(); /* the table itself is wrong; a unit test sees it first */
    }
}

const struct option *option_find(const struct option_table *table, const char *name, size_t length)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct option *option = &table->options[i];
        if (strlen(option->name) == length && memcmp(option->name, name, length) == 0)
            return option;
    }
    return NULL;
}

const struct option *option_find_short(const struct option_table *table, char short_name)
{
    for (size_t i = 0; i < table->count; i++) {
        if (table->options[i].short_name == short_name && short_name)
            return &table->options[i];
    }
    return NULL;
}

bool option_is_list(const struct option *option)
{
    return option->kind >= OPTION_PIDS;
}

void option_clear(const struct option *option, void *values)
{
    /* All lists begin with their count; a text list also has `used`. */
    void *value = (char *)values + option->offset;
    if (option->kind == OPTION_TEXTS)
        ((struct text_list *)value)->used = 0;
    if (option->kind == OPTION_BLOCKS)
        ((struct block_list *)value)->used = ((struct block_list *)value)->pair_count = 0;
    if (option_is_list(option))
        *(size_t *)value = 0;
    if (option->kind == OPTION_FLAG)
        *(bool *)value = false;
}

static void format_item(const struct option *option, const void *list, size_t index, char *text,
                        size_t size)
{
    if (option->kind == OPTION_TEXTS) {
        snprintf(text, size, "%s", ((const struct text_list *)list)->items[index]);
    } else if (option->kind == OPTION_NETWORKS) {
        const struct cidr *network = &((const struct network_list *)list)->items[index];
        char address[46];
        size_t length = address_format(&network->address, address);
        snprintf(text, size, "%.*s/%u", (int)length, address, network->prefix);
    } else {
        snprintf(text, size, "%" PRIu32, ((const struct number_list *)list)->items[index]);
    }
}

static bool format_list(const struct option *option, const void *list, char *text, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < list_count(list) && used < size; i++) {
        if (i)
            used += (size_t)snprintf(text + used, size - used, ",");
        if (used < size)
            format_item(option, list, i, text + used, size - used);
        used += strlen(text + used);
    }
    return list_count(list) > 0;
}

bool option_format(const struct option *option, const void *values, char *text, size_t size)
{
    const void *value = (const char *)values + option->offset;
    char number[32];
    text[0] = '\0';
    switch (option->kind) {
    case OPTION_FLAG:
        snprintf(text, size, "%s", *(const bool *)value ? "true" : "false");
        return true;
    case OPTION_TEXT:
    case OPTION_CHOICE:
        if (*(const char *const *)value)
            snprintf(text, size, "%s", *(const char *const *)value);
        return *(const char *const *)value;
    case OPTION_NUMBER:
    case OPTION_SIZE:
    case OPTION_DURATION:
        format_limit(option, *(const uint64_t *)value, number);
        snprintf(text, size, "%s", number);
        return *(const uint64_t *)value || option->default_text;
    case OPTION_BLOCKS:
        return false; /* configuration_text shows them */
    default:
        return format_list(option, value, text, size);
    }
}

static bool texts_are_equal(const struct text_list *a, const struct text_list *b)
{
    return a->count == b->count && a->used == b->used && memcmp(a->bytes, b->bytes, a->used) == 0;
}

bool option_is_equal(const struct option *option, const void *a, const void *b)
{
    const void *left = (const char *)a + option->offset, *right = (const char *)b + option->offset;
    const char *text, *other;
    switch (option->kind) {
    case OPTION_FLAG:
        return *(const bool *)left == *(const bool *)right;
    case OPTION_TEXT:
    case OPTION_CHOICE:
        text = *(const char *const *)left;
        other = *(const char *const *)right;
        return text == other || (text && other && strcmp(text, other) == 0);
    case OPTION_TEXTS:
        return texts_are_equal(left, right);
    case OPTION_BLOCKS:
        return blocks_are_equal(left, right);
    case OPTION_PIDS:
    case OPTION_PORTS:
        return list_count(left) == list_count(right) &&
               memcmp(left, right,
                      offsetof(struct number_list, items) + list_count(left) * sizeof(uint32_t)) ==
                   0;
    case OPTION_NETWORKS:
        return list_count(left) == list_count(right) &&
               memcmp(left, right,
                      offsetof(struct network_list, items) +
                          list_count(left) * sizeof(struct cidr)) == 0;
    default:
        return *(const uint64_t *)left == *(const uint64_t *)right;
    }
}
