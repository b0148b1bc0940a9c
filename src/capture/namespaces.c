/*
 * namespaces: which network namespaces and interfaces are looked at, and the following of those
 * that come and go. A namespace is entered for the moment of an action; the thread comes back.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/allocate.h"
#include "capture/packet_program.h"

#define OWN_NAMESPACE "/proc/self/ns/net"

void packets_complain(struct packets *packets, const char *interface, const char *what, int result)
{
    if (!packets->complaint[0])
        snprintf(packets->complaint, sizeof(packets->complaint), "%s: %s: %s", interface, what,
                 strerror(-result));
}

int namespace_enter(const struct network_namespace *namespace, int *ret_back)
{
    *ret_back = -1;
    if (namespace->descriptor < 0)
        return 0;
    *ret_back = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    if (*ret_back < 0)
        return -errno;
    if (setns(namespace->descriptor, CLONE_NEWNET) == 0)
        return 0;
    close(*ret_back);
    *ret_back = -1;
    return -errno;
}

void namespace_leave(int back)
{
    if (back < 0)
        return;
    if (setns(back, CLONE_NEWNET))
        abort(); /* everything behind this would happen in the wrong place */
    close(back);
}

static uint64_t key_of(uint32_t namespace, uint32_t index)
{
    return (uint64_t) namespace << 32 | index;
}

struct attachment *packet_attachment_find(const struct packets *packets, uint32_t namespace,
                                          uint32_t index)
{
    return table_find(&packets->attachments, key_of(namespace, index));
}

/* Devices that only pass on frames which others of the same host show as well. */
static bool is_stacked(const struct interface *interface)
{
    static const char *const kinds[] = {"bridge",  "bond",   "team", "vlan",  "macvlan", "ipvlan",
                                        "macvtap", "ipvtap", "vrf",  "nlmon", NULL};

    for (size_t i = 0; kinds[i]; i++)
        if (strcmp(interface->kind, kinds[i]) == 0)
            return true;
    return false;
}

static bool is_wanted(const struct packets *packets, const struct interface *interface)
{
    const char *const *patterns = packets->options.interfaces;

    for (size_t i = 0; patterns[i]; i++) {
        if (strcmp(patterns[i], "any") == 0)
            return true;
        if (strcmp(patterns[i], "auto") == 0 ? !is_stacked(interface)
                                             : fnmatch(patterns[i], interface->name, 0) == 0)
            return true;
    }
    return false;
}

struct following {
    struct packets *packets;
    struct network_namespace *namespace;
};

static void attachment_remove(struct packets *packets, struct attachment *attachment)
{
    struct attachment **at = &attachment->namespace->attachments;

    while (*at && *at != attachment)
        at = &(*at)->next;
    if (*at)
        *at = attachment->next;
    table_remove(&packets->attachments,
                 key_of(attachment->namespace->inode, attachment->interface.index));
    packet_detach(packets, attachment);
    deallocate(attachment);
}

/* Called in the interface's namespace. */
static void interface_take(struct following *following, const struct interface *interface)
{
    struct network_namespace *namespace = following->namespace;
    struct attachment *attachment = allocate_zeroed(sizeof(*attachment));
    int result = attachment ? 0 : -ENOMEM;

    if (result == 0) {
        attachment->interface = *interface;
        attachment->namespace = namespace;
        result = packet_attach(following->packets, attachment);
        if (result == 0)
            result = table_set(&following->packets->attachments,
                               key_of(namespace->inode, interface->index), attachment);
        if (result)
            packet_detach(following->packets, attachment);
    }
    if (result) {
        packets_complain(following->packets, interface->name, "cannot be looked at", result);
        deallocate(attachment);
        return;
    }
    attachment->next = namespace->attachments;
    namespace->attachments = attachment;
}

static void on_interface(void *context, const struct interface *interface, bool is_gone)
{
    struct following *following = context;
    struct attachment *old =
        packet_attachment_find(following->packets, following->namespace->inode, interface->index);

    if (is_gone) {
        if (old)
            attachment_remove(following->packets, old);
        return;
    }
    if (old) /* may have a new name */
        memcpy(old->interface.name, interface->name, sizeof(old->interface.name));
    else if (is_wanted(following->packets, interface))
        interface_take(following, interface);
}

static void namespace_remove(struct packets *packets, struct network_namespace *namespace)
{
    int back;

    if (namespace_enter(namespace, &back) == 0) {
        while (namespace->attachments)
            attachment_remove(packets, namespace->attachments);
        namespace_leave(back);
    }
    for (int i = 0; i < PROGRAM_COUNT; i++)
        if (namespace->programs[i] >= 0)
            close(namespace->programs[i]);
    if (namespace->watch >= 0)
        close(namespace->watch);
    clsact_guard_close(namespace);
    if (namespace->descriptor >= 0)
        close(namespace->descriptor);
    deallocate(namespace);
}

/* Loads, watches, attaches. 0 or -errno; then the namespace is freed. */
static int namespace_begin(struct packets *packets, struct network_namespace *namespace)
{
    struct following following = {packets, namespace};
    int back = -1, result = packet_load(packets, namespace);

    if (result == 0)
        result = namespace_enter(namespace, &back);
    if (result == 0) {
        namespace->watch = interfaces_watch();
        result = namespace->watch < 0 ? namespace->watch
                                      : interfaces_list(&following, on_interface);
        namespace_leave(back);
    }
    if (result) {
        namespace_remove(packets, namespace);
        return result;
    }
    namespace->next = packets->namespaces;
    packets->namespaces = namespace;
    return 0;
}

/* A namespace by the path of a file; one that is known is only marked. 0 or -errno. */
static int namespace_need(struct packets *packets, const char *path)
{
    struct network_namespace *namespace;
    struct stat status, own;

    if (stat(path, &status) || stat(OWN_NAMESPACE, &own))
        return -errno;
    for (namespace = packets->namespaces; namespace; namespace = namespace->next) {
        if (namespace->inode == (uint32_t)status.st_ino) {
            namespace->is_needed = true;
            return 0;
        }
    }
    namespace = allocate_zeroed(sizeof(*namespace));
    if (!namespace)
        return -ENOMEM;
    namespace->inode = (uint32_t)status.st_ino;
    namespace->is_needed = true;
    namespace->descriptor = namespace->watch = -1;
    memset(namespace->programs, -1, sizeof(namespace->programs));
    if (status.st_ino != own.st_ino || status.st_dev != own.st_dev) {
        namespace->descriptor = open(path, O_RDONLY | O_CLOEXEC);
        if (namespace->descriptor < 0) {
            int result = -errno;

            deallocate(namespace);
            return result;
        }
    }
    return namespace_begin(packets, namespace);
}

static int namespace_need_named(struct packets *packets, const char *name)
{
    char path[4096];

    if (strchr(name, '/'))
        snprintf(path, sizeof(path), "%s", name);
    else if (strspn(name, "0123456789") == strlen(name))
        snprintf(path, sizeof(path), "/proc/%s/ns/net", name);
    else
        snprintf(path, sizeof(path), "/run/netns/%s", name);
    return namespace_need(packets, path);
}

/* Namespaces of all processes, and those that have a name and perhaps no process. */
static void namespaces_need_all(struct packets *packets)
{
    static const char *const folders[] = {"/proc", "/run/netns"};
    struct dirent *entry;
    char path[512];

    for (int i = 0; i < 2; i++) {
        DIR *folder = opendir(folders[i]);

        while (folder && (entry = readdir(folder))) {
            bool is_process = strspn(entry->d_name, "0123456789") == strlen(entry->d_name);

            if (entry->d_name[0] == '.' || (i == 0 && !is_process))
                continue;
            snprintf(path, sizeof(path), i == 0 ? "/proc/%s/ns/net" : "/run/netns/%s",
                     entry->d_name);
            namespace_need(packets, path); /* it may be gone by now */
        }
        if (folder)
            closedir(folder);
    }
}

static void forget_unneeded(struct packets *packets)
{
    struct network_namespace **at = &packets->namespaces;

    while (*at) {
        struct network_namespace *namespace = *at;

        if (namespace->is_needed) {
            at = &namespace->next;
            continue;
        }
        *at = namespace->next;
        namespace_remove(packets, namespace);
    }
}

int namespaces_follow(struct packets *packets, bool is_first)
{
    const char *const *names = packets->options.namespaces;
    int result = 0;

    for (struct network_namespace *one = packets->namespaces; one; one = one->next)
        one->is_needed = false;
    if (!names || !names[0])
        result = namespace_need(packets, OWN_NAMESPACE);
    for (size_t i = 0; names && names[i]; i++) {
        int failed = 0;

        if (strcmp(names[i], "all") == 0)
            namespaces_need_all(packets);
        else
            failed = namespace_need_named(packets, names[i]);
        if (failed)
            packets_complain(packets, names[i], "network namespace", failed);
        if (is_first && failed && result == 0)
            result = failed;
    }
    forget_unneeded(packets);
    return result;
}

void namespaces_watch(struct packets *packets)
{
    for (struct network_namespace *one = packets->namespaces; one; one = one->next) {
        struct following following = {packets, one};
        char byte;
        int back;

        if (recv(one->watch, &byte, 1, MSG_PEEK | MSG_DONTWAIT | MSG_TRUNC) < 0 &&
            (errno == EAGAIN || errno == EINTR))
            continue;
        if (namespace_enter(one, &back))
            continue;
        if (interfaces_changes(one->watch, &following, on_interface) == -ENOBUFS)
            interfaces_list(&following, on_interface);
        namespace_leave(back);
    }
}

void namespaces_detach(struct packets *packets)
{
    for (struct network_namespace *one = packets->namespaces; one; one = one->next) {
        int back;

        if (namespace_enter(one, &back))
            continue;
        for (struct attachment *at = one->attachments; at; at = at->next)
            packet_detach(packets, at);
        namespace_leave(back);
    }
}

void namespaces_free(struct packets *packets)
{
    while (packets->namespaces) {
        struct network_namespace *namespace = packets->namespaces;

        packets->namespaces = namespace->next;
        namespace_remove(packets, namespace);
    }
    table_done(&packets->attachments);
}
