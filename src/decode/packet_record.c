#include "decode/packet_record.h"

enum { RECORD_BYTES = 64 * 1024 };

struct record *packet_record_make(const struct packet *packet,
                                  const struct packet_record_options *options)
{
    struct record *record = record_new(RECORD_BYTES);

    if (!record)
        return NULL;
    record->time_ns = packet->frame->time_ns;
    record_add_number(record, FIELD_TIME, record->time_ns);
    record_add_text(record, FIELD_TYPE, SLICE_LITERAL("packet"));
    record_add_number(record, FIELD_ID, options->id);
    record_add_text(record, FIELD_SOURCE, slice_of_string(options->source));
    record_add_text(record, FIELD_ROLE, SLICE_LITERAL("observer"));
    return record;
}
