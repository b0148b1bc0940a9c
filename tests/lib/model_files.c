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
    copy->on_operation = NULL;
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
    if (model->on_operation)
        model->on_operation(model, model->context);
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
    const struct model *model = context;

    return model->refused && strcmp(model->refused, name) == 0 ? -EPERM : find(model, name);
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

/* xorshift64*: the same cases in every run. */
static uint64_t roll(struct model *model)
{
    model->random ^= model->random >> 12;
    model->random ^= model->random << 25;
    model->random ^= model->random >> 27;
    return model->random * 0x2545f4914f6cdd1du >> 33;
}

/* Of what was not synced each sector is there or not, and the file has any length in between. */
static void reorder_data(struct model *model, struct model_file *file)
{
    enum { SECTOR = 512 };
    size_t most = file->length > file->synced_length ? file->length : file->synced_length;
    size_t least = file->length < file->synced_length ? file->length : file->synced_length;
    size_t length = least + roll(model) % (most - least + 1);
    uint8_t *bytes = must(calloc(1, most + 1));

    for (size_t at = 0; at < length; at += SECTOR) {
        bool is_new = roll(model) & 1;
        const uint8_t *from = is_new ? file->now : file->synced;
        size_t end = is_new ? file->length : file->synced_length;

        end = end < at + SECTOR ? end : at + SECTOR;
        if (end > at)
            memcpy(bytes + at, from + at, end - at);
    }
    free(file->now);
    file->now = bytes;
    file->length = file->capacity = length;
}

/* Is a file of that name to be replaced by another, which a rename does as a whole? */
static int replacement(const struct model *model, size_t old)
{
    int now = model->is_synced_named[old] ? find(model, model->synced_names[old]) : -ENOENT;

    return now == (int)old ? -ENOENT : now;
}

/* The name of file `index` is what it was before. */
static void take_back(struct model *model, size_t index)
{
    memcpy(model->names[index], model->synced_names[index], MODEL_NAME_BYTES);
    model->is_named[index] = model->is_synced_named[index];
}

/* Each name that was made, changed or removed since the folder was synced: before or after. */
static void reorder_names(struct model *model)
{
    int replaced_by[MODEL_FILES_MAXIMUM];
    bool is_decided[MODEL_FILES_MAXIMUM] = {false};

    for (size_t i = 0; i < model->file_count; i++)
        replaced_by[i] = replacement(model, i);
    for (size_t i = 0; i < model->file_count; i++)
        if (replaced_by[i] >= 0) {
            is_decided[i] = is_decided[replaced_by[i]] = true;
            if (roll(model) & 1)
                continue;
            take_back(model, (size_t)replaced_by[i]);
            take_back(model, i);
        }
    for (size_t i = 0; i < model->file_count; i++)
        if (!is_decided[i] && roll(model) & 1)
            take_back(model, i);
}

void model_fail(struct model *model, enum model_loss loss)
{
    for (size_t i = 0; i < model->file_count; i++) {
        struct model_file *file = &model->files[i];

        if (loss == MODEL_REORDERED)
            reorder_data(model, file);
        else if (loss != MODEL_KEEP_ALL && loss != MODEL_DROP_NAMES)
            lose_data(file, loss);
        free(file->synced);
        file->synced = copy_bytes(file->now, file->length);
        file->synced_length = file->length;
        file->last_write_length = 0;
    }
    if (loss == MODEL_REORDERED)
        reorder_names(model);
    if (loss != MODEL_KEEP_ALL && loss != MODEL_DROP_DATA && loss != MODEL_REORDERED) {
        memcpy(model->names, model->synced_names, sizeof(model->names));
        memcpy(model->is_named, model->is_synced_named, sizeof(model->is_named));
    } else {
        memcpy(model->synced_names, model->names, sizeof(model->names));
        memcpy(model->is_synced_named, model->is_named, sizeof(model->is_named));
    }
    model->stop_at = 0;
}
