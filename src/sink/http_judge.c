/*
 * http_judge: what a status means for the records of a request (RFC 9110 §15). What says that the
 * request itself is wrong is tried in halves until the record that is to blame stands alone; what
 * says that the access is wrong is tried again for ever, since no record is to blame for it.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include "sink/http_client.h"

void http_confirm(struct sink_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++)
        batch->entries[i].verdict = SINK_DELIVERED;
}

void http_note(struct sink_batch *batch, unsigned status, struct slice text)
{
    char shown[80];
    size_t length = 0;

    for (size_t i = 0; i < text.length && length < sizeof(shown) - 1; i++)
        shown[length++] = (char)(text.data[i] < ' ' || text.data[i] > '~' ? ' ' : text.data[i]);
    shown[length] = '\0';
    snprintf(batch->reason, sizeof(batch->reason), "status %u%s%s", status, length ? ": " : "",
             shown);
}

bool http_is_page(struct slice body)
{
    static const struct slice mark = SLICE_LITERAL("\xef\xbb\xbf"); /* of UTF-8 */
    size_t at = 0;

    if (slice_is_equal(slice_part(body, 0, mark.length), mark))
        at = mark.length;
    while (at < body.length && memchr(" \t\r\n", body.data[at], 4))
        at++;
    return at + 1 < body.length && body.data[at] == '<' &&
           (body.data[at + 1] == '!' || body.data[at + 1] == '?' || isalpha(body.data[at + 1]));
}

static bool is_fault_of_request(unsigned status)
{
    return status == 400 || status == 413 || status == 415 || status == 422;
}

int http_judge_status(const struct http_answer *answer, struct sink_batch *batch)
{
    if (answer->status >= 200 && answer->status < 300) {
        http_confirm(batch);
        return 0;
    }
    http_note(batch, answer->status, answer->body);
    if (is_fault_of_request(answer->status)) {
        batch->is_too_large = true; /* alone, the record is rejected */
        return 0;
    }
    return -EPROTO;
}
