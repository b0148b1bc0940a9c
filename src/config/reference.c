/* reference: one table for each group of options, of each kind of block, and of the profiles. */
#include "config/reference.h"
#include <string.h>
#include "config/arguments.h"
#include "config/configuration.h"
#include "config/observer_options.h"
#include "config/profiles.h"
#include "config/rule_options.h"
#include "config/usage_parts.h"

/* A cell's text: the bar would end it. */
static void print_cell(const char *text, FILE *file)
{
    for (; *text; text++)
        fprintf(file, "%s%c", *text == '|' ? "\\" : "", *text == '\n' ? ' ' : *text);
}

static void print_kind(const struct option *option, FILE *file)
{
    static const char *const names[] = {
        [OPTION_FLAG] = "true or false",
        [OPTION_TEXT] = "text",
        [OPTION_CHOICE] = "one of these",
        [OPTION_NUMBER] = "number",
        [OPTION_SIZE] = "size",
        [OPTION_DURATION] = "duration",
        [OPTION_PIDS] = "list of numbers",
        [OPTION_PORTS] = "list of ports",
        [OPTION_NETWORKS] = "list of networks",
        [OPTION_TEXTS] = "list of texts",
        [OPTION_BLOCKS] = "list of mappings",
    };

    fputs(names[option->kind], file);
}

static void print_row(const struct option *option, bool with_variable, FILE *file)
{
    char limits[USAGE_LIMITS_BYTES], variable[64];

    fprintf(file, "| `%s` | ", option->plural ? option->plural : option->name);
    print_kind(option, file);
    fputs(" | ", file);
    print_cell(option->help, file);
    usage_format_limits(option, limits);
    if (*limits) {
        fputc(' ', file);
        print_cell(limits, file);
    }
    if (with_variable) {
        arguments_variable_name(option, variable);
        fprintf(file, " | `--%s` | `%s` | %s", option->name, variable,
                option->traits & OPTION_IS_LIVE ? "at once" : "restart");
    }
    fputs(" |\n", file);
}

static void print_table(const struct option_table *table, FILE *file)
{
    fputs("| key | kind | what it does |\n|---|---|---|\n", file);
    for (size_t i = 0; i < table->count; i++)
        print_row(&table->options[i], false, file);
}

static bool is_of_file(const struct option *option)
{
    return !(option->traits & (OPTION_ONLY_ARGUMENT | OPTION_NOT_IN_FILE));
}

/* Is it the first option of its group that a file can have? */
static bool is_first(const struct option_table *table, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (is_of_file(&table->options[i]) &&
            strcmp(table->options[i].group, table->options[index].group) == 0)
            return false;
    return is_of_file(&table->options[index]);
}

static void print_groups(const struct option_table *table, FILE *file)
{
    for (size_t i = 0; i < table->count; i++) {
        const char *group = table->options[i].group;

        if (!is_first(table, i))
            continue;
        fprintf(file,
                "\n## %s\n\n| key | kind | what it does | argument | variable | SIGHUP |\n"
                "|---|---|---|---|---|---|\n",
                group);
        for (size_t j = i; j < table->count; j++)
            if (is_of_file(&table->options[j]) && strcmp(table->options[j].group, group) == 0)
                print_row(&table->options[j], true, file);
    }
}

static void print_profiles(FILE *file)
{
    fputs("\n## Profiles\n\n"
          "`--profile NAME` sets some options, and does nothing else: files, variables and "
          "arguments override them one by one. `weir config show --profile NAME` shows what is "
          "then in force.\n\n"
          "| profile | what it is for | options |\n|---|---|---|\n",
          file);
    for (const struct profile *profile = profiles; profile->name; profile++) {
        fprintf(file, "| `%s` | %s | ", profile->name, profile->help);
        for (const struct profile_setting *at = profile->settings; at->option; at++)
            fprintf(file, "%s`%s: %s`", at == profile->settings ? "" : ", ", at->option, at->text);
        fputs(" |\n", file);
    }
}

void reference_print_configuration(const struct option_table *run,
                                   const struct usage_sections *sinks, FILE *file)
{
    fputs("# Configuration\n\n"
          "Written by `tools/manual` from the option tables in `src/config` and `src/sink`; change "
          "it there.\n\n"
          "`weir run` reads `" CONFIGURATION_PATH "`, or the file that `--config` names. "
          "Every key is an option: variables (`WEIR_...`) override the file, arguments override "
          "both. Keys that begin alike may be put together: `mask: {name: x}` is `mask-name: x`. "
          "Sizes have units (64KiB, 4MiB), durations too (500ms, 10s, 1h30m). `weir config check` "
          "says what is wrong with a file, with line, column and the nearest valid name; `weir "
          "config show` what is in force and where it comes from; `weir config example` prints "
          "`packaging/weir.yaml`.\n\n"
          "SIGHUP reads the file again. What can change while weir runs is marked `at once`, and "
          "nothing is lost meanwhile; of the rest weir says that it needs a restart. A file that "
          "is wrong changes nothing.\n",
          file);
    print_groups(run, file);
    print_profiles(file);
    fputs("\n## Keys of `rules`\n\nThe first rule whose `match` holds decides. docs/rules.md "
          "explains them.\n\n",
          file);
    print_table(&rule_option_table, file);
    fputs("\n## Keys of `header-rules`\n\nOf each header the first rule that names it decides.\n\n",
          file);
    print_table(&header_rule_option_table, file);
    for (size_t i = 0; i < sinks->count; i++) {
        const struct usage_section *section = &sinks->sections[i];
        bool is_first_section = i == 0;

        fprintf(file, "\n## %s%s%s\n\n%s\n\n", is_first_section ? "Keys of `sinks`" : "Sink `",
                is_first_section ? "" : section->title, is_first_section ? "" : "`", section->help);
        for (size_t j = 0; j < 4 && section->tables[j]; j++) {
            if (j)
                fputc('\n', file);
            print_table(section->tables[j], file);
        }
    }
}

void reference_print_observer(FILE *file)
{
    const struct option_table *table = &observer_option_table;

    fputs("| parameter | type | default | what weir does |\n|---|---|---|---|\n", file);
    for (size_t i = 0; i < table->count; i++) {
        const struct option *option = &table->options[i];

        fprintf(file, "| `%s` | %s | %s | ", option->name, option->argument,
                option->default_text ? option->default_text : "none");
        print_cell(option->help, file);
        fputs(" |\n", file);
    }
}
