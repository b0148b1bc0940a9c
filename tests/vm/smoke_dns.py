"""
Questions over UDP in every way in which programs ask and answer them, from one process that is
both ends, so that nothing depends on time. For smoke.py, and for the host's own test.
"""

import ctypes
import os
import socket
import struct

from smoke_run import Wrong, expect

MANY = 100  # of one sendmmsg: more than one part of them
OTHERS = 100  # datagrams that are no DNS, on each of two sockets
IP_PKTINFO, IPV6_RECVPKTINFO = 8, 49


def question(name, number):
    """A query for the name's address (RFC 1035 §4.1)."""
    labels = b"".join(bytes([len(one)]) + one.encode() for one in name.split("."))
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"


def answer(query):
    return (query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:]
            + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1")


class Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class Message(ctypes.Structure):
    """struct mmsghdr"""
    _fields_ = [("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32),
                ("vectors", ctypes.POINTER(Vector)), ("count", ctypes.c_size_t),
                ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t),
                ("flags", ctypes.c_int), ("padding", ctypes.c_int), ("length", ctypes.c_uint)]


def messages_of(texts, room=0):
    """An array of struct mmsghdr for these bytes, and what must live as long."""
    kept = [ctypes.create_string_buffer(text, max(len(text), room)) for text in texts]
    vectors = [Vector(ctypes.cast(one, ctypes.c_void_p), room or len(text))
               for one, text in zip(kept, texts)]
    array = (Message * len(texts))()
    for message, vector in zip(array, vectors):
        message.vectors, message.count = ctypes.pointer(vector), 1
    return array, kept, vectors


def send_many(sender, texts):
    """sendmmsg, as the resolver of the C library asks for A and AAAA."""
    array, *kept = messages_of(texts)
    sent = ctypes.CDLL(None).sendmmsg(sender.fileno(), array, len(texts), 0)
    expect((sent, len(kept)), (len(texts), 2), "sendmmsg")


def receive_many(receiver, count):
    array, kept, _ = messages_of([b""] * count, 1024)
    names = [ctypes.create_string_buffer(28) for _ in range(count)]
    for message, name in zip(array, names):
        message.name, message.name_length = ctypes.cast(name, ctypes.c_void_p), len(name)
    taken = ctypes.CDLL(None).recvmmsg(receiver.fileno(), array, count, 0, None)
    expect(taken, count, "recvmmsg")
    return [one.raw[:message.length] for one, message in zip(kept, array)]


class Asked:
    """Sockets, what was asked over them, and what the records must say."""

    def __init__(self):
        self.expected, self.number, self.kept = {}, 0, []

    def socket(self, family=socket.AF_INET, bound=None, connected=None):
        one = socket.socket(family, socket.SOCK_DGRAM)
        one.settimeout(60)
        self.kept.append(one)
        if bound:
            one.bind(bound)
        if connected:
            one.connect(connected)
        return one

    def name(self, way):
        self.number += 1
        return f"{way}.{self.number}.weir.test"

    def ask(self, way, client, server, send, answered=None, receive=None, ends=None):
        """One exchange; `ends`: addresses of client and server, as the records have them."""
        name = self.name(way)
        query = question(name, self.number)
        send(client, query)
        taken, peer = server.recvfrom(2048)
        expect(taken, query, "what the server got")
        (answered or (lambda: server.sendto(answer(taken), peer)))()
        expect((receive or (lambda one: one.recv(2048)))(client), answer(query), "the answer")
        self.expects(name, client, server, ends)

    def expects(self, name, client, server, ends=None):
        self.expected[name] = (*(ends or ("127.0.0.1", "127.0.0.1")), client.getsockname()[1],
                               server.getsockname()[1])


def peek_and_take(one):
    one.recvfrom(2048, socket.MSG_PEEK)
    return one.recvfrom(2048)[0]


def ask_ipv4(asked):
    server = asked.socket(bound=("127.0.0.1", 0))
    there = server.getsockname()
    ask = lambda way, client, send, **more: asked.ask(way, client, server, send, **more)
    ask("connected", asked.socket(connected=there), lambda one, query: one.send(query))
    ask("write", asked.socket(connected=there), lambda one, query: os.write(one.fileno(), query),
        receive=lambda one: os.read(one.fileno(), 2048))
    ask("sendto", asked.socket(), lambda one, query: one.sendto(query, there),
        receive=lambda one: one.recvfrom(2048)[0])
    ask("no-address", asked.socket(), lambda one, query: one.sendto(query, there))
    ask("sendmsg", asked.socket(), lambda one, query: one.sendmsg([query[:7], query[7:]], [], 0,
                                                                 there),
        receive=lambda one: one.recvmsg(2048)[0])
    ask("pieces", asked.socket(connected=there), lambda one, query: os.writev(
        one.fileno(), [query[:3], query[3:12], query[12:]]))
    ask("peeked", asked.socket(), lambda one, query: one.sendto(query, there),
        receive=peek_and_take)
    ask("other-address", asked.socket(bound=("127.0.0.9", 0)),
        lambda one, query: one.sendto(query, there), ends=("127.0.0.9", "127.0.0.1"))
    client = asked.socket(connected=there)
    names = [asked.name("many") for _ in range(MANY)]
    send_many(client, [question(name, 100 + i) for i, name in enumerate(names)])
    for query in receive_many(server, MANY):
        server.sendto(answer(query), client.getsockname())
    expect(len(receive_many(client, MANY)), MANY, "answers to many")
    for name in names:
        asked.expects(name, client, server)


def ask_dual_stack(asked):
    """A server for both families, which learns where a question went from IP_PKTINFO."""
    server = asked.socket(socket.AF_INET6, bound=("::", 0))
    port = server.getsockname()[1]
    asked.ask("six", asked.socket(socket.AF_INET6, connected=("::1", port)), server,
              lambda one, query: one.send(query), ends=("::1", "::1"))
    asked.ask("mapped", asked.socket(socket.AF_INET6), server,
              lambda one, query: one.sendto(query, ("::ffff:127.0.0.1", port)))
    wide = asked.socket(bound=("0.0.0.0", 0))
    wide.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
    client = asked.socket(connected=("127.0.0.53", wide.getsockname()[1]))
    name = asked.name("pktinfo")
    client.send(question(name, asked.number))
    query, control, _, peer = wide.recvmsg(2048, 256)
    _, _, information = control[0]
    own = struct.pack("=I", 0) + information[4:8] + struct.pack("=I", 0)
    wide.sendmsg([answer(query)], [(socket.IPPROTO_IP, IP_PKTINFO, own)], 0, peer)
    expect(client.recv(2048), answer(query), "the answer from 127.0.0.53")
    asked.expects(name, client, wide, ("127.0.0.1", "127.0.0.53"))


def send_others(asked):
    """Datagrams of something else, and one question too many behind them on the same socket."""
    server = asked.socket(bound=("127.0.0.1", 0))
    client = asked.socket(connected=server.getsockname())
    for number in range(OTHERS):
        client.send(b"\x40nothing of interest %d" % number * 3)
        server.recv(2048)
    client.send(question("late.weir.test", 999))
    server.recv(2048)


def ask_all():
    """{question: (client's address, server's address, client's port, server's port)}"""
    asked = Asked()
    ask_ipv4(asked)
    ask_dual_stack(asked)
    send_others(asked)
    silent = asked.socket(bound=("127.0.0.1", 0))
    client = asked.socket(connected=silent.getsockname())
    name = asked.name("unanswered")
    client.send(question(name, asked.number))
    asked.expects(name, client, silent)
    for one in asked.kept:
        one.close()
    return asked.expected


def check(records, expected, misses=0):
    """
    Each question once, with its answer, its ends and its process. Of calls that the kernel skipped
    (`misses`) the other end may be logged, or a half.
    """
    mine = {}
    for record in records:
        name = record.get("dns.question.name", "")
        if record["type"] == "dns" and name.endswith(".weir.test"):
            mine.setdefault(name, []).append(record)
    absent = sorted(set(expected) - set(mine))
    if len(absent) > misses:
        raise Wrong(f"questions without a record: {absent}")
    expect(sorted(set(mine) - set(expected)), [], "records of other questions")
    for name, found in ({} if misses else mine).items():
        expect(len(found), 1, f"records of {name}")
        one = found[0]
        expect((one["source"], one["network.transport"]), ("socket", "udp"), f"source of {name}")
        expect(tuple(one.get(f"{end}") for end in ("client.address", "server.address",
                                                    "client.port", "server.port")),
               expected[name], f"the ends of {name}")
        expect(one.get("process.pid"), os.getpid(), f"the process of {name}")
        is_answered = not name.startswith("unanswered")
        expect(one["role"], "server" if is_answered else "client", f"the role of {name}")
        expect("duration_ns" in one, is_answered, f"a latency of {name}")
        if is_answered:
            expect(one.get("dns.answers", [{}])[0].get("data"), "192.0.2.1", f"answer to {name}")
            expect(one.get("flags", []), [], f"flags of {name}")
