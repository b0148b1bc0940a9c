/* addresses: see the header. */
#include "capture/addresses.h"
#include <string.h>

void address_of_ring(const uint8_t bytes[16], struct address *ret_address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    memset(ret_address, 0, sizeof(*ret_address));
    if (memcmp(bytes, mapped, sizeof(mapped)) == 0) {
        ret_address->family = ADDRESS_IPV4;
        memcpy(ret_address->bytes, bytes + 12, 4);
        return;
    }
    ret_address->family = ADDRESS_IPV6;
    memcpy(ret_address->bytes, bytes, 16);
}

void identity_of(const struct weir_process *process, struct process_identity *ret_identity)
{
    *ret_identity = (struct process_identity){
        .pid = process->process_id,
        .user_id = process->user_id,
        .start_time_ns = process->start_time_ns,
        .number = process->identity,
    };
    memcpy(ret_identity->command, process->command, sizeof(ret_identity->command));
}
