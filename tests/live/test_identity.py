#!/usr/bin/python3
"""Connections that could be taken for one another, processes that share one, and what is no TCP."""

import os
import shutil
import socket
import struct
import subprocess
import sys
import time
from pathlib import Path

from harness import (Weir, check, check_clean_end, check_empty, flags, note, require_weir, run_main)
from harness import traffic
from play import Stage, receive_exactly

SERVER_PORT, CLIENT_PORT = 18080, 41000
ANSWER = b"HTTP/1.1 200 OK\r\nX-Seq: %s\r\nContent-Length: 0\r\n\r\n"

# Both ends of one connection, with the same ports in every namespace.
TWIN = f"""
import socket, subprocess, sys
name = sys.argv[1].encode()
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
listener = socket.create_server(("127.0.0.1", {SERVER_PORT}))
client = socket.create_connection(("127.0.0.1", {SERVER_PORT}), 30,
                                  ("127.0.0.1", {CLIENT_PORT}))
server, _ = listener.accept()
for number in range(5):
    seq = b"twin-%s-%d" % (name, number)
    print("ready", flush=True)
    sys.stdin.readline()
    client.sendall(b"GET /twin HTTP/1.1\\r\\nHost: live.test\\r\\nX-Seq: " + seq + b"\\r\\n\\r\\n")
    server.recv(4096)
    print("asked", flush=True)
    sys.stdin.readline()
    server.sendall({ANSWER!r} % seq)
    client.recv(4096)
"""


def request(sequence, target="/identity"):
    return (f"GET {target} HTTP/1.1\r\nHost: live.test\r\nX-Seq: {sequence}\r\n\r\n").encode()


def check_pairs(records, wanted, what):
    found = [(traffic.sequence_of(record), traffic.sequence_of(record, "response"))
             for record in records]
    check(sorted(map(str, found)) == sorted(str((name, name)) for name in wanted),
          f"{what}: {len(wanted)} exchanges, each with its own response", str(found)[:800])


def play_twins():
    """The same addresses and ports at the same time in two network namespaces, step by step."""
    twins = [subprocess.Popen(["unshare", "-n", sys.executable, "-c", TWIN, name],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE) for name in "ab"]
    for _ in range(10):
        for twin in twins:
            twin.stdout.readline()
        for twin in twins:
            twin.stdin.write(b"\n")
            twin.stdin.flush()
    for twin in twins:
        twin.stdin.close()
        twin.stdout.close()
        twin.wait(30)
    return [twin.pid for twin in twins]


def check_twins(weir, pids):
    records = weir.records(server_port=SERVER_PORT, client_port=CLIENT_PORT)
    check_pairs(records, [f"twin-{name}-{number}" for name in "ab" for number in range(5)],
                "twins in two network namespaces")
    check(len({record["connection.id"] for record in records}) == 2,
          "twins: one connection.id each")
    bad = []
    for record in records:
        name = (traffic.sequence_of(record) or "twin-?").split("-")[1]
        pid = pids["ab".find(name)]
        if (record.get("process.pid"), record.get("peer.process.pid")) != (pid, pid):
            bad.append(f"{name}: {record.get('process.pid')} {record.get('peer.process.pid')}, "
                       f"not {pid}")
    check_empty(bad, "twins: both processes are those of the own namespace")


def play_same_port(stage):
    """One connection after another from the same port, each torn down at once."""
    names = []
    for number in range(20):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.bind((stage.address, CLIENT_PORT + 1))
        client.connect((stage.address, stage.port))
        server, _ = stage.listener.accept()
        name = f"same-{number}"
        client.sendall(request(name))
        receive_exactly(server, len(request(name)))
        server.sendall(ANSWER % name.encode())
        receive_exactly(client, len(ANSWER % name.encode()))
        client.close()
        server.close()
        names.append(name)
    return names


def play_forked_worker(stage):
    """The parent accepts, a child serves: the child is the process of the exchange."""
    client = socket.create_connection((stage.address, stage.port))
    server, _ = stage.listener.accept()
    child = os.fork()
    if child == 0:
        receive_exactly(server, len(request("forked")))
        server.sendall(ANSWER % b"forked")
        os._exit(0)
    server.close()
    client.sendall(request("forked"))
    receive_exactly(client, len(ANSWER % b"forked"))
    os.waitpid(child, 0)
    client.close()
    return child


def play_no_tcp():
    """HTTP over what is not TCP must not be logged as if it were."""
    asked, answered = request("no-tcp", "/not-tcp"), ANSWER % b"no-tcp"
    left, right = socket.socketpair()
    with left, right:
        left.sendall(asked)
        right.recv(4096)
        right.sendall(answered)
        left.recv(4096)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        one.connect(other.getsockname())
        one.send(asked)
        _, back = other.recvfrom(4096)
        other.sendto(answered, back)
        one.recv(4096)
    reader, writer = os.pipe()
    os.write(writer, asked)
    os.read(reader, 4096)
    os.close(reader)
    os.close(writer)


def main():
    require_weir()
    stage = Stage()
    with Weir() as weir:
        has_twins = shutil.which("unshare") is not None and shutil.which("ip") is not None
        pids = play_twins() if has_twins else None
        names = play_same_port(stage)
        child = play_forked_worker(stage)
        play_no_tcp()
        time.sleep(0.05)
        check_clean_end(weir)
    if has_twins:
        check_twins(weir, pids)
    else:
        note("left out: no unshare or no ip")
    records = weir.records(server_port=stage.port)
    same = [record for record in records if record["client.port"] == CLIENT_PORT + 1]
    check_pairs(same, names, "one port used again and again")
    check(len({record["connection.id"] for record in same}) == len(names),
          "one port used again and again: every connection has an id of its own")
    forked = [record for record in records if traffic.sequence_of(record) == "forked"]
    check(len(forked) == 1 and forked[0].get("process.pid") == child
          and forked[0].get("peer.process.pid") == os.getpid(),
          "fork after accept: the process is the child", str(forked))
    owner = forked[0] if forked else {}
    check(owner.get("process.owner") == "root"
          and owner.get("peer.process.executable.path") == str(Path("/proc/self/exe").resolve()),
          "owner and executable are told", str(owner))
    check_empty([record for record in records if flags(record)], "no flag without a cause")
    check_empty([record for record in weir.records() if record.get("url.original") == "/not-tcp"],
                "what is no TCP is not logged")


if __name__ == "__main__":
    run_main(main)
