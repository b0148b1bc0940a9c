/* kubernetes_read: with jansson; a tree lives as long as one page or one line is read. */
#include "metadata/kubernetes_read.h"
#include <errno.h>
#include <jansson.h>

static struct slice text_of(const json_t *value)
{
    return json_is_string(value) ? slice_of(json_string_value(value), json_string_length(value))
                                 : (struct slice){NULL, 0};
}

static struct slice text_in(const json_t *object, const char *name)
{
    return text_of(json_object_get(object, name));
}

static void read_labels(struct kubernetes_draft *draft, json_t *labels)
{
    const char *name;
    json_t *value;

    json_object_foreach(labels, name, value)
    {
        struct slice text = text_of(value), kept;

        if (!text.data)
            continue;
        if (draft->label_count == KUBERNETES_ITEMS_MAXIMUM)
            break;
        kept = kubernetes_draft_keep_pair(draft, slice_of_string(name), text);
        if (kept.length)
            draft->labels[draft->label_count++] = kept;
    }
}

static void read_annotations(struct kubernetes_draft *draft, json_t *annotations,
                             const struct kubernetes_wishes *wishes)
{
    for (const char *const *name = wishes->annotations; name && *name; name++) {
        struct slice text = text_in(annotations, *name), kept;

        if (!text.data || draft->annotation_count == KUBERNETES_ITEMS_MAXIMUM)
            continue;
        kept = kubernetes_draft_keep_pair(draft, slice_of_string(*name), text);
        if (kept.length)
            draft->annotations[draft->annotation_count++] = kept;
    }
}

static void read_owner(struct kubernetes_draft *draft, json_t *references)
{
    json_t *owner;
    size_t index;

    json_array_foreach(references, index, owner)
    {
        if (!json_is_true(json_object_get(owner, "controller")))
            continue;
        kubernetes_draft_set(draft, KUBERNETES_OWNER_KIND, text_in(owner, "kind"));
        kubernetes_draft_set(draft, KUBERNETES_OWNER_NAME, text_in(owner, "name"));
        kubernetes_draft_set(draft, KUBERNETES_OWNER_UID, text_in(owner, "uid"));
        return;
    }
}

static void read_ports(struct kubernetes_draft *draft, json_t *ports)
{
    json_t *port;
    size_t index;

    json_array_foreach(ports, index, port)
    {
        json_int_t number = json_integer_value(json_object_get(port, "port"));

        if (number > 0)
            kubernetes_draft_port(draft, (uint64_t)number);
    }
}

static void read_addresses(struct kubernetes_draft *draft, json_t *addresses, const char *member)
{
    struct slice none = {NULL, 0};
    json_t *entry;
    size_t index;

    json_array_foreach(addresses, index, entry)
    {
        kubernetes_draft_place(draft, member ? text_in(entry, member) : text_of(entry), none, none);
    }
}

/* A pod that has ended keeps no address: others get it. Nor has one in the node's network its own.
 */
static void read_pod(struct kubernetes_draft *draft, json_t *object)
{
    json_t *spec = json_object_get(object, "spec"), *status = json_object_get(object, "status");
    struct slice phase = text_in(status, "phase"), none = {NULL, 0};

    kubernetes_draft_set(draft, KUBERNETES_NODE_NAME, text_in(spec, "nodeName"));
    if (json_is_true(json_object_get(spec, "hostNetwork")) ||
        slice_is_equal(phase, SLICE_LITERAL("Succeeded")) ||
        slice_is_equal(phase, SLICE_LITERAL("Failed")))
        return;
    kubernetes_draft_place(draft, text_in(status, "podIP"), none, none);
    read_addresses(draft, json_object_get(status, "podIPs"), "ip");
}

static void read_service(struct kubernetes_draft *draft, json_t *object)
{
    json_t *spec = json_object_get(object, "spec");
    json_t *balancer = json_object_get(json_object_get(object, "status"), "loadBalancer");
    struct slice none = {NULL, 0};

    read_ports(draft, json_object_get(spec, "ports"));
    kubernetes_draft_place(draft, text_in(spec, "clusterIP"), none, none);
    read_addresses(draft, json_object_get(spec, "clusterIPs"), NULL);
    read_addresses(draft, json_object_get(spec, "externalIPs"), NULL);
    read_addresses(draft, json_object_get(balancer, "ingress"), "ip");
}

static void read_slice(struct kubernetes_draft *draft, json_t *object)
{
    json_t *endpoint, *address,
        *labels = json_object_get(json_object_get(object, "metadata"), "labels");
    size_t index, at;

    kubernetes_draft_set(draft, KUBERNETES_SERVICE_NAME,
                         text_in(labels, "kubernetes.io/service-name"));
    read_ports(draft, json_object_get(object, "ports"));
    json_array_foreach(json_object_get(object, "endpoints"), index, endpoint)
    {
        json_t *target = json_object_get(endpoint, "targetRef");
        struct slice pod = text_in(target, "name"), none = {NULL, 0};

        if (!slice_is_equal(text_in(target, "kind"), SLICE_LITERAL("Pod")))
            pod = none;
        json_array_foreach(json_object_get(endpoint, "addresses"), at, address)
        {
            kubernetes_draft_place(draft, text_of(address), pod, text_in(endpoint, "nodeName"));
        }
    }
}

static void read_node(struct kubernetes_draft *draft, json_t *object)
{
    json_t *address, *status = json_object_get(object, "status");
    struct slice none = {NULL, 0};
    size_t index;

    json_array_foreach(json_object_get(status, "addresses"), index, address)
    {
        if (!slice_is_equal(text_in(address, "type"), SLICE_LITERAL("Hostname")))
            kubernetes_draft_place(draft, text_in(address, "address"), none, none);
    }
}

/* False: it has no name. */
static bool read_object(json_t *object, enum kubernetes_kind kind,
                        const struct kubernetes_wishes *wishes, struct kubernetes_draft *draft)
{
    json_t *metadata = json_object_get(object, "metadata");
    json_t *annotations = json_object_get(metadata, "annotations");

    kubernetes_draft_clear(draft, kind);
    kubernetes_draft_set(draft, KUBERNETES_NAME, text_in(metadata, "name"));
    kubernetes_draft_set(draft, KUBERNETES_IN, text_in(metadata, "namespace"));
    kubernetes_draft_set(draft, KUBERNETES_UID, text_in(metadata, "uid"));
    read_owner(draft, json_object_get(metadata, "ownerReferences"));
    if (kind == KUBERNETES_POD || kind == KUBERNETES_NAMESPACE)
        read_labels(draft, json_object_get(metadata, "labels"));
    if (kind == KUBERNETES_POD) {
        kubernetes_draft_set(draft, KUBERNETES_ALIAS,
                             text_in(annotations, "kubernetes.io/config.hash"));
        read_annotations(draft, annotations, wishes);
        read_pod(draft, object);
    } else if (kind == KUBERNETES_SERVICE) {
        read_service(draft, object);
    } else if (kind == KUBERNETES_SLICE) {
        read_slice(draft, object);
    } else if (kind == KUBERNETES_NODE) {
        read_node(draft, object);
    }
    return draft->texts[KUBERNETES_NAME].length > 0;
}

/* Empty when it has no room: half of a token is none. */
static void text_copy(char *place, size_t size, struct slice text)
{
    size_t length = text.length < size ? text.length : 0;

    if (length)
        memcpy(place, text.data, length);
    place[length] = '\0';
}

int kubernetes_read_list(struct slice body, enum kubernetes_kind kind,
                         const struct kubernetes_wishes *wishes, struct kubernetes_draft *draft,
                         void (*take)(void *context, const struct kubernetes_draft *draft),
                         void *context, struct kubernetes_page *ret_page)
{
    json_t *root = json_loadb((const char *)body.data, body.length, 0, NULL), *item;
    json_t *metadata = json_object_get(root, "metadata"), *items = json_object_get(root, "items");
    size_t index;

    /* Of an empty list some servers say null. */
    if (!json_is_object(metadata) || (!json_is_array(items) && !json_is_null(items))) {
        json_decref(root);
        return -EPROTO;
    }
    json_array_foreach(items, index, item)
    {
        if (read_object(item, kind, wishes, draft))
            take(context, draft);
    }
    text_copy(ret_page->version, sizeof(ret_page->version), text_in(metadata, "resourceVersion"));
    text_copy(ret_page->next, sizeof(ret_page->next), text_in(metadata, "continue"));
    json_decref(root);
    return 0;
}

static bool event_of(struct slice type, enum kubernetes_event *ret_event)
{
    static const struct {
        const char *type;
        enum kubernetes_event event;
    } known[] = {
        {"ADDED", KUBERNETES_CHANGED},   {"MODIFIED", KUBERNETES_CHANGED},
        {"DELETED", KUBERNETES_DELETED}, {"BOOKMARK", KUBERNETES_BOOKMARK},
        {"ERROR", KUBERNETES_ERROR},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (slice_is_equal(type, slice_of_string(known[i].type))) {
            *ret_event = known[i].event;
            return true;
        }
    return false;
}

int kubernetes_read_event(struct slice line, enum kubernetes_kind kind,
                          const struct kubernetes_wishes *wishes, struct kubernetes_draft *draft,
                          enum kubernetes_event *ret_event, char version[KUBERNETES_VERSION_BYTES],
                          unsigned *ret_code)
{
    json_t *root = json_loadb((const char *)line.data, line.length, 0, NULL);
    json_t *object = json_object_get(root, "object");
    enum kubernetes_event event;
    bool is_whole = event_of(text_in(root, "type"), &event) && json_is_object(object);
    json_int_t code = json_integer_value(json_object_get(object, "code"));

    if (is_whole && (event == KUBERNETES_CHANGED || event == KUBERNETES_DELETED))
        is_whole = read_object(object, kind, wishes, draft);
    if (is_whole) {
        *ret_event = event;
        *ret_code = code > 0 && code < 1000 ? (unsigned)code : 0;
        text_copy(version, KUBERNETES_VERSION_BYTES,
                  text_in(json_object_get(object, "metadata"), "resourceVersion"));
    }
    json_decref(root);
    return is_whole ? 0 : -EPROTO;
}
