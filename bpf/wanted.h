/*
 * wanted.h: requests that the filter does not take, by method (RFC 9112 §3.1) and host (RFC 9110
 * §7.2). Only what is certain is refused: the rest is user space's to decide. A refused request
 * keeps its number, and its response, which has the same, is refused with it.
 */
#pragma once
#include "bpf/classify.h"

/* Changed live by user space through the mapped section. */
struct weir_message_filter weir_message_filter;

enum { UNWANTED_WINDOW = 64 /* requests that may wait for their responses: bits of a word */ };

/* The method in front of the blank to work->method; false: longer than any in the table. */
static __always_inline bool method_take(struct work *work, __u32 *ret_end)
{
    const __u64 *first = (const __u64 *)work->stream.first;
    __u64 *method = (__u64 *)work->method;
    __u64 marks = word_match(first[0], ' '), below;

    if (marks) {
        below = word_below(marks);
        method[0] = first[0] & below;
        method[1] = 0;
        *ret_end = word_index(below);
        return true;
    }
    marks = word_match(first[1], ' ');
    if (!marks)
        return false;
    below = word_below(marks);
    method[0] = first[0];
    method[1] = first[1] & below;
    *ret_end = 8 + word_index(below);
    return true;
}

/* Is the request of this start line, and maybe of work->host, certainly not wanted? */
__noinline int weir_is_unwanted(__u32 slot)
{
    struct work *work = work_get(slot);
    __u32 generation = weir_message_filter.generation & 1, end = 0;
    const struct stream *stream;
    __u8 *generations;

    if (!work)
        return false;
    stream = &work->stream;
    if (!method_take(work, &end) || end >= stream->first_length)
        return false;
    if (weir_message_filter.with_methods[generation]) {
        generations = bpf_map_lookup_elem(&weir_methods, &work->method);
        if (!generations || !(*generations >> generation & 1))
            return true;
    }
    end++;
    if (!weir_message_filter.with_hosts[generation] || work->host_count != 1 || !work->has_host ||
        end >= sizeof(stream->first) || end >= stream->first_length || stream->first[end] != '/')
        return false;
    generations = bpf_map_lookup_elem(&weir_hosts, &work->host);
    return !generations || !(*generations >> generation & 1);
}

/* Numbers are certain where the message began where the one before it ended. */
__noinline int weir_wanted_decide(__u32 slot)
{
    struct work *work = work_get(slot);
    struct stream *stream;
    __u64 number;

    if (!work)
        return 0;
    stream = &work->stream;
    number = stream->messages_before;
    if (stream->is_started || stream->is_found || stream->is_uncertain)
        return 0;
    if (stream->kind == KIND_RESPONSE)
        stream->is_unwanted = !stream->is_orphan &&
                              work->other_messages - number <= UNWANTED_WINDOW &&
                              (work->other_unwanted >> (number & 63) & 1);
    else if (stream->kind == KIND_REQUEST)
        stream->is_unwanted = number - work->other_messages < UNWANTED_WINDOW &&
                              weir_is_unwanted(slot);
    return 0;
}

/* At the end of a message's start line, or of its head: stream.is_unwanted. */
static __always_inline void wanted_decide(__u32 slot)
{
    if (RARELY(weir_message_filter.is_on))
        weir_wanted_decide(slot);
}

/* A request began: what its response will be asked for. */
static __always_inline void wanted_remember(struct stream *stream, __u64 number, bool is_unwanted)
{
    __u64 bit = 1ull << (number & 63);

    if (is_unwanted)
        stream->unwanted |= bit;
    else
        stream->unwanted &= ~bit;
}

enum { HOST_WORDS = sizeof(((struct work *)0)->host) / 8 };

/* A Host header's value at data[at]: work->host, where it is a plain name in one line. */
__noinline int weir_host_take(__u32 slot, __u32 at)
{
    struct work *work = work_get(slot);
    __u64 *host;

    if (!work)
        return 0;
    work->host_count++;
    work->has_host = 0;
    host = (__u64 *)work->host;
    for (int i = 0; i < HOST_WORDS; i++)
        host[i] = 0;
    if (AT(work, at) == ' ')
        at++;
    for (int i = 0; i < HOST_WORDS; i++) {
        __u64 word = WORD_AT(work, at), odd, marks;
        __u64 below = FOREVER;

        marks = word_match(word, ':') | word_match(word, '\r');
        if (marks)
            below = word_below(marks);
        odd = word | (~below & REPEATED('a'));
        if (((odd - REPEATED(0x21)) & ~odd & HIGHS) | word_match(odd, '@') | word_match(odd, '['))
            return 0;
        host[i] = word_lower(word) & below;
        if (marks) {
            at += word_index(below);
            work->has_host =
                at + 3 <= work->filled && (i || below) &&
                (AT(work, at) == ':' || (AT(work, at + 2) != ' ' && AT(work, at + 2) != '\t'));
            return 0;
        }
        at += 8;
    }
    return 0;
}
