/*
 * ports: the ports of services that most likely are a server's (IANA service names), for flows
 * whose first packet does not tell who opened them.
 */
#include "track/flow.h"

static const uint16_t tcp_ports[] = {
    21,   22,   25,   53,   80,   81,   88,   135,  139,  143,   389,   443,   445,  502,
    563,  585,  587,  614,  631,  636,  989,  990,  992,  993,   995,   1080,  1434, 1883,
    2811, 3128, 3268, 3306, 3389, 5060, 5061, 5222, 5223, 5269,  5432,  5555,  6379, 6666,
    6667, 6668, 6669, 8000, 8080, 8443, 8888, 9092, 9300, 11211, 20000, 27017,
};

static const uint16_t udp_ports[] = {
    53,   67,   88,   123,  137,  161,  162,  443,  514,  1812, 1813, 2123,
    2152, 3389, 3478, 3544, 4789, 5060, 5072, 5247, 5353, 5355, 6081,
};

bool ports_is_service(uint8_t protocol, uint16_t port)
{
    bool is_tcp = protocol == PROTOCOL_TCP;
    const uint16_t *ports = is_tcp ? tcp_ports : udp_ports;
    size_t count = is_tcp ? sizeof(tcp_ports) / sizeof(*tcp_ports)
                          : sizeof(udp_ports) / sizeof(*udp_ports);
    for (size_t i = 0; i < count; i++)
        if (ports[i] == port)
            return true;
    return false;
}
