#!/usr/bin/python3
"""The faults F1 to F14 that the delivery of records has to survive, with their whole counts; the
tests run short forms of the same programs. Prints a line for each, and what failed.

    bench/faults.py [F1 F2 ...]     some half an hour for all; F8 needs 12 GiB of disk"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("WEIR_BUILD", ROOT / "build"))
GOLDEN, LIVE = ROOT / "tests" / "golden", ROOT / "tests" / "live"
PYTHON = [sys.executable]
WHOLE = {"WEIR_SPOOL_WHOLE": "1", "WEIR_FAULTS_WHOLE": "1", "WEIR_KILLS": "1000"}

FAULTS = {
    "F1": ("SIGKILL at any instant", [[*PYTHON, str(GOLDEN / "test_kill.py")],
                                      [*PYTHON, str(GOLDEN / "test_kafka_sink.py"), "killed"]]),
    "F2": ("power failures, F5: between removal and sync", [[str(BUILD / "unit_spool_power")]]),
    "F3": ("damaged segments, F4: wrong positions and segments",
           [[str(BUILD / "unit_spool_damage")]]),
    "F6": ("broken configuration, a backlog", [[*PYTHON, str(GOLDEN / "test_faults.py"), "F6"]]),
    "F7": ("one corrupt segment of 1,000", [[*PYTHON, str(GOLDEN / "test_faults.py"), "F7"]]),
    "F8": ("10 GiB of backlog", [[*PYTHON, str(GOLDEN / "test_faults.py"), "F8"]]),
    "F9": ("full, failing and slow disks", [[str(BUILD / "unit_spool")],
                                            [*PYTHON, str(GOLDEN / "test_faults.py"), "F9"]]),
    "F10": ("receivers that misbehave", [[*PYTHON, str(GOLDEN / "test_sinks.py")],
                                         [*PYTHON, str(GOLDEN / "test_kafka_sink.py")]]),
    "F11": ("parts of a batch", [[*PYTHON, str(GOLDEN / "test_receivers.py")]]),
    "F12": ("a clock that is set (root)", [[*PYTHON, str(LIVE / "test_clock.py")]]),
    "F13": ("SIGHUP under load (root)", [[*PYTHON, str(LIVE / "test_sink_changes.py")]]),
    "F14": ("memory, threads, descriptors", [[*PYTHON, str(GOLDEN / "test_faults.py"), "F14"],
                                             [*PYTHON, str(LIVE / "test_own_faults.py")]]),
}
NOISE = re.compile(r"^\[|^\s*$")


def run(command):
    done = subprocess.run(command, env={**os.environ, **WHOLE}, text=True, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    for line in done.stdout.splitlines():
        if done.returncode or not NOISE.search(line):
            print(f"    {line}", flush=True)
    return done.returncode


def main():
    failed = []
    for name in sys.argv[1:] or FAULTS:
        what, commands = FAULTS[name]
        print(f"{name} {what}", flush=True)
        begin = time.monotonic()
        if any([run(command) for command in commands]):
            failed.append(name)
        print(f"    {time.monotonic() - begin:.0f} s", flush=True)
    print(f"failed: {' '.join(failed)}" if failed else "all survived")
    sys.exit(1 if failed else 0)


main()
