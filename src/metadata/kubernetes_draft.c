/* kubernetes_draft: one object of the API, while it is read, in a space that is used again. */
#include "metadata/kubernetes_objects.h"

void kubernetes_draft_clear(struct kubernetes_draft *draft, enum kubernetes_kind kind)
{
    draft->kind = kind;
    memset(draft->texts, 0, sizeof(draft->texts));
    draft->label_count = draft->annotation_count = draft->port_count = draft->place_count = 0;
    draft->is_cut = false;
    draft->used = 0;
}

struct slice kubernetes_draft_keep_pair(struct kubernetes_draft *draft, struct slice name,
                                        struct slice value)
{
    size_t length = name.length + (value.data ? 1 + value.length : 0);
    char *place = draft->bytes + draft->used;

    if (!length)
        return (struct slice){NULL, 0};
    if (length > KUBERNETES_BYTES_MAXIMUM - draft->used) {
        draft->is_cut = true;
        return (struct slice){NULL, 0};
    }
    if (name.length)
        memcpy(place, name.data, name.length);
    if (value.data) {
        place[name.length] = '=';
        memcpy(place + name.length + 1, value.data, value.length);
    }
    draft->used += length;
    return slice_of(place, length);
}

struct slice kubernetes_draft_keep(struct kubernetes_draft *draft, struct slice text)
{
    return kubernetes_draft_keep_pair(draft, text, (struct slice){NULL, 0});
}

void kubernetes_draft_set(struct kubernetes_draft *draft, enum kubernetes_text text,
                          struct slice value)
{
    draft->texts[text] = kubernetes_draft_keep(draft, value);
}

void kubernetes_draft_place(struct kubernetes_draft *draft, struct slice address, struct slice pod,
                            struct slice node)
{
    struct address parsed;

    if (address_parse(address, &parsed) < 0)
        return; /* a name, as in EndpointSlices of the type FQDN */
    for (uint32_t i = 0; i < draft->place_count && i < 8; i++) /* podIP is one of podIPs */
        if (address_is_equal(&draft->places[i].address, &parsed))
            return;
    if (draft->place_count == KUBERNETES_PLACES_MAXIMUM) {
        draft->is_cut = true;
        return;
    }
    draft->places[draft->place_count].address = parsed;
    draft->places[draft->place_count].pod = kubernetes_draft_keep(draft, pod);
    draft->places[draft->place_count++].node = kubernetes_draft_keep(draft, node);
}

void kubernetes_draft_port(struct kubernetes_draft *draft, uint64_t port)
{
    if (port == 0 || port > UINT16_MAX)
        return;
    if (draft->port_count < KUBERNETES_PORTS_MAXIMUM)
        draft->ports[draft->port_count++] = (uint16_t)port;
    else
        draft->is_cut = true;
}
