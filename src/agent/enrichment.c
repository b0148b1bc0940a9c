#include "agent/enrichment.h"
#include <errno.h>
#include <stdio.h>
#include "base/allocate.h"
#include "capture/capture.h"
#include "refine/processes.h"

struct enrichment {
    struct processes *processes;
    struct capture *capture;
};

int enrichment_new(struct enrichment **ret_enrichment)
{
    struct enrichment *enrichment = allocate_zeroed(sizeof(*enrichment));
    int result = enrichment ? processes_new(&enrichment->processes) : -ENOMEM;

    if (result) {
        fprintf(stderr, "weir: %s\n", strerror(-result));
        enrichment_free(&enrichment);
        return result;
    }
    *ret_enrichment = enrichment;
    return 0;
}

void enrichment_free(struct enrichment **enrichment)
{
    if (!*enrichment)
        return;
    if ((*enrichment)->processes)
        processes_free(&(*enrichment)->processes);
    deallocate(*enrichment);
    *enrichment = NULL;
}

void enrichment_set_capture(struct enrichment *enrichment, struct capture *capture)
{
    enrichment->capture = capture;
}

void enrichment_learn(void *context, const struct process_description *process)
{
    struct enrichment *enrichment = context;
    uint32_t forgotten = processes_learn(enrichment->processes, process);

    if (forgotten && enrichment->capture)
        capture_forget_process(enrichment->capture, forgotten);
}

void enrichment_identify(void *context, const struct process_identity *identity,
                         struct process_details *ret_details)
{
    processes_identify(((struct enrichment *)context)->processes, identity, ret_details);
}
