/* tls_files: what can be wrong with them before a connection is made. */
#include "sink/tls_files.h"
#include <errno.h>
#include <stdio.h>

int tls_files_check(const struct tls_files *files, char message[SINK_MESSAGE_BYTES])
{
    if (!files->certificate_file == !files->key_file)
        return 0;
    snprintf(message, SINK_MESSAGE_BYTES, "%s",
             files->key_file ? "tls-key-file: goes with tls-certificate-file"
                             : "tls-certificate-file: goes with tls-key-file");
    return -EINVAL;
}
