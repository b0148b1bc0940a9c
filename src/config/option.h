/*
 * option: command-line options as data. A table says everything about its options - name, kind,
 * limits, default, help - and the parser, the help text and the manual pages are made from it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "config/blocks.h"
#include "model/address.h"

enum option_kind {
    OPTION_FLAG,     /* bool */
    OPTION_TEXT,     /* const char *, borrowed from the argument or the environment */
    OPTION_CHOICE,   /* const char *, one of `choices` (the table's own pointer) */
    OPTION_NUMBER,   /* uint64_t */
    OPTION_SIZE,     /* uint64_t bytes: 65536, 64KiB, 4M (binary units) */
    OPTION_DURATION, /* uint64_t nanoseconds: 500ms, 10s, 1h30m; a bare number is seconds */
    OPTION_PIDS,     /* struct number_list */
    OPTION_PORTS,    /* struct number_list */
    OPTION_NETWORKS, /* struct network_list */
    OPTION_TEXTS,    /* struct text_list */
    OPTION_BLOCKS,   /* struct block_list: may be repeated, and has no commas */
};

/* List options may be repeated, and hold values separated by commas. */
enum { OPTION_LIST_MAXIMUM = 64, OPTION_TEXT_BYTES = 4096 };

struct number_list {
    size_t count;
    uint32_t items[OPTION_LIST_MAXIMUM];
};
struct network_list {
    size_t count;
    struct cidr items[OPTION_LIST_MAXIMUM];
};
/* The texts stand in `bytes`: a list must not be copied by assignment. */
struct text_list {
    size_t count;
    size_t used;
    const char *items[OPTION_LIST_MAXIMUM + 1]; /* ends with NULL */
    char bytes[OPTION_TEXT_BYTES];
};

/* Arguments that are no options, in their order. The array is made by arguments_parse. */
struct operand_list {
    size_t count;
    const char **items; /* ends with NULL */
};

enum option_trait {
    OPTION_IS_POWER_OF_TWO = 1,
    OPTION_ONLY_ARGUMENT = 2, /* cannot be set through the environment or the configuration */
    OPTION_NOT_IN_FILE = 4,   /* cannot be set through the configuration */
    OPTION_IS_LIVE = 8,       /* can change while weir runs */
    OPTION_HAS_COMMAS = 16,   /* a list whose values may hold commas: one at a time */
};

struct option {
    const char *name;   /* without the dashes; WEIR_<NAME> in the environment */
    const char *plural; /* another name of it in the configuration; NULL: none */
    char short_name;    /* 0: none */
    enum option_kind kind;
    size_t offset;        /* of the value in the command's options structure */
    const char *argument; /* what help calls the value; NULL for flags */
    const char *example;  /* of blocks: a value as YAML, for the commented example */
    const char *implied;  /* the value when the name stands alone; others are given with = only */
    const char *default_text;   /* as a user would write it; NULL: off, empty or absent */
    uint64_t minimum, maximum;  /* of numbers, sizes, durations; maximum 0: no limit */
    const char *const *choices; /* NULL-terminated */
    unsigned traits;            /* bit set of enum option_trait */
    const char *group;          /* heading in the help text */
    const char *help;           /* full sentences; may say more than one line */
};

struct option_table {
    const char *command;    /* "run" */
    const char *summary;    /* one line */
    const char *details;    /* paragraphs of the manual page, separated by empty lines */
    const char *examples;   /* lines "command\ttext", for help and manual page */
    const char *operands;   /* what help calls them, such as "FILE..."; NULL: takes none */
    size_t operands_offset; /* of the struct operand_list in the command's options structure */
    size_t count;
    const struct option *options;
};

enum { OPTION_MESSAGE_BYTES = 512, OPTION_TABLE_MAXIMUM = 96 /* options of a table */ };

enum option_origin_kind {
    ORIGIN_DEFAULT,
    ORIGIN_PROFILE,
    ORIGIN_FILE,
    ORIGIN_VARIABLE,
    ORIGIN_ARGUMENT,
};

/* Where an option's value comes from. */
struct option_origin {
    uint8_t kind;          /* enum option_origin_kind */
    uint32_t line, column; /* ORIGIN_FILE: of the key, of the value, from 1 */
};

/*
 * Sets the option's value in `values` from `text` (ignored for flags). 0, or -EINVAL and a message
 * that names the value and what is allowed, without the option's name. Lists grow; others are
 * replaced.
 */
int option_set(const struct option *option, void *values, const char *text,
               char message[OPTION_MESSAGE_BYTES]);

/* Sets every option's default. The structure must be zeroed. Defaults of a table are always right.
 */
void option_set_defaults(const struct option_table *table, void *values);

/* NULL when there is none. */
const struct option *option_find(const struct option_table *table, const char *name, size_t length);
const struct option *option_find_short(const struct option_table *table, char short_name);

/* Does the option hold several values? */
bool option_is_list(const struct option *option);
/* Back to nothing: lists empty, flags off; other values stay until they are set. */
void option_clear(const struct option *option, void *values);
/*
 * The option's value as a user would write it (lists: items separated by commas). False: it has
 * none.
 */
bool option_format(const struct option *option, const void *values, char *text, size_t size);
/* Have the two structures the same value? */
bool option_is_equal(const struct option *option, const void *a, const void *b);
