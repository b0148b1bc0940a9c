/* resolve: what option tables cannot say and several commands need: the masking key, the terminal.
 */
#include "config/resolve.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MASK_KEY_MINIMUM = 16 };

static int check_length(const char *origin, size_t length, char *message)
{
    if (length >= MASK_KEY_MINIMUM && length <= MASK_KEY_BYTES)
        return 0;
    snprintf(message, OPTION_MESSAGE_BYTES, "%s: a key has %d to %d bytes, not %zu", origin,
             MASK_KEY_MINIMUM, MASK_KEY_BYTES, length);
    return -EINVAL;
}

static int read_key_file(const char *path, char key[MASK_KEY_BYTES], size_t *ret_length,
                         char *message)
{
    char bytes[MASK_KEY_BYTES + 3];
    struct stat status;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = descriptor < 0 ? -1 : read(descriptor, bytes, sizeof(bytes));
    int error = errno;
    bool is_open_to_all = descriptor >= 0 && fstat(descriptor, &status) == 0 &&
                          (status.st_mode & (S_IROTH | S_IWOTH | S_IWGRP));
    if (descriptor >= 0)
        close(descriptor);
    if (length < 0) {
        snprintf(message, OPTION_MESSAGE_BYTES, "--mask-key-file: %.300s: %s", path,
                 strerror(error));
        return -EINVAL;
    }
    if (is_open_to_all) {
        snprintf(message, OPTION_MESSAGE_BYTES,
                 "--mask-key-file: %.300s can be read or written by others; chmod 600 it", path);
        return -EINVAL;
    }
    if (length > 0 && bytes[length - 1] == '\n')
        length--;
    if (length > 0 && bytes[length - 1] == '\r')
        length--;
    if (check_length("--mask-key-file", (size_t)length, message) < 0)
        return -EINVAL;
    memcpy(key, bytes, (size_t)length);
    *ret_length = (size_t)length;
    explicit_bzero(bytes, sizeof(bytes));
    return 0;
}

static bool has_taken_key;

bool resolve_has_taken_key(void)
{
    return has_taken_key;
}

int resolve_mask_key(const char *path, char key[MASK_KEY_BYTES], size_t *ret_length,
                     char message[OPTION_MESSAGE_BYTES])
{
    if (path)
        return read_key_file(path, key, ret_length, message);
    char *variable = getenv("WEIR_MASK_KEY");
    if (!variable || !*variable)
        return 0;
    size_t length = strlen(variable);
    if (check_length("WEIR_MASK_KEY", length, message) < 0)
        return -EINVAL;
    memcpy(key, variable, length);
    *ret_length = length;
    has_taken_key = true;
    explicit_bzero(variable, length); /* /proc/PID/environ shows this memory */
    unsetenv("WEIR_MASK_KEY");
    return 0;
}

bool resolve_has_output(const struct block_list *sinks, const char *output_file, const char *format)
{
    return !sinks->count || output_file || strcmp(format, "auto") != 0;
}

bool resolve_terminal(const char *output_file, const char *colour, const char **format)
{
    bool is_terminal = !output_file && isatty(STDOUT_FILENO);
    const char *no_colour = getenv("NO_COLOR");
    if (strcmp(*format, "auto") == 0)
        *format = is_terminal ? "pretty" : "json";
    if (strcmp(colour, "auto") != 0)
        return strcmp(colour, "always") == 0;
    return is_terminal && !(no_colour && *no_colour);
}
