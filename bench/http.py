#!/usr/bin/python3
"""
What logging costs a web server: one nginx worker under wrk, in turns within one run - no capture,
weir to a JSON file, nginx's own log, tcpdump, tshark. A turn's throughput is compared with the
turn without capture of the same round, so a machine that slows down slows down all of them.

    bench/http.py [--weir build/weir] [--seconds 4] [--rounds 5] [--only weir,nginx-log]
    bench/http.py --requests 10000000          also: is any of so many lost?
    bench/http.py --varying                    heads of which no two are the same

Writes bench/results/http.json and http.md, or http-varying. Needs root, nginx and wrk; others are
left out when they are not installed. The file that weir writes is on the disk of --folder.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import contenders
import load
import machine
import report
from endurance import run_endurance
from hooks import measure_hooks

HERE = os.path.dirname(os.path.abspath(__file__))


def options():
    parser = argparse.ArgumentParser(description="What logging costs a web server.")
    parser.add_argument("--weir", default=os.environ.get(
        "WEIR", os.path.join(os.path.dirname(HERE), "build", "weir")))
    parser.add_argument("--weir-option", action="append", default=[], metavar="OPTION",
                        help="a further argument of weir run; may be repeated")
    parser.add_argument("--seconds", type=int, default=4, help="of load in one turn")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each, median counts")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--varying", action="store_true",
                        help="no two requests are the same: path and id differ")
    parser.add_argument("--pinned", action="store_true", help="nginx on CPU 0, wrk on CPU 1")
    parser.add_argument("--only", default="", help="names, separated by commas")
    parser.add_argument("--requests", type=int, default=0, help="length of the run for losses")
    parser.add_argument("--folder", help="for temporary files, several GB of them")
    parser.add_argument("--output", default=os.path.join(HERE, "results"))
    return parser.parse_args()


def turn(contender, folder, chosen):
    """One contender under load once."""
    server = load.Server(folder, contender.access_log, chosen.pinned)
    try:
        contender.start()
        try:
            before = server.requests()
            worker = machine.cpu_seconds(server.process.pid)
            samples = []
            sampler = threading.Timer(
                chosen.seconds * 0.8, lambda: samples.append(contender.under_load()))
            sampler.start()
            result = load.run_wrk(folder, chosen.seconds, chosen.connections, chosen.pinned,
                                  chosen.varying)
            sampler.join()
            result["server_cpu_seconds"] = machine.cpu_seconds(server.process.pid) - worker
            result["served"] = server.requests() - before
            if contender.access_log != "off":
                server.stop()  # its buffer is written
                server = None
            result.update(contender.stop(server, result["served"], result["seconds"]))
            result.update(samples[0] if samples else {})
        finally:
            if contender.process and contender.process.is_running():
                contender.process.child.kill()
                contender.process.child.wait()
    finally:
        if server:
            server.stop()
        contender.remove_output()
    return result


MEDIANS = ("requests_per_second", "relative", "p50_us", "p99_us", "server_us", "server_added_us",
           "tool_cpu_seconds_per_million", "output_bytes_per_request", "rss_start_peak_kib",
           "rss_idle_kib", "rss_kib", "rss_peak_kib")


def summarize(contender, turns, base):
    """The medians of a contender's turns; `base` are those without capture, round by round."""
    machine.relate(turns, base)
    for one, none in zip(turns, base):
        millions = one["served"] / 1e6
        server = one["server_cpu_seconds"] / millions
        one["server_us"] = server
        one["server_added_us"] = server - none["server_cpu_seconds"] / (none["served"] / 1e6)
        if "cpu_seconds" in one:
            one["tool_cpu_seconds_per_million"] = one["cpu_seconds"] / millions
        if one.get("output_bytes") is not None:
            one["output_bytes_per_request"] = one["output_bytes"] / one["served"]
    summary = {"name": contender.name, "title": contender.title, "turns": turns,
               **machine.medians(turns, MEDIANS)}
    for field in ("served", "lost", "lost_packets", "errors"):
        counts = [one[field] for one in turns if one.get(field) is not None]
        summary[field] = sum(counts) if counts else None
    return summary


def compare(chosen, folder, competitors):
    """All turns: the order moves on by one each round, so no contender always follows another."""
    turns = {one.name: [] for one in competitors}
    for round_number in range(chosen.rounds):
        shift = round_number % len(competitors)
        for one in competitors[shift:] + competitors[:shift]:
            result = turn(one, folder, chosen)
            turns[one.name].append(result)
            print(f"round {round_number + 1}: {one.name:20} "
                  f"{result['requests_per_second']:10.0f} requests/s", file=sys.stderr)
            time.sleep(0.3)
    base = turns["none"]
    return [summarize(one, turns[one.name], base) for one in competitors]


def main():
    chosen = options()
    machine.refuse_counting()
    if os.geteuid() != 0:
        sys.exit("bench/http.py: needs root (packet capture, BPF)")
    for needed in ("nginx", "wrk"):
        if not shutil.which(needed):
            sys.exit(f"bench/http.py: {needed} is not installed")
    busy = os.getloadavg()[0]
    if busy > 0.7:
        print(f"the machine is not idle (load {busy:.1f}): numbers will mislead", file=sys.stderr)
    folder = tempfile.mkdtemp(prefix="weir-bench-", dir=chosen.folder)
    os.chmod(folder, 0o755)  # nginx's worker runs as nobody
    try:
        weir = contenders.Weir(folder, chosen.weir, chosen.weir_option)
        everyone = [contenders.Contender(folder), weir, contenders.ServerLog(folder),
                    contenders.BufferedServerLog(folder), contenders.Tcpdump(folder),
                    contenders.Tshark(folder)]
        wanted = set(filter(None, chosen.only.split(",")))
        competitors = [one for one in everyone if one.is_available() and
                       (not wanted or one.name in wanted or one.name == "none")]
        missing = [one.name for one in everyone if not one.is_available()]
        if missing:
            print("not installed, left out:", ", ".join(missing), file=sys.stderr)
        server = load.Server(folder)
        request_head, response_head = server.head_sizes()
        server.stop()
        results = {
            "machine": machine.describe(),
            "versions": versions(everyone),
            "settings": {
                "seconds": chosen.seconds, "rounds": chosen.rounds,
                "connections": chosen.connections, "pinned": chosen.pinned,
                "varying": chosen.varying,
                "load_average_before": busy,
                "request_head_bytes": request_head, "response_head_bytes": response_head},
            "contenders": compare(chosen, folder, competitors),
        }
        if weir in competitors:
            results["hooks"] = measure_hooks(weir, folder, chosen)
            if chosen.requests:
                results["endurance"] = run_endurance(weir, folder, chosen)
        report.write_results(results, chosen.output, "http-varying" if chosen.varying else "http")
        print(report.markdown(results))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def versions(everyone):
    found = {"nginx": machine.first_line("nginx", "-v"), "wrk": machine.first_line("wrk", "-v")}
    for one in everyone:
        if one.program and one.is_available():
            found[one.name] = one.version()
    return {name: clean(text) for name, text in found.items() if text}


def clean(text):
    """A version without the copyright that some programs print after it."""
    return text.split(" Copyright")[0].split(" (Git")[0].strip()


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, subprocess.SubprocessError) as problem:
        sys.exit(f"bench/http.py: {problem}")
