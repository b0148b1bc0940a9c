/* icmp: which ICMP (RFC 792) and ICMPv6 (RFC 4443, RFC 4861) types answer each other. */
#pragma once
#include <stdint.h>

/* The type that answers this one, as Community ID pairs them; -1: none. */
int icmp_answering_type(uint8_t protocol, uint8_t type);
