#include "agent/cgroup.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

/* The depth: how often ".." leads to another directory of the same file system. */
static uint32_t level_of(int directory, dev_t device)
{
    uint32_t level = 0;
    int at = dup(directory);

    while (at >= 0) {
        struct stat status;
        int parent = openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);

        close(at);
        at = parent;
        if (at < 0 || fstat(at, &status) < 0 || status.st_dev != device)
            break;
        level++;
    }
    if (at >= 0)
        close(at);
    return level;
}

int cgroup_find(const char *path, uint64_t *ret_id, uint32_t *ret_level)
{
    struct statfs filesystem;
    struct stat status;
    int directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC), result = 0;

    if (directory < 0)
        return -errno;
    if (fstatfs(directory, &filesystem) < 0 || fstat(directory, &status) < 0)
        result = -errno;
    else if (filesystem.f_type != CGROUP2_SUPER_MAGIC)
        result = -EINVAL;
    if (result == 0) {
        *ret_id = status.st_ino; /* on 64-bit kernels the inode number is the id (5.5) */
        *ret_level = level_of(directory, status.st_dev);
    }
    close(directory);
    return result;
}
