/*
 * kubernetes_read: answers of the Kubernetes API as JSON: lists, and the lines of a watch (API
 * concepts, "Efficient detection of changes"). Only what records need is taken.
 */
#pragma once
#include "metadata/kubernetes_objects.h"

enum { KUBERNETES_VERSION_BYTES = 64, KUBERNETES_TOKEN_BYTES = 2048 };

struct kubernetes_wishes {
    const char *const *annotations; /* names, end with NULL; may be NULL */
};

struct kubernetes_page {
    char version[KUBERNETES_VERSION_BYTES]; /* of the list; empty: none, or too long */
    char next[KUBERNETES_TOKEN_BYTES];      /* token of the next page; empty: this is the last */
};

enum kubernetes_event {
    KUBERNETES_CHANGED,
    KUBERNETES_DELETED,
    KUBERNETES_BOOKMARK,
    KUBERNETES_ERROR
};

/*
 * Calls `take` for each object of a list, with the draft that it fills. 0, or -EPROTO: it is no
 * list; -ENOMEM.
 */
int kubernetes_read_list(struct slice body, enum kubernetes_kind kind,
                         const struct kubernetes_wishes *wishes, struct kubernetes_draft *draft,
                         void (*take)(void *context, const struct kubernetes_draft *draft),
                         void *context, struct kubernetes_page *ret_page);

/*
 * One line of a watch: fills the draft, and the version, if the object has one. 0 or -EPROTO.
 * `ret_code`: of an error, the status that it stands for.
 */
int kubernetes_read_event(struct slice line, enum kubernetes_kind kind,
                          const struct kubernetes_wishes *wishes, struct kubernetes_draft *draft,
                          enum kubernetes_event *ret_event, char version[KUBERNETES_VERSION_BYTES],
                          unsigned *ret_code);
