/* read_options: the option table of `weir read`, and what it cannot say. */
#include "config/read_options.h"
#include "config/common_options.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/buffer.h"
#include "config/nearest.h"

#define VALUE(field) .offset = offsetof(struct read_options, field)
#define KIB (1ull << 10)

static const struct option table[] = {
    COMMON_OPTION_OUTPUT,
    COMMON_OPTION_OUTPUT_FILE(""),
    COMMON_OPTION_SINK(0),
    COMMON_OPTION_ILOGTAIL,
    COMMON_OPTION_VERBOSE(0),
    COMMON_OPTION_QUIET,
    COMMON_OPTION_COLOUR,
    COMMON_OPTION_COMMUNITY_ID_SEED("Output"),

    COMMON_OPTION_FILTER(0),
    {.name = "type",
     .short_name = 't',
     .kind = OPTION_TEXTS,
     VALUE(types),
     .argument = "TYPE,...",
     .group = "Selection",
     .help = "Log only records of these types: http, connection, packet and so on. packet implies "
             "--packets."},
    {.name = "packets",
     .short_name = 'P',
     .kind = OPTION_FLAG,
     VALUE(with_packets),
     .group = "Selection",
     .help = "Also log a record for each packet, with every element of its headers."},
    {.name = "limit",
     .short_name = 'c',
     .kind = OPTION_NUMBER,
     VALUE(record_limit),
     .argument = "NUMBER",
     .minimum = 1,
     .group = "Selection",
     .help = "Stop when so many records have been written."},

    COMMON_OPTION_RULE(0),
    COMMON_OPTION_HEADER_RULE(0),

    COMMON_OPTION_MASK_NAME(0),
    COMMON_OPTION_MASK_KEY_FILE,
    COMMON_OPTION_NO_MASK,

    COMMON_OPTION_HEAD_LIMIT("Limits"),
    {.name = "connection-limit",
     .kind = OPTION_NUMBER,
     VALUE(connection_limit),
     .argument = "NUMBER",
     .default_text = "65536",
     .minimum = 16,
     .maximum = 1u << 24,
     .group = "Limits",
     .help = "Connections that are followed at the same time. Beyond that the one unused for "
             "longest is ended."},
};

const struct option_table read_option_table = {
    .command = "read",
    .summary = "log what capture files hold",
    .details =
        "Reads capture files and logs what they hold, in the same records and with the same "
        "decoding, tracking and parsing as weir run: a record for each exchange of a protocol, and "
        "one for each connection. Needs no privilege.\n"
        "\n"
        "The files are read in the order options, as one capture; - is standard input. The same "
        "files give the same output, byte for byte: times and ids come from the packets. Values "
        "of headers that carry secrets are masked; see --mask-name and --no-mask.\n"
        "\n"
        "A damaged or cut file is read as far as it can be: a message names the place, and the "
        "exit status is 1. It is 2 when a file does not exist or is no capture file.\n"
        "\n"
        "SIGINT and SIGTERM end the reading: what is under way is written, and the totals are "
        "printed on standard error: seen = logged + filtered + lost, with each reason of a loss.",
    .examples = "weir read trace.pcap\twhat happened in this capture?\n"
                "weir read -v -t http --filter 'http.response.status_code >= 500' "
                "trace.pcapng.zst\tfailed exchanges, with all headers\n"
                "tcpdump -w - -i eth0 | weir read -o json -\tread while it is captured\n"
                "weir read --packets -t packet -c 10 trace.pcap\tthe first ten packets\n",
    .operands = "FILE...",
    .operands_offset = offsetof(struct read_options, files),
    .count = sizeof(table) / sizeof(table[0]),
    .options = table,
};

static const char *const types[] = {"http",       "dns",   "redis",     "mysql",  "postgresql",
                                    "kafka",      "tls",   "websocket", "packet", "connection",
                                    "statistics", "alert", NULL};

/* 0, or -EINVAL and a message that names the nearest right type. */
static int check_types(const struct text_list *list, char *message)
{
    for (size_t i = 0; i < list->count; i++) {
        struct nearest nearest = nearest_begin(list->items[i]);
        const char *const *type = types;

        while (*type && strcmp(*type, list->items[i]) != 0)
            nearest_offer(&nearest, *type++);
        if (*type)
            continue;
        snprintf(message, OPTION_MESSAGE_BYTES, "--type: '%.100s' is no type of records%s%s%s",
                 list->items[i], nearest.name ? "; did you mean " : "",
                 nearest.name ? nearest.name : "", nearest.name ? "?" : "");
        return -EINVAL;
    }
    return 0;
}

int read_options_resolve(struct read_options *options, char message[OPTION_MESSAGE_BYTES])
{
    if (!options->files.count) {
        snprintf(message, OPTION_MESSAGE_BYTES,
                 "weir read needs a capture file, or - for standard input; weir read --help says "
                 "more");
        return -EINVAL;
    }
    if (check_types(&options->types, message) < 0)
        return -EINVAL;
    options->with_output =
        resolve_has_output(&options->sinks, options->output_file, options->format);
    options->with_colour =
        resolve_terminal(options->output_file, options->colour, &options->format);
    for (size_t i = 0; i < options->types.count; i++)
        options->with_packets |= strcmp(options->types.items[i], "packet") == 0;
    if (options->is_masking_disabled && (options->mask_key_file || options->mask_names.count)) {
        snprintf(message, OPTION_MESSAGE_BYTES,
                 "--no-mask contradicts --mask-key-file and --mask-name");
        return -EINVAL;
    }
    return resolve_mask_key(options->mask_key_file, options->mask_key, &options->mask_key_length,
                            message);
}

static int add(struct buffer *text, const char *words)
{
    return buffer_append(text, slice_of_string(words));
}

int read_options_query(const struct read_options *options, struct buffer *ret_text)
{
    int result = 0;

    for (size_t i = 0; i < options->types.count && result == 0; i++) {
        char word[128];

        snprintf(word, sizeof(word), "%s\"%.100s\"", i ? ", " : "type in (",
                 options->types.items[i]);
        result = add(ret_text, word);
    }
    if (result == 0 && options->types.count)
        result = add(ret_text, options->filter ? ") and " : ")");
    if (result || !options->filter)
        return result;
    result = add(ret_text, "(");
    if (result == 0)
        result = add(ret_text, options->filter);
    return result ? result : add(ret_text, ")");
}
