"""Python's http.server, one thread a connection: /bytes/N gives N bytes.

A certificate and its key behind the other arguments: over TLS.
"""

import os
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET6


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def read_body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                self.rfile.read(size + 2)
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
        else:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def answer(self):
        self.read_body()
        size = int(self.path.split("?")[0].rpartition("/")[2] or 0)
        self.send_response(200, "Quite  OK")
        self.send_header("X-Seq", self.headers.get("X-Seq", "-"))
        self.send_header("X-Repeated", "one")
        self.send_header("X-Repeated", "two")
        self.send_header("Content-Length", str(size))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"x" * size)

    do_GET = do_POST = do_HEAD = do_PUT = answer

    def log_request(self, code="-", size="-"):
        number, port = self.headers.get("X-Seq", "-"), self.client_address[1]
        os.write(log, f"{number} {port} {int(code)} {os.getpid()}\n".encode())


class Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True


address, port, log_path, *certificate = sys.argv[1:]
log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
if ":" in address:
    Server.address_family = AF_INET6
server = Server((address, int(port)), Handler)
if certificate:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True,
                                        do_handshake_on_connect=False)
server.serve_forever()
