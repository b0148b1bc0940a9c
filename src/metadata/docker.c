#include "metadata/docker.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <jansson.h>
#include "base/allocate.h"
#include "metadata/unix_http.h"

enum { TARGET_BYTES = 256, ID_MAXIMUM = 128 };

/* Copies into the facts' texts; what has no room is left out, whole. */
static struct slice keep(struct facts *facts, size_t *used, struct slice a, struct slice b)
{
    size_t length = a.length + (b.data ? 1 + b.length : 0);
    char *place = facts->texts + *used;

    if (length > FACTS_BYTES_MAXIMUM - *used)
        return (struct slice){NULL, 0};
    if (a.length)
        memcpy(place, a.data, a.length);
    if (b.data) {
        place[a.length] = '=';
        memcpy(place + a.length + 1, b.data, b.length);
    }
    *used += length;
    return slice_of(place, length);
}

static struct slice text_of(const json_t *value)
{
    return json_is_string(value) ? slice_of(json_string_value(value), json_string_length(value))
                                 : (struct slice){NULL, 0};
}

/* "host:5000/name:tag@digest" to its name and tag. */
static void image_split(struct slice image, struct slice *ret_name, struct slice *ret_tag)
{
    struct slice name = slice_part(image, 0, slice_find(image, '@'));
    size_t colon = name.length;

    for (size_t i = name.length; i-- > 0 && name.data[i] != '/';)
        if (name.data[i] == ':')
            colon = i;
    *ret_name = slice_part(name, 0, colon);
    *ret_tag = slice_part(name, colon + 1, SIZE_MAX);
}

static void labels_read(struct facts *facts, size_t *used, json_t *labels)
{
    static const struct {
        const char *label;
        size_t offset;
    } pods[] = {
        {"io.kubernetes.pod.name", offsetof(struct facts, pod_name)},
        {"io.kubernetes.pod.namespace", offsetof(struct facts, pod_namespace)},
        {"io.kubernetes.pod.uid", offsetof(struct facts, pod_uid)},
        {"io.kubernetes.container.name", offsetof(struct facts, pod_container)},
    };
    const char *name;
    json_t *value;

    for (size_t i = 0; i < sizeof(pods) / sizeof(*pods); i++)
        *(struct slice *)((char *)facts + pods[i].offset) = keep(
            facts, used, text_of(json_object_get(labels, pods[i].label)), (struct slice){NULL, 0});
    json_object_foreach(labels, name, value)
    {
        struct slice text = text_of(value), label;

        if (!text.data || facts->label_count == FACTS_LABELS_MAXIMUM)
            continue;
        label = keep(facts, used, slice_of_string(name), text);
        if (label.length)
            facts->labels[facts->label_count++] = label;
    }
}

static void variables_read(struct facts *facts, size_t *used, json_t *environment,
                           const char *const *names)
{
    json_t *value;
    size_t index;

    json_array_foreach(environment, index, value)
    {
        struct slice text = text_of(value), name = slice_part(text, 0, slice_find(text, '='));

        for (const char *const *wanted = names; wanted && *wanted; wanted++) {
            struct slice kept;

            if (!slice_is_equal(name, slice_of_string(*wanted)) ||
                facts->variable_count == FACTS_VARIABLES_MAXIMUM)
                continue;
            kept = keep(facts, used, text, (struct slice){NULL, 0});
            if (kept.length)
                facts->variables[facts->variable_count++] = kept;
        }
    }
}

static void slice_move(struct slice *slice, const char *from, char *to)
{
    if (slice->data)
        slice->data = (const uint8_t *)to + ((const char *)slice->data - from);
}

/* A copy without the room that was not needed. */
static int facts_shrink(struct facts **facts, size_t used, struct facts **ret_facts)
{
    struct facts *old = *facts, *copy = allocate(sizeof(*copy) + used);
    struct slice *fixed[7];

    if (copy) {
        memcpy(copy, old, sizeof(*copy) + used);
        fixed[0] = &copy->name;
        fixed[1] = &copy->image_name;
        fixed[2] = &copy->image_tag;
        fixed[3] = &copy->pod_name;
        fixed[4] = &copy->pod_namespace;
        fixed[5] = &copy->pod_uid;
        fixed[6] = &copy->pod_container;
        for (size_t i = 0; i < 7; i++)
            slice_move(fixed[i], old->texts, copy->texts);
        for (size_t i = 0; i < copy->label_count; i++)
            slice_move(&copy->labels[i], old->texts, copy->texts);
        for (size_t i = 0; i < copy->variable_count; i++)
            slice_move(&copy->variables[i], old->texts, copy->texts);
        *ret_facts = copy;
    }
    deallocate(old);
    *facts = NULL;
    return copy ? 0 : -ENOMEM;
}

int docker_read(struct slice body, const char *const *variables, struct facts **ret_facts)
{
    json_t *root = json_loadb((const char *)body.data, body.length, 0, NULL);
    json_t *config = json_object_get(root, "Config");
    struct slice none = {NULL, 0}, name = text_of(json_object_get(root, "Name")), image, tag;
    struct facts *facts;
    size_t used = 0;

    if (!json_is_object(config)) {
        json_decref(root);
        return -EPROTO;
    }
    facts = allocate_zeroed(sizeof(*facts) + FACTS_BYTES_MAXIMUM);
    if (facts) {
        name = slice_part(name, name.length && name.data[0] == '/', SIZE_MAX);
        image_split(text_of(json_object_get(config, "Image")), &image, &tag);
        facts->name = keep(facts, &used, name, none);
        facts->image_name = keep(facts, &used, image, none);
        facts->image_tag = keep(facts, &used, tag, none);
        labels_read(facts, &used, json_object_get(config, "Labels"));
        variables_read(facts, &used, json_object_get(config, "Env"), variables);
    }
    json_decref(root);
    if (!facts)
        return -ENOMEM;
    return facts_shrink(&facts, used, ret_facts);
}

/* Only what can stand in a path; ids of Docker and Podman are hex digits. */
static bool is_plain(struct slice id)
{
    for (size_t i = 0; i < id.length; i++)
        if (!isalnum(id.data[i]) && !strchr("_.-", id.data[i]))
            return false;
    return id.length && id.length < ID_MAXIMUM;
}

int docker_inspect(const char *socket, struct slice id, const char *const *variables,
                   struct facts **ret_facts)
{
    char target[TARGET_BYTES];
    struct buffer body;
    int status = 0, result;

    if (!is_plain(id))
        return -ENOENT;
    snprintf(target, sizeof(target), "/containers/%.*s/json", (int)id.length,
             (const char *)id.data);
    buffer_init(&body, DOCKER_ANSWER_MAXIMUM);
    result = unix_http_get(socket, target, DOCKER_TIMEOUT_MS, &body, &status);
    if (result == 0)
        result = status == 200   ? docker_read(buffer_slice(&body), variables, ret_facts)
                 : status == 404 ? -ENOENT
                                 : -EPROTO;
    buffer_done(&body);
    return result;
}
