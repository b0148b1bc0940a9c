/* redis_commands: which words of a Redis command are names and which may be anything. */
#pragma once
#include "base/slice.h"

enum { REDIS_COMMAND_MAXIMUM = 32 /* bytes of a command's name that is known */ };

struct redis_command {
    const char *name;
    int8_t first, last, step; /* keys, see redis_commands.def */
    int8_t count;
    bool has_subcommand;
};

/* NULL: not known. Case does not count. */
const struct redis_command *redis_command_find(struct slice name);
