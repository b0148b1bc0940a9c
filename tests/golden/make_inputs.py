#!/usr/bin/python3
"""Writes the capture files of the golden tests: make_inputs.py [FOLDER] (default: this one)."""

import gzip
import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "lib"))
from packets import (ACK, FIN, PSH, RST, START_NS, SYN, Connection, block, enhanced,  # noqa: E402
                     ethernet, icmp, interface, ipv4, ipv6, pcap, section, udp)

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"


def get(path, *lines):
    return f"GET {path} HTTP/1.1\r\nHost: a.example\r\n".encode() + b"".join(
        line + b"\r\n" for line in lines) + b"\r\n"


def frames(packets, **how):
    return [ethernet(packet, **how) for packet in packets]


def exchange(**ends):
    """A whole connection with one exchange."""
    connection = Connection(**ends)
    return (connection.open() + connection.say(0, get("/one?x=1", b"User-Agent: golden"))
            + connection.say(1, OK) + connection.close())


def pipelined():
    """Two requests in one segment, three responses' worth of segments, cut anywhere."""
    c = Connection()
    answer = OK + OK.replace(b"200 OK", b"404 Not Found")
    return c.open() + c.say(0, get("/1") + get("/2")) + c.say(1, answer[:30]) + c.say(
        1, answer[30:95]) + c.say(1, answer[95:]) + c.close()


def disordered():
    """Segments in the wrong order, twice, and overlapping with other bytes: the first copy wins."""
    c = Connection()
    request = get("/disordered", b"A: 1234567890")
    out = c.open()
    first, second = request[:20], request[20:]
    out += [c.segment(0, PSH | ACK, second, offset=len(first)), c.segment(0, ACK, first)]
    c.next[0] += len(second)
    out += [c.segment(1, ACK), c.segment(0, PSH | ACK, request, offset=-len(request)),
            c.segment(0, PSH | ACK, b"X" * 10, offset=-10)]
    return out + c.say(1, OK) + c.close()


def gaps():
    """A body of which a segment is missing, then one more exchange; and a lost request."""
    c = Connection()
    body = b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n" + b"b" * 4000
    out = c.open() + c.say(0, get("/gap"))
    for at in range(0, len(body), 1000):
        packet = c.segment(1, PSH | ACK, body[at:at + 1000])
        if at != 1000:
            out.append(packet)
    out += c.say(0, get("/after")) + c.say(1, OK)
    c.segment(0, PSH | ACK, get("/lost"))
    return out + c.say(1, OK) + c.close()


def secrets():
    c = Connection()
    return c.open() + c.say(0, get("/?token=abcdef&a=1", b"Authorization: Bearer abcdef",
                                   b"Cookie: a=b; c=d", b"X-Api-Key: k")) + c.say(
        1, b"HTTP/1.1 204 No Content\r\nSet-Cookie: s=secret; Path=/\r\n\r\n") + c.close()


def endings():
    """How connections end: refused, unanswered, reset by either side, half open, in the middle."""
    out = []
    c = Connection(ports=(40001, 81))
    out += [c.segment(0, SYN), c.segment(1, RST | ACK)]
    c = Connection(ports=(40002, 82))
    out += [c.segment(0, SYN), c.segment(0, SYN, offset=-1)]
    c = Connection(ports=(40003, 83))
    out += c.open() + c.say(0, get("/reset")) + [c.segment(1, RST | ACK)]
    c = Connection(ports=(40004, 84))
    out += c.open() + [c.segment(0, RST)]
    c = Connection(ports=(40005, 85))
    out += c.open() + c.say(0, get("/open")) + [c.segment(1, FIN | ACK), c.segment(0, ACK)]
    c = Connection(ports=(40006, 86))
    return out + c.say(0, get("/middle")) + c.say(1, OK)


def dns_query(name=b"\x01a\x07example\x00"):
    return struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + name + struct.pack(">HH", 1, 1)


def fragments():
    """A UDP datagram in three fragments of IPv4, the last one first; another one of IPv6."""
    a, b, c, d = "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"
    body = udp(a, b, (5353, 53), dns_query() + b"\0" * 55)
    out = [ipv4(a, b, 17, body[64:], 9, 8), ipv4(a, b, 17, body[:32], 9, 0x2000),
           ipv4(a, b, 17, body[32:64], 9, 0x2004)]
    body = udp(c, d, (5354, 53), dns_query())
    for offset, more in ((0, 1), (24, 0)):
        part = body[offset:offset + 24] if more else body[offset:]
        out.append(ipv6(c, d, 17, part, struct.pack(">BBHI", 17, 0, offset | more, 77), 44))
    return [ethernet(p, 0x0800 if p[0] >> 4 == 4 else 0x86DD) for p in out]


def tunnelled():
    """An exchange in VXLAN in a VLAN, and one in GRE, 6in4 behind it."""
    out = []
    for packet in exchange(client="10.1.0.1", server="10.1.0.2"):
        inner = bytes.fromhex("0800000000002a00") + ethernet(packet)
        out.append(ethernet(ipv4("192.0.2.1", "192.0.2.2", 17,
                                 udp("192.0.2.1", "192.0.2.2", (50000, 4789), inner)), vlans=(7,)))
    for packet in exchange(client="10.1.0.1", server="10.1.0.2"):
        out.append(ethernet(ipv4("192.0.2.1", "192.0.2.2", 47,
                                 bytes.fromhex("00000800") + packet)))
    for packet in exchange(client="2001:db8::1", server="2001:db8::2"):
        out.append(ethernet(ipv4("192.0.2.1", "192.0.2.2", 41, packet)))
    return out


def elements():
    """Packets for their header elements: ARP, ICMP with a quotation, options, QinQ, IPv6."""
    syn = Connection().open()[0]
    arp = bytes.fromhex("0001080006040001020000000001c0000201000000000000c0000202")
    unreachable = b"\x03\x03\0\0\0\0\0\0" + syn[:28]
    echo = bytes.fromhex("08000000002a0001") + b"ping"
    hop = bytes.fromhex("0600050200000000")
    six = Connection(client="2001:db8::1", server="2001:db8::2").segment(0, SYN)
    return [ethernet(arp, 0x0806), ethernet(syn), ethernet(syn, vlans=(100, 200)),
            ethernet(ipv4("192.0.2.2", "192.0.2.1", 1, icmp(unreachable))),
            ethernet(ipv4("192.0.2.1", "192.0.2.2", 1, icmp(echo))), ethernet(six, 0x86DD),
            ethernet(ipv6("2001:db8::1", "2001:db8::2", 6, six[40:], hop, 0), 0x86DD),
            ethernet(ipv4("192.0.2.1", "192.0.2.2", 132,
                          bytes.fromhex("0b590b5a00000000deadbeef")))]


def several_interfaces():
    """pcapng: two sections of different byte order, three link types, names, directions, and blocks
    that nobody knows."""
    packets = exchange()
    sll2 = bytes.fromhex("0800000000000002000100060200000000010000")
    out = section("<") + interface(1, b"eth0") + interface(276, b"any", resolution=6)
    out += block("<", 0x0BAD, b"whatever")
    for index, packet in enumerate(packets[:6]):
        if index % 2:
            out += enhanced(1, START_NS // 1000 + index, sll2 + packet, direction=1)
        else:
            out += enhanced(0, START_NS + index * 1000, ethernet(packet), direction=2)
    out += section(">") + interface(101, b"tun0", ">") + block(">", 0x7777, b"")
    for index, packet in enumerate(packets[6:], 6):
        out += enhanced(0, START_NS + index * 1000, packet, ">")
    return out


SCENES = {
    "exchange/input.pcap": lambda: pcap(frames(exchange())),
    "pipelined/input.pcap": lambda: pcap(frames(pipelined()), order=">", nanoseconds=True),
    "disordered/input.pcap": lambda: pcap(frames(disordered())),
    "gaps/input.pcap": lambda: pcap(frames(gaps())),
    "secrets/input.pcap.gz": lambda: gzip.compress(pcap(frames(secrets())), mtime=0),
    "endings/input.pcap": lambda: pcap(frames(endings())),
    "fragments/input.pcap": lambda: pcap(fragments()),
    "tunnelled/input.pcap": lambda: pcap(tunnelled()),
    "elements/input.pcap": lambda: pcap(elements()),
    "interfaces/input.pcapng": several_interfaces,
    "cut/input.pcap": lambda: pcap(frames(exchange()))[:-20],
    "damaged/input.pcap": lambda: pcap(frames(exchange()))[:120] + b"\xff" * 30 + pcap(
        frames(exchange()))[150:],
    "link-type/input.pcap": lambda: pcap(frames(exchange()), link_type=220),
}


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name, make in SCENES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make())


if __name__ == "__main__":
    main()
