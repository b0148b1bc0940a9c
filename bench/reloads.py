#!/usr/bin/python3
"""
SIGHUP under load: 1,000 changes of the configuration while a server works, and nothing is lost,
doubled or left behind.

    bench/reloads.py [--weir build/weir] [--count 1000]

One nginx worker under wrk; between two configurations a sink goes and another comes, and rules,
header rules, names to mask and the selection of methods change. Each reload is waited for.
Afterwards nginx's own count is compared with the log of the sink that stays, and with those of the
two that took turns, which have each record once together; memory, descriptors, threads and BPF
objects with what they were after the first 20. Writes bench/results/reloads.json. Needs root,
nginx, wrk.
"""

import argparse
import json
import os
import re
import signal
import sys
import tempfile
import threading
import time

import contenders
import load
import machine

HERE = os.path.dirname(os.path.abspath(__file__))
WARM_UP = 20

ONE = """sinks:
  - {{type: file, path: {folder}/second.out, name: second}}
rules:
  - {{name: slow, match: 'duration_ns > 60000000000', log: summary}}
header-rules:
  - {{names: [referer], action: length}}
mask-name: [x-one]
"""
TWO = """sinks:
  - {{type: file, path: {folder}/third.out, name: third, format: logfmt}}
rules:
  - {{name: missing, match: 'http.response.status_code == 404', log: off}}
header-rules:
  - {{names: [user-agent], action: drop}}
mask-name: [x-two, x-three]
method: [GET, POST]
"""


class Reloader(contenders.Weir):
    def __init__(self, folder, program):
        self.file = os.path.join(folder, "weir.yaml")
        self.texts = [text.format(folder=folder) for text in (ONE, TWO)]
        super().__init__(folder, program, ["--config", self.file, "--port", str(load.PORT),
                                           "--ring-size", "64MiB"])
        self.write(0)

    def write(self, number):
        with open(self.file + ".new", "w") as out:
            out.write(self.texts[number % 2])
        os.rename(self.file + ".new", self.file)

    def said(self):
        return self.process.messages().count("configuration read again")

    def reload(self, number):
        self.write(number)
        before = self.said()
        os.kill(self.process.pid, signal.SIGHUP)
        machine.wait_for(lambda: self.said() > before, 60, f"reload {number}")
        if "stays in force" in self.process.messages():
            raise RuntimeError(self.process.messages()[-2000:])

    def state(self):
        pid, held = self.process.pid, set()
        for entry in os.scandir(f"/proc/{pid}/fdinfo"):
            try:
                with open(entry.path) as lines:
                    held.update(re.findall(r"^((?:prog|map|link)_id:\s*\d+)", lines.read(), re.M))
            except OSError:
                pass
        return {"rss_kib": machine.memory_kib(pid, "VmRSS"),
                "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
                "threads": len(os.listdir(f"/proc/{pid}/task")),
                "bpf_objects": len(held)}


def run(chosen, folder):
    server = load.Server(folder)
    weir = Reloader(folder, chosen.weir)
    over = threading.Event()

    def work():
        while not over.is_set():
            load.run_wrk(folder, 2, chosen.connections, False)

    try:
        weir.start()
        before = server.requests()
        worker = threading.Thread(target=work)
        worker.start()
        started, states = time.monotonic(), {}
        for number in range(1, chosen.count + 1):
            weir.reload(number)
            if number == WARM_UP:
                states["early"] = weir.state()
        states["late"] = weir.state()
        seconds = time.monotonic() - started
        over.set()
        worker.join()
        requests = server.requests() - before
        result = weir.stop(server, requests, seconds)
        changing = sum(contenders.count_lines(os.path.join(folder, name), needle % load.PORT)
                       for name, needle in (("second.out", b'"server.port":%d'),
                                            ("third.out", b"server.port=%d ")))
    finally:
        over.set()
        if weir.process and weir.process.is_running():
            weir.process.stop()
        server.stop()
    return {"machine": machine.describe(), "reloads": chosen.count, "seconds": round(seconds, 1),
            "requests": requests, "missing": result["lost"],
            "missing_in_changing_sinks": requests - changing,
            "states": states}


def main():
    parser = argparse.ArgumentParser(description="Reloads under load.")
    parser.add_argument("--weir", default=os.environ.get(
        "WEIR", os.path.join(os.path.dirname(HERE), "build", "weir")))
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--output", default=os.path.join(HERE, "results"))
    chosen = parser.parse_args()
    machine.refuse_counting()
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        results = run(chosen, folder)
    os.makedirs(chosen.output, exist_ok=True)
    with open(os.path.join(chosen.output, "reloads.json"), "w") as out:
        json.dump(results, out, indent=1)
        out.write("\n")
    print(json.dumps(results, indent=1))
    sys.exit(1 if results["missing"] or results["missing_in_changing_sinks"] else 0)


if __name__ == "__main__":
    main()
