"""Raw HTTP messages, what their records must hold, and how the two are compared.

A field that is None must be absent; `flags` must be exactly those named, `flags>` at least those.
"""

from harness import flags as flags_of
from harness import traffic


class Any:
    """Equal to everything, also to nothing at all."""

    def __eq__(self, other):
        return True


class AtLeast:
    def __init__(self, least):
        self.least = least

    def __eq__(self, other):
        return isinstance(other, int) and other >= self.least

    def __repr__(self):
        return f"at least {self.least}"


ANY = Any()


def request(target="/", *headers, method="GET", version="1.1"):
    lines = [f"{method} {target} HTTP/{version}", "Host: live.test:81", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def response(status=200, *headers, reason="OK", version="1.1"):
    return "\r\n".join([f"HTTP/{version} {status} {reason}", *headers]).encode() + b"\r\n\r\n"


def head_fields(kind, raw):
    head = traffic.Head(raw)
    words = head.start_line.split(b" ", 2)
    fields = {f"http.{kind}.headers": head.as_record(), f"http.{kind}.head_size": len(raw)}
    if kind == "request":
        fields |= {"http.request.method": words[0].decode(),
                   "url.original": traffic.as_text(words[1])}
    else:
        fields |= {"http.response.status_code": int(words[1]),
                   "http.response.reason": words[2].decode() if len(words) > 2 else ""}
    return fields


NO_RESPONSE = {"http.response.status_code": None, "http.response.headers": None,
               "http.response.head_size": None, "ttfb_ns": None, "duration_ns": None}
NO_REQUEST = {"http.request.method": None, "url.original": None, "http.request.headers": None}


def record(asked=None, answered=None, request_body=0, response_body=0, flags=(), **more):
    """What one record must hold, from the raw heads."""
    fields = head_fields("request", asked) if asked else dict(NO_REQUEST)
    fields |= head_fields("response", answered) if answered else NO_RESPONSE
    if asked:
        fields["http.request.body.size"] = request_body
    if answered:
        fields["http.response.body.size"] = response_body
    fields["flags"] = set(flags)
    fields |= {name.replace("__", "."): value for name, value in more.items()}
    return fields


def compare(actual, expected):
    """What is wrong with a record, one line each."""
    expected = dict(expected)
    bad = []
    exact, least = expected.pop("flags", None), expected.pop("flags>", None)
    if exact is not None and flags_of(actual) != exact:
        bad.append(f"flags are {sorted(flags_of(actual))}, not {sorted(exact)}")
    if least is not None and not least <= flags_of(actual):
        bad.append(f"flags {sorted(flags_of(actual))} lack {sorted(least)}")
    return bad + traffic.field_differences(actual, expected)
