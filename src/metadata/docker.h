/*
 * docker: a container as the Docker Engine API tells of it (GET /containers/ID/json, API 1.24 and
 * later), which Podman serves too.
 */
#pragma once
#include "metadata/facts.h"

enum { DOCKER_TIMEOUT_MS = 2000, DOCKER_ANSWER_MAXIMUM = 4 * 1024 * 1024 };

/*
 * `variables`: names of the environment variables that are wanted, ends with NULL. 0; -ENOENT: it
 * knows no such container; or another -errno. The facts are the caller's to deallocate.
 */
int docker_inspect(const char *socket, struct slice id, const char *const *variables,
                   struct facts **ret_facts);

/* The same of an answer's body. */
int docker_read(struct slice body, const char *const *variables, struct facts **ret_facts);
