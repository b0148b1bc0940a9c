#!/usr/bin/python3
"""TIMEOUT: 900
Packet records say what tshark says, field by field, over captures of other projects.

Needs tshark, and the captures in ../shared/corpora/captures (or the folder that WEIR_CAPTURES
names); without them the test is skipped. By default a part of the captures is read: all that have
tunnels, fragments or rare link layers in their name, and each fortieth of the others. `--all` reads
all, names of files only those; `-v` prints each difference.

tshark gives a list for each field, one entry for each header of that protocol, outermost first. The
record has the innermost one; so its value is the entry at the number of such headers in it.
"""

import argparse
import collections
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WEIR = os.environ.get("WEIR", str(ROOT / "build" / "weir"))
CAPTURES = Path(os.environ.get("WEIR_CAPTURES", ROOT.parent / "shared" / "corpora" / "captures"))
EACH = 40
ODD = ("tunnel", "gre", "vxlan", "geneve", "gtp", "teredo", "erspan", "6in4", "4in6", "ipip",
       "frag", "vlan", "q-in-q", "mpls", "pppoe", "sll", "nflog", "radiotap", "wlan", "ppi",
       "snap", "hdlc", "icmp", "sctp", "arp", "ppp", "llc")

# tshark's field, ours, the layer that it belongs to, and how tshark writes it.
SCALARS = [
    ("ip.hdr_len", "ip.header_length", "ipv4", int), ("ip.dsfield.dscp", "ip.dscp", "ipv4", int),
    ("ip.dsfield.ecn", "ip.ecn", "ipv4", int), ("ip.id", "ip.id", "ipv4", "hex"),
    ("ip.frag_offset", "ip.fragment_offset", "ipv4", int), ("ip.ttl", "ip.ttl", "ipv4", int),
    ("ip.checksum", "ip.checksum", "ipv4", "hex"), ("ip.src", "source.address", "ipv4", str),
    ("ip.checksum.status", "ip.checksum_status", "ipv4", "status"),
    ("ip.dst", "destination.address", "ipv4", str), ("ip.len", "ip.total_length", "ipv4", int),
    ("ipv6.hlim", "ip.ttl", "ipv6", int), ("ipv6.plen", "ip.payload_length", "ipv6", int),
    ("ipv6.flow", "ip.flow_label", "ipv6", "hex"), ("ipv6.nxt", "ip.next_header", "ipv6", int),
    ("ipv6.src", "source.address", "ipv6", str), ("ipv6.dst", "destination.address", "ipv6", str),
    ("tcp.srcport", "source.port", "tcp", int), ("tcp.dstport", "destination.port", "tcp", int),
    ("tcp.seq_raw", "tcp.sequence", "tcp", int), ("tcp.ack_raw", "tcp.acknowledgment", "tcp", int),
    ("tcp.hdr_len", "tcp.header_length", "tcp", int), ("tcp.flags", "tcp.flags", "tcp", "flags"),
    ("tcp.window_size_value", "tcp.window", "tcp", int),
    ("tcp.checksum", "tcp.checksum", "tcp", "hex"),
    ("tcp.checksum.status", "tcp.checksum_status", "tcp", "status"),
    ("tcp.urgent_pointer", "tcp.urgent_pointer", "tcp", int),
    ("tcp.len", "packet.payload_length", "tcp", int), ("udp.srcport", "source.port", "udp", int),
    ("udp.dstport", "destination.port", "udp", int), ("udp.length", "udp.length", "udp", int),
    ("udp.checksum", "udp.checksum", "udp", "hex"),
    ("udp.checksum.status", "udp.checksum_status", "udp", "status"),
    ("icmp.type", "icmp.type", "icmp", int), ("icmp.code", "icmp.code", "icmp", int),
    ("icmp.ident", "icmp.id", "icmp", int), ("icmp.seq", "icmp.sequence", "icmp", int),
    ("icmp.mtu", "icmp.mtu", "icmp", int),
    ("icmpv6.type", "icmp.type", "icmpv6", int), ("icmpv6.code", "icmp.code", "icmpv6", int),
    ("icmpv6.nd.ns.target_address", "icmp.target", "icmpv6", str),
    ("sctp.srcport", "source.port", "sctp", int), ("sctp.dstport", "destination.port", "sctp", int),
    ("sctp.verification_tag", "sctp.verification_tag", "sctp", "hex"),
    ("arp.opcode", "arp.operation", "arp", int), ("arp.src.hw_mac", "arp.sender.mac", "arp", str),
    ("arp.src.proto_ipv4", "arp.sender.address", "arp", str),
    ("arp.dst.proto_ipv4", "arp.target.address", "arp", str),
    ("pppoe.session_id", "pppoe.session_id", "pppoe", "hex"),
]
# tshark's field, our list, the member, the objects that have it, how tshark writes it.
LISTS = [
    ("vlan.id", "vlan.tags", "id", {}, int), ("vlan.priority", "vlan.tags", "priority", {}, int),
    ("vlan.dei", "vlan.tags", "dei", {}, int),
    ("mpls.label", "mpls.labels", "label", {}, int), ("mpls.ttl", "mpls.labels", "ttl", {}, int),
    ("mpls.exp", "mpls.labels", "traffic_class", {}, int),
    ("tcp.option_kind", "tcp.options", "kind", {}, int),
    ("tcp.options.mss_val", "tcp.options", "value", {"kind": 2}, int),
    ("tcp.options.wscale.shift", "tcp.options", "shift", {"kind": 3}, int),
    ("tcp.options.timestamp.tsval", "tcp.options", "value", {"kind": 8}, int),
    ("tcp.options.timestamp.tsecr", "tcp.options", "echo", {"kind": 8}, int),
    ("vxlan.vni", "tunnels", "id", {"kind": "vxlan"}, int),
    ("geneve.vni", "tunnels", "id", {"kind": "geneve"}, "hex"),
    ("gre.key", "tunnels", "id", {"kind": "gre"}, "hex"),
    ("ip.opt.type", "ip.options", "type", {}, int),
]
TRANSPORTS = ("tcp", "udp", "icmp", "icmpv6", "sctp")
FLAGS = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ae"]
PREFERENCES = ["ip.check_checksum:TRUE", "tcp.check_checksum:TRUE", "udp.check_checksum:TRUE",
               "tcp.relative_sequence_numbers:FALSE"]


def skip(why):
    print(f"SKIP: {why}")
    sys.exit(77)


def read_value(text, kind):
    """tshark's text as we write the value; None: tshark does not know either."""
    if kind == "hex":
        return int(text, 16)
    if kind == "flags":
        bits = int(text, 16)
        return [name for i, name in enumerate(FLAGS) if bits >> i & 1]
    if kind == "status":
        return {"0": "bad", "1": "good"}.get(text)
    return kind(text)


def tshark_rows(path):
    names = [name for name, *_ in SCALARS] + [name for name, *_ in LISTS]
    command = ["tshark", "-n", "-r", str(path), "-T", "fields", "-E", "occurrence=a",
               "-E", "aggregator=|", "-E", "separator=/t", "-e", "frame.number"]
    for name in names:
        command += ["-e", name]
    for preference in PREFERENCES:
        command += ["-o", preference]
    out = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    for line in out.stdout.splitlines():
        cells = line.split("\t")
        yield int(cells[0]), {name: cell.split("|") if cell else []
                              for name, cell in zip(names, cells[1:])}


def our_rows(path):
    command = [WEIR, "read", str(path), "--packets", "--type", "packet", "-q", "-o", "json"]
    out = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if out.returncode < 0 or out.returncode > 1:
        raise RuntimeError(f"{path.name}: exit status {out.returncode}: {out.stderr[-300:]}")
    for line in out.stdout.splitlines():
        record = json.loads(line)
        yield record["packet.number"], record


def is_known_difference(name, ours, record):
    """Where the two mean different things by the same name."""
    layers = record.get("packet.layers", [])
    if name in ("ip.src", "ip.dst", "ipv6.dst", "ipv6.src") and "routing" in layers + \
            [one.get("name") for one in record.get("ip.extensions", [])]:
        return True  # ours are the ends of the transport, tshark's depend on its version
    if name.endswith("checksum.status"):
        # "partial", "none" and what cannot be verified are no verdicts of tshark's
        return ours in (None, "partial", "none") or "captured" in record
    if name == "ip.len" and ours == 0:
        return True  # segmentation offload: ours is the field, tshark's what it means
    return name == "tcp.urgent_pointer" and ours is None


def compare_scalars(theirs, record, difference):
    layers = record.get("packet.layers", [])
    for name, field, layer, kind in SCALARS:
        count = layers.count(layer)
        if not count or len(theirs[name]) < count:
            continue
        # The last header of that kind is not the packet's when another one is further in.
        if layer in ("ipv4", "ipv6") and record.get("network.type") != layer:
            continue
        if layer in TRANSPORTS and [one for one in layers if one in TRANSPORTS][-1] != layer:
            continue
        expected = read_value(theirs[name][count - 1], kind)
        ours = record.get(field, [] if kind == "flags" else None)
        if ours is None and name == "ip.frag_offset":
            ours = 0
        if name == "ip.frag_offset" and expected * 8 == ours:
            expected = ours  # some versions of tshark count units of eight bytes
        if expected is None or is_known_difference(name, ours, record):
            continue
        yield name
        if expected != ours:
            difference(name, expected, ours)


def compare_lists(theirs, record, difference):
    for name, field, member, having, kind in LISTS:
        ours = [one[member] for one in record.get(field, [])
                if member in one and all(one.get(k) == v for k, v in having.items())]
        expected = [read_value(text, kind) for text in theirs[name]]
        if field == "vlan.tags":
            ours = [one[member] for one in record.get(field, []) if not one.get("stripped")]
        if name in ("tcp.option_kind", "ip.opt.type") and 0 in expected:
            expected = expected[:expected.index(0) + 1]  # behind the end of the list
        quoted = field == "tcp.options" and "tcp" not in record.get("packet.layers", [])
        if quoted or not ours and not expected:
            continue
        yield name
        if expected != ours:
            difference(name, expected, ours)


def unpack(directory):
    for archive in sorted(CAPTURES.glob("*.tar.xz")):
        with tarfile.open(archive) as tar:
            tar.extractall(directory, filter="data") if hasattr(tarfile, "data_filter") else \
                tar.extractall(directory)
    return sorted(path for path in Path(directory).rglob("*")
                  if path.suffix in (".pcap", ".pcapng", ".cap", ".trace"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="*")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("-v", "--verbose", action="store_true")
    options = parser.parse_args()
    if not shutil.which("tshark"):
        skip("tshark is not here")
    if not options.files and not CAPTURES.is_dir():
        skip(f"no captures at {CAPTURES}")
    compared, different = collections.Counter(), collections.Counter()
    examples = {}
    with tempfile.TemporaryDirectory() as directory:
        files = [Path(name) for name in options.files] or unpack(directory)
        if not options.files and not options.all:
            files = [path for i, path in enumerate(files)
                     if i % EACH == 0 or any(word in path.name.lower() for word in ODD)]
        packets = 0
        for path in files:
            ours = dict(our_rows(path))
            for number, theirs in tshark_rows(path):
                if number not in ours:
                    different["packets"] += 1
                    continue
                packets += 1

                def difference(name, expected, got, number=number, path=path):
                    different[name] += 1
                    examples.setdefault(name, f"{path.name}:{number} tshark {expected} weir {got}")
                    if options.verbose:
                        print(f"{path.name}:{number} {name}: tshark {expected} weir {got}")

                compared.update(compare_scalars(theirs, ours[number], difference))
                compared.update(compare_lists(theirs, ours[number], difference))
    for name in sorted(different):
        print(f"{name}: {different[name]} of {compared[name]} differ, such as {examples.get(name)}")
    total, wrong = sum(compared.values()), sum(different.values())
    print(f"{len(files)} captures, {packets} packets, {total} values, {wrong} different")
    sys.exit(1 if wrong or not total else 0)


main()
