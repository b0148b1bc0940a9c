/*
 * mask_patterns: names are compared in a canonical form: lower case, '_' as '-', nothing around
 * them. What was found is remembered by the name's raw bytes, since the same few dozen names come
 * again and again; so the time of a look-up does not depend on how many patterns there are.
 */
#include <errno.h>
#include <stdlib.h>
#include "base/allocate.h"
#include "refine/mask_patterns.h"
#include "refine/mask_lists.h"

enum { MEMO_SLOTS = 512, MEMO_NAME = 46 };

struct memo_slot {
    uint64_t first, last;
    uint8_t length;
    uint8_t verdict; /* MASK_VERDICT_NONE: empty */
    uint8_t middle[MEMO_NAME - 16];
};

struct entry {
    const char *name; /* canonical */
    unsigned verdict;
};

struct mask_patterns {
    struct entry *headers; /* sorted by name */
    size_t header_count;
    char **owned; /* the configured names, canonical */
    size_t owned_count;
    struct memo_slot header_memo[MEMO_SLOTS];
    struct memo_slot parameter_memo[MEMO_SLOTS];
};

static uint8_t canonical_byte(uint8_t byte)
{
    if (byte >= 'A' && byte <= 'Z')
        return byte | 0x20;
    return byte == '_' ? '-' : byte;
}

static struct slice strip_name(struct slice name)
{
    while (name.length && name.data[0] <= ' ')
        name = slice_part(name, 1, name.length);
    while (name.length && name.data[name.length - 1] <= ' ')
        name.length--;
    return name;
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static int compare_texts(const void *key, const void *element)
{
    return strcmp(key, *(const char *const *)element);
}

static int compare_key(const void *key, const void *element)
{
    return strcmp(key, ((const struct entry *)element)->name);
}

static char *canonical_copy(const char *name)
{
    struct slice stripped = strip_name(slice_of_string(name));
    char *copy = allocate(stripped.length + 1);

    if (!copy)
        return NULL;
    for (size_t i = 0; i < stripped.length; i++)
        copy[i] = (char)canonical_byte(stripped.data[i]);
    copy[stripped.length] = 0;
    return copy;
}

static int fill(struct mask_patterns *patterns, const char *const *names)
{
    size_t defaults = 0, further = 0;

    while (mask_default_names[defaults].name)
        defaults++;
    while (names && names[further])
        further++;
    patterns->headers = allocate_zeroed((defaults + further) * sizeof(*patterns->headers));
    patterns->owned = allocate_zeroed((further + 1) * sizeof(*patterns->owned));
    if (!patterns->headers || !patterns->owned)
        return -ENOMEM;
    for (size_t i = 0; i < defaults; i++)
        patterns->headers[i] =
            (struct entry){mask_default_names[i].name,
                           MASK_VERDICT_MANNERS + (unsigned)mask_default_names[i].manner};
    patterns->header_count = defaults;
    qsort(patterns->headers, defaults, sizeof(struct entry), compare_entries);
    for (size_t i = 0; i < further; i++) {
        char *copy = canonical_copy(names[i]);

        if (!copy)
            return -ENOMEM;
        patterns->owned[patterns->owned_count++] = copy;
        if (!*copy || bsearch(copy, patterns->headers, defaults, sizeof(struct entry), compare_key))
            continue;
        patterns->headers[patterns->header_count++] =
            (struct entry){copy, MASK_VERDICT_MANNERS + MASK_WHOLE};
    }
    qsort(patterns->headers, patterns->header_count, sizeof(struct entry), compare_entries);
    return 0;
}

int mask_patterns_new(const char *const *names, struct mask_patterns **ret_patterns)
{
    struct mask_patterns *patterns = allocate_zeroed(sizeof(*patterns));
    int result = patterns ? fill(patterns, names) : -ENOMEM;

    if (result < 0) {
        mask_patterns_free(&patterns);
        return result;
    }
    *ret_patterns = patterns;
    return 0;
}

void mask_patterns_free(struct mask_patterns **patterns)
{
    if (!*patterns)
        return;
    for (size_t i = 0; i < (*patterns)->owned_count; i++)
        deallocate((*patterns)->owned[i]);
    deallocate((*patterns)->owned);
    deallocate((*patterns)->headers);
    deallocate(*patterns);
    *patterns = NULL;
}

/*
 * The first and the last eight bytes; they overlap in a name shorter than 16. In two scalars: as
 * a struct they would go through memory, and wait there.
 */
static inline uint64_t first_bytes(struct slice name)
{
    uint64_t word = 0;
    uint32_t half;

    if (name.length >= 8) {
        memcpy(&word, name.data, 8);
    } else if (name.length >= 4) {
        memcpy(&half, name.data, 4);
        word = half;
    } else {
        for (size_t i = 0; i < name.length; i++)
            word = word << 8 | name.data[i];
    }
    return word;
}

static inline uint64_t last_bytes(struct slice name)
{
    uint64_t word = 0;
    uint32_t half;

    if (name.length >= 8) {
        memcpy(&word, name.data + name.length - 8, 8);
    } else if (name.length >= 4) {
        memcpy(&half, name.data + name.length - 4, 4);
        word = half;
    }
    return word;
}

/* The slot where the name is or belongs. */
static inline struct memo_slot *memo_find(struct memo_slot *memo, struct slice name,
                                          bool *ret_holds)
{
    uint64_t first = first_bytes(name), last = last_bytes(name);
    uint64_t hash = (first ^ (last * 0x9E3779B97F4A7C15u) ^ name.length) * 0xD6E8FEB86659FD93u;
    struct memo_slot *slot = &memo[hash >> 32 & (MEMO_SLOTS - 1)];

    *ret_holds = slot->verdict && slot->length == name.length && slot->first == first &&
                 slot->last == last &&
                 (name.length <= 16 || memcmp(slot->middle, name.data + 8, name.length - 16) == 0);
    return slot;
}

static void memo_store(struct memo_slot *slot, struct slice name, unsigned verdict)
{
    slot->first = first_bytes(name);
    slot->last = last_bytes(name);
    slot->length = (uint8_t)name.length;
    slot->verdict = (uint8_t)verdict;
    if (name.length > 16)
        memcpy(slot->middle, name.data + 8, name.length - 16);
}

static bool has_word(const char *text, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = text; (at = strstr(at, word)); at++) {
        if ((at == text || at[-1] == '-') && (at[length] == 0 || at[length] == '-'))
            return true;
    }
    return false;
}

static bool has_any(const char *text, const char *const *parts)
{
    for (; *parts; parts++) {
        if (strstr(text, *parts))
            return true;
    }
    return false;
}

/* "auth" names credentials, except in author and authority. */
static bool has_auth(const char *text)
{
    for (const char *at = text; (at = strstr(at, "auth")); at += 4) {
        bool is_author = strncmp(at, "author", 6) == 0;
        bool is_verb = strncmp(at, "authori", 7) == 0 && strncmp(at, "authority", 9) != 0;

        if (!is_author || is_verb)
            return true;
    }
    return false;
}

static bool has_suffix(const char *text, const char *suffix)
{
    size_t length = strlen(text), tail = strlen(suffix);

    return length >= tail && strcmp(text + length - tail, suffix) == 0;
}

static unsigned judge_canonical(const struct mask_patterns *patterns, const char *name)
{
    const struct entry *found =
        bsearch(name, patterns->headers, patterns->header_count, sizeof(struct entry), compare_key);

    if (found)
        return found->verdict;
    if (bsearch(name, mask_harmless_headers, mask_harmless_header_count, sizeof(char *),
                compare_texts))
        return MASK_VERDICT_KNOWN;
    if (strstr(name, "ratelimit") || strstr(name, "rate-limit"))
        return MASK_VERDICT_UNKNOWN; /* counts of tokens left, not tokens */
    if (has_any(name, mask_header_parts) || has_auth(name) || has_word(name, "pin") ||
        has_suffix(name, "-bin") || strncmp(name, "x-goog-iam-", 11) == 0 ||
        strncmp(name, "x-ssl-client-", 13) == 0 || strncmp(name, "x-recovery", 10) == 0 ||
        (strncmp(name, "x-parse-", 8) == 0 && has_suffix(name, "-key")))
        return MASK_VERDICT_MANNERS + MASK_WHOLE;
    return MASK_VERDICT_UNKNOWN;
}

static unsigned judge_new_header(struct mask_patterns *patterns, struct slice name)
{
    char canonical[MASK_NAME_MAXIMUM + 1];
    struct slice stripped = strip_name(name);

    if (stripped.length > MASK_NAME_MAXIMUM)
        return MASK_VERDICT_MANNERS + MASK_WHOLE;
    for (size_t i = 0; i < stripped.length; i++) {
        canonical[i] = (char)canonical_byte(stripped.data[i]);
        if (!canonical[i]) /* a NUL would hide what stands behind it */
            canonical[i] = '-';
    }
    canonical[stripped.length] = 0;
    return judge_canonical(patterns, canonical);
}

unsigned mask_patterns_judge_header(struct mask_patterns *patterns, struct slice name)
{
    struct memo_slot *slot;
    unsigned verdict;
    bool holds;

    if (name.length > MEMO_NAME)
        return judge_new_header(patterns, name);
    slot = memo_find(patterns->header_memo, name, &holds);
    if (holds)
        return slot->verdict;
    verdict = judge_new_header(patterns, name);
    memo_store(slot, name, verdict);
    return verdict;
}

static int hex_digit(uint8_t byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte |= 0x20;
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* Decodes and canonicalises; what stands before a delimiter that was encoded is another name. */
static size_t canonical_parameter(struct slice raw, char *text)
{
    size_t length = 0;

    for (size_t i = 0; i < raw.length; i++) {
        uint8_t byte = raw.data[i];

        while (byte == '%' && i + 2 < raw.length && hex_digit(raw.data[i + 1]) >= 0 &&
               hex_digit(raw.data[i + 2]) >= 0) {
            byte = (uint8_t)(hex_digit(raw.data[i + 1]) << 4 | hex_digit(raw.data[i + 2]));
            i += 2;
        }
        if (byte <= ' ' || memchr("?&#;/,+\"'", byte, 9))
            length = 0;
        else
            text[length++] = (char)canonical_byte(byte);
    }
    text[length] = 0;
    return length;
}

static bool judge_parameter(char *name)
{
    size_t length = strlen(name);
    char *bracket;

    if (length && name[length - 1] == ']' && (bracket = strrchr(name, '['))) {
        name[length - 1] = 0; /* user[password]: the innermost name counts, and the outer one */
        if (judge_parameter(bracket + 1))
            return true;
        *bracket = 0;
        return bracket != name && judge_parameter(name);
    }
    if (bsearch(name, mask_parameters, mask_parameter_count, sizeof(char *), compare_texts))
        return true;
    if (length < 4)
        return false;
    return has_any(name, mask_parameter_parts) || has_suffix(name, "-key") ||
           strncmp(name, "oauth-", 6) == 0 || strncmp(name, "openid.", 7) == 0;
}

static bool judge_new_parameter(struct slice name)
{
    char canonical[MASK_PARAMETER_MAXIMUM + 1];

    canonical_parameter(name, canonical);
    return judge_parameter(canonical);
}

bool mask_patterns_is_secret_parameter(struct mask_patterns *patterns, struct slice name)
{
    struct memo_slot *slot;
    bool is_secret, holds;

    if (name.length > MASK_PARAMETER_MAXIMUM)
        name = slice_part(name, name.length - MASK_PARAMETER_MAXIMUM, MASK_PARAMETER_MAXIMUM);
    if (name.length > MEMO_NAME)
        return judge_new_parameter(name);
    slot = memo_find(patterns->parameter_memo, name, &holds);
    if (holds)
        return slot->verdict == MASK_VERDICT_SECRET;
    is_secret = judge_new_parameter(name);
    memo_store(slot, name, is_secret ? MASK_VERDICT_SECRET : MASK_VERDICT_UNKNOWN);
    return is_secret;
}
