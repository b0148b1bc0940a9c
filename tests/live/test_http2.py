#!/usr/bin/python3
"""HTTP/2 and gRPC of real programs, recorded by tcpdump on the loopback interface and read by
`weir read`: what the servers' own logs tell is what the records tell, one for one. Joined in the
middle of the same connections, nothing is told that the whole did not tell.
TIMEOUT: 240
"""

import collections
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import servers  # noqa: E402
from harness import check, check_empty, note, require_weir, run_main  # noqa: E402

WEIR = os.environ.get("WEIR", str(Path(__file__).resolve().parents[2] / "build" / "weir"))
PROGRAM = servers.PROGRAMS / "grpc_calls.py"


class Recording:
    """tcpdump of one port, until nothing comes any more."""

    def __init__(self, path, port):
        self.path, self.said = path, open(f"{path}.said", "wb")
        self.process = subprocess.Popen(
            [servers.find_program("tcpdump"), "-i", "lo", "-U", "--immediate-mode", "-B", "65536",
             "-s", "0", "-Z", "root", "-w", str(path), f"port {port}"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=self.said, preexec_fn=servers.die_with_parent)
        end = time.monotonic() + 20
        while b"listening" not in Path(f"{path}.said").read_bytes() and time.monotonic() < end:
            time.sleep(0.05)

    def finish(self):
        """True: nothing was dropped."""
        size, end = -1, time.monotonic() + 30
        while size != self.path.stat().st_size and time.monotonic() < end:
            size = self.path.stat().st_size
            time.sleep(1.5)
        self.process.terminate()
        self.process.wait()
        self.said.close()
        return b"\n0 packets dropped by kernel" in Path(f"{self.path}.said").read_bytes()


def read(path):
    done = subprocess.run([WEIR, "read", "-o", "json", "--no-mask", str(path)], timeout=100,
                          capture_output=True, check=True)
    return [record for record in map(json.loads, done.stdout.splitlines())
            if record["type"] == "http"]


def differences(wanted, told):
    return [list((one - other).items())[:3] for one, other in ((wanted, told), (told, wanted))]


def packets_of(path):
    """(header and bytes) of each packet of a pcap file, and the file's header."""
    data = path.read_bytes()
    packets, at = [], 24
    while at + 16 <= len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        packets.append(data[at:at + 16 + length])
        at += 16 + length
    return data[:24], packets


def check_late(path, whole, folder, name):
    """Without its first packets the file tells less of the same exchanges, and nothing else."""
    def key(record):
        return record["client.port"], record["http2.stream_id"]

    fields = ("http.request.method", "url.original", "url.domain", "http.response.status_code",
              "rpc.grpc.status_code", "rpc.request.messages", "http.response.body.size")
    known = {key(record): record for record in whole if "http2.stream_id" in record}
    head, packets = packets_of(path)
    wrong, told = [], 0
    for start in (5, 9, 14, 20, 33, 50):
        late = folder / "late.pcap"
        late.write_bytes(head + b"".join(packets[start:]))
        for record in read(late):
            other = known.get(key(record), {}) if "http2.stream_id" in record else record
            told += "http2.stream_id" in record
            wrong += [f"{start}: {key(record)} {field}: {record[field]}, not {other.get(field)}"
                      for field in fields if field in record and record[field] != other.get(field)]
            for side in ("http.request.headers", "http.response.headers"):
                rest = iter(other.get(side, ()))
                wrong += [f"{start}: {key(record)} {header}" for header in record.get(side, ())
                          if header not in rest]
    check(told > 0, f"{name}: streams are told of when joined in the middle ({told})")
    check_empty(wrong, f"{name}: joined in the middle, nothing is told that is not so")


def test_nginx(folder):
    curl, h2load, nghttp = map(servers.find_program, ("curl", "h2load", "nghttp"))
    server = servers.Server("nginx", folder)
    root = servers.write_documents(server.directory)
    (server.directory / "nginx.conf").write_text(f"""
        daemon off; pid {server.directory}/pid; worker_processes 1; user root;
        error_log {server.directory}/error.log; events {{}}
        http {{ log_format numbers
            '$http_x_seq|$request_method|$request_uri|$status|$body_bytes_sent';
          access_log {server.log_path} numbers; client_body_temp_path {server.directory};
          proxy_temp_path {server.directory}; fastcgi_temp_path {server.directory};
          uwsgi_temp_path {server.directory}; scgi_temp_path {server.directory};
          server {{ listen 127.0.0.1:{server.port} http2; root {root}; keepalive_requests 100000;
            http2_max_concurrent_streams 128; }} }}""")
    base = f"http://127.0.0.1:{server.port}"
    path = folder / "nginx.pcap"
    recording = Recording(path, server.port)
    with server.start([servers.find_program("nginx"), "-c", str(server.directory / "nginx.conf"),
                       "-e", str(server.directory / "error.log")]):
        for number in range(5):
            subprocess.run([curl, "-s", "--http2-prior-knowledge", "-H", f"X-Seq: curl-{number}",
                            "-H", "Cookie: a=b; c=d", f"{base}/bytes/11?n={number}",
                            "-o", "/dev/null"], check=True)
        subprocess.run([curl, "-s", "-I", "--http2-prior-knowledge", f"{base}/bytes/512"],
                       stdout=subprocess.DEVNULL, check=True)
        subprocess.run([nghttp, "-n", "-H", "x-seq: nghttp", f"{base}/bytes/0", f"{base}/missing"],
                       check=True)
        subprocess.run([h2load, "-n", "2000", "-c", "4", "-m", "40", "-H", "x-seq: load",
                        f"{base}/bytes/11", f"{base}/bytes/512"], check=True,
                       stdout=subprocess.DEVNULL)
        is_whole = recording.finish()
    logged = collections.Counter(tuple(line.split("|"))
                                 for line in server.log_path.read_text().splitlines())
    records = read(path)
    told = collections.Counter()
    for record in records:
        headers = dict(record.get("http.request.headers", ()))
        told[(headers.get("x-seq", "-"), record.get("http.request.method", "-"),
              record.get("url.original", "-"), str(record.get("http.response.status_code", "-")),
              str(record.get("http.response.body.size", 0)))] += 1
    if is_whole:
        check(told == logged, f"nginx: {sum(logged.values())} requests of its log are the records "
                              f"{differences(logged, told)}")
        check_empty([record["flags"] for record in records if "flags" in record],
                    "nginx: no flag without a cause")
    else:
        note("nginx: tcpdump has dropped packets: only compared in part")
    check_late(path, records, folder, "nginx")


def test_grpc(folder):
    if subprocess.run(["/usr/bin/python3", "-c", "import grpc"], capture_output=True,
                      check=False).returncode:
        raise servers.Missing("python3-grpcio is not installed")
    port = servers.free_port()
    path = folder / "grpc.pcap"
    recording = Recording(path, port)
    done = subprocess.run(["/usr/bin/python3", str(PROGRAM), str(port)], check=True, timeout=60,
                          capture_output=True)
    is_whole = recording.finish()
    called = collections.Counter(tuple(call) for call in json.loads(done.stdout))
    records = read(path)
    told = collections.Counter(
        (f"/{record.get('rpc.service')}/{record.get('rpc.method')}",
         *(record.get(field) for field in ("rpc.request.messages", "rpc.request.bytes",
                                           "rpc.response.messages", "rpc.response.bytes",
                                           "rpc.grpc.status_code"))) for record in records)
    if is_whole:
        check(told == called, f"gRPC: {sum(called.values())} calls are the records "
                              f"{differences(called, told)}")
    else:
        note("gRPC: tcpdump has dropped packets: only compared in part")
    check_late(path, records, folder, "gRPC")


def main():
    require_weir()
    with tempfile.TemporaryDirectory() as name:
        for scene in (test_nginx, test_grpc):
            folder = Path(name) / scene.__name__
            folder.mkdir()
            try:
                scene(folder)
            except servers.Missing as missing:
                note(f"{scene.__name__}: {missing}")


run_main(main)
