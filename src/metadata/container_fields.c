#include "metadata/container_fields.h"

static void add_copy(struct record *record, enum field_id field, struct slice text)
{
    struct slice copy = text.length ? arena_copy(record->arena, text) : text;

    if (copy.length && !record_find_const(record, field))
        record_add_text(record, field, copy);
}

static void add_copies(struct record *record, enum field_id field, const struct slice *texts,
                       uint32_t count)
{
    struct slice *copies = count ? arena_allocate(record->arena, count * sizeof(*copies)) : NULL;

    if (!copies)
        return;
    for (uint32_t i = 0; i < count; i++) {
        copies[i] = arena_copy(record->arena, texts[i]);
        if (!copies[i].length)
            return; /* not half of them */
    }
    record_add_texts(record, field, copies, count);
}

void container_fields_add(struct record *record, const struct facts *facts)
{
    add_copy(record, FIELD_CONTAINER_NAME, facts->name);
    add_copy(record, FIELD_CONTAINER_IMAGE_NAME, facts->image_name);
    if (facts->image_tag.length)
        add_copies(record, FIELD_CONTAINER_IMAGE_TAGS, &facts->image_tag, 1);
    add_copies(record, FIELD_CONTAINER_LABELS, facts->labels, facts->label_count);
    add_copies(record, FIELD_CONTAINER_ENVIRONMENT, facts->variables, facts->variable_count);
    add_copy(record, FIELD_K8S_NAMESPACE_NAME, facts->pod_namespace);
    add_copy(record, FIELD_K8S_POD_NAME, facts->pod_name);
    add_copy(record, FIELD_K8S_POD_UID, facts->pod_uid);
    add_copy(record, FIELD_K8S_CONTAINER_NAME, facts->pod_container);
}
