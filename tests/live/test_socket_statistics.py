#!/usr/bin/python3
"""
What is told of TCP sockets without a packet: statistics of those that live, also of such as lived
before weir, and of such in other network namespaces; under losses that a narrow link makes, the
numbers are those of TCP_INFO and ss.
"""

import os
import re
import shutil
import subprocess
import time

import harness
from harness import check, skip

import namespaces
from namespaces import ip

# Takes connections one after the other, reads each to its end and answers with one byte.
SINK = """
import socket, sys
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("ready")
while True:
    peer, _ = listener.accept()
    left = int(sys.argv[3])
    while left and (got := peer.recv(min(left, 1 << 20))):
        left -= len(got)
    peer.send(b"k")
    try:
        peer.recv(1)
    except ConnectionResetError:
        pass
    peer.close()
"""
# Does what each line says: send so many bytes and wait for the answer; tell what TCP has counted
# (struct tcp_info of linux/tcp.h): segments out and in, retransmitted segments, bytes sent and
# retransmitted; or end.
SOURCE = """
import socket, struct, sys
to = socket.create_connection((sys.argv[1], int(sys.argv[2])))
print(to.getsockname()[1])
for word in map(str.strip, sys.stdin):
    if word == "send":
        left = int(sys.argv[3])
        while left:
            left -= to.send(bytes(min(left, 1 << 16)))
        to.recv(1)
    elif word == "end":
        break
    info = to.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    print(*struct.unpack_from("II", info, 136), *struct.unpack_from("I", info, 100),
          *struct.unpack_from("QQ", info, 200))
if sys.argv[4] == "reset":
    to.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
to.close()
"""
NAMES = ("client.packets", "server.packets", "client.tcp.retransmissions", "client.payload_bytes",
         "client.tcp.retransmitted_bytes")


class Source:
    """A connection from the near namespace that does the next thing when it is told to."""

    def __init__(self, pair, address, port, size, end="fin"):
        self.size = size
        self.child = subprocess.Popen(
            ["ip", "netns", "exec", pair.near, "python3", "-u", "-c", SOURCE, address, str(port),
             str(size), end], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.child.stdout.readline())

    def tell(self, word):
        self.child.stdin.write(word + "\n")
        self.child.stdin.flush()

    def ask(self, word="info"):
        """What TCP has counted, under the names of a record's fields."""
        self.tell(word)
        counted = list(map(int, self.child.stdout.readline().split()))
        counted[3] -= counted[4]  # each byte once
        return {name: number for name, number in zip(NAMES, counted) if number}

    def end(self):
        self.tell("end")
        self.child.wait(60)


def add_beyond(pair):
    """A third namespace behind the far one, over a link that drops what it cannot take."""
    beyond = f"wb{os.getpid()}"
    ip("netns", "add", beyond)
    ip("link", "add", "wout", "netns", pair.far, "type", "veth", "peer", "name", "wbeyond",
       "netns", beyond)
    for place, link, address in ((pair.far, "wout", "10.98.0.1/24"),
                                 (beyond, "wbeyond", "10.98.0.2/24")):
        ip("address", "add", address, "dev", link, namespace=place)
        ip("link", "set", link, "up", namespace=place)
    ip("route", "add", "default", "via", "10.98.0.1", namespace=beyond)
    ip("route", "add", "default", "via", "10.99.0.2", namespace=pair.near)
    subprocess.run(["ip", "netns", "exec", pair.far, "sh", "-c",
                    "echo 1 > /proc/sys/net/ipv4/ip_forward"], check=True)
    made = subprocess.run(["tc", "-n", pair.far, "qdisc", "add", "dev", "wout", "root", "tbf",
                           "rate", "30mbit", "burst", "32kb", "limit", "60kb"], check=False)
    if made.returncode:
        ip("netns", "del", beyond)
        skip("this kernel has no token bucket filter")
    return beyond


def told_of(weir, port, kind="statistics", role="client"):
    return [one for one in weir._records_so_far(kind=kind)
            if one["client.port"] == port and one["role"] == role]


def wait_for(weir, port, wanted, kind="statistics", role="client", seconds=30):
    """The last record of the connection's end, when it is as wanted() says or time is up."""
    end = time.monotonic() + seconds
    while True:
        found = told_of(weir, port, kind, role)
        wished = wanted()
        if (found and wished.items() <= found[-1].items()) or time.monotonic() > end:
            return (found[-1] if found else {}), wished
        time.sleep(0.05)


def differences(record, wanted):
    return [f"{name}: {record.get(name)}, not {value}" for name, value in wanted.items()
            if record.get(name) != value]


def retransmissions_by_ss(place, port):
    said = subprocess.run(["ip", "netns", "exec", place, "ss", "-tiHn", f"sport = :{port}"],
                          stdout=subprocess.PIPE, text=True, check=True).stdout
    found = re.search(r"retrans:\d+/(\d+)", said)
    return int(found[1]) if found else 0


def check_losses(weir, pair, source):
    source.ask("send")
    record, counted = wait_for(weir, source.port, source.ask)
    lost = counted.get("client.tcp.retransmissions", 0)
    check(lost > 0, f"the narrow link has made TCP retransmit {lost} segments", str(counted))
    check(not differences(record, counted), f"while it lives, as TCP_INFO says: {counted}",
          differences(record, counted))
    said = retransmissions_by_ss(pair.near, source.port)
    check(lost == said, f"ss says {said} too")
    check("retransmission" in record.get("flags", []), "the flag retransmission", str(record))
    source.end()
    wanted = {name: counted[name] for name in NAMES[2:] if name in counted}
    wanted["connection.id"] = record.get("connection.id")
    end, _ = wait_for(weir, source.port, dict, "connection")
    check(not differences(end, wanted), "the record of its end has the same counts and id",
          differences(end, wanted))


def check_late(weir, source):
    """It stood before weir looked: who is who is known all the same, and whose it is."""
    source.ask("send")
    for role in ("client", "server"):
        record, wanted = wait_for(weir, source.port, lambda: {
            "client.payload_bytes": source.size, "server.payload_bytes": 1, "server.port": 7020,
            "flags": ["late"]}, role=role)
        check(not differences(record, wanted)
              and record.get("process.command", "").startswith("python3"),
              f"statistics of one that lived before, as {role}", str(record))


def check_reset(weir, pair):
    source = Source(pair, "10.99.0.2", 7020, 1000, "reset")
    source.ask("send")
    source.end()
    record, _ = wait_for(weir, source.port, dict, "connection", "server")
    check(record.get("client.tcp.resets") == 1 and record.get("connection.closed_by") == "client"
          and record.get("connection.close_reason") == "reset",
          "a reset is told by the end that received it", str(record))


def check_records(weir):
    """The whole output: statistics only of what changed, numbers that only grow."""
    bad, last, ids = [], {}, {}
    for one in weir.records("statistics") + weir.records("connection"):
        before = last.get(one["connection.id"])
        last[one["connection.id"]] = one
        ids.setdefault((one["client.port"], one["server.port"], one["role"]), set()).add(
            one["connection.id"])
        if not before:
            continue
        bad += [f"{name}: {before[name]}, then {one.get(name)}" for name in NAMES
                if before.get(name, 0) > one.get(name, 0)]
        for name in ("time", "id", "duration_ns"):
            before.pop(name, None)
        if one["type"] == "statistics" and before.items() == {
                name: value for name, value in one.items() if name in before}.items():
            bad.append(f"told of again, though nothing has changed: {one}")
    harness.check_empty(bad, "counts never shrink, and what has not changed is not told again")
    ours = {ends: found for ends, found in ids.items() if ends[1] in (7020, 7021)}
    check(len(ours) == 6 and all(len(found) == 1 for found in ours.values()),
          "one connection.id of each end of three connections", str(ours))


def main():
    harness.require_weir()
    if not namespaces.is_possible() or not shutil.which("tc") or not shutil.which("ss"):
        skip("needs ip, tc and ss (iproute2), and the right to make network namespaces")
    with namespaces.Pair() as pair:
        beyond = add_beyond(pair)
        sinks = [pair.start(pair.far, SINK, "10.99.0.2", 7020, 1000),
                 pair.start(beyond, SINK, "10.98.0.2", 7021, 3_000_000)]
        late = Source(pair, "10.99.0.2", 7020, 1000)
        with harness.Weir("--connections", "--statistics-interval", "300ms", "--port",
                          "7020,7021") as weir:
            check_late(weir, late)
            check_losses(weir, pair, Source(pair, "10.98.0.2", 7021, 3_000_000))
            late.end()
            check_reset(weir, pair)
        harness.check_clean_end(weir)
        check_records(weir)
        for sink in sinks:
            sink.kill()
        ip("netns", "del", beyond)


harness.run_main(main)
