#!/usr/bin/python3
"""weir read gives the same of one conversation, whatever it was captured in: each link type, both
byte orders, both resolutions of time, pcap and pcapng, compressed, through a pipe; and of cut and
damaged files what can be read, a message and status 1."""

import concurrent.futures
import gzip
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
WEIR = os.environ.get("WEIR", str(ROOT / "build" / "weir"))
sys.path.insert(0, str(ROOT / "tests" / "lib"))
import packets  # noqa: E402

ETHERNET, RAW, NFLOG = 1, 101, 239
ORDERS = {"little endian": "<", "big endian": ">"}
SNAP = bytes.fromhex("aaaa03000000")  # LLC and SNAP in front of an EtherType
DATA_FRAME = bytes.fromhex("08010000") + b"\2\0\0\0\0\1" * 3 + b"\0\0"  # 802.11, to the station


def nflog(order):
    """Attributes in the byte order of the capturing host: a mark, then the packet."""
    return lambda packet: (b"\2\0\0\0" + struct.pack(order + "HHI", 8, 3, 7)
                           + struct.pack(order + "HH", 4 + len(packet), 9) + packet
                           + bytes(-len(packet) % 4))


# name: link type, what stands around an IPv4 packet
LINKS = {
    "Ethernet": (ETHERNET, packets.ethernet),
    "VLAN tags": (ETHERNET, lambda packet: packets.ethernet(packet, vlans=(5, 9))),
    "802.3 with SNAP": (ETHERNET, lambda packet: b"\2\0\0\0\0\1" * 2
                        + struct.pack(">H", 8 + len(packet)) + SNAP + b"\x08\0" + packet),
    "NULL, little endian": (0, lambda packet: b"\2\0\0\0" + packet),
    "NULL, big endian": (0, lambda packet: b"\0\0\0\2" + packet),
    "LOOP": (108, lambda packet: b"\0\0\0\2" + packet),
    "RAW": (RAW, bytes),
    "RAW of BSD": (12, bytes),
    "RAW of OpenBSD": (14, bytes),
    "IPV4": (228, bytes),
    "LINUX_SLL": (113, lambda packet: bytes.fromhex("0000000100060200000000010000" "0800")
                  + packet),
    "LINUX_SLL2": (276, lambda packet: bytes.fromhex("08000000" "00000003" "0001" "00" "06"
                                                     "0200000000010000") + packet),
    "802.11": (105, lambda packet: DATA_FRAME + SNAP + b"\x08\0" + packet),
    "802.11 with radiotap": (127, lambda packet: bytes.fromhex("0000090002000000" "00") + DATA_FRAME
                             + SNAP + b"\x08\0" + packet),
    "PPP": (9, lambda packet: b"\xff\3\0\x21" + packet),
    "PPP, compressed header": (9, lambda packet: b"\x21" + packet),
    "PPP in HDLC framing": (50, lambda packet: b"\xff\3\0\x21" + packet),
    "PPPoE": (51, lambda packet: b"\x11\0\0\7" + struct.pack(">H", 2 + len(packet)) + b"\0\x21"
              + packet),
    "C_HDLC": (104, lambda packet: b"\x0f\0\x08\0" + packet),
    "NFLOG of a small host": (NFLOG, nflog("<")),
    "NFLOG of a big host": (NFLOG, nflog(">")),
}


def talk():
    link = packets.Connection()
    return (link.open() + link.say(0, b"GET /links HTTP/1.1\r\nHost: a.example\r\n\r\n")
            + link.say(1, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello") + link.close())


def pcapng(frames, link_type, order):
    return (packets.section(order) + packets.interface(link_type, b"eth0", order)
            + b"".join(packets.enhanced(0, packets.START_NS + 1000 * number, frame, order)
                       for number, frame in enumerate(frames)))


def containers(name, link_type, frames):
    """{what: the file}"""
    for order_name, order in ORDERS.items():
        for is_exact in (False, True):
            yield (f"{name}, pcap {order_name}, {'nanoseconds' if is_exact else 'microseconds'}",
                   packets.pcap(frames, link_type, order, is_exact))
        yield f"{name}, pcapng {order_name}", pcapng(frames, link_type, order)


def read(data, *arguments):
    """Records, status, what is said."""
    done = subprocess.run([WEIR, "read", "-o", "json", *arguments, "-"], input=data,
                          capture_output=True, timeout=60, check=False)
    return ([json.loads(line) for line in done.stdout.splitlines()], done.returncode,
            done.stderr.decode())


def essence(records):
    """Without ids, the link's own bytes, and tags."""
    dropped = ("id", "connection.id", "client.bytes", "server.bytes", "network.vlan.ids")
    return [{key: value for key, value in one.items() if key not in dropped} for one in records]


def check_all_alike():
    """What differs from the first."""
    files = [one for name, (link_type, around) in LINKS.items()
             for one in containers(name, link_type, [around(packet) for packet in talk()])]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda one: read(one[1]), files))
    first = essence(answers[0][0])
    if [one["type"] for one in first] != ["http", "connection"]:
        yield f"the conversation is {first}"
    for (name, _), (records, status, said) in zip(files, answers):
        if status != 0 or essence(records) != first:
            yield f"{name}: status {status}, {records}, {said}"


def compressed(program, data):
    return subprocess.run([program, "-c"], input=data, capture_output=True, check=True).stdout


def check_compressed():
    data = packets.pcap([packets.ethernet(packet) for packet in talk()])
    plain = read(data)
    squeezed = {"gzip": gzip.compress(data),
                "gzip in two members": gzip.compress(data[:300]) + gzip.compress(data[300:])}
    if shutil.which("zstd"):
        squeezed["zstd"] = compressed("zstd", data)
        squeezed["zstd in two frames"] = (compressed("zstd", data[:300])
                                          + compressed("zstd", data[300:]))
    for name, bytes_ in squeezed.items():
        if read(bytes_) != plain:
            yield f"{name}: {read(bytes_)}"
        with tempfile.NamedTemporaryFile() as file:
            file.write(bytes_)
            file.flush()
            done = subprocess.run([WEIR, "read", "-o", "json", file.name], capture_output=True,
                                  timeout=60, check=False)
        if [json.loads(line) for line in done.stdout.splitlines()] != plain[0]:
            yield f"{name}, as a file: {done}"
    records, status, said = read(squeezed["gzip"][:-9])
    if status != 1 or [one["type"] for one in records] != ["http", "connection"] \
            or "standard input: at byte" not in said:
        yield f"gzip that ends early: {status}, {records}, {said}"


def check_cut_and_damaged():
    frames = [packets.ethernet(packet) for packet in talk()]
    data = packets.pcap(frames)
    snapped = data[:24] + b"".join(
        data[at:at + 8] + struct.pack("<I", min(size, 60)) + data[at + 12:at + 16 + min(size, 60)]
        for at, size in places(frames))
    records, status, said = read(snapped)
    counts = [one.get("client.payload_bytes") for one in records if one["type"] == "connection"]
    if status != 0 or counts != [len("GET /links HTTP/1.1\r\nHost: a.example\r\n\r\n")]:
        yield f"snap-truncated packets: {status}, {records}, {said}"
    records, status, said = read(data[:-7])
    if status != 1 or "ends inside a packet" not in said or not records:
        yield f"a file that ends inside a packet: {status}, {records}, {said}"
    second = next(at for at, _ in list(places(frames))[1:])
    records, status, said = read(data[:second + 8] + b"\xff" * 8 + data[second + 16:])
    if status != 1 or f"at byte {second}: " not in said or "reading goes on" not in said \
            or [one["type"] for one in records][:1] != ["http"]:
        yield f"a damaged packet header: {status}, {records}, {said}"
    cut = pcapng(frames, ETHERNET, "<")[:-7]
    records, status, said = read(cut)
    if status != 1 or not records or "at byte" not in said:
        yield f"a pcapng file that ends inside a block: {status}, {records}, {said}"


def places(frames):
    """Where each packet's header is in the pcap file, and its size."""
    at = 24
    for frame in frames:
        yield at, len(frame)
        at += 16 + len(frame)


def main():
    if not os.access(WEIR, os.X_OK):
        print(f"SKIP: no binary at {WEIR}")
        sys.exit(77)
    findings = [*check_all_alike(), *check_compressed(), *check_cut_and_damaged()]
    print("\n".join(finding[:2000] for finding in findings)
          or f"{len(LINKS)} links, each in 6 files, are read alike")
    sys.exit(1 if findings else 0)


main()
