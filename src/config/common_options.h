/*
 * common_options: rows that the option tables of several commands have in common. Each table says
 * where its structure keeps the value (VALUE), which options can change while it runs (LIVE), and
 * what its own help adds.
 */
#pragma once
#include "config/option.h"

extern const char *const output_formats[], *const output_colours[];

#define COMMON_OPTION_OUTPUT                                                                       \
    {                                                                                              \
        .name = "output", .short_name = 'o', .kind = OPTION_CHOICE, VALUE(format),                 \
        .argument = "FORMAT", .default_text = "auto", .choices = output_formats,                   \
        .group = "Output",                                                                         \
        .help = "How records are written. auto is pretty on a terminal and json elsewhere."        \
    }
#define COMMON_OPTION_OUTPUT_FILE(text)                                                            \
    {                                                                                              \
        .name = "output-file", .short_name = 'w', .kind = OPTION_TEXT, VALUE(output_file),         \
        .argument = "FILE", .group = "Output",                                                     \
        .help = "Append the records to this file, which is created with mode 0600. " text          \
                "Without it: standard output."                                                     \
    }
#define COMMON_OPTION_SINK(live)                                                                   \
    {                                                                                              \
        .name = "sink", .plural = "sinks", .kind = OPTION_BLOCKS, VALUE(sinks),                    \
        .argument = "TYPE=TARGET...", .example = "[{type: file, path: /var/log/weir.json}]",       \
        .traits = (live), .group = "Output",                                                       \
        .help = "Send the records to this sink, too; may be repeated. TYPE=TARGET, such as "       \
                "file=/var/log/weir.json, then KEY=VALUE for its settings, separated by spaces; "  \
                "quotes keep spaces together. weir-sinks(8) lists them. Standard output is then "  \
                "written only when --output names a format."                                       \
    }
#define COMMON_OPTION_ILOGTAIL                                                                     \
    {                                                                                              \
        .name = "ilogtail-config", .kind = OPTION_TEXT, VALUE(ilogtail_config),                    \
        .argument = "FILE", .group = "Output",                                                     \
        .help = "Take the parameters of observer_ilogtail_network_v1 from this configuration of "  \
                "iLogtail, and write its rows: sums of calls and connections. Format ilogtail "    \
                "has the rows of its documentation, ilogtail-schema those of its schema. "         \
                "docs/ilogtail.md says what each parameter does."                                  \
    }
#define COMMON_OPTION_VERBOSE(live)                                                                \
    {                                                                                              \
        .name = "verbose", .short_name = 'v', .kind = OPTION_FLAG, VALUE(is_verbose),              \
        .traits = (live), .group = "Output",                                                       \
        .help = "Show all headers under each line of the pretty format."                           \
    }
#define COMMON_OPTION_QUIET                                                                        \
    {                                                                                              \
        .name = "quiet", .short_name = 'q', .kind = OPTION_FLAG, VALUE(is_quiet),                  \
        .group = "Output",                                                                         \
        .help = "Say nothing on standard error but warnings, errors and the totals."               \
    }
#define COMMON_OPTION_COLOUR                                                                       \
    {                                                                                              \
        .name = "color", .kind = OPTION_CHOICE, VALUE(colour), .argument = "WHEN",                 \
        .default_text = "auto", .choices = output_colours, .group = "Output",                      \
        .help = "Colours in the pretty format. auto means on a terminal, unless the variable "     \
                "NO_COLOR is set."                                                                 \
    }
#define COMMON_OPTION_FILTER(live)                                                                 \
    {                                                                                              \
        .name = "filter", .short_name = 'f', .kind = OPTION_TEXT, VALUE(filter),                   \
        .argument = "EXPR", .traits = (live), .group = "Selection",                                \
        .help =                                                                                    \
            "Log only what matches, such as 'http.response.status_code >= 500 and url.domain == "  \
            "\"api.local\"'. Operators: == != < <= > >= =~ in and or not exists."                  \
    }
#define COMMON_OPTION_RULE(live)                                                                   \
    {                                                                                              \
        .name = "rule", .plural = "rules", .kind = OPTION_BLOCKS, VALUE(rules),                    \
        .argument = "LEVEL KEY=VALUE...",                                                          \
        .example = "[{match: 'url.path == \"/health\"', log: \"off\"}, {sample: 10%}]",            \
        .traits = (live), .group = "Rules",                                                        \
        .help = "How much is logged of which records, and which share of them; may be repeated: "  \
                "the first rule that matches decides. LEVEL is heads, summary or off (key log in " \
                "a file), then keys such as match='url.path == \"/health\"' or sample=10%. "       \
                "docs/rules.md lists them."                                                        \
    }
#define COMMON_OPTION_HEADER_RULE(live)                                                            \
    {                                                                                              \
        .name = "header-rule", .plural = "header-rules", .kind = OPTION_BLOCKS,                    \
        VALUE(header_rules), .argument = "ACTION KEY=VALUE...",                                    \
        .example = "[{names: [x-internal-*], action: drop}, {names: [cookie], action: length}]",   \
        .traits = (live), .group = "Rules",                                                        \
        .help =                                                                                    \
            "What is shown of headers, beyond masking; may be repeated: of each header the first " \
            "rule that names it decides. ACTION is include, drop, mask, hash or length (key "      \
            "action in a file), then names=GLOB,..., match='...', in=request or response. No "     \
            "rule shows what masking has hidden."                                                  \
    }
#define COMMON_OPTION_MASK_NAME(live)                                                              \
    {                                                                                              \
        .name = "mask-name", .kind = OPTION_TEXTS, VALUE(mask_names), .argument = "HEADER,...",    \
        .traits = (live), .group = "Masking", .help = "Mask the values of these headers too."      \
    }
#define COMMON_OPTION_MASK_KEY_FILE                                                                \
    {                                                                                              \
        .name = "mask-key-file", .kind = OPTION_TEXT, VALUE(mask_key_file), .argument = "FILE",    \
        .group = "Masking",                                                                        \
        .help =                                                                                    \
            "Write hmac: and 16 hex digits of HMAC-SHA-256(key, value) in place of ***, so that "  \
            "equal secrets can be matched. The file holds the key, 16 to 256 bytes; a final line " \
            "break does not count. The variable WEIR_MASK_KEY can hold the key itself."            \
    }
#define COMMON_OPTION_NO_MASK                                                                      \
    {                                                                                              \
        .name = "no-mask", .kind = OPTION_FLAG, VALUE(is_masking_disabled), .group = "Masking",    \
        .traits = OPTION_ONLY_ARGUMENT,                                                            \
        .help =                                                                                    \
            "Log secrets in clear. Only on the command line, and it is said on standard error."    \
    }
#define COMMON_OPTION_HEAD_LIMIT(heading)                                                          \
    {                                                                                              \
        .name = "head-limit", .kind = OPTION_SIZE, VALUE(head_limit), .argument = "SIZE",          \
        .default_text = "64KiB", .minimum = 1 * KIB, .maximum = 256 * KIB, .group = (heading),     \
        .help = "Bytes of one request or response head that are kept. What is longer is flagged "  \
                "truncated, with its true size."                                                   \
    }
#define COMMON_OPTION_COMMUNITY_ID_SEED(heading)                                                   \
    {                                                                                              \
        .name = "community-id-seed", .kind = OPTION_NUMBER, VALUE(community_id_seed),              \
        .argument = "NUMBER", .default_text = "0", .minimum = 0, .maximum = 65535,                 \
        .group = (heading),                                                                        \
        .help =                                                                                    \
            "Seed of network.community_id. It has to be the same in all tools whose records are "  \
            "to be compared; theirs is 0, too, unless somebody has changed it."                    \
    }
