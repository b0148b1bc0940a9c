#include "metadata/docker.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <jansson.h>
#include "base/allocate.h"
#include "metadata/unix_http.h"

enum { TARGET_BYTES = 256, ID_MAXIMUM = 128 };

static struct slice text_of(const json_t *value)
{
    return json_is_string(value) ? slice_of(json_string_value(value), json_string_length(value))
                                 : (struct slice){NULL, 0};
}

static void labels_read(struct facts_draft *draft, json_t *labels)
{
    const char *name;
    json_t *value;

    json_object_foreach(labels, name, value)
    {
        struct slice text = text_of(value);

        if (text.data)
            facts_note_label(draft, slice_of_string(name), text);
    }
    json_object_foreach(labels, name, value)
    {
        struct slice text = text_of(value);

        if (text.data)
            facts_add(draft, FACTS_LABELS, slice_of_string(name), text);
    }
}

static void variables_read(struct facts_draft *draft, json_t *environment, const char *const *names)
{
    json_t *value;
    size_t index;

    json_array_foreach(environment, index, value)
    {
        struct slice text = text_of(value), name = slice_part(text, 0, slice_find(text, '='));

        for (const char *const *wanted = names; wanted && *wanted; wanted++)
            if (slice_is_equal(name, slice_of_string(*wanted)))
                facts_add(draft, FACTS_VARIABLES, text, (struct slice){NULL, 0});
    }
}

int docker_read(struct slice body, const char *const *variables, struct facts **ret_facts)
{
    json_t *root = json_loadb((const char *)body.data, body.length, 0, NULL);
    json_t *config = json_object_get(root, "Config");
    struct slice name = text_of(json_object_get(root, "Name"));
    struct facts_draft *draft;
    struct facts *facts = NULL;

    if (!json_is_object(config)) {
        json_decref(root);
        return -EPROTO;
    }
    draft = facts_draft_new();
    if (draft) {
        facts_set(draft, FACTS_NAME,
                  slice_part(name, name.length && name.data[0] == '/', SIZE_MAX));
        facts_set_image(draft, text_of(json_object_get(config, "Image")));
        labels_read(draft, json_object_get(config, "Labels"));
        variables_read(draft, json_object_get(config, "Env"), variables);
        facts = facts_finish(draft);
    }
    deallocate(draft);
    json_decref(root);
    if (!facts)
        return -ENOMEM;
    *ret_facts = facts;
    return 0;
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
