#include "metadata/container_fields.h"

static const struct {
    enum facts_text text;
    enum field_id field;
} text_fields[] = {
    {FACTS_NAME, FIELD_CONTAINER_NAME},          {FACTS_IMAGE_NAME, FIELD_CONTAINER_IMAGE_NAME},
    {FACTS_NAMESPACE, FIELD_K8S_NAMESPACE_NAME}, {FACTS_POD_NAME, FIELD_K8S_POD_NAME},
    {FACTS_POD_UID, FIELD_K8S_POD_UID},          {FACTS_POD_CONTAINER, FIELD_K8S_CONTAINER_NAME},
};
static const enum field_id list_fields[FACTS_LIST_COUNT] = {
    [FACTS_LABELS] = FIELD_CONTAINER_LABELS,
    [FACTS_VARIABLES] = FIELD_CONTAINER_ENVIRONMENT,
    [FACTS_POD_LABELS] = FIELD_K8S_POD_LABELS,
    [FACTS_POD_ANNOTATIONS] = FIELD_K8S_POD_ANNOTATIONS,
};

void container_fields_text(struct record *record, enum field_id field, struct slice text)
{
    struct slice copy;

    if (!text.length || record_find_const(record, field))
        return;
    copy = arena_copy(record->arena, text);
    if (copy.length)
        record_add_text(record, field, copy);
}

void container_fields_list(struct record *record, enum field_id field, const struct slice *texts,
                           uint32_t count)
{
    struct slice *copies;

    if (!count || record_find_const(record, field))
        return;
    copies = arena_allocate(record->arena, count * sizeof(*copies));
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
    for (size_t i = 0; i < sizeof(text_fields) / sizeof(*text_fields); i++)
        container_fields_text(record, text_fields[i].field, facts->texts[text_fields[i].text]);
    if (facts->texts[FACTS_IMAGE_TAG].length)
        container_fields_list(record, FIELD_CONTAINER_IMAGE_TAGS, &facts->texts[FACTS_IMAGE_TAG],
                              1);
    for (size_t i = 0; i < FACTS_LIST_COUNT; i++)
        container_fields_list(record, list_fields[i], facts->lists[i].items, facts->lists[i].count);
}

void container_fields_add_peer(struct record *record, const struct facts *facts)
{
    container_fields_text(record, FIELD_PEER_CONTAINER_NAME, facts->texts[FACTS_NAME]);
    container_fields_text(record, FIELD_PEER_K8S_NAMESPACE_NAME, facts->texts[FACTS_NAMESPACE]);
    container_fields_text(record, FIELD_PEER_K8S_POD_NAME, facts->texts[FACTS_POD_NAME]);
}
