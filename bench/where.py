#!/usr/bin/python3
"""
Where the CPU time of a saturated machine goes: one nginx worker under wrk, in turns within one
run: without capture; with hooks that find that nobody wants the connection; with hooks alone,
weir's reader standing still before a ring that holds everything; with the reader and /dev/null as
its file; with a file on a disk. For each the microseconds a request of the server, of the load, of
weir and of CPUs that had nothing to do; all of them together are the machine's.

    bench/where.py [--seconds 3] [--rounds 5] [--weir build/weir] [--weir-option OPTION]

What the hooks alone leave of the throughput is what no reader, however cheap, can better. Medians
of the rounds count. Writes bench/results/where.json and where.md. Needs root, nginx and wrk.
"""

import argparse
import json
import os
import resource
import shutil
import signal
import sys
import tempfile

import load
import machine
from contenders import Contender, Weir

HERE = os.path.dirname(os.path.abspath(__file__))
PARTS = ("server", "load", "weir", "idle")


class Undecided(Weir):
    name, title = "decide", "hooks that only decide (`--port` of nobody)"

    def __init__(self, folder, program, options):
        super().__init__(folder, program, [*options, "--port", "9"])


class Standing(Weir):
    """The ring has room for the whole turn. What is read after it does not count."""

    name, title = "hooks", "hooks alone, the reader stands still"

    def __init__(self, folder, program, options):
        super().__init__(folder, program, [*options, "--ring-size", "1GiB"])

    def start(self):
        super().start()
        os.kill(self.process.pid, signal.SIGSTOP)

    def end(self):
        os.kill(self.process.pid, signal.SIGCONT)
        super().end()


class Nowhere(Weir):
    name, title = "null", "weir, its file is /dev/null"

    def __init__(self, folder, program, options):
        super().__init__(folder, program, options)
        self.output = "/dev/null"

    def remove_output(self):
        """It stays."""


def options():
    parser = argparse.ArgumentParser(description="Where a saturated machine's CPU time goes.")
    parser.add_argument("--weir", default=os.environ.get(
        "WEIR", os.path.join(os.path.dirname(HERE), "build", "weir")))
    parser.add_argument("--weir-option", action="append", default=[], metavar="OPTION")
    parser.add_argument("--seconds", type=int, default=3, help="of load in one turn")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--folder", help="for temporary files, some GB of them")
    parser.add_argument("--output", default=os.path.join(HERE, "results"))
    return parser.parse_args()


def idle_seconds():
    """Of all CPUs since the machine started: with nothing to do, or waiting for a disk."""
    with open("/proc/stat") as lines:
        fields = lines.readline().split()
    return (int(fields[4]) + int(fields[5])) / machine.TICK


def turn(contender, folder, chosen):
    """One contender under load: requests a second, and microseconds of CPU a request."""
    server = load.Server(folder)
    try:
        contender.start()
        try:
            pids = {"server": server.process.pid}
            if contender.process:
                pids["weir"] = contender.process.pid
            served = server.requests()
            children = resource.getrusage(resource.RUSAGE_CHILDREN)
            before = {name: machine.cpu_seconds(pid) for name, pid in pids.items()}
            before["idle"] = idle_seconds()
            result = load.run_wrk(folder, chosen.seconds, chosen.connections)
            idle = idle_seconds() - before["idle"]
            spent = {name: machine.cpu_seconds(pid) - before[name] for name, pid in pids.items()}
            ended = resource.getrusage(resource.RUSAGE_CHILDREN)
            served = server.requests() - served
        finally:
            if contender.process:
                contender.end()
            contender.remove_output()
    finally:
        server.stop()
    spent["load"] = (ended.ru_utime + ended.ru_stime) - (children.ru_utime + children.ru_stime)
    # run_wrk waits a moment after the load: nobody works then
    spent["idle"] = max(0.0, idle - load.PAUSE_SECONDS * os.cpu_count())
    return {"requests_per_second": result["requests_per_second"],
            **{name: spent.get(name, 0.0) / served * 1e6 for name in PARTS}}


def compare(everyone, folder, chosen):
    turns = {one.name: [] for one in everyone}
    for number in range(chosen.rounds):
        shift = number % len(everyone)
        for one in everyone[shift:] + everyone[:shift]:
            result = turn(one, folder, chosen)
            turns[one.name].append(result)
            print(f"round {number + 1}: {one.name:8} {result['requests_per_second']:9.0f} "
                  "requests/s  " + "  ".join(f"{part} {result[part]:.2f}" for part in PARTS),
                  file=sys.stderr)
    for of in turns.values():
        machine.relate(of, turns["none"])
    fields = ("requests_per_second", "relative", *PARTS)
    return [{"name": one.name, "title": one.title, "turns": turns[one.name],
             **machine.medians(turns[one.name], fields)} for one in everyone]


def markdown(results):
    place = results["machine"]
    lines = [f"{place['cpu']}, {place['cores']} cores, Linux {place['kernel']}; one nginx worker, "
             f"wrk with {results['connections']} connections; medians of {results['rounds']} "
             f"rounds of {results['seconds']} s. Microseconds a request:", "",
             "|  | requests/s | relative | server | load | weir | idle |",
             "|---|---:|---:|---:|---:|---:|---:|"]
    for one in results["contenders"]:
        lines.append(f"| {one['title']} | {one['requests_per_second']:,.0f} | "
                     f"{one['relative']:.2f} | " +
                     " | ".join(f"{one[part]:.2f}" for part in PARTS) + " |")
    return "\n".join(lines) + "\n"


def main():
    chosen = options()
    machine.refuse_counting()
    if os.geteuid() != 0:
        sys.exit("bench/where.py: needs root (BPF)")
    for needed in ("nginx", "wrk"):
        if not shutil.which(needed):
            sys.exit(f"bench/where.py: {needed} is not installed")
    folder = tempfile.mkdtemp(prefix="weir-where-", dir=chosen.folder)
    os.chmod(folder, 0o755)  # nginx's worker runs as nobody
    try:
        arguments = (folder, chosen.weir, chosen.weir_option)
        everyone = [Contender(folder), Undecided(*arguments), Standing(*arguments),
                    Nowhere(*arguments), Weir(*arguments)]
        results = {"machine": machine.describe(), "seconds": chosen.seconds,
                   "rounds": chosen.rounds, "connections": chosen.connections,
                   "contenders": compare(everyone, folder, chosen)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(chosen.output, exist_ok=True)
    with open(os.path.join(chosen.output, "where.json"), "w") as out:
        json.dump(results, out, indent=1)
        out.write("\n")
    with open(os.path.join(chosen.output, "where.md"), "w") as out:
        out.write(markdown(results))
    print(markdown(results))


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as problem:
        sys.exit(f"bench/where.py: {problem}")
