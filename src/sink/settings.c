/* settings: finds the kind of sink, and fills its tables and the common one. */
#include "sink/settings.h"
#include <errno.h>
#include <stdio.h>
#include "base/allocate.h"
#include "config/nearest.h"

static const struct sink *const sinks[] = {
#define SINK(name) &sink_##name,
#include "sink/sinks.def"
#undef SINK
    NULL,
};

const struct sink *sink_find(const char *name)
{
    const struct sink *const *at = sinks;

    while (*at && strcmp((*at)->name, name) != 0)
        at++;
    return *at;
}

/* Room for the values of the sink's tables. */
static struct sink_settings *make_room(const struct sink *sink)
{
    struct sink_settings *settings = allocate_zeroed(sizeof(*settings));

    if (!settings)
        return NULL;
    settings->sink = sink;
    for (size_t i = 0; i < SINK_PARTS_MAXIMUM && sink->parts[i].table; i++) {
        settings->options.values[i] = allocate_zeroed(sink->parts[i].size);
        if (!settings->options.values[i])
            sink_settings_free(&settings);
        if (!settings)
            return NULL;
    }
    return settings;
}

static size_t list_sets(struct sink_settings *settings,
                        struct option_set sets[SINK_PARTS_MAXIMUM + 1])
{
    size_t count = 0;

    sets[count++] = (struct option_set){&sink_common_table, &settings->common};
    for (size_t i = 0; i < SINK_PARTS_MAXIMUM && settings->sink->parts[i].table; i++)
        sets[count++] = (struct option_set){settings->sink->parts[i].table,
                                            (void *)(uintptr_t)settings->options.values[i]};
    return count;
}

/* The option that TYPE=TARGET sets. */
static int set_target(struct sink_settings *settings, const struct option_set *sets, size_t count,
                      const char *target, char *message)
{
    const char *name = settings->sink->target;
    char why[OPTION_MESSAGE_BYTES];

    for (size_t i = 1; name && i < count; i++) {
        const struct option *option = option_find(sets[i].table, name, strlen(name));

        if (!option)
            continue;
        if (option_set(option, sets[i].values, target, why) == 0)
            return 0;
        snprintf(message, OPTION_MESSAGE_BYTES, "%s: %.300s", settings->sink->name, why);
        return -EINVAL;
    }
    snprintf(message, OPTION_MESSAGE_BYTES, "%s takes no target", settings->sink->name);
    return -EINVAL;
}

static bool is_text(const struct option *option)
{
    return option->kind == OPTION_TEXT;
}

/*
 * Copies the values of texts, which may stand in a configuration that is replaced while the sink
 * lives. 0 or -ENOMEM.
 */
static int own_texts(struct sink_settings *settings, const struct option_set *sets, size_t count)
{
    size_t bytes = 0, used = 0;

    for (unsigned turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < count; i++) {
            for (size_t j = 0; j < sets[i].table->count; j++) {
                const struct option *option = &sets[i].table->options[j];
                const char **text = (void *)((char *)sets[i].values + option->offset);
                size_t length = is_text(option) && *text ? strlen(*text) + 1 : 0;

                bytes += turn == 0 ? length : 0;
                if (turn == 0 || !length)
                    continue;
                memcpy(settings->texts + used, *text, length);
                *text = settings->texts + used;
                used += length;
            }
        }
        if (turn == 0)
            settings->texts = allocate(bytes + 1);
        if (!settings->texts)
            return -ENOMEM;
    }
    return 0;
}

static int refuse_type(const struct block *block, const char *path, const char *type, char *message)
{
    int used = block_place(path, block->line, block->column, message);
    struct nearest nearest = nearest_begin(type ? type : "");

    for (const struct sink *const *at = sinks; *at; at++)
        nearest_offer(&nearest, (*at)->name);
    if (!type)
        used += snprintf(message + used, OPTION_MESSAGE_BYTES - (size_t)used,
                         "a sink needs a type; known are");
    else if (nearest.name)
        snprintf(message + used, OPTION_MESSAGE_BYTES - (size_t)used,
                 "'%.60s' is no type of sink; did you mean '%s'?", type, nearest.name);
    else
        used += snprintf(message + used, OPTION_MESSAGE_BYTES - (size_t)used,
                         "'%.60s' is no type of sink; known are", type);
    for (const struct sink *const *at = sinks; *at && (!type || !nearest.name); at++)
        used += snprintf(message + used, OPTION_MESSAGE_BYTES - (size_t)used, " %s", (*at)->name);
    return -EINVAL;
}

int sink_settings_new(const struct block_list *list, const struct block *block, const char *path,
                      struct sink_settings **ret_settings, char message[OPTION_MESSAGE_BYTES])
{
    static const char *const known[] = {BLOCK_KEY_TYPE, BLOCK_KEY_TARGET, NULL};
    const char *type = block_find(list, block, BLOCK_KEY_TYPE);
    const char *target = block_find(list, block, BLOCK_KEY_TARGET);
    const struct sink *sink = type ? sink_find(type) : NULL;
    struct option_set sets[SINK_PARTS_MAXIMUM + 1];
    struct sink_settings *settings;
    size_t count;
    int result;

    if (!sink)
        return refuse_type(block, path, type, message);
    settings = make_room(sink);
    if (!settings) {
        snprintf(message, OPTION_MESSAGE_BYTES, "out of memory");
        return -ENOMEM;
    }
    settings->line = block->line;
    settings->column = block->column;
    count = list_sets(settings, sets);
    result = block_apply(list, block, path, sets, count, known, message);
    if (result == 0 && target) {
        char why[OPTION_MESSAGE_BYTES];

        result = set_target(settings, sets, count, target, why);
        if (result < 0) {
            int used = block_place(path, block->line, block->column, message);

            snprintf(message + used, OPTION_MESSAGE_BYTES - (size_t)used, "%.250s", why);
        }
    }
    if (result == 0) {
        result = own_texts(settings, sets, count);
        if (result < 0)
            snprintf(message, OPTION_MESSAGE_BYTES, "out of memory");
    }
    if (result == 0)
        *ret_settings = settings;
    else
        sink_settings_free(&settings);
    return result;
}

int sink_settings_plain(const struct sink *sink, const char *target,
                        struct sink_settings **ret_settings)
{
    struct option_set sets[SINK_PARTS_MAXIMUM + 1];
    struct sink_settings *settings = make_room(sink);
    char message[OPTION_MESSAGE_BYTES];
    size_t count;
    int result = 0;

    if (!settings)
        return -ENOMEM;
    count = list_sets(settings, sets);
    for (size_t i = 0; i < count; i++)
        option_set_defaults(sets[i].table, sets[i].values);
    if (target)
        result = set_target(settings, sets, count, target, message);
    if (result == 0)
        result = own_texts(settings, sets, count);
    if (result == 0)
        *ret_settings = settings;
    else
        sink_settings_free(&settings);
    return result;
}

void sink_settings_free(struct sink_settings **settings)
{
    struct sink_settings *dead = *settings;

    if (!dead)
        return;
    for (size_t i = 0; i < SINK_PARTS_MAXIMUM; i++)
        deallocate((void *)(uintptr_t)dead->options.values[i]);
    deallocate(dead->texts);
    deallocate(dead);
    *settings = NULL;
}
