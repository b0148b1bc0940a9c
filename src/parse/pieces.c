/* pieces: see pieces.h. */
#include "parse/pieces.h"
#include <errno.h>

/* Adds a piece to those that are there; false: too many do not touch. */
static bool add(struct pieces *pieces, struct piece piece)
{
    struct piece *list = pieces->list;
    size_t first = 0, behind;

    while (first < pieces->count && list[first].end < piece.start)
        first++;
    for (behind = first; behind < pieces->count && list[behind].start <= piece.end; behind++) {
        piece.start = piece.start < list[behind].start ? piece.start : list[behind].start;
        piece.end = piece.end > list[behind].end ? piece.end : list[behind].end;
    }
    if (behind == first && pieces->count == PIECES_MAXIMUM)
        return false;
    memmove(&list[first + 1], &list[behind], (pieces->count - behind) * sizeof(*list));
    pieces->count += 1 + first - behind;
    list[first] = piece;
    return true;
}

int pieces_put(struct pieces *pieces, size_t maximum, uint64_t offset, struct slice data)
{
    struct buffer *bytes = &pieces->bytes;

    if (offset > maximum || data.length > maximum - offset)
        return -E2BIG;
    size_t start = (size_t)offset, end = start + data.length;
    if (data.length == 0)
        return 0;
    if (!bytes->maximum)
        buffer_init(bytes, maximum);
    if (end > bytes->length) {
        if (buffer_reserve(bytes, end - bytes->length) < 0)
            return -ENOMEM;
        memset(bytes->data + bytes->length, 0, end - bytes->length);
        bytes->length = end;
    }
    if (!add(pieces, (struct piece){start, end}))
        return -E2BIG;
    memcpy(bytes->data + start, data.data, data.length);
    return 0;
}

struct slice pieces_there(const struct pieces *pieces)
{
    bool has_start = pieces->count && pieces->list[0].start == 0;

    return slice_part(buffer_slice(&pieces->bytes), 0, has_start ? pieces->list[0].end : 0);
}

void pieces_done(struct pieces *pieces)
{
    buffer_done(&pieces->bytes);
    *pieces = (struct pieces){.count = 0};
}
