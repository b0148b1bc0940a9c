/*
 * linear: is every parser's time linear in its input? Each conversation of the tests is begun,
 * and goes on with bytes that nobody would send: zeros, ones, beginnings of lines without end, its
 * own last message again and again, noise. Nanoseconds a byte of 128 KiB and of 1 MiB must be about
 * the same; the last column is their ratio, the last line the largest.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "tests/lib/feeder.h"

enum { SHORT = 128 * 1024, LONG = 1024 * 1024, PIECE = 1448, TURNS = 3 };

static uint8_t flood[LONG];

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static void discard(void *context, struct record *record)
{
    (void)context;
    record_unref(&record);
}

struct play {
    struct streams *streams;
    struct stream_listener listener;
    uint64_t positions[2];
    uint64_t time_ns;
};

static void send(struct play *play, enum direction direction, struct slice bytes)
{
    struct stream_data data = {.connection = 1,
                               .direction = direction,
                               .time_ns = play->time_ns++,
                               .position = play->positions[direction],
                               .bytes = bytes};

    play->positions[direction] += bytes.length;
    data.end_position = play->positions[direction];
    play->listener.on_data(play->listener.context, &data);
}

static enum direction way_of(const struct feeder_step *step)
{
    return step->way == '<' || step->way == '{' ? DIRECTION_B_TO_A : DIRECTION_A_TO_B;
}

static size_t length_of(const struct feeder_step *step)
{
    return !step->text ? 0 : step->length ? step->length : strlen(step->text);
}

/* The conversation up to its last step, or half of its first one; the last way is returned. */
static enum direction begin(struct play *play, const struct feeder_step *steps, bool is_half)
{
    enum direction way = way_of(steps);

    for (; steps->way; steps++) {
        size_t length = length_of(steps);

        if (steps->way == '}' || steps->way == '{')
            break;
        way = way_of(steps);
        send(play, way, slice_of(steps->text, is_half ? length / 2 : length));
        if (is_half)
            break;
    }
    return way;
}

/* Fills the flood. False: there is no such kind. */
static bool fill(unsigned kind, const struct feeder_step *steps)
{
    static const char *const lines[] = {"*1\r\n", "a: b\r\n ", "$1000000\r\n", "{\"a\":["};
    const struct feeder_step *last = steps;
    uint32_t noise = 1;

    while (last[1].way && last[1].text)
        last++;
    for (size_t i = 0; i < LONG; i++) {
        noise = noise * 1664525u + 1013904223u;
        if (kind < 2)
            flood[i] = kind ? 0xff : 0;
        else if (kind < 6)
            flood[i] = (uint8_t)lines[kind - 2][i % strlen(lines[kind - 2])];
        else if (kind == 6)
            flood[i] = length_of(last) ? (uint8_t)last->text[i % length_of(last)] : 0;
        else
            flood[i] = (uint8_t)(noise >> 24);
    }
    return kind < 8;
}

/* Nanoseconds of a byte, the least of some turns. */
static double measure(const struct feeder_step *steps, bool is_half, size_t size)
{
    double least = 1e18;

    for (int turn = 0; turn < TURNS; turn++) {
        struct streams_options options = {.on_record = discard};
        struct stream_open open = {.connection = 1, .is_observed = true};
        struct play play = {.time_ns = 1};
        enum direction way;
        uint64_t start;
        double each;

        open.is_datagram = steps->way == 'D';
        if (streams_new(&options, &play.streams))
            exit(1);
        play.listener = streams_listener(play.streams);
        play.listener.on_open(play.listener.context, &open);
        way = begin(&play, steps + open.is_datagram, is_half);
        start = now_ns();
        for (size_t at = 0; at < size; at += PIECE)
            send(&play, way, slice_part(slice_of(flood, size), at, PIECE));
        streams_flush(play.streams, play.time_ns);
        each = (double)(now_ns() - start) / (double)size;
        least = each < least ? each : least;
        streams_free(&play.streams);
    }
    return least;
}

int main(void)
{
    double worst = 0, slowest = 0;

    for (const struct conversation *one = conversations; one->name; one++) {
        double ratio = 0, cost = 0;

        for (unsigned kind = 0; fill(kind, one->steps); kind++) {
            for (int is_half = 0; is_half < 2; is_half++) {
                double few = measure(one->steps, is_half, SHORT);
                double many = measure(one->steps, is_half, LONG);

                ratio = few > 0.1 && many / few > ratio ? many / few : ratio;
                cost = many > cost ? many : cost;
            }
        }
        printf("%-12s %-28s %8.1f ns a byte at most, 1 MiB against 128 KiB: %.2f\n", one->parser,
               one->name, cost, ratio);
        worst = ratio > worst ? ratio : worst;
        slowest = cost > slowest ? cost : slowest;
    }
    printf("largest: %.1f ns a byte, ratio %.2f\n", slowest, worst);
    return 0;
}
