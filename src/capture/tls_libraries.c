/* tls_libraries: the table of tls_libraries.def. */
#include "capture/tls_library.h"

#define TLS_LIBRARY(name) extern const struct tls_library tls_##name;
#include "capture/tls_libraries.def"
#undef TLS_LIBRARY

const struct tls_library *const tls_libraries[] = {
#define TLS_LIBRARY(name) &tls_##name,
#include "capture/tls_libraries.def"
#undef TLS_LIBRARY
    NULL,
};

_Static_assert(sizeof(tls_libraries) / sizeof(*tls_libraries) <= TLS_LIBRARIES_MAXIMUM, "room");
