/*
 * observer_options: the table of parameters. Their names and defaults are those of iLogtail's
 * documentation of observer_ilogtail_network_v1.
 */
#include "config/observer_options.h"
#include <string.h>
#include <strings.h>

const char *const observer_protocol_names[OBSERVER_PROTOCOL_COUNT + 1] = {
    "http", "mysql", "dns", "redis", "kafka", "pgsql", NULL};

#define VALUE(field) .offset = offsetof(struct observer_options, field)
#define SECOND 1000000000ull
#define DAY (86400 * SECOND)

#define INTERVAL(key, member, preset, text)                                                        \
    {                                                                                              \
        .name = "Common." key, .kind = OPTION_DURATION, VALUE(member), .argument = "Number",       \
        .default_text = (preset), .minimum = SECOND, .maximum = DAY, .group = "Common",            \
        .help = (text)                                                                             \
    }
#define FLAG(key, member, preset, in, text)                                                        \
    {                                                                                              \
        .name = (key), .kind = OPTION_FLAG, VALUE(member), .argument = "bool",                     \
        .default_text = (preset), .group = (in), .help = (text)                                    \
    }
#define EXPRESSION(key, member, text)                                                              \
    {                                                                                              \
        .name = "Common." key, .kind = OPTION_TEXT, VALUE(member), .argument = "String",           \
        .group = "Selection", .help = (text)                                                       \
    }
#define MAPPING(key, member, text)                                                                 \
    {                                                                                              \
        .name = "Common." key, .kind = OPTION_TEXTS, VALUE(member),                                \
        .argument = "map[string]string", .traits = OPTION_HAS_COMMAS, .group = "Selection",        \
        .help = (text)                                                                             \
    }
#define SIZE(protocol, key, index, side, preset, who)                                              \
    {                                                                                              \
        .name = "Common.ProtocolAggCfg." key, .kind = OPTION_NUMBER, VALUE(sizes[index][side]),    \
        .argument = "Number", .default_text = (preset), .minimum = 0, .maximum = 1000000,          \
        .group = "Common",                                                                         \
        .help = "Rows of " protocol " that " who " may have in one interval. What would need "     \
                "more is lost, and counted as rows_full."                                          \
    }
#define SIZES(protocol, index)                                                                     \
    SIZE(protocol, protocol ".ClientSize", index, 0, "500", "clients"),                            \
        SIZE(protocol, protocol ".ServerSize", index, 1, "5000", "servers")

static const struct option table[] = {
    INTERVAL("FlushOutL4Interval", l4_interval_ns, "15s",
             "Seconds between two rows of the same connections' statistics."),
    INTERVAL("FlushOutL7Interval", l7_interval_ns, "60s",
             "Seconds between two rows of the same calls."),
    INTERVAL(
        "FlushMetaInterval", meta_interval_ns, "30s",
        "How old what is known of containers may become. weir asks their runtime when a "
        "container is first seen and learns of later ones at once, so nothing is ever as old."),
    INTERVAL("FlushNetlinkInterval", netlink_interval_ns, "10s",
             "How often this host's addresses are read again. Sockets are looked at "
             "as often as rows of their statistics are written, and at least every 10 s."),
    {.name = "Common.Sampling",
     .kind = OPTION_NUMBER,
     VALUE(sampling),
     .argument = "Number",
     .default_text = "100",
     .minimum = 0,
     .maximum = 100,
     .group = "Common",
     .help = "How many of a hundred connections are looked at; a connection is taken as a whole. "
             "What is not taken is counted as filtered."},
    FLAG("Common.ProtocolProcess", with_protocols, "true", "Common",
         "Rows of calls (HTTP, DNS, databases). Without it only the statistics of connections."),
    FLAG("Common.DropUnixSocket", is_dropping_unix, "true", "Common",
         "Unix sockets do not appear. With false they have rows of the socket type unix_socket, "
         "and what is spoken in their streams has rows, too."),
    FLAG("Common.DropLocalConnections", is_dropping_local, "true", "Common",
         "Connections whose other end is an address of this host do not appear. With false each "
         "end of them has its rows."),
    FLAG(
        "Common.DropUnknownSocket", is_dropping_unknown, "true", "Common",
        "Sockets whose ends could not be found out do not appear. weir reads each socket's own, so "
        "that there are none."),
    {.name = "Common.IncludeProtocols",
     .kind = OPTION_TEXTS,
     VALUE(protocols),
     .argument = "[]string",
     .choices = observer_protocol_names,
     .group = "Common",
     .help = "The protocols whose calls have rows, in any case: HTTP, DNS, Redis, MySQL, PgSQL, "
             "Kafka. Without it all of them."},
    {.name = "Common.Tags",
     .kind = OPTION_TEXTS,
     VALUE(tags),
     .argument = "map[string]string",
     .traits = OPTION_HAS_COMMAS,
     .group = "Common",
     .help = "Each row has them as __tag__:NAME."},
    {.name = "Common.Cluster",
     .kind = OPTION_TEXT,
     VALUE(cluster),
     .argument = "String",
     .group = "Common",
     .help = "Each row has it as __tag__:cluster."},
    SIZES("HTTP", OBSERVER_HTTP),
    SIZES("MySQL", OBSERVER_MYSQL),
    SIZES("DNS", OBSERVER_DNS),
    SIZES("Redis", OBSERVER_REDIS),
    SIZES("Kafka", OBSERVER_KAFKA),
    SIZES("PgSQL", OBSERVER_PGSQL),
    FLAG("Common.SaveToDisk", is_saving, "false", "Common",
         "Of iLogtail's own tests: what its kernel part says is written to a file. Accepted, and "
         "without effect."),
    MAPPING("IncludeContainerLabels", included.container_labels,
            "Only containers of which at least one label matches: label name to expression."),
    MAPPING("ExcludeContainerLabels", excluded.container_labels,
            "No containers of which at least one label matches."),
    MAPPING("IncludeK8sLabels", included.k8s_labels,
            "Only pods of which at least one label matches."),
    MAPPING("ExcludeK8sLabels", excluded.k8s_labels,
            "No pods of which at least one label matches."),
    MAPPING("IncludeEnvs", included.variables,
            "Only containers of which at least one of these environment variables matches."),
    MAPPING("ExcludeEnvs", excluded.variables,
            "No containers of which at least one of these environment variables matches."),
    EXPRESSION("IncludeCmdRegex", included.command,
               "Only processes whose command matches: _process_cmd_ of the rows."),
    EXPRESSION("ExcludeCmdRegex", excluded.command, "No processes whose command matches."),
    EXPRESSION("IncludeContainerNameRegex", included.container,
               "Only containers whose name matches."),
    EXPRESSION("ExcludeContainerNameRegex", excluded.container,
               "No containers whose name matches."),
    EXPRESSION("IncludePodNameRegex", included.pod, "Only pods whose name matches."),
    EXPRESSION("ExcludePodNameRegex", excluded.pod, "No pods whose name matches."),
    EXPRESSION("IncludeNamespaceNameRegex", included.name_space,
               "Only pods of namespaces whose name matches."),
    EXPRESSION("ExcludeNamespaceNameRegex", excluded.name_space,
               "No pods of namespaces whose name matches."),
    FLAG("EBPF.Enabled", with_sockets, "false", "EBPF",
         "Look at sockets. One of EBPF.Enabled and PCAP.Enabled has to be true."),
    {.name = "EBPF.Pid",
     .kind = OPTION_NUMBER,
     VALUE(pid),
     .argument = "Number",
     .default_text = "0",
     .minimum = 0,
     .maximum = 4194304,
     .group = "EBPF",
     .help = "Only this process; -1 or 0: all."},
    FLAG("PCAP.Enabled", with_packets, "false", "PCAP",
         "Look at packets in place of sockets, or beside them."),
    {.name = "PCAP.Interface",
     .kind = OPTION_TEXT,
     VALUE(interface_name),
     .argument = "String",
     .group = "PCAP",
     .help = "The interface. Without it all that are no bridges, bonds and the like."},
    {.name = "PCAP.Filter",
     .kind = OPTION_TEXT,
     VALUE(packet_filter),
     .argument = "String",
     .group = "PCAP",
     .help = "Which packets: tcp, udp, port NUMBER, host ADDRESS and net NETWORK, joined by and, "
             "or, not and parentheses, with the meaning of tcpdump's filters."},
    FLAG("PCAP.Promiscuous", is_promiscuous, "true", "PCAP",
         "Also frames for other hosts: the interfaces are promiscuous for as long as weir looks "
         "at them."),
    {.name = "PCAP.TimeoutMs",
     .kind = OPTION_NUMBER,
     VALUE(packet_timeout_ms),
     .argument = "Number",
     .default_text = "0",
     .minimum = 0,
     .maximum = 3600000,
     .group = "PCAP",
     .help = "How long packets may be collected before they are handed on. weir empties its "
             "rings every few milliseconds."},
};

const struct option_table observer_option_table = {
    .command = "run",
    .summary = "parameters of observer_ilogtail_network_v1",
    .count = sizeof(table) / sizeof(table[0]),
    .options = table,
};

/* To a flag of an option table no default can be said that is not false. */
static void set_flags(struct observer_options *values)
{
    for (size_t i = 0; i < observer_option_table.count; i++) {
        const struct option *option = &table[i];

        if (option->kind == OPTION_FLAG)
            *(bool *)((char *)values + option->offset) = strcmp(option->default_text, "true") == 0;
    }
}

void observer_options_set_defaults(struct observer_options *ret_options)
{
    memset(ret_options, 0, sizeof(*ret_options));
    option_set_defaults(&observer_option_table, ret_options);
    set_flags(ret_options);
}

bool observer_options_has_protocol(const struct observer_options *options,
                                   enum observer_protocol protocol)
{
    bool has_any = options->protocols.count;

    for (size_t i = 0; i < options->protocols.count; i++)
        if (strcasecmp(options->protocols.items[i], observer_protocol_names[protocol]) == 0)
            return true;
    return !has_any;
}
