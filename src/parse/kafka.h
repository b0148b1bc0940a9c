/*
 * kafka: what the files of the Kafka parser share. Private to parse/kafka*.c.
 *
 *   kafka.c         frames of both sides, pairing by correlation id, and the parser's table
 *   kafka_api.c     the APIs: names, versions, and where their bodies have what is recorded
 *   kafka_body.c    reads a body by its description
 */
#pragma once
#include "base/reader.h"
#include "parse/calls.h"
#include "parse/frames.h"

enum {
    KAFKA_KEPT = 16 * 1024,     /* bytes of a message that are looked at; records are skipped */
    KAFKA_TOPICS_MAXIMUM = 64,  /* topics of one call that are listed */
    KAFKA_CLIENT_MAXIMUM = 255, /* bytes of a client id, to recognise the protocol */
    KAFKA_VERSION_MAXIMUM = 30, /* no API has so many versions */
    KAFKA_API_MAXIMUM = 100,    /* keys that may be an API's */
    KAFKA_NAME_MAXIMUM = 249,   /* bytes of a topic's or group's name */
};

enum { KAFKA_PRODUCE = 0, KAFKA_SASL_HANDSHAKE = 17, KAFKA_API_VERSIONS = 18 };

struct kafka_api {
    const char *name;    /* NULL: not known */
    int16_t flexible;    /* first version with compact fields and tags; -1: none */
    const char *request; /* see kafka_body.c; NULL: nothing of interest */
    const char *response;
};

/* What a body told. Slices point into it. */
struct kafka_body {
    struct slice topics[KAFKA_TOPICS_MAXIMUM];
    uint32_t topic_count;
    uint64_t topics_announced, topics_read; /* by the arrays' counts; of them, repeats too */
    bool has_more_topics;
    bool is_topic_id[KAFKA_TOPICS_MAXIMUM]; /* 16 bytes in place of a name */
    struct slice group, key, message;
    int key_type;
    bool has_acks;
    int16_t acks;
    int16_t error; /* the first that is not 0 */
    bool is_short; /* the description leads beyond the bytes */
};

/* NULL: no such API. */
const struct kafka_api *kafka_api_find(int key);
bool kafka_api_is_flexible(const struct kafka_api *api, int version);
/* "LEADER_NOT_AVAILABLE"; NULL: not known. */
const char *kafka_error_name(int code);

/* Reads what the description names. */
void kafka_body_read(struct reader *reader, const char *description, int version, bool is_flexible,
                     struct kafka_body *body);
/* Tagged fields behind a header. */
void kafka_body_skip_tags(struct reader *reader);
