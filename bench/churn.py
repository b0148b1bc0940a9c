#!/usr/bin/python3
"""Containers and processes come and go: each container is a control group of its own, each process
a program that makes one request and ends. Is every record that of the process that made it, with
the name of its container and no other's, and does weir's memory stay where it was? The runtime is a
Docker-compatible one that knows all of them, on a unix socket.

    bench/churn.py [--containers 10000] [--processes 10] [--answer-ms 0]

Needs root, cc and cgroup v2. A runtime takes that long for each of its answers."""

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
import time
from pathlib import Path

import machine

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))

from control_groups import cgroup_root  # noqa: E402

WEIR = os.environ.get("WEIR", str(ROOT / "build" / "weir"))
LANES, SAMPLES = 2, 20
TARGET = re.compile(r"GET /containers/([0-9a-f]{64})/json")


class Runtime(socketserver.StreamRequestHandler):
    seconds = 0

    def handle(self):
        asked = TARGET.match(self.rfile.readline().decode())
        while self.rfile.readline().strip():
            pass
        time.sleep(self.seconds)
        number = int(asked[1], 16) - 1
        body = json.dumps({"Id": asked[1], "Name": f"/name-{number}", "Config": {
            "Image": f"image:{number}", "Labels": {"number": str(number)}, "Env": []}}).encode()
        self.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s"
                         % (len(body), body))


def resident_mib(process):
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024


def start_weir(folder, port):
    ready, errors = folder / "ready", (folder / "errors").open("w")
    weir = subprocess.Popen(
        [WEIR, "run", "--port", str(port), "--both-sides", "--filter", "role == client",
         "--no-tls", "--command-line", "--kubernetes", "off", "--container-socket",
         str(folder / "runtime.sock"), "-w", str(folder / "out.json"), "-o", "json",
         "--ready-file", str(ready)], stderr=errors)
    errors.close()
    machine.wait_for(ready.exists, 60, "weir")
    return weir


def come_and_go(program, port, weir, containers, processes):
    """All of them; how large weir is from time to time."""
    lanes = [subprocess.Popen([program, "run", str(cgroup_root()), str(port), str(lane),
                               str(containers), str(LANES), str(processes)])
             for lane in range(LANES)]
    sizes, began = [resident_mib(weir)], time.monotonic()
    while any(lane.poll() is None for lane in lanes):
        time.sleep(0.5)
        sizes.append(resident_mib(weir))
    if any(lane.returncode for lane in lanes):
        raise SystemExit("bench/churn.py: not all could come and go")
    return sizes, time.monotonic() - began


def check(path, containers, processes):
    """What is wrong, and how many records have their container's name."""
    wrong, seen, named, pids = [], set(), 0, set()
    for line in path.open():
        record = json.loads(line)
        if record.get("type") != "http":
            continue
        _, container, process, pid = record["url.path"].split("/")
        name = record.get("container.name")
        wanted = (int(pid), f"{int(container) + 1:064x}", name and f"name-{container}",
                  name and [f"number={container}"], f"call {record['server.port']} {container}"
                  f" {process}")
        found = (record.get("process.pid"), record.get("container.id"), name,
                 record.get("container.labels"),
                 record.get("process.command_line", "").partition(" ")[2])
        if found != wanted:
            wrong.append(f"{found}, not {wanted}")
        if (container, process) in seen:
            wrong.append(f"{container}/{process} is there twice")
        seen.add((container, process))
        pids.add(pid)
        named += name is not None
    return wrong, len(seen), containers * processes - len(seen), named, len(pids)


def campaign(folder, containers, processes):
    program = folder / "comers"
    subprocess.run(["cc", "-O1", "-o", str(program),
                    str(ROOT / "tests/lib/programs/comers.c")], check=True)
    runtime = socketserver.ThreadingUnixStreamServer(str(folder / "runtime.sock"), Runtime)
    runtime.request_queue_size = 128
    threading.Thread(target=runtime.serve_forever, daemon=True).start()
    server = subprocess.Popen([str(program), "serve"], stdout=subprocess.PIPE, text=True)
    port = int(server.stdout.readline())
    weir = start_weir(folder, port)
    sizes, seconds = come_and_go(str(program), port, weir, containers, processes)
    weir.send_signal(signal.SIGINT)
    weir.wait()
    server.kill()
    server.wait()
    runtime.shutdown()
    wrong, seen, missing, named, pids = check(folder / "out.json", containers, processes)
    print(f"{containers} containers and {containers * processes} processes in {seconds:.0f} s:"
          f" {seen} records, {missing} missing, {named} with their container's name,"
          f" {seen - pids} with a pid that was another's before, {len(wrong)} wrong")
    step = max(1, len(sizes) // SAMPLES)
    print("weir's MiB:", " ".join(f"{size:.1f}" for size in sizes[::step]))
    print((folder / "errors").read_text().strip())
    for line in wrong[:10]:
        print(line)
    return not wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--containers", type=int, default=10000)
    parser.add_argument("--processes", type=int, default=10)
    parser.add_argument("--answer-ms", type=float, default=0)
    arguments = parser.parse_args()
    machine.refuse_counting()
    Runtime.seconds = arguments.answer_ms / 1000
    if not cgroup_root():
        raise SystemExit("bench/churn.py: no cgroup v2 is mounted")
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        os.chmod(folder, 0o755)
        is_right = campaign(Path(folder), arguments.containers, arguments.processes)
    raise SystemExit(0 if is_right else 1)


main()
