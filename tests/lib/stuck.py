"""Receivers that take nothing: one is silent, one resets, one answers a byte a second."""

import socket
import struct
import threading
import time


class Stuck:
    """Listens on `port`; the manner says what becomes of each connection."""

    def __init__(self, manner):
        self.manner, self.is_over, self.connections = manner, threading.Event(), 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        if manner is not silent:
            threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while not self.is_over.is_set():
            try:
                peer = self.listener.accept()[0]
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._meet, args=(peer,), daemon=True).start()

    def _meet(self, peer):
        try:
            with peer:
                self.manner(peer, self.is_over)
        except OSError:
            pass

    def close(self):
        self.is_over.set()
        self.listener.close()


def silent(_peer, _is_over):
    """The kernel takes the connection; nobody reads and nobody answers."""


def resetting(peer, _is_over):
    peer.recv(1)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def dribbling(peer, is_over):
    """Takes the request as it comes, and answers a byte each second."""
    reader = threading.Thread(target=_drain, args=(peer,), daemon=True)
    reader.start()
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 1000:
        if is_over.wait(1):
            return
        peer.sendall(bytes([byte]))


def _drain(peer):
    try:
        while peer.recv(65536):
            time.sleep(0)
    except OSError:
        pass


MANNERS = (silent, resetting, dribbling)
