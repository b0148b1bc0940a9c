/*
 * configuration: from the nodes of a YAML document to options. Every node knows its line and
 * column, so that each error names its place.
 */
#include "config/configuration.h"
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <yaml.h>
#include "base/allocate.h"
#include "config/nearest.h"
#include "config/texts.h"

enum {
    NAME_BYTES = 128,  /* of a joined key */
    DEPTH_MAXIMUM = 8, /* of mappings in mappings */
};

struct configuration {
    struct texts_kept texts;
};

struct reading {
    const struct option_table *table;
    void *values;
    struct option_origin *origins;
    const char *path;
    struct configuration *configuration;
    union {
        struct text_list texts;
        struct block_list blocks;
    } unused; /* room for the value of any option that is overridden */
    yaml_document_t document;
    uint32_t lines[OPTION_TABLE_MAXIMUM]; /* where each option was set; 0: not */
    char *message;
};

static int refuse(struct reading *reading, const yaml_mark_t *mark, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int refuse(struct reading *reading, const yaml_mark_t *mark, const char *format, ...)
{
    va_list list;
    int used = snprintf(reading->message, OPTION_MESSAGE_BYTES, "%.200s:%zu:%zu: ", reading->path,
                        mark->line + 1, mark->column + 1);

    va_start(list, format);
    vsnprintf(reading->message + used, OPTION_MESSAGE_BYTES - (size_t)used, format, list);
    va_end(list);
    return -EINVAL;
}

static const char *scalar_text(const yaml_node_t *node)
{
    return (const char *)node->data.scalar.value;
}

static int refuse_unknown(struct reading *reading, const yaml_node_t *key, const char *name)
{
    const struct option_table *table = reading->table;
    struct nearest nearest = nearest_begin(name);

    for (size_t i = 0; i < table->count; i++)
        if (!(table->options[i].traits & (OPTION_ONLY_ARGUMENT | OPTION_NOT_IN_FILE)))
            nearest_offer(&nearest, table->options[i].name);
    if (nearest.name)
        return refuse(reading, &key->start_mark, "unknown key '%.100s'; did you mean '%s'?", name,
                      nearest.name);
    return refuse(reading, &key->start_mark,
                  "unknown key '%.100s'; `weir config example` lists all keys", name);
}

static int set_flag(struct reading *reading, const struct option *option, const yaml_node_t *node,
                    void *values)
{
    if (!texts_read_flag(scalar_text(node), (bool *)((char *)values + option->offset)))
        return refuse(reading, &node->start_mark, "%s: '%.100s' is not true or false", option->name,
                      scalar_text(node));
    return 0;
}

static int set_scalar(struct reading *reading, const struct option *option, const yaml_node_t *node,
                      void *values)
{
    char why[OPTION_MESSAGE_BYTES];
    const char *text;

    if (node->type != YAML_SCALAR_NODE)
        return refuse(reading, &node->start_mark, "%s: a single value is expected here",
                      option->name);
    if (option->kind == OPTION_FLAG)
        return set_flag(reading, option, node, values);
    if (strlen(scalar_text(node)) != node->data.scalar.length)
        return refuse(reading, &node->start_mark, "%s: a NUL character is not allowed",
                      option->name);
    text = texts_keep(&reading->configuration->texts, scalar_text(node));
    if (!text)
        return -ENOMEM;
    if (option_set(option, values, text, why) < 0)
        return refuse(reading, &node->start_mark, "%s: %.300s", option->name, why);
    return 0;
}

static int add_pairs(struct reading *reading, const struct option *option, struct block_list *list,
                     const yaml_node_t *mapping, const char *prefix, unsigned depth);

/* One value of a block, or several. */
static int add_pair(struct reading *reading, const struct option *option, struct block_list *list,
                    const char *key, const yaml_node_t *node, unsigned depth)
{
    int result = 0;

    if (node->type == YAML_MAPPING_NODE)
        return add_pairs(reading, option, list, node, key, depth + 1);
    if (node->type == YAML_SEQUENCE_NODE && depth < DEPTH_MAXIMUM) {
        const yaml_node_item_t *item = node->data.sequence.items.start;

        for (; result == 0 && item < node->data.sequence.items.top; item++)
            result = add_pair(reading, option, list, key,
                              yaml_document_get_node(&reading->document, *item), DEPTH_MAXIMUM);
        return result;
    }
    if (node->type != YAML_SCALAR_NODE || strlen(scalar_text(node)) != node->data.scalar.length)
        return refuse(reading, &node->start_mark, "%s: a value is expected here", key);
    if (blocks_add(list, key, scalar_text(node), (uint32_t)node->start_mark.line + 1,
                   (uint32_t)node->start_mark.column + 1) < 0)
        return refuse(reading, &node->start_mark, "%s: too much", option->name);
    return 0;
}

static int add_pairs(struct reading *reading, const struct option *option, struct block_list *list,
                     const yaml_node_t *mapping, const char *prefix, unsigned depth)
{
    const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
    int result = 0;

    if (depth > DEPTH_MAXIMUM)
        return refuse(reading, &mapping->start_mark, "mappings are nested too deeply");
    for (; result == 0 && pair < mapping->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(&reading->document, pair->key);
        size_t before = list->pair_count;
        char name[NAME_BYTES];

        if (key->type != YAML_SCALAR_NODE ||
            snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "-" : "", scalar_text(key)) >=
                (int)sizeof(name))
            return refuse(reading, &key->start_mark, "a key is a word");
        result = add_pair(reading, option, list, name,
                          yaml_document_get_node(&reading->document, pair->value), depth);
        for (size_t i = before; i < list->pair_count; i++)
            if (!list->pairs[i].key_line) { /* the innermost key has come first */
                list->pairs[i].key_line = (uint32_t)key->start_mark.line + 1;
                list->pairs[i].key_column = (uint32_t)key->start_mark.column + 1;
            }
    }
    return result;
}

/* A list of mappings; of texts as on the command line, too. */
static int set_blocks(struct reading *reading, const struct option *option, const yaml_node_t *node,
                      void *values)
{
    struct block_list *list = (struct block_list *)((char *)values + option->offset);
    const yaml_node_item_t *item = node->data.sequence.items.start;
    int result = 0;

    list->name = option->name;
    if (node->type != YAML_SEQUENCE_NODE)
        return refuse(reading, &node->start_mark,
                      "%s: a list is expected here, as in '- type: ...'", option->name);
    for (; result == 0 && item < node->data.sequence.items.top; item++) {
        const yaml_node_t *one = yaml_document_get_node(&reading->document, *item);

        if (one->type != YAML_MAPPING_NODE)
            result = set_scalar(reading, option, one, values);
        else if (blocks_begin(list, (uint32_t)one->start_mark.line + 1,
                              (uint32_t)one->start_mark.column + 1) < 0)
            result = refuse(reading, &one->start_mark, "%s: too many", option->name);
        else
            result = add_pairs(reading, option, list, one, "", 0);
    }
    return result;
}

static int set_value(struct reading *reading, const struct option *option, const yaml_node_t *node,
                     void *values)
{
    int result = 0;

    option_clear(option, values);
    if (option->kind == OPTION_BLOCKS)
        return set_blocks(reading, option, node, values);
    if (node->type != YAML_SEQUENCE_NODE || !option_is_list(option))
        return set_scalar(reading, option, node, values);
    const yaml_node_item_t *item = node->data.sequence.items.start;
    for (; result == 0 && item < node->data.sequence.items.top; item++)
        result =
            set_scalar(reading, option, yaml_document_get_node(&reading->document, *item), values);
    return result;
}

static int set_option(struct reading *reading, const struct option *option, const yaml_node_t *key,
                      const yaml_node_t *node)
{
    size_t index = (size_t)(option - reading->table->options);

    if (option->traits & (OPTION_ONLY_ARGUMENT | OPTION_NOT_IN_FILE))
        return refuse(reading, &key->start_mark,
                      "%s can only be given on the command line, as --%s", option->name,
                      option->name);
    if (reading->lines[index])
        return refuse(reading, &key->start_mark, "%s is set twice, first in line %u", option->name,
                      reading->lines[index]);
    reading->lines[index] = (uint32_t)key->start_mark.line + 1;
    if (reading->origins[index].kind > ORIGIN_FILE) {
        /* Overridden; a value that is wrong is told all the same. */
        struct option elsewhere = *option;
        elsewhere.offset = 0;
        return set_value(reading, &elsewhere, node, &reading->unused);
    }
    reading->origins[index] = (struct option_origin){ORIGIN_FILE, reading->lines[index],
                                                     (uint32_t)node->start_mark.column + 1};
    return set_value(reading, option, node, reading->values);
}

static const struct option *find_option(const struct option_table *table, const char *name,
                                        size_t length)
{
    for (size_t i = 0; i < table->count; i++)
        if (table->options[i].plural && strcmp(table->options[i].plural, name) == 0)
            return &table->options[i];
    return option_find(table, name, length);
}

static int read_mapping(struct reading *reading, const yaml_node_t *mapping, const char *prefix,
                        unsigned depth)
{
    const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
    int result = 0;

    if (depth > DEPTH_MAXIMUM)
        return refuse(reading, &mapping->start_mark, "mappings are nested too deeply");
    for (; result == 0 && pair < mapping->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(&reading->document, pair->key);
        const yaml_node_t *node = yaml_document_get_node(&reading->document, pair->value);
        char name[NAME_BYTES];
        int length;

        if (key->type != YAML_SCALAR_NODE)
            return refuse(reading, &key->start_mark, "a key is a word");
        length =
            snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "-" : "", scalar_text(key));
        if (length < 0 || (size_t)length >= sizeof(name))
            return refuse_unknown(reading, key, scalar_text(key));
        const struct option *option = find_option(reading->table, name, (size_t)length);
        if (option)
            result = set_option(reading, option, key, node);
        else if (node->type == YAML_MAPPING_NODE)
            result = read_mapping(reading, node, name, depth + 1);
        else
            result = refuse_unknown(reading, key, name);
    }
    return result;
}

static int read_document(struct reading *reading, FILE *file)
{
    yaml_parser_t parser;
    const yaml_node_t *root;
    int result = 0;

    if (!yaml_parser_initialize(&parser))
        return -ENOMEM;
    yaml_parser_set_input_file(&parser, file);
    if (!yaml_parser_load(&parser, &reading->document)) {
        result = parser.error == YAML_MEMORY_ERROR
                     ? -ENOMEM
                     : refuse(reading, &parser.problem_mark, "%s%s%s",
                              parser.problem ? parser.problem : "cannot be read",
                              parser.context ? " " : "", parser.context ? parser.context : "");
        yaml_parser_delete(&parser);
        return result;
    }
    root = yaml_document_get_root_node(&reading->document);
    if (root && root->type == YAML_MAPPING_NODE)
        result = read_mapping(reading, root, "", 0);
    else if (root && !(root->type == YAML_SCALAR_NODE && root->data.scalar.length == 0))
        result = refuse(reading, &root->start_mark, "keys with values are expected, as in '%s'",
                        "output: json");
    yaml_document_delete(&reading->document);
    yaml_parser_delete(&parser);
    return result;
}

int configuration_read(const struct option_table *table, void *values,
                       struct option_origin origins[], const char *path,
                       struct configuration **ret_configuration, char message[OPTION_MESSAGE_BYTES])
{
    struct configuration *configuration = allocate_zeroed(sizeof(*configuration));
    struct reading reading = {.table = table,
                              .values = values,
                              .origins = origins,
                              .path = path,
                              .configuration = configuration,
                              .message = message};
    FILE *file;
    int result;

    if (!configuration)
        return -ENOMEM;
    file = fopen(path, "re");
    if (!file) {
        result = -errno;
        snprintf(message, OPTION_MESSAGE_BYTES, "%.300s: %s", path, strerror(errno));
        configuration_free(&configuration);
        return result;
    }
    result = read_document(&reading, file);
    fclose(file);
    if (result == -ENOMEM)
        snprintf(message, OPTION_MESSAGE_BYTES, "%.300s: out of memory", path);
    if (result)
        configuration_free(&configuration);
    else
        *ret_configuration = configuration;
    return result;
}

void configuration_free(struct configuration **configuration)
{
    if (!*configuration)
        return;
    texts_free(&(*configuration)->texts);
    deallocate(*configuration);
    *configuration = NULL;
}
