#include "agent/tls_notice.h"
#include <stdio.h>

void tls_notice(const struct capture *capture, bool is_quiet)
{
    const char *why;
    size_t files = capture_tls_files(capture, &why);

    if (why)
        fprintf(stderr, "weir: no plaintext of TLS libraries: %s\n", why);
    else if (!is_quiet)
        fprintf(stderr, "weir: taking plaintext of %zu files with TLS libraries\n", files);
}
