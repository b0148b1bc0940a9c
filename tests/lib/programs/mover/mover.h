/* mover: what its files share. See main.c for what it does. */
#pragma once
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { IOVEC_MAXIMUM = 1024, MESSAGE_MAXIMUM = 64 };
enum vector_call { VECTOR_SYSTEM, VECTOR_MESSAGE };

/* Moves `count` bytes; false: this kernel does not offer the way. */
struct way {
    const char *name;
    bool (*move)(char *data, size_t count, size_t argument);
};
extern const struct way send_ways[], receive_ways[]; /* end with a NULL name */

extern int fd; /* the socket */

/* Ends the program. */
void fail(const char *what);
size_t smaller(size_t a, size_t b);
/* Blocks until the socket is ready; a timeout is an error, never a hang of the whole test. */
void wait_for(unsigned events);
void set_blocking(bool is_blocking);

/* Cuts [data, data + count) into at most `pieces` iovecs of uneven length. */
int cut(char *data, size_t count, size_t pieces, struct iovec *iovecs);
/* Two iovecs with the boundary at `position`, and an empty one between them. */
int cut_at(char *data, size_t count, size_t position, struct iovec *iovecs);
/* readv/writev or recvmsg/sendmsg until all iovecs are done. */
void move_vector(bool is_send, enum vector_call call, struct iovec *iovecs, int count);
void move_messages(bool is_send, char *data, size_t count, size_t pieces);
/* One io_uring operation after another until all bytes are moved. */
bool move_by_ring(int opcode, char *data, size_t count);
