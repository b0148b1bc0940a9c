/* nearest: Levenshtein distance over short names. */
#include "config/nearest.h"
#include <ctype.h>
#include <string.h>

enum { NAME_MAXIMUM = 64 };

static size_t least(size_t a, size_t b, size_t c)
{
    size_t smaller = a < b ? a : b;
    return smaller < c ? smaller : c;
}

size_t nearest_distance(const char *a, const char *b)
{
    size_t a_length = strnlen(a, NAME_MAXIMUM), b_length = strnlen(b, NAME_MAXIMUM);
    size_t row[NAME_MAXIMUM + 1];
    for (size_t j = 0; j <= b_length; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
            size_t replaced = diagonal + (x != y);
            diagonal = row[j];
            row[j] = least(row[j] + 1, row[j - 1] + 1, replaced);
        }
    }
    return row[b_length];
}

struct nearest nearest_begin(const char *wanted)
{
    /* A third of the letters may be wrong, and two letters may always have changed places. */
    size_t length = strlen(wanted);
    size_t allowed = length < 3 ? 1 : length < 9 ? 2 : length / 3;
    return (struct nearest){.wanted = wanted, .distance = allowed + 1};
}

void nearest_offer(struct nearest *nearest, const char *candidate)
{
    size_t distance = nearest_distance(nearest->wanted, candidate);
    if (distance < nearest->distance) {
        nearest->distance = distance;
        nearest->name = candidate;
    }
}
