/* facts: see the header. Labels of Kubernetes: pkg/kubelet/types of its API. */
#include "metadata/facts.h"
#include "base/allocate.h"

struct facts_draft *facts_draft_new(void)
{
    return allocate_zeroed(sizeof(struct facts_draft));
}

/* Empty when it has no room. */
static struct slice keep(struct facts_draft *draft, struct slice name, struct slice value)
{
    size_t length = name.length + (value.data ? 1 + value.length : 0);
    char *place = draft->bytes + draft->used;

    if (!length || length > FACTS_BYTES_MAXIMUM - draft->used)
        return (struct slice){NULL, 0};
    if (name.length)
        memcpy(place, name.data, name.length);
    if (value.data) {
        place[name.length] = '=';
        memcpy(place + name.length + 1, value.data, value.length);
    }
    draft->used += length;
    return slice_of(place, length);
}

void facts_set(struct facts_draft *draft, enum facts_text text, struct slice value)
{
    draft->texts[text] = keep(draft, value, (struct slice){NULL, 0});
}

void facts_add(struct facts_draft *draft, enum facts_list list, struct slice name,
               struct slice value)
{
    uint32_t maximum = list == FACTS_VARIABLES ? FACTS_VARIABLES_MAXIMUM : FACTS_ITEMS_MAXIMUM;
    struct slice kept;

    if (draft->counts[list] == maximum)
        return;
    kept = keep(draft, name, value);
    if (kept.length)
        draft->items[list][draft->counts[list]++] = kept;
}

void facts_set_image(struct facts_draft *draft, struct slice image)
{
    struct slice name = slice_part(image, 0, slice_find(image, '@'));
    size_t colon = name.length;

    for (size_t i = name.length; i-- > 0 && name.data[i] != '/';)
        if (name.data[i] == ':')
            colon = i;
    if (slice_is_equal(slice_part(name, 0, colon), SLICE_LITERAL("sha256")))
        return;
    facts_set(draft, FACTS_IMAGE_NAME, slice_part(name, 0, colon));
    facts_set(draft, FACTS_IMAGE_TAG, slice_part(name, colon + 1, SIZE_MAX));
}

void facts_note_label(struct facts_draft *draft, struct slice name, struct slice value)
{
    static const struct {
        const char *label;
        enum facts_text text;
    } known[] = {
        {"io.kubernetes.pod.name", FACTS_POD_NAME},
        {"io.kubernetes.pod.namespace", FACTS_NAMESPACE},
        {"io.kubernetes.pod.uid", FACTS_POD_UID},
        {"io.kubernetes.container.name", FACTS_POD_CONTAINER},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (slice_is_equal(name, slice_of_string(known[i].label)) &&
            !draft->texts[known[i].text].length)
            facts_set(draft, known[i].text, value);
}

static struct slice moved(struct slice slice, const char *from, char *to)
{
    return slice.data ? slice_of(to + ((const char *)slice.data - from), slice.length) : slice;
}

struct facts *facts_finish(const struct facts_draft *draft)
{
    size_t count = 0, at = 0;
    struct facts *facts;
    char *bytes;

    for (size_t list = 0; list < FACTS_LIST_COUNT; list++)
        count += draft->counts[list];
    facts = allocate(sizeof(*facts) + count * sizeof(facts->items[0]) + draft->used);
    if (!facts)
        return NULL;
    bytes = (char *)(facts->items + count);
    memcpy(bytes, draft->bytes, draft->used);
    for (size_t i = 0; i < FACTS_TEXT_COUNT; i++)
        facts->texts[i] = moved(draft->texts[i], draft->bytes, bytes);
    for (size_t list = 0; list < FACTS_LIST_COUNT; list++) {
        facts->lists[list].items = facts->items + at;
        facts->lists[list].count = draft->counts[list];
        for (size_t i = 0; i < draft->counts[list]; i++)
            facts->items[at++] = moved(draft->items[list][i], draft->bytes, bytes);
    }
    return facts;
}
