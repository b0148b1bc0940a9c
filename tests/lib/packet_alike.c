#include "tests/lib/packet_alike.h"

static bool is_same_layer(const struct packet_layer *a, const struct packet_layer *b)
{
    return a->kind == b->kind && a->depth == b->depth && a->detail == b->detail &&
           a->header.data == b->header.data && a->header.length == b->header.length;
}

bool packet_is_alike(const struct packet *a, const struct packet *b)
{
    size_t start = offsetof(struct packet, layer_count);

    if (a->frame != b->frame || a->state != b->state || a->reason != b->reason ||
        a->layer_count != b->layer_count)
        return false;
    for (size_t i = 0; i < a->layer_count; i++)
        if (!is_same_layer(&a->layers[i], &b->layers[i]))
            return false;
    /* Padding included: the decoder begins with zeros. */
    return memcmp((const uint8_t *)a + start, (const uint8_t *)b + start, sizeof(*a) - start) == 0;
}
