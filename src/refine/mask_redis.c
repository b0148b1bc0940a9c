/*
 * mask_redis: a command as parse/redis writes it: words, quoted where they need it. The command,
 * its subcommand and its keys stay (model/redis_commands.def), every other word becomes `?`; so do
 * all words of a command that is not known.
 */
#include "model/redis_commands.h"
#include "refine/mask_query.h"

/* The next word with its quotes, from *at on; false: there is none. */
static bool next_word(struct slice text, size_t *at, struct slice *ret_word, bool *ret_is_whole)
{
    size_t start;
    uint8_t quote = 0;
    while (*at < text.length && (text.data[*at] == ' ' || text.data[*at] == '\t'))
        (*at)++;
    start = *at;
    for (; *at < text.length; (*at)++) {
        uint8_t byte = text.data[*at];
        bool is_escape = byte == '\\' && *at + 1 < text.length &&
                         (quote == '"' || (quote && text.data[*at + 1] == '\''));
        if (quote && is_escape)
            (*at)++;
        else if (quote ? byte == quote : byte == '"' || byte == '\'')
            quote = quote ? 0 : byte;
        else if (!quote && (byte == ' ' || byte == '\t'))
            break;
    }
    *ret_word = slice_part(text, start, *at - start);
    *ret_is_whole = quote == 0;
    return *at > start;
}

/* What of the command's words may be shown. */
struct plan {
    const struct redis_command *command;
    uint32_t count;       /* words */
    uint32_t first, last; /* keys; last < first: none */
    uint32_t more_first, more_last;
};

static bool is_plain(struct slice word, size_t maximum)
{
    for (size_t i = 0; i < word.length; i++) {
        uint8_t letter = word.data[i] | 0x20;
        bool is_inner = i && (word.data[i] == '.' || word.data[i] == '_' || word.data[i] == '-' ||
                              (uint8_t)(word.data[i] - '0') <= 9);
        if ((letter < 'a' || letter > 'z') && !is_inner)
            return false;
    }
    return word.length > 0 && word.length <= maximum;
}

static uint32_t number_of(struct slice word)
{
    uint32_t number = 0;
    for (size_t i = 0; i < word.length; i++) {
        if ((uint8_t)(word.data[i] - '0') > 9 || number > 1000000)
            return 0;
        number = number * 10 + (word.data[i] - '0');
    }
    return number;
}

static struct plan plan_of(struct slice text)
{
    struct plan plan = {.first = 1, .more_first = 1};
    struct slice word;
    bool is_whole;
    uint32_t streams = 0, keys = 0;
    for (size_t at = 0; next_word(text, &at, &word, &is_whole); plan.count++) {
        if (plan.count == 0)
            plan.command = redis_command_find(word);
        if (!plan.command)
            return plan;
        if (plan.command->count > 0 && plan.count == (uint32_t)plan.command->count)
            keys = number_of(word);
        if (!streams && slice_is_equal_ignoring_case(word, SLICE_LITERAL("STREAMS")))
            streams = plan.count;
    }
    const struct redis_command *command = plan.command;
    if (!command)
        return plan;
    if (command->first) {
        int64_t last = command->last < 0 ? (int64_t)plan.count + command->last : command->last;
        plan.first = (uint32_t)command->first;
        plan.last = last > 0 ? (uint32_t)last : 0;
    }
    if (command->count > 0) {
        plan.more_first = (uint32_t)command->count;
        plan.more_last = plan.more_first + keys;
    } else if (command->count < 0 && streams) {
        plan.more_first = streams;
        plan.more_last = streams + (plan.count - 1 - streams) / 2;
    }
    return plan;
}

static bool is_shown(const struct plan *plan, uint32_t index, struct slice word)
{
    const struct redis_command *command = plan->command;
    if (index == 0)
        return is_plain(word, REDIS_COMMAND_MAXIMUM);
    if (!command)
        return false;
    if (index == 1 && command->has_subcommand)
        return is_plain(word, REDIS_COMMAND_MAXIMUM);
    if (index >= plan->first && index <= plan->last)
        return (index - plan->first) % (uint32_t)(command->step > 0 ? command->step : 1) == 0;
    return index >= plan->more_first && index <= plan->more_last;
}

size_t mask_redis(struct slice text, uint8_t *out)
{
    struct plan plan = plan_of(text);
    struct slice word;
    bool is_whole;
    size_t at = 0, length = 0;
    for (uint32_t index = 0; next_word(text, &at, &word, &is_whole); index++) {
        if (index)
            out[length++] = ' ';
        if (is_whole && is_shown(&plan, index, word)) {
            memcpy(out + length, word.data, word.length);
            length += word.length;
        } else {
            out[length++] = '?';
        }
    }
    return length;
}
