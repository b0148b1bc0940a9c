/*
 * tls: plaintext of TLS libraries. A thread finds the files that processes have mapped and puts the
 * programs of tls_library.h into them: once for each file, whoever uses it, and away again when
 * nobody does. Libraries in the usual folders have them from the start, so that nothing of a
 * program that starts later is missed. Private to capture/.
 */
#pragma once
#include "capture/program.h"

struct tls;

/* The programs and maps of this part of the object. */
bool tls_program_is(const struct bpf_program *program);
bool tls_map_is(const struct bpf_map *map);
/* Before the object is loaded: what this kernel takes. 0, or -errno and what is missing. */
int tls_prepare(struct weir *skeleton, char *message, size_t size);

/* Looks at everything that runs, then goes on in a thread. 0 or -errno. */
int tls_new(struct weir *skeleton, struct tls **ret_tls);
/* Ends the thread and takes all programs out of the files. */
void tls_free(struct tls **tls);
/* What is taken now: all but `why_not`. */
void tls_read(struct tls *tls, struct capture_tls *ret_state);
