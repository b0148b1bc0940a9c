/*
 * cri: a container and its pod as the Container Runtime Interface tells of them (k8s.io/cri-api,
 * runtime.v1 and v1alpha2, gRPC over a unix socket): containerd, CRI-O, cri-dockerd.
 */
#pragma once
#include "metadata/facts.h"

enum { CRI_TIMEOUT_MS = 2000, CRI_ANSWER_MAXIMUM = 4 * 1024 * 1024 };

struct cri; /* the connections; belongs to one thread */

struct cri_wishes {
    const char *const *variables;   /* of the environment, end with NULL; may be NULL */
    const char *const *annotations; /* of the pod, likewise */
};

/* 0 or -ENOMEM. */
int cri_new(struct cri **ret_cri);
void cri_free(struct cri **cri);

/*
 * `id`: of a container, or of a pod's sandbox. 0; -ENOENT: it knows no such container; or another
 * -errno. The facts are the caller's to deallocate.
 */
int cri_inspect(struct cri *cri, const char *socket, struct slice id,
                const struct cri_wishes *wishes, struct facts **ret_facts);

/* The parts of it, of answers' messages: ContainerStatusResponse and PodSandboxStatusResponse. */
int cri_read_container(struct slice message, const struct cri_wishes *wishes,
                       struct facts_draft *draft);
int cri_read_pod(struct slice message, const struct cri_wishes *wishes, struct facts_draft *draft);
/* ListContainersResponse: the sandbox of the container with this id; no data: it is not in it. */
struct slice cri_read_sandbox(struct slice message, struct slice id);
