/* observer_rows: a table by hash, with chains of what has the same one. */
#include "refine/observer_rows.h"
#include <errno.h>
#include "base/allocate.h"
#include "base/table.h"

struct observer_rows {
    struct table tables[2]; /* calls, statistics */
    uint64_t limits[OBSERVER_KIND_COUNT][2], counts[OBSERVER_KIND_COUNT][2];
    struct observer_row *closed, **last;
    uint8_t key[OBSERVER_KEY_BYTES];
};

int observer_rows_new(const uint64_t limits[OBSERVER_KIND_COUNT][2],
                      struct observer_rows **ret_rows)
{
    struct observer_rows *rows = allocate_zeroed(sizeof(*rows));
    size_t all[2] = {0};

    if (!rows)
        return -ENOMEM;
    memcpy(rows->limits, limits, sizeof(rows->limits));
    for (size_t i = 0; i < (size_t)OBSERVER_KIND_COUNT * 2; i++)
        all[i / 2 == OBSERVER_STATISTICS] += limits[i / 2][i % 2];
    table_init(&rows->tables[0], all[0]);
    table_init(&rows->tables[1], all[1]);
    rows->last = &rows->closed;
    *ret_rows = rows;
    return 0;
}

void observer_row_free(struct observer_row **row)
{
    if (*row)
        latency_digest_done(&(*row)->digest);
    deallocate(*row);
    *row = NULL;
}

void observer_rows_free(struct observer_rows **rows)
{
    struct observer_row *row;

    if (!*rows)
        return;
    observer_rows_close(*rows, true, 0, 0);
    observer_rows_close(*rows, false, 0, 0);
    while ((row = observer_rows_next(*rows)))
        observer_row_free(&row);
    deallocate(*rows);
    *rows = NULL;
}

/* FNV-1a, 64 bits; rows are few enough that chains cost nothing. */
static uint64_t hash_of(const uint8_t *bytes, size_t length)
{
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ bytes[i]) * 1099511628211u;
    return hash;
}

static struct observer_row *make(struct observer_rows *rows, const struct observer_view *view,
                                 uint64_t hash, size_t length, struct observer_row *chain)
{
    struct observer_row *row = allocate_zeroed(sizeof(*row) + length);

    if (!row)
        return NULL;
    row->hash = hash;
    row->kind = (uint8_t)view->kind;
    row->is_server = view->is_server;
    row->is_cut = view->is_cut;
    row->key_length = (uint32_t)length;
    memcpy(row->key, rows->key, length);
    row->next_of_hash = chain;
    if (table_set(&rows->tables[view->kind == OBSERVER_STATISTICS], hash, row) < 0) {
        deallocate(row);
        return NULL;
    }
    rows->counts[view->kind][view->is_server]++;
    return row;
}

struct observer_row *observer_rows_get(struct observer_rows *rows, const struct observer_view *view,
                                       enum observer_verdict *ret_verdict)
{
    size_t length = observer_key_write(view, rows->key);
    uint64_t hash = hash_of(rows->key, length);
    struct observer_row *chain = table_find(&rows->tables[view->kind == OBSERVER_STATISTICS], hash);
    struct observer_row *row = chain;

    while (row && (row->kind != view->kind || row->key_length != length ||
                   memcmp(row->key, rows->key, length) != 0))
        row = row->next_of_hash;
    if (row)
        return row;
    *ret_verdict = OBSERVER_FULL;
    if (rows->counts[view->kind][view->is_server] >= rows->limits[view->kind][view->is_server])
        return NULL;
    *ret_verdict = OBSERVER_NO_MEMORY;
    return make(rows, view, hash, length, chain);
}

void observer_rows_close(struct observer_rows *rows, bool with_statistics, uint64_t time_ns,
                         uint64_t interval_ns)
{
    struct table *table = &rows->tables[with_statistics];

    for (size_t i = 0; i < table->capacity; i++) {
        struct observer_row *row = table->slots[i].value;

        for (; row; row = row->next_of_hash) {
            rows->counts[row->kind][row->is_server]--;
            row->time_ns = time_ns;
            row->interval_ns = interval_ns;
            *rows->last = row;
            rows->last = &row->next;
        }
    }
    table_done(table);
}

struct observer_row *observer_rows_next(struct observer_rows *rows)
{
    struct observer_row *row = rows->closed;

    if (!row)
        return NULL;
    rows->closed = row->next;
    if (!rows->closed)
        rows->last = &rows->closed;
    return row;
}
