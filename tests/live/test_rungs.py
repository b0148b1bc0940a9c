#!/usr/bin/python3
"""The tests of the capture once more on each rung of the ladder that a plain run does not take.

TIMEOUT: 600
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from harness import RUNG, WEIR, check, note, require_weir, run_main, skip

RUNGS = ("fentry", "tracepoint", "syscall")
TESTS = ("semantics", "calls", "masking", "servers", "counters", "churn", "bad_input")


def used_rung():
    """The rung that a plain run takes here, as doctor says it; None when it does not say."""
    done = subprocess.run([WEIR, "doctor", "-o", "json"], capture_output=True, text=True,
                          check=False)
    try:
        return json.loads(done.stdout).get("rung")
    except ValueError:
        return None


def run_test(name, rung):
    path = Path(__file__).parent / f"test_{name}.py"
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False,
                          env=dict(os.environ, WEIR_RUNG=rung))
    if done.returncode == 77:
        note(f"{rung}: {name}: {done.stdout.strip().splitlines()[-1]}")
        return False
    failed = [line for line in done.stdout.splitlines() if not line.startswith("ok ")]
    check(done.returncode == 0, f"{rung}: test_{name}", "\n".join(failed)[:3000] + done.stderr)
    return True


def main():
    if RUNG:
        skip("a rung is forced already")
    require_weir()
    used = used_rung()
    note(f"a plain run takes the rung {used}")
    for rung in RUNGS:
        if rung == used:
            continue
        for name in TESTS:
            if not run_test(name, rung):
                break  # the kernel does not have it: no other test will find it either


if __name__ == "__main__":
    run_main(main)
