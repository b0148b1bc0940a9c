/* common_options: what their rows refer to. */
#include "config/common_options.h"

const char *const output_formats[] = {"auto", "pretty", "json",     "logfmt",          "ecs", "cef",
                                      "leef", "influx", "ilogtail", "ilogtail-schema", NULL};
const char *const output_colours[] = {"auto", "always", "never", NULL};
