/*
 * tls_files: a file is told by device, inode, size and time of change, so that one which was
 * replaced is a new one. The kernel attaches by inode: names only serve to open it.
 */
#include "capture/tls_files.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/allocate.h"
#include "capture/elf_symbols.h"
#include "capture/uprobes.h"

struct tls_file {
    struct tls_file *next;
    uint64_t key;
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
    uint64_t pass;                     /* when it was used last */
    const struct tls_library *library; /* NULL: none */
    size_t link_count;
    struct uprobe links[];
};

void tls_files_init(struct tls_files *files, struct weir *skeleton)
{
    memset(files, 0, sizeof(*files));
    files->skeleton = skeleton;
    table_init(&files->files, TLS_FILES_MAXIMUM);
    pthread_mutex_init(&files->lock, NULL);
}

/* A file is there, or goes. */
static void files_count(struct tls_files *files, const struct tls_file *file, bool is_more)
{
    if (!file->library)
        return;
    pthread_mutex_lock(&files->lock);
    for (size_t i = 0; tls_libraries[i]; i++)
        if (tls_libraries[i] == file->library)
            files->counts[i] += is_more ? 1 : -1;
    pthread_mutex_unlock(&files->lock);
    if (file->library->is_in_every_program)
        files->loaders += is_more ? 1 : (size_t)-1;
}

static void file_free(struct tls_files *files, struct tls_file *file)
{
    files_count(files, file, false);
    for (size_t i = 0; i < file->link_count; i++)
        uprobe_remove(&file->links[i]);
    deallocate(file);
}

void tls_files_done(struct tls_files *files)
{
    while (files->first) {
        struct tls_file *file = files->first;

        files->first = file->next;
        file_free(files, file);
    }
    table_done(&files->files);
    pthread_mutex_destroy(&files->lock);
}

static uint64_t key_of(const struct stat *status)
{
    const uint64_t parts[] = {status->st_dev, status->st_ino, (uint64_t)status->st_size,
                              (uint64_t)status->st_ctim.tv_sec, (uint64_t)status->st_ctim.tv_nsec};
    uint64_t hash = 0xcbf29ce484222325ull;

    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
        hash = (hash ^ parts[i]) * 0x9e3779b97f4a7c15ull, hash ^= hash >> 29;
    return hash;
}

static bool is_same(const struct tls_file *file, const struct stat *status)
{
    return file->device == status->st_dev && file->inode == status->st_ino &&
           file->size == status->st_size && file->changed.tv_sec == status->st_ctim.tv_sec &&
           file->changed.tv_nsec == status->st_ctim.tv_nsec;
}

static bool name_matches(const struct tls_library *library, const char *name, bool is_program)
{
    for (size_t i = 0; i < TLS_NAMES_MAXIMUM && library->file_names[i]; i++)
        if (strncmp(name, library->file_names[i], strlen(library->file_names[i])) == 0 &&
            strstr(name, ".so"))
            return true;
    return is_program && library->is_in_programs;
}

bool tls_files_are_named(const char *name)
{
    for (size_t i = 0; tls_libraries[i]; i++)
        if (name_matches(tls_libraries[i], name, false))
            return true;
    return false;
}

/* The places of the library's functions in a file. 0; -ENOENT: it is not that library. */
static int points_find(const struct elf_image *image, const struct tls_point *points,
                       struct tls_points *ret_points)
{
    struct elf_symbol symbols[TLS_FUNCTIONS_MAXIMUM];
    size_t count = 0, place = 0;
    int result;

    memset(symbols, 0, sizeof(symbols));
    for (size_t i = 0; points[i].program; i++)
        if (count == 0 || strcmp(symbols[count - 1].name, points[i].function) != 0)
            symbols[count++].name = points[i].function;
    result = elf_symbols_find(image, symbols, count);
    if (result)
        return result;
    for (size_t i = 0; points[i].program; i++) {
        if (strcmp(symbols[place].name, points[i].function) != 0)
            place++;
        if (!symbols[place].is_found && points[i].is_needed)
            return -ENOENT;
        if (!symbols[place].is_found)
            continue;
        ret_points->points[ret_points->count] = points[i];
        ret_points->points[ret_points->count++].offset = symbols[place].offset;
    }
    return 0;
}

/* Puts the program of points[first] at all places that it has. 0 or -errno. */
static int program_attach(struct weir *skeleton, const char *path, const struct tls_points *points,
                          size_t first, struct uprobe *ret_links, size_t *ret_count)
{
    static uint64_t places[TLS_POINTS_MAXIMUM]; /* of the one thread */
    const struct tls_point *point = &points->points[first];
    const struct bpf_program *program =
        bpf_object__find_program_by_name(skeleton->obj, point->program);
    size_t count = 0;

    *ret_count = 0;
    for (size_t i = 0; i < points->count; i++) {
        const struct tls_point *other = &points->points[i];

        if (strcmp(other->program, point->program) != 0 || other->is_return != point->is_return)
            continue;
        if (i < first)
            return 0; /* it stands there already */
        places[count++] = other->offset;
    }
    return program ? uprobes_attach(program, path, places, count, point->is_return, ret_links,
                                    ret_count)
                   : -ENOENT;
}

/*
 * Puts the programs of the library there, if the file is that. All or nothing: a call whose return
 * is not seen would never end. 0; -ENOENT: it is another file; else -errno.
 */
static int library_attach(struct weir *skeleton, const struct tls_library *library,
                          const char *path, const struct elf_image *image, struct uprobe *ret_links,
                          size_t *ret_count)
{
    static struct tls_points found; /* of the one thread */
    size_t count = 0, more;
    int result;

    found.count = 0;
    result = library->find ? library->find(image, &found)
                           : points_find(image, library->points, &found);
    if (result)
        return result == -ENOTSUP || result == -E2BIG ? result : -ENOENT;
    for (size_t i = 0; i < found.count && result == 0; i++) {
        result = program_attach(skeleton, path, &found, i, ret_links + count, &more);
        count += more;
    }
    while (result && count)
        uprobe_remove(&ret_links[--count]);
    *ret_count = count;
    return result == -ENOENT ? -ENODEV : result;
}

/* Or has the process ended whose mapping the path names? */
static bool is_there(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0;
}

/* It is a TLS library, and nothing is taken of it. */
static void file_is_refused(struct tls_files *files, const char *name,
                            const struct tls_library *library, int error)
{
    pthread_mutex_lock(&files->lock);
    files->refused_count++;
    snprintf(files->refused, sizeof(files->refused), "%.120s (%s): %s", name, library->name,
             strerror(-error));
    pthread_mutex_unlock(&files->lock);
}

/* Which library the file is, with its programs in place. NULL: none. */
static const struct tls_library *file_attach(struct tls_files *files, const char *path,
                                             const char *name, bool is_program,
                                             struct uprobe *ret_links, size_t *ret_count)
{
    const struct tls_library *library = NULL;
    struct elf_image image;
    int result = -ENOENT;

    *ret_count = 0;
    if ((!is_program && !tls_files_are_named(name)) || elf_image_open(&image, path))
        return NULL;
    for (size_t i = 0; tls_libraries[i] && result == -ENOENT; i++) {
        library = tls_libraries[i];
        if (name_matches(library, name, is_program))
            result = library_attach(files->skeleton, library, path, &image, ret_links, ret_count);
    }
    elf_image_close(&image);
    if (result && result != -ENOENT && is_there(path))
        file_is_refused(files, name, library, result);
    return result ? NULL : library;
}

/*
 * Remembers what the file is, so that it is not looked into again. NULL: no memory, or it was gone
 * before that was known.
 */
static struct tls_file *file_new(struct tls_files *files, const char *path, const char *name,
                                 bool is_program, const struct stat *status)
{
    static struct uprobe links[TLS_POINTS_MAXIMUM];
    const struct tls_library *library;
    struct tls_file *file;
    size_t count;

    library = file_attach(files, path, name, is_program, links, &count);
    if (!library && !is_there(path))
        return NULL; /* the next process may live longer */
    file = allocate_zeroed(sizeof(*file) + count * sizeof(*links));
    if (!file) {
        for (size_t i = 0; i < count; i++)
            uprobe_remove(&links[i]);
        return NULL;
    }
    file->key = key_of(status);
    file->device = status->st_dev;
    file->inode = status->st_ino;
    file->size = status->st_size;
    file->changed = status->st_ctim;
    file->link_count = count;
    file->library = library;
    memcpy(file->links, links, count * sizeof(*links));
    files_count(files, file, true);
    return file;
}

void tls_files_use(struct tls_files *files, const char *path, const char *name, bool is_program)
{
    struct tls_file *file;
    struct stat status;

    if (stat(path, &status) || !S_ISREG(status.st_mode))
        return;
    file = table_find(&files->files, key_of(&status));
    if (!file || !is_same(file, &status)) {
        if (file) /* another one with the same key: it is told of as long as the first one stays */
            return;
        file = file_new(files, path, name, is_program, &status);
        if (!file)
            return;
        if (table_set(&files->files, file->key, file)) {
            file_free(files, file);
            return;
        }
        file->next = files->first;
        files->first = file;
    }
    file->pass = files->pass;
}

void tls_files_read(struct tls_files *files, struct capture_tls *ret_state)
{
    size_t used = 0;

    pthread_mutex_lock(&files->lock);
    ret_state->file_count = 0;
    ret_state->libraries[0] = 0;
    for (size_t i = 0; tls_libraries[i]; i++) {
        if (!files->counts[i] || tls_libraries[i]->is_in_every_program)
            continue;
        ret_state->file_count += files->counts[i];
        if (used < sizeof(ret_state->libraries))
            used += (size_t)snprintf(ret_state->libraries + used,
                                     sizeof(ret_state->libraries) - used, "%s%s %zu",
                                     used ? ", " : "", tls_libraries[i]->name, files->counts[i]);
    }
    ret_state->refused_count = files->refused_count;
    snprintf(ret_state->refused, sizeof(ret_state->refused), "%s", files->refused);
    pthread_mutex_unlock(&files->lock);
}

void tls_files_begin(struct tls_files *files)
{
    files->pass++;
}

void tls_files_sweep(struct tls_files *files)
{
    struct tls_file **at = &files->first;

    while (*at) {
        struct tls_file *file = *at;

        if (file->pass + TLS_KEEP_PASSES > files->pass) {
            at = &file->next;
            continue;
        }
        *at = file->next;
        table_remove(&files->files, file->key);
        file_free(files, file);
    }
}
