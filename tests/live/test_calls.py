#!/usr/bin/python3
"""Every way in which programs move bytes gives the same record.

tests/lib/programs/mover moves the bytes of both ends, each end told separately how. Both sides
of every connection are logged, so a way of sending is tested by the sender's own record and a
way of receiving by the receiver's.
"""

import os
import socket
import subprocess
import threading

from harness import (RUNG, Weir, check, check_clean_end, check_empty, compile_program, flags,
                     note, require_weir, run_main)
from harness import traffic
from traffic import Head

# Ways with an argument that the kernel side has reason to treat differently.
SENDS = [("write", 0), ("bytes", 0), ("writev", 1), ("writev", 2), ("writev", 7), ("writev", 64),
         ("writev", 1024), ("send", 0), ("more", 0), ("sendto", 0), ("sendmsg", 1),
         ("sendmsg", 5), ("sendmsg", 300), ("sendmsg", 1024), ("sendmmsg", 1), ("sendmmsg", 6),
         ("sendmmsg", 64), ("zerocopy", 0), ("small", 0), ("threads", 0), ("fork", 0), ("dup", 0)]
RECEIVES = [("read", 0), ("bytes", 0), ("readv", 1), ("readv", 2), ("readv", 7), ("readv", 64),
            ("readv", 1024), ("recv", 0), ("waitall", 0), ("recvfrom", 0), ("recvmsg", 1),
            ("recvmsg", 5), ("recvmsg", 300), ("recvmsg", 1024), ("recvmmsg", 1),
            ("recvmmsg", 6), ("recvmmsg", 64), ("peek", 0), ("peek", 3), ("epoll", 0),
            ("epoll", 13)]
BOTH_SIDES = "--both-sides"


class Mover:
    """One end of a connection in a process of its own."""

    def __init__(self, binary, connection):
        descriptor = connection.fileno()
        self.process = subprocess.Popen([binary, str(descriptor)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, pass_fds=[descriptor])
        connection.close()

    def _answer(self):
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"mover ended with {self.process.wait()}")
        return answer.split()

    def send(self, method, argument, data):
        self.process.stdin.write(b"send %s %d %d\n" % (method.encode(), argument, len(data)) + data)
        self.process.stdin.flush()
        return self._answer()[0] == b"ok"

    def receive(self, method, argument, count):
        self.process.stdin.write(b"recv %s %d %d\n" % (method.encode(), argument, count))
        self.process.stdin.flush()
        answer = self._answer()
        return self.process.stdout.read(count) if answer[0] == b"ok" else None

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(30)


class Pair:
    """A connection between two movers."""

    def __init__(self, binary, listener):
        client = socket.create_connection(listener.getsockname()[:2])
        server, _ = listener.accept()
        self.client_port = client.getsockname()[1]
        self.client = Mover(binary, client)
        self.server = Mover(binary, server)

    def move(self, sender, receiver, data, send, receive):
        """Both at once, as neither may wait for the other to finish. False: a way is missing."""
        result = {}
        thread = threading.Thread(
            target=lambda: result.update(sent=sender.send(*send, data)))
        thread.start()
        received = receiver.receive(*receive, len(data))
        thread.join()
        if received is not None and receive[0] != "trunc" and received != data:
            raise RuntimeError(f"{send} to {receive}: bytes differ")
        return result.get("sent", False) and received is not None

    def close(self):
        self.client.close()
        self.server.close()


def make_request(sequence, body_size=0, padding=300):
    lines = [b"POST /calls/%s HTTP/1.1" % sequence.encode(), b"Host: live.test",
             b"X-Seq: " + sequence.encode(), b"X-Long: " + b"l" * padding, b"X-Last: request",
             b"Content-Length: %d" % body_size]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def make_response(sequence, body_size=0, padding=300):
    lines = [b"HTTP/1.1 200 Fine", b"X-Seq: " + sequence.encode(), b"X-Long: " + b"L" * padding,
             b"X-Last: response", b"Content-Length: %d" % body_size]
    return b"\r\n".join(lines) + b"\r\n\r\n"


class Expected:
    """What both records of an exchange must say."""

    def __init__(self, pair, sequence, request, response, request_body, response_body):
        self.exchange = traffic.Exchange()
        self.exchange.sequence = sequence
        self.exchange.client_address = self.exchange.server_address = "127.0.0.1"
        self.exchange.client_port = pair.client_port
        self.exchange.request, self.exchange.response = Head(request), Head(response)
        self.exchange.request_body_size = request_body
        self.exchange.response_body_size = response_body


class Plan:
    """Runs exchanges and remembers what their records must say."""

    def __init__(self, binary):
        self.binary = binary
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.expected = []
        self.missing = []

    def pair(self):
        return Pair(self.binary, self.listener)

    def run(self, pair, sequence, send=("send", 0), receive=("recv", 0), body=0, padding=300,
            head_alone=False, body_send=None, body_receive=None, is_expected=True):
        """One exchange, the same ways in both directions.

        With head_alone the body is moved by calls of its own, by body_send and body_receive.
        """
        request = make_request(sequence, body, padding)
        response = make_response(sequence, body, padding)
        for sender, receiver, head, fill in ((pair.client, pair.server, request, b"q"),
                                             (pair.server, pair.client, response, b"r")):
            parts = [(head + fill * body, send, receive)]
            if head_alone:
                parts = [(head, send, receive),
                         (fill * body, body_send or send, body_receive or receive)]
            for data, how_sent, how_received in parts:
                if data and not pair.move(sender, receiver, data, how_sent, how_received):
                    self.missing.append(f"{how_sent[0]}/{how_received[0]}")
                    return False
        if is_expected:
            expected = Expected(pair, sequence, request, response, body, body)
            expected.exchange.server_port = self.port
            self.expected.append(expected.exchange)
        return True


def run_each_way(plan):
    """Each way of sending and of receiving, with and without a body behind the head."""
    longest = max(len(SENDS), len(RECEIVES))
    for index in range(longest):
        send, receive = SENDS[index % len(SENDS)], RECEIVES[index % len(RECEIVES)]
        pair = plan.pair()
        name = f"{send[0]}-{send[1]}-{receive[0]}-{receive[1]}"
        plan.run(pair, f"{name}-bare", send, receive)
        plan.run(pair, f"{name}-body", send, receive, body=1000)
        if "bytes" not in name:
            plan.run(pair, f"{name}-long", send, receive, body=90000, padding=9000)
        plan.run(pair, f"{name}-after", send, receive, body=3)
        pair.close()


def run_every_boundary(plan):
    """The head in two iovecs and in two calls, cut at every byte."""
    pair = plan.pair()
    length = len(make_request("vector-000-at", 5, 20))
    for position in range(length + 1):
        plan.run(pair, f"vector-{position:03}-at", ("writev_at", position),
                 ("readv_at", position), body=5, padding=20)
        plan.run(pair, f"message-{position:03}", ("sendmsg_at", position),
                 ("recvmsg_at", position), body=5, padding=20)
        if position % 2:
            plan.run(pair, f"calls-{position:03}-at", ("split", position), ("split", position),
                     body=5, padding=20)
    pair.close()


def run_bodies_without_copies(plan):
    """Heads by ordinary calls, bodies by calls whose bytes never pass a user buffer."""
    for send, receive in ((("sendfile", 0), ("splice", 0)), (("splice", 0), ("trunc", 0)),
                          (("zerocopy", 0), ("peek", 1)), (("small", 0), ("epoll", 99))):
        pair = plan.pair()
        for number in range(3):
            plan.run(pair, f"body-{send[0]}-{receive[0]}-{number}", body=40000 + number,
                     head_alone=True, body_send=send, body_receive=receive)
        pair.close()


def run_passed_descriptor(plan):
    """The socket goes to another process over a unix socket in the middle of an exchange."""
    client = socket.create_connection(("127.0.0.1", plan.port))
    server, _ = plan.listener.accept()
    left, right = socket.socketpair()
    pair = type("Named", (), {"client_port": client.getsockname()[1]})
    request, response = make_request("passed"), make_response("passed")
    child = os.fork()
    if child == 0:
        _, descriptors, _, _ = socket.recv_fds(right, 10, 1)
        taken = socket.socket(fileno=descriptors[0])
        have = b""
        while not have.endswith(b"\r\n\r\n"):
            have += taken.recv(4096)
        taken.sendall(response)
        os._exit(0)
    client.sendall(request[:100])
    first = server.recv(60, socket.MSG_WAITALL)
    socket.send_fds(left, [b"x"], [server.fileno()])
    server.close()
    client.sendall(request[100:])
    have = b""
    while len(have) < len(response):
        have += client.recv(4096)
    os.waitpid(child, 0)
    client.close()
    if first != request[:60] or have != response:
        raise RuntimeError("passed descriptor: bytes differ")
    expected = Expected(pair, "passed", request, response, 0, 0)
    expected.exchange.server_port = plan.port
    plan.expected.append(expected.exchange)


def run_heads_without_copies(plan):
    """Heads by calls whose bytes may not be visible; names of those that were run."""
    done = []
    for send, receive in ((("sendfile", 0), ("recv", 0)), (("splice", 0), ("recv", 0)),
                          (("send", 0), ("splice", 0)), (("send", 0), ("trunc", 0))):
        pair = plan.pair()
        name = f"unseen-{send[0]}-{receive[0]}"
        if plan.run(pair, name, send, receive, is_expected=False):
            done.append(name)
        pair.close()
    return done


def run_ring(plan):
    """io_uring: exchanges that are logged rightly or counted as lost with this reason."""
    done = []
    for send, receive in ((("ring_send", 0), ("recv", 0)), (("send", 0), ("ring_recv", 0)),
                          (("ring_write", 0), ("ring_read", 0))):
        pair = plan.pair()
        name = f"uring-{send[0]}-{receive[0]}"
        if plan.run(pair, name, send, receive, is_expected=False):
            done.append(name)
        pair.close()
    return done


def check_sides(plan, records):
    """Each expected exchange once for either role, equal in all that was on the wire."""
    found, twice, unknown = {}, [], []
    for record in records:
        key = (traffic.sequence_of(record), record["role"])
        if key[0] is None:
            if not flags(record):
                unknown.append(str(record)[:300])
        elif key in found:
            twice.append(key)
        found[key] = record
    check_empty(twice, "no exchange is there twice from one side")
    check_empty(unknown, "no record without its request is taken for a whole one")
    groups = {}
    for exchange in plan.expected:
        group = exchange.sequence.rsplit("-", 1)[0]
        if exchange.sequence.startswith(("vector", "message", "calls")):
            group = exchange.sequence.split("-")[0] + " cut at every byte"
        bad = groups.setdefault(group, [])
        for role in ("server", "client"):
            record = found.get((exchange.sequence, role))
            if record is None:
                bad.append(f"{exchange.sequence} from the {role}: missing")
                continue
            bad += [f"{exchange.sequence} from the {role}: {line}"
                    for line in traffic.differences(record, exchange)]
            if flags(record):
                bad.append(f"{exchange.sequence} from the {role}: flags {flags(record)}")
    for group, bad in groups.items():
        check_empty(bad, f"{group}: both sides' records are right")
    return found


def check_unseen(weir, found, names, what, reason=None):
    """Bytes that a hook may not see: a right record, or a counted loss, never a wrong record.

    The rung syscall cannot tell who moved what it did not see: its reason is unseen_call.
    """
    wrong, absent = [], []
    for name in names:
        for role in ("server", "client"):
            record = found.get((name, role))
            if record is None:
                absent.append(f"{name} from the {role}")
            elif (traffic.sequence_of(record, "response") not in (name, None)
                  or (traffic.sequence_of(record, "response") is None and not flags(record))):
                wrong.append(f"{name} from the {role}: {str(record)[:300]}")
    check_empty(wrong, f"{what}: no record is wrong")
    reasons = set(weir.totals.lost) | set(weir.totals.missed)
    if absent:
        check(reason in reasons or (RUNG == "syscall" and "unseen_call" in reasons)
              if reason else reasons, f"{what}: {len(absent)} not logged are counted as lost"
              + (f" with reason {reason}" if reason else ""), weir.totals.text[-800:])
    else:
        note(f"{what}: all logged")


def main():
    require_weir()
    binary = compile_program("mover")
    plan = Plan(binary)
    late = plan.pair()
    plan.run(late, "before-weir", is_expected=False)
    with Weir(BOTH_SIDES, "--port", plan.port) as weir:
        plan.run(late, "late-1", is_expected=False)
        plan.run(late, "late-2", is_expected=False, body=10)
        run_each_way(plan)
        run_every_boundary(plan)
        run_bodies_without_copies(plan)
        run_passed_descriptor(plan)
        unseen = run_heads_without_copies(plan)
        ring = run_ring(plan)
        late.close()
        check_clean_end(weir)
        found = check_sides(plan, weir.records(server_port=plan.port))
        check_unseen(weir, found, unseen, "heads that pass no user buffer")
        check_unseen(weir, found, ring, "io_uring", "io_uring")
        check_late(found)
    if plan.missing:
        note(f"this kernel has no {', '.join(plan.missing)}")


def check_late(found):
    check(("before-weir", "server") not in found, "what was before weir is not logged")
    for name in ("late-1", "late-2"):
        for role in ("server", "client"):
            record = found.get((name, role), {})
            check("late" in flags(record) and traffic.sequence_of(record, "response") == name,
                  f"{name} from the {role}: logged with the flag late", str(record))


if __name__ == "__main__":
    run_main(main)
