/*
 * packet_expression: a filter in the language of tcpdump, as far as it names protocols, ports,
 * addresses and networks (pcap-filter(7)), as an expression of weir (model/query.h).
 */
#pragma once
#include "config/option.h"

/* 0, or -EINVAL and a message that names the place and what is allowed. */
int packet_expression_translate(const char *text, char *ret_expression, size_t size,
                                char message[OPTION_MESSAGE_BYTES]);
