/* redis_commands: the list of redis_commands.def, as Redis 7 and its successors know them. */
#include "model/redis_commands.h"

static const struct redis_command commands[] = {
#define REDIS_COMMAND(name, first, last, step, count, has_subcommand)                              \
    {name, first, last, step, count, has_subcommand},
#include "model/redis_commands.def"
#undef REDIS_COMMAND
};

static char upper_of(uint8_t byte)
{
    return (char)(byte >= 'a' && byte <= 'z' ? byte - 'a' + 'A' : byte);
}

const struct redis_command *redis_command_find(struct slice name)
{
    char upper[REDIS_COMMAND_MAXIMUM + 1];
    size_t low = 0, high = sizeof(commands) / sizeof(*commands);

    if (name.length == 0 || name.length > REDIS_COMMAND_MAXIMUM)
        return NULL;
    for (size_t i = 0; i < name.length; i++) {
        if (name.data[i] == 0)
            return NULL;
        upper[i] = upper_of(name.data[i]);
    }
    upper[name.length] = 0;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(commands[middle].name, upper);
        if (order == 0)
            return &commands[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
