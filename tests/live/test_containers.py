#!/usr/bin/python3
"""
Names of containers: from a runtime that answers late, not at all or with nonsense, and from Podman.
The first record of a container is labelled too.

TIMEOUT: 300
"""

import http.server
import json
import os
import re
import shutil
import socket
import socketserver
import subprocess
import threading
import time
import urllib.request

from harness import (Weir, check, check_clean_end, check_empty, note, require_weir, run_main,
                     temporary_directory)
from children import finish_child
from container_groups import Group, has_groups, play
from harness import traffic, servers

KNOWN, SLOW, ABSENT, ODD, LATER = ("a1" * 32, "b2" * 32, "c3" * 32, "d4" * 32, "e5" * 32)
LABELS = {"app": "shop", "io.kubernetes.pod.name": "shop-7d9f", "tier": "f\u00fcnf",
          "io.kubernetes.pod.namespace": "prod", "io.kubernetes.container.name": "web"}
ANSWER_SECONDS = 0.3  # of a runtime that takes its time

class Runtime(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """What a Docker-compatible daemon answers to GET /containers/ID/json."""

    daemon_threads = True

    def __init__(self, path):
        self.asked, self.release = [], threading.Event()
        super().__init__(str(path), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def address_string(self):
        return "weir"

    def log_message(self, *_):
        pass

    def do_GET(self):  # noqa: N802 (the base class wants that name)
        number = self.path.split("/")[2]
        self.server.asked.append(number)
        body = json.dumps({"Id": number, "Name": "/front", "Config": {
            "Image": "registry.local:5000/shop/front:1.2", "Labels": LABELS,
            "Env": ["SECRET=1", "STAGE=blue", "STAGE2=red"]}}).encode()
        if number == SLOW:
            self.server.release.wait(60)
        if number == ODD:
            body = b"{\"Config\": [1, 2"
        time.sleep(ANSWER_SECONDS)
        self.send_response(404 if number == ABSENT else 200)
        self.end_headers()
        self.wfile.write(body)


def check_known(records):
    wanted = {"container.id": KNOWN, "container.name": "front",
              "container.image.name": "registry.local:5000/shop/front",
              "container.image.tags": ["1.2"], "container.environment": ["STAGE=blue"],
              "k8s.pod.name": "shop-7d9f", "k8s.namespace.name": "prod",
              "k8s.container.name": "web"}
    bad = [f"{name}: {record.get(name)!r}" for record in records for name, value in wanted.items()
           if record.get(name) != value]
    bad += [f"labels: {record.get('container.labels')}" for record in records
            if sorted(record.get("container.labels", ())) !=
            sorted(f"{name}={value}" for name, value in LABELS.items())]
    check(len(records) == 3, "an answer that takes its time is waited for", str(records)[:600])
    check_empty(bad, "every record is labelled, the first one too")
    check([record["url.path"] for record in records] == [f"/child/{n}" for n in range(3)],
          "and they keep their order")


def check_behind_others(runtime, weir):
    """While an answer is on its way, records behind it have theirs asked for, too."""
    with Group(SLOW) as slow, Group(LATER) as later:
        slow_port = finish_child(slow.start())
        check(traffic.wait_until(lambda: SLOW in runtime.asked, 30), "a slow answer is asked for")
        later_port = finish_child(later.start())
        check(traffic.wait_until(lambda: LATER in runtime.asked, 30),
              "and that for a container that came later, before it is there", str(runtime.asked))
        check(weir.records(server_port=slow_port) + weir.records(server_port=later_port) == [],
              "while the records of both wait")
        runtime.release.set()
        for port in (slow_port, later_port):
            records = weir.wait_for_records(3, 30, server_port=port)
            check([record.get("container.name") for record in records] == ["front"] * 3,
                  "both have their names", str(records)[:600])
    runtime.release.clear()


def check_runtime():
    path = temporary_directory() / "runtime.sock"
    runtime = Runtime(path)
    with Weir("--container-socket", f"/nowhere/at/all,{path}", "--container-env", "STAGE",
              "--metadata-wait", "20s") as weir:
        check_known(play(KNOWN, weir))
        for number, what in ((ABSENT, "unknown to it"), (ODD, "told as nonsense")):
            records = play(number, weir)
            check(len(records) == 3 and not [record for record in records
                                             if "container.name" in record],
                  f"a container that is {what} has no name", str(records)[:600])
        check_clean_end(weir)
        check("went without" not in weir.stderr(), "none went without", weir.stderr()[-500:])
    check(runtime.asked.count(KNOWN) == 1, "one question for one container", str(runtime.asked))
    with Weir("--container-socket", path, "--metadata-wait", "1m") as weir:
        check_behind_others(runtime, weir)
        check_clean_end(weir)
    with Weir("--container-socket", path, "--metadata-wait", "50ms", "--metrics=0") as weir:
        records = play(SLOW, weir)
        check(len(records) == 3 and not [record for record in records
                                         if "container.name" in record],
              "a runtime that does not answer holds nothing up for longer than --metadata-wait",
              str(records)[:600])
        check_told(weir)
        runtime.release.set()
        check_clean_end(weir)
        check("went without their names" in weir.stderr(), "and that is counted",
              weir.stderr()[-500:])
    runtime.shutdown()


def incomplete_of_page(weir):
    port = re.search(r"metrics at port (\d+)", weir.stderr())[1]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        page = answer.read().decode()
    found = re.search(r'weir_records_incomplete_total\{reason="metadata_wait"\} (\d+)', page)
    return int(found[1]) if found else 0


def check_told(weir):
    """While it runs: as metrics, and in the log."""
    def told():
        return [record for record in weir.wait_for_records(0, kind="loss")
                if record.get("loss.reason") == "metadata_wait"]

    traffic.wait_until(lambda: incomplete_of_page(weir) >= 3, 60)
    check(incomplete_of_page(weir) == 3, "/metrics counts the records that went without",
          weir.stderr()[-300:])
    traffic.wait_until(lambda: sum(record["loss.incomplete"] for record in told()) >= 3, 60)
    check(sum(record["loss.incomplete"] for record in told()) == 3
          and not sum(record["loss.count"] for record in told()),
          "records of loss tell of them, as of nothing that was lost", str(told()))


# --- Podman -----------------------------------------------------------------------------------

CONF = """
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
runtime = "runc"
events_logger = "file"
"""


class Podman:
    def __init__(self):
        self.folder = temporary_directory()
        (self.folder / "containers.conf").write_text(CONF)
        self.environment = dict(os.environ, CONTAINERS_CONF=str(self.folder / "containers.conf"))
        self.base = ["podman", "--root", str(self.folder / "root"), "--runroot",
                     str(self.folder / "run"), "--storage-driver", "vfs"]

    def run(self, *arguments, **options):
        return subprocess.run([*self.base, *arguments], env=self.environment, text=True,
                              capture_output=True, timeout=120, check=False, **options)

    def make_image(self):
        root = self.folder / "image"
        (root / "bin").mkdir(parents=True)
        shutil.copy(shutil.which("busybox"), root / "bin/busybox")
        for name in ("sh", "wget", "sleep"):
            (root / "bin" / name).symlink_to("busybox")
        archive = self.folder / "image.tar"
        subprocess.run(["tar", "-C", str(root), "-cf", str(archive), "."], check=True)
        return self.run("import", str(archive), "localhost/caller:7")

    def serve(self, path):
        return subprocess.Popen([*self.base, "system", "service", "--time", "0", f"unix://{path}"],
                                env=self.environment, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, preexec_fn=servers.die_with_parent)


def check_podman():
    if not all(map(shutil.which, ("podman", "runc", "busybox", "tar"))):
        note("left out: no podman, runc or busybox")
        return
    podman, path = Podman(), temporary_directory() / "podman.sock"
    made = podman.make_image()
    if made.returncode:
        note(f"left out: podman makes no image here: {made.stderr.strip()[-200:]}")
        return
    service = podman.serve(path)
    try:
        if not traffic.wait_until(path.exists, 30):
            note("left out: podman serves no API here")
            return
        with socket.create_server(("127.0.0.1", 0)) as listener, \
                Weir("--container-socket", path, "--both-sides", "--metadata-wait", "30s") as weir:
            port = listener.getsockname()[1]
            threading.Thread(target=answer_one, args=(listener,), daemon=True).start()
            ran = podman.run("run", "--name", "weir-caller", "--network", "host", "--label",
                             "team=a", "localhost/caller:7", "/bin/wget", "-q", "-O", "-",
                             f"http://127.0.0.1:{port}/from-podman")
            if ran.returncode:
                note(f"left out: podman runs no container here: {ran.stderr.strip()[-300:]}")
                return
            weir.wait_for_records(2, 30, server_port=port)
            check_clean_end(weir)
        records = [record for record in weir.records(server_port=port)
                   if record["role"] == "client"]
        number = podman.run("inspect", "--format", "{{.Id}}", "weir-caller").stdout.strip()
        record = records[0] if records else {}
        found = [record.get(name) for name in
                 ("container.id", "container.name", "container.image.name", "container.image.tags",
                  "container.labels", "process.executable.path")]
        check(found == [number, "weir-caller", "localhost/caller", ["7"], ["team=a"],
                        "/bin/busybox"],
              "Podman: the only request of a container that is gone at once is labelled",
              str(found))
    finally:
        podman.run("rm", "--force", "--all")
        service.terminate()
        service.wait()


def answer_one(listener):
    connection, _ = listener.accept()
    with connection:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n")


def main():
    require_weir()
    if has_groups():
        check_runtime()
    check_podman()


if __name__ == "__main__":
    run_main(main)
