/*
 * mask_detectors: each detector walks the text once and looks back or ahead by a bounded number of
 * bytes, so the whole is linear in the text. Sources: RFC 7519 §3 (JWT), RFC 6750 §2.1 (bearer),
 * ISO/IEC 7812 (card numbers: issuer ranges and Luhn), ISO 13616 (IBAN: mod 97), RFC 7468 (PEM),
 * RFC 4253 §6.6 (SSH keys), and the token prefixes that the issuers publish for secret scanning.
 */
#include <ctype.h>
#include <stdint.h>
#include "refine/mask_detectors.h"
#include "refine/mask_runs.h"
#include "refine/mask_scan.h"

enum { EMAIL_LOCAL_MAXIMUM = 64, EMAIL_DOMAIN_MAXIMUM = 255 };
enum { RUN_MINIMUM = 15, ENTROPY_MINIMUM = 32, PEM_MINIMUM = 10, NUMBER_MINIMUM = 11 };
enum {
    CLASS_ALPHANUMERIC = 1,
    CLASS_RUN = 2,
    CLASS_DIGIT = 4,
    CLASS_CAPITAL = 8,
    CLASS_SMALL = 16,
    CLASS_BASE64 = 32,
    CLASS_NUMBER = 64,
    CLASS_MIXED = CLASS_DIGIT | CLASS_CAPITAL | CLASS_SMALL,
};

#define LETTER (CLASS_ALPHANUMERIC | CLASS_RUN | CLASS_BASE64)
static const uint8_t classes_of[256] = {
    ['0' ... '9'] = LETTER | CLASS_DIGIT | CLASS_NUMBER,
    ['A' ... 'Z'] = LETTER | CLASS_CAPITAL,
    ['a' ... 'z'] = LETTER | CLASS_SMALL,
    ['_'] = CLASS_RUN | CLASS_BASE64,
    ['-'] = CLASS_RUN | CLASS_BASE64 | CLASS_NUMBER,
    ['.'] = CLASS_RUN,
    ['+'] = CLASS_BASE64,
    ['/'] = CLASS_BASE64,
    ['='] = CLASS_BASE64,
    [' '] = CLASS_NUMBER,
};

static inline bool is_alphanumeric(uint8_t byte)
{
    return classes_of[byte] & CLASS_ALPHANUMERIC;
}

static inline bool is_digit(uint8_t byte)
{
    return (uint8_t)(byte - '0') < 10;
}

/*
 * Where the next run of `minimum` bytes of a class begins, or a shorter one, from `at` on; the
 * text's end: nowhere. Such a run holds one of each `minimum` bytes, so that few are looked at.
 */
static inline __attribute__((always_inline)) size_t next_run(struct slice text, size_t at,
                                                             size_t minimum, unsigned of_class)
{
    while (at + minimum <= text.length) {
        size_t start = at + minimum - 1;

        if (classes_of[text.data[start]] & of_class) {
            while (start > at && classes_of[text.data[start - 1]] & of_class)
                start--;
            return start;
        }
        at = start + 1;
    }
    return text.length;
}

static bool is_base64_byte(uint8_t byte)
{
    return classes_of[byte] & CLASS_BASE64;
}

/*
 * What a credential may be made of: everything up to white space, a quote, a comma or a delimiter.
 */
static bool is_credential_byte(uint8_t byte)
{
    return byte > ' ' && byte != '"' && byte != ',' && byte != ';' && byte != '&' && byte != '<' &&
           byte != '>';
}

static bool has_prefix(struct slice text, size_t at, const char *prefix)
{
    size_t length = strlen(prefix);

    return text.length - at >= length && memcmp(text.data + at, prefix, length) == 0;
}

struct token_prefix {
    const char *prefix;
    uint8_t minimum; /* run bytes that follow at least */
};

/* The issuers' prefixes by their first byte; each list ends with NULL. */
#define TOKENS(first, ...)                                                                         \
    [first] = (const struct token_prefix[])                                                        \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            NULL, 0                                                                                \
        }                                                                                          \
    }
static const struct token_prefix *const token_prefixes[256] = {
    TOKENS('A', {"AKIA", 12}, {"ASIA", 12}, {"AIza", 20}, {"AGE-SECRET-KEY-", 10}, {"ATATT3", 20},
           {"ATBB", 20}, {"AAAAB3NzaC1yc2", 64}, {"AAAAC3NzaC1lZDI1NTE5", 24},
           {"AAAAE2VjZHNh", 24}),
    TOKENS('E', {"EAACEdEose0cBA", 1}),
    TOKENS('G', {"GOCSPX-", 10}),
    TOKENS('P', {"PMAK-", 20}),
    TOKENS('S', {"SG.", 20}, {"SK", 32}),
    TOKENS('d', {"dapi", 32}, {"dckr_pat_", 10}, {"dop_v1_", 20}),
    TOKENS('e', {"eyI", 12}, {"eyJ", 12}, {"eyK", 12}, {"eyL", 12}),
    TOKENS('f', {"figd_", 10}),
    TOKENS('g', {"ghp_", 20}, {"gho_", 20}, {"ghu_", 20}, {"ghs_", 20}, {"ghr_", 20},
           {"github_pat_", 20}, {"glpat-", 10}, {"glptt-", 10}, {"gldt-", 10}, {"glrt-", 10},
           {"glcbt-", 10}, {"gloas-", 10}, {"gsk_", 20}),
    TOKENS('h', {"hf_", 20}, {"hvb.", 12}, {"hvs.", 12}),
    TOKENS('k', {"key-", 32}),
    TOKENS('l', {"lin_api_", 20}),
    TOKENS('n', {"npm_", 20}),
    TOKENS('p', {"pypi-", 16}),
    TOKENS('r', {"rk_live_", 10}, {"rk_test_", 10}),
    TOKENS('s', {"shpat_", 20}, {"shpca_", 20}, {"shppa_", 20}, {"shpss_", 20}, {"sk-", 16},
           {"sk_live_", 10}, {"sk_test_", 10}, {"sq0atp-", 10}, {"sq0csp-", 10}),
    TOKENS('w', {"whsec_", 10}),
    TOKENS('x', {"xapp-", 10}, {"xoxa-", 8}, {"xoxb-", 8}, {"xoxe-", 8}, {"xoxe.", 8}, {"xoxo-", 8},
           {"xoxp-", 8}, {"xoxr-", 8}, {"xoxs-", 8}),
    TOKENS('y', {"ya29.", 12}),
};

static bool is_token(struct slice text, size_t at, size_t run_end)
{
    const struct token_prefix *token = token_prefixes[text.data[at]];

    for (; token && token->prefix; token++) {
        if (text.data[at + 1] == (uint8_t)token->prefix[1] && has_prefix(text, at, token->prefix) &&
            run_end - at >= strlen(token->prefix) + token->minimum)
            return true;
    }
    return false;
}

/* ISO 13616: two letters, two check digits, 11 to 30 more; mod 97 of the rotated number is 1. */
static bool is_iban(struct slice text, size_t at, size_t end)
{
    unsigned remainder = 0;
    size_t length = end - at;

    if (length < 15 || length > 34 || !isupper(text.data[at]) || !isupper(text.data[at + 1]) ||
        !is_digit(text.data[at + 2]) || !is_digit(text.data[at + 3]))
        return false;
    for (size_t i = 0; i < length; i++) {
        uint8_t byte = text.data[at + (i + 4) % length];

        if (is_digit(byte))
            remainder = (remainder * 10 + (byte - '0')) % 97;
        else if (isupper(byte))
            remainder = (remainder * 100 + (byte - 'A' + 10)) % 97;
        else
            return false;
    }
    return remainder == 1;
}

static size_t word_end(struct slice text, size_t at)
{
    while (at < text.length && is_alphanumeric(text.data[at]))
        at++;
    return at;
}

/* Tokens of known issuers and IBANs begin at a word of a long run. Returns the run's end. */
static size_t find_in_run(struct slice text, size_t start, size_t end, struct mask_spans *spans)
{
    size_t next;

    /* A word begins behind each byte that is neither letter nor digit. */
    for (size_t word = start; word + RUN_MINIMUM <= end; word = next + 1) {
        size_t tail = end;

        next = word + mask_runs_length(text.data + word, end - word, false);
        if (is_token(text, word, end)) {
            while (tail < text.length && is_base64_byte(text.data[tail]))
                tail++;
            mask_spans_add(spans, word, tail);
            return tail;
        }
        if (!isupper(text.data[word]) || !isupper(text.data[word + 1]))
            continue;
        tail = word_end(slice_part(text, 0, end < word + 35 ? end : word + 35), word);
        if (is_iban(text, word, tail))
            mask_spans_add(spans, word, tail);
    }
    return end;
}

static void find_tokens(struct slice text, struct mask_spans *spans)
{
    size_t at = next_run(text, 0, PEM_MINIMUM, CLASS_RUN), end;

    for (; at < text.length; at = next_run(text, end + 1, PEM_MINIMUM, CLASS_RUN)) {
        end = at + mask_runs_length(text.data + at, text.length - at, true);
        if (end - at >= PEM_MINIMUM && text.data[at] == '-' && has_prefix(text, at, "-----BEGIN")) {
            mask_spans_add(spans, at, text.length);
            return;
        }
        if (end - at >= RUN_MINIMUM)
            end = find_in_run(text, at, end, spans);
    }
}

/* ISO/IEC 7812: the ranges that issuers of payment cards use today. */
static bool is_card_range(const uint8_t *digits, size_t count)
{
    unsigned two = digits[0] * 10u + digits[1];
    unsigned four = two * 100 + digits[2] * 10u + digits[3];

    if (digits[0] == 4)
        return count == 13 || count == 16 || count == 19;
    if ((two >= 51 && two <= 55) || (four >= 2221 && four <= 2720))
        return count == 16;
    if (two == 34 || two == 37)
        return count == 15;
    if (two == 36 || two == 38 || two == 39 || (four >= 3000 && four <= 3059))
        return count >= 14;
    return (two == 35 || two == 62 || two == 65 || two == 64 || four == 6011 || two == 50 ||
            (two >= 56 && two <= 69)) &&
           count >= 16;
}

static bool has_luhn_sum(const uint8_t *digits, size_t count)
{
    unsigned sum = 0;

    for (size_t i = 0; i < count; i++) {
        unsigned digit = digits[count - 1 - i];

        sum += i % 2 ? digit * 2 - (digit > 4 ? 9 : 0) : digit;
    }
    return sum % 10 == 0;
}

static bool is_social_number(struct slice text, size_t at, size_t end)
{
    const uint8_t *p = text.data + at;

    for (size_t i = 0; i < 11 && end - at == 11; i++) {
        if (i == 3 || i == 6 ? p[i] != '-' : !is_digit(p[i]))
            return false;
    }
    return end - at == 11 && memcmp(p, "000", 3) != 0 && memcmp(p, "666", 3) != 0 && p[0] != '9';
}

/* Groups of digits with single spaces or dashes between them, alone between other characters. */
static void find_numbers(struct slice text, struct mask_spans *spans)
{
    size_t at = 0;

    while ((at = next_run(text, at, NUMBER_MINIMUM, CLASS_NUMBER)) < text.length) {
        uint8_t digits[20];
        size_t count = 0, start, end;

        if (!is_digit(text.data[at])) {
            at++;
            continue;
        }
        start = end = at;
        while (at < text.length) {
            if (is_digit(text.data[at])) {
                if (count < sizeof(digits))
                    digits[count] = text.data[at] - '0';
                count++;
                end = ++at;
            } else if ((text.data[at] == ' ' || text.data[at] == '-') && at + 1 < text.length &&
                       is_digit(text.data[at + 1])) {
                at++;
            } else {
                break;
            }
        }
        if ((start && is_alphanumeric(text.data[start - 1])) ||
            (end < text.length && is_alphanumeric(text.data[end])))
            continue;
        if ((count >= 13 && count <= 19 && is_card_range(digits, count) &&
             has_luhn_sum(digits, count)) ||
            is_social_number(text, start, end))
            mask_spans_add(spans, start, end);
    }
}

static bool is_email_byte(uint8_t byte)
{
    return is_alphanumeric(byte) || byte == '.' || byte == '_' || byte == '-' || byte == '+' ||
           byte == '%' || byte == '\'' || byte >= 0x80;
}

/* local@domain.tld where the last label begins with a letter; the whole address is personal. */
static void find_emails(struct slice text, struct mask_spans *spans)
{
    for (size_t i = 0; i < text.length; i++) {
        size_t start = i, end = i + 1;
        const uint8_t *dot;

        if (text.data[i] != '@')
            continue;
        while (start > 0 && i - start < EMAIL_LOCAL_MAXIMUM && is_email_byte(text.data[start - 1]))
            start--;
        while (end < text.length && end - i <= EMAIL_DOMAIN_MAXIMUM &&
               (is_alphanumeric(text.data[end]) || text.data[end] == '-' || text.data[end] == '.'))
            end++;
        while (end > i + 1 && !is_alphanumeric(text.data[end - 1]))
            end--; /* the full stop of a sentence */
        dot = memrchr(text.data + i + 1, '.', end - i - 1);
        if (start < i && dot && dot > text.data + i + 1 && text.data + end - dot > 2 &&
            isalpha(dot[1]))
            mask_spans_add(spans, start, end);
    }
}

static bool is_word(struct slice text, size_t at, const char *word)
{
    for (size_t i = 0; word[i]; i++) {
        if (at + i >= text.length || (text.data[at + i] | 0x20) != word[i])
            return false;
    }
    return true;
}

static void add_credential(struct slice text, size_t at, struct mask_spans *spans)
{
    size_t end;

    while (at < text.length && text.data[at] <= ' ')
        at++;
    for (end = at; end < text.length && is_credential_byte(text.data[end]);)
        end++;
    mask_spans_add(spans, at, end);
}

/* "Bearer x" anywhere; "Basic x" and the like where the value begins so. */
static void find_credentials(struct slice text, unsigned triggers, struct mask_spans *spans)
{
    static const char *const schemes[] = {"basic", "negotiate", "ntlm", "digest", NULL};

    if (triggers & MASK_TRIGGER_SCHEME) {
        for (size_t i = 0; i + 6 < text.length; i++) {
            if ((text.data[i] | 0x20) == 'b' && (i == 0 || !is_alphanumeric(text.data[i - 1])) &&
                is_word(text, i, "bearer") && text.data[i + 6] <= ' ')
                add_credential(text, i + 6, spans);
        }
    }
    if (text.length < 6 || ((text.data[0] | 0x20) != 'b' && (text.data[0] | 0x20) != 'n' &&
                            (text.data[0] | 0x20) != 'd'))
        return;
    for (size_t i = 0; schemes[i]; i++) {
        size_t length = strlen(schemes[i]);

        if (is_word(text, 0, schemes[i]) && length < text.length && text.data[length] <= ' ')
            mask_spans_add(spans, length + 1, text.length);
    }
}

/*
 * More than 4 bits a byte: with n bytes in all, sum(c log2 c) < n (log2 n - 4). Logarithms in
 * 1/256.
 */
static unsigned log2_256(unsigned number)
{
    unsigned whole = 31u - (unsigned)__builtin_clz(number);
    unsigned long long mantissa = ((unsigned long long)number << 31) >> whole; /* 1.31 */
    unsigned result = whole << 8;

    for (unsigned bit = 128; bit; bit >>= 1) {
        mantissa = (mantissa * mantissa) >> 31;
        if (mantissa >> 32) {
            mantissa >>= 1;
            result |= bit;
        }
    }
    return result;
}

/* Digits, capitals and small letters, all three? Identifiers of hexadecimal digits are not. */
static bool is_mixed(const uint8_t *data, size_t length)
{
    unsigned classes = 0;

    for (size_t i = 0; i < length; i++)
        classes |= classes_of[data[i]];
    return (classes & CLASS_MIXED) == CLASS_MIXED;
}

static bool is_random_part(const uint8_t *data, size_t length)
{
    uint16_t counts[256] = {0};
    uint64_t sum = 0;

    for (size_t i = 0; i < length; i++)
        counts[data[i]]++;
    for (size_t i = 0; i < 256; i++)
        sum += counts[i] > 1 ? (uint64_t)counts[i] * log2_256(counts[i]) : 0;
    return sum < (uint64_t)length * (log2_256((unsigned)length) - 4 * 256);
}

/* A very long piece is judged in parts: one that is random is enough. */
static bool is_random(const uint8_t *data, size_t length)
{
    while (length > UINT16_MAX) {
        if (is_mixed(data, UINT16_MAX) && is_random_part(data, UINT16_MAX))
            return true;
        data += UINT16_MAX;
        length -= UINT16_MAX;
    }
    return length >= ENTROPY_MINIMUM && is_mixed(data, length) && is_random_part(data, length);
}

static void find_random(struct slice text, struct mask_spans *spans)
{
    size_t end;

    for (size_t at = 0; at + ENTROPY_MINIMUM <= text.length; at = end + 1) {
        for (end = at; end < text.length && is_base64_byte(text.data[end]);)
            end++;
        if (is_random(text.data + at, end - at))
            mask_spans_add(spans, at, end);
    }
}

void mask_detectors_run(struct slice text, unsigned triggers, bool is_unknown,
                        struct mask_spans *spans)
{
    if (triggers & MASK_TRIGGER_RUN)
        find_tokens(text, spans);
    if (triggers & MASK_TRIGGER_DIGITS)
        find_numbers(text, spans);
    if (triggers & MASK_TRIGGER_AT)
        find_emails(text, spans);
    find_credentials(text, triggers, spans);
    if (is_unknown && text.length >= ENTROPY_MINIMUM)
        find_random(text, spans);
}
