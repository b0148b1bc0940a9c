/* secret: see the header. Characters that would end a header's line are refused. */
#include "sink/secret.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int refuse(char *message, const char *origin, const char *why)
{
    snprintf(message, SINK_MESSAGE_BYTES, "%.150s: %.80s", origin, why);
    return -EINVAL;
}

static int read_file(const char *path, struct secret *secret, char *message)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    ssize_t length = descriptor < 0 ? -1 : read(descriptor, secret->text, SECRET_BYTES);
    int error = errno;
    struct stat status;
    bool is_open_to_all = descriptor >= 0 && fstat(descriptor, &status) == 0 &&
                          (status.st_mode & (S_IROTH | S_IWOTH | S_IWGRP));

    if (descriptor >= 0)
        close(descriptor);
    if (length < 0)
        return refuse(message, path, strerror(error));
    if (is_open_to_all)
        return refuse(message, path, "can be read or written by others; chmod 600 it");
    if (length == SECRET_BYTES)
        return refuse(message, path, "is too long for a secret");
    secret->length = (size_t)length;
    return 0;
}

/* Neither a core file nor a debugger of the same user gets it. */
static void close_process(void)
{
    const struct rlimit none = {0, 0};

    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0);
}

int secret_read(const char *path, const char *variable, struct secret *ret_secret,
                char message[SINK_MESSAGE_BYTES])
{
    const char *origin = path ? path : variable, *value;
    int result;

    ret_secret->length = 0;
    if (!origin)
        return 0;
    if (path) {
        result = read_file(path, ret_secret, message);
        if (result < 0)
            return result;
    } else {
        value = getenv(variable);
        if (!value || strlen(value) >= SECRET_BYTES)
            return refuse(message, variable, value ? "is too long" : "this variable is not set");
        ret_secret->length = strlen(value);
        memcpy(ret_secret->text, value, ret_secret->length);
    }
    while (ret_secret->length && (ret_secret->text[ret_secret->length - 1] == '\n' ||
                                  ret_secret->text[ret_secret->length - 1] == '\r'))
        ret_secret->length--;
    ret_secret->text[ret_secret->length] = '\0';
    if (!ret_secret->length)
        return refuse(message, origin, "is empty");
    for (size_t i = 0; i < ret_secret->length; i++)
        if ((unsigned char)ret_secret->text[i] < ' ')
            return refuse(message, origin, "has a control character");
    close_process();
    return 0;
}

void secret_forget(struct secret *secret)
{
    explicit_bzero(secret, sizeof(*secret));
}
