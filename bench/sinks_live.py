#!/usr/bin/python3
"""The main job with a receiver over the network instead of a file: nginx under wrk, logged live, in
turns. What a record costs in all: weir's own CPU time and that of its hooks, which the kernel
measures in a run beside them. Receivers are processes of their own and share the machine.

    cmake --build build --target bench_sinks; bench/sinks_live.py [--rounds 3] [--seconds 4]

needs root, nginx, wrk and bpftool"""

import argparse
import signal
import statistics
import tempfile
from pathlib import Path

import contenders
import load
import sinks
from hooks import measure_hooks
from machine import memory_kib, refuse_counting


class Sender(contenders.Weir):
    """weir run with one sink."""

    def __init__(self, folder, name, sink):
        super().__init__(folder, str(sinks.BUILD / "weir"))
        self.name, self.sink, self.output = name, sink, None
        self.served = self.lost = 0
        self.costs, self.rates, self.memory = [], [], []

    def start(self):
        ready = Path(self.folder) / "weir.ready"
        ready.unlink(missing_ok=True)
        self.run_process([self.program, "run", "--sink", self.sink, "--ready-file", str(ready)],
                         ready.exists)
        self.process.mark()

    def remove_output(self):
        (Path(self.folder) / "out.json").unlink(missing_ok=True)

    def turn(self, chosen):
        server = load.Server(self.folder)
        try:
            self.start()
            before = server.requests()
            result = load.run_wrk(self.folder, chosen.seconds, chosen.connections,
                                  is_varying=chosen.varying)
            served = server.requests() - before
            contenders.settle(self.process)
            self.memory.append(memory_kib(self.process.pid, "VmHWM"))
            cpu = self.process.stop(signal.SIGTERM)
            totals = contenders.parse_totals(self.process.messages())
        finally:
            server.stop()
            self.remove_output()
        self.served += served
        self.lost += served - totals["logged"] if totals["logged"] < served else 0
        self.costs.append(cpu / served * 1e6)
        self.rates.append(result["requests_per_second"])


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=1,
                        help="of wrk: few leave the receivers time of the machine")
    parser.add_argument("--varying", action="store_true", help="no two requests are the same")
    parser.add_argument("--only", metavar="NAME", nargs="+", help="file, kafka ...: no others")
    chosen = parser.parse_args()
    chosen.pinned = False
    return chosen


def main():
    chosen = options()
    refuse_counting()
    with tempfile.TemporaryDirectory(prefix="weir-bench-sinks-") as folder:
        with sinks.receivers(Path(folder)) as found:
            senders = [Sender(folder, name, sink) for name, sink in found.items()
                       if not chosen.only or name in chosen.only]
            for _ in range(chosen.rounds):
                for sender in senders:
                    sender.turn(chosen)
            hooks = [measure_hooks(sender, folder, chosen) for sender in senders]
    base = None
    for sender, measured in zip(senders, hooks):
        hook = sum(one["net_ns_per_request"] for one in measured["programs"]) / 1000
        own = statistics.median(sender.costs)
        base = base or own + hook
        print(f"{sender.name:16} {own:5.2f} us in user space + {hook:4.2f} in hooks = "
              f"{own + hook:5.2f} us/record  {(own + hook) / base:5.2f} x file; "
              f"{statistics.median(sender.rates):7.0f} requests/s, {sender.lost} of "
              f"{sender.served} not logged, {max(sender.memory) // 1024} MiB at most")


if __name__ == "__main__":
    main()
