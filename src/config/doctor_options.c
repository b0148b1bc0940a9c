/* doctor_options: the option table of `weir doctor`. */
#include "config/doctor_options.h"

static const char *const formats[] = {"pretty", "json", NULL};

static const struct option options[] = {
    {.name = "output",
     .short_name = 'o',
     .kind = OPTION_CHOICE,
     .offset = offsetof(struct doctor_options, format),
     .argument = "FORMAT",
     .default_text = "pretty",
     .choices = formats,
     .group = "Output",
     .traits = OPTION_ONLY_ARGUMENT,
     .help = "How the findings are written."},
};

const struct option_table doctor_option_table = {
    .command = "doctor",
    .summary = "tell what this kernel and these privileges allow",
    .details =
        "Looks at the kernel and at the privileges of this process, tries each way of seeing "
        "socket bytes, and says which one weir run would use, why, and how to get what is missing. "
        "It changes nothing and works as any user; as root it can try more.\n"
        "\n"
        "The ways (rungs), best first: fentry attaches to the kernel's TCP functions; tracepoint "
        "uses the socket tracepoints of kernels from 6.3 on and reads the arguments of the system "
        "call that is under way; syscall uses the tracepoints of the system calls. Bytes that "
        "io_uring moves can be seen by the first only; the others count them as lost.\n"
        "\n"
        "The exit status is 0 when weir run can capture here, and 3 when it cannot.",
    .examples = "sudo weir doctor\twhat would weir run do here?\n"
                "weir doctor -o json\tthe same for scripts\n",
    .count = sizeof(options) / sizeof(options[0]),
    .options = options,
};
