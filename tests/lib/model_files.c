/* model_files: see the header. */
#include "tests/lib/model_files.h"
#include <errno.h>
#include <stdlib.h>

static void *must(void *block)
{
    if (!block)
        abort();
    return block;
}

struct model *model_new(void)
{
    return must(calloc(1, sizeof(struct model)));
}

void model_free(struct model **model)
{
    for (size_t i = 0; *model && i < MODEL_FILES_MAXIMUM; i++) {
        free((*model)->files[i].now);
        free((*model)->files[i].synced);
    }
    free(*model);
    *model = NULL;
}

static uint8_t *copy_bytes(const uint8_t *bytes, size_t length)
{
    uint8_t *copy = must(malloc(length + 1));

    if (length)
        memcpy(copy, bytes, length);
    return copy;
}

struct model *model_copy(const struct model *model)
{
    struct model *copy = model_new();

    *copy = *model;
    for (size_t i = 0; i < model->file_count; i++) {
        const struct model_file *file = &model->files[i];

        copy->files[i].now = copy_bytes(file->now, file->length);
        copy->files[i].capacity = file->length;
        copy->files[i].synced = copy_bytes(file->synced, file->synced_length);
    }
    return copy;
}

/* 0, or what the operation returns instead of being done. */
static int operate(struct model *model)
{
    model->operations++;
    if (!model->stop_at || model->operations < model->stop_at)
        return 0;
    if (model->fail_for && model->operations >= model->stop_at + model->fail_for)
        return 0;
    return model->fail_with ? model->fail_with : -EIO;
}

static int find(const struct model *model, const char *name)
{
    for (size_t i = 0; i < model->file_count; i++)
        if (model->is_named[i] && strcmp(model->names[i], name) == 0)
            return (int)i;
    return -ENOENT;
}

struct model_file *model_find(struct model *model, const char *name)
{
    int index = find(model, name);

    return index < 0 ? NULL : &model->files[index];
}

const char *model_last(const struct model *model, const char *suffix)
{
    const char *last = NULL;

    for (size_t i = 0; i < model->file_count; i++) {
        const char *name = model->names[i];
        size_t length = strlen(name), tail = strlen(suffix);

        if (model->is_named[i] && length >= tail && strcmp(name + length - tail, suffix) == 0 &&
            (!last || strcmp(name, last) > 0))
            last = name;
    }
    return last;
}

void model_remove(struct model *model, const char *name)
{
    int index = find(model, name);

    if (index >= 0)
        model->is_named[index] = model->is_synced_named[index] = false;
}

static void grow(struct model_file *file, size_t length)
{
    if (length > file->capacity) {
        file->now = must(realloc(file->now, length * 2));
        file->capacity = length * 2;
    }
    if (length > file->length)
        memset(file->now + file->length, 0, length - file->length);
}

void model_cut(struct model *model, const char *name, size_t length)
{
    struct model_file *file = model_find(model, name);

    grow(file, length);
    file->length = length;
}

static int files_create(void *context, const char *name)
{
    struct model *model = context;
    size_t index = 0;
    int result = operate(model);

    if (result < 0)
        return result;
    if (find(model, name) >= 0)
        return -EEXIST;
    while (index < model->file_count && (model->is_named[index] || model->is_synced_named[index]))
        index++;
    if (index == MODEL_FILES_MAXIMUM)
        abort();
    if (index == model->file_count)
        model->file_count++;
    free(model->files[index].now);
    free(model->files[index].synced);
    model->files[index] = (struct model_file){.synced = copy_bytes(NULL, 0)};
    strcpy(model->names[index], name);
    model->is_named[index] = true;
    return (int)index;
}

static int files_open(void *context, const char *name)
{
    return find(context, name);
}

static void files_close(void *context, int handle)
{
    (void)context;
    (void)handle;
}

static ssize_t files_read(void *context, int handle, void *data, size_t length, uint64_t offset)
{
    const struct model_file *file = &((struct model *)context)->files[handle];

    if (offset >= file->length)
        return 0;
    if (length > file->length - offset)
        length = file->length - offset;
    memcpy(data, file->now + offset, length);
    return (ssize_t)length;
}

static int files_write(void *context, int handle, struct slice bytes, uint64_t offset)
{
    struct model *model = context;
    struct model_file *file = &model->files[handle];
    int result = operate(model);

    if (result < 0) { /* half of it was written all the same */
        bytes.length /= 2;
        if (!bytes.length)
            return result;
    }
    grow(file, offset + bytes.length);
    memcpy(file->now + offset, bytes.data, bytes.length);
    if (offset + bytes.length > file->length)
        file->length = offset + bytes.length;
    file->last_write_at = offset;
    file->last_write_length = bytes.length;
    return result;
}

static int files_truncate(void *context, int handle, uint64_t length)
{
    struct model *model = context;
    struct model_file *file = &model->files[handle];
    int result = operate(model);

    if (result == 0) {
        grow(file, length);
        file->length = length;
    }
    return result;
}

static int files_sync(void *context, int handle)
{
    struct model *model = context;
    struct model_file *file = &model->files[handle];
    int result = operate(model);

    if (result < 0)
        return result;
    free(file->synced);
    file->synced = copy_bytes(file->now, file->length);
    file->synced_length = file->length;
    file->last_write_length = 0;
    return 0;
}

static int64_t files_size(void *context, int handle)
{
    return (int64_t)((struct model *)context)->files[handle].length;
}

static int files_rename(void *context, const char *from, const char *to)
{
    struct model *model = context;
    int result = operate(model), index = find(model, from), old = find(model, to);

    if (result < 0 || index < 0)
        return result < 0 ? result : index;
    if (old >= 0)
        model->is_named[old] = false;
    strcpy(model->names[index], to);
    return 0;
}

static int files_unlink(void *context, const char *name)
{
    struct model *model = context;
    int result = operate(model), index = find(model, name);

    if (result < 0 || index < 0)
        return result < 0 ? result : index;
    model->is_named[index] = false;
    return 0;
}

static int files_sync_folder(void *context)
{
    struct model *model = context;
    int result = operate(model);

    if (result < 0)
        return result;
    memcpy(model->synced_names, model->names, sizeof(model->names));
    memcpy(model->is_synced_named, model->is_named, sizeof(model->is_named));
    return 0;
}

static int files_list(void *context, void (*each)(void *argument, const char *name), void *argument)
{
    const struct model *model = context;

    for (size_t i = 0; i < model->file_count; i++)
        if (model->is_named[i])
            each(argument, model->names[i]);
    return 0;
}

static void files_done(void *context)
{
    (void)context;
}

struct spool_files model_files(struct model *model)
{
    return (struct spool_files){
        model,        files_create,      files_open, files_close, files_read,
        files_write,  files_truncate,    files_sync, files_size,  files_rename,
        files_unlink, files_sync_folder, files_list, files_done,
    };
}

static void lose_data(struct model_file *file, enum model_loss loss)
{
    size_t unit = loss == MODEL_TORN_512 ? 512 : 4096, at = file->last_write_at, end, kept;
    uint8_t *torn;

    if (loss == MODEL_TORN_512 || loss == MODEL_TORN_4096) {
        /* Sectors that the write has filled to their end are there. */
        end = (at + file->last_write_length) / unit * unit;
        kept = end > file->synced_length && end <= file->length ? end : file->synced_length;
        torn = must(calloc(1, kept + 1));
        if (file->synced_length)
            memcpy(torn, file->synced, file->synced_length < kept ? file->synced_length : kept);
        if (end > at && kept == end)
            memcpy(torn + at, file->now + at, end - at);
        free(file->now);
        file->now = torn;
        file->length = file->capacity = kept;
    } else {
        free(file->now);
        file->now = copy_bytes(file->synced, file->synced_length);
        file->length = file->capacity = file->synced_length;
    }
}

void model_fail(struct model *model, enum model_loss loss)
{
    for (size_t i = 0; i < model->file_count; i++) {
        struct model_file *file = &model->files[i];

        if (loss != MODEL_KEEP_ALL && loss != MODEL_DROP_NAMES)
            lose_data(file, loss);
        free(file->synced);
        file->synced = copy_bytes(file->now, file->length);
        file->synced_length = file->length;
        file->last_write_length = 0;
    }
    if (loss != MODEL_KEEP_ALL && loss != MODEL_DROP_DATA) {
        memcpy(model->names, model->synced_names, sizeof(model->names));
        memcpy(model->is_named, model->is_synced_named, sizeof(model->is_named));
    } else {
        memcpy(model->synced_names, model->names, sizeof(model->names));
        memcpy(model->is_synced_named, model->is_named, sizeof(model->is_named));
    }
    model->stop_at = 0;
}
