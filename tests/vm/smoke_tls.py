"""
Plaintext under TLS in a guest: a server and a client of OpenSSL, with sockets and with records in
memory, in one process of Python, since starting another one takes seconds there.
"""

import os
import ssl
import socket
import tempfile
import threading

from smoke_run import expect, run_weir

REQUESTS, CONNECTIONS = 10, 2  # requests of each connection
CANARY = "c4n4ry5ecret"


class Memory:
    """A TLS session that works in memory, as Node.js and asyncio have it."""

    def __init__(self, context, peer, is_server):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.session = context.wrap_bio(self.incoming, self.outgoing, server_side=is_server)
        self.peer = peer
        self.until(self.session.do_handshake)

    def until(self, call, *arguments):
        while True:
            try:
                result = call(*arguments)
            except ssl.SSLWantReadError:
                result = None
            if self.outgoing.pending:
                self.peer.sendall(self.outgoing.read())
            if result is not None or call == self.session.do_handshake and self.session.version():
                return result
            self.incoming.write(self.peer.recv(16384))

    def sendall(self, text):
        self.until(self.session.write, text)

    def recv(self, size):
        return self.until(self.session.read, size)


def receive(peer, end):
    text = b""
    while not text.endswith(end):
        more = peer.recv(4096)
        expect(bool(more), True, "the other end is there")
        text += more
    return text


def serve(listener, contexts, count):
    for turn in range(count):
        plain, _ = listener.accept()
        peer = (contexts[0].wrap_socket(plain, server_side=True) if turn % 2 == 0
                else Memory(contexts[0], plain, True))
        for _ in range(REQUESTS):
            head = receive(peer, b"\r\n\r\n")
            number = head.split(b"X-Seq: ")[1].split(b"\r\n")[0]
            peer.sendall(b"HTTP/1.1 200 OK\r\nX-Seq: " + number + b"\r\nSet-Cookie: sid="
                         + CANARY.encode() + b"; Path=/\r\nContent-Length: 4\r\n\r\nend\n")
        plain.close()


def ask(port, contexts, first, is_memory):
    plain = socket.create_connection(("127.0.0.1", port))
    peer = (Memory(contexts[1], plain, False) if is_memory
            else contexts[1].wrap_socket(plain, server_hostname="peer.test"))
    for number in range(first, first + REQUESTS):
        peer.sendall(f"GET /tls?n={number} HTTP/1.1\r\nHost: peer.test\r\nX-Seq: {number}\r\n"
                     f"Authorization: Bearer {CANARY}\r\n\r\n".encode())
        receive(peer, b"end\n")
    plain.close()


def talk(certificate):
    """The server's port, when all is asked and answered."""
    contexts = [ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)]
    contexts[0].load_cert_chain(certificate)
    contexts[1].check_hostname = False
    contexts[1].verify_mode = ssl.CERT_NONE
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, daemon=True,
                                  args=(listener, contexts, 2 * CONNECTIONS))
        server.start()
        port = listener.getsockname()[1]
        for turn in range(2 * CONNECTIONS):
            ask(port, contexts, 1 + turn * REQUESTS, turn // 2 % 2)
        server.join(60)
        expect(server.is_alive(), False, "the server goes on")
    return port


def check(records, raw, said, port):
    expect("no plaintext" in said, False, f"TLS is refused: {said[-600:]}")
    expect(CANARY.encode() in raw, False, "the canary is in the output")
    mine = [one for one in records if one["type"] == "http" and one["server.port"] == port]
    expect(sorted(one["url.original"] for one in mine),
           sorted(f"/tls?n={number}" for number in range(1, 2 * CONNECTIONS * REQUESTS + 1)),
           f"requests; {said[-400:]!r}")
    handshakes = {one["connection.id"] for one in records
                  if one["type"] == "tls" and one["server.port"] == port}
    expect(len(handshakes), 2 * CONNECTIONS, "handshakes")
    for one in mine:
        number = one["url.original"].split("=")[1]
        expect((one["source"], one["role"], one["http.response.status_code"]),
               ("tls", "server", 200), "source, role and status")
        expect(dict(one["http.request.headers"]),
               {"Host": "peer.test", "X-Seq": number, "Authorization": "Bearer ***"}, "request")
        expect(dict(one["http.response.headers"])["X-Seq"], number, "the answer's number")
        expect(set(one.get("flags", [])) - {"masked"}, set(), "flags")
        expect(one["connection.id"] in handshakes, True, "the handshake's connection")
        expect(one["process.pid"], os.getpid(), "process")
    others = {one["type"] for one in records if one.get("server.port") == port}
    expect(others, {"http", "tls"}, "records of the encrypted connections")


def try_tls(weir, rung, certificate):
    """How many exchanges there were."""
    with tempfile.TemporaryDirectory(prefix="weir-smoke-") as folder:
        records, raw, said, port = run_weir(weir, ["--rung", rung], folder,
                                            lambda: talk(certificate))
    check(records, raw, said, port)
    return 2 * CONNECTIONS * REQUESTS
