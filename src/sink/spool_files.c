/*
 * spool_files: a real directory, reached through its descriptor; links are not followed. Its owner
 * holds two locks on the file `lock`: that of flock(2) keeps others out; the other, of fcntl(2),
 * which does nothing else, can be asked for by those who only look and take none themselves.
 */
#include "sink/spool_files.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/allocate.h"

struct folder {
    int descriptor;
    int lock;
};

static int folder_descriptor(void *context)
{
    return ((struct folder *)context)->descriptor;
}

static int result_of(int result)
{
    return result < 0 ? -errno : result;
}

static int files_create(void *context, const char *name)
{
    return result_of(openat(folder_descriptor(context), name,
                            O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
}

static int files_open(void *context, const char *name)
{
    int descriptor = openat(folder_descriptor(context), name,
                            O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;

    if (descriptor < 0)
        return -errno;
    if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid())
        return descriptor;
    close(descriptor);
    return -EPERM;
}

static void files_close(void *context, int handle)
{
    (void)context;
    close(handle);
}

static ssize_t files_read(void *context, int handle, void *data, size_t length, uint64_t offset)
{
    ssize_t count;

    (void)context;
    do
        count = pread(handle, data, length, (off_t)offset);
    while (count < 0 && errno == EINTR);
    return count < 0 ? -errno : count;
}

static int files_write(void *context, int handle, struct slice bytes, uint64_t offset)
{
    size_t done = 0;

    (void)context;
    while (done < bytes.length) {
        ssize_t count =
            pwrite(handle, bytes.data + done, bytes.length - done, (off_t)(offset + done));

        if (count > 0)
            done += (size_t)count;
        else if (count == 0 || errno != EINTR)
            return count == 0 ? -EIO : -errno;
    }
    return 0;
}

static int files_truncate(void *context, int handle, uint64_t length)
{
    (void)context;
    return result_of(ftruncate(handle, (off_t)length));
}

static int files_sync(void *context, int handle)
{
    (void)context;
    return result_of(fdatasync(handle));
}

static int64_t files_size(void *context, int handle)
{
    struct stat status;

    (void)context;
    return fstat(handle, &status) < 0 ? -errno : status.st_size;
}

static int files_rename(void *context, const char *from, const char *to)
{
    int folder = folder_descriptor(context);

    return result_of(renameat(folder, from, folder, to));
}

static int files_unlink(void *context, const char *name)
{
    return result_of(unlinkat(folder_descriptor(context), name, 0));
}

static int files_sync_folder(void *context)
{
    return result_of(fsync(folder_descriptor(context)));
}

static int files_list(void *context, void (*each)(void *argument, const char *name), void *argument)
{
    int descriptor = openat(folder_descriptor(context), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = descriptor < 0 ? NULL : fdopendir(descriptor);
    const struct dirent *entry;
    int result;

    if (!folder) {
        result = -errno;
        if (descriptor >= 0)
            close(descriptor);
        return result;
    }
    errno = 0;
    while ((entry = readdir(folder)))
        each(argument, entry->d_name);
    result = -errno;
    closedir(folder);
    return result;
}

static void files_done(void *context)
{
    struct folder *folder = context;

    close(folder->lock);
    close(folder->descriptor);
    deallocate(folder);
}

/* What changes something, of a directory that is only looked at. */
static int refuse_create(void *context, const char *name)
{
    (void)context, (void)name;
    return -EROFS;
}

static int refuse_write(void *context, int handle, struct slice bytes, uint64_t offset)
{
    (void)context, (void)handle, (void)bytes, (void)offset;
    return -EROFS;
}

static int refuse_truncate(void *context, int handle, uint64_t length)
{
    (void)context, (void)handle, (void)length;
    return -EROFS;
}

static int refuse_sync(void *context, int handle)
{
    (void)context, (void)handle;
    return -EROFS;
}

static int refuse_rename(void *context, const char *from, const char *to)
{
    (void)context, (void)from, (void)to;
    return -EROFS;
}

static int refuse_sync_folder(void *context)
{
    (void)context;
    return -EROFS;
}

/* 0 or -errno. */
static int lock_folder(struct folder *folder)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    struct stat status;

    if (fstat(folder->descriptor, &status) < 0)
        return -errno;
    if (status.st_uid != geteuid())
        return -EPERM;
    folder->lock = openat(folder->descriptor, "lock",
                          O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
    if (folder->lock < 0)
        return -errno;
    if (flock(folder->lock, LOCK_EX | LOCK_NB) == 0) {
        /* A file system that takes both for one may refuse it; then nobody can ask. */
        fcntl(folder->lock, F_OFD_SETLK, &whole);
        return 0;
    }
    int result = errno == EWOULDBLOCK ? -EBUSY : -errno;
    close(folder->lock);
    return result;
}

/* 0: nobody has the directory; or -errno. Nothing is changed by it. */
static int ask_for_owner(struct folder *folder)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int result = 0;

    folder->lock = openat(folder->descriptor, "lock",
                          O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (folder->lock < 0 || fcntl(folder->lock, F_OFD_GETLK, &whole) < 0)
        result = -errno;
    else if (whole.l_type != F_UNLCK)
        result = -EBUSY;
    if (result && folder->lock >= 0)
        close(folder->lock);
    return result;
}

static int open_folder(const char *path, int (*claim)(struct folder *folder),
                       struct folder **ret_folder)
{
    struct folder *folder = allocate_zeroed(sizeof(*folder));
    int result;

    if (!folder)
        return -ENOMEM;
    folder->descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    result = folder->descriptor < 0 ? -errno : claim(folder);
    if (result == 0) {
        *ret_folder = folder;
        return 0;
    }
    if (folder->descriptor >= 0)
        close(folder->descriptor);
    deallocate(folder);
    return result;
}

int spool_files_open(const char *path, struct spool_files *ret_files)
{
    struct folder *folder = NULL;
    int result;

    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return -errno;
    result = open_folder(path, lock_folder, &folder);
    if (result == 0)
        *ret_files = (struct spool_files){
            folder,       files_create,      files_open, files_close, files_read,
            files_write,  files_truncate,    files_sync, files_size,  files_rename,
            files_unlink, files_sync_folder, files_list, files_done,
        };
    return result;
}

int spool_files_look(const char *path, struct spool_files *ret_files)
{
    struct folder *folder = NULL;
    int result = open_folder(path, ask_for_owner, &folder);

    if (result == 0)
        *ret_files = (struct spool_files){
            folder,        refuse_create,      files_open,  files_close, files_read,
            refuse_write,  refuse_truncate,    refuse_sync, files_size,  refuse_rename,
            refuse_create, refuse_sync_folder, files_list,  files_done,
        };
    return result;
}
