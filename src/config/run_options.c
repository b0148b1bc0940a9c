/* run_options: the option table of `weir run`. */
#include "config/run_options.h"
#include "config/common_options.h"
#include "config/profiles.h"

static const char *const full_manners[] = {"drop", "block", NULL};
static const char *const rungs[] = {"auto", "fentry", "tracepoint", "syscall", "none", NULL};
static const char *const packet_hooks[] = {"auto",       "tcx",         "clsact", "xdp",
                                           "xdp-native", "xdp-generic", "socket", NULL};

static const char *const scopes[] = {"node", "cluster", NULL};

#define VALUE(field) .offset = offsetof(struct run_options, field)
#define KIB (1ull << 10)
#define MIB (1ull << 20)
#define MS 1000000ull
#define SECOND 1000000000ull

static const struct option options[] = {
    {.name = "config",
     .short_name = 'C',
     .kind = OPTION_TEXT,
     VALUE(config_file),
     .argument = "FILE",
     .traits = OPTION_NOT_IN_FILE,
     .group = "Configuration",
     .help = "Take options from this YAML file, instead of /etc/weir/weir.yaml, which need not be "
             "there. Variables override the file, arguments override both. See weir-config(8)."},

    {.name = "profile",
     .kind = OPTION_CHOICE,
     VALUE(profile),
     .argument = "NAME",
     .choices = profile_names,
     .traits = OPTION_IS_LIVE,
     .group = "Configuration",
     .help = "A named set of options, for a purpose; what is said elsewhere overrides it. weir "
             "config show --profile NAME shows what is in it."},

    COMMON_OPTION_OUTPUT,
    COMMON_OPTION_OUTPUT_FILE("SIGHUP opens it again, for log rotation. "),
    COMMON_OPTION_SINK(OPTION_IS_LIVE),
    COMMON_OPTION_ILOGTAIL,
    COMMON_OPTION_VERBOSE(OPTION_IS_LIVE),
    COMMON_OPTION_QUIET,
    COMMON_OPTION_COLOUR,
    {.name = "on-full",
     .kind = OPTION_CHOICE,
     VALUE(on_full),
     .argument = "WHAT",
     .default_text = "drop",
     .choices = full_manners,
     .group = "Output",
     .help = "When the output is slower than the traffic: drop records and count them as lost, or "
             "block, which fills the kernel's ring and loses there instead."},
    {.name = "queue-size",
     .kind = OPTION_SIZE,
     VALUE(queue_bytes),
     .argument = "SIZE",
     .default_text = "16MiB",
     .minimum = 64 * KIB,
     .maximum = 1024 * MIB,
     .group = "Output",
     .help = "Bytes of encoded records that may wait for the output."},

    COMMON_OPTION_FILTER(OPTION_IS_LIVE),
    {.name = "pid",
     .short_name = 'p',
     .kind = OPTION_PIDS,
     VALUE(pids),
     .argument = "PID,...",
     .traits = OPTION_IS_LIVE,
     .group = "Selection",
     .help = "Log only what these processes send and receive, from their side. Implies "
             "--both-sides."},
    {.name = "port",
     .kind = OPTION_PORTS,
     VALUE(ports),
     .argument = "PORT,...",
     .traits = OPTION_IS_LIVE,
     .group = "Selection",
     .help = "Log only exchanges with these ports of servers."},
    {.name = "address",
     .kind = OPTION_NETWORKS,
     VALUE(addresses),
     .argument = "CIDR,...",
     .traits = OPTION_IS_LIVE,
     .group = "Selection",
     .help = "Log only exchanges that have an end in these networks, such as 10.0.0.0/8 or ::1."},
    {.name = "method",
     .kind = OPTION_TEXTS,
     VALUE(methods),
     .argument = "METHOD,...",
     .traits = OPTION_IS_LIVE,
     .group = "Selection",
     .help = "Log only these request methods, written as on the wire."},
    {.name = "host",
     .kind = OPTION_TEXTS,
     VALUE(hosts),
     .argument = "HOST,...",
     .traits = OPTION_IS_LIVE,
     .group = "Selection",
     .help = "Log only requests to these hosts (the Host header without its port)."},
    {.name = "cgroup",
     .kind = OPTION_TEXTS,
     VALUE(cgroups),
     .argument = "PATH,...",
     .traits = OPTION_IS_LIVE,
     .group = "Selection",
     .help = "Log only processes of these cgroup v2 directories and those below them."},
    {.name = "exclude-cgroup",
     .kind = OPTION_TEXTS,
     VALUE(excluded_cgroups),
     .argument = "PATH,...",
     .traits = OPTION_IS_LIVE,
     .group = "Selection",
     .help = "Log no processes of these cgroup v2 directories and those below them."},
    {.name = "both-sides",
     .kind = OPTION_FLAG,
     VALUE(with_both_sides),
     .traits = OPTION_IS_LIVE,
     .group = "Selection",
     .help = "When both ends of a connection are on this host, log each end's view. Without it one "
             "record, the server's, names both processes."},

    {.name = "http-only",
     .kind = OPTION_FLAG,
     VALUE(is_http_only),
     .group = "Selection",
     .help =
         "Look at HTTP/1 and nothing else: not at HTTP/2, DNS, Redis, PostgreSQL, MySQL, "
         "Kafka and handshakes of TLS and QUIC, of which the first 16 KiB of each direction, and "
         "then the first 64 KiB of each call, are copied from the kernel."},
    {.name = "no-tls",
     .kind = OPTION_FLAG,
     VALUE(is_tls_disabled),
     .group = "Selection",
     .help =
         "Leave TLS libraries alone. Without it, what OpenSSL, BoringSSL, GnuTLS, NSS and "
         "Go's crypto/tls encrypt and decrypt is logged like plain traffic, with the source "
         "tls, for all processes that use them; each call of theirs costs some microseconds more."},

#include "config/identity_options.def"

    COMMON_OPTION_RULE(OPTION_IS_LIVE),
    COMMON_OPTION_HEADER_RULE(OPTION_IS_LIVE),

    COMMON_OPTION_MASK_NAME(OPTION_IS_LIVE),
    COMMON_OPTION_MASK_KEY_FILE,
    COMMON_OPTION_NO_MASK,

    {.name = "connections",
     .kind = OPTION_FLAG,
     VALUE(with_connections),
     .group = "Connections",
     .help = "Write a record of each TCP connection of this host's processes when its socket "
             "closes, and statistics while it lives (--statistics-interval): what TCP itself has "
             "counted (segments, bytes, retransmissions, round trips), the states it went through, "
             "resets, who closed it, and the process. No packet is looked at for it. Where "
             "--packets shows the connection too, these records stand for both."},
    {.name = "socket-wait",
     .kind = OPTION_FLAG,
     VALUE(with_socket_wait),
     .group = "Connections",
     .help = "Tell how long a message lay in the socket before its reader took it "
             "(server.queue_ns, client.queue_ns), and how far the other end is "
             "(client.rtt_minimum_ns, server.rtt_minimum_ns): one more look at each segment that "
             "brings data. Before kernel 6.3 waits are told in ticks of the kernel's clock, of 1 "
             "to 10 ms."},

    {.name = "packets",
     .kind = OPTION_TEXTS,
     VALUE(packets),
     .argument = "INTERFACE,...",
     .implied = "auto",
     .group = "Packets",
     .help = "Look at packets too: a record of each flow when it ends and, while it lives, from "
             "time to time, and the HTTP exchanges that no process of this host takes part in. "
             "Interfaces are names or globs such as eth*; any means all; auto all but those that "
             "only pass on the frames of others (bridges, bonds, VLAN devices). Interfaces that "
             "come later are looked at as well."},
    {.name = "packet-records",
     .kind = OPTION_FLAG,
     VALUE(with_packet_records),
     .group = "Packets",
     .help = "Also write a record of each packet, with all elements of its headers, at each "
             "interface that it passes. Implies --packets."},
    {.name = "drops",
     .kind = OPTION_FLAG,
     VALUE(with_drops),
     .group = "Packets",
     .help = "Write a record of each packet that the kernel drops, with the kernel's reason (5.17) "
             "and the function that did it. Needs no --packets."},
    {.name = "packet-hook",
     .kind = OPTION_CHOICE,
     VALUE(packet_hook),
     .argument = "HOOK",
     .default_text = "auto",
     .choices = packet_hooks,
     .group = "Packets",
     .help = "Where packets are seen. auto: tcx (kernel 6.6), else clsact, else socket, which "
             "needs CAP_NET_RAW and CAP_BPF only. xdp sees what comes in, in the driver if that "
             "can do it, else behind it; xdp-native and xdp-generic take one of the two."},
    {.name = "packet-promiscuous",
     .kind = OPTION_FLAG,
     VALUE(with_promiscuous),
     .group = "Packets",
     .help = "Have the interfaces take in frames for other hosts, too, such as a switch's mirror "
             "port brings: promiscuous mode, for as long as weir looks at them. Without it no "
             "interface is changed."},
    {.name = "netns",
     .kind = OPTION_TEXTS,
     VALUE(namespaces),
     .argument = "NAMESPACE,...",
     .group = "Packets",
     .help = "Look at the interfaces of these network namespaces: names below /run/netns, paths, "
             "process ids; all means those of all processes, as they come and go. Without it the "
             "own one, where the host's ends of containers' interfaces are."},
    {.name = "packet-ring-size",
     .kind = OPTION_SIZE,
     VALUE(packet_ring_bytes),
     .argument = "SIZE",
     .default_text = "8MiB",
     .minimum = 64 * KIB,
     .maximum = 1024 * MIB,
     .traits = OPTION_IS_POWER_OF_TWO,
     .group = "Packets",
     .help = "Bytes of the ring buffer for packets, a power of two."},
    {.name = "packet-message-limit",
     .kind = OPTION_SIZE,
     VALUE(packet_message_bytes),
     .argument = "SIZE",
     .default_text = "16KiB",
     .minimum = 1 * KIB,
     .maximum = 16 * MIB,
     .group = "Packets",
     .help = "Bytes of each HTTP message that are copied from packets; of other payload none are."},
    {.name = "flow-limit",
     .kind = OPTION_NUMBER,
     VALUE(flow_limit),
     .argument = "NUMBER",
     .default_text = "65536",
     .minimum = 16,
     .maximum = 1u << 24,
     .group = "Packets",
     .help = "Flows that the kernel counts at the same time. Packets of more are counted as lost, "
             "flows_full."},
    COMMON_OPTION_COMMUNITY_ID_SEED("Packets"),
    {.name = "statistics-interval",
     .kind = OPTION_DURATION,
     VALUE(statistics_interval_ns),
     .argument = "TIME",
     .default_text = "10s",
     .minimum = 100 * MS,
     .maximum = 86400 * SECOND,
     .traits = OPTION_IS_LIVE,
     .group = "Packets",
     .help = "How often a flow (--packets) or socket (--connections) that goes on is told of, when "
             "it has changed."},

    {.name = "rung",
     .kind = OPTION_CHOICE,
     VALUE(rung),
     .argument = "RUNG",
     .default_text = "auto",
     .choices = rungs,
     .group = "Capture",
     .help = "How socket bytes are seen; auto takes the first that this kernel allows, in this "
             "order. weir doctor explains them."},
    COMMON_OPTION_HEAD_LIMIT("Capture"),
    {.name = "ring-size",
     .kind = OPTION_SIZE,
     VALUE(ring_bytes),
     .argument = "SIZE",
     .default_text = "4MiB",
     .minimum = 64 * KIB,
     .maximum = 1024 * MIB,
     .traits = OPTION_IS_POWER_OF_TWO,
     .group = "Capture",
     .help = "Bytes of the ring buffer between kernel and weir, a power of two."},
    {.name = "poll-interval",
     .kind = OPTION_DURATION,
     VALUE(poll_interval_ns),
     .argument = "TIME",
     .default_text = "5ms",
     .minimum = 100000,
     .maximum = 50 * MS,
     .group = "Capture",
     .help = "How often the ring is emptied while something comes; more often, down to each 1ms, "
             "while there is much to do."},
    {.name = "connection-limit",
     .kind = OPTION_NUMBER,
     VALUE(connection_limit),
     .argument = "NUMBER",
     .default_text = "65536",
     .minimum = 16,
     .maximum = 1u << 24,
     .group = "Capture",
     .help = "Connections that are followed at the same time. Beyond that the one unused for "
             "longest is forgotten."},
    {.name = "loss-interval",
     .kind = OPTION_DURATION,
     VALUE(loss_interval_ns),
     .argument = "TIME",
     .default_text = "1s",
     .minimum = 10 * MS,
     .maximum = 3600 * SECOND,
     .group = "Capture",
     .help = "At most one loss record for each reason in this time."},
    {.name = "duration",
     .short_name = 'd',
     .kind = OPTION_DURATION,
     VALUE(duration_ns),
     .argument = "TIME",
     .minimum = 1 * MS,
     .maximum = 365 * 86400 * SECOND,
     .group = "Capture",
     .help = "Stop after this time."},
    {.name = "count",
     .short_name = 'c',
     .kind = OPTION_NUMBER,
     VALUE(record_limit),
     .argument = "NUMBER",
     .minimum = 1,
     .group = "Capture",
     .help = "Stop when so many records have been written."},
    {.name = "metrics",
     .kind = OPTION_TEXT,
     VALUE(metrics),
     .argument = "[ADDRESS:]PORT",
     .implied = "9478",
     .group = "Metrics",
     .help =
         "Listen there and answer /metrics in Prometheus' format: requests, errors, durations and "
         "sizes by service, method, route and status, calls of other protocols, connections, "
         "drops, and weir's own counters. Without an address: the loopback one. What the filter "
         "refuses is not counted."},
    {.name = "ready-file",
     .kind = OPTION_TEXT,
     VALUE(ready_file),
     .argument = "FILE",
     .traits = OPTION_NOT_IN_FILE,
     .group = "Capture",
     .help = "Create this file when capture has begun, for scripts that wait for it."},
};

const struct option_table run_option_table = {
    .command = "run",
    .summary = "capture live and log, until interrupted",
    .details =
        "Logs every HTTP/1.0 and HTTP/1.1 exchange that a process of this host takes part in, one "
        "record for each pair of request and response, from inside the kernel and without touching "
        "the applications. Needs root, or the capabilities CAP_BPF and CAP_PERFMON.\n"
        "\n"
        "Values of headers that carry secrets are overwritten in the kernel, before they are "
        "copied out; see --mask-name and --no-mask.\n"
        "\n"
        "SIGINT and SIGTERM end the capture: what is under way is written, programs are detached, "
        "and the totals are printed on standard error: seen = logged + filtered + lost, with each "
        "reason of a loss. SIGHUP opens the output file again.",
    .examples = "weir run -v\tshow each exchange with all headers\n"
                "weir run -o json -w http.ndjson\tlog to a file\n"
                "weir run --port 8080 --filter 'http.response.status_code >= 500'\terrors only\n"
                "weir run --pid 4711 --count 10\tten exchanges of one process\n",
    .count = sizeof(options) / sizeof(options[0]),
    .options = options,
};
