/*
 * kubernetes_follow: list, then watch from the list's version on; bookmarks move the version on;
 * what ends is taken up where it ended; 410 Gone means to list again (API concepts, "410 Gone
 * responses"). What fails is tried again, later each time, at times that differ between nodes.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include "metadata/kubernetes_parts.h"

enum { TOKEN_BYTES = 16384, GONE = 410, MILLISECOND_NS = 1000000, GRACE_SECONDS = 60 };
#define SECOND_NS 1000000000ull

static const struct {
    const char *path;
    const char *plural; /* for complaints */
    bool is_metadata_only;
} kinds[KUBERNETES_KIND_COUNT] = {
    [KUBERNETES_POD] = {"/api/v1/pods", "pods", false},
    [KUBERNETES_REPLICASET] = {"/apis/apps/v1/replicasets", "replicasets", true},
    [KUBERNETES_JOB] = {"/apis/batch/v1/jobs", "jobs", true},
    [KUBERNETES_SERVICE] = {"/api/v1/services", "services", false},
    [KUBERNETES_SLICE] = {"/apis/discovery.k8s.io/v1/endpointslices", "endpointslices", false},
    [KUBERNETES_NODE] = {"/api/v1/nodes", "nodes", false},
    [KUBERNETES_NAMESPACE] = {"/api/v1/namespaces", "namespaces", true},
};

uint64_t kubernetes_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

void kubernetes_follower_init(struct kubernetes *kubernetes, enum kubernetes_kind kind)
{
    struct kubernetes_follower *follower = &kubernetes->followers[kind];

    follower->kubernetes = kubernetes;
    follower->kind = kind;
    follower->path = kinds[kind].path;
    follower->selector = "";
    follower->is_metadata_only = kinds[kind].is_metadata_only;
    follower->is_used = true;
    follower->random = (kubernetes_now_ns() ^ (uint64_t)getpid() << 32) + kind + 1;
    buffer_init(&follower->body, KUBERNETES_ANSWER_MAXIMUM);
}

void kubernetes_follower_done(struct kubernetes_follower *follower)
{
    buffer_done(&follower->body);
}

/* From half of it to all of it. */
static uint64_t jitter(struct kubernetes_follower *follower, uint64_t longest)
{
    follower->random ^= follower->random >> 12; /* xorshift64* */
    follower->random ^= follower->random << 25;
    follower->random ^= follower->random >> 27;
    return longest / 2 + (follower->random * 0x2545f4914f6cdd1dull >> 11) % (longest / 2 + 1);
}

static void wait_for(struct kubernetes_follower *follower, uint64_t longest_ns)
{
    follower->state = STATE_WAITING;
    follower->next_ns = kubernetes_now_ns() + (longest_ns ? jitter(follower, longest_ns) : 0);
}

static void back_off(struct kubernetes_follower *follower)
{
    uint64_t longest = KUBERNETES_BACKOFF_MAXIMUM_MS;

    if (follower->failures < 7 && KUBERNETES_BACKOFF_MS << follower->failures < (int)longest)
        longest = (uint64_t)KUBERNETES_BACKOFF_MS << follower->failures;
    follower->failures += follower->failures < 7;
    wait_for(follower, longest * MILLISECOND_NS);
}

static void failed(struct kubernetes_follower *follower, int result, unsigned status)
{
    struct kubernetes *kubernetes = follower->kubernetes;

    pthread_mutex_lock(&kubernetes->lock);
    kubernetes->counters.failures++;
    if (!follower->is_failing) {
        if (result)
            snprintf(kubernetes->complaint, sizeof(kubernetes->complaint), "%.100s, %s: %s",
                     kubernetes->server, kinds[follower->kind].plural, strerror(-result));
        else
            snprintf(kubernetes->complaint, sizeof(kubernetes->complaint),
                     "%.100s, %s: status %u%s", kubernetes->server, kinds[follower->kind].plural,
                     status, status == 401 || status == 403 ? ", see docs/kubernetes.md" : "");
    }
    follower->is_failing = true;
    pthread_mutex_unlock(&kubernetes->lock);
    back_off(follower);
}

/* In step with the server. */
static void confirmed(struct kubernetes_follower *follower, bool is_synced)
{
    pthread_mutex_lock(&follower->kubernetes->lock);
    follower->is_failing = false;
    follower->is_synced |= is_synced;
    follower->confirmed_ns = kubernetes_now_ns();
    pthread_mutex_unlock(&follower->kubernetes->lock);
}

static void take_object(void *context, const struct kubernetes_draft *draft)
{
    struct kubernetes_follower *follower = context;
    struct kubernetes *kubernetes = follower->kubernetes;

    pthread_mutex_lock(&kubernetes->lock);
    kubernetes_objects_put(&kubernetes->objects, draft, follower->generation, kubernetes_now_ns());
    pthread_mutex_unlock(&kubernetes->lock);
}

static bool on_list_body(void *context, unsigned status, struct slice bytes)
{
    struct kubernetes_follower *follower = context;

    (void)status;
    return buffer_append(&follower->body, bytes) == 0;
}

static void list_is_whole(struct kubernetes_follower *follower, const char *version)
{
    struct kubernetes *kubernetes = follower->kubernetes;

    pthread_mutex_lock(&kubernetes->lock);
    kubernetes_objects_sweep(&kubernetes->objects, follower->kind, follower->generation,
                             kubernetes_now_ns());
    pthread_mutex_unlock(&kubernetes->lock);
    confirmed(follower, true);
    snprintf(follower->version, sizeof(follower->version), "%s", version);
    follower->failures = 0;
    wait_for(follower, 0);
    if (follower->is_polled)
        follower->next_ns += (uint64_t)KUBERNETES_KUBELET_MS * MILLISECOND_NS;
}

static void on_list_end(void *context, int result, unsigned status)
{
    struct kubernetes_follower *follower = context;
    struct kubernetes *kubernetes = follower->kubernetes;
    struct kubernetes_page page;

    if (result == 0 && status == 200)
        result = kubernetes_read_list(buffer_slice(&follower->body), follower->kind,
                                      &kubernetes->wishes, kubernetes->draft, take_object, follower,
                                      &page);
    buffer_done(&follower->body); /* pages are large, and seldom */
    buffer_init(&follower->body, KUBERNETES_ANSWER_MAXIMUM);
    if (result || status != 200) {
        follower->next[0] = '\0'; /* 410: its token is too old; from the start, then */
        failed(follower, result, status);
        return;
    }
    if (!page.next[0]) {
        follower->next[0] = '\0';
        list_is_whole(follower, page.version);
        return;
    }
    snprintf(follower->next, sizeof(follower->next), "%s", page.next);
    wait_for(follower, 0);
}

static void take_event(struct kubernetes_follower *follower, struct slice line)
{
    struct kubernetes *kubernetes = follower->kubernetes;
    const struct kubernetes_draft *draft = kubernetes->draft;
    char version[KUBERNETES_VERSION_BYTES];
    enum kubernetes_event event;
    unsigned code;

    if (kubernetes_read_event(line, follower->kind, &kubernetes->wishes, kubernetes->draft, &event,
                              version, &code)) {
        follower->is_broken = true;
        return;
    }
    if (event == KUBERNETES_ERROR) {
        follower->is_outdated |= code == GONE;
        follower->status = code ? code : 500;
        return;
    }
    if (version[0])
        memcpy(follower->version, version, sizeof(version));
    pthread_mutex_lock(&kubernetes->lock);
    kubernetes->counters.events++;
    if (event == KUBERNETES_CHANGED)
        kubernetes_objects_put(&kubernetes->objects, draft, follower->generation,
                               kubernetes_now_ns());
    else if (event == KUBERNETES_DELETED)
        kubernetes_objects_remove(&kubernetes->objects, follower->kind, draft->texts[KUBERNETES_IN],
                                  draft->texts[KUBERNETES_NAME], kubernetes_now_ns());
    pthread_mutex_unlock(&kubernetes->lock);
    confirmed(follower, false);
    follower->failures = 0;
}

static bool on_watch_body(void *context, unsigned status, struct slice bytes)
{
    struct kubernetes_follower *follower = context;

    if (status != 200)
        return false;
    while (bytes.length) {
        size_t length = slice_find(bytes, '\n');
        bool is_line = length < bytes.length;

        if (follower->body.length + length > KUBERNETES_EVENT_MAXIMUM ||
            buffer_append(&follower->body, slice_part(bytes, 0, length))) {
            follower->is_broken = true;
            return false;
        }
        bytes = slice_part(bytes, length + is_line, SIZE_MAX);
        if (!is_line)
            break;
        if (follower->body.length)
            take_event(follower, buffer_slice(&follower->body));
        buffer_consume(&follower->body, SIZE_MAX);
        if (follower->is_broken || follower->status)
            return false;
    }
    return true;
}

/* The server has taken the watch: all is well again, also when nothing happens for long. */
static void on_watch_header(void *context, struct slice line)
{
    struct slice start = SLICE_LITERAL("HTTP/1.1 200");

    if (slice_is_equal(slice_part(line, 0, start.length), start))
        confirmed(context, false);
}

static void on_watch_end(void *context, int result, unsigned status)
{
    struct kubernetes_follower *follower = context;
    struct kubernetes *kubernetes = follower->kubernetes;
    bool is_short = kubernetes_now_ns() - follower->started_ns < SECOND_NS;

    buffer_consume(&follower->body, SIZE_MAX);
    if (!is_short)
        follower->failures = 0;
    if (status == GONE || follower->is_outdated || follower->is_broken) {
        follower->version[0] = '\0';
        pthread_mutex_lock(&kubernetes->lock);
        kubernetes->counters.relists++;
        pthread_mutex_unlock(&kubernetes->lock);
        back_off(follower); /* all nodes hear of it at the same time */
    } else if (status == 200 && !follower->status &&
               (result == 0 || result == -ETIMEDOUT || result == -EPROTO)) {
        /* It has had its time, or the server restarts: from there on. */
        if (is_short)
            back_off(follower);
        else
            wait_for(follower, 0);
    } else {
        failed(follower, result == -ECANCELED ? 0 : result,
               follower->status ? follower->status : status);
    }
}

static size_t put_escaped(char *place, size_t size, const char *text)
{
    size_t at = 0;

    for (; *text && at + 4 <= size; text++)
        if (isalnum((unsigned char)*text) || strchr("-._~", *text))
            place[at++] = *text;
        else
            at += (size_t)snprintf(place + at, size - at, "%%%02X", (unsigned char)*text);
    place[at] = '\0';
    return at;
}

static void make_url(struct kubernetes_follower *follower)
{
    const struct kubernetes *kubernetes = follower->kubernetes;
    char *url = follower->url;
    size_t size = sizeof(follower->url), at;

    at = (size_t)snprintf(url, size, "%s%s", kubernetes->server,
                          follower->is_polled ? "" : follower->path);
    if (follower->is_polled)
        return;
    if (follower->state == STATE_WATCHING)
        at += (size_t)snprintf(url + at, size - at,
                               "?watch=1&allowWatchBookmarks=true&timeoutSeconds=%u"
                               "&resourceVersion=",
                               (unsigned)jitter(follower, KUBERNETES_WATCH_SECONDS));
    else
        at += (size_t)snprintf(url + at, size - at, "?limit=%u%s", KUBERNETES_PAGE,
                               follower->next[0] ? "&continue=" : "");
    at += put_escaped(url + at, size - at,
                      follower->state == STATE_WATCHING ? follower->version : follower->next);
    if (follower->selector[0])
        snprintf(url + at, size - at, "&fieldSelector=%s", follower->selector);
}

/* "Authorization: Bearer ..."; empty: there is no token. It is read each time, since it changes. */
static void read_token(const struct kubernetes *kubernetes, char *header, size_t size)
{
    static const char start[] = "Authorization: Bearer ";
    size_t at = sizeof(start) - 1;
    int descriptor = -1;
    ssize_t length = -1;

    header[0] = '\0';
    if (strncmp(kubernetes->server, "https:", 6) != 0)
        return; /* nobody else shall read it */
    if (kubernetes->token_file)
        descriptor = open(kubernetes->token_file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (descriptor < 0)
        return;
    memcpy(header, start, at);
    length = read(descriptor, header + at, size - at - 1);
    close(descriptor);
    if (length > 0)
        at += (size_t)length;
    while (length > 0 && isspace((unsigned char)header[at - 1]) && length--)
        at--;
    header[length > 0 ? at : 0] = '\0';
    if (header[strcspn(header, "\r\n")])
        header[0] = '\0';
}

static void start(struct kubernetes_follower *follower, uint64_t now_ns)
{
    struct kubernetes *kubernetes = follower->kubernetes;
    bool is_watch = follower->version[0] && !follower->is_polled;
    char token[TOKEN_BYTES];
    const char *headers[3] = {follower->is_metadata_only
                                  ? "Accept: application/json;as=PartialObjectMetadataList;"
                                    "g=meta.k8s.io;v=v1,application/json;"
                                    "as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
                                  : "Accept: application/json"};
    struct exchange_request request = {
        .url = follower->url,
        .headers = headers,
        .ca_file = kubernetes->ca_file,
        .timeout_ms = is_watch ? (KUBERNETES_WATCH_SECONDS + GRACE_SECONDS) * 1000u
                               : KUBERNETES_TIMEOUT_MS,
        .connect_timeout_ms = KUBERNETES_TIMEOUT_MS / 2,
        .context = follower,
        .on_body = is_watch ? on_watch_body : on_list_body,
        .on_header = is_watch ? on_watch_header : NULL,
        .on_end = is_watch ? on_watch_end : on_list_end,
    };

    if (!is_watch && !follower->next[0])
        follower->generation++;
    follower->state = is_watch ? STATE_WATCHING : STATE_LISTING;
    follower->is_outdated = follower->is_broken = false;
    follower->status = 0;
    follower->started_ns = now_ns;
    make_url(follower);
    read_token(kubernetes, token, sizeof(token));
    if (token[0])
        headers[1] = token;
    if (exchanges_start(kubernetes->exchanges, &request))
        failed(follower, -ENOMEM, 0);
    else {
        pthread_mutex_lock(&kubernetes->lock);
        kubernetes->counters.requests++;
        pthread_mutex_unlock(&kubernetes->lock);
    }
    explicit_bzero(token, sizeof(token));
}

uint64_t kubernetes_follow(struct kubernetes *kubernetes, uint64_t now_ns)
{
    uint64_t next_ns = now_ns + SECOND_NS;
    bool is_pod_missing;

    pthread_mutex_lock(&kubernetes->lock);
    is_pod_missing = kubernetes->is_pod_missing;
    pthread_mutex_unlock(&kubernetes->lock);
    for (size_t i = 0; i < KUBERNETES_KIND_COUNT; i++) {
        struct kubernetes_follower *follower = &kubernetes->followers[i];
        uint64_t soonest = follower->started_ns +
                           (uint64_t)KUBERNETES_KUBELET_SHORTEST_MS * MILLISECOND_NS;

        if (!follower->is_used || follower->state != STATE_WAITING)
            continue;
        if (follower->is_polled && is_pod_missing && !follower->failures &&
            soonest < follower->next_ns)
            follower->next_ns = soonest;
        if (follower->next_ns <= now_ns)
            start(follower, now_ns);
        else if (follower->next_ns < next_ns)
            next_ns = follower->next_ns;
        if (follower->is_polled && follower->state == STATE_LISTING) {
            pthread_mutex_lock(&kubernetes->lock);
            kubernetes->is_pod_missing = false;
            pthread_mutex_unlock(&kubernetes->lock);
        }
    }
    return next_ns;
}
