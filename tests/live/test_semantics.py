#!/usr/bin/python3
"""HTTP/1 as RFC 9110 and RFC 9112 have it, in scripts whose every call is known.

Each scene plays one connection and says which records must come of it, in order. A field that is
None must be absent; `flags` must be exactly those named.
"""

import sys
import time

from harness import (Weir, check, check_clean_end, check_empty, flags, require_weir, run_main)
from harness import traffic
from play import Stage

SCENES = []


def scene(function):
    SCENES.append(function)
    return function


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


@scene
def keep_alive(play):
    expected = []
    for number in range(3):
        asked = request(f"/keep/{number}", "Connection: keep-alive")
        answered = response(200, "Content-Length: 5")
        play.c(asked).s(answered + b"12345")
        expected.append(record(asked, answered, response_body=5, url__path=f"/keep/{number}",
                               url__domain="live.test", url__scheme="http", url__query=None))
    asked, answered = request("/keep/end", "Connection: close"), response(200, "Connection: close")
    play.c(asked).s(answered + b"until the end")
    play.close("server")
    return expected + [record(asked, answered, response_body=13)]


@scene
def head_and_body_in_calls_of_their_own(play):
    asked = request("/apart", "Content-Length: 10", method="PUT")
    answered = response(201, "Content-Length: 6", reason="Made it so")
    play.c(asked, b"0123", b"456789").s(answered, b"abc", b"def")
    return [record(asked, answered, 10, 6)]


@scene
def version_1_0(play):
    asked = request("/old", version="1.0")
    answered = response(200, "Server: old", version="1.0")
    play.c(asked).s(answered, b"x" * 3000, b"y" * 70000)
    play.close("server")
    return [record(asked, answered, response_body=73000, network__protocol__version="1.0")]


@scene
def version_1_0_keep_alive(play):
    asked = request("/old-kept", "Connection: keep-alive", version="1.0")
    answered = response(200, "Connection: keep-alive", "Content-Length: 2", version="1.0")
    play.c(asked).s(answered + b"ab").c(asked).s(answered + b"cd")
    return [record(asked, answered, response_body=2)] * 2


def pipeline(play, depth, batch):
    asked = [request(f"/pipe/{depth}/{n}", f"X-Number: {n}") for n in range(depth)]
    answered = [response(200, f"X-Number: {n}", f"Content-Length: {n % 7}") for n in range(depth)]
    play.c(b"".join(asked))
    for start in range(0, depth, batch):
        play.s(b"".join(head + b"z" * (n % 7) for n, head in
                        list(enumerate(answered))[start:start + batch]))
    return [record(asked[n], answered[n], response_body=n % 7) for n in range(depth)]


@scene
def pipelined_by_three(play):
    return pipeline(play, 3, 1)


@scene
def pipelined_answers_in_batches(play):
    return pipeline(play, 20, 6)


@scene
def pipelined_all_in_one_call(play):
    return pipeline(play, 40, 40)


@scene
def pipelined_one_call_each(play):
    expected = []
    for number in range(30):
        asked = request(f"/pipe-each/{number}")
        play.c(asked)
        expected.append(record(asked, response(204, f"X-Number: {number}")))
    for number in range(30):
        play.s(response(204, f"X-Number: {number}"))
    return expected


@scene
def expect_continue(play):
    asked = request("/expect", "Expect: 100-continue", "Content-Length: 4", method="POST")
    answered = response(200, "Content-Length: 0")
    play.c(asked).s(response(100, reason="Continue")).c(b"body").s(answered)
    return [record(asked, answered, 4, http__response__interim=[100])]


@scene
def early_hints_twice(play):
    asked, answered = request("/hints"), response(200, "Content-Length: 1")
    play.c(asked).s(response(103, "Link: </a>; rel=preload", reason="Early Hints"),
                    response(103, reason="Early Hints"), answered + b"!")
    return [record(asked, answered, response_body=1, http__response__interim=[103, 103])]


@scene
def interim_and_final_in_one_call(play):
    asked, answered = request("/both"), response(404, "Content-Length: 3", reason="Not Found")
    interim = response(102, reason="Processing") + response(103, "Link: </b>", reason="Hints")
    play.c(asked).s(interim + answered + b"abc")
    return [record(asked, answered, response_body=3, http__response__interim=[102, 103])]


@scene
def head_method(play):
    first, second = request("/size", method="HEAD"), request("/size")
    answered = response(200, "Content-Length: 1000")
    play.c(first).s(answered).c(second).s(answered + b"x" * 1000)
    return [record(first, answered), record(second, answered, response_body=1000)]


@scene
def head_method_pipelined_with_chunked(play):
    first, second = request("/size", method="HEAD"), request("/next")
    chunked, answered = response(200, "Transfer-Encoding: chunked"), response(204)
    play.c(first + second).s(chunked + answered)
    return [record(first, chunked), record(second, answered)]


@scene
def no_content_and_not_modified(play):
    asked = request("/bodyless")
    empty, same = response(204, reason="No Content"), response(304, "Content-Length: 77")
    last = response(200, "Content-Length: 2")
    play.c(asked * 3).s(empty + same + last + b"ok")
    return [record(asked, empty), record(asked, same), record(asked, last, response_body=2)]


CHUNKS = (b"5;ext=1\r\nhello\r\n" b"00A ; name=\"a;\\\"b\"\r\n0123456789\r\n"
          b"0;last\r\nX-Trail: one\r\nx-trail:  two \r\n\r\n")
TRAILERS = [["X-Trail", "one"], ["x-trail", "two"]]


@scene
def chunked_both_ways(play):
    asked = request("/chunks", "Transfer-Encoding: chunked", method="POST")
    answered = response(200, "Transfer-Encoding: Chunked", "Trailer: X-Trail")
    play.c(asked + CHUNKS).s(answered + CHUNKS)
    return [record(asked, answered, 15, 15, http__request__trailers=TRAILERS,
                   http__response__trailers=TRAILERS)]


@scene
def chunked_cut_everywhere(play):
    asked = request("/chunks-cut", "Transfer-Encoding: chunked", method="POST")
    answered = response(200, "Transfer-Encoding: gzip, chunked")
    play.c(asked).s()
    for at in range(len(CHUNKS)):
        play.c(CHUNKS[at:at + 1])
    play.s(answered)
    for at in range(0, len(CHUNKS), 2):
        play.s(CHUNKS[at:at + 2])
    play.c(request("/after")).s(response(204))
    return [record(asked, answered, 15, 15, http__request__trailers=TRAILERS,
                   http__response__trailers=TRAILERS),
            record(request("/after"), response(204))]


@scene
def chunked_large(play):
    asked, answered = request("/large"), response(200, "Transfer-Encoding: chunked")
    play.c(asked).s(answered + b"186a0\r\n" + b"v" * 100000 + b"\r\n1\r\nw\r\n0\r\n\r\n")
    play.c(asked).s(response(204))
    return [record(asked, answered, response_body=100001), record(asked, response(204))]


@scene
def body_that_looks_like_heads(play):
    decoy = request("/decoy", "X-Decoy: 1") + response(200, "X-Decoy: 1")
    asked = request("/decoy-body", f"Content-Length: {len(decoy)}", method="POST")
    answered = response(200, f"Content-Length: {len(decoy)}")
    play.c(asked, decoy).s(answered, decoy)
    play.c(request("/after-decoy")).s(response(204))
    return [record(asked, answered, len(decoy), len(decoy)),
            record(request("/after-decoy"), response(204))]


@scene
def tail_of_body_with_next_head(play):
    first = request("/tail", "Content-Length: 20", method="POST")
    second = request("/tail-next")
    answered = response(200, "Content-Length: 8")
    play.c(first + b"0123456789", b"0123456789" + second)
    play.s(answered + b"abcd", b"efgh" + answered + b"ab", b"cdefgh")
    return [record(first, answered, 20, 8), record(second, answered, response_body=8)]


@scene
def tail_of_body_with_next_head_cut_in_receiving(play):
    first = request("/cut-tail", "Content-Length: 10", method="POST")
    second = request("/cut-next")
    answered = response(200, "Content-Length: 4")
    whole = first + b"0123456789" + second
    for cuts in ([len(first) + 5], [len(first) + 10], [len(first) + 13], [len(first) - 1]):
        play.c(whole, cuts=cuts).s(answered + b"abcd" + answered + b"efgh", cuts=cuts)
    return [record(first, answered, 10, 4), record(second, answered, response_body=4)] * 4


@scene
def connect_then_tunnel(play):
    asked = request("db.test:443", method="CONNECT")
    answered = response(200, reason="Connection established")
    play.c(asked).s(answered)
    play.c(request("/inside")).s(response(200, "Content-Length: 0"))
    return [record(asked, answered, flags=["upgraded"])]


@scene
def connect_refused(play):
    asked = request("db.test:443", method="CONNECT")
    refused, answered = response(403, "Content-Length: 2"), response(204)
    play.c(asked).s(refused + b"no").c(request("/then")).s(answered)
    return [record(asked, refused, response_body=2), record(request("/then"), answered)]


@scene
def websocket(play):
    asked = request("/chat", "Connection: Upgrade", "Upgrade: websocket",
                    "Sec-WebSocket-Version: 13")
    answered = response(101, "Upgrade: websocket", "Connection: Upgrade",
                        reason="Switching Protocols")
    play.c(asked).s(answered + b"\x81\x05hello")
    play.c(b"\x81\x85" + request("/not-http")).s(response(200, "Content-Length: 0"))
    return [record(asked, answered, flags=["upgraded"], http__response__body__size=None)]


@scene
def upgrade_not_taken(play):
    asked = request("/h2c", "Connection: Upgrade", "Upgrade: h2c")
    answered = response(200, "Content-Length: 2")
    play.c(asked).s(answered + b"no").c(request("/then")).s(response(204))
    return [record(asked, answered, response_body=2), record(request("/then"), response(204))]


@scene
def response_absent(play):
    first, second = request("/answered"), request("/unanswered")
    play.c(first).s(response(204)).c(second)
    play.close("server")
    return [record(first, response(204)), record(second, flags=["unpaired"])]


@scene
def several_responses_absent(play):
    asked = [request(f"/lost/{number}") for number in range(5)]
    play.c(b"".join(asked)).s(response(204))
    play.close("server")
    return ([record(asked[0], response(204))]
            + [record(head, flags=["unpaired"]) for head in asked[1:]])


@scene
def only_interim_response(play):
    asked = request("/waiting", "Expect: 100-continue", "Content-Length: 3", method="POST")
    play.c(asked).s(response(100, reason="Continue")).c(b"abc")
    play.close("server")
    return [record(asked, None, 3, flags=["unpaired"], http__response__interim=[100],
                   ttfb_ns=ANY)]


@scene
def reset_by_client(play):
    asked = request("/reset")
    play.c(asked)
    play.reset(play.client)
    return [record(asked, flags=["unpaired"])]


@scene
def request_head_half_sent(play):
    play.c(request("/whole")).s(response(204)).c(b"GET /half HTTP/1.1\r\nHost: live.test\r\nX-Ha")
    play.close("client")
    return [record(request("/whole"), response(204)),
            {"http.request.method": "GET", "url.original": "/half", "flags>": {"incomplete"},
             "http.response.status_code": None}]


@scene
def request_body_half_sent(play):
    asked = request("/half-body", "Content-Length: 100", method="POST")
    play.c(asked + b"x" * 40)
    play.close("client")
    return [head_fields("request", asked) | {"http.response.status_code": None,
                                             "flags>": {"incomplete"}}]


@scene
def response_head_half_sent(play):
    asked = request("/half-answer")
    play.c(asked).s(b"HTTP/1.1 200 OK\r\nContent-Le")
    play.close("server")
    return [head_fields("request", asked) | {"flags>": {"incomplete"}}]


@scene
def response_body_half_sent(play):
    asked, answered = request("/short"), response(200, "Content-Length: 100")
    play.c(asked).s(answered + b"y" * 60)
    play.close("server")
    return [head_fields("request", asked) | head_fields("response", answered)
            | {"flags>": {"incomplete"}}]


@scene
def response_chunks_half_sent(play):
    asked, answered = request("/short"), response(200, "Transfer-Encoding: chunked")
    play.c(asked).s(answered + b"5\r\nhello\r\n")
    play.close("server")
    return [head_fields("request", asked) | head_fields("response", answered)
            | {"flags>": {"incomplete"}}]


@scene
def response_before_request_is_whole(play):
    asked = request("/too-large", "Content-Length: 50", method="POST")
    answered = response(413, "Content-Length: 4", reason="Content Too Large")
    play.c(asked + b"x" * 10).s(answered + b"stop").c(b"x" * 40)
    play.c(request("/then")).s(response(204))
    return [record(asked, answered, 50, 4), record(request("/then"), response(204))]


@scene
def half_closed_by_client(play):
    asked, answered = request("/fin", version="1.0"), response(200)
    play.c(asked).client_ends()
    play.s(answered, b"body after the client's FIN")
    play.close("server")
    return [record(asked, answered, response_body=27)]


@scene
def server_speaks_first(play):
    timeout = response(408, "Connection: close", "Content-Length: 0", reason="Request Timeout")
    play.s(timeout)
    play.close("server")
    return [record(None, timeout, flags=["unpaired"])]


@scene
def not_http(play):
    play.s(b"220 mail.test ESMTP\r\n").c(b"EHLO live.test\r\n").s(b"250 mail.test\r\n")
    play.c(b"GETTING nowhere\r\n\r\n").s(b"HTTPS is not HTTP/1.1 here\r\n\r\n")
    return []


@scene
def targets(play):
    expected = []
    for method, target, fields in (
            ("OPTIONS", "*", {}),
            ("GET", "http://proxy.test:8080/a/b?c=d&e", {"url.domain": "proxy.test",
                                                        "url.path": "/a/b", "url.query": "c=d&e"}),
            ("GET", "/a/b?x=1&y=%20#z", {"url.path": "/a/b"}),
            ("M-SEARCH", "/%2e%2e/;v=1?", {"url.path": "/%2e%2e/;v=1"}),
            ("PROPFIND", "/" + "p" * 3000, {"url.path": "/" + "p" * 3000})):
        asked, answered = request(target, method=method), response(204)
        play.c(asked).s(answered)
        expected.append(record(asked, answered) | fields)
    return expected


@scene
def reasons(play):
    expected = []
    for line, reason in ((b"HTTP/1.1 200 \r\n", None), (b"HTTP/1.1 200\r\n", None),
                         (b"HTTP/1.1 299 two words\r\n", "two words")):
        answered = line + b"Content-Length: 0\r\n\r\n"
        play.c(request("/reason")).s(answered)
        expected.append(record(request("/reason"), None) | {
            "http.response.status_code": int(line.split()[1]), "http.response.reason": reason,
            "http.response.headers": [["Content-Length", "0"]], "duration_ns": ANY,
            "ttfb_ns": ANY, "http.response.head_size": len(answered)})
    return expected


@scene
def empty_lines_before_a_request(play):
    asked = request("/after-empty")
    play.c(asked).s(response(204)).c(b"\r\n" + asked).s(response(204))
    return [record(asked, response(204)),
            {name: value for name, value in record(asked, response(204)).items()
             if name != "http.request.head_size"}]


@scene
def well_known_headers(play):
    asked = request("/known", "User-Agent: agent/2 (x)", "X-Request-ID: 7f-live",
                    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    play.c(asked).s(response(204))
    return [record(asked, response(204), user_agent__original="agent/2 (x)",
                   request_id="7f-live", trace_id="0af7651916cd43dd8448eb211c80319c",
                   span_id="b7ad6b7169203331")]


@scene
def white_space_around_values(play):
    raw = (b"GET /space HTTP/1.1\r\nHost: live.test\r\n"
           b"A:1\r\nB:   2  \r\nC:\t3\t\r\nD:\r\nE: \r\n\r\n")
    play.c(raw).s(response(204))
    return [{"http.request.headers": [["Host", "live.test"], ["A", "1"], ["B", "2"], ["C", "3"],
                                      ["D", ""], ["E", ""]], "flags": set()}]


@scene
def large_heads(play):
    asked = request("/head", "X-Large: " + "h" * 60000)
    answered = response(204, "X-Large: " + "H" * 60000)
    play.c(asked).s(answered).c(request("/then")).s(response(204))
    return [record(asked, answered), record(request("/then"), response(204))]


@scene
def heads_over_the_limit(play):
    asked = request("/over", "X-First: 1", "X-Large: " + "h" * 100000, "X-Last: 1")
    answered = response(200, "X-First: 1", "X-Large: " + "H" * 90000, "Content-Length: 3")
    play.c(asked).s(answered + b"abc").c(request("/then")).s(response(204))
    return [{"url.original": "/over", "http.request.head_size": len(asked),
             "http.response.head_size": len(answered), "http.response.status_code": 200,
             "flags>": {"truncated"}},
            record(request("/then"), response(204))]


@scene
def times(play):
    asked, answered = request("/slow"), response(200, "Content-Length: 4")
    play.c(asked)
    time.sleep(0.12)
    play.s(answered)
    time.sleep(0.08)
    play.s(b"done")
    return [record(asked, answered, response_body=4, ttfb_ns=AtLeast(0.119e9),
                   duration_ns=AtLeast(0.198e9))]


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


def compare(actual, expected):
    """What is wrong with a record, one line each."""
    expected = dict(expected)
    bad = []
    exact, least = expected.pop("flags", None), expected.pop("flags>", None)
    if exact is not None and flags(actual) != exact:
        bad.append(f"flags are {sorted(flags(actual))}, not {sorted(exact)}")
    if least is not None and not least <= flags(actual):
        bad.append(f"flags {sorted(flags(actual))} lack {sorted(least)}")
    return bad + traffic.field_differences(actual, expected)


def check_scene(records, name, expected):
    bad = []
    if len(records) != len(expected):
        bad.append(f"{len(records)} records, not {len(expected)}: "
                   + ", ".join(f"{record.get('http.request.method')} {record.get('url.original')}"
                               f" {record.get('http.response.status_code')}"
                               f" {sorted(flags(record))}"[:120] for record in records[:6]))
    for index, (actual, wanted) in enumerate(zip(records, expected)):
        bad += [f"record {index}: {line}" for line in compare(actual, wanted)]
    check_empty(bad, name.replace("_", " "))


def check_larger_heads():
    """--head-limit 256KiB: heads up to that are whole."""
    stage = Stage()
    many = [f"X-Large-{number}: " + "h" * 1000 for number in range(240)]
    asked = request("/larger", "X-First: 1", *many, "X-Last: 1")
    answered = response(204, "X-First: 1", *many[:200], "X-Last: 1")
    with Weir("--port", stage.port, "--head-limit", "256KiB") as weir:
        for cuts in ((), (100000,), range(5000, 240000, 5000)):
            play = stage.open()
            pieces = [asked[a:b] for a, b in zip([0, *cuts], [*cuts, len(asked)])]
            play.c(*pieces).s(answered)
            play.close()
        check_clean_end(weir)
    check_scene(weir.records(), "heads of 250 KB with --head-limit 256KiB",
                [record(asked, answered)] * 3)
    with Weir("--port", stage.port, "--head-limit", "1KiB") as weir:
        play = stage.open()
        play.c(request("/small")).s(response(204)).c(asked).s(answered)
        play.c(request("/small")).s(response(204))
        play.close()
        weir.stop()
    small = record(request("/small"), response(204))
    cut = {"http.request.head_size": len(asked), "http.response.head_size": len(answered),
           "url.original": "/larger", "flags>": {"truncated"}}
    check_scene(weir.records(), "heads of 250 KB with --head-limit 1KiB", [small, cut, small])


def deep_pipeline(play):
    """Deeper than any queue: what is logged is right, what is not is counted."""
    depth = 600
    asked = [request(f"/deep/{number}", f"X-Seq: {number}") for number in range(depth)]
    play.c(b"".join(asked))
    play.s(b"".join(response(200, f"X-Seq: {number}", "Content-Length: 0")
                    for number in range(depth)))
    play.close()
    return depth


def check_deep(weir, records, depth):
    wrong = [record["url.original"] for record in records
             if traffic.sequence_of(record) != traffic.sequence_of(record, "response")
             and "http.response.headers" in record]
    check_empty(wrong, f"pipeline {depth} deep: no response is given to another request")
    targets_seen = {record["url.original"] for record in records if "url.original" in record}
    check(len(targets_seen) + weir.totals.lost_sum >= depth,
          f"pipeline {depth} deep: {len(targets_seen)} logged, the rest counted as lost",
          str(weir.totals))


def main():
    is_dry = "--dry" in sys.argv  # plays the scripts only
    if not is_dry:
        require_weir()
    stage = Stage()
    played = []
    weir = None if is_dry else Weir("--port", stage.port)
    for function in SCENES:
        play = stage.open()
        expected = function(play)
        play.close()
        played.append((function.__name__, play.client_port, expected))
    deep = stage.open()
    depth = deep_pipeline(deep)
    if is_dry:
        return
    check_clean_end(weir)
    by_port = {}
    for one in weir.records(server_port=stage.port):
        by_port.setdefault(one["client.port"], []).append(one)
    for name, port, expected in played:
        check_scene(by_port.pop(port, []), name, expected)
    check_deep(weir, by_port.pop(deep.client_port, []), depth)
    check_empty(by_port, "no record of a connection that was not played")
    expected_count = sum(len(expected) for _, _, expected in played)
    check(weir.totals.seen >= expected_count + depth,
          f"{expected_count + depth} exchanges were seen", str(weir.totals))
    check_larger_heads()


if __name__ == "__main__":
    run_main(main)
