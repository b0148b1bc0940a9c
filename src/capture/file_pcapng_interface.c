/*
 * file_pcapng_interface: an interface's name and clock (draft-ietf-opsawg-pcapng, options if_name,
 * if_tsresol, if_tsoffset).
 */
#include "capture/file_pcapng.h"

enum { OPTION_NAME = 2, OPTION_RESOLUTION = 9, OPTION_TIME_OFFSET = 14 };
#define SECOND_NS 1000000000ull

/* Units in a second: 10^n, or with the highest bit 2^n. 0: more than can be counted. */
static uint64_t read_resolution(uint8_t resolution)
{
    uint64_t units = 1;

    if (resolution & 0x80)
        return (resolution & 0x7f) < 64 ? 1ull << (resolution & 0x7f) : 0;
    if (resolution > 19)
        return 0;
    while (resolution--)
        units *= 10;
    return units;
}

void pcapng_interface_take_option(struct pcapng_interface *interface, struct byte_order order,
                                  uint16_t code, struct slice value)
{
    uint64_t units;

    if (code == OPTION_NAME) {
        while (value.length && !value.data[value.length - 1])
            value.length--;
        if (value.length > INTERFACE_NAME_BYTES)
            value.length = INTERFACE_NAME_BYTES;
        interface->name_length = (uint8_t)value.length;
        memcpy(interface->name, value.data, value.length);
    } else if (code == OPTION_RESOLUTION && value.length == 1) {
        units = read_resolution(value.data[0]);
        if (units)
            interface->units = units;
    } else if (code == OPTION_TIME_OFFSET && value.length == 8) {
        interface->offset_seconds = (int64_t)byte_order_64(order, value.data);
    }
}

uint64_t pcapng_interface_time(const struct pcapng_interface *interface, uint64_t units)
{
    __int128 time_ns;

    if (interface->units == SECOND_NS)
        time_ns = units;
    else if (interface->units == 1000000)
        time_ns = (__int128)units * 1000;
    else
        time_ns = (__int128)(units / interface->units) * (__int128)SECOND_NS +
                  (__int128)((unsigned __int128)(units % interface->units) * SECOND_NS /
                             interface->units);
    time_ns += (__int128)interface->offset_seconds * (__int128)SECOND_NS;
    if (time_ns < 0)
        return 0;
    return time_ns > (__int128)UINT64_MAX ? UINT64_MAX : (uint64_t)time_ns;
}
