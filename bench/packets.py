#!/usr/bin/python3
"""
What looking at packets costs: nanoseconds a packet inside the programs (BPF_PROG_TEST_RUN) beside
xdp-filter of xdp-tools on the same packets, and what is left of a bulk transfer and of small
datagrams between two namespaces. Needs root, bpftool, iproute2; xdp-filter when it is installed.

    python3 bench/packets.py [--turns N] [--store | --render]

--store writes bench/results/packets.json and .md, and docs/packets.md's tables; --render these
only, of what is stored.
"""

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../tests/lib"))

import machine  # noqa: E402  (found through the line above, or beside this file)
import namespaces  # noqa: E402
import stored  # noqa: E402

WEIR = os.environ.get("WEIR", os.path.join(HERE, "../build/weir"))
REPEAT = 1_000_000
BULK_SECONDS = 2

SINK = """
import socket, sys
listener = socket.create_server(("10.99.0.2", 7100)); print("ready")
while True:
    peer, _ = listener.accept()
    while peer.recv(1 << 20): pass
"""
BULK = """
import socket, sys, time
to = socket.create_connection(("10.99.0.2", 7100))
block, end, sent = bytes(1 << 18), time.monotonic() + float(sys.argv[1]), 0
start = time.monotonic()
while time.monotonic() < end:
    sent += to.send(block)
print(sent / (time.monotonic() - start) / 1e6)
"""
SMALL = """
import socket, sys, time
to = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
to.connect(("10.99.0.2", 7101))
end, count, block, start = time.monotonic() + float(sys.argv[1]), 0, bytes(18), time.monotonic()
while time.monotonic() < end:
    for _ in range(64):
        to.send(block)
    count += 64
print(count / (time.monotonic() - start) / 1e3)
"""
DRAIN = """
import socket
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); one.bind(("10.99.0.2", 7101))
print("ready")
while True: one.recv(100)
"""


def ethernet(kind, payload):
    return b"\x02\0\0\0\0\1\x02\0\0\0\0\2" + struct.pack("!H", kind) + payload


def ipv4(protocol, payload):
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 7, 0x4000, 64, protocol, 0) \
        + b"\x0a\0\0\1\x0a\0\0\2" + payload


def ipv6(following, payload):
    return struct.pack("!IHBB", 0x60000000, len(payload), following, 64) \
        + b"\xfd" + bytes(14) + b"\1\xfd" + bytes(14) + b"\2" + payload


def tcp(flags, payload=b""):
    return struct.pack("!HHIIHHHH", 4000, 7000, 1, 1, 0x5000 | flags, 1000, 0, 0) + payload


def udp(payload):
    return struct.pack("!HHHH", 4000, 7000, 8 + len(payload), 0) + payload


PACKETS = {
    "UDP, 64 bytes": ethernet(0x0800, ipv4(17, udp(bytes(22)))),
    "TCP, 1514 bytes": ethernet(0x0800, ipv4(6, tcp(16, bytes(1460)))),
    "VLAN x 2, IPv6, TCP": ethernet(0x88a8, struct.pack("!HHHH", 5, 0x8100, 9, 0x86dd)
                                    + ipv6(6, tcp(16, bytes(100)))),
}


def programs():
    done = subprocess.run(["bpftool", "prog", "show", "-j"], stdout=subprocess.PIPE, check=True)
    return {one["id"]: one.get("name", "") for one in json.loads(done.stdout)}


def measure(program, packet, folder):
    """Nanoseconds for one run: the best of five."""
    path, best = os.path.join(folder, "packet"), None
    with open(path, "wb") as file:
        file.write(packet)
    for _ in range(5):
        done = subprocess.run(["bpftool", "prog", "run", "id", str(program), "data_in", path,
                               "repeat", str(REPEAT)], stdout=subprocess.PIPE, text=True,
                              check=True)
        found = int(re.search(r"(\d+)\s*ns", done.stdout)[1])
        best = found if best is None else min(best, found)
    return best


class Weir:
    """`weir run` over the near namespace, with those arguments."""

    def __init__(self, pair, *arguments):
        self.folder = tempfile.TemporaryDirectory(prefix="weir-bench-")
        ready = os.path.join(self.folder.name, "ready")
        self.child = subprocess.Popen(
            [WEIR, "run", "--netns", pair.near, "--rung", "none", "-o", "json", "-w", "/dev/null",
             "--ready-file", ready, *arguments], stderr=subprocess.PIPE, text=True)
        while not os.path.exists(ready):
            if self.child.poll() is not None:
                raise RuntimeError(self.child.stderr.read())
            time.sleep(0.02)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.send_signal(signal.SIGTERM)
        self.said = self.child.communicate(timeout=60)[1]
        self.folder.cleanup()


def in_program(pair, folder):
    """{program: {packet: ns}}"""
    found = {}
    for name, hook in (("weir_tc_in", "auto"), ("weir_xdp", "xdp-generic")):
        before = set(programs())
        with Weir(pair, "--packets=wnear", "--packet-hook", hook):
            program = [number for number, known in programs().items()
                       if number not in before and known == name][0]
            found[name] = {kind: measure(program, packet, folder)
                           for kind, packet in PACKETS.items()}
    return found | xdp_filter(pair, folder)


# One shell keeps the BPF file system, where xdp-filter remembers itself, for both of its calls.
XDP_FILTER = """
mount -t bpf bpf /sys/fs/bpf && xdp-filter load -m skb wnear && xdp-filter port 9
echo ready
read -r _
xdp-filter unload wnear
"""


def xdp_filter(pair, folder):
    """The same packets through xdp-filter, with one port that it would drop."""
    if not shutil.which("xdp-filter"):
        return {}
    before = set(programs())
    shell = subprocess.Popen(["ip", "netns", "exec", pair.near, "sh", "-c", XDP_FILTER],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True)
    said = []
    while (line := shell.stdout.readline()) not in ("ready\n", ""):
        said.append(line)
    new = {name: number for number, name in programs().items() if number not in before}
    # What the kernel runs: the dispatcher of libxdp where there is one, else the filter itself.
    filters = [number for name, number in new.items() if name.startswith("xdpfilt")]
    chosen = new.get("xdp_dispatcher") or (filters and filters[0])
    found = {}
    try:
        if chosen:
            found = {kind: measure(chosen, packet, folder) for kind, packet in PACKETS.items()}
        else:
            print(f"xdp-filter: {''.join(said)[-300:]}", file=sys.stderr)
    finally:
        shell.communicate("\n", timeout=20)
    return {"xdp-filter": found} if found else {}


TITLES = {"weir_tc_in": "weir at TC", "weir_xdp": "weir at XDP",
          "xdp-filter": "xdp-filter, which counts and decides by one key"}
MANNERS = {
    "nothing": None,
    "flows (--packets, TCX)": ("--packets=wnear",),
    "flows, XDP native": ("--packets=wnear", "--packet-hook", "xdp-native"),
    "flows, packet socket": ("--packets=wnear", "--packet-hook", "socket"),
    "every packet (--packet-records)": ("--packets=wnear", "--packet-records"),
}


def transfers(pair, turns):
    """{manner: {"bulk": [MB/s], "small": [1000 datagrams/s]}}, the manners taking turns."""
    found = {name: {"bulk": [], "small": []} for name in MANNERS}
    helpers = [pair.start(pair.far, SINK), pair.start(pair.far, DRAIN)]
    for _ in range(turns):
        for name, arguments in MANNERS.items():
            weir = Weir(pair, *arguments) if arguments else None
            for kind, code in (("bulk", BULK), ("small", SMALL)):
                found[name][kind].append(float(pair.run(pair.near, code, BULK_SECONDS)))
            if weir:
                weir.__exit__()
    for helper in helpers:
        helper.kill()
    return found


def inside_table(results):
    lines = [f"{stored.machine_text(results['machine'])}; the programs by `BPF_PROG_TEST_RUN`, the "
             "best of five runs of a million packets:\n",
             "| ns a packet | " + " | ".join(PACKETS) + " |",
             "|---|" + "---:|" * len(PACKETS)]
    for name, times in results["inside"].items():
        cells = [str(times.get(kind, "–")) for kind in PACKETS]
        lines.append(f"| {TITLES[name]} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def transfer_table(results):
    lines = [f"Median of {results['turns']} turns:\n",
             "| | bulk TCP, MB/s | left | datagrams of 18 bytes, thousands/s | left |",
             "|---|---:|---:|---:|---:|"]
    medians = {name: {kind: statistics.median(values) for kind, values in kinds.items()}
               for name, kinds in results["transfers"].items()}
    for name, kinds in medians.items():
        cells = [f"{value:,.0f} | {value / medians['nothing'][kind]:.2f}"
                 for kind, value in kinds.items()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def render(results):
    tables = {"inside": inside_table(results)}
    if "transfers" in results:
        tables["transfers"] = transfer_table(results)
    stored.write("packets", results, "\n".join(tables.values()))
    for name, text in tables.items():
        stored.put_between("docs/packets.md", name, text)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--turns", type=int, default=5, help="of the transfers; 0: none")
    parser.add_argument("--store", action="store_true")
    parser.add_argument("--render", action="store_true")
    options = parser.parse_args()
    if options.render:
        render(stored.read("packets"))
        return
    machine.refuse_counting()
    if not namespaces.is_possible() or not shutil.which("bpftool"):
        sys.exit("needs root, bpftool and iproute2")
    with namespaces.Pair() as pair, tempfile.TemporaryDirectory() as folder:
        results = {"machine": machine.describe(), "turns": options.turns,
                   "inside": in_program(pair, folder)}
        if options.turns:
            results["transfers"] = transfers(pair, options.turns)
    print(inside_table(results))
    if options.turns:
        print(transfer_table(results), end="")
    if options.store:
        render(results)


main()
