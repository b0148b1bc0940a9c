/*
 * fuzz_query: any text as a filter expression; what compiles is evaluated and asked for its
 * prefilter.
 */
#include "model/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct record *record;
    static struct header header = {{(const uint8_t *)"Host", 4}, {(const uint8_t *)"h", 1}};
    static struct address address;
    struct prefilter prefilter;
    struct query_error error;
    struct query *query;

    if (!record) {
        record = record_new(65536);
        if (!record || address_parse(SLICE_LITERAL("10.0.0.1"), &address) < 0)
            return 0;
        record->time_ns = 1704067200000000000u;
        record_add_text(record, FIELD_URL_PATH, SLICE_LITERAL("/a/b/c"));
        record_add_number(record, FIELD_SERVER_PORT, 80);
        record_add_address(record, FIELD_SERVER_ADDRESS, &address);
        record_add_headers(record, FIELD_HTTP_REQUEST_HEADERS, &header, 1);
    }
    if (query_compile(slice_of(data, size), &query, &error) < 0)
        return 0;
    query_matches(query, record);
    query_prefilter(query, &prefilter);
    query_free(&query);
    return 0;
}
