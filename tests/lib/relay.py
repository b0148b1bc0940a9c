"""relay: stands in front of a server, and does to each connection what its script says."""

import socket
import struct
import threading

PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<html>no</html>"


class Relay:
    """
    `script`: what the next connections meet, one each; those behind it pass. "close" at once,
    "reset" or a "page" of HTTP/1 or "garbage" after the first bytes, "hang" until the client goes,
    "slow": answers byte by byte, or a number: answers are reset behind so many bytes.
    """

    def __init__(self, port, script):
        self.server_port, self.script, self.met = port, list(script), []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            what = self.script.pop(0) if self.script else "pass"
            self.met.append(what)
            threading.Thread(target=self.meet, args=(client, what), daemon=True).start()

    def meet(self, client, what):
        try:
            if what == "close":
                return
            if what in ("reset", "page", "garbage", "hang"):
                self.refuse(client, what)
                return
            server = socket.create_connection(("127.0.0.1", self.server_port))
            threading.Thread(target=copy, args=(client, server), daemon=True).start()
            answer(server, client, what)
            server.close()
        except OSError:
            pass
        finally:
            end(client)

    def refuse(self, client, what):
        client.recv(65536)
        if what == "reset":
            reset(client)
        elif what == "hang":
            while client.recv(65536):
                pass
        else:
            client.sendall(PAGE if what == "page" else bytes(range(256)))

    def close(self):
        # Closing alone leaves a thread in accept(), with the socket.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def end(connection):
    try:  # closing alone would wait for the thread that reads from it
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    connection.close()


def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def answer(server, client, what):
    left = what if isinstance(what, int) else None
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    while data := server.recv(65536):
        if what == "slow":
            for at in range(len(data)):
                client.sendall(data[at:at + 1])
            continue
        client.sendall(data[:left] if left is not None else data)
        if left is not None:
            left -= len(data)
            if left <= 0:
                reset(client)
                return
