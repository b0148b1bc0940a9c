#!/usr/bin/python3
"""
What tunnels carry, live, where this kernel need not know them: frames as gateways send them go out
of an interface, and what the inner packets say is logged once, with the tunnel around it, and
masked before it leaves the kernel.
"""

import struct
import subprocess
import sys

import harness
from harness import check, skip

import namespaces
import packets
import traffic
from packets import ACK, PSH, Connection, ethernet, ipv4, ipv6, udp

SENDER = """
import socket, struct, sys
one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
one.bind(("wnear", 0))
frames = sys.stdin.buffer.read()
while frames:
    length, = struct.unpack_from(">H", frames)
    one.send(frames[2:2 + length])
    frames = frames[2 + length:]
"""
ENDS = ("10.99.0.1", "10.99.0.2")
ENDS_6 = ("fd99::1", "fd99::2")


def turned(ends, side):
    return ends if side == 0 else ends[::-1]


def gre(inner, side):
    return ipv4(*turned(ENDS, side), 47, struct.pack(">HH", 0, 0x0800) + inner)


def gre_ethernet(inner, side):
    """With checksum, key and sequence number (RFC 2784, RFC 2890), of Ethernet frames."""
    body = ethernet(inner)
    head = struct.pack(">HHHHII", 0xB000, 0x6558, 0, 0, 4711, 5)
    total = packets.checksum(head + body)
    return ipv4(*turned(ENDS, side), 47,
                head[:4] + struct.pack(">H", total) + head[6:] + body)


def geneve(inner, side):
    """An option of eight bytes in front of an Ethernet frame (RFC 8926)."""
    head = struct.pack(">BBHI", 2, 0, 0x6558, 815 << 8) + bytes.fromhex("0101800107070707")
    return ipv4(*turned(ENDS, side), 17,
                udp(*turned(ENDS, side), (50000 + side, 6081), head + ethernet(inner)))


def geneve_ip(inner, side):
    """Over IPv6, IP right behind the header."""
    head = struct.pack(">BBHI", 0, 0, 0x0800, 816 << 8)
    return ipv6(*turned(ENDS_6, side), 17,
                udp(*turned(ENDS_6, side), (50000 + side, 6081), head + inner))


def vxlan(inner, side):
    head = struct.pack(">II", 0x08000000, 817 << 8)
    return ipv4(*turned(ENDS, side), 17,
                udp(*turned(ENDS, side), (50000 + side, 4789), head + ethernet(inner)))


def gtp(inner, side):
    head = struct.pack(">BBHI", 0x30, 255, len(inner), 818)
    return ipv4(*turned(ENDS, side), 17,
                udp(*turned(ENDS, side), (2152, 2152), head + inner))


def four_in_four(inner, side):
    return ipv4(*turned(ENDS, side), 4, inner)


def four_in_six(inner, side):
    return ipv6(*turned(ENDS_6, side), 4, inner)


# What is around it, the kind in the record, its id.
TUNNELS = [(gre, "gre", None), (gre_ethernet, "gre", 4711), (geneve, "geneve", 815),
           (geneve_ip, "geneve", 816), (vxlan, "vxlan", 817), (gtp, "gtp", 818),
           (four_in_four, "4in4", None), (four_in_six, "4in6", None)]


def conversation(number):
    """The inner packets of two exchanges, each with the side that sends it."""
    link = Connection(client=f"10.50.{number}.1", server=f"10.50.{number}.2",
                      ports=(40000 + number, 80), base=(number * 7919, number * 104729))
    sides = [(packet, side) for packet, side in zip(link.open(), (0, 1, 0))]
    for turn in range(2):
        request = (f"GET /{number}/{turn} HTTP/1.1\r\nHost: inner.example\r\n"
                   "Authorization: Bearer c4n4ry\r\n\r\n")
        answer = "HTTP/1.1 200 OK\r\nSet-Cookie: s=c4n4ry; Path=/\r\nContent-Length: 2\r\n\r\nok"
        sides.append((link.segment(0, ACK | PSH, request.encode()), 0))
        sides.append((link.segment(1, ACK | PSH, answer.encode()), 1))
    return sides + list(zip(link.close(), (0, 1, 0)))


def frames():
    out = b""
    for number, (wrap, _, _) in enumerate(TUNNELS):
        for inner, side in conversation(number):
            outer = wrap(inner, side)
            frame = ethernet(outer, 0x86DD if outer[0] >> 4 == 6 else 0x0800)
            out += struct.pack(">H", len(frame)) + frame
    return out


def main():
    harness.require_weir()
    if not namespaces.is_possible():
        skip("needs ip (iproute2), and the right to make network namespaces")
    wanted = sorted(f"/{number}/{turn}" for number in range(len(TUNNELS)) for turn in range(2))
    with namespaces.Pair() as pair:
        with harness.Weir("--packets=wnear", "--netns", pair.near, "--rung", "none",
                          "--packet-records", is_debugged=True) as weir:
            subprocess.run(["ip", "netns", "exec", pair.near, sys.executable, "-c", SENDER],
                           input=frames(), check=True)
            traffic.wait_until(lambda: len(weir.wait_for_records(0)) >= len(wanted))
        check(weir.stop() == 0 and weir.totals.is_identity, f"the totals: {weir.totals}",
              weir.stderr()[-600:])
    found = weir.records()
    check(sorted(one.get("url.path", "") for one in found) == wanted, "each exchange once",
          str([one.get("url.path", "") for one in found]))
    check({one.get("http.response.status_code") for one in found} == {200}, "with its response")
    told = weir.records("packet")
    for number, (wrap, kind, identifier) in enumerate(TUNNELS):
        around = [one.get("tunnels", [{}])[0] for one in told
                  if f"10.50.{number}.1" in (one.get("source.address"),
                                             one.get("destination.address"))]
        check(len(around) == 10 and {(one.get("kind"), one.get("id")) for one in around}
              == {(kind, identifier)}, f"{wrap.__name__}: the tunnel of each packet is told",
              str(around)[:600])
    bad = [one for one in told if "bad" in (one.get("tcp.checksum_status"),
                                            one.get("ip.checksum_status"))]
    harness.check_empty(bad, "no checksum is called wrong, though payload was masked")
    is_refused = "masking in the kernel" in weir.stderr()
    check(b"c4n4ry" not in weir.ring_path.read_bytes() or is_refused, "masked in the kernel")
    check(b"c4n4ry" not in b"".join(weir.raw_lines()), "no secret is logged")


harness.run_main(main)
