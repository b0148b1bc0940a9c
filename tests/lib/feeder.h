/*
 * feeder: a source for tests. It plays conversations to track/streams, cut in any way, and keeps
 * the records that come out.
 */
#pragma once
#include "track/streams.h"

enum { FEEDER_RECORDS_MAXIMUM = 8192 };

struct feeder {
    struct streams *streams;
    struct stream_listener listener;
    struct record *records[FEEDER_RECORDS_MAXIMUM];
    size_t record_count;
    uint64_t positions[2]; /* of connection 1 */
    uint64_t time_ns;
    bool is_datagram; /* connection 1, when it is opened, is UDP: each step is one datagram */
};

/* One step of a conversation: bytes in one direction, or its end. */
struct feeder_step {
    /* '>' A to B, '<' B to A, '}' A has ended, '{' B has ended, 0: last step; as the first step
       'D': the others are datagrams */
    char way;
    const char *text; /* may be NULL for the ends */
    size_t length;    /* 0: strlen(text) */
};

struct conversation {
    const char *parser; /* name in parsers.def's table */
    const char *name;
    const struct feeder_step *steps;
};

/* A step whose text holds zero bytes. */
#define FEEDER_STEP(way, text)                                                                     \
    {                                                                                              \
        way, text, sizeof(text) - 1                                                                \
    }

/* Ends with name NULL. Each is well formed, and starts with the client in direction A to B. */
extern const struct conversation conversations[];

/* How a step's bytes are cut: the length of the next piece (at least 1). */
typedef size_t (*feeder_cut)(void *context, size_t left);

/* 0, or -ENOMEM. `options`: NULL for the defaults; on_record is the feeder's. */
int feeder_init(struct feeder *feeder, const struct streams_options *options);
void feeder_done(struct feeder *feeder);
void feeder_open(struct feeder *feeder);
/* Bytes of connection 1; position and time move on. */
void feeder_send(struct feeder *feeder, enum direction direction, struct slice bytes);
/* The same out of memory of their own, so that sanitizers see a read past their end. */
void feeder_send_copy(struct feeder *feeder, enum direction direction, struct slice bytes);
/* So many bytes of connection 1 go by unseen, as the kernel passes over bodies. */
void feeder_pass(struct feeder *feeder, enum direction direction, uint64_t count);
void feeder_close(struct feeder *feeder);
/* Bytes of the step. */
size_t feeder_step_length(const struct feeder_step *step);
/* Open, all steps, close. `cut` NULL: each step in one piece. */
void feeder_play(struct feeder *feeder, const struct feeder_step *steps, feeder_cut cut,
                 void *context);
/* All fields but times and ids, flags, as lines of text; a NUL-terminated string to free(). */
char *feeder_describe(const struct feeder *feeder);
/* A value as text: numbers in decimal, headers as "name: value\n". NULL: absent. To free(). */
char *feeder_value(const struct record *record, const char *field);
/* seen = handed on + lost. */
bool feeder_is_balanced(const struct feeder *feeder);
/* For the end of all tests: records' memory is given back. */
int feeder_finish(void **state);
