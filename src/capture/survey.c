/* survey: what this kernel and these privileges allow, for `weir doctor`. */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "capture/datagram_peers.h"
#include "capture/packet_program.h"

static struct survey_item *item_add(struct survey *survey, const char *name, bool is_available)
{
    struct survey_item *item = &survey->items[survey->count];

    if (survey->count < SURVEY_MAXIMUM)
        survey->count++;
    memset(item, 0, sizeof(*item));
    item->name = name;
    item->is_available = is_available;
    return item;
}

static void survey_capability(struct survey *survey, const char *name, unsigned bit,
                              const char *what_for)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};
    bool has = syscall(SYS_capget, &header, data) == 0 &&
               (data[bit / 32].effective & (1u << bit % 32));
    struct survey_item *item = item_add(survey, name, has);

    snprintf(item->detail, sizeof(item->detail), "%s", what_for);
    if (!has)
        snprintf(item->advice, sizeof(item->advice),
                 "run as root, or grant it: setcap cap_bpf,cap_perfmon+ep on the weir binary");
}

static void survey_btf(struct survey *survey)
{
    bool has = access("/sys/kernel/btf/vmlinux", R_OK) == 0;
    struct survey_item *item = item_add(survey, "kernel BTF", has);

    snprintf(item->detail, sizeof(item->detail), "/sys/kernel/btf/vmlinux %s",
             has ? "is there" : "cannot be read");
    if (!has)
        snprintf(
            item->advice, sizeof(item->advice),
            "use a kernel built with CONFIG_DEBUG_INFO_BTF (all of Debian's and Ubuntu's are)");
}

static void nothing_opens(void *context, const struct stream_open *open)
{
    (void)context;
    (void)open;
}
static void nothing_comes(void *context, const struct stream_data *data)
{
    (void)context;
    (void)data;
}
static void nothing_ends(void *context, const struct stream_end *end)
{
    (void)context;
    (void)end;
}
static void nothing_closes(void *context, uint64_t connection, uint64_t time_ns, bool was_reset)
{
    (void)context;
    (void)connection;
    (void)time_ns;
    (void)was_reset;
}

static const struct stream_listener no_listener = {.on_open = nothing_opens,
                                                   .on_data = nothing_comes,
                                                   .on_end = nothing_ends,
                                                   .on_close = nothing_closes};

/* Loads and attaches the rung for a moment: nothing else tells whether it works. */
static bool survey_rung(struct survey *survey, enum capture_rung rung, const char *name,
                        const char *what_it_is, bool is_found)
{
    struct capture_options options = {
        .rung = rung, .ring_bytes = 65536, .with_protocols = true, .is_masking_disabled = true};
    struct capture *capture = NULL;
    struct survey_item *item;
    char message[1024];
    int result = capture_new(&options, &no_listener, &capture, message);

    capture_free(&capture);
    item = item_add(survey, name, result == 0);
    item->is_used = result == 0 && !is_found;
    snprintf(item->detail, sizeof(item->detail), "%.250s", result ? message : what_it_is);
    if (result == -EPERM || result == -EACCES)
        snprintf(item->advice, sizeof(item->advice),
                 "run as root (CAP_BPF and CAP_PERFMON); as root, this kernel refuses such "
                 "programs and the next rung is used");
    else if (result)
        snprintf(item->advice, sizeof(item->advice), "the next rung is used");
    return is_found || result == 0;
}

static void no_frame(void *context, const struct packets_frame *frame)
{
    (void)context;
    (void)frame;
}
static void no_flow(void *context, const struct flow_summary *flow)
{
    (void)context;
    (void)flow;
}

/* Looks at the loopback interface in this way for a moment. */
static bool survey_packets(struct survey *survey, enum packets_hook hook, const char *name,
                           const char *what_it_is, bool is_found)
{
    static const char *const loopback[] = {"lo", NULL}, *const none[] = {NULL};
    static const struct packets_listener nobody = {NULL, no_frame, no_flow};
    bool is_drop = hook == PACKETS_HOOK_NONE;
    struct packets_options options = {.hook = hook,
                                      .interfaces = is_drop ? none : loopback,
                                      .ring_bytes = 65536,
                                      .snap = 128,
                                      .flow_maximum = 16,
                                      .with_drops = is_drop};
    struct packets *packets = NULL;
    struct survey_item *item;
    char message[1024];
    int result = packets_new(&options, &nobody, &packets, message);

    packets_free(&packets);
    item = item_add(survey, name, result == 0);
    item->is_used = result == 0 && !is_found;
    snprintf(item->detail, sizeof(item->detail), "%.250s", result ? message : what_it_is);
    if (result)
        snprintf(item->advice, sizeof(item->advice), "%s",
                 hook == PACKETS_HOOK_TCX ? "TCX came with kernel 6.6; clsact does the same"
                                          : "run as root (CAP_BPF, and CAP_NET_ADMIN, or for the "
                                            "packet socket CAP_NET_RAW)");
    return is_found || result == 0;
}

static void leftovers_find(void *context, const struct interface *interface, bool is_gone)
{
    struct survey_item *item = context;
    size_t used = strlen(item->detail);

    if (is_gone || !clsact_leftovers(interface->index))
        return;
    snprintf(item->detail + used, sizeof(item->detail) - used, "%s%s", used ? ", " : "",
             interface->name);
    item->is_available = false;
}

/* Classifiers are the one thing that outlives SIGKILL. */
static void survey_leftovers(struct survey *survey)
{
    struct survey_item *item = item_add(survey, "packets leftovers", true);

    interfaces_list(item, leftovers_find);
    if (item->is_available)
        snprintf(item->detail, sizeof(item->detail), "no classifier of a killed weir is left");
    else
        snprintf(item->advice, sizeof(item->advice),
                 "a killed weir left classifiers at these interfaces; the next weir run --packets "
                 "takes them away there");
}

static void survey_all_packets(struct survey *survey)
{
    bool is_found = survey_packets(survey, PACKETS_HOOK_TCX, "packets tcx",
                                   "programs at the traffic-control hooks, as links", false);

    is_found = survey_packets(survey, PACKETS_HOOK_CLSACT, "packets clsact",
                              "classifiers of a clsact qdisc", is_found);
    survey_packets(survey, PACKETS_HOOK_SOCKET, "packets socket",
                   "the filter of an AF_PACKET socket: no interface is touched", is_found);
    survey_packets(survey, PACKETS_HOOK_XDP_GENERIC, "packets xdp",
                   "XDP behind the driver; whether a driver can do it itself is tried at each "
                   "interface",
                   true);
    survey_packets(survey, PACKETS_HOOK_NONE, "packets drops",
                   "the tracepoint kfree_skb: packets that the kernel drops", true);
}

static void survey_io_uring(struct survey *survey, bool is_fentry)
{
    struct survey_item *item = item_add(survey, "io_uring", is_fentry);

    snprintf(item->detail, sizeof(item->detail), "%s",
             is_fentry ? "bytes that io_uring moves are seen"
                       : "bytes that io_uring moves cannot be read on this rung; they are counted "
                         "as lost with the reason io_uring");
    if (!is_fentry)
        snprintf(item->advice, sizeof(item->advice),
                 "use a kernel that allows fentry programs (rung fentry)");
}

/* UDP sockets are looked at on every rung; what differs is what is known of the other end. */
static void survey_datagrams(struct survey *survey, enum capture_rung rung)
{
    struct survey_item *item = item_add(survey, "UDP in sockets", rung != CAPTURE_RUNG_AUTO);
    char why[128];

    item->is_used = rung != CAPTURE_RUNG_AUTO;
    snprintf(item->detail, sizeof(item->detail),
             "DNS, mDNS, LLMNR and Initial packets of QUIC, with their processes");
    if (rung == CAPTURE_RUNG_AUTO) {
        snprintf(item->detail, sizeof(item->detail), "there is no rung for sockets");
        snprintf(item->advice, sizeof(item->advice), "see the rungs; --packets needs none");
    } else if (rung == CAPTURE_RUNG_TRACEPOINT && !datagram_peers_survey(why, sizeof(why))) {
        item->is_available = false;
        snprintf(item->detail, sizeof(item->detail),
                 "without the addresses from which unconnected sockets receive: %s", why);
        snprintf(item->advice, sizeof(item->advice),
                 "run as root, or with CAP_NET_ADMIN too; mount cgroup2 if it is not");
    }
}

/* The rung that was found to be the one to use; AUTO: none was. */
static enum capture_rung rung_of(const struct survey *survey)
{
    for (size_t i = 0; i < survey->count; i++)
        for (int rung = CAPTURE_RUNG_FENTRY; rung < CAPTURE_RUNG_COUNT; rung++)
            if (survey->items[i].is_used &&
                strcmp(survey->items[i].name + strlen("rung "), capture_rung_names[rung]) == 0)
                return (enum capture_rung)rung;
    return CAPTURE_RUNG_AUTO;
}

/* Loads what looks at Unix sockets for a moment, which happens only where it is asked for. */
static void survey_unix(struct survey *survey)
{
    struct capture_options options = {.rung = rung_of(survey),
                                      .ring_bytes = 65536,
                                      .with_protocols = true,
                                      .is_masking_disabled = true,
                                      .on_summary = no_flow,
                                      .with_unix = true};
    struct capture *capture = NULL;
    struct survey_item *item;
    char message[1024] = "there is no rung for sockets";
    int result = options.rung ? capture_new(&options, &no_listener, &capture, message) : -EPERM;
    const char *why = result ? message : capture_unix_why(capture);

    item = item_add(survey, "Unix sockets", !why);
    snprintf(item->detail, sizeof(item->detail), "%.250s",
             why ? why : "looked at where --ilogtail-config has DropUnixSocket: false");
    if (why)
        snprintf(item->advice, sizeof(item->advice),
                 "run as root, with kernel 5.10 or newer; all else is logged without them");
    capture_free(&capture);
}

/* Files with a TLS library that this kernel, or weir, cannot do. */
static void survey_refused_tls(struct survey *survey, const struct capture_tls *tls)
{
    struct survey_item *item = item_add(survey, "TLS files refused", false);

    snprintf(item->detail, sizeof(item->detail), "%llu, such as %s",
             (unsigned long long)tls->refused_count, tls->refused);
    snprintf(item->advice, sizeof(item->advice),
             "their plaintext is not logged, but the handshakes are; a program of another build, "
             "or with a shared library, may do");
}

/* Puts programs into the TLS libraries for a moment. */
static void survey_tls(struct survey *survey)
{
    struct capture_options options = {.rung = rung_of(survey),
                                      .ring_bytes = 65536,
                                      .with_protocols = true,
                                      .is_masking_disabled = true,
                                      .with_tls = true};
    struct capture_tls tls = {
        .why_not = "without a rung there are no connections that it could belong to"};
    struct capture *capture = NULL;
    struct survey_item *item;
    char message[1024];

    if (options.rung)
        tls.why_not = message;
    if (options.rung && capture_new(&options, &no_listener, &capture, message) == 0)
        capture_read_tls(capture, &tls);
    item = item_add(survey, "TLS libraries", tls.why_not == NULL);
    item->is_used = tls.why_not == NULL;
    if (tls.why_not) {
        snprintf(item->detail, sizeof(item->detail), "%.250s", tls.why_not);
        snprintf(item->advice, sizeof(item->advice),
                 "run as root, with a kernel that has CONFIG_UPROBE_EVENTS; all else is logged");
    } else {
        snprintf(item->detail, sizeof(item->detail),
                 "uprobes, %s: plaintext of OpenSSL, BoringSSL, GnuTLS, NSS and Go; files that "
                 "have it now: %s",
                 tls.is_shared ? "many by one link" : "one by one (links of many: kernel 6.6)",
                 tls.file_count ? tls.libraries : "none");
    }
    if (tls.refused_count)
        survey_refused_tls(survey, &tls);
    capture_free(&capture);
}

void capture_survey(struct survey *ret_survey)
{
    bool is_found, is_fentry;

    memset(ret_survey, 0, sizeof(*ret_survey));
    survey_btf(ret_survey);
    survey_capability(ret_survey, "CAP_BPF", CAP_BPF, "to load programs and make maps");
    survey_capability(ret_survey, "CAP_PERFMON", CAP_PERFMON, "to trace the kernel");
    is_fentry = is_found = survey_rung(ret_survey, CAPTURE_RUNG_FENTRY, "rung fentry",
                                       "fentry and fexit on tcp_sendmsg and tcp_recvmsg", false);
    is_found = survey_rung(ret_survey, CAPTURE_RUNG_TRACEPOINT, "rung tracepoint",
                           "the tracepoints sock_send_length and sock_recv_length: no cost on "
                           "calls that touch no socket",
                           is_found);
    survey_rung(ret_survey, CAPTURE_RUNG_SYSCALL, "rung syscall",
                "the tracepoint at the end of every system call", is_found);
    survey_io_uring(ret_survey, is_fentry);
    survey_datagrams(ret_survey, rung_of(ret_survey));
    survey_unix(ret_survey);
    survey_tls(ret_survey);
    survey_leftovers(ret_survey); /* before the hooks are tried, which takes them away */
    survey_all_packets(ret_survey);
}
