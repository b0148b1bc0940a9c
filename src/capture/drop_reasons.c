/*
 * drop_reasons: names from the kernel's own types (enum skb_drop_reason and
 * skb_drop_reason_subsys), places from /proc/kallsyms, which is read once, for functions only.
 */
#include "capture/drop_reasons.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/btf.h>
#include "base/allocate.h"
#include "base/buffer.h"

enum {
    SUBSYSTEM_SHIFT = 16, /* include/net/dropreason.h */
    NAME_BYTES = 64,
    SYMBOLS_MAXIMUM = 1 << 20,
    NAMES_MAXIMUM = 64 << 20,
    KFREE_SKB_PARAMETERS = 4, /* context, skb, place, reason; a socket since 6.11 */
};

struct symbol {
    uint64_t address;
    uint32_t name; /* offset in `names` */
};

struct drop_reasons {
    struct btf *types;
    const struct btf_type *reasons, *subsystems; /* NULL: not in this kernel */
    bool are_told;
    bool has_symbols; /* an attempt was made */
    struct symbol *symbols;
    size_t symbol_count;
    struct buffer names;
    char name[NAME_BYTES];
};

static bool tracepoint_tells(const struct btf *types)
{
    int id = btf__find_by_name_kind(types, "btf_trace_kfree_skb", BTF_KIND_TYPEDEF);
    const struct btf_type *type = id > 0 ? btf__type_by_id(types, (__u32)id) : NULL;

    while (type && (btf_is_typedef(type) || btf_is_ptr(type)))
        type = btf__type_by_id(types, type->type);
    return type && btf_is_func_proto(type) && btf_vlen(type) >= KFREE_SKB_PARAMETERS;
}

static const struct btf_type *enum_find(const struct btf *types, const char *name)
{
    int id = btf__find_by_name_kind(types, name, BTF_KIND_ENUM);

    return id > 0 ? btf__type_by_id(types, (__u32)id) : NULL;
}

int drop_reasons_new(struct drop_reasons **ret_reasons)
{
    struct drop_reasons *reasons = allocate_zeroed(sizeof(*reasons));

    if (!reasons)
        return -ENOMEM;
    reasons->types = btf__load_vmlinux_btf();
    if (!reasons->types) {
        deallocate(reasons);
        return -EOPNOTSUPP;
    }
    buffer_init(&reasons->names, NAMES_MAXIMUM);
    reasons->reasons = enum_find(reasons->types, "skb_drop_reason");
    reasons->subsystems = enum_find(reasons->types, "skb_drop_reason_subsys");
    reasons->are_told = tracepoint_tells(reasons->types);
    *ret_reasons = reasons;
    return 0;
}

void drop_reasons_free(struct drop_reasons **reasons)
{
    if (!reasons || !*reasons)
        return;
    btf__free((*reasons)->types);
    buffer_done(&(*reasons)->names);
    deallocate((*reasons)->symbols);
    deallocate(*reasons);
    *reasons = NULL;
}

bool drop_reasons_are_told(const struct drop_reasons *reasons)
{
    return reasons->are_told;
}

/* The member's name without what all of them begin with; NULL: there is none. */
static const char *member_name(const struct drop_reasons *reasons, const struct btf_type *type,
                               uint32_t value)
{
    static const char *const prefixes[] = {"SKB_DROP_REASON_SUBSYS_", "SKB_DROP_REASON_", "SKB_"};
    const struct btf_enum *members = type ? btf_enum(type) : NULL;

    for (unsigned i = 0; members && i < btf_vlen(type); i++) {
        const char *name = btf__name_by_offset(reasons->types, members[i].name_off);

        if ((uint32_t)members[i].val != value || !name)
            continue;
        for (size_t j = 0; j < sizeof(prefixes) / sizeof(*prefixes); j++)
            if (strncmp(name, prefixes[j], strlen(prefixes[j])) == 0)
                return name + strlen(prefixes[j]);
        return name;
    }
    return NULL;
}

struct slice drop_reason_name(struct drop_reasons *reasons, uint32_t reason)
{
    uint32_t subsystem = reason >> SUBSYSTEM_SHIFT;
    const char *name = member_name(reasons, reasons->reasons, reason);

    if (!reasons->are_told)
        return SLICE_LITERAL("NOT_SPECIFIED");
    if (name)
        return slice_of_string(name);
    name = subsystem ? member_name(reasons, reasons->subsystems, subsystem) : NULL;
    if (name)
        snprintf(reasons->name, sizeof(reasons->name), "%s:%" PRIu32, name,
                 reason & ((1u << SUBSYSTEM_SHIFT) - 1));
    else
        snprintf(reasons->name, sizeof(reasons->name), "%" PRIu32, reason);
    return slice_of_string(reasons->name);
}

static int symbol_add(struct drop_reasons *reasons, const char *line)
{
    unsigned long long address;
    char kind, name[NAME_BYTES];
    struct symbol *symbols;

    if (sscanf(line, "%llx %c %63s", &address, &kind, name) != 3 || (kind | 0x20) != 't')
        return 0;
    if (reasons->symbol_count == SYMBOLS_MAXIMUM)
        return -ENOBUFS;
    if ((reasons->symbol_count & (reasons->symbol_count - 1)) == 0) {
        size_t room = reasons->symbol_count ? 2 * reasons->symbol_count : 1;

        symbols = reallocate(reasons->symbols, room * sizeof(*symbols));
        if (!symbols)
            return -ENOMEM;
        reasons->symbols = symbols;
    }
    reasons->symbols[reasons->symbol_count++] =
        (struct symbol){address, (uint32_t)reasons->names.length};
    return buffer_append(&reasons->names, slice_of(name, strlen(name) + 1));
}

static int symbol_compare(const void *one, const void *other)
{
    const struct symbol *a = one, *b = other;

    return a->address < b->address ? -1 : a->address > b->address;
}

static void symbols_read(struct drop_reasons *reasons)
{
    FILE *file = fopen("/proc/kallsyms", "re");
    char line[512];

    reasons->has_symbols = true;
    while (file && fgets(line, sizeof(line), file) && symbol_add(reasons, line) == 0)
        ;
    if (file)
        fclose(file);
    if (reasons->symbol_count)
        qsort(reasons->symbols, reasons->symbol_count, sizeof(*reasons->symbols), symbol_compare);
}

struct slice drop_place_name(struct drop_reasons *reasons, uint64_t address)
{
    size_t low = 0, high;

    if (!reasons->has_symbols)
        symbols_read(reasons);
    high = reasons->symbol_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (reasons->symbols[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || reasons->symbols[low - 1].address == 0) /* addresses are hidden */
        return slice_of("", 0);
    return slice_of_string((const char *)reasons->names.data + reasons->symbols[low - 1].name);
}
