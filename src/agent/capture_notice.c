#include "agent/capture_notice.h"
#include <inttypes.h>
#include <stdio.h>

static void tls_notice(const struct capture *capture, bool is_quiet)
{
    struct capture_tls tls;

    capture_read_tls(capture, &tls);
    if (tls.why_not)
        fprintf(stderr, "weir: no plaintext of TLS libraries: %s\n", tls.why_not);
    else if (!is_quiet)
        fprintf(stderr, "weir: taking plaintext of %zu files with TLS libraries\n", tls.file_count);
    if (tls.refused_count)
        fprintf(stderr, "weir: no plaintext of %" PRIu64 " files with TLS libraries, such as %s\n",
                tls.refused_count, tls.refused);
}

void capture_notice(const struct capture *capture, const struct run_options *options)
{
    if (!options->is_quiet)
        fprintf(stderr, "weir: capturing with rung %s\n",
                capture_rung_names[capture_rung_used(capture)]);
    const char *unix_why = capture_unix_why(capture);
    if (unix_why)
        fprintf(stderr, "weir: no Unix sockets, though DropUnixSocket is false: %s\n", unix_why);
    if (!options->is_tls_disabled)
        tls_notice(capture, options->is_quiet);
}
