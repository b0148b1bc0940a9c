#!/usr/bin/python3
"""
What a socket call of a process costs that is filtered out: nanoseconds of weir's programs a call.

    bench/filtered.py [--weir build/weir] [--rounds 3] [--rung fentry ...]

One process sends requests and responses to itself over a connection that lives, while weir leaves
it out: by pid, by cgroup, excluded cgroup, port, and by rules about what only user space knows
(command, path, owner). The kernel counts each program's runs and their time
(BPF_ENABLE_STATS); counting has a price, which a program of two instructions shows, and
which is subtracted. The least of all rounds counts. Writes bench/results/filtered.json and .md.
Needs root and cc.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

import contenders
import hooks
import machine
from report import table

HERE = os.path.dirname(os.path.abspath(__file__))
GROUP = ("/sys/fs/cgroup" if os.path.exists("/sys/fs/cgroup/cgroup.procs") else
         "/sys/fs/cgroup/unified") + "/weir-bench-filtered"
KIND = "request + response"
CALLS = 60 * 1000 * 4  # of one measurement, see calls.c


def variants(program):
    """(name, options): what leaves the process out."""
    yield "--pid (another's)", ["--pid", "1"]
    yield "--cgroup (another)", ["--cgroup", GROUP + "/other"]
    yield "--exclude-cgroup (its own)", ["--exclude-cgroup", GROUP + "/own"]
    yield "--port (another)", ["--port", "1"]
    yield "command, by the filter", ["--filter", 'process.command != "calls"']
    yield "executable, by a rule", [
        "--rule", f"off match='process.executable.path == \"{program}\"'"]
    yield "owner, by a rule", ["--rule", "off match='process.owner == \"root\"'"]


def measure(program):
    """Runs it inside its cgroup; ns of one call."""
    script = f'echo $$ > {GROUP}/own/cgroup.procs && exec "$0" "$1"'
    done = subprocess.run(["sh", "-c", script, program, KIND], stdout=subprocess.PIPE, check=True,
                          timeout=120)
    return json.loads(done.stdout)[KIND] / 4


def counted(pid):
    """(nanoseconds, runs) of each program that the process holds, by its number."""
    found = {}
    for entry in os.scandir(f"/proc/{pid}/fdinfo"):
        try:
            with open(entry.path) as lines:
                fields = dict(re.findall(r"^(prog_id|run_\w+):\s*(\d+)", lines.read(), re.M))
        except OSError:
            continue
        if "run_cnt" in fields:
            found[fields["prog_id"]] = int(fields["run_time_ns"]), int(fields["run_cnt"])
    return found


def measure_hooks(program, weir, rung):
    """
    With the kernel's counting on: what weir's programs took, less what counting took. An empty
    program runs at the same tracepoint.
    """
    place = b"sys_exit" if rung == "syscall" else b"sock_send_length"
    empty, empty_ns = hooks.start_empty_program(place), None
    try:
        with machine.counting():
            before = counted(weir.process.pid)
            measure(program)
            after = counted(weir.process.pid)
    finally:
        empty_ns = empty.close() if empty else 0
    spent = sum(after[number][0] - before[number][0] for number in before)
    runs = sum(after[number][1] - before[number][1] for number in before)
    return {"ns_per_call": (spent - runs * empty_ns) / CALLS, "runs_per_call": runs / CALLS,
            "empty_ns": empty_ns}


def run_rounds(chosen, folder, program):
    results = {}
    for _ in range(chosen.rounds):
        bare = measure(program)
        for rung in chosen.rung:
            for name, options in variants(program):
                weir = contenders.Weir(folder, chosen.weir, ["--rung", rung] + options)
                try:
                    weir.start()
                except RuntimeError as problem:
                    print(f"{rung}: left out: {problem}", file=sys.stderr)
                    break
                try:
                    found = measure_hooks(program, weir, rung)
                    found["added_ns"] = measure(program) - bare
                    logged = contenders.count_lines(weir.output, b'"process.command":"calls"')
                    if logged:
                        print(f"{rung}, {name}: {logged} records were logged", file=sys.stderr)
                finally:
                    weir.process.stop()
                    weir.remove_output()
                known = results.setdefault((rung, name), found)
                for key in ("ns_per_call", "added_ns"):
                    known[key] = min(known[key], found[key])
    return [{"rung": rung, "by": name, **found} for (rung, name), found in results.items()]


def markdown(results):
    described = results["machine"]
    rows = [[one["rung"], one["by"], f"{one['ns_per_call']:.0f}", f"{one['added_ns']:+.0f}",
             f"{one['empty_ns']:.0f}"] for one in results["calls"]]
    return (f"{described['cpu']}, {described['cores']} cores, Linux {described['kernel']}. "
            f"Nanoseconds a call; the least of {results['rounds']} rounds.\n\n"
            + table(["rung", "left out by", "in weir's programs", "added to the call",
                     "(an empty program, as counted)"], rows) + "\n")


def main():
    parser = argparse.ArgumentParser(description="What calls cost that are filtered out.")
    parser.add_argument("--weir", default=os.environ.get(
        "WEIR", os.path.join(os.path.dirname(HERE), "build", "weir")))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rung", action="append")
    parser.add_argument("--output", default=os.path.join(HERE, "results"))
    chosen = parser.parse_args()
    machine.refuse_counting()
    chosen.rung = chosen.rung or ["fentry", "tracepoint", "syscall"]
    groups = [GROUP, GROUP + "/own", GROUP + "/other"]
    for group in groups:
        os.makedirs(group, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
            program = os.path.join(folder, "calls")
            subprocess.run(["cc", "-std=gnu11", "-O2", os.path.join(HERE, "calls.c"), "-o",
                            program], check=True)
            results = {"machine": machine.describe(), "rounds": chosen.rounds,
                       "calls": run_rounds(chosen, folder, program)}
    finally:
        for group in reversed(groups):
            os.rmdir(group)
    os.makedirs(chosen.output, exist_ok=True)
    with open(os.path.join(chosen.output, "filtered.json"), "w") as out:
        json.dump(results, out, indent=1)
        out.write("\n")
    with open(os.path.join(chosen.output, "filtered.md"), "w") as out:
        out.write(markdown(results))
    print(markdown(results), end="")


if __name__ == "__main__":
    main()
