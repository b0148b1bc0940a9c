/*
 * model_files: a file system in memory that forgets, as a disk does when the power fails, what was
 * not synced. It numbers every operation that changes something; a run can be stopped at any.
 */
#pragma once
#include "sink/spool_files.h"

enum { MODEL_FILES_MAXIMUM = 64, MODEL_NAME_BYTES = 64 };

/* What survives of writes that were not synced. */
enum model_loss {
    MODEL_KEEP_ALL,
    MODEL_DROP_ALL,   /* data and names that were not synced are gone */
    MODEL_DROP_DATA,  /* names are there, their data not */
    MODEL_DROP_NAMES, /* the other way round */
    MODEL_TORN_512,   /* as MODEL_DROP_ALL, but of the last write whole sectors of 512 bytes */
    MODEL_TORN_4096,  /* the same with 4096 */
    MODEL_REORDERED,  /* each sector of 512 bytes and each name by itself, as `random` decides */
    MODEL_LOSSES
};

struct model_file {
    uint8_t *now, *synced;
    size_t length, synced_length, capacity;
    size_t last_write_at, last_write_length;
};

struct model {
    struct model_file files[MODEL_FILES_MAXIMUM];
    /* names, as they are now and as they are on the disk: index of the file + 1, 0: free */
    char names[MODEL_FILES_MAXIMUM][MODEL_NAME_BYTES];
    char synced_names[MODEL_FILES_MAXIMUM][MODEL_NAME_BYTES];
    bool is_named[MODEL_FILES_MAXIMUM], is_synced_named[MODEL_FILES_MAXIMUM];
    size_t file_count;
    uint64_t operations; /* that changed something, so far */
    uint64_t stop_at;    /* from this one on nothing works any more: -EIO; 0: never */
    int fail_with;       /* what operations return instead of -EIO; 0: -EIO */
    uint64_t fail_for;   /* so many operations fail from stop_at on; 0: all */
    uint64_t random;     /* for MODEL_REORDERED; not 0 */
    const char *refused; /* opening this name says -EPERM: it is somebody else's; NULL: none */
    /* Before each operation that changes something. May be NULL; copies have none. */
    void (*on_operation)(struct model *model, void *context);
    void *context;
};

struct model *model_new(void);
void model_free(struct model **model);
/* The power fails: the model is what a disk holds afterwards. Works again. */
void model_fail(struct model *model, enum model_loss loss);
/* A copy of all. */
struct model *model_copy(const struct model *model);

struct spool_files model_files(struct model *model);

/* The file of that name, or NULL. */
struct model_file *model_find(struct model *model, const char *name);
/* The last name in order that ends so, or NULL. */
const char *model_last(const struct model *model, const char *suffix);
void model_remove(struct model *model, const char *name);
/* Another length; what is new is zero. */
void model_cut(struct model *model, const char *name, size_t length);
