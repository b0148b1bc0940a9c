/* output_rows: each such sink has an observer of its own, since its filter decides what goes in. */
#include "agent/output_rows.h"
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include "config/observer_options.h"
#include "refine/observer.h"

int output_rows_open(struct output *output, const struct encoder *encoder,
                     const struct outputs_options *options)
{
    enum encoder_rows rows = encoder ? encoder->rows : ENCODER_ROWS_NONE;
    static struct observer_options defaults; /* large; one thread starts everything */
    struct observer_settings settings = {
        .options = options->observer,
        .with_connections = rows == ENCODER_ROWS_OF_CONNECTIONS,
        .with_digest = rows == ENCODER_ROWS_OF_CONNECTIONS,
        .with_datagrams = options->with_datagrams,
        .is_timed_by_records = options->is_timed_by_records,
    };

    if (rows == ENCODER_ROWS_NONE)
        return 0;
    if (!settings.options) {
        observer_options_set_defaults(&defaults);
        settings.options = &defaults;
    }
    output->addresses_interval_ns =
        options->is_timed_by_records ? 0 : settings.options->netlink_interval_ns;
    return observer_new(&settings, &output->observer);
}

int output_rows_renew(struct output *output, const struct encoder *encoder,
                      const struct outputs_options *options)
{
    struct observer *old = output->observer;
    int result = output_rows_open(output, encoder, options);

    if (result)
        return result;
    observer_inherit(output->observer, old);
    observer_free(&old);
    return 0;
}

void output_rows_take(struct output *output, const struct record *record, bool is_counted)
{
    if (!is_counted)
        return;
    switch (observer_take(output->observer, record)) {
    case OBSERVER_TAKEN:
        output->taken++;
        break;
    case OBSERVER_FILTERED:
        output->filtered++;
        break;
    case OBSERVER_FULL:
        output->lost_rows++;
        break;
    case OBSERVER_NO_MEMORY:
        output->lost_encoding++;
        break;
    }
}

struct record *output_rows_next(struct output *output)
{
    struct record *row;
    bool is_lost;

    do {
        row = observer_next(output->observer, &is_lost);
        output->rows += row || is_lost;
        output->lost_encoding += is_lost;
    } while (!row && is_lost);
    return row;
}

static bool address_of(const struct sockaddr *from, struct address *to)
{
    memset(to, 0, sizeof(*to));
    if (from && from->sa_family == AF_INET) {
        to->family = ADDRESS_IPV4;
        memcpy(to->bytes, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
        return true;
    }
    if (from && from->sa_family == AF_INET6) {
        to->family = ADDRESS_IPV6;
        memcpy(to->bytes, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, 16);
        return true;
    }
    return false;
}

static void read_addresses(struct observer *observer)
{
    struct observer_addresses own = {0};
    struct ifaddrs *list;

    if (getifaddrs(&list) < 0)
        return;
    for (const struct ifaddrs *at = list; at && own.count < OBSERVER_ADDRESSES_MAXIMUM;
         at = at->ifa_next)
        own.count += address_of(at->ifa_addr, &own.items[own.count]);
    freeifaddrs(list);
    observer_set_addresses(observer, &own);
}

void output_rows_tick(struct output *output, uint64_t now_ns)
{
    if (output->addresses_interval_ns && now_ns != UINT64_MAX &&
        (now_ns >= output->addresses_ns || /* or the clock was set back */
         output->addresses_ns - now_ns > output->addresses_interval_ns)) {
        read_addresses(output->observer);
        output->addresses_ns = now_ns + output->addresses_interval_ns;
    }
    observer_tick(output->observer, now_ns);
}
