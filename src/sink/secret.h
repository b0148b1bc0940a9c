/*
 * secret: a password or token from a file or a variable, never from the configuration. A process
 * that has read one writes no core files and cannot be looked into by others of its user.
 */
#pragma once
#include "contract/sink.h"

enum { SECRET_BYTES = 4096 };

struct secret {
    size_t length; /* 0: none */
    char text[SECRET_BYTES];
};

/*
 * Reads the file, or else the variable; both NULL: none. A line break at the end does not count. 0,
 * or -EINVAL and a message that names where it should have come from.
 */
int secret_read(const char *path, const char *variable, struct secret *ret_secret,
                char message[SINK_MESSAGE_BYTES]);
void secret_forget(struct secret *secret);
