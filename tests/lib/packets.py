"""Packets and capture files for tests, made byte by byte; nothing here is random or of today."""

import struct

START_NS = 1_700_000_000 * 1_000_000_000
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16


def checksum(data):
    """The Internet checksum (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def address(text):
    """An IP literal as bytes."""
    if ":" not in text:
        return bytes(map(int, text.split(".")))
    head, _, tail = text.partition("::")
    words = [[int(word, 16) for word in part.split(":") if word] for part in (head, tail)]
    return struct.pack(">8H", *words[0], *[0] * (8 - len(words[0]) - len(words[1])), *words[1])


def ethernet(payload, kind=0x0800, vlans=()):
    tags = b"".join(struct.pack(">HH", 0x8100, vlan) for vlan in vlans)
    return bytes.fromhex("020000000002020000000001") + tags + struct.pack(">H", kind) + payload


def ipv4(source, destination, protocol, payload, identification=1, flags=0x4000):
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), identification, flags, 64,
                         protocol, 0) + address(source) + address(destination)
    return header[:10] + struct.pack(">H", checksum(header)) + header[12:] + payload


def ipv6(source, destination, protocol, payload, extensions=b"", first=None):
    return (struct.pack(">IHBB", 6 << 28, len(extensions) + len(payload),
                        protocol if first is None else first, 64)
            + address(source) + address(destination) + extensions + payload)


def pseudo(source, destination, protocol, length):
    return address(source) + address(destination) + struct.pack(">II", length, protocol)


def udp(source, destination, ports, payload):
    header = struct.pack(">HHHH", *ports, 8 + len(payload), 0)
    total = checksum(pseudo(source, destination, 17, len(header) + len(payload)) + header + payload)
    return header[:6] + struct.pack(">H", total or 0xFFFF) + payload


def icmp(message):
    """With the checksum, which is zero in `message`."""
    return message[:2] + struct.pack(">H", checksum(message)) + message[4:]


def tcp(source, destination, ports, sequence, acknowledgment, flags, payload=b"", options=b""):
    options += b"\0" * (-len(options) % 4)
    header = struct.pack(">HHIIBBHHH", *ports, sequence & 0xFFFFFFFF, acknowledgment & 0xFFFFFFFF,
                         (5 + len(options) // 4) << 4, flags, 64240, 0, 0) + options
    total = checksum(pseudo(source, destination, 6, len(header) + len(payload)) + header + payload)
    return header[:16] + struct.pack(">H", total) + header[18:] + payload


class Connection:
    """One TCP connection, a packet a call; side 0 opened it."""

    def __init__(self, client="192.0.2.1", server="192.0.2.2", ports=(40000, 80),
                 base=(1000, 5000)):
        self.ends, self.ports, self.next = (client, server), ports, list(base)

    def segment(self, side, flags, payload=b"", offset=0, options=b""):
        """A packet of that side; `offset` moves its sequence number and counts nothing."""
        source, destination = self.ends[side], self.ends[1 - side]
        body = tcp(source, destination, (self.ports[side], self.ports[1 - side]),
                   self.next[side] + offset, self.next[1 - side] if flags & ACK else 0, flags,
                   payload, options)
        if not offset:
            self.next[side] += len(payload) + bool(flags & (SYN | FIN))
        if ":" in source:
            return ipv6(source, destination, 6, body)
        return ipv4(source, destination, 6, body)

    def open(self):
        options = bytes.fromhex("020405b40402080a000000010000000001030307")
        return [self.segment(0, SYN, options=options),
                self.segment(1, SYN | ACK, options=bytes.fromhex("020405b4")),
                self.segment(0, ACK)]

    def say(self, side, payload):
        return [self.segment(side, PSH | ACK, payload), self.segment(1 - side, ACK)]

    def close(self):
        return [self.segment(0, FIN | ACK), self.segment(1, FIN | ACK), self.segment(0, ACK)]


def pcap(packets, link_type=1, order="<", nanoseconds=False, step_ns=1000, start_ns=START_NS):
    unit = 1 if nanoseconds else 1000
    out = [struct.pack(order + "IHHiIII", 0xA1B23C4D if nanoseconds else 0xA1B2C3D4, 2, 4, 0, 0,
                       262144, link_type)]
    for index, packet in enumerate(packets):
        time_ns = start_ns + index * step_ns
        out.append(struct.pack(order + "IIII", time_ns // 10**9, time_ns % 10**9 // unit,
                               len(packet), len(packet)) + packet)
    return b"".join(out)


def block(order, kind, body):
    body += b"\0" * (-len(body) % 4)
    return struct.pack(order + "II", kind, len(body) + 12) + body + struct.pack(order + "I",
                                                                              len(body) + 12)


def option(order, code, value):
    return struct.pack(order + "HH", code, len(value)) + value + b"\0" * (-len(value) % 4)


def section(order="<"):
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def interface(link_type, name, order="<", resolution=9):
    return block(order, 1, struct.pack(order + "HHI", link_type, 0, 262144)
                 + option(order, 2, name) + option(order, 9, bytes([resolution]))
                 + option(order, 0, b""))


def enhanced(number, time, packet, order="<", direction=0):
    body = struct.pack(order + "IIIII", number, time >> 32, time & 0xFFFFFFFF, len(packet),
                       len(packet)) + packet
    body += b"\0" * (-len(body) % 4)
    if direction:
        body += option(order, 2, struct.pack(order + "I", direction)) + option(order, 0, b"")
    return block(order, 6, body)
