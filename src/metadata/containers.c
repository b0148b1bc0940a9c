#include "metadata/containers.h"
#include <errno.h>
#include <pthread.h>
#include <unistd.h>
#include "base/allocate.h"
#include "base/table.h"
#include "metadata/container_fields.h"
#include "metadata/cri.h"
#include "metadata/docker.h"
#include "metadata/naming.h"

enum { ID_BYTES = 128, QUESTIONS_MAXIMUM = 1024 };

struct container {
    struct container *newer, *older; /* by use */
    uint64_t key;
    uint64_t asked_ns;
    bool is_asked;       /* and the answer is not there */
    struct facts *facts; /* NULL: nobody knew it */
    size_t id_length;
    char id[ID_BYTES];
};

/* What a socket speaks, as it has shown. */
enum runtime_kind { RUNTIME_UNKNOWN, RUNTIME_DOCKER, RUNTIME_CRI };

/* A thread that asks one question at a time. */
struct asker {
    struct containers *containers;
    pthread_t thread;
    struct cri *cri; /* its connections; NULL: no memory */
};

struct containers {
    pthread_mutex_t lock; /* over all that follows */
    pthread_cond_t work;
    struct asker askers[CONTAINERS_QUESTIONS_AT_ONCE];
    size_t asker_count, idle_count;
    struct table table; /* by a hash of the id */
    struct container *newest, *oldest;
    struct containers_counters counters;
    uint64_t questions[QUESTIONS_MAXIMUM]; /* keys, a ring */
    size_t first_question, question_count;
    bool is_ending;

    char **sockets, **variables, **annotations; /* copies, end with NULL; they never change */
    _Atomic enum runtime_kind kinds[CONTAINERS_SOCKETS_MAXIMUM];
};

static uint64_t key_of(struct slice id)
{
    uint64_t hash = 0xcbf29ce484222325ull; /* FNV-1a */

    for (size_t i = 0; i < id.length; i++)
        hash = (hash ^ id.data[i]) * 0x100000001b3ull;
    return hash;
}

static void unlink_container(struct containers *containers, struct container *container)
{
    *(container->newer ? &container->newer->older : &containers->newest) = container->older;
    *(container->older ? &container->older->newer : &containers->oldest) = container->newer;
}

static void link_newest(struct containers *containers, struct container *container)
{
    container->newer = NULL;
    container->older = containers->newest;
    *(containers->newest ? &containers->newest->newer : &containers->oldest) = container;
    containers->newest = container;
}

static void forget(struct containers *containers, struct container *container)
{
    unlink_container(containers, container);
    table_remove(&containers->table, container->key);
    deallocate(container->facts);
    deallocate(container);
}

/* The entry, made when there is none. NULL: no memory, or another one has its hash. */
static struct container *entry_of(struct containers *containers, struct slice id)
{
    uint64_t key = key_of(id);
    struct container *container = table_find(&containers->table, key);

    if (container) {
        if (!slice_is_equal(slice_of(container->id, container->id_length), id))
            return NULL;
        unlink_container(containers, container);
        link_newest(containers, container);
        return container;
    }
    if (id.length > ID_BYTES)
        return NULL;
    if (containers->table.count >= CONTAINERS_MAXIMUM)
        forget(containers, containers->oldest);
    container = allocate_zeroed(sizeof(*container));
    if (!container)
        return NULL;
    container->key = key;
    container->id_length = id.length;
    memcpy(container->id, id.data, id.length);
    if (table_set(&containers->table, key, container)) {
        deallocate(container);
        return NULL;
    }
    link_newest(containers, container);
    return container;
}

static void *run(void *context);

/* One more, while there is more to ask than there is who asks. 0 or -errno. */
static int asker_start(struct containers *containers)
{
    struct asker *asker = &containers->askers[containers->asker_count];
    int result;

    *asker = (struct asker){.containers = containers};
    result = cri_new(&asker->cri);
    if (result == 0)
        result = -pthread_create(&asker->thread, NULL, run, asker);
    if (result)
        cri_free(&asker->cri);
    else
        containers->asker_count++;
    return result;
}

static void ask(struct containers *containers, struct container *container, uint64_t now_ns)
{
    uint64_t age_ns = now_ns - container->asked_ns;
    size_t last;

    if (container->is_asked || !containers->asker_count ||
        containers->question_count == QUESTIONS_MAXIMUM ||
        (container->asked_ns &&
         age_ns < (container->facts ? CONTAINERS_FRESH_NS : CONTAINERS_RETRY_NS)))
        return;
    last = (containers->first_question + containers->question_count++) % QUESTIONS_MAXIMUM;
    containers->questions[last] = container->key;
    container->is_asked = true;
    container->asked_ns = now_ns;
    containers->counters.asked++;
    if (containers->question_count > containers->idle_count &&
        containers->asker_count < CONTAINERS_QUESTIONS_AT_ONCE)
        (void)asker_start(containers); /* else those that there are do it */
    pthread_cond_signal(&containers->work);
}

static enum containers_verdict tell(struct containers *containers, struct slice id, uint64_t now_ns,
                                    struct record *record,
                                    void (*add)(struct record *record, const struct facts *facts))
{
    enum containers_verdict verdict = CONTAINERS_UNKNOWN;
    struct container *container;

    pthread_mutex_lock(&containers->lock);
    container = entry_of(containers, id);
    if (container)
        ask(containers, container, now_ns);
    if (container && container->facts) {
        add(record, container->facts);
        verdict = CONTAINERS_TOLD;
    } else if (container && container->is_asked) {
        verdict = CONTAINERS_ASKED;
    }
    pthread_mutex_unlock(&containers->lock);
    return verdict;
}

enum containers_verdict containers_tell(struct containers *containers, struct slice id,
                                        uint64_t now_ns, struct record *record)
{
    return tell(containers, id, now_ns, record, container_fields_add);
}

enum containers_verdict containers_tell_peer(struct containers *containers, struct slice id,
                                             uint64_t now_ns, struct record *record)
{
    return tell(containers, id, now_ns, record, container_fields_add_peer);
}

/*
 * Asks a runtime in the way that it understands. CRI-O answers 404 to a question for Docker, so
 * only a container shows that it is Docker's API. NULL: it knows no such container.
 */
static struct facts *ask_runtime(struct asker *asker, const char *socket,
                                 _Atomic enum runtime_kind *kind, struct slice id)
{
    const struct containers *containers = asker->containers;
    const char *const *variables = (const char *const *)containers->variables;
    struct cri_wishes wishes = {variables, (const char *const *)containers->annotations};
    struct facts *facts = NULL;
    int result = -EPROTO;

    if (*kind != RUNTIME_CRI)
        result = docker_inspect(socket, id, variables, &facts);
    if (*kind != RUNTIME_CRI && result == 0)
        *kind = RUNTIME_DOCKER;
    if (*kind == RUNTIME_DOCKER || !asker->cri || access(socket, F_OK) < 0)
        return facts;
    result = cri_inspect(asker->cri, socket, id, &wishes, &facts);
    if (result == 0 || result == -ENOENT)
        *kind = RUNTIME_CRI;
    return facts;
}

/* Asks one runtime after the other. NULL: none knows it. */
static struct facts *look_up(struct asker *asker, struct slice id)
{
    struct containers *containers = asker->containers;
    struct facts *facts = NULL;

    for (size_t i = 0; i < CONTAINERS_SOCKETS_MAXIMUM && containers->sockets[i] && !facts; i++)
        facts = ask_runtime(asker, containers->sockets[i], &containers->kinds[i], id);
    return facts;
}

/* The answer to a question; the entry may be gone by now. */
static void answer(struct containers *containers, uint64_t key, struct facts *facts)
{
    struct container *container = table_find(&containers->table, key);

    *(facts ? &containers->counters.answered : &containers->counters.unknown) += 1;
    naming_changed();
    if (!container) {
        deallocate(facts);
        return;
    }
    container->is_asked = false;
    if (!facts && container->facts)
        return; /* it is gone there; its last records are on their way here */
    deallocate(container->facts);
    container->facts = facts;
}

static void *run(void *context)
{
    struct asker *asker = context;
    struct containers *containers = asker->containers;

    pthread_mutex_lock(&containers->lock);
    while (!containers->is_ending) {
        struct container *container;
        struct facts *facts = NULL;
        char id[ID_BYTES];
        size_t length;
        uint64_t key;

        if (!containers->question_count) {
            containers->idle_count++;
            pthread_cond_wait(&containers->work, &containers->lock);
            containers->idle_count--;
            continue;
        }
        key = containers->questions[containers->first_question];
        containers->first_question = (containers->first_question + 1) % QUESTIONS_MAXIMUM;
        containers->question_count--;
        container = table_find(&containers->table, key);
        if (!container)
            continue;
        length = container->id_length;
        memcpy(id, container->id, length);
        pthread_mutex_unlock(&containers->lock);
        facts = look_up(asker, slice_of(id, length));
        pthread_mutex_lock(&containers->lock);
        answer(containers, key, facts);
    }
    pthread_mutex_unlock(&containers->lock);
    return NULL;
}

/* Copies of the texts, in one block. NULL: no memory. */
static char **texts_copy(const char *const *texts)
{
    size_t count = 0, bytes = 0;
    char **copy, *place;

    for (; texts && texts[count]; count++)
        bytes += strlen(texts[count]) + 1;
    copy = allocate((count + 1) * sizeof(*copy) + bytes);
    if (!copy)
        return NULL;
    place = (char *)(copy + count + 1);
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(texts[i]) + 1;

        copy[i] = memcpy(place, texts[i], length);
        place += length;
    }
    copy[count] = NULL;
    return copy;
}

int containers_new(const struct containers_options *options, struct containers **ret_containers)
{
    struct containers *containers = allocate_zeroed(sizeof(*containers));
    int result = 0;

    if (!containers)
        return -ENOMEM;
    pthread_mutex_init(&containers->lock, NULL);
    pthread_cond_init(&containers->work, NULL);
    table_init(&containers->table, CONTAINERS_MAXIMUM);
    containers->sockets = texts_copy(options->sockets);
    containers->variables = texts_copy(options->variables);
    containers->annotations = texts_copy(options->annotations);
    if (!containers->sockets || !containers->variables || !containers->annotations)
        result = -ENOMEM;
    pthread_mutex_lock(&containers->lock);
    if (result == 0 && containers->sockets[0])
        result = asker_start(containers);
    pthread_mutex_unlock(&containers->lock);
    if (result) {
        containers_free(&containers);
        return result;
    }
    *ret_containers = containers;
    return 0;
}

void containers_free(struct containers **containers)
{
    struct containers *old = *containers;

    if (!old)
        return;
    pthread_mutex_lock(&old->lock);
    old->is_ending = true;
    pthread_cond_broadcast(&old->work);
    pthread_mutex_unlock(&old->lock);
    for (size_t i = 0; i < old->asker_count; i++) { /* none starts another any more */
        pthread_join(old->askers[i].thread, NULL);
        cri_free(&old->askers[i].cri);
    }
    while (old->oldest)
        forget(old, old->oldest);
    table_done(&old->table);
    deallocate(old->sockets);
    deallocate(old->variables);
    deallocate(old->annotations);
    pthread_cond_destroy(&old->work);
    pthread_mutex_destroy(&old->lock);
    deallocate(old);
    *containers = NULL;
}

void containers_count(struct containers *containers, struct containers_counters *ret_counters)
{
    pthread_mutex_lock(&containers->lock);
    *ret_counters = containers->counters;
    ret_counters->remembered = containers->table.count;
    pthread_mutex_unlock(&containers->lock);
}
