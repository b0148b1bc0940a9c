/* settings: one sink as it was configured. */
#pragma once
#include "config/block_apply.h"
#include "config/sink_options.h"
#include "contract/sink.h"

struct sink_settings {
    const struct sink *sink;
    struct sink_common_options common;
    struct sink_options options; /* values are owned */
    uint32_t line, column;       /* where it stands in the file; 0: an argument */
    char *texts;                 /* of all options, owned */
};

/* NULL: there is none of that name. */
const struct sink *sink_find(const char *name);

/*
 * Makes the settings that the block says, which outlive the list. `path`: of the file. 0,
 * -ENOMEM, or -EINVAL and a message with place, key and what is allowed.
 */
int sink_settings_new(const struct block_list *list, const struct block *block, const char *path,
                      struct sink_settings **ret_settings, char message[OPTION_MESSAGE_BYTES]);
/* A sink of that kind with defaults, but for its target; NULL: no target. 0 or -ENOMEM. */
int sink_settings_plain(const struct sink *sink, const char *target,
                        struct sink_settings **ret_settings);
void sink_settings_free(struct sink_settings **settings);
