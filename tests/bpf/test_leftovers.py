#!/usr/bin/python3
"""
Nothing stays behind: every program, link and map that weir held is gone after it ended, by each
signal that ends it cleanly and by one that cannot be caught. What others on this host load
meanwhile does not matter.
"""

import signal
import sys
import time

import programs

SECONDS_TO_FREE = 10  # the kernel frees programs and maps after a grace period


def left_behind(held):
    """What is there still, after the time that the kernel needs."""
    end = time.monotonic() + SECONDS_TO_FREE
    while True:
        left = [(kind, one.get("name", number)) for kind in programs.KINDS
                for number, one in programs.listed(kind).items() if number in held[kind]]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.1)


def main():
    weir = programs.require()
    failed, tried = False, 0
    for rung in programs.RUNGS + programs.PACKETS:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGKILL):
            if number == signal.SIGKILL and rung == "packets clsact":
                continue  # classifiers are not held by a descriptor: docs/packets.md says so
            try:
                with programs.Weir(weir, rung) as running:
                    held = running.held()
                    status = running.stop(number)
            except programs.Refused as reason:
                print(f"{rung}: not on this kernel: {reason}")
                break
            tried += 1
            left = left_behind(held)
            wanted = -number if number == signal.SIGKILL else 0
            is_right = not left and status == wanted and all(held.values())
            failed = failed or not is_right
            print(f"{rung}, {number.name}: {len(held['prog'])} programs loaded, status {status}: "
                  + ("nothing left" if is_right else f"FAILED, left behind: {left}"))
    if not tried and not failed:
        programs.skip("no rung of the ladder works here")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
