/* arguments: GNU-style arguments (-o json, -ojson, -vq, --output=json, --) over an option table. */
#include "config/arguments.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/allocate.h"
#include "config/nearest.h"

struct walk {
    const struct option_table *table;
    void *values;
    char *const *next;             /* the argument behind the one that is looked at */
    char *message;                 /* OPTION_MESSAGE_BYTES */
    struct option_origin *origins; /* one for each option of the table */
    enum option_origin_kind kind;  /* of what is looked at now */
    struct operand_list *operands; /* NULL: the command takes none */
};

static bool set_value(struct walk *walk, const struct option *option, const char *origin,
                      const char *text)
{
    char why[OPTION_MESSAGE_BYTES];
    /* A list on the command line replaces the list of the environment, then grows. */
    struct option_origin *known = &walk->origins[option - walk->table->options];
    if (known->kind != walk->kind)
        option_clear(option, walk->values);
    known->kind = (uint8_t)walk->kind;
    if (option_set(option, walk->values, text, why) == 0)
        return true;
    snprintf(walk->message, OPTION_MESSAGE_BYTES, "%s: %.430s", origin, why);
    return false;
}

static enum arguments_verdict unknown_option(struct walk *walk, const char *name)
{
    struct nearest nearest = nearest_begin(name);
    nearest_offer(&nearest, "help");
    for (size_t i = 0; i < walk->table->count; i++)
        nearest_offer(&nearest, walk->table->options[i].name);
    int used = snprintf(walk->message, OPTION_MESSAGE_BYTES, "--%.100s is no option of weir %s",
                        name, walk->table->command);
    if (nearest.name)
        snprintf(walk->message + used, OPTION_MESSAGE_BYTES - (size_t)used, "; did you mean --%s?",
                 nearest.name);
    else
        snprintf(walk->message + used, OPTION_MESSAGE_BYTES - (size_t)used,
                 "; weir %s --help lists them", walk->table->command);
    return ARGUMENTS_BAD;
}

static enum arguments_verdict missing_value(struct walk *walk, const char *origin,
                                            const struct option *option)
{
    snprintf(walk->message, OPTION_MESSAGE_BYTES, "%s needs a value: %s", origin,
             option->argument ? option->argument : "VALUE");
    return ARGUMENTS_BAD;
}

/* `argument` starts with two dashes. */
static enum arguments_verdict take_long(struct walk *walk, const char *argument)
{
    char name[128];
    const char *value = strchr(argument, '=');
    size_t length = value ? (size_t)(value - argument) - 2 : strlen(argument + 2);
    if (length >= sizeof(name))
        length = sizeof(name) - 1;
    memcpy(name, argument + 2, length);
    name[length] = '\0';
    if (strcmp(name, "help") == 0 && !value)
        return ARGUMENTS_HELP;
    const struct option *option = option_find(walk->table, name, length);
    if (!option)
        return unknown_option(walk, name);
    char origin[132];
    snprintf(origin, sizeof(origin), "--%s", option->name);
    if (option->kind == OPTION_FLAG) {
        if (value) {
            snprintf(walk->message, OPTION_MESSAGE_BYTES, "%s takes no value", origin);
            return ARGUMENTS_BAD;
        }
        value = "";
    } else if (value) {
        value++;
    } else if (option->implied) {
        value = option->implied;
    } else if (!(value = *walk->next++)) {
        return missing_value(walk, origin, option);
    }
    return set_value(walk, option, origin, value) ? ARGUMENTS_OK : ARGUMENTS_BAD;
}

/* `argument` starts with one dash: flags, the last letter may take a value. */
static enum arguments_verdict take_short(struct walk *walk, const char *argument)
{
    for (const char *at = argument + 1; *at; at++) {
        if (*at == 'h')
            return ARGUMENTS_HELP;
        const struct option *option = option_find_short(walk->table, *at);
        if (!option) {
            snprintf(walk->message, OPTION_MESSAGE_BYTES,
                     "-%c is no option of weir %s; weir %s --help lists them", *at,
                     walk->table->command, walk->table->command);
            return ARGUMENTS_BAD;
        }
        char origin[132];
        snprintf(origin, sizeof(origin), "-%c (--%s)", *at, option->name);
        if (option->kind == OPTION_FLAG) {
            set_value(walk, option, origin, "");
            continue;
        }
        const char *value = at[1] ? at + 1 : *walk->next++;
        if (!value)
            return missing_value(walk, origin, option);
        return set_value(walk, option, origin, value) ? ARGUMENTS_OK : ARGUMENTS_BAD;
    }
    return ARGUMENTS_OK;
}

void arguments_variable_name(const struct option *option, char name[64])
{
    int length = snprintf(name, 64, "WEIR_%s", option->name);
    for (int i = 0; i < length && i < 63; i++)
        name[i] = name[i] == '-' ? '_' : (char)toupper((unsigned char)name[i]);
}

static bool is_true(const char *text)
{
    return strcmp(text, "1") == 0 || strcmp(text, "true") == 0 || strcmp(text, "yes") == 0;
}

static bool is_variable(const struct option_table *table, const char *text, size_t length)
{
    for (size_t i = 0; i < table->count; i++) {
        char name[64];

        arguments_variable_name(&table->options[i], name);
        if (strlen(name) == length && memcmp(name, text, length) == 0)
            return true;
    }
    return false;
}

void arguments_tell_strange_variables(const struct option_table *table, FILE *file)
{
    const size_t prefix = sizeof("WEIR_") - 1;

    for (char *const *at = environ; *at; at++) {
        size_t length = strcspn(*at, "=");
        struct nearest nearest;
        char names[OPTION_TABLE_MAXIMUM][64], strange[64];

        if (strncmp(*at, "WEIR_", prefix) != 0 || length >= sizeof(strange) ||
            strncmp(*at, "WEIR_MASK_KEY=", length + 1) == 0 || is_variable(table, *at, length))
            continue;
        snprintf(strange, sizeof(strange), "%.*s", (int)length, *at);
        nearest = nearest_begin(strange + prefix);
        for (size_t i = 0; i < table->count; i++) {
            arguments_variable_name(&table->options[i], names[i]);
            nearest_offer(&nearest, names[i] + prefix);
        }
        if (nearest.name)
            fprintf(file, "weir: no option has the variable %s; did you mean WEIR_%s?\n", strange,
                    nearest.name);
    }
}

static bool is_false(const char *text)
{
    return strcmp(text, "0") == 0 || strcmp(text, "false") == 0 || strcmp(text, "no") == 0;
}

static enum arguments_verdict take_environment(struct walk *walk)
{
    for (size_t i = 0; i < walk->table->count; i++) {
        const struct option *option = &walk->table->options[i];
        char name[64];
        arguments_variable_name(option, name);
        const char *value = getenv(name);
        if (!value || !*value || (option->traits & OPTION_ONLY_ARGUMENT))
            continue;
        if (option->kind == OPTION_FLAG && is_false(value)) {
            walk->origins[i].kind = ORIGIN_VARIABLE;
            continue;
        }
        if (option->kind == OPTION_FLAG && !is_true(value)) {
            snprintf(walk->message, OPTION_MESSAGE_BYTES,
                     "%s: '%.100s' is not one of 1, 0, true, false, yes, no", name, value);
            return ARGUMENTS_BAD;
        }
        if (!set_value(walk, option, name, value))
            return ARGUMENTS_BAD;
    }
    walk->kind = ORIGIN_ARGUMENT;
    return ARGUMENTS_OK;
}

/* Room for all arguments as operands. It lives as long as the options. */
static bool prepare_operands(struct walk *walk)
{
    size_t count = 0;
    if (!walk->table->operands)
        return true;
    while (walk->next[count])
        count++;
    walk->operands = (struct operand_list *)((char *)walk->values + walk->table->operands_offset);
    walk->operands->items = allocate_zeroed((count + 1) * sizeof(*walk->operands->items));
    if (!walk->operands->items)
        snprintf(walk->message, OPTION_MESSAGE_BYTES, "out of memory");
    return walk->operands->items;
}

static enum arguments_verdict take_operand(struct walk *walk, const char *argument)
{
    if (!walk->operands) {
        snprintf(walk->message, OPTION_MESSAGE_BYTES,
                 "unexpected argument '%.100s': weir %s takes options only", argument,
                 walk->table->command);
        return ARGUMENTS_BAD;
    }
    walk->operands->items[walk->operands->count++] = argument;
    return ARGUMENTS_OK;
}

enum arguments_verdict arguments_parse(const struct option_table *table, void *values,
                                       char *const *arguments, struct option_origin *ret_origins,
                                       char message[OPTION_MESSAGE_BYTES])
{
    struct option_origin origins[OPTION_TABLE_MAXIMUM] = {{0}};
    struct walk walk = {table, values, arguments, message, origins, ORIGIN_VARIABLE, NULL};
    bool has_options = true; /* until "--" */
    message[0] = '\0';
    if (table->count > OPTION_TABLE_MAXIMUM)
        abort(); /* the table has outgrown its parser */
    option_set_defaults(table, values);
    enum arguments_verdict verdict = take_environment(&walk);
    if (verdict == ARGUMENTS_OK && !prepare_operands(&walk))
        verdict = ARGUMENTS_BAD;
    while (verdict == ARGUMENTS_OK && *walk.next) {
        const char *argument = *walk.next++;
        if (has_options && strcmp(argument, "--") == 0)
            has_options = false;
        else if (has_options && strncmp(argument, "--", 2) == 0)
            verdict = take_long(&walk, argument);
        else if (has_options && argument[0] == '-' && argument[1])
            verdict = take_short(&walk, argument);
        else
            verdict = take_operand(&walk, argument);
    }
    if (ret_origins)
        memcpy(ret_origins, origins, table->count * sizeof(*origins));
    return verdict;
}
