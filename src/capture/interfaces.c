/* interfaces: which network interfaces there are, and which come and go (rtnetlink(7)). */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/allocate.h"
#include "capture/packet_program.h"

enum { MESSAGE_BYTES = 64 * 1024, WATCH_BYTES = 1024 * 1024 };

struct visit {
    void *context;
    void (*on_interface)(void *context, const struct interface *interface, bool is_gone);
    void (*on_filter)(void *context, const struct interface_filter *filter);
    bool is_egress; /* where filters are asked for */
};

int interfaces_watch(void)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
    int watch = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    int size = WATCH_BYTES, result;

    if (watch < 0)
        return -errno;
    setsockopt(watch, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    if (bind(watch, (struct sockaddr *)&address, sizeof(address)) == 0)
        return watch;
    result = -errno;
    close(watch);
    return result;
}

static void text_copy(char *to, size_t size, const struct rtattr *attribute)
{
    size_t length = strnlen(RTA_DATA(attribute), (size_t)RTA_PAYLOAD(attribute));

    if (length >= size)
        length = size - 1;
    memcpy(to, RTA_DATA(attribute), length);
    to[length] = 0;
}

static void kind_read(struct interface *interface, const struct rtattr *info)
{
    const struct rtattr *attribute = RTA_DATA(info);
    int left = (int)RTA_PAYLOAD(info);

    for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
        if (attribute->rta_type == IFLA_INFO_KIND)
            text_copy(interface->kind, sizeof(interface->kind), attribute);
    }
}

static void link_visit(const struct visit *visit, const struct nlmsghdr *message)
{
    const struct ifinfomsg *link = NLMSG_DATA(message);
    const struct rtattr *attribute = IFLA_RTA(link);
    int left = (int)IFLA_PAYLOAD(message);
    struct interface interface = {.index = (uint32_t)link->ifi_index,
                                  .hardware_type = link->ifi_type};

    if (link->ifi_family != AF_UNSPEC) /* bridges tell of their ports in this way */
        return;
    for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
        if (attribute->rta_type == IFLA_IFNAME)
            text_copy(interface.name, sizeof(interface.name), attribute);
        else if (attribute->rta_type == IFLA_LINKINFO)
            kind_read(&interface, attribute);
    }
    visit->on_interface(visit->context, &interface, message->nlmsg_type == RTM_DELLINK);
}

static void filter_name_read(struct interface_filter *filter, const struct rtattr *options)
{
    const struct rtattr *attribute = RTA_DATA(options);
    int left = (int)RTA_PAYLOAD(options);

    for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
        if (attribute->rta_type == TCA_BPF_NAME)
            text_copy(filter->name, sizeof(filter->name), attribute);
    }
}

static void filter_visit(const struct visit *visit, const struct nlmsghdr *message)
{
    const struct tcmsg *about = NLMSG_DATA(message);
    const struct rtattr *attribute = TCA_RTA(about);
    int left = (int)TCA_PAYLOAD(message);
    struct interface_filter filter = {.handle = about->tcm_handle,
                                      .priority = about->tcm_info >> 16,
                                      .is_egress = visit->is_egress};
    bool is_program = false;

    for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
        if (attribute->rta_type == TCA_KIND)
            is_program = strncmp(RTA_DATA(attribute), "bpf", RTA_PAYLOAD(attribute)) == 0;
        else if (attribute->rta_type == TCA_OPTIONS && is_program)
            filter_name_read(&filter, attribute);
    }
    visit->on_filter(visit->context, &filter);
}

/* One datagram of messages. 1: the list has ended, 0: it goes on, or -errno. */
static int messages_visit(struct visit *visit, const char *bytes, size_t size)
{
    const struct nlmsghdr *message = (const struct nlmsghdr *)bytes;

    for (; NLMSG_OK(message, size); message = NLMSG_NEXT(message, size)) {
        if (message->nlmsg_type == NLMSG_DONE)
            return 1;
        if (message->nlmsg_type == NLMSG_ERROR)
            return ((const struct nlmsgerr *)NLMSG_DATA(message))->error;
        if (visit->on_interface &&
            (message->nlmsg_type == RTM_NEWLINK || message->nlmsg_type == RTM_DELLINK))
            link_visit(visit, message);
        if (visit->on_filter && message->nlmsg_type == RTM_NEWTFILTER)
            filter_visit(visit, message);
    }
    return 0;
}

/* Reads until there is nothing more, or with `is_list` until the list has ended. */
static int read_all(int watch, struct visit *visit, bool is_list)
{
    char *bytes = allocate(MESSAGE_BYTES);
    int result = 0;

    if (!bytes)
        return -ENOMEM;
    while (result == 0) {
        ssize_t size = recv(watch, bytes, MESSAGE_BYTES, is_list ? 0 : MSG_DONTWAIT);

        if (size > 0)
            result = messages_visit(visit, bytes, (size_t)size);
        else if (size < 0 && errno != EINTR)
            result = errno == EAGAIN ? 1 : -errno;
    }
    deallocate(bytes);
    return result < 0 ? result : 0;
}

/* Sends a question and visits the answers. 0 or -errno. */
static int ask(void *request, size_t size, struct visit *visit)
{
    int asking = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), result = 0;

    if (asking < 0)
        return -errno;
    if (send(asking, request, size, 0) < 0)
        result = -errno;
    else
        result = read_all(asking, visit, true);
    close(asking);
    return result;
}

int interfaces_list(void *context,
                    void (*on_interface)(void *context, const struct interface *interface,
                                         bool is_gone))
{
    struct {
        struct nlmsghdr header;
        struct ifinfomsg link;
    } request = {
        .header = {.nlmsg_len = sizeof(request),
                   .nlmsg_type = RTM_GETLINK,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
    };
    struct visit visit = {.context = context, .on_interface = on_interface};

    return ask(&request, sizeof(request), &visit);
}

void interfaces_filters(uint32_t index, void *context,
                        void (*on_filter)(void *context, const struct interface_filter *filter))
{
    static const uint32_t directions[] = {TC_H_MIN_INGRESS, TC_H_MIN_EGRESS};
    struct {
        struct nlmsghdr header;
        struct tcmsg filter;
    } request = {
        .header = {.nlmsg_len = sizeof(request),
                   .nlmsg_type = RTM_GETTFILTER,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
        .filter = {.tcm_ifindex = (int)index},
    };
    struct visit visit = {.context = context, .on_filter = on_filter};

    for (size_t i = 0; i < 2; i++) {
        visit.is_egress = i == 1;
        request.filter.tcm_parent = TC_H_MAKE(TC_H_CLSACT, directions[i]);
        ask(&request, sizeof(request), &visit);
    }
}

static void count_filter(void *context, const struct interface_filter *filter)
{
    unsigned *count = context;

    (void)filter;
    (*count)++;
}

bool interfaces_have_filters(uint32_t index)
{
    unsigned count = 0;

    interfaces_filters(index, &count, count_filter);
    return count > 0;
}

int interfaces_changes(int watch, void *context,
                       void (*on_interface)(void *context, const struct interface *interface,
                                            bool is_gone))
{
    struct visit visit = {.context = context, .on_interface = on_interface};

    return read_all(watch, &visit, false);
}
