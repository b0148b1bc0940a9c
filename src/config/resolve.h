/* resolve: what option tables cannot say and several commands need: the masking key, the terminal.
 */
#pragma once
#include "config/option.h"

enum { MASK_KEY_BYTES = 256 };

/*
 * The masking key, from the file or from the variable WEIR_MASK_KEY, which is wiped. Without both,
 * nothing is set. 0, or -EINVAL and a message that names the origin.
 */
int resolve_mask_key(const char *path, char key[MASK_KEY_BYTES], size_t *ret_length,
                     char message[OPTION_MESSAGE_BYTES]);

/*
 * Is there an output of -o and -w beside the sinks? Asked before resolve_terminal replaces the
 * format.
 */
bool resolve_has_output(const struct block_list *sinks, const char *output_file,
                        const char *format);

/* Replaces the format "auto" by the one for this output. With colours? */
/* Has a variable held it, which is wiped when it is read? */
bool resolve_has_taken_key(void);
bool resolve_terminal(const char *output_file, const char *colour, const char **format);
