/* sinks_page: one section for what all sinks have, one for each kind. */
#include "agent/sinks_page.h"
#include "config/sink_options.h"
#include "config/reference.h"
#include "config/run_options.h"
#include "contract/sink.h"

static const struct sink *const sinks[] = {
#define SINK(name) &sink_##name,
#include "sink/sinks.def"
#undef SINK
};

enum { SINK_COUNT = sizeof(sinks) / sizeof(*sinks) };

static const char details[] =
    "Records go to standard output or a file (--output, --output-file), and to any number of "
    "sinks. Each has its own filter, level, format, queue, and may see less than the others. "
    "Records are encoded once for all sinks of a format.\n"
    "\n"
    "In the configuration they are a list; keys that begin alike may be put together, as in "
    "'spool: {quota: 1GiB}'. On the command line a sink is one argument, --sink "
    "'TYPE=TARGET KEY=VALUE KEY=\"VALUE WITH SPACES\"'.\n"
    "\n"
    "What a receiver does not take is sent again for ever, with growing pauses, in order, and only "
    "what it did not take. Meanwhile records wait in memory and then, where there is one, in the "
    "spool. What has no room there is lost, and counted with its reason: sink_full (the queue), "
    "spool_full (the spool's quota), spool_damaged (cannot be read from disk any more), "
    "sink_rejected (the receiver will never take it; see dead-letter), sink_error (the sink had "
    "failed when weir ended, and there is no spool). One sink that stands still does not slow the "
    "others.\n"
    "\n"
    "Secrets are read from files or from variables, never from the configuration itself.";

static const char examples[] = "sinks:\n"
                               "  - type: file\n"
                               "    path: /var/log/weir/errors.json\n"
                               "    level: error\n"
                               "    rotate: {size: 100MiB, interval: 24h, keep: 14}\n";

static struct usage_sections make_page(struct usage_section sections[SINK_COUNT + 1])
{
    sections[0] = (struct usage_section){
        .title = "ALL SINKS",
        .help = "Settings that every sink has, beside its type.",
        .tables = {&sink_common_table},
    };
    for (size_t i = 0; i < SINK_COUNT; i++) {
        struct usage_section *section = &sections[i + 1];

        *section = (struct usage_section){
            .title = sinks[i]->name, .help = sinks[i]->help, .target = sinks[i]->target};
        for (size_t j = 0; j < SINK_PARTS_MAXIMUM && sinks[i]->parts[j].table; j++)
            section->tables[j] = sinks[i]->parts[j].table;
    }
    return (struct usage_sections){
        .name = "sinks",
        .summary = "where records go",
        .details = details,
        .examples = examples,
        .count = SINK_COUNT + 1,
        .sections = sections,
    };
}

void sinks_page_print_reference(FILE *file)
{
    struct usage_section sections[SINK_COUNT + 1];
    struct usage_sections page = make_page(sections);

    reference_print_configuration(&run_option_table, &page, file);
}

void sinks_page_print(FILE *file)
{
    struct usage_section sections[SINK_COUNT + 1];
    struct usage_sections page = make_page(sections);

    usage_print_sections(&page, file);
}

void sinks_page_print_manual(FILE *file)
{
    struct usage_section sections[SINK_COUNT + 1];
    struct usage_sections page = make_page(sections);

    usage_print_sections_page(&page, file);
}
