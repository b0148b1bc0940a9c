#include "agent/ready.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include "agent/capture_notice.h"

void ready_tell(const struct run_options *options, const struct capture *capture,
                const struct packet_source *packets)
{
    int file;

    if (capture)
        capture_notice(capture, options);
    if (!options->is_quiet && packets)
        fprintf(stderr, "weir: looking at packets with hook %s\n", packet_source_hook(packets));
    if (!options->ready_file)
        return;
    file = open(options->ready_file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        fprintf(stderr, "weir: --ready-file %s: %s\n", options->ready_file, strerror(errno));
    else
        close(file);
}
