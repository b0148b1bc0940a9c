/*
 * pretty_db: a database's or broker's call: what was asked, what came back, how long it took:
 * postgresql SELECT name FROM users WHERE id = ? 1 row 1.23ms
 * kafka Produce orders OK 1.23ms
 */
#include "encode/pretty.h"

static void put_number(struct pretty_line *line, enum field_id field, const char *unit)
{
    const struct value *value = pretty_find(line, field);

    if (!value)
        return;
    pretty_put(line, " ");
    writer_number(&line->writer, value->number);
    pretty_put(line, unit);
}

/* The error, or that there was none. */
static void put_result(struct pretty_line *line)
{
    bool has_error = pretty_find(line, FIELD_ERROR_MESSAGE) ||
                     pretty_find(line, FIELD_DB_RESPONSE_STATUS_CODE) ||
                     pretty_find(line, FIELD_ERROR_CODE);

    pretty_colour(line, has_error ? PRETTY_RED : PRETTY_GREEN);
    if (has_error) {
        pretty_word(line, FIELD_DB_RESPONSE_STATUS_CODE);
        put_number(line, FIELD_ERROR_CODE, "");
        pretty_word(line, FIELD_ERROR_MESSAGE);
    } else {
        pretty_put(line, pretty_find(line, FIELD_DURATION_NS) ? " OK" : " ---");
    }
    pretty_colour(line, PRETTY_RESET);
    put_number(line, FIELD_DB_RESPONSE_RETURNED_ROWS, " returned");
    put_number(line, FIELD_DB_RESPONSE_AFFECTED_ROWS, " affected");
}

void pretty_db(struct pretty_line *line)
{
    const struct value *duration = pretty_find(line, FIELD_DURATION_NS);
    const struct value *topics = pretty_find(line, FIELD_KAFKA_TOPICS);
    bool has_text = pretty_find(line, FIELD_DB_QUERY_TEXT);

    pretty_word(line, FIELD_TYPE);
    pretty_colour(line, PRETTY_BOLD);
    pretty_word(line, has_text ? FIELD_DB_QUERY_TEXT : FIELD_DB_OPERATION_NAME);
    pretty_word(line, FIELD_MESSAGING_OPERATION_NAME);
    pretty_colour(line, PRETTY_RESET);
    pretty_word(line, FIELD_MESSAGING_DESTINATION_NAME);
    for (uint32_t i = 0; topics && i < topics->count; i++) {
        pretty_put(line, i ? "," : " ");
        writer_escaped(&line->writer, topics->texts[i], WRITER_PLAIN);
    }
    pretty_word(line, FIELD_MESSAGING_CONSUMER_GROUP_NAME);
    put_result(line);
    if (duration) {
        pretty_put(line, " ");
        pretty_duration(line, duration->number);
    }
}
