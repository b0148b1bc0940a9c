/* read_options: the option table of `weir read`, and what it cannot say. */
#include "config/read_options.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/buffer.h"
#include "config/nearest.h"

static const char *const formats[] = {"auto", "pretty", "json", "logfmt", "ecs", NULL};
static const char *const colours[] = {"auto", "always", "never", NULL};

#define VALUE(field) .offset = offsetof(struct read_options, field)
#define KIB (1ull << 10)

static const struct option table[] = {
    {.name = "output",
     .short_name = 'o',
     .kind = OPTION_CHOICE,
     VALUE(format),
     .argument = "FORMAT",
     .default_text = "auto",
     .choices = formats,
     .group = "Output",
     .help = "How records are written. auto is pretty on a terminal and json elsewhere."},
    {.name = "output-file",
     .short_name = 'w',
     .kind = OPTION_TEXT,
     VALUE(output_file),
     .argument = "FILE",
     .group = "Output",
     .help = "Append the records to this file, which is created with mode 0600. Without it: "
             "standard output."},
    {.name = "sink",
     .plural = "sinks",
     .kind = OPTION_BLOCKS,
     VALUE(sinks),
     .argument = "TYPE=TARGET...",
     .group = "Output",
     .help = "Send the records to this sink, too; may be repeated. TYPE=TARGET, such as "
             "file=/var/log/weir.json, then KEY=VALUE for its settings, separated by spaces; "
             "quotes keep spaces together. weir-sinks(8) lists them. Standard output is then "
             "written only when --output names a format."},
    {.name = "verbose",
     .short_name = 'v',
     .kind = OPTION_FLAG,
     VALUE(is_verbose),
     .group = "Output",
     .help = "Show all headers under each line of the pretty format."},
    {.name = "quiet",
     .short_name = 'q',
     .kind = OPTION_FLAG,
     VALUE(is_quiet),
     .group = "Output",
     .help = "Say nothing on standard error but warnings, errors and the totals."},
    {.name = "color",
     .kind = OPTION_CHOICE,
     VALUE(colour),
     .argument = "WHEN",
     .default_text = "auto",
     .choices = colours,
     .group = "Output",
     .help = "Colours in the pretty format. auto means on a terminal, unless the variable "
             "NO_COLOR is set."},
    {.name = "community-id-seed",
     .kind = OPTION_NUMBER,
     VALUE(community_id_seed),
     .argument = "NUMBER",
     .default_text = "0",
     .minimum = 0,
     .maximum = 65535,
     .group = "Output",
     .help =
         "Seed of network.community_id. It has to be the same in all tools whose records are to "
         "be compared; theirs is 0, too, unless somebody has changed it."},

    {.name = "filter",
     .short_name = 'f',
     .kind = OPTION_TEXT,
     VALUE(filter),
     .argument = "EXPR",
     .group = "Selection",
     .help = "Log only what matches, such as 'http.response.status_code >= 500 and url.domain == "
             "\"api.local\"'. Operators: == != < <= > >= =~ in and or not exists."},
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

    {.name = "rule",
     .plural = "rules",
     .kind = OPTION_BLOCKS,
     VALUE(rules),
     .argument = "LEVEL KEY=VALUE...",
     .group = "Rules",
     .help = "How much is logged of which records, and which share of them; may be repeated: the "
             "first rule that matches decides. LEVEL is heads, summary or off (key log in a file), "
             "then keys such as match='url.path == \"/health\"' or sample=10%. docs/rules.md "
             "lists them."},
    {.name = "header-rule",
     .plural = "header-rules",
     .kind = OPTION_BLOCKS,
     VALUE(header_rules),
     .argument = "ACTION KEY=VALUE...",
     .group = "Rules",
     .help = "What is shown of headers, beyond masking; may be repeated: of each header the first "
             "rule that names it decides. ACTION is include, drop, mask, hash or length (key "
             "action in a file), then names=GLOB,..., match='...', in=request or response. No "
             "rule shows what masking has hidden."},

    {.name = "mask-name",
     .kind = OPTION_TEXTS,
     VALUE(mask_names),
     .argument = "HEADER,...",
     .group = "Masking",
     .help = "Mask the values of these headers too."},
    {.name = "mask-key-file",
     .kind = OPTION_TEXT,
     VALUE(mask_key_file),
     .argument = "FILE",
     .group = "Masking",
     .help = "Write hmac: and 16 hex digits of HMAC-SHA-256(key, value) in place of ***, so that "
             "equal secrets can be matched. The file holds the key, 16 to 256 bytes; a final line "
             "break does not count. The variable WEIR_MASK_KEY can hold the key itself."},
    {.name = "no-mask",
     .kind = OPTION_FLAG,
     VALUE(is_masking_disabled),
     .group = "Masking",
     .traits = OPTION_ONLY_ARGUMENT,
     .help = "Log secrets in clear. Only on the command line, and it is said on standard error."},

    {.name = "head-limit",
     .kind = OPTION_SIZE,
     VALUE(head_limit),
     .argument = "SIZE",
     .default_text = "64KiB",
     .minimum = 1 * KIB,
     .maximum = 256 * KIB,
     .group = "Limits",
     .help = "Bytes of one request or response head that are kept. What is longer is flagged "
             "truncated, with its true size."},
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
