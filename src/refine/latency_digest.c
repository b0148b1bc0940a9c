/* latency_digest: centroids are appended, and merged in order of their means when there is no room.
 */
#include "refine/latency_digest.h"
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/allocate.h"

enum { FIRST_CAPACITY = 4, ENCODING_VERBOSE = 1 };

void latency_digest_done(struct latency_digest *digest)
{
    deallocate(digest->centroids);
    memset(digest, 0, sizeof(*digest));
}

void latency_digest_clear(struct latency_digest *digest)
{
    digest->minimum = digest->maximum = digest->weight = 0;
    digest->count = 0;
}

static int compare(const void *a, const void *b)
{
    double left = ((const struct latency_centroid *)a)->mean;
    double right = ((const struct latency_centroid *)b)->mean;

    return (left > right) - (left < right);
}

/* Up to which share a centroid may go that begins at this one: one step of the scale k1. */
static double limit_of(double share)
{
    double step = 2 * M_PI / LATENCY_DIGEST_COMPRESSION;
    double angle = asin(2 * share - 1) + step;

    return angle >= M_PI / 2 ? 1 : (sin(angle) + 1) / 2;
}

/* Sorts, and joins neighbours as far as the scale allows. */
static void compress(struct latency_digest *digest)
{
    struct latency_centroid *all = digest->centroids;
    double before = 0, limit;
    uint32_t last = 0;

    if (digest->count < 2)
        return;
    qsort(all, digest->count, sizeof(*all), compare);
    limit = limit_of(0) * digest->weight;
    for (uint32_t i = 1; i < digest->count; i++) {
        struct latency_centroid *into = &all[last];
        double weight = into->weight + all[i].weight;

        if (before + weight <= limit) {
            into->mean += (all[i].mean - into->mean) * (all[i].weight / weight);
            into->weight = weight;
            continue;
        }
        before += into->weight;
        limit = limit_of(before / digest->weight) * digest->weight;
        all[++last] = all[i];
    }
    digest->count = last + 1;
}

/* Room for one more. The limit is more than what is left of any number of values. */
static int make_room(struct latency_digest *digest)
{
    uint32_t capacity = digest->capacity ? digest->capacity * 4 : FIRST_CAPACITY;
    struct latency_centroid *grown;

    if (digest->count < digest->capacity)
        return 0;
    if (digest->capacity == LATENCY_DIGEST_CENTROIDS_MAXIMUM) {
        compress(digest);
        return 0;
    }
    grown = reallocate(digest->centroids, capacity * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    digest->centroids = grown;
    digest->capacity = capacity;
    return 0;
}

static int add(struct latency_digest *digest, double mean, double weight)
{
    int result = make_room(digest);

    if (result)
        return result;
    digest->centroids[digest->count++] = (struct latency_centroid){mean, weight};
    digest->weight += weight;
    return 0;
}

int latency_digest_add(struct latency_digest *digest, double value)
{
    bool is_first = digest->count == 0;
    int result = add(digest, value, 1);

    if (result)
        return result;
    if (is_first || value < digest->minimum)
        digest->minimum = value;
    if (is_first || value > digest->maximum)
        digest->maximum = value;
    return 0;
}

int latency_digest_merge(struct latency_digest *digest, const struct latency_digest *other)
{
    bool is_first = digest->count == 0;

    if (!other->count)
        return 0;
    if (is_first || other->minimum < digest->minimum)
        digest->minimum = other->minimum;
    if (is_first || other->maximum > digest->maximum)
        digest->maximum = other->maximum;
    for (uint32_t i = 0; i < other->count; i++) {
        int result = add(digest, other->centroids[i].mean, other->centroids[i].weight);

        if (result)
            return result;
    }
    return 0;
}

/* Between two points: (position, value). */
static double between(double at, double left, double left_value, double right, double right_value)
{
    if (right <= left)
        return right_value;
    return left_value + (right_value - left_value) * (at - left) / (right - left);
}

/* Half of a centroid's weight lies on each side of its mean; the ends are known exactly. */
double latency_digest_quantile(struct latency_digest *digest, double share)
{
    double at = share * digest->weight, before = 0, place = 0, value = digest->minimum;

    compress(digest);
    if (!digest->count || share <= 0)
        return digest->minimum;
    if (share >= 1)
        return digest->maximum;
    for (uint32_t i = 0; i < digest->count; i++) {
        const struct latency_centroid *centroid = &digest->centroids[i];
        double middle = before + centroid->weight / 2;

        if (at < middle)
            return between(at, place, value, middle, centroid->mean);
        before += centroid->weight;
        place = middle;
        value = centroid->mean;
    }
    return between(at, place, value, digest->weight, digest->maximum);
}

static uint8_t *put_word(uint8_t *at, uint32_t word)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        *at++ = (uint8_t)(word >> shift);
    return at;
}

static uint8_t *put_double(uint8_t *at, double number)
{
    uint64_t bits;

    memcpy(&bits, &number, sizeof(bits));
    return put_word(put_word(at, (uint32_t)(bits >> 32)), (uint32_t)bits);
}

size_t latency_digest_write(struct latency_digest *digest,
                            uint8_t bytes[LATENCY_DIGEST_BYTES_MAXIMUM])
{
    uint8_t *at = put_word(bytes, ENCODING_VERBOSE);

    compress(digest);
    at = put_double(put_double(at, digest->minimum), digest->maximum);
    at = put_word(put_double(at, LATENCY_DIGEST_COMPRESSION), digest->count);
    for (uint32_t i = 0; i < digest->count; i++)
        at = put_double(put_double(at, digest->centroids[i].weight), digest->centroids[i].mean);
    return (size_t)(at - bytes);
}

static struct slice base64(struct arena *arena, struct slice bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t length = (bytes.length + 2) / 3 * 4;
    uint8_t *text = arena_allocate(arena, length), *at = text;

    for (size_t i = 0; text && i < bytes.length; i += 3) {
        struct slice part = slice_part(bytes, i, 3);
        uint32_t word = (uint32_t)part.data[0] << 16;

        if (part.length > 1)
            word |= (uint32_t)part.data[1] << 8;
        if (part.length > 2)
            word |= part.data[2];
        *at++ = (uint8_t)digits[word >> 18];
        *at++ = (uint8_t)digits[word >> 12 & 63];
        *at++ = (uint8_t)(part.length > 1 ? digits[word >> 6 & 63] : '=');
        *at++ = (uint8_t)(part.length > 2 ? digits[word & 63] : '=');
    }
    return text ? slice_of(text, length) : (struct slice){NULL, 0};
}

struct slice latency_digest_text(struct latency_digest *digest, struct arena *arena)
{
    uint8_t bytes[LATENCY_DIGEST_BYTES_MAXIMUM];

    return base64(arena, slice_of(bytes, latency_digest_write(digest, bytes)));
}
