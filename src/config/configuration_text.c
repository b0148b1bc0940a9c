/* configuration_text: options written as YAML: the effective ones, and the commented example. */
#include <ctype.h>
#include <string.h>
#include "config/configuration.h"
#include "config/usage_parts.h"
#include "config/arguments.h"

enum { LINE_COLUMNS = 96, VALUE_BYTES = 8192 };

/* A scalar in double quotes, unless no character of it means anything in YAML. */
static void print_scalar(const char *text, size_t length, FILE *file)
{
    bool is_plain = length > 0 && isalnum((unsigned char)text[0]);

    for (size_t i = 0; i < length && is_plain; i++)
        is_plain = isalnum((unsigned char)text[i]) || strchr("-_./", text[i]);
    if (is_plain) {
        fprintf(file, "%.*s", (int)length, text);
        return;
    }
    fputc('"', file);
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            fprintf(file, "\\x%02x", (unsigned char)text[i]);
        else
            fprintf(file, "%s%c", text[i] == '"' || text[i] == '\\' ? "\\" : "", text[i]);
    }
    fputc('"', file);
}

static void print_value(const struct option *option, const char *text, FILE *file)
{
    if (!option_is_list(option)) {
        print_scalar(text, strlen(text), file);
        return;
    }
    fputc('[', file);
    while (*text) {
        size_t length = strcspn(text, ",");

        print_scalar(text, length, file);
        text += length + (text[length] == ',');
        if (*text)
            fputs(", ", file);
    }
    fputc(']', file);
}

static void print_origin(const struct option *option, const struct option_origin *origin,
                         const char *path, FILE *file)
{
    char variable[64];

    switch ((enum option_origin_kind)origin->kind) {
    case ORIGIN_DEFAULT:
        fputs("default", file);
        break;
    case ORIGIN_PROFILE:
        fputs("--profile", file);
        break;
    case ORIGIN_FILE:
        fprintf(file, "%s:%u", path, origin->line);
        break;
    case ORIGIN_VARIABLE:
        arguments_variable_name(option, variable);
        fputs(variable, file);
        break;
    case ORIGIN_ARGUMENT:
        fprintf(file, "--%s", option->name);
        break;
    }
}

/* A list of mappings; values are quoted where they have to be. */
static void show_blocks(const struct option *option, const void *values, FILE *file)
{
    const struct block_list *list = (const void *)((const char *)values + option->offset);

    if (!list->count) {
        fprintf(file, "# %s: not set\n", option->plural);
        return;
    }
    fprintf(file, "%s:\n", option->plural);
    for (size_t i = 0; i < list->count; i++) {
        const struct block *block = &list->blocks[i];

        for (size_t j = 0; j < block->count; j++) {
            const struct block_pair *pair = &list->pairs[block->first + j];
            bool is_again = j && strcmp(pair[-1].key, pair->key) == 0;
            bool goes_on = j + 1 < block->count && strcmp(pair[1].key, pair->key) == 0;

            if (is_again)
                fputs(", ", file);
            else
                fprintf(file, "%s%s: %s", j ? "    " : "  - ", pair->key, goes_on ? "[" : "");
            print_scalar(pair->value, strlen(pair->value), file);
            if (!goes_on)
                fputs(is_again ? "]\n" : "\n", file);
        }
    }
}

void configuration_show(const struct option_table *table, const void *values,
                        const struct option_origin origins[], const char *path, FILE *file)
{
    static char text[VALUE_BYTES]; /* one thread asks, before anything runs */

    for (size_t i = 0; i < table->count; i++) {
        const struct option *option = &table->options[i];

        if (option->traits & (OPTION_ONLY_ARGUMENT | OPTION_NOT_IN_FILE))
            continue;
        if (option->kind == OPTION_BLOCKS) {
            show_blocks(option, values, file);
            continue;
        }
        if (!option_format(option, values, text, sizeof(text))) {
            fprintf(file, "# %s: not set\n", option->name);
            continue;
        }
        fprintf(file, "%s: ", option->name);
        print_value(option, text, file);
        fputs("  # ", file);
        print_origin(option, &origins[i], path, file);
        fputc('\n', file);
    }
}

/* A text as comment lines, broken between words. */
static void print_comment(const char *text, FILE *file)
{
    size_t column = 0;

    while (*text) {
        size_t length = strcspn(text, " \n");

        if (column && column + 1 + length > LINE_COLUMNS) {
            fputc('\n', file);
            column = 0;
        }
        column += (size_t)fprintf(file, "%s%.*s", column ? " " : "# ", (int)length, text);
        text += length;
        text += strspn(text, " \n");
    }
    if (column)
        fputc('\n', file);
}

void configuration_print_example(const struct option_table *table, FILE *file)
{
    const char *group = "";

    fprintf(
        file,
        "# The configuration of weir: " CONFIGURATION_PATH ", or the file that --config names.\n"
        "# Every key is an option of `weir %s`; variables (WEIR_...) and arguments override it.\n"
        "# `weir config check` says what is wrong, `weir config show` what is in force and why.\n",
        table->command);
    for (size_t i = 0; i < table->count; i++) {
        const struct option *option = &table->options[i];
        char limits[USAGE_LIMITS_BYTES];

        if (option->traits & (OPTION_ONLY_ARGUMENT | OPTION_NOT_IN_FILE))
            continue;
        if (strcmp(option->group, group) != 0)
            fprintf(file, "\n# --- %s ---\n", option->group);
        group = option->group;
        fputc('\n', file);
        print_comment(option->help, file);
        usage_format_limits(option, limits);
        print_comment(limits, file);
        fprintf(file, "#%s: ", option->plural ? option->plural : option->name);
        if (option->kind == OPTION_FLAG)
            fputs("false", file);
        else if (option->default_text)
            print_value(option, option->default_text, file);
        else if (option->kind == OPTION_BLOCKS)
            fputs(option->example, file);
        else
            fprintf(file, "%s%s%s", option_is_list(option) ? "[" : "", option->argument,
                    option_is_list(option) ? "]" : "");
        fputc('\n', file);
    }
}
