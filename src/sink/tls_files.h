/* tls_files: the files of a sink that speaks TLS, in the option tables of all that do. */
#pragma once
#include <stddef.h>
#include "config/option.h"
#include "contract/sink.h"

struct tls_files {
    const char *ca_file, *certificate_file, *key_file; /* NULL: not given */
};

#define TLS_FILES_OPTION(structure, field, key, text)                                              \
    {                                                                                              \
        .name = (key), .kind = OPTION_TEXT, .offset = offsetof(structure, field),                  \
        .argument = "FILE", .help = (text)                                                         \
    }
/* Three lines of a table, for the member `struct tls_files tls` of the structure. */
#define TLS_FILES_OPTIONS(structure)                                                               \
    TLS_FILES_OPTION(structure, tls.ca_file, "tls-ca-file",                                        \
                     "Certificates (PEM) of the authorities that are trusted, in place of the "    \
                     "system's. The server's certificate and name are always verified."),          \
        TLS_FILES_OPTION(structure, tls.certificate_file, "tls-certificate-file",                  \
                         "Certificate (PEM) that shows who weir is."),                             \
        TLS_FILES_OPTION(structure, tls.key_file, "tls-key-file", "Its private key (PEM).")

/* 0, or -EINVAL and a message: one of certificate and key is missing. */
int tls_files_check(const struct tls_files *files, char message[SINK_MESSAGE_BYTES]);
