/* reverse: each address has one place in a table, which it shares with others in turn. */
#include "metadata/reverse.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include "base/allocate.h"
#include "metadata/naming.h"

struct place {
    struct address address;
    bool is_asked;
    uint64_t until_ns; /* 0: never asked */
    uint8_t length;    /* of the name; 0: there is none */
    char name[REVERSE_BYTES];
};

struct reverse {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct reverse_options options;
    unsigned users; /* the owner, the thread */
    bool is_ending;
    size_t first, count; /* a ring */
    uint64_t asked_ns;   /* the last question's time */
    struct address questions[REVERSE_QUESTIONS_MAXIMUM];
    struct place places[REVERSE_ADDRESSES_MAXIMUM];
};

union socket_address {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
};

static socklen_t socket_address_of(const struct address *address, union socket_address *ret_socket)
{
    memset(ret_socket, 0, sizeof(*ret_socket));
    if (address->family == ADDRESS_IPV4) {
        ret_socket->ipv4.sin_family = AF_INET;
        memcpy(&ret_socket->ipv4.sin_addr, address->bytes, 4);
        return sizeof(ret_socket->ipv4);
    }
    ret_socket->ipv6.sin6_family = AF_INET6;
    memcpy(&ret_socket->ipv6.sin6_addr, address->bytes, 16);
    return sizeof(ret_socket->ipv6);
}

static bool is_address_of(const struct addrinfo *found, const struct address *address)
{
    const union socket_address *socket = (const union socket_address *)found->ai_addr;

    if (address->family == ADDRESS_IPV4)
        return found->ai_family == AF_INET &&
               memcmp(&socket->ipv4.sin_addr, address->bytes, 4) == 0;
    return found->ai_family == AF_INET6 && memcmp(&socket->ipv6.sin6_addr, address->bytes, 16) == 0;
}

/* Anybody can say what an address of theirs is called: the name has to agree. */
static int resolve(void *context, const struct address *address, char name[REVERSE_BYTES])
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    union socket_address socket;
    socklen_t length = socket_address_of(address, &socket);
    bool is_confirmed = false;

    (void)context;
    if (getnameinfo(&socket.any, length, name, REVERSE_BYTES, NULL, 0, NI_NAMEREQD) ||
        getaddrinfo(name, NULL, &hints, &list))
        return -ENOENT;
    for (const struct addrinfo *at = list; at; at = at->ai_next)
        is_confirmed |= is_address_of(at, address);
    freeaddrinfo(list);
    return is_confirmed ? 0 : -ENOENT;
}

static struct place *place_of(struct reverse *reverse, const struct address *address)
{
    uint64_t hash = 0xcbf29ce484222325ull; /* FNV-1a */

    for (size_t i = 0; i < sizeof(address->bytes); i++)
        hash = (hash ^ address->bytes[i]) * 0x100000001b3ull;
    return &reverse->places[(hash ^ hash >> 32) % REVERSE_ADDRESSES_MAXIMUM];
}

static void release(struct reverse *reverse)
{
    bool is_last;

    pthread_mutex_lock(&reverse->lock);
    is_last = --reverse->users == 0;
    pthread_mutex_unlock(&reverse->lock);
    if (!is_last)
        return;
    pthread_cond_destroy(&reverse->work);
    pthread_mutex_destroy(&reverse->lock);
    deallocate(reverse);
}

static void answer(struct reverse *reverse, const struct address *address, int result,
                   const char *name)
{
    struct place *place = place_of(reverse, address);
    size_t length = result == 0 ? strnlen(name, REVERSE_BYTES - 1) : 0;

    if (!address_is_equal(&place->address, address))
        return; /* another has taken its place */
    place->is_asked = false;
    place->length = (uint8_t)length;
    memcpy(place->name, name, length);
    place->until_ns = reverse->asked_ns + (length ? REVERSE_KNOWN_NS : REVERSE_UNKNOWN_NS);
    naming_changed();
}

static void *run(void *context)
{
    struct reverse *reverse = context;

    pthread_mutex_lock(&reverse->lock);
    while (!reverse->is_ending) {
        char name[REVERSE_BYTES] = "";
        struct address address;
        int result;

        if (!reverse->count) {
            pthread_cond_wait(&reverse->work, &reverse->lock);
            continue;
        }
        address = reverse->questions[reverse->first];
        reverse->first = (reverse->first + 1) % REVERSE_QUESTIONS_MAXIMUM;
        reverse->count--;
        pthread_mutex_unlock(&reverse->lock);
        result = reverse->options.resolve(reverse->options.context, &address, name);
        pthread_mutex_lock(&reverse->lock);
        answer(reverse, &address, result, name);
    }
    pthread_mutex_unlock(&reverse->lock);
    release(reverse);
    return NULL;
}

int reverse_new(const struct reverse_options *options, struct reverse **ret_reverse)
{
    struct reverse *reverse = allocate_zeroed(sizeof(*reverse));
    pthread_t thread;
    int result;

    if (!reverse)
        return -ENOMEM;
    pthread_mutex_init(&reverse->lock, NULL);
    pthread_cond_init(&reverse->work, NULL);
    reverse->options = *options;
    if (!reverse->options.resolve)
        reverse->options.resolve = resolve;
    reverse->users = 2;
    result = -pthread_create(&thread, NULL, run, reverse);
    if (result) {
        reverse->users = 1;
        release(reverse);
        return result;
    }
    pthread_detach(thread);
    *ret_reverse = reverse;
    return 0;
}

void reverse_free(struct reverse **reverse)
{
    struct reverse *old = *reverse;

    if (!old)
        return;
    pthread_mutex_lock(&old->lock);
    old->is_ending = true;
    pthread_cond_signal(&old->work);
    pthread_mutex_unlock(&old->lock);
    release(old);
    *reverse = NULL;
}

static void ask(struct reverse *reverse, struct place *place, const struct address *address,
                uint64_t now_ns)
{
    size_t last = (reverse->first + reverse->count) % REVERSE_QUESTIONS_MAXIMUM;

    if (reverse->count == REVERSE_QUESTIONS_MAXIMUM)
        return; /* the next record asks again */
    if (!address_is_equal(&place->address, address)) {
        place->address = *address;
        place->length = 0;
    }
    place->is_asked = true;
    reverse->asked_ns = now_ns;
    reverse->questions[last] = *address;
    reverse->count++;
    pthread_cond_signal(&reverse->work);
}

size_t reverse_find(struct reverse *reverse, const struct address *address, uint64_t now_ns,
                    char name[REVERSE_BYTES])
{
    struct place *place;
    size_t length = 0;
    bool is_here;

    pthread_mutex_lock(&reverse->lock);
    place = place_of(reverse, address);
    is_here = address_is_equal(&place->address, address);
    if (is_here && place->length) {
        length = place->length;
        memcpy(name, place->name, length);
    }
    if (!(is_here && place->is_asked) && (!is_here || place->until_ns <= now_ns))
        ask(reverse, place, address, now_ns);
    pthread_mutex_unlock(&reverse->lock);
    return length;
}
