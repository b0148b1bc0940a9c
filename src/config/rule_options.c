#include "config/rule_options.h"

static const char *const levels[] = {"heads", "summary", "off", NULL};
static const char *const directions[] = {"both", "request", "response", NULL};
static const char *const actions[] = {"include", "drop", "mask", "hash", "length", NULL};

#define SECOND 1000000000ull

#define VALUE(field) .offset = offsetof(struct rule_options, field)
static const struct option rule_options[] = {
    {.name = "name",
     .kind = OPTION_TEXT,
     VALUE(name),
     .argument = "NAME",
     .group = "Rules",
     .help = "What the totals call the rule. Without it: its number."},
    {.name = "match",
     .kind = OPTION_TEXT,
     VALUE(match),
     .argument = "EXPR",
     .group = "Rules",
     .help = "Which records the rule is for: an expression as with --filter. Without it: all."},
    {.name = "log",
     .kind = OPTION_CHOICE,
     VALUE(level),
     .argument = "LEVEL",
     .default_text = "heads",
     .choices = levels,
     .group = "Rules",
     .help = "heads logs the whole record; summary leaves out headers, trailers and lists such as "
             "DNS answers; off logs nothing."},
    {.name = "sample",
     .kind = OPTION_TEXT,
     VALUE(sample),
     .argument = "SHARE",
     .group = "Rules",
     .help = "Log this share of the records, such as 10%, 0.1 or 1/10. Records of one trace are "
             "kept together. What is slow or fails (slow, keep) is always logged."},
    {.name = "sample-per-second",
     .kind = OPTION_NUMBER,
     VALUE(per_second),
     .argument = "NUMBER",
     .minimum = 1,
     .maximum = 10000,
     .group = "Rules",
     .help = "Log at most so many records of each second, each with the same chance; they are "
             "written when the second is over. What is slow or fails is logged besides."},
    {.name = "slow",
     .kind = OPTION_DURATION,
     VALUE(slow_ns),
     .argument = "TIME",
     .default_text = "1s",
     .minimum = 1,
     .maximum = 86400 * SECOND,
     .group = "Rules",
     .help = "What takes so long is never sampled out."},
    {.name = "keep",
     .kind = OPTION_TEXT,
     VALUE(keep),
     .argument = "EXPR",
     .default_text = "http.response.status_code >= 500 or rpc.grpc.status_code > 0 or error.type "
                     "exists or error.message exists or error.code != 0 or dns.response_code in "
                     "(SERVFAIL, REFUSED) or flags in (unpaired, malformed)",
     .group = "Rules",
     .help = "What this expression holds for is never sampled out: errors, unless it says "
             "otherwise."},
};
#undef VALUE

#define VALUE(field) .offset = offsetof(struct header_rule_options, field)
static const struct option header_rule_options[] = {
    {.name = "names",
     .kind = OPTION_TEXTS,
     VALUE(names),
     .argument = "GLOB,...",
     .group = "Header rules",
     .help = "Names of headers and trailers, in any case; * stands for any characters, ? for one."},
    {.name = "match",
     .kind = OPTION_TEXT,
     VALUE(match),
     .argument = "EXPR",
     .group = "Header rules",
     .help = "For which records: an expression as with --filter, of the URL, the method, the "
             "status or anything else. Without it: for all."},
    {.name = "in",
     .kind = OPTION_CHOICE,
     VALUE(direction),
     .argument = "DIRECTION",
     .default_text = "both",
     .choices = directions,
     .group = "Header rules",
     .help = "Headers of requests, of responses, or of both."},
    {.name = "action",
     .kind = OPTION_CHOICE,
     VALUE(action),
     .argument = "ACTION",
     .default_text = "include",
     .choices = actions,
     .group = "Header rules",
     .help = "include shows the header as it is, masked where masking says so; drop leaves it out; "
             "mask shows its name and ***; hash its name and a keyed digest, which needs "
             "mask-key-file; length its name and how long the value is. No action shows what "
             "masking has hidden."},
};

const struct option_table rule_option_table = {
    .command = "rules",
    .count = sizeof(rule_options) / sizeof(rule_options[0]),
    .options = rule_options,
};

const struct option_table header_rule_option_table = {
    .command = "header-rules",
    .count = sizeof(header_rule_options) / sizeof(header_rule_options[0]),
    .options = header_rule_options,
};
