#!/usr/bin/python3
"""The time of day is set while requests are under way, by an hour and by a second, forward and
back: no exchange is lost or told twice, durations stay what they were, ids keep the order, and the
times of what begins afterwards are those of the clock as it is then."""

import json
import mmap
import struct
import sys
import time
from datetime import datetime, timezone
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from harness import (Weir, check, check_clean_end, check_empty, require_weir, run_main, skip,
                     temporary_directory)  # noqa: E402
import faults  # noqa: E402
from messages import request, response  # noqa: E402
from play import Stage  # noqa: E402

STEPS = (3600, 0, -3600, 0, 1, -1, 3600, -3600, 0, 86400, -86400, 5, 0)
SLACK_S = 0.002  # a smaller step is not followed


class Clock:
    """The time of day of a weir that runs with the shim."""

    def __init__(self, folder):
        self.path = folder / "clock"
        self.path.write_bytes(bytes(8))
        with self.path.open("r+b") as file:
            self.map = mmap.mmap(file.fileno(), 8)
        self.ahead = 0

    def set(self, ahead):
        self.ahead = ahead
        self.map[:] = struct.pack("=q", ahead)

    def now(self):
        return time.time() + self.ahead


def seconds_of(text):
    whole, nanoseconds = text[:-1].split(".")
    moment = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return moment.timestamp() + int(nanoseconds) / 1e9


def exchange(play, number, name, between=lambda: None):
    play.c(request(f"/{number}/{name}"))
    between()
    play.s(response(204))


def talk(stage, clock, weir):
    """One connection per step, on which the clock is set during an exchange; and what is expected.
    Weir has to see one before the next comes."""
    spans = {}
    for number, ahead in enumerate(STEPS):
        play = stage.open()
        exchange(play, number, "before")
        exchange(play, number, "during", lambda ahead=ahead: clock.set(ahead))
        begin = clock.now()
        exchange(play, number, "after")
        spans[f"/{number}/after"] = (begin, clock.now())
        play.close()
        weir.wait_for_records(3 * number + 3)
    return spans


def check_records(records, spans, elapsed_s):
    targets = [record["url.original"] for record in records]
    check(sorted(targets) == sorted(f"/{number}/{name}" for number in range(len(STEPS))
                                    for name in ("before", "during", "after")),
          f"{len(targets)} exchanges, each once", targets)
    ids = [record["id"] for record in records]
    by_connection = {}
    for record in records:
        by_connection.setdefault(record["connection.id"], []).append(record["id"])
    check(len(set(ids)) == len(ids) and all(one == sorted(one) for one in by_connection.values()),
          "ids keep the order", ids)
    long = [(record["url.original"], record["duration_ns"]) for record in records
            if not 0 <= record["duration_ns"] <= elapsed_s * 1e9]
    check_empty(long, "durations are those of an even clock")
    wrong = []
    for record in records:
        begin, end = spans.get(record["url.original"], (0, 1 << 40))
        if not begin - SLACK_S <= seconds_of(record["time"]) <= end + SLACK_S:
            wrong.append((record["url.original"], record["time"], begin, end))
    check_empty(wrong, "what begins after a step has the time of the clock as it is then")


def check_connections(records):
    closed = [record for record in records if "connection.closed" in record]
    check(len(closed) == 2 * len(STEPS), f"{len(closed)} sockets have closed")
    check_empty([record for record in closed if record["connection.closed"] < record["time"]],
                "none before it has opened")


def main():
    require_weir()
    folder = temporary_directory()
    shim = faults.build_shim(folder)
    if not shim or faults.is_sanitized():
        skip("built with sanitizers" if shim else "no C compiler")
    clock, stage = Clock(folder), Stage()
    begin = time.monotonic()
    old = folder / "rotated.json"
    with Weir("--port", stage.port, "--connections", "--sink",
              f"file={old} rotate-size=4KiB rotate-keep=1000 rotate-plain=true",
              environment={"LD_PRELOAD": str(shim), "FAULT_CLOCK_FILE": str(clock.path)}) as weir:
        spans = talk(stage, clock, weir)
        elapsed_s = time.monotonic() - begin
        clock.set(0)
        check_clean_end(weir)
    check(weir.totals.lost_sum == 0, "nothing is lost", str(weir.totals))
    check_records(weir.records(), spans, elapsed_s)
    check_connections(weir.records("connection"))
    rotated = sorted(folder.glob("rotated.json.*")) + [old]
    ids = [json.loads(line)["id"] for path in rotated for line in path.open()]
    check(ids == [json.loads(line)["id"] for line in weir.raw_lines()] and len(rotated) > 5,
          "files that were rotated have names in the order of their records",
          [path.name for path in rotated])


if __name__ == "__main__":
    run_main(main)
