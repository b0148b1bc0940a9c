/* mask_places: secrets that are known by where they stand: in a URL, a cookie, behind a scheme. */
#pragma once
#include "refine/mask_patterns.h"
#include "refine/mask_spans.h"

enum mask_text {
    MASK_TEXT_HEADER, /* a header's value: a URL may stand anywhere in it */
    MASK_TEXT_TARGET, /* a request target (RFC 9112 §3.2), any of its forms */
    MASK_TEXT_PATH,   /* the path of a target */
    MASK_TEXT_QUERY,  /* the query of a target */
};

/* Values of parameters whose names are secret, plain and percent-encoded once. */
void mask_places_find_parameters(struct slice text, enum mask_text kind, bool has_percent,
                                 struct mask_patterns *patterns, struct mask_spans *spans);

/* userinfo of URLs (RFC 3986 §3.2.1), plain and percent-encoded once. */
void mask_places_find_userinfo(struct slice text, enum mask_text kind, struct mask_spans *spans);

/* The secret part of a header's value, as its name demands. */
void mask_places_find_value(struct slice value, enum mask_manner manner, struct mask_spans *spans);
