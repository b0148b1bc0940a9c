"""Rows of iLogtail's kind, for smoke.py: sockets that live, and Unix sockets, on each rung."""

import json
import os
import socket
import tempfile

from smoke_run import Wrong, expect, run_weir

PIPELINE = """inputs:
  - Type: observer_ilogtail_network_v1
    Common: {FlushOutL4Interval: 600, FlushOutL7Interval: 600, DropUnixSocket: false,
             DropLocalConnections: false}
    EBPF: {Enabled: true, Pid: %d}
"""
REQUEST = b"GET /row HTTP/1.1\r\nHost: rows\r\n\r\n"
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"
ROUNDS = 5


def converse(client, server):
    client.sendall(REQUEST)
    expect(server.recv(4096), REQUEST, "what the server has read")
    server.sendall(RESPONSE)
    expect(client.recv(4096), RESPONSE, "what the client has read")


def talk(living, listener, path):
    """The living TCP connection once more, Unix streams, and datagrams."""
    converse(*living)
    for _ in range(ROUNDS):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            with listener.accept()[0] as server:
                converse(client, server)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound, \
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        bound.bind(path + ".datagram")
        for _ in range(ROUNDS):
            sender.sendto(bytes(100), path + ".datagram")
            expect(len(bound.recv(1000)), 100, "a datagram")


def total(rows, name, **wanted):
    return sum(int(row[name]) for row in rows
               if all(row.get(key) == value for key, value in wanted.items()))


def check(rows):
    streams, datagrams = ROUNDS, 100 * ROUNDS
    sent, received = len(REQUEST), len(RESPONSE)
    for role, out, back in (("client", sent * streams + datagrams, received * streams),
                            ("server", received * streams, sent * streams + datagrams)):
        unix = {"type": "statistics", "socket_type": "unix_socket", "role": role}
        expect([total(rows, name, **unix) for name in ("send_bytes", "recv_bytes")], [out, back],
               f"bytes of Unix sockets, {role}")
        calls = {"type": "protocols", "url": "/row", "role": role}
        expect(total(rows, "total_count", **calls), streams + 1, f"HTTP calls, {role}")
    living = {"type": "statistics", "socket_type": "inet_socket"}
    expect([total(rows, "send_bytes", role="client", **living),
            total(rows, "send_bytes", role="server", **living)], [2 * sent, 2 * received],
           "bytes of the connection that lived before")


def try_rows(weir, rung):
    with tempfile.TemporaryDirectory(prefix="weir-rows-") as folder, \
            socket.create_server(("127.0.0.1", 0)) as tcp, \
            socket.create_connection(tcp.getsockname()) as client, \
            tcp.accept()[0] as server, socket.socket(socket.AF_UNIX) as listener:
        path = os.path.join(folder, "socket")
        listener.bind(path)
        listener.listen()
        converse(client, server)
        pipeline = os.path.join(folder, "pipeline.yaml")
        with open(pipeline, "w") as file:
            file.write(PIPELINE % os.getpid())
        rows, _, said, _ = run_weir(
            weir, ["--no-tls", "--rung", rung, "--ilogtail-config", pipeline], folder,
            lambda: talk((client, server), listener, path), output="ilogtail")
    try:
        check(rows)
    except Wrong as problem:
        raise Wrong(f"{problem}: {json.dumps(rows)[:1500]} {said[-400:]}")
