#include "agent/enrichment.h"
#include <errno.h>
#include <time.h>
#include "agent/other_end.h"
#include "agent/totals.h"
#include "base/allocate.h"
#include "capture/capture.h"
#include "metadata/containers.h"
#include "metadata/kubernetes.h"
#include "metadata/naming.h"
#include "refine/processes.h"

enum { FLUSH_STEP_NS = 2000000 };

/* Docker, Podman; then CRI: containerd, CRI-O, cri-dockerd, k3s, k0s, MicroK8s. */
static const char *const usual_sockets[] = {"/var/run/docker.sock",
                                            "/run/podman/podman.sock",
                                            "/run/containerd/containerd.sock",
                                            "/run/crio/crio.sock",
                                            "/run/cri-dockerd.sock",
                                            "/run/k3s/containerd/containerd.sock",
                                            "/run/k0s/containerd.sock",
                                            "/var/snap/microk8s/common/run/containerd.sock",
                                            NULL};

struct waiting {
    struct record *record;
    uint64_t until_ns;
};

struct enrichment {
    uint64_t wait_ns;
    void *context;
    void (*on_record)(void *context, struct record *record);
    struct processes *processes;
    struct containers *containers;
    struct kubernetes *kubernetes; /* NULL: there is none */
    struct other_end *other_end;
    struct capture *capture;
    struct waiting waiting[ENRICHMENT_WAITING_MAXIMUM]; /* a ring */
    size_t first, count;
    uint64_t waited, went_without, pushed_out;
};

/* Asks the Kubernetes API, where it is. 0 or -errno. */
static int kubernetes_begin(const struct run_options *options, struct enrichment *enrichment)
{
    bool is_named = strcmp(options->kubernetes, "auto") != 0;
    struct kubernetes_options kubernetes_options = {
        .server = is_named ? options->kubernetes : NULL,
        .token_file = options->kubernetes_token_file,
        .ca_file = options->kubernetes_ca_file,
        .node = options->kubernetes_node,
        .is_cluster_wide = strcmp(options->kubernetes_scope, "cluster") == 0,
        .with_namespace_labels = options->with_namespace_labels,
        .annotations = options->pod_annotations.items,
        .wait_ns = options->metadata_wait_ns,
    };

    if (strcmp(options->kubernetes, "off") == 0 || (!is_named && !kubernetes_is_here()))
        return 0;
    return kubernetes_new(&kubernetes_options, &enrichment->kubernetes);
}

int enrichment_new(const struct run_options *options, void *context,
                   void (*on_record)(void *context, struct record *record),
                   struct enrichment **ret_enrichment)
{
    struct enrichment *enrichment = allocate_zeroed(sizeof(*enrichment));
    struct containers_options containers_options = {
        .sockets = options->container_sockets.count ? options->container_sockets.items
                                                    : usual_sockets,
        .variables = options->container_variables.items,
        .annotations = options->pod_annotations.items,
    };
    int result = enrichment ? processes_new(&enrichment->processes) : -ENOMEM;

    if (result == 0)
        result = containers_new(&containers_options, &enrichment->containers);
    if (result == 0)
        result = kubernetes_begin(options, enrichment);
    if (result == 0)
        result = other_end_new(options, enrichment->kubernetes, &enrichment->other_end);
    if (result) {
        fprintf(stderr, "weir: %s\n", strerror(-result));
        enrichment_free(&enrichment);
        return result;
    }
    enrichment->wait_ns = options->metadata_wait_ns;
    enrichment->context = context;
    enrichment->on_record = on_record;
    *ret_enrichment = enrichment;
    return 0;
}

void enrichment_free(struct enrichment **enrichment)
{
    struct enrichment *old = *enrichment;

    if (!old)
        return;
    for (; old->count; old->count--)
        record_unref(&old->waiting[old->first++ % ENRICHMENT_WAITING_MAXIMUM].record);
    containers_free(&old->containers);
    other_end_free(&old->other_end);
    kubernetes_free(&old->kubernetes);
    if (old->processes)
        processes_free(&old->processes);
    deallocate(old);
    *enrichment = NULL;
}

void enrichment_set_capture(struct enrichment *enrichment, struct capture *capture)
{
    enrichment->capture = capture;
}

void enrichment_learn(void *context, const struct process_description *process)
{
    struct enrichment *enrichment = context;
    uint32_t forgotten = processes_learn(enrichment->processes, process);

    if (forgotten && enrichment->capture)
        capture_forget_process(enrichment->capture, forgotten);
}

void enrichment_identify(void *context, const struct process_identity *identity,
                         struct process_details *ret_details)
{
    processes_identify(((struct enrichment *)context)->processes, identity, ret_details);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* Some milliseconds behind, and read without asking the hardware: it is done for each record. */
static uint64_t about_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* The pod, by the uid of its control group or what the runtime says. Is more on its way? */
static bool is_pod_awaited(struct enrichment *enrichment, struct record *record, uint64_t time_ns)
{
    const struct value *uid = record_find_const(record, FIELD_K8S_POD_UID);

    return uid && enrichment->kubernetes &&
           kubernetes_tell_pod(enrichment->kubernetes, uid->text, time_ns, record) ==
               KUBERNETES_ASKED;
}

/*
 * Labels the record as far as is known. Is more on its way? What the API says of a pod is newer
 * than what its runtime was told.
 */
static bool is_awaited(struct enrichment *enrichment, struct record *record, uint64_t time_ns)
{
    bool has_uid = record_find_const(record, FIELD_K8S_POD_UID) != NULL;
    bool is_asked = has_uid && is_pod_awaited(enrichment, record, time_ns);
    const struct value *id = record_find_const(record, FIELD_CONTAINER_ID);
    const struct value *peer = record_find_const(record, FIELD_PEER_CONTAINER_ID);
    struct containers *containers = enrichment->containers;

    if (id)
        is_asked |= containers_tell(containers, id->text, time_ns, record) == CONTAINERS_ASKED;
    if (peer)
        is_asked |= containers_tell_peer(containers, peer->text, time_ns, record) ==
                    CONTAINERS_ASKED;
    if (!has_uid)
        is_asked |= is_pod_awaited(enrichment, record, time_ns);
    return is_asked;
}

static void hand_on_first(struct enrichment *enrichment)
{
    struct waiting *first = &enrichment->waiting[enrichment->first];

    enrichment->first = (enrichment->first + 1) % ENRICHMENT_WAITING_MAXIMUM;
    enrichment->count--;
    enrichment->on_record(enrichment->context, first->record);
}

void enrichment_take_packet(void *context, struct record *record)
{
    struct enrichment *enrichment = context;

    other_end_learn(enrichment->other_end, record, about_now_ns());
    other_end_name(enrichment->other_end, record, about_now_ns());
    enrichment->on_record(enrichment->context, record);
}

void enrichment_take(struct enrichment *enrichment, struct record *record)
{
    uint64_t coarse_ns = about_now_ns(), version, time_ns;
    uint32_t first = record->value_count;
    bool is_of_container, is_waiting;
    size_t last;

    other_end_learn(enrichment->other_end, record, coarse_ns);
    version = naming_version();
    if (!enrichment->count && naming_recall(record, version, coarse_ns)) {
        enrichment->on_record(enrichment->context, record);
        return;
    }
    other_end_name(enrichment->other_end, record, coarse_ns);
    is_of_container = record_find_const(record, FIELD_CONTAINER_ID) ||
                      record_find_const(record, FIELD_PEER_CONTAINER_ID);
    time_ns = is_of_container ? now_ns() : 0;
    /* Asked at once, also behind others that wait: their answers come at the same time. */
    is_waiting = is_of_container && is_awaited(enrichment, record, time_ns);
    if (!is_of_container || (!enrichment->count && !is_waiting)) {
        naming_keep(record, first, version, coarse_ns);
        enrichment->on_record(enrichment->context, record);
        return;
    }
    if (enrichment->count == ENRICHMENT_WAITING_MAXIMUM) {
        enrichment->pushed_out +=
            is_awaited(enrichment, enrichment->waiting[enrichment->first].record, time_ns);
        hand_on_first(enrichment);
    }
    last = (enrichment->first + enrichment->count++) % ENRICHMENT_WAITING_MAXIMUM;
    enrichment->waiting[last] = (struct waiting){record, time_ns + enrichment->wait_ns};
    enrichment->waited++;
}

/* What has gone wrong at the API is said once, until it is well again. */
static void complain(struct enrichment *enrichment)
{
    char text[256];

    if (enrichment->kubernetes && kubernetes_complain(enrichment->kubernetes, text))
        fprintf(stderr, "weir: Kubernetes: %s\n", text);
}

void enrichment_tick(struct enrichment *enrichment)
{
    uint64_t time_ns = enrichment->count ? now_ns() : 0;

    complain(enrichment);

    while (enrichment->count) {
        const struct waiting *first = &enrichment->waiting[enrichment->first];

        if (is_awaited(enrichment, first->record, time_ns)) {
            if (time_ns < first->until_ns)
                return;
            enrichment->went_without++;
        }
        hand_on_first(enrichment);
    }
}

void enrichment_flush(struct enrichment *enrichment)
{
    enrichment_tick(enrichment);
    while (enrichment->count) {
        nanosleep(&(struct timespec){.tv_nsec = FLUSH_STEP_NS}, NULL);
        enrichment_tick(enrichment);
    }
}

void enrichment_add_totals(const struct enrichment *enrichment, struct totals *totals)
{
    totals_add_incomplete(totals, "metadata_wait", enrichment->went_without);
    totals_add_incomplete(totals, "metadata_queue_full", enrichment->pushed_out);
}

void enrichment_tell(const struct enrichment *enrichment, FILE *file)
{
    if (enrichment->went_without + enrichment->pushed_out)
        fprintf(file,
                "weir: %llu records of containers went without their names: the answer "
                "took longer than --metadata-wait; %llu, because too many waited\n",
                (unsigned long long)enrichment->went_without,
                (unsigned long long)enrichment->pushed_out);
}
