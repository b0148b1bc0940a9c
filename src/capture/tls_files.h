/*
 * tls_files: the files that processes have mapped, each once however many use it, with the programs
 * that stand in it. Private to capture/.
 */
#pragma once
#include <pthread.h>
#include "base/table.h"
#include "capture/program.h"
#include "capture/tls_library.h"

enum {
    TLS_FILES_MAXIMUM = 65536, /* that are remembered, most of them as no TLS library */
    TLS_KEEP_PASSES = 2,       /* a file that nobody uses keeps its programs for so long */
};

struct tls_file;

struct tls_files {
    struct weir *skeleton;
    struct table files; /* by what identifies a file: see tls_files_use */
    struct tls_file *first;
    uint64_t pass;
    size_t loaders;                       /* dynamic linkers among them */
    pthread_mutex_t lock;                 /* of what follows: other threads read it */
    size_t counts[TLS_LIBRARIES_MAXIMUM]; /* files with programs, in the order of tls_libraries */
    uint64_t refused_count;               /* TLS libraries that could not be given their programs */
    char refused[200];                    /* the last of them, and why */
};

void tls_files_init(struct tls_files *files, struct weir *skeleton);
void tls_files_done(struct tls_files *files);
/*
 * A process has this file mapped, or it stands in a folder of libraries. `path` opens it, `name` is
 * its name without folders. Programs are put into it when it is a TLS library that has none.
 */
void tls_files_use(struct tls_files *files, const char *path, const char *name, bool is_program);
/* Could a file of that name be a library of the table, or a dynamic linker? */
bool tls_files_are_named(const char *name);
/* A look at everything begins, or is over: then what was not used for long goes. */
void tls_files_begin(struct tls_files *files);
void tls_files_sweep(struct tls_files *files);
/* For any thread: the files and the refused ones. */
void tls_files_read(struct tls_files *files, struct capture_tls *ret_state);
