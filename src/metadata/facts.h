/*
 * facts: what a runtime says of a container. One allocation; the texts stand behind it. Label and
 * variable are written NAME=VALUE.
 */
#pragma once
#include "base/slice.h"

enum { FACTS_LABELS_MAXIMUM = 64, FACTS_VARIABLES_MAXIMUM = 16, FACTS_BYTES_MAXIMUM = 16 * 1024 };

struct facts {
    struct slice name;
    struct slice image_name; /* without tag and digest */
    struct slice image_tag;
    struct slice pod_name, pod_namespace, pod_uid, pod_container; /* of Kubernetes; empty: none */
    uint32_t label_count, variable_count;
    struct slice labels[FACTS_LABELS_MAXIMUM];
    struct slice variables[FACTS_VARIABLES_MAXIMUM];
    char texts[];
};
