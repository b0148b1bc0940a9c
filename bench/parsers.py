#!/usr/bin/python3
"""
What the parsers cost, as one table: nanoseconds for a head of HTTP/1 beside llhttp and for a block
of HPACK beside libnghttp2, for a record of each protocol from the tracker on, and for a byte of
what nobody would send, of little and of much of it.

    bench/parsers.py [--build build]

Builds what it needs (cmake --build), prints the table and writes bench/results/parsers.md. What
needs a library that is not installed (node-llhttp, libnghttp2-dev) is left out. Needs no root.
"""

import argparse
import json
import os
import re
import subprocess

import machine

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)


def run(build, target, *arguments):
    """What the program prints; empty when it cannot be built."""
    made = subprocess.run(["cmake", "--build", build, "--target", target, "-j2"],
                          capture_output=True, check=False)
    if made.returncode:
        return ""
    return subprocess.run([os.path.join(build, target), *arguments], capture_output=True,
                          text=True, check=True).stdout


def heads(text):
    for name, who, size, cost in re.findall(r"(\w+) +(own|llhttp) +(\d+) bytes +(\d+) ns", text):
        yield f"HTTP/1 {name}, head of {size} bytes", who, int(cost)


def blocks(text):
    for who, first, following in re.findall(r"(own|libnghttp2) +first +(\d+) ns +next +(\d+)",
                                            text):
        yield "HPACK, first block of a connection", who, int(first)
        yield "HPACK, following block", who, int(following)


def main():
    parser = argparse.ArgumentParser(description="What the parsers cost.")
    parser.add_argument("--build", default=os.path.join(ROOT, "build"))
    parser.add_argument("--output", default=os.path.join(HERE, "results"))
    chosen = parser.parse_args()
    corpus = os.path.join(ROOT, "tests", "fuzz", "corpus", "parsers")
    played = [os.path.join(corpus, name) for name in sorted(os.listdir(corpus))]
    costs = {}
    for what, who, cost in [*heads(run(chosen.build, "bench_http1")),
                            *blocks(run(chosen.build, "bench_hpack"))]:
        costs.setdefault(what, {})["own" if who == "own" else "other"] = cost
        if who != "own":
            costs[what]["name"] = who
    lines = ["| what | ns | beside it |", "|---|---|---|"]
    for what, cost in costs.items():
        beside = f"{cost['name']} {cost['other']}" if "other" in cost else ""
        lines.append(f"| {what} | {cost.get('own', '')} | {beside} |")
    lines += ["", "| conversation, from the tracker to the finished record | ns a record |"
              " ns a byte |", "|---|---|---|"]
    for name, record, byte in re.findall(r"^(.+?) +(\d+) ns a record +([0-9.]+) ns a byte$",
                                         run(chosen.build, "bench_parsers", *played), re.M):
        lines.append(f"| {name} | {record} | {byte} |")
    lines += ["", "| flood after the beginning of a conversation | ns a byte at most |"
              " 1 MiB against 128 KiB |", "|---|---|---|"]
    for name, cost, ratio in re.findall(r"^(.+?) +([0-9.]+) ns a byte at most.*: ([0-9.]+)$",
                                        run(chosen.build, "bench_linear"), re.M):
        lines.append(f"| {' '.join(name.split())} | {cost} | {ratio} |")
    lines += ["", json.dumps(machine.describe())]
    print("\n".join(lines))
    with open(os.path.join(chosen.output, "parsers.md"), "w") as out:
        out.write("\n".join(lines) + "\n")


main()
