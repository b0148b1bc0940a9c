/* texts: a list of copies, freed as a whole. */
#include "config/texts.h"
#include <string.h>
#include <strings.h>
#include "base/allocate.h"

struct texts_item {
    struct texts_item *next;
    char bytes[];
};

const char *texts_keep(struct texts_kept *kept, const char *text)
{
    size_t size = strlen(text) + 1;
    struct texts_item *item = allocate(sizeof(*item) + size);

    if (!item)
        return NULL;
    memcpy(item->bytes, text, size);
    item->next = kept->first;
    kept->first = item;
    return item->bytes;
}

void texts_free(struct texts_kept *kept)
{
    while (kept->first) {
        struct texts_item *dead = kept->first;

        kept->first = dead->next;
        deallocate(dead);
    }
}

bool texts_is_one_of(const char *text, const char *const *words)
{
    while (*words && strcasecmp(text, *words) != 0)
        words++;
    return *words;
}

bool texts_read_flag(const char *text, bool *ret_flag)
{
    static const char *const yes[] = {"true", "yes", "on", "1", NULL};
    static const char *const no[] = {"false", "no", "off", "0", NULL};
    bool is_true = texts_is_one_of(text, yes);

    if (!is_true && !texts_is_one_of(text, no))
        return false;
    *ret_flag = is_true;
    return true;
}
