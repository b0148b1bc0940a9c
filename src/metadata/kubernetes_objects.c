/* kubernetes_objects: each object is one block; three tables lead to it. */
#include "metadata/kubernetes_objects.h"
#include "base/allocate.h"
#include "metadata/naming.h"

#define HASH_START 0xcbf29ce484222325ull /* FNV-1a */

static uint64_t hash_add(uint64_t hash, struct slice text)
{
    for (size_t i = 0; i < text.length; i++)
        hash = (hash ^ text.data[i]) * 0x100000001b3ull;
    return (hash ^ 0xff) * 0x100000001b3ull; /* no byte of a text */
}

static uint64_t name_key(enum kubernetes_kind kind, struct slice in, struct slice name)
{
    uint8_t byte = (uint8_t)kind;

    return hash_add(hash_add(hash_add(HASH_START, slice_of(&byte, 1)), in), name);
}

static uint64_t address_key(const struct address *address)
{
    return hash_add(HASH_START, slice_of(address->bytes, address->family == ADDRESS_IPV4 ? 4 : 16));
}

void kubernetes_objects_init(struct kubernetes_objects *objects)
{
    memset(objects, 0, sizeof(*objects));
    table_init(&objects->by_name, KUBERNETES_OBJECTS_MAXIMUM);
    table_init(&objects->by_uid, 2 * KUBERNETES_OBJECTS_MAXIMUM); /* some have two */
    table_init(&objects->by_address, KUBERNETES_ADDRESSES_MAXIMUM);
}

static void list_add(struct kubernetes_list *list, struct kubernetes_object *object)
{
    object->next = NULL;
    object->previous = list->last;
    *(list->last ? &list->last->next : &list->first) = object;
    list->last = object;
}

static void list_remove(struct kubernetes_list *list, struct kubernetes_object *object)
{
    *(object->previous ? &object->previous->next : &list->first) = object->next;
    *(object->next ? &object->next->previous : &list->last) = object->previous;
}

static bool place_link(struct kubernetes_objects *objects, struct kubernetes_place *place)
{
    uint64_t key = address_key(&place->address);
    struct kubernetes_place *first = table_find(&objects->by_address, key);

    place->previous = NULL;
    place->next = first;
    if (objects->address_count == KUBERNETES_ADDRESSES_MAXIMUM ||
        table_set(&objects->by_address, key, place))
        return false;
    if (first)
        first->previous = place;
    objects->address_count++;
    return true;
}

static void place_unlink(struct kubernetes_objects *objects, struct kubernetes_place *place)
{
    uint64_t key = address_key(&place->address);

    if (place->next)
        place->next->previous = place->previous;
    if (place->previous)
        place->previous->next = place->next;
    else if (place->next)
        table_set(&objects->by_address, key, place->next); /* replaces: cannot fail */
    else
        table_remove(&objects->by_address, key);
    objects->address_count--;
}

static void places_unlink(struct kubernetes_objects *objects, struct kubernetes_object *object)
{
    for (; object->place_count; object->place_count--)
        place_unlink(objects, &object->places[object->place_count - 1]);
}

static void uids_remove(struct kubernetes_objects *objects, const struct kubernetes_object *object)
{
    static const enum kubernetes_text uids[] = {KUBERNETES_UID, KUBERNETES_ALIAS};

    for (size_t i = 0; i < 2; i++) {
        uint64_t key = hash_add(HASH_START, object->texts[uids[i]]);

        if (object->texts[uids[i]].length && table_find(&objects->by_uid, key) == object)
            table_remove(&objects->by_uid, key);
    }
}

static void gone_free(struct kubernetes_objects *objects, struct kubernetes_object *object)
{
    uids_remove(objects, object);
    list_remove(&objects->gone, object);
    objects->gone_count--;
    naming_changed();
    deallocate(object);
}

/* Out of all but the table of uids; pods stay there for a while. */
static void retire(struct kubernetes_objects *objects, struct kubernetes_object *object,
                   uint64_t now_ns)
{
    table_remove(&objects->by_name, name_key(object->kind, object->texts[KUBERNETES_IN],
                                             object->texts[KUBERNETES_NAME]));
    places_unlink(objects, object);
    list_remove(&objects->kinds[object->kind], object);
    objects->counts[object->kind]--;
    naming_changed();
    object->is_gone = true;
    object->since_ns = now_ns;
    list_add(&objects->gone, object);
    objects->gone_count++;
    if (object->kind != KUBERNETES_POD)
        gone_free(objects, object);
}

void kubernetes_objects_done(struct kubernetes_objects *objects)
{
    for (size_t kind = 0; kind < KUBERNETES_KIND_COUNT; kind++)
        while (objects->kinds[kind].first)
            retire(objects, objects->kinds[kind].first, 0);
    while (objects->gone.first)
        gone_free(objects, objects->gone.first);
    table_done(&objects->by_name);
    table_done(&objects->by_uid);
    table_done(&objects->by_address);
}

static struct slice moved(struct slice slice, const char *from, char *to)
{
    return slice.length ? slice_of(to + ((const char *)slice.data - from), slice.length)
                        : (struct slice){NULL, 0};
}

/* The draft as one block. NULL: no memory. */
static struct kubernetes_object *build(const struct kubernetes_draft *draft)
{
    size_t items = draft->label_count + draft->annotation_count, at = 0;
    struct kubernetes_object *object =
        allocate(sizeof(*object) + draft->place_count * sizeof(object->places[0]) +
                 items * sizeof(struct slice) + draft->port_count * sizeof(uint16_t) + draft->used);
    struct slice *texts;
    uint16_t *ports;
    char *bytes;

    if (!object)
        return NULL;
    memset(object, 0, sizeof(*object));
    object->kind = draft->kind;
    object->places = (struct kubernetes_place *)(object + 1);
    texts = (struct slice *)(object->places + draft->place_count);
    ports = (uint16_t *)(texts + items);
    bytes = (char *)(ports + draft->port_count);
    memcpy(bytes, draft->bytes, draft->used);
    memcpy(ports, draft->ports, draft->port_count * sizeof(*ports));
    for (size_t i = 0; i < KUBERNETES_TEXT_COUNT; i++)
        object->texts[i] = moved(draft->texts[i], draft->bytes, bytes);
    object->labels = texts;
    object->label_count = draft->label_count;
    for (size_t i = 0; i < draft->label_count; i++)
        texts[at++] = moved(draft->labels[i], draft->bytes, bytes);
    object->annotations = texts + at;
    object->annotation_count = draft->annotation_count;
    for (size_t i = 0; i < draft->annotation_count; i++)
        texts[at++] = moved(draft->annotations[i], draft->bytes, bytes);
    object->ports = ports;
    object->port_count = draft->port_count;
    for (size_t i = 0; i < draft->place_count; i++)
        object->places[i] =
            (struct kubernetes_place){.object = object,
                                      .address = draft->places[i].address,
                                      .pod = moved(draft->places[i].pod, draft->bytes, bytes),
                                      .node = moved(draft->places[i].node, draft->bytes, bytes)};
    return object;
}

static void uid_set(struct kubernetes_objects *objects, struct slice uid,
                    struct kubernetes_object *object)
{
    if (uid.length && object->kind == KUBERNETES_POD)
        table_set(&objects->by_uid, hash_add(HASH_START, uid), object);
}

/* Takes out what stands where the new one goes. */
static void replace(struct kubernetes_objects *objects, uint64_t key, struct slice uid,
                    uint64_t now_ns)
{
    struct kubernetes_object *old = table_find(&objects->by_name, key);
    bool is_same = old && slice_is_equal(old->texts[KUBERNETES_UID], uid);

    if (!old)
        return;
    retire(objects, old, now_ns);
    if (is_same && objects->gone.last == old)
        gone_free(objects, old);
}

bool kubernetes_objects_put(struct kubernetes_objects *objects,
                            const struct kubernetes_draft *draft, uint32_t generation,
                            uint64_t now_ns)
{
    uint64_t key =
        name_key(draft->kind, draft->texts[KUBERNETES_IN], draft->texts[KUBERNETES_NAME]);
    const struct kubernetes_object *before = kubernetes_objects_find(
        objects, draft->kind, draft->texts[KUBERNETES_IN], draft->texts[KUBERNETES_NAME]);
    bool is_same = before &&
                   slice_is_equal(before->texts[KUBERNETES_UID], draft->texts[KUBERNETES_UID]);
    uint64_t since_ns = is_same ? before->since_ns : now_ns;
    struct kubernetes_object *object;
    uint32_t linked = 0;

    replace(objects, key, draft->texts[KUBERNETES_UID], now_ns);
    if (objects->gone.first &&
        objects->by_name.count + objects->gone_count >= KUBERNETES_OBJECTS_MAXIMUM)
        gone_free(objects, objects->gone.first);
    object = objects->by_name.count + objects->gone_count < KUBERNETES_OBJECTS_MAXIMUM
                 ? build(draft)
                 : NULL;
    if (!object || table_set(&objects->by_name, key, object)) {
        deallocate(object);
        objects->refused++;
        return false;
    }
    object->generation = generation;
    object->since_ns = since_ns;
    list_add(&objects->kinds[object->kind], object);
    objects->counts[object->kind]++;
    uid_set(objects, object->texts[KUBERNETES_UID], object);
    uid_set(objects, object->texts[KUBERNETES_ALIAS], object);
    while (linked < draft->place_count && place_link(objects, &object->places[linked]))
        linked++;
    objects->refused += linked < draft->place_count;
    object->place_count = linked;
    naming_changed();
    return true;
}

const struct kubernetes_object *kubernetes_objects_find(const struct kubernetes_objects *objects,
                                                        enum kubernetes_kind kind, struct slice in,
                                                        struct slice name)
{
    const struct kubernetes_object *object =
        table_find(&objects->by_name, name_key(kind, in, name));
    bool is_it = object && object->kind == kind &&
                 slice_is_equal(object->texts[KUBERNETES_IN], in) &&
                 slice_is_equal(object->texts[KUBERNETES_NAME], name);

    return is_it ? object : NULL;
}

void kubernetes_objects_remove(struct kubernetes_objects *objects, enum kubernetes_kind kind,
                               struct slice in, struct slice name, uint64_t now_ns)
{
    if (kubernetes_objects_find(objects, kind, in, name))
        retire(objects, table_find(&objects->by_name, name_key(kind, in, name)), now_ns);
}

void kubernetes_objects_sweep(struct kubernetes_objects *objects, enum kubernetes_kind kind,
                              uint32_t generation, uint64_t now_ns)
{
    for (struct kubernetes_object *at = objects->kinds[kind].first, *next; at; at = next) {
        next = at->next;
        if (at->generation != generation)
            retire(objects, at, now_ns);
    }
}

void kubernetes_objects_tick(struct kubernetes_objects *objects, uint64_t now_ns)
{
    while (objects->gone.first && now_ns - objects->gone.first->since_ns >= KUBERNETES_GONE_NS)
        gone_free(objects, objects->gone.first);
}

const struct kubernetes_object *kubernetes_objects_pod(const struct kubernetes_objects *objects,
                                                       struct slice uid)
{
    const struct kubernetes_object *pod = table_find(&objects->by_uid, hash_add(HASH_START, uid));
    bool is_it = pod && (slice_is_equal(pod->texts[KUBERNETES_UID], uid) ||
                         slice_is_equal(pod->texts[KUBERNETES_ALIAS], uid));

    return is_it ? pod : NULL;
}

/* One of several answers: they have to agree. */
struct candidate {
    struct slice in, name, node;
    bool is_doubtful;
};

static void suggest(struct candidate *candidate, struct slice in, struct slice name,
                    struct slice node)
{
    if (!name.length)
        return;
    if (candidate->name.length &&
        (!slice_is_equal(candidate->name, name) || !slice_is_equal(candidate->in, in)))
        candidate->is_doubtful = true;
    candidate->in = in;
    candidate->name = name;
    if (node.length)
        candidate->node = node;
}

static bool has_port(const struct kubernetes_object *object, uint16_t port)
{
    for (uint32_t i = 0; i < object->port_count; i++)
        if (object->ports[i] == port)
            return true;
    return false;
}

static void look_at(const struct kubernetes_place *place, uint16_t port, struct candidate *pod,
                    struct candidate *service, struct slice *node)
{
    const struct kubernetes_object *object = place->object;
    struct slice in = object->texts[KUBERNETES_IN], none = {NULL, 0};

    switch (object->kind) {
    case KUBERNETES_POD:
        suggest(pod, in, object->texts[KUBERNETES_NAME], object->texts[KUBERNETES_NODE_NAME]);
        break;
    case KUBERNETES_SLICE:
        suggest(pod, in, place->pod, place->node);
        if (has_port(object, port))
            suggest(service, in, object->texts[KUBERNETES_SERVICE_NAME], none);
        break;
    case KUBERNETES_SERVICE:
        if (has_port(object, port))
            suggest(service, in, object->texts[KUBERNETES_NAME], none);
        break;
    case KUBERNETES_NODE:
        *node = object->texts[KUBERNETES_NAME];
        break;
    default:
        break;
    }
}

void kubernetes_objects_name(const struct kubernetes_objects *objects,
                             const struct address *address, uint16_t port,
                             struct kubernetes_names *ret_names)
{
    const struct kubernetes_place *place = table_find(&objects->by_address, address_key(address));
    struct candidate pod = {.is_doubtful = false}, service = {.is_doubtful = false};
    struct slice node = {NULL, 0};
    unsigned count = 0;

    memset(ret_names, 0, sizeof(*ret_names));
    for (; place; place = place->next) {
        if (++count > KUBERNETES_SHARED_MAXIMUM)
            return;
        if (address_is_equal(&place->address, address))
            look_at(place, port, &pod, &service, &node);
    }
    /* A node's address is that of all its pods in the node's network. */
    if (pod.name.length && !pod.is_doubtful && !node.length) {
        ret_names->in = pod.in;
        ret_names->pod = pod.name;
        node = pod.node;
    }
    ret_names->node = node;
    if (service.name.length && !service.is_doubtful &&
        (!ret_names->pod.length || slice_is_equal(pod.in, service.in))) {
        ret_names->in = service.in;
        ret_names->service = service.name;
    }
}
