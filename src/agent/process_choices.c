#include "agent/process_choices.h"
#include <errno.h>
#include "base/allocate.h"
#include "track/process_fields.h"

enum { CHOICES_MAXIMUM = 4096, RECORD_BYTES = 16 * 1024 };

/* Direct mapped by pid: a newcomer takes the place of another with the same remainder. */
struct process_choices {
    struct choice {
        struct process_identity process;
        bool is_refused;
    } slots[CHOICES_MAXIMUM];
    bool has_refused;
};

int process_choices_new(struct process_choices **ret_choices)
{
    *ret_choices = allocate_zeroed(sizeof(**ret_choices));
    return *ret_choices ? 0 : -ENOMEM;
}

void process_choices_free(struct process_choices **choices)
{
    deallocate(*choices);
    *choices = NULL;
}

/* What every record of the process at this end says of it. */
static bool is_refused(const struct delivery *delivery, struct enrichment *enrichment,
                       const struct process_identity *process)
{
    struct record *record = record_new(RECORD_BYTES);
    struct process_details details = {0};
    bool result;

    if (!record)
        return false;
    enrichment_identify(enrichment, process, &details);
    process_fields_add(record, process, &details);
    result = rules_refuse(delivery->rules, delivery->query, record);
    record_unref(&record);
    return result;
}

static bool is_same(const struct process_identity *a, const struct process_identity *b)
{
    return a->pid == b->pid && a->start_time_ns == b->start_time_ns && a->number == b->number &&
           memcmp(a->command, b->command, sizeof(a->command)) == 0;
}

void process_choices_see(struct process_choices *choices, const struct delivery *delivery,
                         struct enrichment *enrichment, struct capture *capture,
                         const struct process_identity *process)
{
    struct choice *choice = &choices->slots[process->pid % CHOICES_MAXIMUM];

    if (!delivery->query && !rules_have_any(delivery->rules))
        return;
    if (!is_same(&choice->process, process)) {
        choice->process = *process;
        choice->is_refused = is_refused(delivery, enrichment, process);
    }
    if (!choice->is_refused)
        return;
    /* Again, when it was told before: the kernel's table may have let it go. */
    capture_ignore(capture, process);
    choices->has_refused = true;
}

void process_choices_forget(struct process_choices *choices, struct capture *capture)
{
    memset(choices->slots, 0, sizeof(choices->slots));
    if (choices->has_refused)
        capture_ignore_nobody(capture);
    choices->has_refused = false;
}
