/* cgroup: what the kernel calls a cgroup v2 directory. */
#pragma once
#include <stdint.h>

/* Its id and its depth below the root. 0 or -errno. */
int cgroup_find(const char *path, uint64_t *ret_id, uint32_t *ret_level);
