#!/usr/bin/python3
"""
Nothing stays behind: every program, link and map that weir loaded is gone after it ended, by each
signal that ends it cleanly and by one that cannot be caught.
"""

import signal
import sys
import time

import programs

KINDS = ("prog", "link", "map")
SECONDS_TO_FREE = 10  # the kernel frees programs and maps after a grace period


def left_behind(before):
    """What is there and was not before, after the time that the kernel needs."""
    end = time.monotonic() + SECONDS_TO_FREE
    while True:
        left = [(kind, one.get("name", number)) for kind in KINDS
                for number, one in programs.listed(kind).items() if number not in before[kind]]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.1)


def main():
    weir = programs.require()
    failed, tried = False, 0
    for rung in programs.RUNGS:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGKILL):
            before = {kind: set(programs.listed(kind)) for kind in KINDS}
            try:
                with programs.Weir(weir, rung) as running:
                    loaded = len(set(programs.listed("prog")) - before["prog"])
                    status = running.stop(number)
            except programs.Refused as reason:
                print(f"{rung}: not on this kernel: {reason}")
                left = left_behind(before)  # also when it refuses
                if left:
                    failed = True
                    print(f"{rung}: FAILED: left behind: {left}")
                break
            tried += 1
            left = left_behind(before)
            wanted = -number if number == signal.SIGKILL else 0
            is_right = not left and status == wanted and loaded > 0
            failed = failed or not is_right
            print(f"{rung}, {number.name}: {loaded} programs loaded, status {status}: "
                  + ("nothing left" if is_right else f"FAILED, left behind: {left}"))
    if not tried and not failed:
        programs.skip("no rung of the ladder works here")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
