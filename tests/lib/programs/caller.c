/*
 * caller: the shortest client. `caller PORT TARGET [PROGRAM [HOW]]`: one exchange with a server on
 * the loopback, then the end, or another program in its place: `again` on the same connection,
 * `anew` on another one.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int call(int descriptor, const char *target)
{
    char text[512];
    int length = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: caller\r\n\r\n", target);

    if (write(descriptor, text, (size_t)length) != length)
        return 1;
    return read(descriptor, text, sizeof(text)) <= 0;
}

int main(int count, char **arguments)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    int descriptor;

    if (count == 3 && strcmp(arguments[1], "again") == 0)
        return call(3, arguments[2]);
    if (count < 3)
        return 2;
    address.sin_port = htons((unsigned short)atoi(arguments[1]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    descriptor = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(descriptor, (struct sockaddr *)&address, sizeof(address)) ||
        call(descriptor, arguments[2]))
        return 1;
    if (count == 5 && strcmp(arguments[4], "again") == 0) {
        if (descriptor != 3)
            dup2(descriptor, 3);
        execl(arguments[3], arguments[3], "again", "/same-connection", (char *)NULL);
    } else if (count == 5) {
        execl(arguments[3], arguments[3], arguments[1], "/another-connection", (char *)NULL);
    }
    return count == 5;
}
