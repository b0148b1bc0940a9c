/*
 * fuzz_configuration: any text as a configuration file; what is right is shown, and its rules are
 * made.
 */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/allocate.h"
#include "config/configuration.h"
#include "config/run_options.h"
#include "refine/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const struct run_options *options, const struct option_origin *origins)
{
    struct rules_options rules_options = {.rules = &options->rules,
                                          .header_rules = &options->header_rules,
                                          .path = "file",
                                          .key = SLICE_LITERAL("0123456789abcdef")};
    char message[OPTION_MESSAGE_BYTES];
    struct rules *rules = NULL;
    FILE *nowhere = fopen("/dev/null", "w");

    if (nowhere) {
        configuration_show(&run_option_table, options, origins, "file", nowhere);
        fclose(nowhere);
    }
    rules_new(&rules_options, &rules, message);
    rules_free(&rules);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct option_origin origins[OPTION_TABLE_MAXIMUM];
    struct run_options *options = allocate_zeroed(sizeof(*options));
    struct configuration *configuration = NULL;
    char message[OPTION_MESSAGE_BYTES], path[32];
    int file = memfd_create("configuration", MFD_CLOEXEC);

    memset(origins, 0, sizeof(origins));
    if (options && file >= 0 && write(file, data, size) == (ssize_t)size) {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
        option_set_defaults(&run_option_table, options);
        if (configuration_read(&run_option_table, options, origins, path, &configuration,
                               message) == 0)
            use(options, origins);
        configuration_free(&configuration);
    }
    if (file >= 0)
        close(file);
    deallocate(options);
    return 0;
}
