/* profiles: the table, and how it is applied. */
#include "config/profiles.h"
#include <stdio.h>
#include <string.h>

const char *const profile_names[] = {"gateway", "audit", "debug", "metrics", NULL};

const struct profile profiles[] = {
    {.name = "gateway",
     .help = "For hosts whose proxies pass requests on: both views of each connection on this "
             "host, so that every hop is in the log, and what TCP says of the connections.",
     .settings = {{"both-sides", "true"},
                  {"connections", "true"},
                  {"socket-wait", "true"},
                  {"connection-limit", "262144"},
                  {"ring-size", "16MiB"}}},
    {.name = "audit",
     .help = "Nothing is left out: whole heads, command lines, connections, more memory before "
             "anything is lost, and the output waited for.",
     .settings = {{"head-limit", "256KiB"},
                  {"command-line", "true"},
                  {"connections", "true"},
                  {"ring-size", "32MiB"},
                  {"queue-size", "64MiB"},
                  {"on-full", "block"},
                  {"metadata-wait", "2s"}}},
    {.name = "debug",
     .help = "For looking at one problem: all headers under each line, both views, connections, "
             "and packets that the kernel drops.",
     .settings = {{"verbose", "true"},
                  {"both-sides", "true"},
                  {"connections", "true"},
                  {"socket-wait", "true"},
                  {"drops", "true"},
                  {"head-limit", "256KiB"},
                  {"poll-interval", "1ms"}}},
    {.name = "metrics",
     .help = "Numbers first: /metrics counts everything, the log has summaries of what failed, of "
             "what was slow, and of one in a hundred others.",
     .settings = {{"metrics", "9478"},
                  {"connections", "true"},
                  {"rule", "summary name=metrics sample=1%"}}},
    {.name = NULL},
};

static int set(const struct option *option, void *values, const char *text, char *message)
{
    char why[OPTION_MESSAGE_BYTES];
    int result;

    option_clear(option, values);
    result = option_set(option, values, text, why);
    if (result)
        snprintf(message, OPTION_MESSAGE_BYTES, "profile: %s: %.300s", option->name, why);
    return result;
}

int profile_apply(const char *name, const struct option_table *table, void *values,
                  struct option_origin origins[], char message[OPTION_MESSAGE_BYTES])
{
    const struct profile *profile = profiles;
    int result = 0;

    if (!name)
        return 0;
    while (profile->name && strcmp(profile->name, name) != 0)
        profile++;
    for (const struct profile_setting *at = profile->settings; profile->name && at->option; at++) {
        const struct option *option = option_find(table, at->option, strlen(at->option));
        size_t index = (size_t)(option - table->options);

        if (!option || origins[index].kind != ORIGIN_DEFAULT)
            continue;
        result = set(option, values, at->text, message);
        if (result)
            break;
        origins[index].kind = ORIGIN_PROFILE;
    }
    return result;
}
