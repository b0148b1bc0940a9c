#!/usr/bin/python3
"""No masked value leaves the kernel: canaries are searched for in the raw ring and in all output.

Every canary is one word, CANARY and a number, put into a position that must be masked. The raw ring
records (WEIR_RING_DUMP), every output format and stderr must hold none of them, while a marker in
clear beside each canary must be there: else the search itself would prove nothing.
"""

import hashlib
import hmac
import json
import os
import re
import subprocess

from harness import (ROOT, WEIR, Weir, check, check_clean_end, check_empty, flags, note,
                     require_weir, run_main, temporary_directory)
from harness import traffic
from play import Stage

CANARY = re.compile(rb"CANARY\d+Z")
SPLINTERS = b"SPLINTER" * 9  # of which nothing may be found either
REPEATED = 60  # exchanges of a connection whose heads repeat
KEY = "a key of the live tests, 32 bytes"
NAME_PATTERN = re.compile(r'\{"([^"]+)",\s*(MASK_\w+)\}')


def default_names():
    """(name, manner) of the list that the program itself is built from."""
    found = []
    for source in sorted((ROOT / "src" / "model").glob("mask_names*")):
        found += NAME_PATTERN.findall(source.read_text())
    if len(found) < 50:
        raise RuntimeError(f"only {len(found)} masked names were found in src/model")
    return found


class Plan:
    """Plays masked heads and remembers what must be left of each value."""

    def __init__(self):
        self.stage = Stage()
        self.port = self.stage.port
        self.canaries = {}
        self.expected = []
        self.markers = 0
        self.events = None  # of each body of server-sent events

    def canary(self, where):
        word = f"CANARY{len(self.canaries):05}Z"
        self.canaries[word.encode()] = where
        return word

    def head(self, kind, lines):
        """A head of raw header lines with a marker in clear after them."""
        first = f"GET /mask/{self.markers} HTTP/1.1" if kind == "request" else "HTTP/1.1 200 OK"
        ends = ["Host: live.test"] if kind == "request" else ["Content-Length: 0"]
        marker = f"X-Clear: MARKER{self.markers:05}Y"
        self.markers += 1
        return "\r\n".join([first, *lines, *ends, marker, "", ""]).encode()

    def exchange(self, request_lines, response_lines, cuts_of=None, expected=None):
        """One exchange on its own connection; cuts_of gives the cuts of a request head."""
        play = self.stage.open()
        asked, answered = self.head("request", request_lines), self.head("response",
                                                                         response_lines)
        cuts = cuts_of(asked) if cuts_of else ()
        pieces = [asked[a:b] for a, b in zip([0, *cuts], [*cuts, len(asked)])]
        play.c(*pieces).s(answered)
        play.close()
        self.expected.append((play.client_port, expected))


# (how the value is made from a canary, what must be left of it)
MANNERS = {
    "MASK_WHOLE": [("{0}", "***"), ("a {0} b", "***"), ("name={0}; x={1}", "***")],
    "MASK_CREDENTIALS": [("Bearer {0}", "Bearer ***"), ("Basic {0}==", "Basic ***"),
                         ("Digest username=\"{0}\", nonce=\"{1}\"", "Digest ***"),
                         ("Negotiate  {0}", None), ("{0}", None)],
    "MASK_COOKIE": [("sid={0}", "sid=***"), ("a={0}; b={1}", "a=***; b=***"),
                    ("a={0};b={1}; c=\"{0}\"", None), ("{0}", None), ("a={0}=={1}", "a=***"),
                    ("a=1 ; b={0}", None)],
    "MASK_SET_COOKIE": [("sid={0}; Path=/; HttpOnly", "sid=***; Path=/; HttpOnly"),
                        ("sid={0}", "sid=***"), ("{0}; Secure", None),
                        ("sid={0}; Expires=Wed, 21 Oct 2026 07:28:00 GMT; SameSite=Lax",
                         "sid=***; Expires=Wed, 21 Oct 2026 07:28:00 GMT; SameSite=Lax")],
}


def fill(plan, template, where):
    return template.format(plan.canary(where), plan.canary(where))


def oddly_cased(name):
    return "".join(c.upper() if index % 3 else c.lower() for index, c in enumerate(name))


def play_names(plan, names):
    """Every default name, in requests and responses, by turns cased and spaced in odd ways."""
    shapes = ("{}: {}", "{}:{}", "{}: \t {} \t", "{}:  {}")
    for index, (name, manner) in enumerate(names):
        lines, expected = [], []
        for turn, (template, left) in enumerate(MANNERS[manner]):
            cased = (name, name.upper(), oddly_cased(name), name.title())[turn % 4]
            shape = shapes[(index + turn) % 4]
            lines.append(shape.format(cased, fill(plan, template, f"{cased} {manner}")))
            expected.append((cased, left))
        plan.exchange(lines, [line for line in lines], expected=expected)


def play_folded(plan):
    """obs-fold: a value that goes on in the next line, once and often, by space and by tab."""
    for fold in ("\r\n ", "\r\n\t", "\r\n   \t ", " \r\n "):
        for name in ("X-Api-Key", "Authorization", "Cookie", "Set-Cookie"):
            where = f"{name} folded by {fold!r}"
            lines = [f"{name}: Scheme a={plan.canary(where)}{fold}{plan.canary(where)}"
                     f"{fold}b={plan.canary(where)}",
                     f"{name}:{fold}{plan.canary(where)}"]
            plan.exchange(lines, lines)


def play_odd_lines(plan):
    """Lines that are not quite right: space before the colon, bare LF, NUL and more."""
    for name in ("Authorization", "X-Api-Key", "Cookie"):
        for shape in ("{} : {}", "{}\t:{}", " {}: {}", "{}: \x00{}", "{}: \x0b{}"):
            lines = [shape.format(name, plan.canary(f"{name} as {shape!r}"))]
            plan.exchange(lines, lines)
    play = plan.stage.open()
    word = plan.canary("bare LF")
    play.c(f"GET /lf HTTP/1.1\nHost: live.test\nAuthorization: Bearer {word}\n\n".encode())
    play.s(f"HTTP/1.1 200 OK\nSet-Cookie: a={word}\nContent-Length: 0\n\n".encode())
    play.close()


def play_splits(plan):
    """A head cut into two calls, and into two iovecs of receiving, at every byte."""
    def lines_of(where):
        return [f"Authorization: Bearer {plan.canary(where)}", f"Cookie: a={plan.canary(where)}",
                f"x-API-key: {plan.canary(where)}",
                f"X-Auth-Token:\r\n {plan.canary(where)}"]
    expected = [("Authorization", ("Bearer ***", "***")), ("Cookie", ("a=***", "***")),
                ("x-API-key", "***")]
    length = len(plan.head("request", lines_of("the length only")))
    for cut in range(1, length):
        plan.exchange(lines_of(f"cut at {cut}"), ["X-None: 1"], cuts_of=lambda _, at=cut: [at],
                      expected=expected)
    plan.exchange(lines_of("every byte alone"), ["X-None: 1"],
                  cuts_of=lambda head: list(range(1, len(head))), expected=expected)


def play_response_splits(plan):
    for cut in range(17, 90):
        play = plan.stage.open()
        head = (f"HTTP/1.1 200 OK\r\nSet-Cookie: s={plan.canary(f'response cut {cut}')}; Path=/\r\n"
                f"X-Vault-Token: {plan.canary(f'response cut {cut}')}\r\n"
                "Content-Length: 0\r\n\r\n").encode()
        play.c(b"GET /split HTTP/1.1\r\nHost: live.test\r\n\r\n").s(head[:cut], head[cut:])
        play.close()


def play_trailers(plan):
    where = "a trailer"
    for cut in range(0, 60, 3):
        play = plan.stage.open()
        body = ("3\r\nabc\r\n0\r\n" f"X-Api-Key: {plan.canary(where)}\r\n"
                f"Signature: {plan.canary(where)}\r\nX-Plain: seen\r\n\r\n").encode()
        play.c(b"POST /trailer HTTP/1.1\r\nHost: live.test\r\nTransfer-Encoding: chunked\r\n\r\n"
               + body[:cut], body[cut:])
        play.s(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body[:cut], body[cut:])
        play.close()


def play_places(plan):
    """Secrets outside the exact names: masked in user space, so not in the output."""
    where = [plan.canary(f"place {number}") for number in range(9)]
    plan.user_space = set(word.encode() for word in where)
    lines = [f"X-Custom-Token: {where[0]}", f"My-Secret-Header: {where[1]}",
             f"Referer: http://user:{where[2]}@site.test/?access_token={where[3]}",
             f"Location: https://site.test/cb?code={where[4]}",
             f"X-Note: Bearer {where[5]}"]
    play = plan.stage.open()
    target = f"/login?password={where[6]}&ok=1&api_key={where[7]}"
    play.c("\r\n".join([f"GET {target} HTTP/1.1", "Host: live.test", *lines, "", ""]).encode())
    play.s("\r\n".join(["HTTP/1.1 302 Found", *lines, "Content-Length: 0", "", ""]).encode())
    absolute = f"http://user:{where[8]}@site.test/path"
    play.c(f"GET {absolute} HTTP/1.1\r\nHost: site.test\r\n\r\n".encode())
    play.s(b"HTTP/1.1 204 No Content\r\n\r\n")
    play.close()


def play_long(plan):
    """Values longer than any window: the canary is at the far end."""
    for length in (60, 250, 1000, 4090, 9000, 40000):
        where = f"after {length} bytes of the value"
        lines = [f"Authorization: Bearer {'t' * length}{plan.canary(where)}",
                 f"Cookie: {'; '.join(['a=' + 'b' * 50] * (length // 60))}; "
                 f"z={plan.canary(where)}"]
        plan.exchange(lines, [lines[0].replace("Authorization: Bearer", "X-Amz-Security-Token:")])


def chunks_of(body, size):
    pieces = [body[at:at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def play_event_streams(plan):
    """
    Bodies of server-sent events leave the kernel for their lines' ends and kinds only: secrets in
    data, names, numbers and comments, cut by calls, chunks and receiving buffers.
    """
    kind = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"

    def body(where):
        word = plan.canary(where).encode() + SPLINTERS
        lines = [b"data: %s" % word, b"data:%s" % word, b"data" + word, b"da%s: 1" % word,
                 b"id: " + word, b":" + word, word, b"data", b"datadata:" + word, b" data:" + word]
        return (b"\xef\xbb\xbf" + b"".join(line + b"\n\n" for line in lines)
                + b"\r\n\r\ndata: %s\r\r" % word + b"data: %s\n" % word)
    plan.events = 4  # the two in front, the lone name and that with CR
    for size in (1, 2, 3, 5, 7, 11, 64, 1000):
        play = plan.stage.open()
        whole = body(f"events by {size}")
        pieces = [whole[at:at + size] for at in range(0, len(whole), size)]
        play.c(b"GET /events HTTP/1.1\r\nHost: live.test\r\n\r\n" * 3)
        play.s(kind + b"Content-Length: %d\r\n\r\n" % len(whole) + pieces[0], *pieces[1:])
        whole = chunks_of(body(f"events in chunks of {size}"), size)
        play.s(kind + b"Transfer-Encoding: chunked\r\n\r\n" + whole[:20])
        play.s(whole[20:], cuts=(len(whole) // 3,))
        play.s(kind + b"\r\n", *body(f"events to the end by {size}").splitlines(keepends=True))
        play.close()


def play_everything(plan):
    plan.user_space = set()
    play_names(plan, default_names())
    play_folded(plan)
    play_odd_lines(plan)
    play_splits(plan)
    play_response_splits(plan)
    play_trailers(plan)
    play_places(plan)
    play_long(plan)
    play_event_streams(plan)


def find_canaries(plan, data, allowed=frozenset()):
    found = {word for word in CANARY.findall(data)} - allowed
    return [f"{word.decode()}: {plan.canaries.get(word, 'unknown')}" for word in sorted(found)]


def left_over(left):
    """What may be left of a value. A cut inside a scheme or cookie name may cost that, too."""
    return left if isinstance(left, tuple) else (left,)


def check_values(weir, plan):
    by_port = {record["client.port"]: record for record in weir.records(server_port=plan.port)}
    bad = []
    for port, expected in plan.expected:
        if not expected:
            continue
        record = by_port.get(port)
        if record is None:
            bad.append(f"no record of the connection from {port}: {expected}")
            continue
        headers = record.get("http.request.headers", [])
        for (name, left), (actual_name, actual) in zip(expected, headers):
            if actual_name != name or (left is not None and actual not in left_over(left)):
                bad.append(f"{actual_name}: {actual}, not {name}: {left}")
        if "masked" not in flags(record):
            bad.append(f"no flag masked on {record.get('url.original')}")
    check_empty(bad, "what is left of masked values is what the list of manners says")
    unmasked = [record for record in weir.records(server_port=plan.port)
                if record.get("url.original") == "/trailer"
                and ["X-Plain", "seen"] not in record.get("http.request.trailers", [])]
    check_empty(unmasked, "trailers that are no secret are kept")
    if plan.events:
        events = [record.get("http.response.events") for record in weir.records()
                  if record.get("url.original") == "/events"]
        check(events == [plan.events] * 24, f"events are counted by what is shown: {events}")


def check_formats():
    """One capture for each format, the same traffic: nothing in any output."""
    for output in ("json", "logfmt", "pretty"):
        plan = Plan()
        arguments = ["-v"] if output == "pretty" else []
        with Weir("--port", plan.port, *arguments, output=output, is_debugged=True) as weir:
            play_everything(plan)
            weir.stop()
        check(weir.status == 0, f"{output}: weir ends with status 0", weir.stderr()[-500:])
        data = weir.path.read_bytes()
        check_empty(find_canaries(plan, data),
                    f"{output}: no canary in {len(data)} bytes of output")
        check(data.count(b"MARKER") >= plan.markers * 0.9,
              f"{output}: the markers beside the canaries are there "
              f"({data.count(b'MARKER')} of {plan.markers})")
        check_empty(find_canaries(plan, weir.stderr().encode()), f"{output}: no canary on stderr")
        check_ring(weir, plan, output)
        if output == "json":
            check_clean_end(weir)
            check_values(weir, plan)


def check_ring(weir, plan, output):
    if not weir.ring_path.exists():
        note("this build does not copy the raw ring: WEIR_RING_DUMP did nothing")
        check(False, f"{output}: the raw ring can be searched")
        return
    ring = weir.ring_path.read_bytes()
    check_empty(find_canaries(plan, ring, plan.user_space),
                f"{output}: no canary in {len(ring)} raw ring bytes")
    check_empty([part for part in (b"SPL", b"LIN", b"NTE", b"RSP") if part in ring],
                f"{output}: no part of an event in the raw ring bytes")
    check(ring.count(b"MARKER") >= plan.markers * 0.9,
          f"{output}: the markers are in the raw ring bytes ({ring.count(b'MARKER')})")


def check_added_names():
    """Names of the operator's own are masked in the kernel like the list's."""
    plan = Plan()
    with Weir("--port", plan.port, "--mask-name", "X-House-Badge", "--mask-name", "x-other",
              is_debugged=True) as weir:
        plan.user_space = set()
        plan.exchange([f"X-HOUSE-badge: {plan.canary('added')}", f"X-Other:{plan.canary('added')}",
                       f"Authorization: Bearer {plan.canary('default')}"],
                      [f"x-house-badge: {plan.canary('added')}"],
                      expected=[("X-HOUSE-badge", "***"), ("X-Other", "***"),
                                ("Authorization", "Bearer ***")])
        weir.stop()
    check_empty(find_canaries(plan, weir.path.read_bytes()), "added names: no canary in the output")
    check_ring(weir, plan, "added names")
    check_values(weir, plan)


def repeated_heads(plan):
    """Heads by turns that differ in the last byte of a secret, and one that differs in clear."""
    secret = plan.canary("repeated")
    for target, word in (("/one", secret + "a"), ("/one", secret + "b"), ("/two", secret + "a")):
        yield (f"GET {target} HTTP/1.1\r\nHost: live.test\r\nAuthorization: Bearer {word}\r\n"
               f"Cookie: a={word}; b={word}\r\nX-Clear: MARKER\r\n\r\n").encode(), target


def check_repeated():
    """A head that came before goes through the ring by its number: once more nothing is shown."""
    plan = Plan()
    plan.user_space = set()
    heads = list(repeated_heads(plan))
    answer = (f"HTTP/1.1 204 No Content\r\nSet-Cookie: s={plan.canary('response')}; Path=/\r\n"
              "\r\n").encode()
    expected = []
    before = os.sched_getaffinity(0)
    with Weir("--port", plan.port, is_debugged=True) as weir:
        os.sched_setaffinity(0, {min(before)})  # each CPU knows heads of its own
        for _ in range(4):
            play = plan.stage.open()
            for number in range(REPEATED):
                head, target = heads[number // 10 % len(heads)]
                play.c(head).s(answer)
                expected.append(target)
            play.close()
        os.sched_setaffinity(0, before)
        weir.stop()
    records = sorted(weir.records(server_port=plan.port), key=lambda one: one["time"])
    check([one["url.original"] for one in records] == expected,
          f"repeated heads: each of {len(expected)} is logged as it was sent")
    left = {json.dumps(one["http.request.headers"]) for one in records}
    check(left == {json.dumps([["Host", "live.test"], ["Authorization", "Bearer ***"],
                               ["Cookie", "a=***; b=***"], ["X-Clear", "MARKER"]])},
          "repeated heads: what is left of them", str(left)[:500])
    ring = weir.ring_path.read_bytes()
    check(0 < ring.count(b"MARKER") < len(expected) // 2,
          f"repeated heads: few of {len(expected)} are in the ring ({ring.count(b'MARKER')})")
    check_empty(find_canaries(plan, ring + weir.path.read_bytes()),
                "repeated heads: no canary in the ring or in the output")
    check_clean_end(weir)


def digest(value):
    return "hmac:" + hmac.new(KEY.encode(), value.encode(), hashlib.sha256).hexdigest()[:16]


def digests(shape, values, may_be_cut):
    """What must be left in HMAC mode; a value cut over two calls may be without its digest."""
    left = [shape.format(*map(digest, values))]
    if may_be_cut:
        left += [shape.format(*("***" for _ in values)), "***"]
        left += [shape.format(*(digest(value) if keep == index else "***"
                                for index, value in enumerate(values)))
                 for keep in range(len(values))]
    return tuple(left)


def check_hmac():
    """With a key equal values can be matched without being known."""
    directory = temporary_directory()
    key_path = directory / "key"
    key_path.write_text(KEY)
    key_path.chmod(0o600)
    plan = Plan()
    plan.user_space = set()
    with Weir("--port", plan.port, "--mask-key-file", key_path, is_debugged=True) as weir:
        for cut in (None, 30, 50, 60, 70):
            words = [plan.canary("hmac") for _ in range(4)]
            cuts = (lambda _, at=cut: [at]) if cut else None
            long_value = words[3] * 8  # the whole head lies in one chunk
            expected = [("X-Api-Key", "{}", [words[0]]),
                        ("Authorization", "Bearer {}", [words[1]]),
                        ("Cookie", "a={}; b={}", [words[2], words[0]]),
                        ("X-Vault-Token", "{}", [long_value])]
            plan.exchange([f"{name}: {shape.format(*values)}" for name, shape, values in expected],
                          [f"Set-Cookie: sid={words[2]}; Path=/"], cuts_of=cuts,
                          expected=[(name, digests(shape, values, cut is not None))
                                    for name, shape, values in expected])
        weir.stop()
    check_empty(find_canaries(plan, weir.path.read_bytes()), "hmac: no canary in the output")
    check_ring(weir, plan, "hmac")
    check_values(weir, plan)
    check(KEY.encode() not in weir.path.read_bytes() + weir.stderr().encode(),
          "hmac: the key itself is not in the output")


def check_no_mask():
    plan = Plan()
    plan.user_space = set()
    with Weir("--port", plan.port, "--no-mask") as weir:
        word = plan.canary("in clear on purpose")
        plan.exchange([f"Authorization: Bearer {word}"], [f"Set-Cookie: a={word}"])
        weir.stop()
    records = weir.records(server_port=plan.port)
    check(records and ["Authorization", f"Bearer {word}"] in records[0]["http.request.headers"]
          and "masked" not in flags(records[0]), "--no-mask: values are in clear", str(records))
    check("mask" in weir.stderr().lower(), "--no-mask: stderr says so", weir.stderr())
    quiet = subprocess.run([WEIR, "run", "--help"], capture_output=True, text=True, check=False)
    check("--no-mask" in quiet.stdout, "--no-mask is in the help")


def main():
    require_weir()
    check_formats()
    check_added_names()
    check_repeated()
    check_hmac()
    check_no_mask()


if __name__ == "__main__":
    run_main(main)
