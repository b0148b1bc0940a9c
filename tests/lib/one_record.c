/* one_record: see the header. */
#include "tests/lib/one_record.h"
#include <stdio.h>
#include <stdlib.h>

struct record *record;
struct buffer output;

/* Programs without cmocka are linked with this, too. */
static void *need(void *memory)
{
    if (memory)
        return memory;
    fprintf(stderr, "one_record: no memory\n");
    abort();
}

enum { ARENA_BYTES = 1 << 20, OUTPUT_BYTES = 1 << 22 };

int one_record_set_up(void **state)
{
    (void)state;
    one_record_renew();
    record->is_masked = true;
    buffer_init(&output, OUTPUT_BYTES);
    return 0;
}

int one_record_tear_down(void **state)
{
    (void)state;
    record_unref(&record);
    buffer_done(&output);
    record_pool_done();
    return 0;
}

void one_record_renew(void)
{
    record_unref(&record);
    record = need(record_new(ARENA_BYTES));
}

void one_record_add_header(enum field_id field, struct slice name, struct slice value)
{
    struct header *header = need(arena_allocate(record->arena, sizeof(*header)));

    header->name = name;
    header->value = value;
    record_add_headers(record, field, header, 1);
}
