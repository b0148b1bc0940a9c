/* observer_setup: the stand-in is nothing but options of weir. */
#include "agent/observer_setup.h"
#include <errno.h>
#include <string.h>
#include "config/packet_expression.h"

#define ROWS_FORMAT "ilogtail"

static bool is_rows_format(const char *format)
{
    return format && strncmp(format, ROWS_FORMAT, strlen(ROWS_FORMAT)) == 0;
}

static bool wants_rows(const char *format, const struct block_list *sinks)
{
    bool has_any = is_rows_format(format);

    for (size_t i = 0; i < sinks->count; i++)
        has_any |= is_rows_format(block_find(sinks, &sinks->blocks[i], "format"));
    return has_any;
}

/* Reads the file, and chooses the format where nobody has chosen. */
static int begin(struct observer_setup *setup, const char *path, const struct block_list *sinks,
                 const char **format, char *message)
{
    observer_options_set_defaults(&setup->options);
    if (!path)
        return 0;
    if (strcmp(*format, "auto") == 0 && !wants_rows(NULL, sinks))
        *format = ROWS_FORMAT;
    return observer_file_read(path, &setup->options, &setup->file, message);
}

static int set(const char *name, struct run_options *options, const char *text, char *message)
{
    return option_set(option_find(&run_option_table, name, strlen(name)), options, text, message);
}

/* The variables of containers that are asked for have to be known. */
static int add_variables(const struct text_list *list, struct run_options *options, char *message)
{
    int result = 0;

    for (size_t i = 0; i < list->count && result == 0; i++) {
        char name[256];

        snprintf(name, sizeof(name), "%.*s", (int)strcspn(list->items[i], "="), list->items[i]);
        result = set("container-env", options, name, message);
    }
    return result;
}

static int choose_sources(const struct observer_options *observer, struct run_options *options,
                          char *message)
{
    int result = 0;

    if (!observer->with_sockets)
        options->rung = "none";
    if (observer->with_packets && !options->packets.count)
        result = set("packets", options,
                     observer->interface_name ? observer->interface_name : "auto", message);
    options->with_promiscuous |= observer->with_packets && observer->is_promiscuous;
    return result;
}

/* A filter that is there already stays, too. */
static int add_filter(struct observer_setup *setup, const char **filter, char *message)
{
    char why[OPTION_MESSAGE_BYTES];
    int used, result;

    if (!setup->options.packet_filter)
        return 0;
    result = packet_expression_translate(setup->options.packet_filter, setup->filter,
                                         sizeof(setup->filter), why);
    if (result) {
        snprintf(message, OPTION_MESSAGE_BYTES, "--ilogtail-config: PCAP.Filter: %.300s", why);
        return result;
    }
    used = (int)strlen(setup->filter);
    if (*filter && snprintf(setup->filter + used, sizeof(setup->filter) - (size_t)used, " and (%s)",
                            *filter) >= (int)sizeof(setup->filter) - used) {
        snprintf(message, OPTION_MESSAGE_BYTES, "--filter: too long beside PCAP.Filter");
        return -EINVAL;
    }
    *filter = setup->filter;
    return 0;
}

int observer_setup_run(struct observer_setup *setup, struct run_options *options,
                       char message[OPTION_MESSAGE_BYTES])
{
    const struct observer_options *observer = &setup->options;
    char number[24];
    int result = begin(setup, options->ilogtail_config, &options->sinks, &options->format, message);

    options->observer = observer;
    if (result || !wants_rows(options->format, &options->sinks))
        return result;
    options->with_command_line = true;
    options->with_connections = true;
    if (observer->l4_interval_ns < options->statistics_interval_ns)
        options->statistics_interval_ns = observer->l4_interval_ns;
    options->with_both_sides = true; /* each process has its rows */
    if (!setup->file)
        return 0;
    snprintf(number, sizeof(number), "%llu", (unsigned long long)observer->pid);
    if (observer->pid && !options->pids.count)
        result = set("pid", options, number, message);
    if (result == 0)
        result = add_variables(&observer->included.variables, options, message);
    if (result == 0)
        result = add_variables(&observer->excluded.variables, options, message);
    if (result == 0)
        result = choose_sources(observer, options, message);
    if (result == 0)
        result = add_filter(setup, &options->filter, message);
    options->with_unix = !observer->is_dropping_unix;
    return result;
}

int observer_setup_read(struct observer_setup *setup, struct read_options *options,
                        char message[OPTION_MESSAGE_BYTES])
{
    int result = begin(setup, options->ilogtail_config, &options->sinks, &options->format, message);

    options->observer = &setup->options;
    return result ? result : add_filter(setup, &options->filter, message);
}

void observer_setup_done(struct observer_setup *setup)
{
    observer_file_free(&setup->file);
}
