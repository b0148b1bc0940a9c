#!/usr/bin/python3
"""Real servers under concurrent keep-alive traffic: the log holds what their access logs hold.

Each server gets numbered requests with repeated, empty, oddly cased and non-ASCII headers, bodies
with a length and chunked, HEAD and query strings. The ids in weir's log must be those in the
server's own log, every header byte for byte, and both processes the ones that were there.
"""

import os
import subprocess
import sys
from pathlib import Path

from harness import (Weir, check, check_clean_end, check_empty, check_exchanges, flags, note,
                     require_weir, run_main, temporary_directory)
from harness import servers, traffic

CONNECTIONS, REQUESTS = 6, 20


def make_request(number):
    """A mix in which every tenth request is of the same kind."""
    headers = [(b"User-Agent", b"live/1.0 (test)"), (b"ACCEPT", b"*/*"),
               (b"X-Twice", b"first %d" % number), (b"x-twice", b"second"),
               (b"X-Many", b"m" * (number * 7 % 900)), (b"X-Inner", b"a  b\tc: d"),
               (b"X-Utf8", "grün €".encode()), (b"X-Latin", b"gr\xfcn")]
    if number % 3 == 0:
        headers.append((b"X-Empty", b""))
    kind = number % 10
    size = servers.SIZES[number % len(servers.SIZES)]
    request = {"headers": headers, "target": b"/bytes/%d?n=%d&q=a%%20b" % (size, number)}
    if kind == 1:
        request |= {"method": b"HEAD"}
    elif kind == 2:
        request |= {"method": b"POST", "body": b"p" * 5000}
    elif kind == 3:
        request |= {"method": b"POST", "chunks": [b"c" * 100, b"d" * 40000]}
    elif kind == 4:
        request |= {"method": b"POST", "body": b""}
    return request


def check_processes(server, found, command):
    """process.* is the server's worker as its own log says; peer.process.* is this test."""
    bad = []
    own = Path("/proc/self/comm").read_text().strip()
    for sequence, _, _, pid in server.log_lines():
        record = found.get(sequence)
        if record is None:
            continue
        if record.get("process.pid") != pid or record.get("process.command") != command:
            bad.append(f"{sequence}: {record.get('process.command')} "
                       f"{record.get('process.pid')}, not {command} {pid}")
        if (record.get("peer.process.pid"), record.get("peer.process.command")) != (os.getpid(),
                                                                                   own):
            bad.append(f"{sequence}: peer {record.get('peer.process.command')} "
                       f"{record.get('peer.process.pid')}, not {own} {os.getpid()}")
        if record.get("role") != "server":
            bad.append(f"{sequence}: role {record.get('role')}")
    check_empty(bad, f"{server.name}: process and peer.process are the two ends")


def check_server(weir, server, exchanges, command, others=frozenset()):
    """`others` are numbered requests that this server got from another client."""
    records = [record for record in weir.records(server_port=server.port)
               if traffic.sequence_of(record) not in others]
    found = check_exchanges(records, exchanges, server.name)
    logged = [line[0] for line in server.wait_for_log(len(exchanges)) if line[0] not in others]
    check(sorted(logged) == sorted(traffic.sequence_of(record) or "?" for record in records),
          f"{server.name}: ids are those of its own access log ({len(logged)} lines)")
    statuses = {line[0]: line[2] for line in server.log_lines()}
    check_empty([f"{sequence}: {record.get('http.response.status_code')}"
                 for sequence, record in found.items()
                 if record.get("http.response.status_code") != statuses.get(sequence)],
                f"{server.name}: statuses are those of its own access log")
    bad = [f"{sequence}: {flags(record)}" for sequence, record in found.items()
           if flags(record) - {"binary"}]
    check_empty(bad, f"{server.name}: no flag without a cause")
    bad = [sequence for sequence, record in found.items()
           if ("binary" in flags(record)) != any(not raw_is_utf8(exchange) for exchange in exchanges
                                                 if exchange.sequence == sequence)]
    check_empty(bad, f"{server.name}: flag binary exactly where bytes are not UTF-8")
    by_connection = {}
    for record in records:
        by_connection.setdefault(record["connection.id"], set()).add(record["client.port"])
    check(all(len(ports) == 1 for ports in by_connection.values())
          and len(by_connection) == len({e.client_port for e in exchanges}),
          f"{server.name}: connection.id is one per connection")
    check_processes(server, found, command)


def raw_is_utf8(exchange):
    for head in (exchange.request, exchange.response):
        try:
            head.raw.decode()
        except UnicodeDecodeError:
            return False
    return True


def comm_of(server):
    return Path(f"/proc/{server.process.pid}/comm").read_text().strip()


def drive(server):
    return traffic.run_numbered(server.address, server.port, CONNECTIONS, REQUESTS, make_request,
                                f"{server.name}-{server.port}")


def start_all(directory):
    """Each server that is installed; the last two are HAProxy and the nginx behind it."""
    started = []
    for starter, address in ((servers.nginx, "127.0.0.1"), (servers.nginx, "::1"),
                             (servers.apache, "127.0.0.1"), (servers.node, "127.0.0.1"),
                             (servers.python_threads, "127.0.0.1"),
                             (servers.python_asyncio, "::1"), (servers.go, "127.0.0.1")):
        try:
            started.append(starter(directory, address))
        except servers.Missing as missing:
            note(f"left out: {missing}")
    return started


def start_proxy(directory):
    """HAProxy and the server behind it, or nothing."""
    try:
        behind = servers.nginx(directory)
        behind.name = "nginx behind haproxy"
        return [servers.haproxy(directory, behind), behind]
    except servers.Missing as missing:
        note(f"left out: {missing}")
        return []


def check_ground_truth(server, exchanges):
    """Client and server agree before weir is asked; else the test itself is wrong."""
    logged = sorted((line[0], line[2]) for line in server.wait_for_log(len(exchanges)))
    sent = sorted((exchange.sequence, exchange.response.status) for exchange in exchanges)
    check(logged == sent, f"{server.name}: client and access log agree on {len(sent)} exchanges",
          str(set(logged) ^ set(sent)))
    check_empty([exchange.sequence for exchange in exchanges
                 if exchange.response.find(b"x-seq") != [exchange.sequence.encode()]],
                f"{server.name}: every response echoes its number")


def main():
    is_dry = "--dry" in sys.argv  # servers and clients only, to prove the ground truth
    directory = temporary_directory()
    if not is_dry:
        require_weir()
    direct, proxies, weir = start_all(directory), start_proxy(directory), None
    try:
        weir = None if is_dry else Weir()
        driven = []
        for server in direct + proxies[:1]:
            driven.append((server, drive(server), comm_of(server)))
            check_ground_truth(server, driven[-1][1])
        both = run_dual_stack(directory)
        curl = run_curl(direct[0])
        if weir is not None:
            check_all(weir, driven, proxies, both, curl)
    finally:
        for server in direct + proxies:
            server.stop()
        if weir is not None:
            weir.stop()


def check_all(weir, driven, proxies, both, curl):
    check_clean_end(weir)
    curl_records = {sequence for sequence in curl}
    for server, exchanges, command in driven:
        check_server(weir, server, exchanges, command, curl_records)
    if proxies:
        check_behind_proxy(weir, *proxies)
    records = weir.records(server_port=both[0])
    check_exchanges(records, both[1], "dual-stack listener")
    families = {(record["network.type"], record["client.address"]) for record in records}
    check(families == {("ipv4", "127.0.0.1"), ("ipv6", "::1")},
          "dual-stack listener: IPv4 clients have IPv4 addresses", str(families))
    check_curl(weir, curl)


def run_curl(server):
    """curl with its own idea of headers; what it sent is read from its trace."""
    sent = {}
    for number in range(5):
        sequence = f"curl-{number}"
        url = f"http://{server.address}:{server.port}/bytes/512?{number}"
        options = [[], ["-I"], ["--http1.0"], ["-d", "a=b"], ["-H", "Expect: 100-continue",
                                                             "-d", "x" * 2000]][number]
        done = subprocess.run(["curl", "-s", "-v", "-H", f"X-Seq: {sequence}", *options, url],
                              capture_output=True, check=True)
        lines = [line[2:] for line in done.stderr.split(b"\n") if line.startswith(b"> ")]
        sent[sequence] = traffic.Head(b"\r\n".join(line.rstrip(b"\r") for line in lines))
    return sent


def check_curl(weir, sent):
    found = {traffic.sequence_of(record): record for record in weir.records()}
    for sequence, head in sent.items():
        record = found.get(sequence, {})
        check(record.get("http.request.headers") == head.as_record()
              and record.get("peer.process.command") == "curl",
              f"curl: {head.start_line.decode()} is logged as curl's trace shows it",
              f"{record} {head.raw}")


def run_dual_stack(directory):
    port = servers.free_port("::1")
    server = servers.Server("dual", directory, "::1")
    server.port = port
    server.start(["/usr/bin/python3", str(servers.PROGRAMS / "thread_server.py"), "::", str(port),
                  str(server.log_path)])
    with server:
        exchanges = []
        for address in ("127.0.0.1", "::1"):
            exchanges += traffic.run_numbered(address, port, 2, 5, make_request, f"dual-{address}")
    return port, exchanges


def check_behind_proxy(weir, proxy, server):
    """HAProxy's requests to the server behind it are exchanges of their own."""
    records = weir.records(server_port=server.port)
    logged = sorted(line[0] for line in server.log_lines())
    check(logged == sorted(traffic.sequence_of(record) or "?" for record in records),
          f"{server.name}: ids are those of its own access log ({len(logged)} lines)")
    check_empty([record["id"] for record in records
                 if record.get("process.command") != comm_of(server)
                 or record.get("peer.process.command") != comm_of(proxy)],
                f"{server.name}: the peer is haproxy")


if __name__ == "__main__":
    run_main(main)
