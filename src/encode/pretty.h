/*
 * pretty: what the files of the encoder for people share. Private to encode/pretty*.c.
 *
 *   pretty.c         the line, and records of HTTP, connections and the rest
 *   pretty_line.c    parts of a line: ends, times, sizes
 *   pretty_dns.c     records of DNS
 *   pretty_tls.c     handshakes of TLS
 *   pretty_packet.c  packets
 *   pretty_values.c  the fields of all others
 *   pretty_db.c      databases and brokers
 */
#pragma once
#include "encode/writer.h"

struct pretty_line {
    struct writer writer;
    const struct record *record;
    uint8_t index[FIELD_COUNT];
    bool with_colour;
};

#define PRETTY_RESET "\033[0m"
#define PRETTY_DIM "\033[2m"
#define PRETTY_BOLD "\033[1m"
#define PRETTY_RED "\033[31m"
#define PRETTY_GREEN "\033[32m"
#define PRETTY_YELLOW "\033[33m"
#define PRETTY_CYAN "\033[36m"

/* pretty_line.c */
const struct value *pretty_find(const struct pretty_line *line, enum field_id field);
void pretty_put(struct pretty_line *line, const char *text);
void pretty_colour(struct pretty_line *line, const char *code);
/* The field's text, escaped; nothing when it is absent. */
void pretty_text(struct pretty_line *line, enum field_id field);
/* The same with a blank before it. */
void pretty_word(struct pretty_line *line, enum field_id field);
void pretty_time(struct pretty_line *line);
void pretty_end(struct pretty_line *line, enum field_id address_field, enum field_id port_field);
void pretty_duration(struct pretty_line *line, uint64_t ns);
void pretty_size(struct pretty_line *line, uint64_t bytes);
/* The text of an object's member, or its number; nothing when it has none of that name. */
void pretty_member(struct pretty_line *line, const struct object *object, const char *name);

/* pretty_dns.c, pretty_tls.c: the line; what -v folds under it */
void pretty_dns(struct pretty_line *line);
void pretty_dns_details(struct pretty_line *line);
void pretty_tls(struct pretty_line *line);
void pretty_tls_details(struct pretty_line *line);

/* pretty_packet.c: behind the time, with the packet's own ends. */
void pretty_packet(struct pretty_line *line);
/* pretty_values.c: the record's own fields as " name=value". */
void pretty_values(struct pretty_line *line);
/* pretty_db.c */
void pretty_db(struct pretty_line *line);
