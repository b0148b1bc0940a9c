/* kubernetes: the thread, and what records are told. */
#include "metadata/kubernetes.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/allocate.h"
#include "metadata/container_fields.h"
#include "metadata/kubernetes_parts.h"

#define ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"
enum { MILLISECOND_NS = 1000000, HOST_BYTES = 254 };

bool kubernetes_is_here(void)
{
    return getenv("KUBERNETES_SERVICE_HOST") && access(ACCOUNT "token", R_OK) == 0;
}

static void *run(void *context)
{
    struct kubernetes *kubernetes = context;
    bool is_ending = false;

    while (!is_ending) {
        uint64_t now_ns = kubernetes_now_ns(), next_ns = kubernetes_follow(kubernetes, now_ns);

        exchanges_run(kubernetes->exchanges,
                      next_ns > now_ns ? (unsigned)((next_ns - now_ns) / MILLISECOND_NS) + 1 : 0);
        pthread_mutex_lock(&kubernetes->lock);
        kubernetes_objects_tick(&kubernetes->objects, now_ns);
        is_ending = kubernetes->is_ending;
        pthread_mutex_unlock(&kubernetes->lock);
    }
    return NULL;
}

static int text_copy(const char *text, char **ret_copy)
{
    size_t length = text ? strlen(text) + 1 : 0;

    *ret_copy = text ? allocate(length) : NULL;
    if (*ret_copy)
        memcpy(*ret_copy, text, length);
    return text && !*ret_copy ? -ENOMEM : 0;
}

static int annotations_copy(struct kubernetes *kubernetes, const char *const *names)
{
    size_t count = 0;
    int result = 0;

    while (names && names[count])
        count++;
    kubernetes->annotations = allocate_zeroed((count + 1) * sizeof(char *));
    if (!kubernetes->annotations)
        return -ENOMEM;
    for (size_t i = 0; i < count && result == 0; i++)
        result = text_copy(names[i], &kubernetes->annotations[i]);
    kubernetes->wishes.annotations = (const char *const *)kubernetes->annotations;
    return result;
}

/* As the kubelet sets it for each pod. */
static int find_server(struct kubernetes *kubernetes, const char *server)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    size_t length;

    if (server)
        length = (size_t)snprintf(kubernetes->server, KUBERNETES_URL_BYTES, "%s", server);
    else if (host)
        length = (size_t)snprintf(kubernetes->server, KUBERNETES_URL_BYTES,
                                  strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host,
                                  port ? port : "443");
    else
        return -ENOENT;
    if (length >= KUBERNETES_URL_BYTES)
        return -ENAMETOOLONG;
    while (length && kubernetes->server[length - 1] == '/')
        kubernetes->server[--length] = '\0';
    return 0;
}

/* A name of a node is a DNS name: it needs no escapes. */
static void select_node(struct kubernetes *kubernetes, const char *node)
{
    char host[HOST_BYTES] = "";

    if (!node)
        node = getenv("NODE_NAME");
    if (!node) {
        gethostname(host, sizeof(host) - 1);
        node = host;
    }
    if (node[strspn(node, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")])
        node = "";
    snprintf(kubernetes->selector, sizeof(kubernetes->selector), "spec.nodeName%%3D%.253s", node);
    kubernetes->followers[KUBERNETES_POD].selector = kubernetes->selector;
}

static int set_up(struct kubernetes *kubernetes, const struct kubernetes_options *options)
{
    bool has_own_ca = !options->ca_file && access(ACCOUNT "ca.crt", R_OK) == 0;
    size_t length;
    int result = find_server(kubernetes, options->server);

    if (result == 0)
        result = text_copy(options->token_file ? options->token_file : ACCOUNT "token",
                           &kubernetes->token_file);
    if (result == 0)
        result = text_copy(has_own_ca ? ACCOUNT "ca.crt" : options->ca_file, &kubernetes->ca_file);
    if (result == 0)
        result = annotations_copy(kubernetes, options->annotations);
    kubernetes->draft = allocate_zeroed(sizeof(*kubernetes->draft));
    if (result == 0 && !kubernetes->draft)
        result = -ENOMEM;
    if (result)
        return result;
    kubernetes->wait_ns = options->wait_ns;
    length = strlen(kubernetes->server);
    kubernetes_follower_init(kubernetes, KUBERNETES_POD);
    if (length > 5 && strcmp(kubernetes->server + length - 5, "/pods") == 0) {
        kubernetes->followers[KUBERNETES_POD].is_polled = true;
        return 0;
    }
    if (!options->is_cluster_wide)
        select_node(kubernetes, options->node);
    for (int kind = KUBERNETES_POD + 1; kind < KUBERNETES_KIND_COUNT; kind++)
        if (kind != KUBERNETES_NAMESPACE || options->with_namespace_labels)
            kubernetes_follower_init(kubernetes, (enum kubernetes_kind)kind);
    return 0;
}

int kubernetes_new(const struct kubernetes_options *options, struct kubernetes **ret_kubernetes)
{
    struct kubernetes *kubernetes = allocate_zeroed(sizeof(*kubernetes));
    int result;

    if (!kubernetes)
        return -ENOMEM;
    pthread_mutex_init(&kubernetes->lock, NULL);
    kubernetes_objects_init(&kubernetes->objects);
    result = exchanges_new(&kubernetes->exchanges);
    if (result == 0)
        result = set_up(kubernetes, options);
    if (result == 0)
        result = -pthread_create(&kubernetes->thread, NULL, run, kubernetes);
    kubernetes->has_thread = result == 0;
    if (result)
        kubernetes_free(&kubernetes);
    else
        *ret_kubernetes = kubernetes;
    return result;
}

void kubernetes_free(struct kubernetes **kubernetes)
{
    struct kubernetes *old = *kubernetes;

    if (!old)
        return;
    if (old->has_thread) {
        pthread_mutex_lock(&old->lock);
        old->is_ending = true;
        pthread_mutex_unlock(&old->lock);
        exchanges_wake(old->exchanges);
        pthread_join(old->thread, NULL);
    }
    exchanges_free(&old->exchanges);
    for (size_t i = 0; i < KUBERNETES_KIND_COUNT; i++)
        kubernetes_follower_done(&old->followers[i]);
    kubernetes_objects_done(&old->objects);
    for (char **name = old->annotations; name && *name; name++)
        deallocate(*name);
    deallocate(old->annotations);
    deallocate(old->token_file);
    deallocate(old->ca_file);
    deallocate(old->draft);
    pthread_mutex_destroy(&old->lock);
    deallocate(old);
    *kubernetes = NULL;
}

/* Is an object that is not there perhaps on its way? Not while the server cannot be asked. */
static bool may_come(const struct kubernetes *kubernetes, enum kubernetes_kind kind,
                     uint64_t since_ns, uint64_t now_ns, uint64_t patience_ns)
{
    const struct kubernetes_follower *follower = &kubernetes->followers[kind];

    return follower->is_used && !follower->is_failing &&
           (!follower->is_synced || now_ns - since_ns < patience_ns);
}

static uint64_t key_of(struct slice text)
{
    uint64_t hash = 0xcbf29ce484222325ull; /* FNV-1a */

    for (size_t i = 0; i < text.length; i++)
        hash = (hash ^ text.data[i]) * 0x100000001b3ull;
    return hash ? hash : 1;
}

/* Of a pod that nobody has told of: is it worth the waiting? Each is waited for once. */
static enum kubernetes_verdict await(struct kubernetes *kubernetes, struct slice uid,
                                     uint64_t now_ns)
{
    uint64_t key = key_of(uid);
    struct kubernetes_awaited *awaited = &kubernetes->awaited[key % KUBERNETES_AWAITED_MAXIMUM];

    if (awaited->key != key) {
        *awaited = (struct kubernetes_awaited){key, now_ns};
        if (kubernetes->followers[KUBERNETES_POD].is_polled) {
            kubernetes->is_pod_missing = true;
            exchanges_wake(kubernetes->exchanges);
        }
    }
    return may_come(kubernetes, KUBERNETES_POD, awaited->since_ns, now_ns, kubernetes->wait_ns)
               ? KUBERNETES_ASKED
               : KUBERNETES_UNKNOWN;
}

static void add_owner(struct record *record, struct slice kind, struct slice name)
{
    static const struct {
        const char *kind;
        enum field_id field;
    } known[] = {
        {"Deployment", FIELD_K8S_DEPLOYMENT_NAME},
        {"ReplicaSet", FIELD_K8S_REPLICASET_NAME},
        {"StatefulSet", FIELD_K8S_STATEFULSET_NAME},
        {"DaemonSet", FIELD_K8S_DAEMONSET_NAME},
        {"Job", FIELD_K8S_JOB_NAME},
        {"CronJob", FIELD_K8S_CRONJOB_NAME},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (slice_is_equal(kind, slice_of_string(known[i].kind)))
            container_fields_text(record, known[i].field, name);
}

/* The owner, and the owner's owner. False: that may come soon. */
static bool tell_owners(const struct kubernetes *kubernetes, const struct kubernetes_object *pod,
                        uint64_t now_ns, struct record *record)
{
    struct slice kind = pod->texts[KUBERNETES_OWNER_KIND], name = pod->texts[KUBERNETES_OWNER_NAME];
    bool is_set = slice_is_equal(kind, SLICE_LITERAL("ReplicaSet"));
    bool is_job = slice_is_equal(kind, SLICE_LITERAL("Job"));
    enum kubernetes_kind middle = is_set ? KUBERNETES_REPLICASET : KUBERNETES_JOB;
    const struct kubernetes_object *owner;

    add_owner(record, kind, name);
    if (!is_set && !is_job)
        return true;
    owner = kubernetes_objects_find(&kubernetes->objects, middle, pod->texts[KUBERNETES_IN], name);
    if (!owner || !slice_is_equal(owner->texts[KUBERNETES_UID], pod->texts[KUBERNETES_OWNER_UID]))
        return pod->is_gone ||
               !may_come(kubernetes, middle, pod->since_ns, now_ns, KUBERNETES_OWNER_NS);
    add_owner(record, owner->texts[KUBERNETES_OWNER_KIND], owner->texts[KUBERNETES_OWNER_NAME]);
    return true;
}

static enum kubernetes_verdict tell(const struct kubernetes *kubernetes,
                                    const struct kubernetes_object *pod, uint64_t now_ns,
                                    struct record *record)
{
    struct slice none = {NULL, 0}, in = pod->texts[KUBERNETES_IN];
    const struct kubernetes_object *space =
        kubernetes_objects_find(&kubernetes->objects, KUBERNETES_NAMESPACE, none, in);

    container_fields_text(record, FIELD_K8S_NAMESPACE_NAME, in);
    container_fields_text(record, FIELD_K8S_POD_NAME, pod->texts[KUBERNETES_NAME]);
    container_fields_list(record, FIELD_K8S_POD_LABELS, pod->labels, pod->label_count);
    container_fields_list(record, FIELD_K8S_POD_ANNOTATIONS, pod->annotations,
                          pod->annotation_count);
    container_fields_text(record, FIELD_K8S_NODE_NAME, pod->texts[KUBERNETES_NODE_NAME]);
    if (space)
        container_fields_list(record, FIELD_K8S_NAMESPACE_LABELS, space->labels,
                              space->label_count);
    return tell_owners(kubernetes, pod, now_ns, record) ? KUBERNETES_TOLD : KUBERNETES_ASKED;
}

enum kubernetes_verdict kubernetes_tell_pod(struct kubernetes *kubernetes, struct slice uid,
                                            uint64_t now_ns, struct record *record)
{
    const struct kubernetes_object *pod;
    enum kubernetes_verdict verdict;

    pthread_mutex_lock(&kubernetes->lock);
    pod = kubernetes_objects_pod(&kubernetes->objects, uid);
    verdict = pod ? tell(kubernetes, pod, now_ns, record) : await(kubernetes, uid, now_ns);
    pthread_mutex_unlock(&kubernetes->lock);
    return verdict;
}

/* Has the server confirmed lately what is known of addresses? */
static bool is_fresh(const struct kubernetes *kubernetes, uint64_t now_ns)
{
    for (size_t i = 0; i < KUBERNETES_KIND_COUNT; i++) {
        const struct kubernetes_follower *follower = &kubernetes->followers[i];

        if (follower->is_used && follower->is_failing && follower->is_synced &&
            now_ns > follower->confirmed_ns + KUBERNETES_STALE_NS)
            return false;
    }
    return true;
}

void kubernetes_tell_peer(struct kubernetes *kubernetes, const struct address *address,
                          uint16_t port, uint64_t now_ns, struct record *record)
{
    struct kubernetes_names names;

    pthread_mutex_lock(&kubernetes->lock);
    if (is_fresh(kubernetes, now_ns)) {
        kubernetes_objects_name(&kubernetes->objects, address, port, &names);
        container_fields_text(record, FIELD_PEER_K8S_NAMESPACE_NAME, names.in);
        container_fields_text(record, FIELD_PEER_K8S_POD_NAME, names.pod);
        container_fields_text(record, FIELD_PEER_K8S_SERVICE_NAME, names.service);
        container_fields_text(record, FIELD_PEER_K8S_NODE_NAME, names.node);
    }
    pthread_mutex_unlock(&kubernetes->lock);
}

void kubernetes_count(struct kubernetes *kubernetes, struct kubernetes_counters *ret_counters)
{
    pthread_mutex_lock(&kubernetes->lock);
    *ret_counters = kubernetes->counters;
    ret_counters->refused = kubernetes->objects.refused;
    ret_counters->objects = kubernetes->objects.by_name.count;
    ret_counters->addresses = kubernetes->objects.address_count;
    pthread_mutex_unlock(&kubernetes->lock);
}

bool kubernetes_complain(struct kubernetes *kubernetes, char text[256])
{
    bool is_there;

    pthread_mutex_lock(&kubernetes->lock);
    is_there = kubernetes->complaint[0] != '\0';
    memcpy(text, kubernetes->complaint, sizeof(kubernetes->complaint));
    kubernetes->complaint[0] = '\0';
    pthread_mutex_unlock(&kubernetes->lock);
    return is_there;
}
