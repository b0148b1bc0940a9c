/*
 * observer_file: the parameters of an observer_ilogtail_network_v1 out of a configuration of
 * iLogtail (YAML 1.1, by libyaml; JSON is read as YAML). Three forms are known: a pipeline with
 * `inputs:`, the {"type", "detail"} of its older server, and the input's mapping alone.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>
#include "base/allocate.h"
#include "config/nearest.h"
#include "config/observer_options.h"
#include "config/texts.h"
#include "model/query_tree.h"

#define INPUT_TYPE "observer_ilogtail_network_v1"

enum { NAME_BYTES = 192, DEPTH_MAXIMUM = 4, ITEM_BYTES = 2048 };

struct observer_file {
    struct texts_kept texts;
};

struct observer_reading {
    const char *path;
    struct observer_options *options;
    struct observer_file *file;
    yaml_document_t document;
    char *message;
};

static int refuse(struct observer_reading *reading, const yaml_mark_t *mark, const char *format,
                  ...) __attribute__((format(printf, 3, 4)));

static int refuse(struct observer_reading *reading, const yaml_mark_t *mark, const char *format,
                  ...)
{
    va_list list;
    int used = snprintf(reading->message, OPTION_MESSAGE_BYTES, "%.200s:%zu:%zu: ", reading->path,
                        mark->line + 1, mark->column + 1);

    va_start(list, format);
    vsnprintf(reading->message + used, OPTION_MESSAGE_BYTES - (size_t)used, format, list);
    va_end(list);
    return -EINVAL;
}

static const char *scalar(const yaml_node_t *node)
{
    bool is_text = node && node->type == YAML_SCALAR_NODE &&
                   strlen((const char *)node->data.scalar.value) == node->data.scalar.length;

    return is_text ? (const char *)node->data.scalar.value : NULL;
}

static const yaml_node_t *node_of(struct observer_reading *reading, int index)
{
    return yaml_document_get_node(&reading->document, index);
}

/* The mapping's value of that key, in any case; NULL: none, or no mapping. */
static const yaml_node_t *find(struct observer_reading *reading, const yaml_node_t *mapping,
                               const char *key)
{
    if (!mapping || mapping->type != YAML_MAPPING_NODE)
        return NULL;
    for (const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
         pair < mapping->data.mapping.pairs.top; pair++) {
        const char *name = scalar(node_of(reading, pair->key));

        if (name && strcasecmp(name, key) == 0)
            return node_of(reading, pair->value);
    }
    return NULL;
}

static int set_flag(struct observer_reading *reading, const struct option *option,
                    const yaml_node_t *node)
{
    if (!texts_read_flag(scalar(node), (bool *)((char *)reading->options + option->offset)))
        return refuse(reading, &node->start_mark, "%s: '%.100s' is not true or false", option->name,
                      scalar(node));
    return 0;
}

/* Says whether the regular expression is one. */
static int check_expression(struct observer_reading *reading, const struct option *option,
                            const yaml_node_t *node, const char *text)
{
    struct query_pattern *pattern = NULL;
    size_t offset = 0;
    char why[128] = "";
    int result = query_pattern_compile(slice_of_string(text), &pattern, &offset, why, sizeof(why));

    query_pattern_free(&pattern);
    if (result == -EINVAL)
        return refuse(reading, &node->start_mark, "%s: character %zu: %s", option->name, offset + 1,
                      why);
    return result;
}

static int refuse_choice(struct observer_reading *reading, const struct option *option,
                         const yaml_node_t *node, const char *text)
{
    struct nearest nearest = nearest_begin(text);
    char known[128] = "";
    size_t used = 0;

    for (const char *const *at = option->choices; *at; at++) {
        nearest_offer(&nearest, *at);
        used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s",
                                 at == option->choices ? "" : ", ", *at);
    }
    if (nearest.name)
        return refuse(reading, &node->start_mark, "%s: '%.100s' is none of %s; did you mean '%s'?",
                      option->name, text, known, nearest.name);
    return refuse(reading, &node->start_mark, "%s: '%.100s' is none of %s", option->name, text,
                  known);
}

static int set_scalar(struct observer_reading *reading, const struct option *option,
                      const yaml_node_t *node)
{
    const char *text = scalar(node);
    char why[OPTION_MESSAGE_BYTES];
    int result = 0;

    if (!text)
        return refuse(reading, &node->start_mark, "%s: a single value is expected here",
                      option->name);
    if (option->kind == OPTION_FLAG)
        return set_flag(reading, option, node);
    if (!*text && option->kind == OPTION_TEXT) /* as if it were not there */
        return 0;
    if (strcmp(option->name, "EBPF.Pid") == 0 && strcmp(text, "-1") == 0)
        text = "0";
    if (option->choices && !texts_is_one_of(text, option->choices))
        return refuse_choice(reading, option, node, text);
    if (option->kind == OPTION_TEXT && strcmp(option->group, "Selection") == 0)
        result = check_expression(reading, option, node, text);
    text = result ? NULL : texts_keep(&reading->file->texts, text);
    if (!text)
        return result ? result : -ENOMEM;
    if (option_set(option, reading->options, text, why) < 0)
        return refuse(reading, &node->start_mark, "%s: %.300s", option->name, why);
    return 0;
}

/* A mapping's pair becomes "KEY=VALUE". */
static int add_pair(struct observer_reading *reading, const struct option *option,
                    const yaml_node_t *key, const yaml_node_t *value)
{
    const char *name = scalar(key), *text = scalar(value);
    char item[ITEM_BYTES], why[OPTION_MESSAGE_BYTES];
    int result = 0;

    if (!name || !*name || strchr(name, '='))
        return refuse(reading, &key->start_mark, "%s: a name without = is expected here",
                      option->name);
    if (!text)
        return refuse(reading, &value->start_mark, "%s: %.100s: a single value is expected here",
                      option->name, name);
    if (strcmp(option->group, "Selection") == 0 && !*text)
        return 0; /* as if it were not there */
    if (snprintf(item, sizeof(item), "%s=%s", name, text) >= (int)sizeof(item))
        return refuse(reading, &value->start_mark, "%s: %.100s is too long", option->name, name);
    if (strcmp(option->group, "Selection") == 0)
        result = check_expression(reading, option, value, text);
    if (result == 0 && option_set(option, reading->options, item, why) < 0)
        return refuse(reading, &value->start_mark, "%s: %.300s", option->name, why);
    return result;
}

static int set_option(struct observer_reading *reading, const struct option *option,
                      const yaml_node_t *node)
{
    int result = 0;

    if (node->type == YAML_MAPPING_NODE && option->kind == OPTION_TEXTS && !option->choices) {
        const yaml_node_pair_t *pair = node->data.mapping.pairs.start;

        for (; result == 0 && pair < node->data.mapping.pairs.top; pair++)
            result = add_pair(reading, option, node_of(reading, pair->key),
                              node_of(reading, pair->value));
        return result;
    }
    if (node->type == YAML_SEQUENCE_NODE && option->kind == OPTION_TEXTS && option->choices) {
        const yaml_node_item_t *item = node->data.sequence.items.start;

        for (; result == 0 && item < node->data.sequence.items.top; item++)
            result = set_scalar(reading, option, node_of(reading, *item));
        return result;
    }
    if (option->kind == OPTION_TEXTS)
        return refuse(reading, &node->start_mark, "%s: a %s is expected here", option->name,
                      option->choices ? "list" : "mapping");
    return set_scalar(reading, option, node);
}

/* Names of protocols are taken in any case; all other names as they are. */
static const struct option *find_option(const char *name)
{
    const struct option *option = option_find(&observer_option_table, name, strlen(name));

    for (size_t i = 0; !option && i < observer_option_table.count; i++)
        if (strncmp(name, "Common.ProtocolAggCfg.", 22) == 0 &&
            strcasecmp(observer_option_table.options[i].name, name) == 0)
            option = &observer_option_table.options[i];
    return option;
}

static int refuse_unknown(struct observer_reading *reading, const yaml_node_t *key,
                          const char *name)
{
    struct nearest nearest = nearest_begin(name);

    for (size_t i = 0; i < observer_option_table.count; i++)
        nearest_offer(&nearest, observer_option_table.options[i].name);
    if (nearest.name)
        return refuse(reading, &key->start_mark, "unknown key '%.100s'; did you mean '%s'?", name,
                      nearest.name);
    return refuse(reading, &key->start_mark, "unknown key '%.100s'; docs/ilogtail.md lists all",
                  name);
}

static int read_mapping(struct observer_reading *reading, const yaml_node_t *mapping,
                        const char *prefix, unsigned depth)
{
    const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
    int result = 0;

    for (; result == 0 && pair < mapping->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = node_of(reading, pair->key), *node = node_of(reading, pair->value);
        const char *text = scalar(key);
        const struct option *option;
        char name[NAME_BYTES];

        if (!text || depth > DEPTH_MAXIMUM)
            return refuse(reading, &key->start_mark, "a key is a word");
        if (depth == 0 && strcasecmp(text, "type") == 0)
            continue;
        snprintf(name, sizeof(name), "%s%s%.100s", prefix, *prefix ? "." : "", text);
        option = find_option(name);
        if (option)
            result = set_option(reading, option, node);
        else if (node->type == YAML_MAPPING_NODE)
            result = read_mapping(reading, node, name, depth + 1);
        else
            result = refuse_unknown(reading, key, name);
    }
    return result;
}

/* The input's mapping in whatever stands around it; NULL: there is none. */
static const yaml_node_t *find_input(struct observer_reading *reading, const yaml_node_t *node)
{
    const yaml_node_t *inputs = find(reading, node, "inputs");
    const yaml_node_t *list = inputs ? inputs : node;
    const yaml_node_t *detail;
    const char *type;

    if (list && list->type == YAML_SEQUENCE_NODE) {
        const yaml_node_t *found = NULL;

        for (const yaml_node_item_t *item = list->data.sequence.items.start;
             !found && item < list->data.sequence.items.top; item++) {
            const yaml_node_t *one = node_of(reading, *item);

            type = scalar(find(reading, one, "type"));
            if (type && strcmp(type, INPUT_TYPE) == 0)
                found = one;
        }
        node = found;
    }
    detail = find(reading, node, "detail");
    if (detail && detail->type == YAML_MAPPING_NODE)
        return detail;
    type = scalar(find(reading, node, "type"));
    if (type)
        return strcmp(type, INPUT_TYPE) == 0 ? node : NULL;
    return find(reading, node, "EBPF") || find(reading, node, "PCAP") ? node : NULL;
}

static int read_document(struct observer_reading *reading, FILE *file)
{
    yaml_mark_t start = {0};
    yaml_parser_t parser;
    const yaml_node_t *input;
    int result;

    if (!yaml_parser_initialize(&parser))
        return -ENOMEM;
    yaml_parser_set_input_file(&parser, file);
    if (!yaml_parser_load(&parser, &reading->document)) {
        result = parser.error == YAML_MEMORY_ERROR
                     ? -ENOMEM
                     : refuse(reading, &parser.problem_mark, "%s",
                              parser.problem ? parser.problem : "cannot be read");
        yaml_parser_delete(&parser);
        return result;
    }
    input = find_input(reading, yaml_document_get_root_node(&reading->document));
    if (input)
        result = read_mapping(reading, input, "", 0);
    else
        result = refuse(reading, &start, "no input is of the type " INPUT_TYPE);
    if (result == 0 && !reading->options->with_sockets && !reading->options->with_packets)
        result = refuse(reading, &input->start_mark, "EBPF.Enabled or PCAP.Enabled has to be true");
    yaml_document_delete(&reading->document);
    yaml_parser_delete(&parser);
    return result;
}

int observer_file_read(const char *path, struct observer_options *ret_options,
                       struct observer_file **ret_file, char message[OPTION_MESSAGE_BYTES])
{
    struct observer_file *kept = allocate_zeroed(sizeof(*kept));
    struct observer_reading reading = {
        .path = path, .options = ret_options, .file = kept, .message = message};
    FILE *file;
    int result;

    snprintf(message, OPTION_MESSAGE_BYTES, "%.300s: out of memory", path);
    if (!kept)
        return -ENOMEM;
    observer_options_set_defaults(ret_options);
    file = fopen(path, "re");
    if (file) {
        result = read_document(&reading, file);
        fclose(file);
    } else {
        result = -errno;
        snprintf(message, OPTION_MESSAGE_BYTES, "%.300s: %s", path, strerror(errno));
    }
    if (result)
        observer_file_free(&kept);
    else
        *ret_file = kept;
    return result;
}

void observer_file_free(struct observer_file **file)
{
    if (!*file)
        return;
    texts_free(&(*file)->texts);
    deallocate(*file);
    *file = NULL;
}
