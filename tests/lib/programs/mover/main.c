/*
 * mover: moves bytes over an inherited TCP socket in every way Linux offers, told how on stdin.
 *
 *   mover FD                      commands, one a line:
 *   send METHOD ARGUMENT COUNT    followed by COUNT bytes, which it sends; answers "ok"
 *   recv METHOD ARGUMENT COUNT    receives exactly COUNT bytes; answers "ok COUNT" and the bytes
 *   shut                          ends the sending direction; answers "ok"
 *   quit
 *
 * ARGUMENT is a number whose meaning is the method's: a split position, how many pieces, a size.
 * A method that this kernel does not have answers "missing".
 */
#include "mover.h"
#include <netinet/in.h>
#include <netinet/tcp.h>

static bool move(const struct way *ways, const char *name, char *data, size_t count,
                 size_t argument)
{
    for (; ways->name; ways++)
        if (!strcmp(ways->name, name))
            return ways->move(data, count, argument);
    errno = EINVAL;
    fail(name);
    return false;
}

int main(int argc, char **argv)
{
    char line[256], verb[16], method[32];
    if (argc != 2)
        return 2;
    fd = atoi(argv[1]);
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    while (fgets(line, sizeof line, stdin)) {
        size_t argument = 0, count = 0;
        if (sscanf(line, "%15s %31s %zu %zu", verb, method, &argument, &count) < 1)
            return 2;
        if (!strcmp(verb, "quit"))
            break;
        char *data = malloc(count + 1);
        if (!data)
            fail("malloc");
        bool is_done = true;
        if (!strcmp(verb, "shut")) {
            shutdown(fd, SHUT_WR);
        } else if (!strcmp(verb, "send")) {
            if (fread(data, 1, count, stdin) != count)
                fail("stdin");
            is_done = move(send_ways, method, data, count, argument);
        } else {
            is_done = move(receive_ways, method, data, count, argument);
        }
        if (!is_done)
            puts("missing");
        else if (!strcmp(verb, "recv") && printf("ok %zu\n", count) > 0)
            fwrite(data, 1, count, stdout);
        else
            puts("ok");
        fflush(stdout);
        free(data);
    }
    return 0;
}
