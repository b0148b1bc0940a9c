/* run_resolve: what the option table of `weir run` cannot say, and the filter made of all
 * selections. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/buffer.h"
#include "config/run_options.h"

enum { MASK_KEY_MINIMUM = 16 };

static int check_key(struct run_options *options, const char *origin, size_t length, char *message)
{
    if (length < MASK_KEY_MINIMUM || length > MASK_KEY_BYTES) {
        snprintf(message, OPTION_MESSAGE_BYTES, "%s: a key has %d to %d bytes, not %zu", origin,
                 MASK_KEY_MINIMUM, MASK_KEY_BYTES, length);
        return -EINVAL;
    }
    options->mask_key_length = length;
    return 0;
}

static int read_key_file(struct run_options *options, char *message)
{
    const char *path = options->mask_key_file;
    char bytes[MASK_KEY_BYTES + 3];
    struct stat status;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = descriptor < 0 ? -1 : read(descriptor, bytes, sizeof(bytes));
    int error = errno;
    bool is_open_to_all = descriptor >= 0 && fstat(descriptor, &status) == 0 &&
                          (status.st_mode & (S_IROTH | S_IWOTH | S_IWGRP));
    if (descriptor >= 0)
        close(descriptor);
    if (length < 0) {
        snprintf(message, OPTION_MESSAGE_BYTES, "--mask-key-file: %.300s: %s", path,
                 strerror(error));
        return -EINVAL;
    }
    if (is_open_to_all) {
        snprintf(message, OPTION_MESSAGE_BYTES,
                 "--mask-key-file: %.300s can be read or written by others; chmod 600 it", path);
        return -EINVAL;
    }
    if (length > 0 && bytes[length - 1] == '\n')
        length--;
    if (length > 0 && bytes[length - 1] == '\r')
        length--;
    if (check_key(options, "--mask-key-file", (size_t)length, message) < 0)
        return -EINVAL;
    memcpy(options->mask_key, bytes, (size_t)length);
    explicit_bzero(bytes, sizeof(bytes));
    return 0;
}

static int find_key(struct run_options *options, char *message)
{
    if (options->mask_key_file)
        return read_key_file(options, message);
    char *key = getenv("WEIR_MASK_KEY");
    if (!key || !*key)
        return 0;
    size_t length = strlen(key);
    if (check_key(options, "WEIR_MASK_KEY", length, message) < 0)
        return -EINVAL;
    memcpy(options->mask_key, key, length);
    explicit_bzero(key, length); /* /proc/PID/environ shows this memory */
    unsetenv("WEIR_MASK_KEY");
    return 0;
}

static int check_cgroup(const struct run_options *options, char *message)
{
    struct stat status;
    if (!options->cgroup)
        return 0;
    if (stat(options->cgroup, &status) < 0 || !S_ISDIR(status.st_mode)) {
        snprintf(message, OPTION_MESSAGE_BYTES, "--cgroup: %.300s is no directory",
                 options->cgroup);
        return -EINVAL;
    }
    return 0;
}

int run_options_resolve(struct run_options *options, char message[OPTION_MESSAGE_BYTES])
{
    bool is_terminal = !options->output_file && isatty(STDOUT_FILENO);
    if (strcmp(options->format, "auto") == 0)
        options->format = is_terminal ? "pretty" : "json";
    const char *no_colour = getenv("NO_COLOR");
    bool is_wanted = is_terminal && !(no_colour && *no_colour);
    if (strcmp(options->colour, "auto") != 0)
        is_wanted = strcmp(options->colour, "always") == 0;
    options->with_colour = is_wanted;
    if (options->pids.count)
        options->with_both_sides = true;
    if (options->is_masking_disabled && (options->mask_key_file || options->mask_names.count)) {
        snprintf(message, OPTION_MESSAGE_BYTES,
                 "--no-mask contradicts --mask-key-file and --mask-name");
        return -EINVAL;
    }
    if (check_cgroup(options, message) < 0)
        return -EINVAL;
    return find_key(options, message);
}

/* Appending with a sticky error. */
struct text {
    struct buffer *buffer;
    int status;
};

static void add(struct text *text, const char *words)
{
    if (text->status == 0)
        text->status = buffer_append(text->buffer, slice_of_string(words));
}

static void begin_condition(struct text *text)
{
    if (text->buffer->length)
        add(text, " and ");
}

static void add_quoted(struct text *text, const char *words)
{
    add(text, "\"");
    for (; *words; words++) {
        if (*words == '"' || *words == '\\')
            add(text, "\\");
        add(text, (char[]){*words, '\0'});
    }
    add(text, "\"");
}

static void add_numbers(struct text *text, const char *field, const struct number_list *list)
{
    if (!list->count)
        return;
    begin_condition(text);
    add(text, field);
    for (size_t i = 0; i < list->count; i++) {
        char number[16];
        snprintf(number, sizeof(number), "%s%u", i ? ", " : " in (", list->items[i]);
        add(text, number);
    }
    add(text, ")");
}

static void add_texts(struct text *text, const char *field, const struct text_list *list)
{
    if (!list->count)
        return;
    begin_condition(text);
    add(text, field);
    for (size_t i = 0; i < list->count; i++) {
        add(text, i ? ", " : " in (");
        add_quoted(text, list->items[i]);
    }
    add(text, ")");
}

static void add_networks(struct text *text, const char *field, const struct network_list *list)
{
    add(text, field);
    for (size_t i = 0; i < list->count; i++) {
        char address[46];
        size_t length = address_format(&list->items[i].address, address);
        char network[64];
        snprintf(network, sizeof(network), "%.*s/%u", (int)length, address, list->items[i].prefix);
        add(text, i ? ", " : " in (");
        add_quoted(text, network);
    }
    add(text, ")");
}

int run_options_query(const struct run_options *options, struct buffer *ret_text)
{
    struct text text = {ret_text, 0};
    add_numbers(&text, "process.pid", &options->pids);
    add_numbers(&text, "server.port", &options->ports);
    if (options->addresses.count) {
        begin_condition(&text);
        add(&text, "(");
        add_networks(&text, "client.address", &options->addresses);
        add(&text, " or ");
        add_networks(&text, "server.address", &options->addresses);
        add(&text, ")");
    }
    add_texts(&text, "http.request.method", &options->methods);
    add_texts(&text, "url.domain", &options->hosts);
    if (options->filter) {
        begin_condition(&text);
        add(&text, "(");
        add(&text, options->filter);
        add(&text, ")");
    }
    return text.status;
}
