/*
 * writer: numbers, times and the way into the buffer. Times: RFC 3339 §5.6; the calendar follows
 * the proleptic Gregorian rules of 400-year cycles.
 */
#include "encode/writer.h"
#include <endian.h>
#include "encode/put.h"

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                                  "25262728293031323334353637383940414243444546474849"
                                  "50515253545556575859606162636465666768697071727374"
                                  "75767778798081828384858687888990919293949596979899";

uint8_t *writer_room_slow(struct writer *writer, size_t more)
{
    int result;

    if (writer->error)
        return NULL;
    result = buffer_reserve(writer->buffer, more);
    if (result < 0) {
        writer->error = result;
        return NULL;
    }
    return writer->buffer->data + writer->buffer->length;
}

/* Of a number of five digits at least. */
static uint8_t *put_long_number(uint8_t *at, uint64_t number)
{
    unsigned length = 5;
    uint8_t *end, *place;

    for (uint64_t left = number / 100000; left; left /= 10)
        length++;
    for (place = end = at + length; number >= 100; number /= 100)
        memcpy(place -= 2, digit_pairs + number % 100 * 2, 2);
    if (number >= 10)
        memcpy(at, digit_pairs + number * 2, 2);
    else
        *at = (uint8_t)('0' + number);
    return end;
}

uint8_t *put_number(uint8_t *at, uint64_t number)
{
    unsigned low, high;

    if (number >= 10000)
        return put_long_number(at, number);
    high = (unsigned)number / 100;
    low = (unsigned)number % 100;
    if (high >= 10) {
        memcpy(at, digit_pairs + high * 2, 2);
        at += 2;
    } else if (high) {
        *at++ = (uint8_t)('0' + high);
    } else if (low < 10) {
        *at++ = (uint8_t)('0' + low);
        return at;
    }
    memcpy(at, digit_pairs + low * 2, 2);
    return at + 2;
}

void writer_number(struct writer *writer, uint64_t number)
{
    uint8_t text[PUT_SLACK];

    writer_bytes(writer, text, (size_t)(put_number(text, number) - text));
}

uint8_t *put_hex16(uint8_t *at, uint64_t number)
{
    /* Eight hexadecimal digits at a time, one a byte. */
    for (unsigned half = 0; half < 2; half++, at += 8, number <<= 32) {
        uint64_t word = number >> 32;

        word = (word << 16 | word) & 0x0000ffff0000ffffu;
        word = (word << 8 | word) & 0x00ff00ff00ff00ffu;
        word = (word << 4 | word) & 0x0f0f0f0f0f0f0f0fu;
        uint64_t is_letter = ((word + 0x0606060606060606u) >> 4) & 0x0101010101010101u;
        word = htobe64(word + 0x3030303030303030u + is_letter * ('a' - '0' - 10));
        memcpy(at, &word, 8);
    }
    return at;
}

void writer_hex16(struct writer *writer, uint64_t number)
{
    uint8_t *at = writer_room(writer, 16);

    if (!at)
        return;
    put_hex16(at, number);
    writer_advance(writer, 16);
}

static void put_two(char *at, unsigned number)
{
    memcpy(at, digit_pairs + number % 100 * 2, 2);
}

/* "YYYY-MM-DDTHH:MM:SS" */
static void format_second(uint64_t second, char text[19])
{
    uint64_t days = second / 86400 + 719468; /* since 0000-03-01 */
    unsigned in_day = (unsigned)(second % 86400);
    uint64_t era = days / 146097;
    unsigned day_of_era = (unsigned)(days % 146097);
    unsigned year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned shifted = (5 * day_of_year + 2) / 153;
    unsigned month = shifted < 10 ? shifted + 3 : shifted - 9;
    unsigned year = (unsigned)(year_of_era + era * 400) + (month <= 2);

    memcpy(text, "0000-00-00T00:00:00", 19);
    put_two(text, year / 100);
    put_two(text + 2, year);
    put_two(text + 5, month);
    put_two(text + 8, day_of_year - (153 * shifted + 2) / 5 + 1);
    put_two(text + 11, in_day / 3600);
    put_two(text + 14, in_day / 60 % 60);
    put_two(text + 17, in_day % 60);
}

uint8_t *put_time(uint8_t *at, uint64_t time_ns)
{
    /* Most records of a second follow each other, and those of a process that began in one. */
    static _Thread_local struct {
        uint64_t second;
        bool is_set;
        char text[19];
    } caches[8], *cache;
    unsigned nanoseconds = (unsigned)(time_ns % 1000000000);
    uint64_t second = time_ns / 1000000000;

    cache = &caches[second & 7];
    if (!cache->is_set || cache->second != second) {
        cache->second = second;
        cache->is_set = true;
        format_second(second, cache->text);
    }
    memcpy(at, cache->text, 19);
    at[19] = '.';
    at[20] = (uint8_t)('0' + nanoseconds / 100000000);
    put_two((char *)at + 21, nanoseconds / 1000000);
    put_two((char *)at + 23, nanoseconds / 10000);
    put_two((char *)at + 25, nanoseconds / 100);
    put_two((char *)at + 27, nanoseconds);
    at[29] = 'Z';
    return at + PUT_TIME_LENGTH;
}

void writer_time(struct writer *writer, uint64_t time_ns)
{
    uint8_t *at = writer_room(writer, PUT_TIME_LENGTH);

    if (!at)
        return;
    put_time(at, time_ns);
    writer_advance(writer, PUT_TIME_LENGTH);
}

void writer_address(struct writer *writer, const struct address *address)
{
    uint8_t *at = writer_room(writer, 46);

    if (at)
        writer_advance(writer, address_format(address, (char *)at));
}

void writer_index(const struct record *record, uint8_t index[FIELD_COUNT])
{
    memset(index, 0, FIELD_COUNT);
    for (size_t i = record->value_count; i-- > 0;) {
        const struct value *value = &record->values[i];

        if (value->field < FIELD_COUNT && value->kind != VALUE_FLAGS)
            index[value->field] = (uint8_t)(i + 1);
    }
}

void writer_quoted(struct writer *writer, struct slice text)
{
    writer_literal(writer, "\"");
    writer_escaped(writer, text, WRITER_QUOTED);
    writer_literal(writer, "\"");
}

void writer_object(struct writer *writer, const struct object *object)
{
    writer_literal(writer, "{");
    for (uint32_t i = 0; i < object->count; i++) {
        const struct member *member = &object->members[i];

        if (i)
            writer_literal(writer, ",");
        writer_quoted(writer, slice_of_string(member->name));
        writer_literal(writer, ":");
        if (member->is_number)
            writer_number(writer, member->number);
        else
            writer_quoted(writer, member->text);
    }
    writer_literal(writer, "}");
}
