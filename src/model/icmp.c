#include "model/icmp.h"
#include <stddef.h>

enum { ICMP = 1, ICMPV6 = 58 }; /* IANA */

int icmp_answering_type(uint8_t protocol, uint8_t type)
{
    static const struct {
        uint8_t protocol, type, answer;
    } pairs[] = {
        {ICMP, 8, 0},       {ICMP, 10, 9},      {ICMP, 13, 14},     {ICMP, 15, 16},
        {ICMP, 17, 18},     {ICMPV6, 128, 129}, {ICMPV6, 130, 131}, {ICMPV6, 133, 134},
        {ICMPV6, 135, 136}, {ICMPV6, 139, 140}, {ICMPV6, 144, 145},
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (pairs[i].protocol != protocol)
            continue;
        if (pairs[i].type == type)
            return pairs[i].answer;
        if (pairs[i].answer == type)
            return pairs[i].type;
    }
    return -1;
}
