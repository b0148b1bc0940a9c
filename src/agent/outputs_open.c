/* outputs_open: from sinks' settings to open sinks: checks, names, groups of the same encoding. */
#include <errno.h>
#include <stdio.h>
#include "agent/orphans.h"
#include "agent/output_rows.h"
#include "agent/outputs_parts.h"
#include "base/allocate.h"
#include "config/nearest.h"

enum {
    CHUNK_MAXIMUM_BYTES = 4 * 1024 * 1024, /* one record of many full heads fits */
    MILLISECOND_NS = 1000000,
};

static const struct encoder *const encoders[] = {
#define ENCODER(name) &encoder_##name,
#include "encode/encoders.def"
#undef ENCODER
};

static const struct encoder *encoder_find(const char *name)
{
    for (size_t i = 0; i < sizeof(encoders) / sizeof(*encoders); i++)
        if (strcmp(encoders[i]->name, name) == 0)
            return encoders[i];
    return NULL;
}

static const char *format_of(const struct sink_settings *settings)
{
    return settings->common.format ? settings->common.format : settings->sink->format;
}

static const struct encoder *format_encoder(const struct sink_settings *settings)
{
    return settings->sink->encode_metric ? NULL : encoder_find(format_of(settings));
}

static bool takes_format(const struct sink *sink, const struct encoder *encoder)
{
    const char *const *known = sink->formats;

    if (!known)
        return !encoder->is_binary;
    while (*known && strcmp(*known, encoder->name) != 0)
        known++;
    return *known;
}

/* What is wrong with the format. 0, or -EINVAL and a message. */
static int check_format(const struct sink_settings *settings, char why[OPTION_MESSAGE_BYTES])
{
    const char *format = format_of(settings);
    const struct encoder *encoder = format ? encoder_find(format) : NULL;
    struct nearest nearest;

    if (!format) /* metrics have none */
        return 0;
    nearest = nearest_begin(format);
    if (!settings->sink->encode_metric && encoder && takes_format(settings->sink, encoder))
        return 0;
    for (size_t i = 0; i < sizeof(encoders) / sizeof(*encoders); i++)
        if (!settings->sink->encode_metric && takes_format(settings->sink, encoders[i]))
            nearest_offer(&nearest, encoders[i]->name);
    snprintf(why, OPTION_MESSAGE_BYTES, "'%.60s' is no format of %s%s%s%s", format,
             settings->sink->name, nearest.name ? "; did you mean '" : "",
             nearest.name ? nearest.name : "", nearest.name ? "'?" : "");
    return -EINVAL;
}

static int check_rest(const struct sink_settings *settings, char why[OPTION_MESSAGE_BYTES])
{
    const struct sink_common_options *common = &settings->common;
    struct stricter_options stricter_options = {.omitted = common->omitted.items};
    struct stricter *stricter = NULL;
    struct query *query = NULL;
    struct query_error error;
    const char *unknown;
    char message[SINK_MESSAGE_BYTES] = "";

    if (common->filter) {
        if (query_compile(slice_of_string(common->filter), &query, &error) == -EINVAL) {
            snprintf(why, OPTION_MESSAGE_BYTES, "filter: column %zu: %s", error.column,
                     error.message);
            return -EINVAL;
        }
        query_free(&query);
    }
    if (common->omitted.count && stricter_new(&stricter_options, &stricter, &unknown) == -EINVAL) {
        snprintf(why, OPTION_MESSAGE_BYTES, "omit: '%.60s' is no field", unknown);
        return -EINVAL;
    }
    stricter_free(&stricter);
    if (settings->sink->check && settings->sink->check(&settings->options, message) < 0) {
        snprintf(why, OPTION_MESSAGE_BYTES, "%s", message);
        return -EINVAL;
    }
    return 0;
}

int outputs_check(const struct sink_settings *settings, const char *path,
                  char message[OPTION_MESSAGE_BYTES])
{
    char why[OPTION_MESSAGE_BYTES];
    int result = check_format(settings, why);

    if (result == 0)
        result = check_rest(settings, why);
    if (result < 0) {
        int used = block_place(path, settings->line, settings->column, message);

        snprintf(message + used, OPTION_MESSAGE_BYTES - (size_t)used, "%.250s", why);
    }
    return result;
}

static bool lists_are_equal(const struct text_list *a, const struct text_list *b)
{
    return a->count == b->count && a->used == b->used && memcmp(a->bytes, b->bytes, a->used) == 0;
}

static bool is_of_group(const struct output_group *group, const struct sink_settings *settings)
{
    const struct sink_common_options *one = &group->settings->common, *other = &settings->common;

    if (settings->sink->encode_metric || !group->encoder ||
        group->encoder->rows != ENCODER_ROWS_NONE)
        return false;
    return group->encoder == encoder_find(format_of(settings)) &&
           one->is_verbose == other->is_verbose && one->with_colour == other->with_colour &&
           lists_are_equal(&one->mask_names, &other->mask_names) &&
           lists_are_equal(&one->omitted, &other->omitted);
}

static void add_attributes(struct output_group *group, const struct sink_settings *settings)
{
    enum field_id fields[SINK_ATTRIBUTES_MAXIMUM];
    size_t count =
        settings->sink->attributes ? settings->sink->attributes(&settings->options, fields) : 0;

    for (size_t i = 0; i < count; i++) {
        size_t at = 0;

        while (at < group->attribute_count && group->attributes[at] != fields[i])
            at++;
        if (at == group->attribute_count)
            group->attributes[group->attribute_count++] = fields[i];
    }
}

int output_enter_group(struct output *output, struct output_group *groups, size_t *count)
{
    const struct sink_settings *settings = output->settings;
    const struct sink_common_options *common = &settings->common;
    struct output_group *group = groups;
    const char *unknown;
    int result = 0;

    while (group < groups + *count && !is_of_group(group, settings))
        group++;
    output->next_group = (size_t)(group - groups);
    if (output->next_group == *count) {
        *group = (struct output_group){
            .encoder = settings->sink->encode_metric ? NULL : encoder_find(format_of(settings)),
            .encoder_options = {.with_colour = common->with_colour,
                                .with_headers = common->is_verbose},
            .settings = settings,
        };
        ++*count;
        if (common->mask_names.count || common->omitted.count) {
            struct stricter_options options = {common->mask_names.items, common->omitted.items};

            result = stricter_new(&options, &group->stricter, &unknown);
        }
    }
    add_attributes(group, settings);
    return result;
}

/* The text, which lives to the end; without memory one that says less. */
static const char *keep_reason(struct outputs *outputs, const char *text)
{
    struct reason_text *reason = outputs->reasons;

    while (reason && strcmp(reason->text, text) != 0)
        reason = reason->next;
    if (!reason) {
        reason = allocate_zeroed(sizeof(*reason));
        if (!reason)
            return "sink";
        snprintf(reason->text, sizeof(reason->text), "%s", text);
        reason->next = outputs->reasons;
        outputs->reasons = reason;
    }
    return reason->text;
}

void output_name_reasons(struct outputs *outputs, struct output *output, bool is_alone)
{
    char text[OUTPUT_NAME_BYTES + 32];

    for (size_t i = 0; i < OUTLET_LOSS_COUNT + 2; i++) {
        snprintf(text, sizeof(text), "%s%s%s",
                 i < OUTLET_LOSS_COUNT    ? outlet_loss_names[i]
                 : i == OUTLET_LOSS_COUNT ? "encoding"
                                          : "rows_full",
                 is_alone ? "" : ":", is_alone ? "" : output->name);
        output->reasons[i] = keep_reason(outputs, text);
    }
}

static unsigned worst_of(const char *level)
{
    if (strcmp(level, "critical") == 0)
        return SEVERITY_CRITICAL;
    if (strcmp(level, "error") == 0)
        return SEVERITY_ERROR;
    return strcmp(level, "warning") == 0 ? SEVERITY_WARNING : SEVERITY_INFORMATIONAL;
}

static struct outlet_options outlet_options_of(const struct output *output, unsigned bit,
                                               const struct outputs_options *options)
{
    const struct sink_common_options *common = &output->settings->common;
    bool is_oldest = strcmp(common->on_full, "drop-oldest") == 0;
    bool is_blocking = options->is_blocking || strcmp(common->on_full, "block") == 0;

    return (struct outlet_options){
        .name = output->name,
        .bit = bit,
        .queue_bytes = common->queue_bytes,
        .policy = is_blocking ? OUTLET_BLOCK
                  : is_oldest ? OUTLET_DROP_OLDEST
                              : OUTLET_DROP_NEWEST,
        .close_timeout_ms = common->close_timeout_ns
                                ? (unsigned)(common->close_timeout_ns / MILLISECOND_NS)
                                : options->close_timeout_ms,
        .batch_bytes = common->batch_bytes ? common->batch_bytes
                                           : output->settings->sink->batch_bytes,
        .batch_records = common->batch_records,
        .batch_age_ns = output->settings->sink->is_stream ? 0 : common->batch_age_ns,
        .is_retrying = !common->is_giving_up,
        .retry_first_ns = common->retry_first_ns,
        .retry_maximum_ns = common->retry_maximum_ns,
        .spool_path = common->spool,
        .spool = {.quota_bytes = common->spool_quota_bytes,
                  .segment_bytes = common->spool_segment_bytes,
                  .policy = is_oldest && !is_blocking ? SPOOL_DROP_OLDEST : SPOOL_DROP_NEWEST},
        .is_spooled_first = common->is_spooled_first,
        .dead_letter_path = common->dead_letter,
    };
}

static int open_outlet(struct outputs *outputs, struct output *output, unsigned slot,
                       const struct outputs_options *options)
{
    const struct sink_settings *settings = output->settings;
    struct outlet_options outlet_options = outlet_options_of(output, slot, options);
    char message[SINK_MESSAGE_BYTES] = "";
    int result = outlet_new(settings->sink, &settings->options, &outlet_options, outputs->pool,
                            &output->outlet, message);

    if (result < 0)
        fprintf(stderr, "weir: %s: %s\n", output->name, message[0] ? message : strerror(-result));
    return result;
}

int output_open(struct outputs *outputs, struct output *output, unsigned slot,
                const struct outputs_options *options)
{
    struct sink_settings *settings = output->settings;
    struct query_error error;
    int result = 0;

    output->takes_metrics = settings->sink->encode_metric;
    if (output->takes_metrics && !options->has_metrics) {
        fprintf(stderr,
                "weir: %s: metrics are made by weir run only, with --metrics or with such "
                "a sink from its start\n",
                output->name);
        return -EINVAL;
    }
    settings->options.name = output->name;
    output->worst = worst_of(settings->common.level);
    output->heeds_severity = settings->sink->heeds_severity || settings->common.spool ||
                             output->worst < SEVERITY_INFORMATIONAL;
    result = output_rows_open(output, format_encoder(settings), options);
    if (result == 0 && settings->common.filter)
        result = query_compile(slice_of_string(settings->common.filter), &output->query, &error);
    if (result < 0)
        fprintf(stderr, "weir: %s: %s\n", output->name, strerror(-result));
    return result < 0 ? result : open_outlet(outputs, output, slot, options);
}

void output_open_again(struct outputs *outputs, struct output *output, unsigned slot,
                       const struct outputs_options *options)
{
    static const struct outlet_counters nothing;
    struct outlet *closed = output->outlet;
    struct outlet_counters end;

    outlet_count(closed, &end);
    if (open_outlet(outputs, output, slot, options) < 0) {
        output->outlet = closed;
        return;
    }
    outlet_add_counters(&output->past, &end, &nothing);
    outlet_free(&closed);
}

void output_free(struct output **output)
{
    struct output *dead = *output;

    if (!dead)
        return;
    outlet_free(&dead->outlet);
    query_free(&dead->query);
    observer_free(&dead->observer);
    sink_settings_free(&dead->settings);
    deallocate(dead);
    *output = NULL;
}

int outputs_open(struct outputs *outputs, struct sink_settings **settings, size_t count,
                 const struct outputs_options *options)
{
    int result = chunk_pool_new(CHUNK_MAXIMUM_BYTES, &outputs->pool);

    if (result < 0) {
        fprintf(stderr, "weir: sinks: %s\n", strerror(-result));
        return result;
    }
    result = outputs_change(outputs, settings, count, options);
    if (result == 0)
        orphans_tell(outputs);
    return result;
}
