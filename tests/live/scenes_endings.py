"""Scenes of test_semantics: ends of every kind, tunnels, targets, odd but right heads."""

import time

from messages import ANY, AtLeast, head_fields, record, request, response

SCENES = []


def scene(function):
    SCENES.append(function)
    return function


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
