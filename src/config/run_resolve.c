/* run_resolve: what the option table of `weir run` cannot say, and the filter made of all
 * selections. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "base/buffer.h"
#include "config/resolve.h"
#include "config/run_options.h"

static int check_cgroups(const struct text_list *paths, const char *option, char *message)
{
    for (size_t i = 0; i < paths->count; i++) {
        struct stat status;
        if (stat(paths->items[i], &status) < 0 || !S_ISDIR(status.st_mode)) {
            snprintf(message, OPTION_MESSAGE_BYTES, "%s: %.300s is no directory", option,
                     paths->items[i]);
            return -EINVAL;
        }
    }
    return 0;
}

/* Where Kubernetes' API is: auto, off, or a URL. */
static int check_kubernetes(const char *where, char *message)
{
    if (strcmp(where, "auto") == 0 || strcmp(where, "off") == 0 ||
        strncmp(where, "https://", 8) == 0 || strncmp(where, "http://", 7) == 0)
        return 0;
    snprintf(message, OPTION_MESSAGE_BYTES,
             "--kubernetes: %.300s is neither auto nor off nor a URL of http or https", where);
    return -EINVAL;
}

int run_options_resolve(struct run_options *options, char message[OPTION_MESSAGE_BYTES])
{
    options->with_output =
        resolve_has_output(&options->sinks, options->output_file, options->format);
    options->with_colour =
        resolve_terminal(options->output_file, options->colour, &options->format);
    if (options->pids.count)
        options->with_both_sides = true;
    if (options->is_masking_disabled && (options->mask_key_file || options->mask_names.count)) {
        snprintf(message, OPTION_MESSAGE_BYTES,
                 "--no-mask contradicts --mask-key-file and --mask-name");
        return -EINVAL;
    }
    if (check_cgroups(&options->cgroups, "--cgroup", message) < 0 ||
        check_cgroups(&options->excluded_cgroups, "--exclude-cgroup", message) < 0 ||
        check_kubernetes(options->kubernetes, message) < 0)
        return -EINVAL;
    return resolve_mask_key(options->mask_key_file, options->mask_key, &options->mask_key_length,
                            message);
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

/* Of a single packet it is not known which end is the server. */
static void add_ports(struct text *text, const struct run_options *options)
{
    static const char *const fields[] = {"server.port in (", " or source.port in (",
                                         " or destination.port in ("};
    bool with_packets = options->with_packet_records || options->with_drops;

    if (!options->ports.count)
        return;
    begin_condition(text);
    add(text, with_packets ? "(" : "");
    for (size_t field = 0; field < (with_packets ? 3 : 1); field++) {
        add(text, fields[field]);
        for (size_t i = 0; i < options->ports.count; i++) {
            char number[16];
            snprintf(number, sizeof(number), "%s%u", i ? ", " : "", options->ports.items[i]);
            add(text, number);
        }
        add(text, ")");
    }
    add(text, with_packets ? ")" : "");
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
    add_ports(&text, options);
    if (options->addresses.count) {
        begin_condition(&text);
        add(&text, "(");
        add_networks(&text, "client.address", &options->addresses);
        add(&text, " or ");
        add_networks(&text, "server.address", &options->addresses);
        add(&text, " or ");
        add_networks(&text, "source.address", &options->addresses);
        add(&text, " or ");
        add_networks(&text, "destination.address", &options->addresses);
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
