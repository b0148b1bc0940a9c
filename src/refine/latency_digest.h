/*
 * latency_digest: a t-digest (Dunning and Ertl, "Computing extremely accurate quantiles using
 * t-digests", 2019): the distribution of many durations in few bytes, from which any quantile can
 * be told, most exactly near both ends, and which can be merged with others. The merging variant,
 * scale function k1, compression 100.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include "base/arena.h"
#include "base/slice.h"

enum {
    LATENCY_DIGEST_COMPRESSION = 100,
    LATENCY_DIGEST_CENTROIDS_MAXIMUM = 256, /* before what is near each other becomes one */
    LATENCY_DIGEST_HEAD_BYTES = 32,
    LATENCY_DIGEST_CENTROID_BYTES = 16,
    LATENCY_DIGEST_BYTES_MAXIMUM = LATENCY_DIGEST_HEAD_BYTES +
                                   LATENCY_DIGEST_CENTROIDS_MAXIMUM * LATENCY_DIGEST_CENTROID_BYTES,
};

struct latency_centroid {
    double mean, weight;
};

/* Zeroed: empty. It takes memory as values come. */
struct latency_digest {
    double minimum, maximum, weight;
    uint32_t count, capacity; /* of centroids */
    struct latency_centroid *centroids;
};

void latency_digest_done(struct latency_digest *digest);
/* Forgets the values and keeps the memory. */
void latency_digest_clear(struct latency_digest *digest);
/* 0, or -ENOMEM, and nothing was added. */
int latency_digest_add(struct latency_digest *digest, double value);
/* Adds all that the other one holds. 0, or -ENOMEM, and some of it may have been added. */
int latency_digest_merge(struct latency_digest *digest, const struct latency_digest *other);
/* The value below which the share lies, from 0 to 1; of an empty digest 0. */
double latency_digest_quantile(struct latency_digest *digest, double share);
/*
 * The digest as the t-digest library of its authors writes it ("verbose encoding" of its
 * MergingDigest), big endian: 1 (32 bits), minimum, maximum, compression (64-bit floating point
 * each), the number of centroids (32 bits), then weight and mean of each. How many bytes.
 */
size_t latency_digest_write(struct latency_digest *digest,
                            uint8_t bytes[LATENCY_DIGEST_BYTES_MAXIMUM]);
/* The same in base64 (RFC 4648, section 4), in the arena; no length: memory is out. */
struct slice latency_digest_text(struct latency_digest *digest, struct arena *arena);
