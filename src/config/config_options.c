/* config_options: what help and the manual page say of `weir config`. */
#include "config/config_options.h"

const struct option_table config_option_table = {
    .command = "config",
    .summary = "check and show the configuration",
    .operands = "check|show|example [FILE]",
    .details =
        "weir run takes its options from a YAML file, from variables, and from arguments; each "
        "overrides the one before. The file is /etc/weir/weir.yaml, or the one that --config "
        "names. Its keys are the long names of the options of weir run; a mapping joins its key "
        "and those inside with a dash, so that 'mask: {name: [x-one]}' is 'mask-name: [x-one]'. "
        "Unknown keys are errors.\n"
        "\n"
        "check: says whether the configuration is right; if not, which file, line, column and key "
        "is wrong, the nearest right one, and what is allowed. show: prints each effective option "
        "with its origin, as YAML. example: prints a commented file with every key and its "
        "default. check and show take FILE, and the options of weir run.\n"
        "\n"
        "SIGHUP makes a running weir read its configuration again. The options that select, mask "
        "and show (filter, port, address, method, host, mask-name, verbose) change between two "
        "records, without losing one; others that have changed are named, they need a restart. A "
        "wrong configuration is told, and the old one stays in force.",
    .examples = "weir config check\tis the configuration right?\n"
                "weir config show --port 8080\twhat would weir run --port 8080 do, and why?\n"
                "weir config example > weir.yaml\ta file to begin with\n",
};
