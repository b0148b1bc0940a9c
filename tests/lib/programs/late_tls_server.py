"""
late_tls_server ADDRESS PORT CERTIFICATE KEY: an HTTP server that loads its TLS library with the
first connection. Each connection has one request and its answer.
"""

import socket
import sys


def receive(peer):
    text = b""
    while b"\r\n\r\n" not in text:
        more = peer.recv(4096)
        if not more:
            return False
        text += more
    return True


def main():
    address, port, certificate, key = sys.argv[1:]
    context = None
    with socket.create_server((address, int(port)), backlog=64) as listener:
        while True:
            plain, _ = listener.accept()
            if context is None:
                import ssl
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(certificate, key)
            try:
                with context.wrap_socket(plain, server_side=True) as peer:
                    if receive(peer):
                        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlate\n")
                        peer.recv(1)
            except OSError:
                pass  # the other end went away


if __name__ == "__main__":
    main()
