#!/usr/bin/python3
# TIMEOUT: 600
"""
Live packets between two namespaces: flows counted as on the wire, VLANs, tunnels, fragments,
extension headers, drops, interfaces that come and go, each hook.
"""

import contextlib
import hmac
import json
import os
import re
import shutil
import subprocess
import sys
import time

import harness
from harness import check, note, skip

import namespaces
import traffic
from namespaces import ip

SINK = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
listener = socket.socket(family); listener.bind((sys.argv[1], int(sys.argv[2])))
listener.listen(); print("ready")
peer, _ = listener.accept()
while peer.recv(1 << 20): pass
peer.close()
"""
# Sends so many bytes, then tells what TCP has counted (struct tcp_info of linux/tcp.h).
SOURCE = """
import socket, struct, sys, time
to = socket.create_connection((sys.argv[1], int(sys.argv[2])))
left = int(sys.argv[3])
while left:
    left -= to.send(bytes(min(left, 1 << 20)))
to.shutdown(socket.SHUT_WR)
to.recv(1)
time.sleep(0.2)
info = to.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
print(to.getsockname()[1], *struct.unpack_from("II", info, 136))
"""
DATAGRAM = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
one = socket.socket(family, socket.SOCK_DGRAM)
if len(sys.argv) > 4:
    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_DSTOPTS, bytes([0, 0, 1, 4, 0, 0, 0, 0]))
one.connect((sys.argv[1], int(sys.argv[2])))
one.send(bytes(int(sys.argv[3])))
print(one.getsockname()[1])
"""
SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "5")
        self.send_header("Set-Cookie", "s=c4n4ry; Path=/"); self.end_headers()
        self.wfile.write(b"hello")
    def log_message(self, *_): pass
server = http.server.HTTPServer((sys.argv[1], int(sys.argv[2])), Handler)
print("ready")
server.serve_forever()
"""
CLIENT = """
import http.client, sys
one = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]))
for number in range(int(sys.argv[3])):
    one.request("GET", f"/{number}", headers={"Authorization": "Bearer c4n4ry"})
    one.getresponse().read()
"""


def packets(pair, *arguments, interface="wnear", **options):
    """weir with packets of the near namespace only."""
    return harness.Weir(f"--packets={interface}", "--netns", pair.near, "--rung", "none",
                        *arguments, **options)


def flows_of(weir, port):
    return [one for one in weir.records("connection") if one.get("server.port") == port]


def check_end(weir, what):
    check(weir.stop() == 0, f"{what}: weir ends with status 0", weir.stderr()[-800:])
    check(weir.totals.is_identity, f"{what}: {weir.totals}", weir.totals.text[-800:])
    count = sum(b'"type":"loss"' not in line for line in weir.raw_lines())
    check(weir.totals.logged == count, f"{what}: all {count} records are in the totals",
          str(weir.totals))


def check_bulk(pair, hook, address):
    """Super-packets are counted as the segments that TCP says it has sent."""
    size = 30_000_000
    with packets(pair, "--packet-hook", hook) as weir:
        sink = pair.start(pair.far, SINK, address, 7001)
        port, sent, received = map(int, pair.run(pair.near, SOURCE, address, 7001, size).split())
        sink.wait(30)
        time.sleep(0.3)
    check_end(weir, f"bulk, {hook}")
    found = flows_of(weir, 7001)
    if not check(len(found) == 1, f"bulk, {hook}: one flow", str(found)[:600]):
        return
    flow = found[0]
    check(flow["client.port"] == port, f"bulk, {hook}: the port")
    check(flow["client.payload_bytes"] == size, f"bulk, {hook}: each byte once",
          f"{flow['client.payload_bytes']}")
    check(abs(flow["client.packets"] - sent) <= 2, f"bulk, {hook}: segments as TCP has counted",
          f"{flow['client.packets']}, TCP {sent}")
    check(abs(flow["server.packets"] - received) <= 2, f"bulk, {hook}: and those that came back",
          f"{flow['server.packets']}, TCP {received}")
    check(flow["connection.state"] == "SF" and flow["connection.history"].startswith("ShA"),
          f"bulk, {hook}: state and history",
          f"{flow['connection.state']} {flow['connection.history']}")
    headers = flow["client.ip_bytes"] - flow["client.payload_bytes"] - flow.get(
        "client.tcp.retransmitted_bytes", 0)
    check(40 * flow["client.packets"] <= headers <= 100 * flow["client.packets"],
          f"bulk, {hook}: headers of each segment", f"{headers} of {flow['client.packets']}")


# An Ethernet frame with these VLAN tags around an IPv4 datagram from 10.99.0.1 to 10.99.7.2.
TAGGED = """
import socket, struct, sys
tags = [tuple(map(int, one.split(":"))) for one in sys.argv[2:]]
datagram = struct.pack("!HHHH", 4000, 7002, 8 + 100, 0) + bytes(100)
network = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(datagram), 1, 0, 64, 17, 0,
                      socket.inet_aton("10.99.0.1"), socket.inet_aton(sys.argv[1]))
frame = b"\\xff" * 6 + b"\\x02\\0\\0\\0\\0\\1"
for kind, number in tags:
    frame += struct.pack("!HH", kind, number)
one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
one.sendto(frame + b"\\x08\\0" + network + datagram, ("wnear", 0x0800))
"""


def check_vlans(pair):
    """In the frame where it is sent, and stripped off it where it comes in."""
    for place, link in ((pair.near, "wnear"), (pair.far, "wfar")):
        with harness.Weir(f"--packets={link}", "--netns", place, "--rung", "none",
                          "--packet-records") as weir:
            pair.run(pair.near, TAGGED, "10.99.7.2", f"{0x8100}:{7 | 3 << 13}")
            pair.run(pair.near, TAGGED, "10.99.9.2", f"{0x88a8}:5", f"{0x8100}:9")
            time.sleep(0.3)
        check_end(weir, f"VLAN, {link}")
        found = {one["server.address"]: one.get("network.vlan.ids")
                 for one in flows_of(weir, 7002)}
        check(found == {"10.99.7.2": [7], "10.99.9.2": [5, 9]},
              f"{link}: VLAN ids of one tag and of two", str(found))
        tagged = [one for one in weir.records("packet") if one.get("destination.port") == 7002]
        found = {tuple(one.get("network.vlan.ids", ())) for one in tagged}
        check(found == {(7,), (5, 9)}, f"{link}: packet records have them too",
              [found, str(tagged)[:400]])


def check_fragments(pair):
    with packets(pair) as weir:
        pair.run(pair.near, DATAGRAM, "10.99.0.2", 7003, 20000)
        pair.run(pair.near, DATAGRAM, "fd99::2", 7004, 20000)
        pair.run(pair.near, DATAGRAM, "fd99::2", 7005, 64, "options")
        time.sleep(0.3)
    check_end(weir, "fragments")
    for port, name in ((7003, "IPv4"), (7004, "IPv6")):
        found = flows_of(weir, port)
        right = (len(found) == 1 and found[0]["client.packets"] == 14
                 and found[0]["client.payload_bytes"] == 20000)
        check(right, f"fragments of {name} are one flow with its ports", str(found)[:600])
    found = flows_of(weir, 7005)
    check(len(found) == 1 and found[0]["client.payload_bytes"] == 64,
          "behind extension headers: ports and payload", str(found)[:600])


def check_tunnels(pair):
    kinds = (("gre", ("type", "gre")), ("vx", ("type", "vxlan", "id", 42, "dstport", 4789)))
    numbers = {"gre": 20, "vx": 21}
    for name, kind in kinds:
        for place, near, far, end in ((pair.near, "10.99.0.1", "10.99.0.2", 1),
                                      (pair.far, "10.99.0.2", "10.99.0.1", 2)):
            made = subprocess.run(["ip", "-n", place, "link", "add", f"wt{name}",
                                   *map(str, kind), "local", near, "remote", far],
                                  stderr=subprocess.PIPE, text=True)
            if made.returncode:
                note(f"no {name} here: {made.stderr.strip()}")
                continue
            ip("address", "add", f"10.99.{numbers[name]}.{end}/24", "dev", f"wt{name}",
               namespace=place)
            ip("link", "set", f"wt{name}", "up", namespace=place)
    with packets(pair, "--packet-records", interface="auto") as weir:
        for name in numbers:
            if f"wt{name}" in ip("link", namespace=pair.near):
                pair.run(pair.near, DATAGRAM, f"10.99.{numbers[name]}.2", 7006, 100)
        time.sleep(0.3)
    check_end(weir, "tunnels")
    flows = weir.records("connection")
    for name, outer in (("gre", "gre"), ("vx", "udp")):
        if f"wt{name}" not in ip("link", namespace=pair.near):
            continue
        inner = [one for one in flows if one.get("server.address") == f"10.99.{numbers[name]}.2"
                 and one.get("server.port") == 7006]
        check(len(inner) == 1 and inner[0]["interface.name"] == f"wt{name}",
              f"{name}: the inner flow at its interface", str(inner)[:500])
        check(any(one["network.transport"] == outer and one["server.address"] == "10.99.0.2"
                  and one["interface.name"] == "wnear" for one in flows),
              f"{name}: the outer flow below it")


def check_tunnel_http(pair):
    """In what a tunnel carries, where only its outside is looked at; and once where both are."""
    for number, (name, interface) in enumerate((name, interface) for name in ("gre", "vx")
                                               for interface in ("wnear", "auto")):
        address, port = f"10.99.{20 + number // 2}.2", 7020 + number
        if f"wt{name}" not in ip("link", namespace=pair.near):
            continue
        what = f"HTTP in {name} at {interface}"
        with packets(pair, interface=interface, is_debugged=True) as weir:
            server = pair.start(pair.far, SERVER, address, port)
            pair.run(pair.near, CLIENT, address, port, 5)
            server.kill()
            time.sleep(0.3)
        check_end(weir, what)
        found = weir.records()
        check([(one.get("url.path"), one.get("http.response.status_code")) for one in found]
              == [(f"/{turn}", 200) for turn in range(5)]
              and {one["server.address"] for one in found} == {address},
              f"{what}: each exchange once", str(found)[:600])
        check(b"c4n4ry" not in weir.ring_path.read_bytes()
              or "masking in the kernel" in weir.stderr(), f"{what}: masked in the kernel")
        inner = [one for one in flows_of(weir, port) if one["server.address"] == address]
        check(len(inner) == (interface == "auto"), f"{what}: flows at their interfaces",
              str(inner)[:400])


@contextlib.contextmanager
def talk_at_home():
    """Exchanges over the loopback of the own namespace, where hooks are only tried."""
    server = subprocess.Popen([sys.executable, "-u", "-c", SERVER, "127.0.0.1", "7023"],
                              stdout=subprocess.PIPE, text=True)
    server.stdout.readline()
    client = subprocess.Popen([sys.executable, "-c", CLIENT, "127.0.0.1", "7023", "10000000"])
    try:
        yield
    finally:
        for one in (client, server):
            one.kill()
            one.wait()


def check_http(pair, hook):
    with talk_at_home(), packets(pair, "--packet-hook", hook, is_debugged=True) as weir:
        server = pair.start(pair.far, SERVER, "10.99.0.2", 7007)
        pair.run(pair.near, CLIENT, "10.99.0.2", 7007, 5)
        server.kill()
        time.sleep(0.3)
    check_end(weir, f"HTTP, {hook}")
    found = weir.records()
    is_one_way = hook.startswith("xdp")
    source = "xdp" if is_one_way else "tc"
    check(len(found) == 5 and {one["source"] for one in found} == {source}
          and {one["role"] for one in found} == {"observer"},
          f"HTTP, {hook}: five exchanges from packets",
          [f"{len(found)} of source {[one['source'] for one in found]}", weir.stderr()[-300:]])
    if not is_one_way:
        check([one.get("url.path") for one in found] == [f"/{number}" for number in range(5)]
              and {one.get("http.response.status_code") for one in found} == {200},
              f"HTTP, {hook}: targets and statuses", str(found)[:500])
    check(b"c4n4ry" not in b"".join(weir.raw_lines()), f"HTTP, {hook}: secrets are masked")
    ring = weir.ring_path.read_bytes()
    is_refused = "masking in the kernel" in weir.stderr()
    check(b"Set-Cookie: s=******; Path=/" in ring and b"c4n4ry" not in ring or is_refused,
          f"HTTP, {hook}: in the kernel, before they reach the ring", weir.stderr()[-300:])


def check_key(pair):
    """With a key user space makes the digests, so the kernel leaves the values."""
    key = harness.temporary_directory() / "key"
    key.write_bytes(b"0123456789abcdef")
    key.chmod(0o600)
    with packets(pair, "--mask-key-file", key) as weir:
        server = pair.start(pair.far, SERVER, "10.99.0.2", 7015)
        pair.run(pair.near, CLIENT, "10.99.0.2", 7015, 1)
        server.kill()
        time.sleep(0.3)
    check_end(weir, "a key")
    digest = hmac.new(b"0123456789abcdef", b"c4n4ry", "sha256").hexdigest()[:16]
    headers = [value for one in weir.records() for value in one["http.request.headers"]]
    check(["Authorization", f"Bearer hmac:{digest}"] in headers, "digests of packets' secrets",
          str(headers)[:400])


def check_once(pair):
    """Sockets and packets both see it: the sockets' record is logged, once."""
    with harness.Weir("--packets=wnear", "--netns", pair.near, "--connections",
                      "--port", 7008) as weir:
        server = pair.start(pair.far, SERVER, "10.99.0.2", 7008)
        pair.run(pair.near, CLIENT, "10.99.0.2", 7008, 7)
        server.kill()
        time.sleep(0.5)
    check_end(weir, "once")
    found = [one for one in weir.records() if one["server.port"] == 7008]
    check(len(found) == 7 and {one["source"] for one in found} == {"socket"},
          "seven exchanges, told by the sockets", [one["source"] for one in found])
    told = re.search(r"(\d+) exchanges", weir.stderr())
    check(told and int(told[1]) >= 7, "the duplicates are counted", weir.stderr()[-400:])
    ends = [one for one in flows_of(weir, 7008)]
    check({one["source"] for one in ends} == {"socket"} and len(ends) == 2
          and {one["role"] for one in ends} == {"client", "server"},
          "a record of each socket, none of the flow", str(ends)[:600])


def check_drops(pair):
    with harness.Weir("--drops", "--rung", "none") as weir:
        pair.run(pair.near, DATAGRAM, "10.99.0.2", 7009, 100)
        time.sleep(0.3)
    check_end(weir, "drops")
    found = [one for one in weir.records("packet") if one.get("destination.port") == 7009]
    check(len(found) == 1 and found[0]["source"] == "drop", "a dropped packet", str(found)[:500])
    if found:
        check(found[0]["drop.reason"] == "NO_SOCKET", "the kernel's reason",
              found[0]["drop.reason"])
        check(found[0].get("packet.payload_length") == 100 and "udp" in found[0]["packet.layers"],
              "its headers", str(found[0])[:500])


def check_coming(pair):
    with packets(pair, "--packet-records", interface="wlate*") as weir:
        for turn in range(2):
            ip("link", "add", "wlate0", "type", "veth", "peer", "name", "wother0",
               namespace=pair.near)
            ip("address", "add", f"10.99.{50 + turn}.1/24", "dev", "wlate0", namespace=pair.near)
            for link in ("wlate0", "wother0"):
                ip("link", "set", link, "up", namespace=pair.near)
            time.sleep(0.4)
            pair.run(pair.near, "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)"
                     ".sendto(bytes(12) + b'\\x08\\x06' + bytes(46), ('wlate0', 0x0806))")
            time.sleep(0.2)
            ip("link", "del", "wlate0", namespace=pair.near)
            time.sleep(0.2)
    check_end(weir, "coming and going")
    found = [one for one in weir.records("packet") if "arp" in one["packet.layers"]]
    check(len(found) >= 2 and {one["interface.name"] for one in found} == {"wlate0"},
          "an interface that comes, goes and comes again", str(found)[:500])


def check_container(pair):
    """The host's end of a container's interface, in a bridge: found as it comes, told once."""
    name, sent = f"wc{os.getpid()}", []

    def is_seen():
        sent.append(pair.run(name, DATAGRAM, "10.99.60.1", 7016, 100))
        return any(one.get("destination.port") == 7016 for one in weir.records("packet"))

    with packets(pair, "--packet-records", interface="auto") as weir:
        ip("netns", "add", name)
        ip("link", "add", "wbridge0", "type", "bridge", namespace=pair.near)
        ip("link", "add", "wcont0", "type", "veth", "peer", "name", "eth0", "netns", name,
           namespace=pair.near)
        ip("link", "set", "wcont0", "master", "wbridge0", namespace=pair.near)
        for place, link, number in ((pair.near, "wbridge0", 1), (name, "eth0", 2)):
            ip("address", "add", f"10.99.60.{number}/24", "dev", link, namespace=place)
        for place, link in ((pair.near, "wbridge0"), (pair.near, "wcont0"), (name, "eth0")):
            ip("link", "set", link, "up", namespace=place)
        traffic.wait_until(is_seen)
        ip("netns", "del", name)
        ip("link", "del", "wbridge0", namespace=pair.near)
    check_end(weir, "container")
    found = [one for one in weir.records("packet") if one.get("destination.port") == 7016]
    check(found and {one["interface.name"] for one in found} == {"wcont0"}
          and len(found) <= len(sent), "a container's interface that comes, once",
          str(found)[:500])


def check_namespaces():
    """A namespace that is made while weir runs, and its loopback interface."""
    name = f"wall{os.getpid()}"
    with harness.Weir("--packets=lo", "--netns", "all", "--rung", "none") as weir:
        ip("netns", "add", name)
        ip("link", "set", "lo", "up", namespace=name)
        time.sleep(1.6)
        subprocess.run(["ip", "netns", "exec", name, "python3", "-c", DATAGRAM, "127.0.0.1",
                        "7010", "100"], check=True, stdout=subprocess.DEVNULL)
        time.sleep(0.3)
        ip("netns", "del", name)
        time.sleep(1.5)
    check_end(weir, "namespaces")
    found = flows_of(weir, 7010)
    check(len(found) == 1 and found[0]["client.packets"] == 1,
          "loopback of a new namespace, counted once", str(found)[:500])


def check_filter(pair):
    with packets(pair, "--port", "7011") as weir:
        for port in (7011, 7012):
            pair.run(pair.near, DATAGRAM, "10.99.0.2", port, 10)
        time.sleep(0.3)
    check_end(weir, "filter")
    found = {one.get("server.port") for one in weir.records("connection")}
    check(found == {7011}, "only the wanted port", str(found))
    refused = int(weir.stderr().split("of them ")[1].split()[0])
    check(refused >= 1, "the others are refused in the kernel", weir.stderr()[-300:])


def check_clsact(pair):
    before = subprocess.run(["tc", "-n", pair.near, "qdisc", "show", "dev", "wnear"],
                            stdout=subprocess.PIPE, text=True).stdout
    check_bulk(pair, "clsact", "10.99.0.2")
    after = subprocess.run(["tc", "-n", pair.near, "qdisc", "show", "dev", "wnear"],
                           stdout=subprocess.PIPE, text=True).stdout
    check(before == after, "clsact: no qdisc is left behind", after)


def filters_at(pair):
    return subprocess.run(["tc", "-n", pair.near, "filter", "show", "dev", "wnear", "ingress"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout


def doctor_says(pair):
    said = subprocess.run(["ip", "netns", "exec", pair.near, harness.WEIR, "doctor", "-o", "json"],
                          stdout=subprocess.PIPE, text=True).stdout
    return next(one for one in json.loads(said)["items"] if one["name"] == "packets leftovers")


def check_killed(pair):
    """The classifiers of a weir that was killed are named by doctor, and gone with the next one."""
    killed = packets(pair, "--packet-hook", "clsact")
    alive = packets(pair, "--packet-hook", "clsact")
    killed.process.kill()
    killed.process.wait()
    check(filters_at(pair).count("weir_tc_in:") == 2, "SIGKILL leaves a classifier",
          filters_at(pair))
    item = doctor_says(pair)
    check(not item["is_available"] and "wnear" in item["detail"], "doctor names the interface",
          str(item))
    with packets(pair) as weir:
        check(filters_at(pair).count("weir_tc_in:") == 1,
              "the next one takes it away, and leaves that of one which lives", filters_at(pair))
        check(weir.stop() == 0, "killed: the next one ends with status 0", weir.stderr()[-500:])
    check(alive.stop() == 0 and "weir_tc_in" not in filters_at(pair), "nothing is left",
          filters_at(pair))
    check(doctor_says(pair)["is_available"], "doctor has nothing to say of it")


def check_capabilities(pair):
    """CAP_NET_RAW and CAP_BPF only: the filter of a packet socket."""
    folder = harness.temporary_directory()
    folder.chmod(0o777)
    granted = "-all,+bpf,+net_raw"
    command = ["ip", "netns", "exec", pair.near, "setpriv", "--reuid", "65534", "--regid", "65534",
               "--clear-groups", "--bounding-set", granted, "--inh-caps", granted,
               "--ambient-caps", granted, harness.WEIR, "run", "--packets=wnear", "--rung", "none",
               "-o", "json", "-w", f"{folder}/out", "--ready-file", f"{folder}/ready"]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 30
    while not os.path.exists(f"{folder}/ready") and child.poll() is None \
            and time.monotonic() < end:
        time.sleep(0.02)
    if child.poll() is None:
        pair.run(pair.near, DATAGRAM, "10.99.0.2", 7013, 100)
        time.sleep(0.3)
        child.terminate()
    _, said = child.communicate(timeout=60)
    check(child.returncode == 0 and "hook socket" in said,
          "with CAP_NET_RAW and CAP_BPF only: a packet socket", said[-800:])
    lines = open(f"{folder}/out").read().splitlines() if os.path.exists(f"{folder}/out") else []
    found = [one for one in map(json.loads, lines) if one.get("server.port") == 7013]
    check(len(found) == 1 and found[0]["client.payload_bytes"] == 100,
          "and the flow is told", str(found)[:500])


def main():
    harness.require_weir()
    if not namespaces.is_possible() or not shutil.which("tc"):
        skip("needs ip and tc (iproute2), and the right to make network namespaces")
    with namespaces.Pair() as pair:
        for hook in ("auto", "socket"):
            check_bulk(pair, hook, "10.99.0.2")
        check_bulk(pair, "auto", "fd99::2")
        check_clsact(pair)
        check_killed(pair)
        for hook in ("auto", "xdp-generic", "xdp-native"):
            check_http(pair, hook)
        check_key(pair)
        check_once(pair)
        check_vlans(pair)
        check_fragments(pair)
        check_tunnels(pair)
        check_tunnel_http(pair)
        check_drops(pair)
        check_coming(pair)
        check_container(pair)
        check_filter(pair)
        check_capabilities(pair)
    check_namespaces()


harness.run_main(main)
