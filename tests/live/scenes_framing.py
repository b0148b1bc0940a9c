"""Scenes of test_semantics: where messages begin and end, pipelines, interim responses."""

from messages import record, request, response

SCENES = []


def scene(function):
    SCENES.append(function)
    return function


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
def head_method_cut(play):
    """Some servers read the first byte of a request by a call of its own."""
    asked, answered = request("/cut-head", method="HEAD"), response(200, "Content-Length: 11")
    then = request("/cut-next")
    expected = []
    for cut in range(1, 12):
        play.c(asked, cuts=[cut]).s(answered).c(then).s(answered + b"elevenbytes")
        expected += [record(asked, answered), record(then, answered, response_body=11)]
    return expected


@scene
def connect_cut(play):
    asked = request("db.test:443", method="CONNECT")
    answered = response(200, reason="Connection established")
    play.c(asked, cuts=[1]).s(answered)
    play.c(request("/inside")).s(response(200, "Content-Length: 0"))
    return [record(asked, answered, flags=["upgraded"])]


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
def server_sent_events(play):
    """Counted wherever calls and chunks cut them; a call that brings too many makes it unknown."""
    asked = request("/events", "Accept: text/event-stream")
    kind, cut = "Content-Type: text/event-stream", "Content-Type: text/event-stream;charset=utf-8"
    chunked = response(200, "Server: live", kind, "Transfer-Encoding: chunked")
    sized = response(200, "X-Long: " + "l" * 480, cut, "Content-Length: 4000")
    usual = response(200, "Content-Type: text/plain", "Content-Length: 24")
    large = response(200, kind, "Content-Length: 90000")
    ended = response(200, kind, "Connection: close")
    play.c(asked).s(chunked, b"b\r\ndata: one\n\n\r\n", b"7\r\ndata: t\r", b"\n5\r\nwo\n\n:\r\n",
                    b"1\r\n\n\r\n10\r\ndata: a\n\ndata: b\r\n2\r\n\n\n\r\n", b"0\r\n\r\n")
    play.c(asked).s(sized + b"data: 0123456789\n\n" * 100,
                    b"data: 0123456789012\n\n" * 104 + b":" * 16)
    play.c(asked).s(usual + b"data: none\n\n" * 2)
    play.c(asked).s(large, b"data: %s\n\n" % (b"x" * 89992))
    play.c(asked).s(ended, *[b"id: %d\ndata: x\n\n" % number for number in range(50)])
    play.close("server")
    size = sum(len(b"id: %d\ndata: x\n\n" % number) for number in range(50))

    def told(head, body, events):
        return record(asked, head, response_body=body, http__response__events=events)
    return [told(chunked, 42, 4), told(sized, 4000, 204), told(usual, 24, None),
            {**told(large, 90000, None), "flags": {"events_unknown"}}, told(ended, size, 50)]
