#!/usr/bin/python3
"""Does a sink that stands still slow the others? nginx under wrk, weir writing to a file: alone,
and beside sinks whose receiver never answers, resets every connection, or answers a byte a second.
In turns within each round, so that a machine that slows down slows down all of them; medians of the
rounds' ratios. What counts: requests that were served, records in the file, CPU time of weir.

    bench/stuck.py [--seconds 4] [--rounds 5]        needs root, nginx and wrk"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import load
import machine

ROOT = Path(__file__).resolve().parent.parent
WEIR = os.environ.get("WEIR", str(ROOT / "build" / "weir"))
sys.path.insert(0, str(ROOT / "tests" / "lib"))
import stuck  # noqa: E402

TURNS = {"alone": (), **{manner.__name__: (manner,) for manner in stuck.MANNERS},
         "all three": stuck.MANNERS}
FILE = re.compile(r"file: seen (\d+) = logged (\d+) \+ filtered (\d+)(.*)")


def turn(folder, manners, seconds):
    receivers = [stuck.Stuck(manner) for manner in manners]
    out, ready, errors = folder / "out.json", folder / "ready", folder / "errors"
    sinks = [part for one in receivers for part in (
        "--sink", f"http=http://127.0.0.1:{one.port} close-timeout=1ms name={one.manner.__name__}")]
    for path in (out, ready):
        path.unlink(missing_ok=True)
    server = load.Server(str(folder))
    with errors.open("w") as text, subprocess.Popen(
            [WEIR, "run", "--port", str(load.PORT), "--no-tls", "-w", str(out), "-o", "json",
             "--ready-file", str(ready), *sinks], stderr=text) as weir:
        machine.wait_for(ready.exists, 60, "weir")
        before = machine.cpu_seconds(weir.pid)
        result = load.run_wrk(str(folder), seconds, 64)
        result["cpu_s"] = machine.cpu_seconds(weir.pid) - before
        weir.send_signal(signal.SIGINT)
        weir.wait()
    server.stop()
    for one in receivers:
        one.close()
    totals = errors.read_text().replace("weir: seen", "weir: file: seen")
    found = FILE.search(totals)
    result["seen"], result["logged"] = int(found[1]), int(found[2])
    result["lost"] = sum(map(int, re.findall(r"lost\([^)]*\) (\d+)", found[4])))
    assert result["seen"] == result["logged"] + int(found[3]) + result["lost"], totals
    result["cpu_us"] = result["cpu_s"] / result["logged"] * 1e6
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    machine.refuse_counting()
    for program in ("nginx", "wrk"):
        if not shutil.which(program):
            sys.exit(f"bench/stuck.py: {program} is not installed")
    found = {name: [] for name in TURNS}
    with tempfile.TemporaryDirectory(prefix="weir-stuck-") as name:
        os.chmod(name, 0o755)  # nginx's worker runs as nobody
        for _ in range(chosen.rounds):
            for turn_name, manners in TURNS.items():
                found[turn_name].append(turn(Path(name), manners, chosen.seconds))
    print(f"{'sinks beside the file':22} requests/s  of alone   us/record   lost of the file")
    for name, turns in found.items():
        machine.relate(turns, found["alone"])
        rate, ratio, cost = machine.medians(
            turns, ("requests_per_second", "relative", "cpu_us")).values()
        lost, seen = (sum(one[field] for one in turns) for field in ("lost", "seen"))
        print(f"{name:22} {rate:10,.0f} {ratio:9.3f} {cost:11.2f}   {lost} of {seen}")


main()
