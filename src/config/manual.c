/* manual: manual pages, made from the option tables; man(7) macros. */
#include <ctype.h>
#include <string.h>
#include "config/arguments.h"
#include "config/usage.h"
#include "config/usage_parts.h"

/* Text in which no character means something to the formatter. */
static void print_escaped(FILE *file, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\\')
            fputs("\\e", file);
        else if (text[i] == '-')
            fputs("\\-", file);
        else if (text[i] == '\'')
            fputs("\\(aq", file);
        else if (text[i] == '.' && (i == 0 || text[i - 1] == '\n'))
            fputs("\\&.", file);
        else
            fputc(text[i], file);
    }
}

static void print_text(FILE *file, const char *text)
{
    print_escaped(file, text, strlen(text));
}

void manual_print_text(FILE *file, const char *text)
{
    print_text(file, text);
}

static void print_upper(FILE *file, const char *text)
{
    for (; *text; text++)
        fputc(toupper((unsigned char)*text), file);
}

static void print_exit_status(FILE *file)
{
    static const char *const meanings[] = {
        "Done.",
        "Failed while running.",
        "Wrong usage or configuration; the message names what is wrong and the nearest valid name.",
        "The kernel or the privileges do not allow it; the message says what to do.",
    };
    fputs(".SH EXIT STATUS\n", file);
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
        fprintf(file, ".TP\n.B %zu\n%s\n", i, meanings[i]);
}

static void print_option(const struct option *option, FILE *file)
{
    char limits[USAGE_LIMITS_BYTES];
    fputs(".TP\n", file);
    if (option->short_name)
        fprintf(file, "\\fB\\-%c\\fR, ", option->short_name);
    fputs("\\fB\\-\\-", file);
    print_text(file, option->name);
    fputs("\\fR", file);
    if (option->implied)
        fprintf(file, "[=\\fI%s\\fR]", option->argument);
    else if (option->argument)
        fprintf(file, " \\fI%s\\fR", option->argument);
    fputc('\n', file);
    print_text(file, option->help);
    fputc('\n', file);
    usage_format_limits(option, limits);
    if (*limits) {
        print_text(file, limits);
        fputc('\n', file);
    }
    if (!(option->traits & OPTION_ONLY_ARGUMENT)) {
        char name[64];
        arguments_variable_name(option, name);
        fprintf(file, "Environment: \\fB%s\\fR.\n", name);
    }
}

static void print_examples(const char *examples, FILE *file)
{
    fputs(".SH EXAMPLES\n", file);
    while (*examples) {
        size_t left = strcspn(examples, "\t"), all = strcspn(examples, "\n");
        fputs(".TP\n.B \"", file);
        for (size_t i = 0; i < left; i++) {
            if (examples[i] == '"')
                fputs("\\(dq", file);
            else
                print_escaped(file, examples + i, 1);
        }
        fputs("\"\n", file);
        print_escaped(file, examples + left + 1, all - left - 1);
        fputc('\n', file);
        examples += all + 1;
    }
}

void usage_print_command_page(const struct option_table *table, FILE *file)
{
    fputs(".TH WEIR\\-", file);
    print_upper(file, table->command);
    fprintf(file, " 8 \"\" \"weir " WEIR_VERSION "\"\n.SH NAME\nweir\\-%s \\- ", table->command);
    print_text(file, table->summary);
    fprintf(file, "\n.SH SYNOPSIS\n.B weir %s\n[\\fIOPTION\\fR]...\n", table->command);
    if (table->operands)
        fprintf(file, "\\fI%s\\fR\n", table->operands);
    fputs(".SH DESCRIPTION\n", file);
    for (const char *text = table->details, *start = text; *text;) {
        char paragraph[1024];
        if (text != start)
            fputs(".PP\n", file);
        size_t length = usage_take_paragraph(&text, paragraph, sizeof(paragraph));
        print_escaped(file, paragraph, length);
        fputc('\n', file);
    }
    fputs(".SH OPTIONS\n", file);
    const char *group = "";
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->options[i].group, group) != 0)
            fprintf(file, ".SS %s\n", table->options[i].group);
        group = table->options[i].group;
        print_option(&table->options[i], file);
    }
    print_examples(table->examples, file);
    print_exit_status(file);
    fputs(".SH SEE ALSO\n.BR weir (8)\n", file);
}

void usage_print_program_page(const struct usage_command *commands, FILE *file)
{
    fputs(".TH WEIR 8 \"\" \"weir " WEIR_VERSION "\"\n.SH NAME\n"
          "weir \\- log the HTTP headers of this host from inside the kernel\n"
          ".SH SYNOPSIS\n.B weir\n[\\fICOMMAND\\fR] [\\fIOPTION\\fR]...\n.SH DESCRIPTION\n",
          file);
    print_text(file, USAGE_PROGRAM_DETAILS);
    fputs("\n.PP\nWithout a command:\n.BR run .\n.SH COMMANDS\n", file);
    for (const struct usage_command *command = commands; command->name; command++) {
        fprintf(file, ".TP\n.B %s\n", command->name);
        print_text(file, command->summary);
        fputc('\n', file);
    }
    print_exit_status(file);
    fputs(".SH SEE ALSO\n", file);
    for (const struct usage_command *command = commands; command->name; command++) {
        if (strcmp(command->name, "help") != 0)
            fprintf(file, ".BR weir\\-%s (8)\n", command->name);
    }
}
