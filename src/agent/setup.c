/* setup: reads the configuration between variables and defaults, then checks all of it. */
#include "agent/setup.h"
#include <string.h>
#include <unistd.h>
#include "agent/commands.h"
#include "agent/delivery.h"
#include "base/allocate.h"
#include "config/arguments.h"
#include "config/profiles.h"

/* Says what is wrong. False. */
static bool refuse(const char *message, int status, int *ret_status)
{
    fprintf(stderr, "weir: %s\n", message);
    *ret_status = status;
    return false;
}

/*
 * What is found to be wrong after all has been read is told of "--OPTION: ": where that was said in
 * the file or by a variable, its place stands there instead.
 */
static void name_place(const struct setup *setup, char message[OPTION_MESSAGE_BYTES])
{
    char place[256] = "", rest[OPTION_MESSAGE_BYTES], variable[64];
    const char *colon = strchr(message, ':');
    const struct option *option =
        strncmp(message, "--", 2) == 0 && colon
            ? option_find(&run_option_table, message + 2, (size_t)(colon - message) - 2)
            : NULL;
    const struct option_origin *origin;

    if (!option)
        return;
    origin = &setup->origins[option - run_option_table.options];
    if (origin->kind == ORIGIN_FILE) {
        snprintf(place, sizeof(place), "%.160s:%u:%u: %s", setup->path, origin->line,
                 origin->column, option->name);
    } else if (origin->kind == ORIGIN_VARIABLE) {
        arguments_variable_name(option, variable);
        snprintf(place, sizeof(place), "%s", variable);
    } else {
        return;
    }
    snprintf(rest, sizeof(rest), "%s", colon);
    snprintf(message, OPTION_MESSAGE_BYTES, "%.200s%.300s", place, rest);
}

static bool read_file(struct setup *setup, char *message)
{
    setup->path = setup->options.config_file;
    if (!setup->path && access(CONFIGURATION_PATH, F_OK) == 0)
        setup->path = CONFIGURATION_PATH;
    return !setup->path || configuration_read(&run_option_table, &setup->options, setup->origins,
                                              setup->path, &setup->configuration, message) == 0;
}

/* Whatever is wrong in what was said, wherever. */
static bool check_all(struct setup *setup, char *message)
{
    struct rules_options rules;

    if (profile_apply(setup->options.profile, &run_option_table, &setup->options, setup->origins,
                      message) < 0 ||
        observer_setup_run(&setup->observer, &setup->options, message) < 0 ||
        run_options_resolve(&setup->options, message) < 0)
        return false;
    rules = setup_rules_of(&setup->options, setup->path);
    return delivery_check_sinks(&setup->options.sinks, setup->path, message) >= 0 &&
           delivery_check_rules(&rules, message) >= 0;
}

static bool fill(struct setup *setup, char *const *arguments, int *ret_status)
{
    char message[OPTION_MESSAGE_BYTES], place[OPTION_MESSAGE_BYTES] = "--filter:";

    if (!command_parse(&run_option_table, &setup->options, arguments, setup->origins, ret_status))
        return false;
    if (!read_file(setup, message))
        return refuse(message, EXIT_USAGE, ret_status);
    if (!check_all(setup, message)) {
        name_place(setup, message);
        return refuse(message, EXIT_USAGE, ret_status);
    }
    name_place(setup, place);
    *ret_status = command_check_filter(place, setup->options.filter);
    return *ret_status == EXIT_DONE;
}

/* A key that a variable held at the start is known to the first setup only. */
struct rules_options setup_rules_of(const struct run_options *options, const char *path)
{
    struct slice key = slice_of(options->mask_key, options->mask_key_length);

    if (!key.length && resolve_has_taken_key())
        key = SLICE_LITERAL("the one that the variable held");
    return (struct rules_options){
        .rules = &options->rules, .header_rules = &options->header_rules, .path = path, .key = key};
}

bool setup_load(char *const *arguments, struct setup **ret_setup, int *ret_status)
{
    struct setup *setup = allocate_zeroed(sizeof(*setup));

    if (!setup)
        return refuse("out of memory", EXIT_FAILED, ret_status);
    if (!fill(setup, arguments, ret_status)) {
        setup_free(&setup);
        return false;
    }
    *ret_setup = setup;
    return true;
}

void setup_free(struct setup **setup)
{
    if (!*setup)
        return;
    configuration_free(&(*setup)->configuration);
    observer_setup_done(&(*setup)->observer);
    explicit_bzero((*setup)->options.mask_key, sizeof((*setup)->options.mask_key));
    deallocate(*setup);
    *setup = NULL;
}

void setup_tell_restart(const struct run_options *old, const struct run_options *fresh)
{
    for (size_t i = 0; i < run_option_table.count; i++) {
        const struct option *option = &run_option_table.options[i];

        if (!(option->traits & OPTION_IS_LIVE) && !option_is_equal(option, old, fresh))
            fprintf(stderr, "weir: %s has changed; that needs a restart\n", option->name);
    }
    if (fresh->with_unix && !old->with_unix)
        fputs("weir: DropUnixSocket has changed; that needs a restart\n", stderr);
}
