/* observer_setup: what --ilogtail-config and formats of rows mean for the options of a command. */
#pragma once
#include "config/observer_options.h"
#include "config/read_options.h"
#include "config/run_options.h"

struct observer_setup {
    struct observer_options options;
    struct observer_file *file;     /* NULL: none was read */
    char filter[OPTION_TEXT_BYTES]; /* with PCAP.Filter */
};

/*
 * Reads the file, if there is one, and changes the options accordingly: before they are resolved.
 * 0, or -errno and a message.
 */
int observer_setup_run(struct observer_setup *setup, struct run_options *options,
                       char message[OPTION_MESSAGE_BYTES]);
int observer_setup_read(struct observer_setup *setup, struct read_options *options,
                        char message[OPTION_MESSAGE_BYTES]);
void observer_setup_done(struct observer_setup *setup);
