/*
 * facts: what a runtime or the Kubernetes API says of a container and its pod. One allocation; the
 * lists and texts stand behind it. Made by a draft, which takes only so much.
 */
#pragma once
#include "base/slice.h"

enum facts_text {
    FACTS_NAME,
    FACTS_IMAGE_NAME, /* without tag and digest */
    FACTS_IMAGE_TAG,
    FACTS_NAMESPACE, /* from here on of Kubernetes; empty: none */
    FACTS_POD_NAME,
    FACTS_POD_UID,
    FACTS_POD_CONTAINER,
    FACTS_TEXT_COUNT
};

/* Items are written NAME=VALUE. */
enum facts_list {
    FACTS_LABELS,
    FACTS_VARIABLES,
    FACTS_POD_LABELS,
    FACTS_POD_ANNOTATIONS,
    FACTS_LIST_COUNT
};

enum { FACTS_ITEMS_MAXIMUM = 64, FACTS_VARIABLES_MAXIMUM = 16, FACTS_BYTES_MAXIMUM = 16 * 1024 };

struct facts {
    struct slice texts[FACTS_TEXT_COUNT];
    struct {
        const struct slice *items;
        uint32_t count;
    } lists[FACTS_LIST_COUNT];
    struct slice items[];
};

struct facts_draft {
    struct slice texts[FACTS_TEXT_COUNT];
    struct slice items[FACTS_LIST_COUNT][FACTS_ITEMS_MAXIMUM];
    uint32_t counts[FACTS_LIST_COUNT];
    size_t used;
    char bytes[FACTS_BYTES_MAXIMUM];
};

/* NULL: no memory. To be deallocated. */
struct facts_draft *facts_draft_new(void);
/* Copies the text; one that has no room is left out, whole. */
void facts_set(struct facts_draft *draft, enum facts_text text, struct slice value);
/* Adds "name=value", or the name alone when `value.data` is NULL. */
void facts_add(struct facts_draft *draft, enum facts_list list, struct slice name,
               struct slice value);
/* "host:5000/name:tag@digest" to name and tag; of a digest alone nothing is told. */
void facts_set_image(struct facts_draft *draft, struct slice image);
/* Is it the name of a pod's label that says where the container belongs? Then that is set. */
void facts_note_label(struct facts_draft *draft, struct slice name, struct slice value);
/* The draft without the room that it did not need. NULL: no memory. */
struct facts *facts_finish(const struct facts_draft *draft);
