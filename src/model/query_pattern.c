/*
 * query_pattern: the operator =~, PCRE2 on bytes, unanchored. Limits on matching steps, depth and
 * memory bound the time that a hostile text can cost. A pattern is for one thread at a time: it
 * owns its match data.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <stdio.h>
#include "base/allocate.h"
#include "model/query_tree.h"

enum { MATCH_STEPS = 100000, MATCH_DEPTH = 1000, MATCH_HEAP_KIB = 1024 };

struct query_pattern {
    pcre2_code *code;
    pcre2_match_data *data;
    pcre2_match_context *context;
};

void query_pattern_free(struct query_pattern **pattern)
{
    if (!*pattern)
        return;
    pcre2_match_context_free((*pattern)->context);
    pcre2_match_data_free((*pattern)->data);
    pcre2_code_free((*pattern)->code);
    deallocate(*pattern);
    *pattern = NULL;
}

int query_pattern_compile(struct slice text, struct query_pattern **ret_pattern, size_t *ret_offset,
                          char *message, size_t message_size)
{
    struct query_pattern *pattern = allocate_zeroed(sizeof(*pattern));
    int code = 0;
    PCRE2_SIZE offset = 0;

    if (!pattern)
        return -ENOMEM;
    pattern->code = pcre2_compile((PCRE2_SPTR)(text.data ? text.data : (const uint8_t *)""),
                                  text.length, PCRE2_NEVER_BACKSLASH_C, &code, &offset, NULL);
    if (!pattern->code) {
        if (pcre2_get_error_message(code, (PCRE2_UCHAR *)message, message_size) < 0)
            snprintf(message, message_size, "error %d", code);
        *ret_offset = offset;
        query_pattern_free(&pattern);
        return code == 121 /* no memory */ ? -ENOMEM : -EINVAL;
    }
    pattern->data = pcre2_match_data_create_from_pattern(pattern->code, NULL);
    pattern->context = pcre2_match_context_create(NULL);
    if (!pattern->data || !pattern->context) {
        query_pattern_free(&pattern);
        return -ENOMEM;
    }
    pcre2_set_match_limit(pattern->context, MATCH_STEPS);
    pcre2_set_depth_limit(pattern->context, MATCH_DEPTH);
    pcre2_set_heap_limit(pattern->context, MATCH_HEAP_KIB);
    (void)pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE); /* without it: slower */
    *ret_pattern = pattern;
    return 0;
}

bool query_pattern_matches(const struct query_pattern *pattern, struct slice text)
{
    return pcre2_match(pattern->code, (PCRE2_SPTR)(text.data ? text.data : (const uint8_t *)""),
                       text.length, 0, 0, pattern->data, pattern->context) >= 0;
}
