/*
 * pretty_dns: type and name asked for, the response code, how long it took, and the first answers:
 * dns A www.example.org NOERROR 12.3ms 192.0.2.1 192.0.2.2 +3
 */
#include "encode/pretty.h"

enum { ANSWERS_SHOWN = 4 };

static void put_code(struct pretty_line *line)
{
    const struct value *code = pretty_find(line, FIELD_DNS_RESPONSE_CODE);
    bool is_good = code && slice_is_equal(code->text, SLICE_LITERAL("NOERROR"));
    bool is_none = code && slice_is_equal(code->text, SLICE_LITERAL("NXDOMAIN"));

    pretty_colour(line, is_good ? PRETTY_GREEN : is_none ? PRETTY_YELLOW : PRETTY_RED);
    pretty_put(line, code ? " " : " ---");
    pretty_text(line, FIELD_DNS_RESPONSE_CODE);
    pretty_colour(line, PRETTY_RESET);
}

void pretty_dns(struct pretty_line *line)
{
    const struct value *opcode = pretty_find(line, FIELD_DNS_OPCODE);
    const struct value *duration = pretty_find(line, FIELD_DURATION_NS);
    const struct value *answers = pretty_find(line, FIELD_DNS_ANSWERS);
    bool is_query = opcode && slice_is_equal(opcode->text, SLICE_LITERAL("QUERY"));

    pretty_word(line, FIELD_NETWORK_PROTOCOL_NAME);
    if (!is_query)
        pretty_word(line, FIELD_DNS_OPCODE);
    pretty_colour(line, PRETTY_BOLD);
    pretty_word(line, FIELD_DNS_QUESTION_TYPE);
    pretty_colour(line, PRETTY_RESET);
    pretty_word(line, FIELD_DNS_QUESTION_NAME);
    put_code(line);
    if (duration) {
        pretty_put(line, " ");
        pretty_duration(line, duration->number);
    }
    for (uint32_t i = 0; answers && i < answers->count && i < ANSWERS_SHOWN; i++) {
        pretty_put(line, " ");
        pretty_member(line, &answers->objects[i], "data");
    }
    if (answers && answers->count > ANSWERS_SHOWN) {
        pretty_put(line, " +");
        writer_number(&line->writer, answers->count - ANSWERS_SHOWN);
    }
}

static void put_member(struct pretty_line *line, const struct object *object, const char *name,
                       bool is_further)
{
    for (uint32_t i = 0; i < object->count; i++) {
        if (strcmp(object->members[i].name, name) != 0)
            continue;
        pretty_put(line, is_further ? " " : "");
        pretty_member(line, object, name);
    }
}

static void put_entries(struct pretty_line *line, enum field_id field, const char *mark)
{
    static const char *const members[] = {"name",     "ttl",    "class", "type", "preference",
                                          "priority", "weight", "port",  "data"};
    const struct value *entries = pretty_find(line, field);

    for (uint32_t i = 0; entries && i < entries->count; i++) {
        pretty_put(line, "    ");
        pretty_put(line, mark);
        for (size_t j = 0; j < sizeof(members) / sizeof(*members); j++)
            put_member(line, &entries->objects[i], members[j], j > 0);
        pretty_put(line, "\n");
    }
}

void pretty_dns_details(struct pretty_line *line)
{
    put_entries(line, FIELD_DNS_REQUEST_ANSWERS, "> ");
    put_entries(line, FIELD_DNS_REQUEST_AUTHORITIES, "> ");
    put_entries(line, FIELD_DNS_REQUEST_ADDITIONALS, "> ");
    put_entries(line, FIELD_DNS_ANSWERS, "< ");
    put_entries(line, FIELD_DNS_AUTHORITIES, "< ");
    put_entries(line, FIELD_DNS_ADDITIONALS, "< ");
}
