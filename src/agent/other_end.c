/*
 * other_end: Kubernetes names pods, services and nodes; answers of DNS that passed, and then
 * reverse DNS, name hosts.
 */
#include "agent/other_end.h"
#include <errno.h>
#include "base/allocate.h"
#include "metadata/container_fields.h"
#include "metadata/kubernetes.h"
#include "metadata/names.h"
#include "metadata/reverse.h"

struct other_end {
    struct kubernetes *kubernetes; /* borrowed; NULL: none */
    struct names *names;           /* NULL: none */
    struct reverse *reverse;       /* NULL: none */
};

int other_end_new(const struct run_options *options, struct kubernetes *kubernetes,
                  struct other_end **ret_other_end)
{
    struct other_end *other_end = allocate_zeroed(sizeof(*other_end));
    struct reverse_options reverse_options = {.resolve = NULL};
    int result = other_end ? 0 : -ENOMEM;

    if (result == 0 && !options->without_domains)
        result = names_new(&other_end->names);
    if (result == 0 && options->with_reverse_dns)
        result = reverse_new(&reverse_options, &other_end->reverse);
    if (result) {
        other_end_free(&other_end);
        return result;
    }
    other_end->kubernetes = kubernetes;
    *ret_other_end = other_end;
    return 0;
}

void other_end_free(struct other_end **other_end)
{
    if (!*other_end)
        return;
    names_free(&(*other_end)->names);
    reverse_free(&(*other_end)->reverse);
    deallocate(*other_end);
    *other_end = NULL;
}

static const struct address *address_of(const struct record *record, enum field_id field)
{
    const struct value *value = record_find_const(record, field);

    return value && value->kind == VALUE_ADDRESS ? value->address : NULL;
}

static uint64_t number_of(const struct record *record, enum field_id field)
{
    const struct value *value = record_find_const(record, field);

    return value && value->kind == VALUE_NUMBER ? value->number : 0;
}

static void add_domain(struct other_end *other_end, struct record *record, enum field_id address_id,
                       enum field_id domain, uint64_t now_ns)
{
    const struct address *address = address_of(record, address_id);
    struct slice name = {NULL, 0};
    char reversed[REVERSE_BYTES];

    if (!address)
        return;
    if (other_end->names && names_count(other_end->names))
        name = names_find(other_end->names, address, (uint32_t)number_of(record, FIELD_PROCESS_PID),
                          now_ns);
    if (!name.length && other_end->reverse)
        name = slice_of(reversed, reverse_find(other_end->reverse, address, now_ns, reversed));
    container_fields_text(record, domain, name);
}

void other_end_learn(struct other_end *other_end, const struct record *record, uint64_t now_ns)
{
    if (other_end->names)
        names_learn(other_end->names, record, now_ns);
}

void other_end_name(struct other_end *other_end, struct record *record, uint64_t now_ns)
{
    const struct value *role = record_find_const(record, FIELD_ROLE);
    bool is_client, is_server;

    if (!role || role->kind != VALUE_TEXT)
        return;
    is_client = slice_is_equal(role->text, SLICE_LITERAL("client"));
    is_server = slice_is_equal(role->text, SLICE_LITERAL("server"));
    if (!is_server)
        add_domain(other_end, record, FIELD_SERVER_ADDRESS, FIELD_DESTINATION_DOMAIN, now_ns);
    if (!is_client)
        add_domain(other_end, record, FIELD_CLIENT_ADDRESS, FIELD_SOURCE_DOMAIN, now_ns);
    if (other_end->kubernetes && (is_client || is_server)) {
        const struct address *address =
            address_of(record, is_client ? FIELD_SERVER_ADDRESS : FIELD_CLIENT_ADDRESS);
        uint64_t port = is_client ? number_of(record, FIELD_SERVER_PORT) : 0;

        if (address)
            kubernetes_tell_peer(other_end->kubernetes, address, (uint16_t)port, now_ns, record);
    }
}
