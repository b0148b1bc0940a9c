#include "config/trace_options.h"

static const char *const formats[] = {"auto", "pretty", "json", NULL};
static const char *const colours[] = {"auto", "always", "never", NULL};

#define VALUE(field) .offset = offsetof(struct trace_options, field)

static const struct option options[] = {
    {.name = "output",
     .short_name = 'o',
     .kind = OPTION_CHOICE,
     VALUE(format),
     .argument = "FORMAT",
     .default_text = "auto",
     .choices = formats,
     .group = "Output",
     .traits = OPTION_ONLY_ARGUMENT,
     .help = "How the trace is written. auto is pretty on a terminal and json elsewhere."},
    {.name = "color",
     .kind = OPTION_CHOICE,
     VALUE(colour),
     .argument = "WHEN",
     .default_text = "auto",
     .choices = colours,
     .group = "Output",
     .traits = OPTION_ONLY_ARGUMENT,
     .help = "Colours in the pretty format. auto means on a terminal, unless the variable "
             "NO_COLOR is set."},
};

const struct option_table trace_option_table = {
    .command = "trace",
    .summary = "show every hop of one request, and what each changed",
    .details =
        "Looks for a request in JSON logs that weir run or weir read has written, and shows its "
        "way: each hop with its ends, status and time, where the time went, and which headers a "
        "gateway between two hops has added, removed or changed.\n"
        "\n"
        "ID is the id or the trace of a record, a request id (X-Request-ID and the like), a trace "
        "id, or a whole traceparent. Without LOG, or for -, standard input is read. Logs may be "
        "compressed with gzip or zstd.\n"
        "\n"
        "weir run links the requests that a process of this host takes with those that it sends on "
        "for them: by request id or trace context where both carry one, else by method, target and "
        "the headers that gateways pass on unchanged. A link that is not certain is not made. "
        "Masked values are compared as they are in the log: different secrets look alike, unless a "
        "mask key is set.\n"
        "\n"
        "The exit status is 1 when no hop is found.",
    .examples = "weir trace 7f3a90c1-2b /var/log/weir/http.json\tby request id\n"
                "weir trace -o json 18f0a3b2c4d5e6f7 log.json.zst\tby record id, for scripts\n",
    .operands = "ID [LOG...]",
    .operands_offset = offsetof(struct trace_options, operands),
    .count = sizeof(options) / sizeof(options[0]),
    .options = options,
};
