#!/usr/bin/python3
"""
What weir adds to system calls that move no HTTP: files, pipes, other sockets, other protocols.

    bench/calls.py [--weir build/weir] [--rounds 5]

In turns: without weir, then with each rung that this machine has (forced by --rung), then with
one that filters everything in the kernel (--port 1). The least of all rounds counts, since
whatever else runs only ever adds. Writes bench/results/calls.json and calls.md. Needs root, cc.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile

import contenders
import machine
from report import table

HERE = os.path.dirname(os.path.abspath(__file__))


def measure(program):
    done = subprocess.run([program], stdout=subprocess.PIPE, check=True, timeout=120)
    return json.loads(done.stdout)


def variants(folder, weir):
    """(name, contender or None): those that start on this machine."""
    yield "no capture", None
    for rung in ("fentry", "tracepoint", "syscall"):
        yield rung, contenders.Weir(folder, weir, ["--rung", rung])
    yield "best rung, --port 1", contenders.Weir(folder, weir, ["--port", "1"])


def run_rounds(chosen, folder, program):
    least, refused = {}, set()
    for _ in range(chosen.rounds):
        for name, weir in variants(folder, chosen.weir):
            if name in refused:
                continue
            try:
                if weir:
                    weir.start()
            except RuntimeError as problem:
                print(f"{name}: left out: {problem}", file=sys.stderr)
                refused.add(name)
                continue
            try:
                times = measure(program)
            finally:
                if weir:
                    weir.process.stop()
                    weir.remove_output()
            known = least.setdefault(name, times)
            least[name] = {call: min(known[call], times[call]) for call in times}
    return least


def markdown(results):
    described = results["machine"]
    least = results["ns"]
    names = [name for name in least if name != "no capture"]
    rows = []
    for call, base in least["no capture"].items():
        rows.append([call, f"{base:.0f}"] + [f"{least[name][call] - base:+.0f}" for name in names])
    return (f"{described['cpu']}, {described['cores']} cores, Linux {described['kernel']}. "
            "Nanoseconds, and what is added to them; the least of "
            f"{results['rounds']} rounds.\n\n"
            + table(["512 bytes", "no capture"] + names, rows) + "\n")


def main():
    parser = argparse.ArgumentParser(description="What weir adds to calls that move no HTTP.")
    parser.add_argument("--weir", default=os.environ.get(
        "WEIR", os.path.join(os.path.dirname(HERE), "build", "weir")))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--output", default=os.path.join(HERE, "results"))
    chosen = parser.parse_args()
    machine.refuse_counting()
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        program = os.path.join(folder, "calls")
        subprocess.run(["cc", "-std=gnu11", "-O2", os.path.join(HERE, "calls.c"), "-o", program],
                       check=True)
        results = {"machine": machine.describe(), "rounds": chosen.rounds,
                   "ns": run_rounds(chosen, folder, program)}
    os.makedirs(chosen.output, exist_ok=True)
    with open(os.path.join(chosen.output, "calls.json"), "w") as out:
        json.dump(results, out, indent=1)
        out.write("\n")
    with open(os.path.join(chosen.output, "calls.md"), "w") as out:
        out.write(markdown(results))
    print(markdown(results), end="")


if __name__ == "__main__":
    main()
