#!/usr/bin/python3
"""HTTP/2, gRPC and WebSocket of real programs on sockets of this host, by prior knowledge and by
upgrade, with bodies and messages larger than what is copied: what the servers' own logs and the
programs themselves count is what the records tell, one for one, and no byte is missing.
TIMEOUT: 240
"""

import collections
import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from harness import (Weir, check, check_empty, note, require_weir, run_main,  # noqa: E402
                     temporary_directory)
import servers  # noqa: E402

UPLOAD = 250000


def run(*command, **options):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True,
                          text=True, timeout=100, **options).stdout


def differences(wanted, told):
    return [list((one - other).items())[:4] for one, other in ((wanted, told), (told, wanted))]


class Peer:
    """A server with a log of `method|path|status|bytes of the request|bytes of the response`."""

    is_upgrading, is_taking_uploads = False, True

    def __init__(self, directory):
        self.directory = directory
        self.server = servers.Server(type(self).__name__.lower(), directory)
        self.start()

    def play(self):
        base = f"http://127.0.0.1:{self.server.port}"
        upload = self.directory / "upload"
        upload.write_bytes(b"u" * UPLOAD)
        for size in servers.SIZES:
            run("curl", "-s", "--http2-prior-knowledge", f"{base}/bytes/{size}", "-o", os.devnull)
            if self.is_upgrading and size < 1000:  # beyond the first window servers may stop
                run("nghttp", "-nu", f"{base}/bytes/{size}")
        run("nghttp", "-n", f"{base}/bytes/11", f"{base}/bytes/70000")
        run("curl", "-s", "-I", "--http2-prior-knowledge", f"{base}/bytes/11")
        for number in range(3 if self.is_taking_uploads else 0):
            run("curl", "-s", "--http2-prior-knowledge", "-T", upload, f"{base}/put/{number}",
                "-o", os.devnull)
        for size, count in ((11, 2000), (300000, 200)):
            run("h2load", "-n", count, "-c", "4", "-m", "16", f"{base}/bytes/{size}")

    def logged(self):
        return collections.Counter(self.server.log_path.read_text().splitlines())

    def check(self, weir):
        name = type(self).__name__
        records = weir.records(server_port=self.server.port)
        told = collections.Counter(
            "|".join(str(part) for part in (
                record.get("http.request.method"), record.get("url.original"),
                record.get("http.response.status_code"),
                record.get("http.request.body.size", 0),
                record.get("http.response.body.size", 0)
                if record.get("http.request.method") != "HEAD" else self.size_of_head))
            for record in records)
        wanted = self.logged()
        check(told == wanted and sum(wanted.values()) > 2200,
              f"{name}: {sum(wanted.values())} requests of its log are the records",
              str(differences(wanted, told)))
        check_empty([f"{r['flags']} {r.get('url.original')}" for r in records
                     if set(r.get("flags", ())) - {"upgraded"}], f"{name}: no flag without a cause")
        upgraded = [r for r in records if 101 in r.get("http.response.interim", ())]
        check(len(upgraded) == (3 if self.is_upgrading else 0) and
              all(r["network.protocol.version"] == "1.1" for r in upgraded),
              f"{name}: {len(upgraded)} of them were upgraded")


class Nginx(Peer):
    size_of_head = 0

    def start(self):
        program = servers.find_program("nginx")
        directory, root = self.server.directory, servers.write_documents(self.server.directory)
        (directory / "nginx.conf").write_text(f"""
        daemon off; pid {directory}/pid; worker_processes 1; user root;
        error_log {directory}/error.log; events {{}}
        http {{
          map $request_method $received {{ default 0; PUT {UPLOAD}; }}
          log_format own '$request_method|$request_uri|$status|$received|$body_bytes_sent';
          access_log {self.server.log_path} own; client_body_temp_path {directory};
          proxy_temp_path {directory}; fastcgi_temp_path {directory};
          uwsgi_temp_path {directory}; scgi_temp_path {directory}; sendfile on;
          server {{ listen 127.0.0.1:{self.server.port} http2; root {root};
            client_max_body_size 0; keepalive_requests 100000;
            dav_methods PUT; create_full_put_path on; }} }}""")
        self.server.start([program, "-c", directory / "nginx.conf", "-e",
                           directory / "error.log"])


class Apache(Peer):
    """Its log has a second line, with status 101, for each request that was upgraded."""

    is_upgrading, is_taking_uploads = True, False
    size_of_head = 11

    def start(self):
        program = servers.find_program("apache2")
        directory, root = self.server.directory, servers.write_documents(self.server.directory)
        modules = Path("/usr/lib/apache2/modules")
        loads = "\n".join(f"LoadModule {name}_module {modules}/mod_{name}.so"
                          for name in ("mpm_event", "authz_core", "http2"))
        (directory / "apache.conf").write_text(f"""
ServerRoot {directory}
ServerName live.test
PidFile {directory}/pid
DefaultRuntimeDir {directory}
Listen 127.0.0.1:{self.server.port}
{loads}
User www-data
Group www-data
Protocols h2c http/1.1
H2Upgrade on
DocumentRoot {root}
ErrorLog {directory}/error.log
LogFormat "%m|%U|%>s|%{{Content-Length}}i|%B" own
CustomLog {self.server.log_path} own
StartServers 1
""")
        self.server.start([program, "-f", directory / "apache.conf", "-DFOREGROUND"])

    def logged(self):
        return collections.Counter(line.replace("|-|", "|0|")
                                   for line in self.server.log_path.read_text().splitlines()
                                   if "|101|" not in line)


class Node(Peer):
    size_of_head = 11

    def start(self):
        self.server.start([servers.find_program("node"), servers.PROGRAMS / "node_http2.js",
                           "127.0.0.1", str(self.server.port), self.server.log_path])


class Go(Peer):
    is_upgrading = True
    size_of_head = 11

    def start(self):
        if not Path("/usr/share/gocode/src/golang.org/x/net/http2/h2c").exists():
            raise servers.Missing("golang-golang-x-net-dev is not installed")
        binary = self.directory / "go_http2"
        environment = dict(os.environ, GO111MODULE="off", GOFLAGS="", CGO_ENABLED="0",
                           GOPATH="/usr/share/gocode", GOPROXY="off",
                           GOCACHE=str(self.directory / "go-cache"))
        run(servers.find_program("go"), "build", "-o", binary, servers.PROGRAMS / "go_http2.go",
            env=environment, cwd=self.server.directory)
        self.server.start([binary, "127.0.0.1", str(self.server.port), self.server.log_path])


class Program:
    """A program with both ends in it, which prints what it has counted."""

    def __init__(self, directory, name, module):
        if subprocess.run(["/usr/bin/python3", "-c", f"import {module}"], capture_output=True,
                          check=False).returncode:
            raise servers.Missing(f"python3's {module} is not installed")
        self.program, self.port = servers.PROGRAMS / name, servers.free_port()

    def play(self):
        self.said = json.loads(run("/usr/bin/python3", self.program, self.port))


class Grpc(Program):
    def __init__(self, directory):
        super().__init__(directory, "grpc_calls.py", "grpc")

    def check(self, weir):
        called = collections.Counter(tuple(call) for call in self.said)
        records = weir.records(server_port=self.port)
        told = collections.Counter(
            (f"/{record.get('rpc.service')}/{record.get('rpc.method')}",
             *(record.get(field) for field in ("rpc.request.messages", "rpc.request.bytes",
                                               "rpc.response.messages", "rpc.response.bytes",
                                               "rpc.grpc.status_code"))) for record in records)
        check(told == called, f"gRPC: {sum(called.values())} calls are the records",
              str(differences(called, told)))


class WebSocket(Program):
    def __init__(self, directory):
        super().__init__(directory, "websocket_talk.py", "websockets")

    def check(self, weir):
        records = weir.records(server_port=self.port)
        upgrades = [r for r in records if r.get("http.response.status_code") == 101]
        talks = sorted((r for r in records if r.get("network.protocol.name") == "websocket"),
                       key=lambda record: record["time"])
        check(len(upgrades) == len(talks) == 2, "WebSocket: both upgrades, and what followed",
              str(records)[:2000])
        for talk, said in zip(talks[:1], self.said):
            for end in ("client", "server"):
                told = {one["opcode"]: [one["frames"], one["bytes"]]
                        for one in talk.get(f"websocket.{end}.frames", ())}
                wanted = {opcode: [frames, size] for opcode, frames, size in said[end]}
                check(told == wanted, f"WebSocket: frames and bytes of the {end}",
                      f"{told}, not {wanted}")
        for talk, said in zip(talks[1:], self.said[1:]):
            told = {one["opcode"]: one for one in talk["websocket.client.frames"]}
            check(told["text"].get("compressed") == told["text"]["frames"],
                  "WebSocket: compressed messages are noticed", str(told))
        check_empty([r["flags"] for r in talks if "flags" in r],
                    "WebSocket: no flag without a cause")
        check(all(r.get("websocket.close_code") == 1000 for r in talks), "WebSocket: closed")


def main():
    require_weir()
    directory = temporary_directory()
    stages = []
    try:
        for stage in (Nginx, Apache, Node, Go, Grpc, WebSocket):
            try:
                stages.append(stage(directory))
            except servers.Missing as missing:
                note(f"left out: {missing}")
        with Weir("--ring-size", "32MiB", "--queue-size", "128MiB") as weir:
            for stage in stages:
                stage.play()
            check(weir.stop() == 0, "weir ends with status 0", weir.stderr()[-1500:])
            check(weir.totals.is_identity, f"seen = logged + filtered + lost: {weir.totals}")
        for stage in stages:
            stage.check(weir)
        check(weir.totals.lost_sum == 0, "nothing is lost", weir.totals.text[-1000:])
    finally:
        for stage in stages:
            if hasattr(stage, "server"):
                stage.server.stop()


run_main(main)
