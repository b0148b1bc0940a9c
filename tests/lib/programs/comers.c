/*
 * comers: containers and processes that come and go.
 *   comers serve                        answers every request; prints its port
 *   comers run FOLDER PORT FIRST COUNT STEP PROCESSES
 *       makes the control groups docker-ID.scope of the containers FIRST, FIRST + STEP, … below the
 *       folder, runs the processes in each one after the other, and removes it
 *   comers call PORT CONTAINER PROCESS  what each process does: GET /CONTAINER/PROCESS/ITS-PID
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int serve(void)
{
    static const char answer[] = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    char text[1024];

    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 512) ||
        getsockname(listener, (struct sockaddr *)&address, &size))
        return 1;
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    for (;;) {
        int one = accept(listener, NULL, NULL);

        if (one < 0)
            return 1;
        if (read(one, text, sizeof(text)) > 0 &&
            write(one, answer, sizeof(answer) - 1) != sizeof(answer) - 1)
            return 1;
        close(one);
    }
}

/* Many addresses of the loopback, so that no pair of ports is used twice within a minute. */
static int call(char **arguments)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((unsigned short)atoi(arguments[0]))};
    unsigned container = (unsigned)atoi(arguments[1]);
    int descriptor = socket(AF_INET, SOCK_STREAM, 0), length;
    char text[256];

    address.sin_addr.s_addr = htonl(0x7f010001u + (container % 200 << 8));
    length = snprintf(text, sizeof(text), "GET /%s/%s/%d HTTP/1.1\r\nHost: c\r\n\r\n", arguments[1],
                      arguments[2], getpid());
    if (connect(descriptor, (struct sockaddr *)&address, sizeof(address)) ||
        write(descriptor, text, (size_t)length) != length)
        return 1;
    return read(descriptor, text, sizeof(text)) <= 0;
}

/* As a process of the group, so that its children are too. */
static int run_inside(const char *group, const char *port, int container, int processes)
{
    char path[512], numbers[2][16];
    int file, status;

    snprintf(path, sizeof(path), "%s/cgroup.procs", group);
    file = open(path, O_WRONLY);
    if (file < 0 || write(file, "0", 1) != 1)
        return 1;
    close(file);
    snprintf(numbers[0], sizeof(numbers[0]), "%d", container);
    for (int i = 0; i < processes; i++) {
        pid_t child = vfork();

        if (child == 0) {
            snprintf(numbers[1], sizeof(numbers[1]), "%d", i);
            execl("/proc/self/exe", "comers", "call", port, numbers[0], numbers[1], (char *)NULL);
            _exit(127);
        }
        if (child < 0 || waitpid(child, &status, 0) < 0 || status)
            return 1;
    }
    return 0;
}

static int run(char **arguments)
{
    int first = atoi(arguments[2]), count = atoi(arguments[3]), step = atoi(arguments[4]);
    char group[384];

    for (int i = first; i < count; i += step) {
        pid_t child;
        int status;

        snprintf(group, sizeof(group), "%s/docker-%064x.scope", arguments[0], i + 1);
        if (mkdir(group, 0755))
            return 1;
        child = fork();
        if (child == 0)
            _exit(run_inside(group, arguments[1], i, atoi(arguments[5])));
        if (child < 0 || waitpid(child, &status, 0) < 0 || status || rmdir(group))
            return 1;
    }
    return 0;
}

int main(int count, char **arguments)
{
    if (count == 2 && strcmp(arguments[1], "serve") == 0)
        return serve();
    if (count == 5 && strcmp(arguments[1], "call") == 0)
        return call(arguments + 2);
    if (count == 8 && strcmp(arguments[1], "run") == 0)
        return run(arguments + 2);
    return 2;
}
