/* texts: what option values borrow from a file: copies that live until all of them are freed. */
#pragma once
#include <stdbool.h>

struct texts_kept {
    struct texts_item *first; /* NULL: none */
};

/* A copy; NULL: no memory. */
const char *texts_keep(struct texts_kept *kept, const char *text);
void texts_free(struct texts_kept *kept);

/* Is it one of the words, in any case? NULL ends them. */
bool texts_is_one_of(const char *text, const char *const *words);
/* As files say it: true, yes, on, 1 and false, no, off, 0. False: neither. */
bool texts_read_flag(const char *text, bool *ret_flag);
