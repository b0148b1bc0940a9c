"""Scripted connections: a client and a server that send exactly what a test tells them to.

A send is received by the other end before the script goes on, with one recv for each send
unless the script says otherwise, so it is known which bytes moved in which call.
"""

import socket
import struct
import threading


def receive_exactly(end, count):
    parts = []
    while count:
        data = end.recv(min(count, 1 << 20))
        if not data:
            raise RuntimeError("the other end closed in the middle of the script")
        parts.append(data)
        count -= len(data)
    return b"".join(parts)


class Stage:
    """A listener on which scripts are played one after another."""

    def __init__(self, address="127.0.0.1"):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.create_server((address, 0), family=family, backlog=128)
        self.address = address
        self.port = self.listener.getsockname()[1]

    def open(self):
        return Play(self)


class Play:
    """One connection. `c` and `s` send from the client and from the server."""

    def __init__(self, stage):
        self.client = socket.create_connection((stage.address, stage.port), 30)
        self.server, _ = stage.listener.accept()
        for end in (self.client, self.server):
            end.settimeout(30)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client_port = self.client.getsockname()[1]
        self.server_port = stage.port

    def _pass(self, sender, receiver, data, cuts):
        if len(data) > 32768:
            thread = threading.Thread(target=sender.sendall, args=(data,))
            thread.start()
            receive_exactly(receiver, len(data))
            thread.join()
            return
        sender.sendall(data)
        previous = 0
        for cut in list(cuts) + [len(data)]:
            receive_exactly(receiver, cut - previous)
            previous = cut

    def c(self, *pieces, cuts=()):
        """The client sends each piece; the server receives it, cut at the positions given."""
        for piece in pieces:
            self._pass(self.client, self.server, piece, cuts)
        return self

    def s(self, *pieces, cuts=()):
        for piece in pieces:
            self._pass(self.server, self.client, piece, cuts)
        return self

    def client_ends(self):
        """The client says that it will send no more."""
        self.client.shutdown(socket.SHUT_WR)
        self.server.recv(1)

    def close(self, first="client"):
        ends = (self.client, self.server) if first == "client" else (self.server, self.client)
        ends[0].close()
        try:
            ends[1].recv(1)
        except OSError:
            pass
        ends[1].close()

    def reset(self, end):
        """Closes one end with a RST."""
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close("client" if end is self.client else "server")
