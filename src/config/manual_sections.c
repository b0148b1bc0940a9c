/* manual_sections: help text and manual page of settings that stand in blocks. */
#include <ctype.h>
#include <string.h>
#include "config/usage.h"
#include "config/usage_parts.h"

enum { PARAGRAPH_BYTES = 2048, INDENT = 6 };

static void print_option(const struct option *option, FILE *file)
{
    char limits[USAGE_LIMITS_BYTES], help[PARAGRAPH_BYTES];

    usage_format_limits(option, limits);
    snprintf(help, sizeof(help), "%s%s%s", option->help, *limits ? " " : "", limits);
    fprintf(file, "  %s=%s\n%*s", option->name, option->argument ? option->argument : "true",
            INDENT, "");
    usage_print_filled(file, INDENT, INDENT, help);
}

void usage_print_sections(const struct usage_sections *page, FILE *file)
{
    for (const char *text = page->details; *text;) {
        char paragraph[PARAGRAPH_BYTES];

        usage_take_paragraph(&text, paragraph, sizeof(paragraph));
        usage_print_filled(file, 0, 0, paragraph);
        fputc('\n', file);
    }
    for (size_t i = 0; i < page->count; i++) {
        const struct usage_section *section = &page->sections[i];

        fprintf(file, "%s%s: ", i ? "\n" : "", section->title);
        usage_print_filled(file, strlen(section->title) + 2, 0, section->help);
        for (size_t j = 0; j < 4 && section->tables[j]; j++)
            for (size_t k = 0; k < section->tables[j]->count; k++)
                print_option(&section->tables[j]->options[k], file);
    }
}

static void page_option(const struct option *option, FILE *file)
{
    char limits[USAGE_LIMITS_BYTES];

    fputs(".TP\n\\fB", file);
    manual_print_text(file, option->name);
    fputs("\\fR=", file);
    if (option->argument)
        fprintf(file, "\\fI%s\\fR\n", option->argument);
    else
        fputs("true\n", file);
    manual_print_text(file, option->help);
    fputc('\n', file);
    usage_format_limits(option, limits);
    if (*limits) {
        manual_print_text(file, limits);
        fputc('\n', file);
    }
}

static void page_examples(const char *examples, FILE *file)
{
    fputs(".SH EXAMPLES\n.nf\n", file);
    manual_print_text(file, examples);
    fputs(".fi\n", file);
}

void usage_print_sections_page(const struct usage_sections *page, FILE *file)
{
    fputs(".TH WEIR\\-", file);
    for (const char *at = page->name; *at; at++)
        fputc(toupper((unsigned char)*at), file);
    fprintf(file, " 8 \"\" \"weir " WEIR_VERSION "\"\n.SH NAME\nweir\\-%s \\- ", page->name);
    manual_print_text(file, page->summary);
    fputs("\n.SH DESCRIPTION\n", file);
    for (const char *text = page->details, *start = text; *text;) {
        char paragraph[PARAGRAPH_BYTES];

        if (text != start)
            fputs(".PP\n", file);
        usage_take_paragraph(&text, paragraph, sizeof(paragraph));
        manual_print_text(file, paragraph);
        fputc('\n', file);
    }
    for (size_t i = 0; i < page->count; i++) {
        const struct usage_section *section = &page->sections[i];

        fprintf(file, ".SH %s\n", section->title);
        manual_print_text(file, section->help);
        fputc('\n', file);
        for (size_t j = 0; j < 4 && section->tables[j]; j++)
            for (size_t k = 0; k < section->tables[j]->count; k++)
                page_option(&section->tables[j]->options[k], file);
    }
    page_examples(page->examples, file);
    fputs(".SH SEE ALSO\n.BR weir\\-run (8),\n.BR weir\\-config (8)\n", file);
}
