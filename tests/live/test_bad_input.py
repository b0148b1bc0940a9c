#!/usr/bin/python3
"""Bytes that no honest peer sends: weir lives, stays small, invents nothing, and says what was odd.

After every scene an ordinary exchange runs on a connection of its own; all of them must be logged.
"""

import os
import random
import socket
import sys
import threading

from harness import (WEIR, Weir, check, check_clean_end, check_empty, flags, note, require_weir,
                     run_main)
from harness import traffic
from play import Stage

MEGABYTE = 1 << 20
RING_MIB, RING_DEFAULT_MIB = 16, 4
RESIDENT_LIMIT_KIB = (64 + RING_MIB - RING_DEFAULT_MIB) * 1024
SCENES = []


def scene(function):
    SCENES.append(function)
    return function


class Case:
    """What one scene played: connections by client port with what their records must say."""

    def __init__(self, stage, seed):
        self.stage = stage
        self.random = random.Random(seed)
        self.expected = []

    def open(self):
        return self.stage.open()

    def expect(self, play, description, judge):
        """judge(records of the connection) gives what is wrong with them, line by line."""
        self.expected.append((play.client_port, description, judge))

    def flood(self, chunks, from_server=False):
        """Sends without end to a reader that throws all away; the connection is then closed."""
        play = self.open()
        sender, receiver = ((play.server, play.client) if from_server
                            else (play.client, play.server))

        def swallow():
            scratch = bytearray(MEGABYTE)
            while receiver.recv_into(scratch):
                pass

        reader = threading.Thread(target=swallow)
        reader.start()
        for chunk in chunks:
            sender.sendall(chunk)
        sender.shutdown(socket.SHUT_WR)
        reader.join()
        play.close()
        return play


GOOD = b"GET /good HTTP/1.1\r\nHost: live.test\r\nX-Good: 1\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def play_good(stage):
    play = stage.open()
    play.c(GOOD).s(ANSWER)
    play.close()
    return play.client_port


def no_records(records):
    return [f"a record of noise: {str(record)[:300]}" for record in records]


def only_targets(*targets):
    """No record may name a target that was never sent as one."""
    def judge(records):
        return [f"invented target {record['url.original'][:80]!r} {sorted(flags(record))}"
                for record in records if record.get("url.original", targets[0]) not in targets]
    return judge


def flagged(reason, target, **fields):
    """The first record is flagged malformed with that reason, and holds nothing invented."""
    def judge(records):
        if not records:
            return ["no record"]
        first = records[0]
        bad = []
        if "malformed" not in flags(first):
            bad.append(f"flags {sorted(flags(first))} lack malformed")
        elif reason not in first.get("malformed.reason", ""):
            bad.append(f"malformed.reason is {first.get('malformed.reason')!r}, not {reason!r}")
        if first.get("url.original") not in (None, target):
            bad.append(f"invented target {first.get('url.original')!r}")
        bad += traffic.field_differences(first, {name.replace("__", "."): value
                                                 for name, value in fields.items()})
        return bad
    return judge


@scene
def random_bytes(case):
    """100 MB; every MB differs in its first bytes only, as making randomness costs more."""
    block = bytearray(os.urandom(MEGABYTE))

    def chunks(count):
        for _ in range(count):
            block[:16] = case.random.randbytes(16)
            yield block
    case.expect(case.flood(chunks(70)), "70 MB of random bytes to the server", no_records)
    case.expect(case.flood(chunks(30), True), "30 MB of random bytes to the client", no_records)


@scene
def random_in_many_small_calls(case):
    pieces = [case.random.randbytes(case.random.randrange(1, 60)) for _ in range(20000)]
    case.expect(case.flood(pieces), "random bytes in 20,000 small calls", no_records)


@scene
def random_in_place_of_a_request(case):
    play = case.open()
    play.c(b"GET /before-noise HTTP/1.1\r\nHost: live.test\r\n\r\n").s(ANSWER)
    for _ in range(20):
        play.c(case.random.randbytes(20000))
    play.close()
    case.expect(play, "random bytes in place of the second request",
                only_targets("/before-noise"))


@scene
def random_headers(case):
    for number in range(30):
        target = f"/random-headers/{number}"
        noise = case.random.randbytes(case.random.randrange(1, 30000))
        play = case.open()
        play.c(f"GET {target} HTTP/1.1\r\n".encode() + noise + b"\r\n\r\n").s(ANSWER)
        play.close()
        case.expect(play, f"{len(noise)} random bytes as headers", only_targets(target))


@scene
def almost_heads(case):
    """Noise full of what heads start with, to lure a scanner into every false start."""
    words = [b"GET ", b"HTTP/1.1 ", b"POST / HTTP/1.1\r\n", b"\r\n\r\n", b"HTTP/1.1 200", b"\n",
             b"Content-Length: ", b"\r", b"HEAD", b"GET /x HTTP/1.", b"\x00", b": "]
    data = b"\x01" + b"".join(case.random.choice(words) for _ in range(300000))
    chunks = [data[at:at + 4000] for at in range(0, len(data), 4000)]
    play = case.flood(chunks)
    case.expect(play, "pieces of heads in random order",
                lambda records: [str(record)[:200] for record in records
                                 if not flags(record)][:5])


@scene
def never_ending_header(case):
    start = b"GET /endless HTTP/1.1\r\nHost: live.test\r\nX-Endless: "
    play = case.flood([start] + [b"e" * MEGABYTE] * 20)

    def judge(records):
        if len(records) != 1:
            return [f"{len(records)} records"]
        bad = [] if {"truncated", "incomplete"} <= flags(records[0]) else [str(flags(records[0]))]
        return bad + traffic.field_differences(records[0], {"url.original": "/endless"})
    case.expect(play, "a header of 20 MB that never ends", judge)


@scene
def never_ending_headers(case):
    lines = b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(60000))
    play = case.flood([b"GET /lines HTTP/1.1\r\n"] + [lines] * 20)
    case.expect(play, "1,200,000 headers that never end", only_targets("/lines"))


@scene
def never_ending_trailers(case):
    head = b"POST /trail HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
    case.expect(case.flood([head] + [b"T: 1\r\n" * 100000] * 10), "trailers that never end",
                only_targets("/trail"))
    case.expect(case.flood([head[:-3] + b"5;" ] + [b"e" * MEGABYTE] * 5),
                "a chunk extension that never ends", only_targets("/trail"))


@scene
def tiny_headers(case):
    for count in (12000, 100000):
        raw = b"GET /tiny HTTP/1.1\r\nHost: a\r\n" + b"a:1\r\n" * count + b"\r\n"
        play = case.open()
        play.c(raw).s(ANSWER).c(GOOD).s(ANSWER)
        play.close()

        def judge(records, count=count, size=len(raw)):
            if [record.get("url.original") for record in records] != ["/tiny", "/good"]:
                return [f"{len(records)} records: {str(records)[:300]}"]
            bad = traffic.field_differences(records[0], {"http.request.head_size": size})
            if size <= 65536 and len(records[0]["http.request.headers"]) != count + 1:
                bad.append(f"{len(records[0]['http.request.headers'])} headers")
            if (size > 65536) != ("truncated" in flags(records[0])):
                bad.append(f"flags {sorted(flags(records[0]))} with {size} bytes")
            return bad
        case.expect(play, f"{count} tiny headers", judge)


def play_once(case, raw, description, judge, answer=ANSWER):
    play = case.open()
    play.c(raw).s(answer)
    play.close()
    case.expect(play, description, judge)


@scene
def odd_lines(case):
    for line, reason in ((b"X-A: a\x00b", "NUL"), (b"X-A: 1\r\n folded", "obs-fold"),
                         (b"X-A : 1", "space before colon"), (b"no colon here", "without colon"),
                         (b"X(A): 1", "invalid header name"), (b": 1", "invalid header name"),
                         (b"X-A: a\rb: c", "bare CR")):
        target = "/odd"
        raw = b"GET /odd HTTP/1.1\r\nHost: live.test\r\nX-First: 1\r\n" + line + b"\r\n\r\n"
        play_once(case, raw, f"a line {line!r}",
                  flagged(reason, target, http__request__head_size=len(raw)))
    raw = b"GET /odd HTTP/1.1\nHost: live.test\nX-A: 1\n\n"
    play_once(case, raw, "bare LF everywhere",
              flagged("bare LF", "/odd", http__request__headers=[["Host", "live.test"],
                                                                 ["X-A", "1"]]))
    raw = b"GET /odd HTTP/1.1\r\nHost: live.test\nX-A: 1\r\n\n"
    play_once(case, raw, "bare LF here and there", flagged("bare LF", "/odd"))


@scene
def smuggling(case):
    hidden = b"GET /smuggled HTTP/1.1\r\nHost: evil.test\r\n\r\n"
    for headers, body, reason in (
            (b"Content-Length: 6\r\nTransfer-Encoding: chunked", b"0\r\n\r\n" + hidden,
             "content-length and transfer-encoding"),
            (b"Content-Length: 4\r\nContent-Length: 46", b"abcd" + hidden,
             "differing content-length"),
            (b"Content-Length: 4, 46", b"abcd" + hidden, "content-length"),
            (b"Content-Length: -4", b"abcd", "bad content-length"),
            (b"Content-Length: +4", b"abcd", "bad content-length"),
            (b"Content-Length: 0x4", b"abcd", "bad content-length"),
            (b"Content-Length: 99999999999999999999999", b"abcd", "bad content-length"),
            (b"Transfer-Encoding: chunked, identity", b"0\r\n\r\n" + hidden,
             "transfer-encoding"),
            (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", b"0\r\n\r\n" + hidden,
             "transfer-encoding"),
            (b"Transfer-Encoding: xchunked", b"0\r\n\r\n" + hidden, "transfer-encoding"),
            (b"Transfer-Encoding: chunked", b"FFFFFFFFFFFFFFFFFF\r\nabc" + hidden, "bad chunk"),
            (b"Transfer-Encoding: chunked", b"xyz\r\nabc\r\n0\r\n\r\n" + hidden, "bad chunk"),
            (b"Transfer-Encoding: chunked", b"3\r\nabcdef\r\n0\r\n\r\n" + hidden, "bad chunk"),
            (b"Content-Length : 46", hidden, "space before colon"),
            (b"Host: other.test", b"", "differing host")):
        raw = (b"POST /outer HTTP/1.1\r\nHost: live.test\r\n" + headers + b"\r\n\r\n" + body)
        play_once(case, raw, f"{headers!r} with {body[:24]!r}", flagged(reason, "/outer"),
                  ANSWER * 2)
    for line, reason in ((b"GET /outer HTTP/1.9", "version"), (b"GET /outer HTTP/3.0", "version"),
                         (b"GET /out er HTTP/1.1", "")):
        def judge(records, line=line, reason=reason):
            if not records:
                return []  # not recognised as HTTP at all
            return flagged(reason, records[0].get("url.original"))(records)
        play_once(case, line + b"\r\nHost: live.test\r\n\r\n", f"a start line {line!r}", judge)


@scene
def bad_responses(case):
    asked = b"GET /asked HTTP/1.1\r\nHost: live.test\r\n\r\n"
    for answer in (b"HTTP/1.1 abc OK\r\n\r\n", b"HTTP/1.1 99999 OK\r\n\r\n", b"200 OK\r\n\r\n",
                   b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 20 OK\r\n\r\n", b"\x00\x01\x02\x03" * 50,
                   b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
                   b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
                   b"0\r\n\r\n"):
        def judge(records, answer=answer):
            if not records:
                return ["the request is not logged"]
            bad = [] if flags(records[0]) else ["no flag"]
            status = records[0].get("http.response.status_code")
            if status not in (None, 200) or (status == 200 and b" 200 " not in answer):
                bad.append(f"invented status {status}")
            return bad + only_targets("/asked")(records)
        play_once(case, asked, f"a response {answer[:40]!r}", judge, answer)


@scene
def split_at_every_byte(case):
    asked = (b"POST /split HTTP/1.1\r\nHost: live.test\r\nX-A:  1 \r\nX-A:2\r\n"
             b"Content-Length: 4\r\n\r\nbody")
    answered = b"HTTP/1.1 200 Split\r\nX-B: 1\r\nX-B:\t2\r\nContent-Length: 3\r\n\r\nend"
    play = case.open()
    for cut in range(1, len(asked)):
        play.c(asked[:cut], asked[cut:]).s(answered[:min(cut, 60)], answered[min(cut, 60):])
    for cut in range(1, len(asked)):
        play.c(asked, cuts=[cut]).s(answered, cuts=[min(cut, 60)])
    play.close()
    fields = {"url.original": "/split", "http.request.body.size": 4,
              "http.response.body.size": 3, "http.response.reason": "Split",
              "http.request.head_size": len(asked) - 4,
              "http.response.head_size": len(answered) - 3,
              "http.request.headers": [["Host", "live.test"], ["X-A", "1"], ["X-A", "2"],
                                       ["Content-Length", "4"]],
              "http.response.headers": [["X-B", "1"], ["X-B", "2"], ["Content-Length", "3"]]}

    def judge(records):
        bad = [f"record {index}: {line}" for index, record in enumerate(records)
               for line in traffic.field_differences(record, fields)]
        bad += [f"record {index}: flags {flags(record)}" for index, record in enumerate(records)
                if flags(record)]
        if len(records) != 2 * (len(asked) - 1):
            bad.append(f"{len(records)} records, not {2 * (len(asked) - 1)}")
        return bad
    case.expect(play, "a head split at every byte, in sending and in receiving", judge)


@scene
def every_byte_in_a_call_of_its_own(case):
    play = case.open()
    for byte in GOOD:
        play.c(bytes([byte]))
    for byte in ANSWER:
        play.s(bytes([byte]))
    play.close()
    case.expect(play, "every byte in a call of its own",
                lambda records: [] if len(records) == 1 and not flags(records[0])
                and records[0]["http.response.body.size"] == 2 else [str(records)[:500]])


@scene
def requests_without_answers(case):
    asked = b"GET /none HTTP/1.1\r\nHost: live.test\r\nX-Pad: %s\r\n\r\n" % (b"p" * 100)
    play = case.flood([asked * 1000] * 30)
    case.expect(play, "30,000 requests that are never answered",
                lambda records: [str(record)[:200] for record in records
                                 if record.get("url.original") != "/none"
                                 or "http.response.status_code" in record])


@scene
def many_half_heads(case):
    plays = []
    for number in range(300):
        play = case.open()
        play.c(b"GET /half/%d HTTP/1.1\r\nX-Half: %s" % (number, b"h" * 30000))
        plays.append(play)
    for number, play in enumerate(plays):
        play.close()
        case.expect(play, "" if number else "300 connections with half a head each",
                    only_targets(f"/half/{number}"))


def check_scene(name, case, by_port):
    groups = []
    for port, description, judge in case.expected:
        bad = judge(by_port.get(port, []))
        if description:
            groups.append((description, []))
        groups[-1][1].extend(bad)
    for description, bad in groups:
        check_empty(bad, f"{name.replace('_', ' ')}: {description}")


def check_size(weir):
    if b"__asan_init" in open(WEIR, "rb").read():
        note("sizes are not looked at with a sanitizer")
        return
    size = weir.resident_kib()
    check(size <= RESIDENT_LIMIT_KIB,
          f"resident size never above {RESIDENT_LIMIT_KIB // 1024} MiB ({size // 1024} MiB)")


def main():
    is_dry = "--dry" in sys.argv
    if not is_dry:
        require_weir()
    stage = Stage()
    # A ring that takes a whole flood, so that what follows it is not lost for want of room.
    weir = None if is_dry else Weir("--port", stage.port, "--ring-size", f"{RING_MIB}MiB")
    cases, good = [], []
    for function in SCENES:
        case = Case(stage, function.__name__)
        function(case)
        good.append(play_good(stage))
        cases.append((function.__name__, case))
        if not is_dry and not check(weir.is_alive(), f"alive after {function.__name__}"):
            break
    if is_dry:
        return
    # A record of the last ordinary exchange says that everything before it was taken in.
    weir.wait_for_records(1, 30, client_port=good[-1])
    if weir.is_alive():
        check_size(weir)
    check_clean_end(weir)
    by_port = {}
    for record in weir.records(server_port=stage.port):
        by_port.setdefault(record["client.port"], []).append(record)
    for name, case in cases:
        check_scene(name, case, by_port)
    check_empty([port for port in good if [record.get("http.response.status_code")
                                           for record in by_port.get(port, [])] != [200]],
                "an ordinary exchange after each scene is logged")


if __name__ == "__main__":
    run_main(main)
