/*
 * rule_headers: what is shown of headers beyond masking. It runs behind the masking stage and can
 * only hide more: a value that holds something masked stays as it is, or is hidden whole.
 */
#pragma once
#include "config/blocks.h"
#include "config/option.h"
#include "model/record.h"

struct header_rules;

/*
 * `key`: of the digests; empty: a rule that asks for them is wrong. `path`: the file of the blocks,
 * for the message. 0, -EINVAL or -ENOMEM and a message.
 */
int header_rules_new(const struct block_list *blocks, const char *path, struct slice key,
                     struct header_rules **ret_rules, char message[OPTION_MESSAGE_BYTES]);
void header_rules_free(struct header_rules **rules);
void header_rules_apply(struct header_rules *rules, struct record *record);
