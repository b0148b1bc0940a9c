"""HTTP/1 over plain sockets with every byte remembered: the ground truth records are held against.

A Client keeps what it put on the wire and what came back as raw bytes; nothing is normalised, so a
record can be compared name by name and byte by byte. `differences` does that comparison.
"""

import codecs
import socket
import threading


def _byte_as_code_point(error):
    """A byte that is not UTF-8 becomes the code point of the same number, as in a record."""
    return "".join(map(chr, error.object[error.start:error.end])), error.end


codecs.register_error("weir", _byte_as_code_point)


def as_text(raw):
    """Wire bytes as they stand in a record after JSON decoding."""
    return raw.decode("utf-8", "weir")


class Head:
    """A message head taken apart by nothing but its line ends."""

    def __init__(self, raw):
        self.raw = raw
        lines = raw.split(b"\r\n")
        self.start_line = lines[0]
        self.headers = []
        for line in lines[1:]:
            if line:
                name, _, value = line.partition(b":")
                self.headers.append((name, value.strip(b" \t")))

    def find(self, name):
        """All values of a header, in wire order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def as_record(self):
        return [[as_text(name), as_text(value)] for name, value in self.headers]

    @property
    def status(self):
        return int(self.start_line.split(b" ")[1])

    @property
    def reason(self):
        return self.start_line.split(b" ", 2)[2] if self.start_line.count(b" ") >= 2 else b""


class Exchange:
    """One request and its response as they were on the wire."""

    def __init__(self):
        self.sequence = None
        self.request = None
        self.request_body_size = 0
        self.request_trailers = []
        self.response = None
        self.response_body_size = 0
        self.response_trailers = []
        self.interim = []
        self.client_address = None
        self.client_port = None
        self.server_address = None
        self.server_port = None


class Ended(Exception):
    """The other end closed before the message was whole."""


class Client:
    """One connection. Requests are sent as given; responses are read to their exact end."""

    def __init__(self, address, port, timeout=30, tls=None):
        """`tls`: an ssl.SSLContext, for a connection that is encrypted."""
        self.socket = socket.create_connection((address, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.local = self.socket.getsockname()[:2]
        self.remote = self.socket.getpeername()[:2]
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="live.test")
        self.buffer = bytearray()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _more(self):
        data = self.socket.recv(262144)
        if not data:
            raise Ended
        self.buffer += data

    def _take(self, count):
        while len(self.buffer) < count:
            self._more()
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    def _take_until(self, mark):
        while (at := self.buffer.find(mark)) < 0:
            self._more()
        return self._take(at + len(mark))

    def _read_chunks(self):
        """The size of a chunked body and its trailers."""
        size = 0
        while True:
            chunk = int(self._take_until(b"\r\n").split(b";")[0], 16)
            if chunk == 0:
                break
            size += chunk
            self._take(chunk + 2)
        trailers = []
        while (line := self._take_until(b"\r\n")) != b"\r\n":
            name, _, value = line[:-2].partition(b":")
            trailers.append([as_text(name), as_text(value.strip(b" \t"))])
        return size, trailers

    def read_response(self, exchange, method=b"GET"):
        while True:
            head = Head(self._take_until(b"\r\n\r\n"))
            if head.status // 100 != 1 or head.status == 101:
                break
            exchange.interim.append(head.status)
        exchange.response = head
        if method == b"HEAD" or head.status in (101, 204, 304):
            return exchange
        if b"chunked" in b",".join(head.find(b"transfer-encoding")).lower():
            exchange.response_body_size, exchange.response_trailers = self._read_chunks()
        elif length := head.find(b"content-length"):
            exchange.response_body_size = len(self._take(int(length[0])))
        else:
            try:
                while True:
                    self._more()
            except Ended:
                exchange.response_body_size = len(self.buffer)
                self.buffer.clear()
        return exchange

    def exchange(self, sequence, method=b"GET", target=b"/", headers=(), body=None, chunks=None,
                 trailers=(), version=b"HTTP/1.1"):
        """Sends one request numbered by X-Seq and reads its response."""
        done = Exchange()
        done.sequence = sequence
        done.client_address, done.client_port = self.local
        done.server_address, done.server_port = self.remote
        lines = [(b"Host", b"live.test"), (b"X-Seq", sequence.encode())] + list(headers)
        payload = b""
        if chunks is not None:
            lines.append((b"Transfer-Encoding", b"chunked"))
            for chunk in chunks:
                payload += b"%x\r\n%s\r\n" % (len(chunk), chunk)
            payload += b"0\r\n" + b"".join(b"%s: %s\r\n" % pair for pair in trailers) + b"\r\n"
            done.request_body_size = sum(map(len, chunks))
            done.request_trailers = [[as_text(n), as_text(v)] for n, v in trailers]
        elif body is not None:
            lines.append((b"Content-Length", b"%d" % len(body)))
            payload = body
            done.request_body_size = len(body)
        raw = b"%s %s %s\r\n" % (method, target, version)
        raw += b"".join(b"%s: %s\r\n" % pair for pair in lines) + b"\r\n"
        done.request = Head(raw)
        self.socket.sendall(raw + payload)
        return self.read_response(done, method)


def run_numbered(address, port, connections, requests, make_request, prefix="n", tls=None):
    """Numbered requests over several keep-alive connections at once; all exchanges.

    make_request(number) gives the keyword arguments of Client.exchange.
    """
    exchanges, failures = [], []

    def work(lane):
        try:
            with Client(address, port, tls=tls) as client:
                for index in range(requests):
                    number = lane * requests + index
                    exchanges.append(
                        client.exchange(f"{prefix}-{number}", **make_request(number)))
        except Exception as error:  # told to the caller: a thread's exception is lost otherwise
            failures.append(f"{prefix} lane {lane}: {error!r}")

    threads = [threading.Thread(target=work, args=(lane,)) for lane in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError("; ".join(failures))
    return exchanges


def expected_record(exchange):
    """The fields that an exchange fixes, as they must stand in its record."""
    method, target, version = exchange.request.start_line.split(b" ")
    fields = {
        "type": "http",
        "client.address": exchange.client_address,
        "client.port": exchange.client_port,
        "server.address": exchange.server_address,
        "server.port": exchange.server_port,
        "network.transport": "tcp",
        "network.type": "ipv6" if ":" in exchange.server_address else "ipv4",
        "network.protocol.name": "http",
        "http.request.method": as_text(method),
        "url.original": as_text(target),
        "network.protocol.version": as_text(version[5:]),
        "http.request.headers": exchange.request.as_record(),
        "http.request.head_size": len(exchange.request.raw),
        "http.request.body.size": exchange.request_body_size,
    }
    if exchange.response is not None:
        fields |= {
            "http.response.status_code": exchange.response.status,
            "http.response.reason": as_text(exchange.response.reason),
            "http.response.headers": exchange.response.as_record(),
            "http.response.head_size": len(exchange.response.raw),
            "http.response.body.size": exchange.response_body_size,
        }
    if exchange.interim:
        fields["http.response.interim"] = exchange.interim
    if exchange.request_trailers:
        fields["http.request.trailers"] = exchange.request_trailers
    if exchange.response_trailers:
        fields["http.response.trailers"] = exchange.response_trailers
    return fields


# What is nothing may be left out: no bytes of body, no headers, no reason phrase.
_MAY_BE_ABSENT = ("http.request.body.size", "http.response.body.size", "http.response.reason",
                  "http.request.headers", "http.response.headers")


def field_differences(record, fields):
    """One line for each field that is not as expected; a value of None means absent."""
    found = []
    for name, expected in fields.items():
        actual = record.get(name)
        if actual == expected or (name in _MAY_BE_ABSENT and not actual and not expected):
            continue
        found.append(f"{name}: is {actual!r}, not {expected!r}")
    return found


def differences(record, exchange):
    return field_differences(record, expected_record(exchange))


def sequence_of(record, side="request"):
    """The X-Seq header of a record's request or response, or None."""
    for name, value in record.get(f"http.{side}.headers", ()):
        if name.lower() == "x-seq":
            return value
    return None


def wait_until(condition, seconds=20):
    """Polls a condition that another process makes true; False when it never came."""
    import time
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
