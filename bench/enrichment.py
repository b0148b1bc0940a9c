#!/usr/bin/python3
"""What does it cost to say whose a record is? nginx, in a container's control group, under wrk,
weir writing to a file: with names of containers, labels, pods, command lines, domains and reverse
DNS, and with none of them. In turns within each round; medians of the rounds' ratios. The runtime
is a Docker-compatible one that answers what a real one does, on a unix socket.

    bench/enrichment.py [--seconds 4] [--rounds 5]        needs root, nginx, wrk and cgroup v2"""

import argparse
import json
import os
import re
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import load
import machine

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))

from control_groups import cgroup_root  # noqa: E402

WEIR = os.environ.get("WEIR", str(ROOT / "build" / "weir"))
NUMBER = "e5" * 32  # the container's
LABELS = {"app": "shop", "tier": "front", "io.kubernetes.pod.name": "shop-7d9f",
          "io.kubernetes.pod.namespace": "prod", "io.kubernetes.container.name": "web",
          "io.kubernetes.pod.uid": "0d9f7e3c-5b1a-4f5e-9a56-1f0b4b5f2a11"}
WANTED = ("container.name", "container.image.name", "container.labels", "container.environment",
          "k8s.pod.name", "k8s.namespace.name", "process.command_line")
TOTALS = re.compile(r"weir: seen (\d+) = logged (\d+)")


class Runtime(socketserver.StreamRequestHandler):
    def handle(self):
        while self.rfile.readline().strip():
            pass
        body = json.dumps({"Id": NUMBER, "Name": "/front", "Config": {
            "Image": "registry.example/shop/front:1.2", "Labels": LABELS,
            "Env": ["STAGE=blue"]}}).encode()
        self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
                         % (len(body), body))


def group_path():
    root = cgroup_root()
    if not root:
        raise SystemExit("bench/enrichment.py: no cgroup v2 is mounted")
    return root / f"docker-{NUMBER}.scope"


def contain(path, leader):
    children = Path(f"/proc/{leader}/task/{leader}/children").read_text().split()
    for pid in (leader, *children):
        (path / "cgroup.procs").write_text(str(pid))


def turn(folder, group, options, seconds):
    out, ready, errors = folder / "out.json", folder / "ready", folder / "errors"
    for path in (out, ready):
        path.unlink(missing_ok=True)
    server = load.Server(str(folder))
    contain(group, server.process.pid)
    with errors.open("w") as text, subprocess.Popen(
            [WEIR, "run", "--port", str(load.PORT), "--no-tls", "-w", str(out), "-o", "json",
             "--ready-file", str(ready), *options], stderr=text) as weir:
        machine.wait_for(ready.exists, 60, "weir")
        before = machine.cpu_seconds(weir.pid)
        result = load.run_wrk(str(folder), seconds, 64)
        cpu = machine.cpu_seconds(weir.pid) - before
        weir.send_signal(signal.SIGINT)
        weir.wait()
    server.stop()
    seen, logged = map(int, TOTALS.search(errors.read_text()).groups())
    with out.open("rb") as records:
        records.seek(max(0, out.stat().st_size - 65536))
        last = json.loads(records.read().splitlines()[-1])
    return {"rate": result["requests_per_second"], "cpu_us": cpu / logged * 1e6, "logged": logged,
            "missing": seen - logged, "fields": [name for name in WANTED if name in last]}


def compare(folder, group, seconds, rounds):
    socket = folder / "runtime.sock"
    runtime = socketserver.ThreadingUnixStreamServer(str(socket), Runtime)
    threading.Thread(target=runtime.serve_forever, daemon=True).start()
    options = {"off": ("--no-domains", "--kubernetes", "off", "--container-socket", "/nowhere"),
               "on": ("--command-line", "--reverse-dns", "--container-env", "STAGE",
                      "--kubernetes", "off", "--container-socket", str(socket))}
    results = {"off": [], "on": []}
    for number in range(rounds):
        for key in ("off", "on") if number % 2 else ("on", "off"):
            results[key].append(turn(folder, group, options[key], seconds))
            print(key, results[key][-1], flush=True)
    runtime.shutdown()
    return results["on"], results["off"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    machine.refuse_counting()
    group = group_path()
    group.mkdir(exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
            os.chmod(folder, 0o755)
            on, off = compare(Path(folder), group, arguments.seconds, arguments.rounds)
    finally:
        machine.wait_for(lambda: not (group / "cgroup.procs").read_text(), 10, "nginx's end")
        group.rmdir()
    assert all(len(one["fields"]) == len(WANTED) for one in on), "not all was named"
    machine.relate(on, off, "rate")
    ratio = machine.median(on, "relative")
    costs = [machine.median(of, "cpu_us") for of in (on, off)]
    print(f"throughput with everything named: {ratio:.3f} of that with nothing"
          f" (median of {len(on)});"
          f" weir's CPU us a record {costs[0]:.2f} and {costs[1]:.2f};"
          f" not logged {sum(one['missing'] for one in on + off)}")


main()
