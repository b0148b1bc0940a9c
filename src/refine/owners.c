#include "refine/owners.h"
#include <pwd.h>
#include <stdio.h>

enum { PASSWD_BYTES = 1024 };

static void look_up(struct owner *owner, uint32_t user_id, time_t now)
{
    struct passwd entry, *found = NULL;
    char text[PASSWD_BYTES];
    int length;

    if (getpwuid_r(user_id, &entry, text, sizeof(text), &found) == 0 && found &&
        strlen(entry.pw_name) < sizeof(owner->name))
        length = snprintf(owner->name, sizeof(owner->name), "%s", entry.pw_name);
    else
        length = snprintf(owner->name, sizeof(owner->name), "%u", user_id);
    owner->length = (uint32_t)length;
    owner->user_id = user_id;
    owner->asked = now;
}

struct slice owners_name(struct owners *owners, uint32_t user_id)
{
    struct owner *owner = &owners->slots[user_id % OWNERS_MAXIMUM];
    time_t now = time(NULL);

    if (!owner->asked || owner->user_id != user_id || now - owner->asked > OWNER_SECONDS ||
        now < owner->asked) {
        owners->questions++;
        look_up(owner, user_id, now);
    }
    return slice_of(owner->name, owner->length);
}
