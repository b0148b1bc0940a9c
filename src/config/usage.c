/* usage: help texts, made from the option tables. */
#include "config/usage.h"
#include <string.h>
#include <stdlib.h>
#include "config/units.h"
#include "config/usage_parts.h"

enum { HELP_COLUMN = 30, HELP_WIDTH = 80 };

void usage_print_filled(FILE *file, size_t column, size_t indent, const char *text)
{
    while (*text) {
        size_t length = strcspn(text, " ");
        if (column > indent && column + 1 + length > HELP_WIDTH) {
            fprintf(file, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', file);
            column++;
        }
        fprintf(file, "%.*s", (int)length, text);
        column += length;
        text += length;
        text += strspn(text, " ");
    }
    fputc('\n', file);
}

void usage_format_limits(const struct option *option, char text[USAGE_LIMITS_BYTES])
{
    size_t used = 0;
    text[0] = '\0';
#define ADD(...) used += (size_t)snprintf(text + used, USAGE_LIMITS_BYTES - used, __VA_ARGS__)
    if (option->choices) {
        ADD("One of ");
        for (const char *const *choice = option->choices; *choice; choice++)
            ADD("%s%s", *choice, choice[1] ? ", " : ".");
    }
    if (option->maximum) {
        char low[32], high[32];
        if (option->kind == OPTION_SIZE) {
            units_format_size(option->minimum, low);
            units_format_size(option->maximum, high);
        } else if (option->kind == OPTION_DURATION) {
            units_format_duration(option->minimum, low);
            units_format_duration(option->maximum, high);
        } else {
            snprintf(low, sizeof(low), "%llu", (unsigned long long)option->minimum);
            snprintf(high, sizeof(high), "%llu", (unsigned long long)option->maximum);
        }
        ADD("From %s to %s.", low, high);
    }
    if (option->default_text)
        ADD("%sDefault: %s.", used ? " " : "", option->default_text);
#undef ADD
}

static void print_option(const struct option *option, FILE *file)
{
    char left[96], limits[USAGE_LIMITS_BYTES], help[1024];
    char dash[8] = "    ";
    if (option->short_name)
        snprintf(dash, sizeof(dash), "-%c, ", option->short_name);
    int used = snprintf(left, sizeof(left), "  %s--%s%s%s%s", dash, option->name,
                        option->implied    ? "[="
                        : option->argument ? " "
                                           : "",
                        option->argument ? option->argument : "", option->implied ? "]" : "");
    usage_format_limits(option, limits);
    snprintf(help, sizeof(help), "%s%s%s", option->help, *limits ? " " : "", limits);
    fputs(left, file);
    if (used + 2 > HELP_COLUMN)
        fprintf(file, "\n%*s", HELP_COLUMN, "");
    else
        fprintf(file, "%*s", HELP_COLUMN - used, "");
    usage_print_filled(file, HELP_COLUMN, HELP_COLUMN, help);
}

static void print_examples(const char *examples, FILE *file)
{
    fputs("\nExamples:\n", file);
    while (*examples) {
        size_t left = strcspn(examples, "\t"), all = strcspn(examples, "\n");
        fprintf(file, "  %.*s\n      %.*s\n", (int)left, examples, (int)(all - left - 1),
                examples + left + 1);
        examples += all + 1;
    }
}

void usage_print_command(const struct option_table *table, FILE *file)
{
    fprintf(file, "Usage: weir %s [OPTION]...%s%s\n\n", table->command, table->operands ? " " : "",
            table->operands ? table->operands : "");
    for (const char *text = table->details; *text;) {
        char paragraph[1024];
        size_t length = usage_take_paragraph(&text, paragraph, sizeof(paragraph));
        if (length) {
            usage_print_filled(file, 0, 0, paragraph);
            fputc('\n', file);
        }
    }
    const char *group = "";
    for (size_t i = 0; i < table->count; i++) {
        const struct option *option = &table->options[i];
        if (strcmp(option->group, group) != 0)
            fprintf(file, "%s%s:\n", *group ? "\n" : "", option->group);
        group = option->group;
        print_option(option, file);
    }
    fputs("\n  -h, --help                  Show this text.\n", file);
    print_examples(table->examples, file);
    for (size_t i = 0; i < table->count; i++) {
        if (!(table->options[i].traits & OPTION_ONLY_ARGUMENT)) {
            fputs("\nEach option can also be set in the environment: WEIR_OUTPUT=json for "
                  "--output json.\n",
                  file);
            break;
        }
    }
}

size_t usage_take_paragraph(const char **text, char *paragraph, size_t size)
{
    const char *end = strstr(*text, "\n\n");
    size_t length = end ? (size_t)(end - *text) : strlen(*text);
    size_t kept = length < size ? length : size - 1;
    memcpy(paragraph, *text, kept);
    paragraph[kept] = '\0';
    *text += length + (end ? 2 : 0);
    return kept;
}

void usage_print_program(const struct usage_command *commands, FILE *file)
{
    fputs("Usage: weir [COMMAND] [OPTION]...\n\n", file);
    usage_print_filled(file, 0, 0, USAGE_PROGRAM_DETAILS);
    fputs("\nCommands:\n", file);
    for (; commands->name; commands++)
        fprintf(file, "  %-10s %s\n", commands->name, commands->summary);
    fputs("\nWithout a command: run. `weir COMMAND --help` lists a command's options.\n"
          "`weir --version` prints the version.\n"
          "\n"
          "Exit status: 0 done; 1 failed while running; 2 wrong usage or configuration;\n"
          "3 the kernel or the privileges do not allow it.\n",
          file);
}
