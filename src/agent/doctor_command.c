/* doctor_command: `weir doctor` shows what capture_survey found. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "agent/commands.h"
#include "capture/capture.h"
#include "config/doctor_options.h"

enum { NAME_COLUMNS = 24, TEXT_WIDTH = 100 };
#define RUNG_PREFIX "rung "

static bool is_rung(const struct survey_item *item)
{
    return strncmp(item->name, RUNG_PREFIX, strlen(RUNG_PREFIX)) == 0;
}

/* The rung that weir run would use, without its prefix; NULL: none. */
static const char *used_rung(const struct survey *survey)
{
    for (size_t i = 0; i < survey->count; i++) {
        const struct survey_item *item = &survey->items[i];
        if (is_rung(item) && item->is_used)
            return item->name + strlen(RUNG_PREFIX);
    }
    return NULL;
}

static void print_wrapped(const char *text, size_t indent)
{
    size_t column = indent;
    while (*text) {
        size_t length = strcspn(text, " ");
        if (column > indent && column + 1 + length > TEXT_WIDTH) {
            printf("\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            putchar(' ');
            column++;
        }
        printf("%.*s", (int)length, text);
        column += length;
        text += length;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void print_item(const struct survey_item *item)
{
    enum { INDENT = 7 + NAME_COLUMNS + 1 };
    printf("%s %-4s %-*s ", item->is_used ? "*" : " ", item->is_available ? "yes" : "no",
           NAME_COLUMNS, item->name);
    print_wrapped(item->detail, INDENT);
    if (item->advice[0]) {
        printf("%*s", INDENT, "");
        print_wrapped(item->advice, INDENT);
    }
}

static void print_table(const struct survey *survey)
{
    struct utsname system;
    if (uname(&system) == 0)
        printf("weir " WEIR_VERSION " on %s %s (%s), as %s\n\n", system.sysname, system.release,
               system.machine, geteuid() == 0 ? "root" : "a user other than root");
    for (size_t i = 0; i < survey->count; i++)
        print_item(&survey->items[i]);
    const char *rung = used_rung(survey);
    if (!rung) {
        puts("\nweir run cannot capture here; the lines that say no tell what is missing.");
        if (geteuid() != 0)
            puts("As root (sudo weir doctor) more can be tried.");
        return;
    }
    printf("\nweir run would use the rung %s (*).\n", rung);
    if (geteuid() != 0)
        puts("This is what can be told without being root; sudo weir doctor tries it.");
}

static void print_json_text(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte == '"' || byte == '\\')
            printf("\\%c", byte);
        else if (byte < 0x20)
            printf("\\u%04x", byte);
        else
            putchar(byte);
    }
    putchar('"');
}

static void print_json_member(const char *name, const char *text)
{
    printf(",\"%s\":", name);
    print_json_text(text);
}

static void print_json(const struct survey *survey)
{
    const char *rung = used_rung(survey);
    struct utsname system;
    fputs("{\"version\":\"" WEIR_VERSION "\"", stdout);
    if (uname(&system) == 0) {
        print_json_member("kernel", system.release);
        print_json_member("machine", system.machine);
    }
    printf(",\"is_root\":%s", geteuid() == 0 ? "true" : "false");
    if (rung)
        print_json_member("rung", rung);
    fputs(",\"items\":[", stdout);
    for (size_t i = 0; i < survey->count; i++) {
        const struct survey_item *item = &survey->items[i];
        printf("%s{\"is_available\":%s,\"is_used\":%s", i ? "," : "",
               item->is_available ? "true" : "false", item->is_used ? "true" : "false");
        print_json_member("name", item->name);
        print_json_member("detail", item->detail);
        if (item->advice[0])
            print_json_member("advice", item->advice);
        putchar('}');
    }
    puts("]}");
}

int doctor_command(char *const *arguments)
{
    static struct survey survey;
    struct doctor_options options = {0};
    int status;
    if (!command_parse(&doctor_option_table, &options, arguments, NULL, &status))
        return status;
    capture_survey(&survey);
    if (strcmp(options.format, "json") == 0)
        print_json(&survey);
    else
        print_table(&survey);
    return used_rung(&survey) ? EXIT_DONE : EXIT_NOT_ALLOWED;
}
