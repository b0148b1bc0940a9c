#!/usr/bin/python3
"""HTTP/1 as RFC 9110 and RFC 9112 have it, in scripts whose every call is known.

Each scene plays one connection and says which records must come of it, in order.
"""

import sys

from harness import Weir, check, check_clean_end, check_empty, flags, require_weir, run_main
from harness import traffic
from messages import compare, record, request, response
from play import Stage
from scenes_endings import SCENES as ENDINGS
from scenes_framing import SCENES as FRAMING

SCENES = FRAMING + ENDINGS


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
        if one.get("network.protocol.name") == "websocket":
            continue  # what follows an upgrade is looked at in test_http2_sockets.py
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
