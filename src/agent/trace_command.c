/*
 * trace_command: `weir trace ID [LOG...]`. The logs are read twice: once for the ids that the given
 * one leads to, once for the hops. Standard input is kept in a temporary file for that.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "agent/commands.h"
#include "base/allocate.h"
#include "capture/file_input.h"
#include "config/trace_options.h"
#include "serve/trace.h"

enum { OUTPUT_MAXIMUM = 256 * 1024 * 1024 };

typedef int (*line_function)(struct trace *trace, struct slice line);

/* Calls the function for each line of the file. 0 or -errno. */
static int lines_read(const char *path, line_function function, struct trace *trace)
{
    struct file_reader_options options = {.stop_descriptor = -1};
    struct file_input input;
    int result = file_input_open(&input, path, &options);

    if (result)
        return result;
    for (size_t need = 1; result == 0;) {
        struct slice window = file_input_look(&input, need);
        size_t length = slice_find(window, '\n');

        if (length == window.length && window.length >= need &&
            need < FILE_INPUT_WINDOW_MAXIMUM) { /* the line goes on */
            need = need * 2 < FILE_INPUT_WINDOW_MAXIMUM ? need * 2 : FILE_INPUT_WINDOW_MAXIMUM;
            if (need <= window.length)
                need = window.length + 1;
            continue;
        }
        if (window.length == 0)
            break;
        result = function(trace, slice_part(window, 0, length));
        file_input_consume(&input, length < window.length ? length + 1 : length);
        need = 1;
    }
    if (result == 0)
        result = input.status;
    file_input_close(&input);
    return result;
}

/* A readable path of what standard input holds; NULL: told. */
static const char *standard_input_keep(char path[64])
{
    FILE *file = tmpfile();
    char bytes[65536];
    ssize_t length = 0;

    while (file && (length = read(STDIN_FILENO, bytes, sizeof(bytes))) > 0)
        if (fwrite(bytes, 1, (size_t)length, file) != (size_t)length)
            break;
    if (!file || length != 0 || fflush(file) != 0) {
        fprintf(stderr, "weir: standard input cannot be kept for a second look: %s\n",
                strerror(errno));
        return NULL;
    }
    snprintf(path, 64, "/proc/self/fd/%d", fileno(file));
    return path;
}

static int pass(struct trace *trace, const char *const *paths, const char *kept,
                line_function function)
{
    int status = EXIT_DONE;

    for (; *paths; paths++) {
        const char *path = strcmp(*paths, "-") == 0 ? kept : *paths;
        int result = lines_read(path, function, trace);

        if (result == 0)
            continue;
        fprintf(stderr, "weir: %s: %s\n", *paths,
                result == -EBADMSG ? "damaged compression" : strerror(-result));
        status = EXIT_FAILED;
    }
    return status;
}

static int print(const struct trace *trace, const struct trace_options *options)
{
    bool is_terminal = isatty(STDOUT_FILENO);
    bool is_pretty = strcmp(options->format, "pretty") == 0 ||
                     (strcmp(options->format, "auto") == 0 && is_terminal);
    bool with_colour = strcmp(options->colour, "always") == 0 ||
                       (strcmp(options->colour, "auto") == 0 && is_terminal && !getenv("NO_COLOR"));
    struct buffer buffer;
    int result;

    buffer_init(&buffer, OUTPUT_MAXIMUM);
    result = is_pretty ? trace_print(trace, with_colour, &buffer)
                       : trace_print_json(trace, &buffer);
    if (result == 0 &&
        (fwrite(buffer.data, 1, buffer.length, stdout) != buffer.length || fflush(stdout) != 0))
        result = -errno;
    buffer_done(&buffer);
    if (result)
        fprintf(stderr, "weir: trace: %s\n", strerror(-result));
    return result ? EXIT_FAILED : EXIT_DONE;
}

static int find_and_print(struct trace *trace, const struct trace_options *options)
{
    static const char *const standard_input[] = {"-", NULL};
    const char *id = options->operands.items[0];
    const char *const *paths = options->operands.count > 1 ? options->operands.items + 1
                                                           : standard_input;
    const char *kept = NULL;
    char path[64];
    int status;

    for (const char *const *at = paths; *at; at++)
        if (strcmp(*at, "-") == 0 && !kept && !(kept = standard_input_keep(path)))
            return EXIT_FAILED;
    status = pass(trace, paths, kept, trace_look);
    if (status == EXIT_DONE)
        status = pass(trace, paths, kept, trace_take);
    if (status != EXIT_DONE)
        return status;
    if (trace->hop_count == 0) {
        fprintf(stderr, "weir: no request with the id %.128s in the log\n", id);
        return EXIT_FAILED;
    }
    trace_arrange(trace);
    return print(trace, options);
}

int trace_command(char *const *arguments)
{
    static struct trace_options options; /* large, and points into itself */
    struct trace *trace;
    int status;

    if (!command_parse(&trace_option_table, &options, arguments, NULL, &status))
        return status;
    if (options.operands.count == 0) {
        fputs("weir: trace: say the id of the request, and the logs to look into\n", stderr);
        return EXIT_USAGE;
    }
    trace = allocate(sizeof(*trace));
    if (!trace || trace_begin(trace, slice_of_string(options.operands.items[0])) < 0) {
        fprintf(stderr, "weir: trace: %s\n", trace ? "that is no id" : strerror(ENOMEM));
        deallocate(trace);
        return trace ? EXIT_USAGE : EXIT_FAILED;
    }
    status = find_and_print(trace, &options);
    trace_done(trace);
    deallocate(trace);
    return status;
}
