"""Receivers for the sinks' tests: HTTP servers that take records as real ones do, and misbehave as
they are told, one request after the other."""

import gzip
import http.server
import json
import re
import socket
import ssl
import subprocess
import threading
import time

import protobuf


OTLP_ID = re.compile(rb"\x0a\x02id\x12\x12\x0a\x10([0-9a-f]{16})")  # an attribute


def unzstd(data):
    return subprocess.run(["zstd", "-dc"], input=data, capture_output=True, check=True).stdout


def decompress(encoding, data):
    if encoding == "gzip":
        return gzip.decompress(data)
    if encoding == "snappy":
        return protobuf.unsnappy(data)
    return unzstd(data) if encoding == "zstd" else data


class Receiver:
    """An HTTP server. `script`: what the next requests meet; then all is taken.

    Each step is a function of the handler that answers, or None to take the request.
    """

    def __init__(self, take, script=(), context=None, port=0):
        self.take, self.script, self.lock = take, list(script), threading.Lock()
        self.records, self.requests, self.headers = [], 0, []
        self.connections = 0  # accepted and not yet ended
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # answers are two writes

            def do_POST(self):
                receiver.handle(self)

            def do_HEAD(self):
                reply(self, 200)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

            def process_request(self, request, client_address):
                receiver.count(1)  # by the one thread that accepts
                super().process_request(request, client_address)

            def process_request_thread(self, request, client_address):
                super().process_request_thread(request, client_address)
                receiver.count(-1)

            def finish_request(self, request, client_address):
                if context:
                    request.settimeout(30)
                    request = context.wrap_socket(request, server_side=True)
                super().finish_request(request, client_address)

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def handle(self, handler):
        with self.lock:
            self.requests += 1
            is_question = handler.path.startswith("/services/collector/ack")
            step = self.script.pop(0) if self.script and not is_question else None
            self.headers.append(dict(handler.headers))
        if step and step(handler, self):
            return
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        body = decompress(handler.headers.get("Content-Encoding"), body)
        with self.lock:
            status, answer, records = self.take(handler, body, self)
            self.records += records
        reply(handler, status, answer)

    def count(self, change):
        with self.lock:
            self.connections += change

    def settle(self):
        """Waits until all that dead senders left under way has been taken. Connections are accepted
        in order: when one of our own is answered, all before it are counted."""
        with socket.create_connection(("127.0.0.1", self.port)) as own:
            own.sendall(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert own.recv(1), "the receiver is gone"
        while True:
            with self.lock:
                if not self.connections:
                    return
            time.sleep(0.001)

    def ids(self):
        with self.lock:
            return [record["id"] for record in self.records]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def reply(handler, status, body=b"", **headers):
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


# --- what receivers take ------------------------------------------------------------------------
def take_lines(_handler, body, _receiver):
    return 200, b"", [json.loads(line) for line in body.splitlines()]


def take_array(_handler, body, _receiver):
    return 200, b"", json.loads(body)


def take_loki(handler, body, receiver):
    assert handler.path == "/loki/api/v1/push", handler.path
    records = []
    for stream in json.loads(body)["streams"]:
        for value in stream["values"]:
            record = json.loads(value[1])
            record["_labels"], record["_time"] = stream["stream"], int(value[0])
            record["_metadata"] = value[2] if len(value) > 2 else {}
            records.append(record)
    return 204, b"", records


def take_loki_protobuf(handler, body, _receiver):
    """The same as a snappy-compressed PushRequest; labels are in Go's quotes."""
    assert handler.path == "/loki/api/v1/push", handler.path
    assert handler.headers["Content-Type"] == "application/x-protobuf"
    records = []
    for stream in map(protobuf.fields, protobuf.fields(body)[1]):
        selector = stream[1][0].decode()
        labels = dict(re.findall(r'[{,](\w+)="((?:[^"\\]|\\.)*)"', selector))
        assert selector == "{" + ",".join(f'{name}="{value}"'
                                          for name, value in labels.items()) + "}", selector
        for entry in map(protobuf.fields, stream[2]):
            record, when = json.loads(entry[2][0]), protobuf.fields(entry[1][0])
            record["_labels"], record["_time"] = labels, when[1][0] * 10**9 + when[2][0]
            pairs = map(protobuf.fields, entry.get(3, []))
            record["_metadata"] = {pair[1][0].decode(): pair[2][0].decode() for pair in pairs}
            records.append(record)
    return 204, b"", records


def take_otlp(handler, body, _receiver):
    """Logs over HTTP, protobuf; of each record its id only."""
    assert handler.path == "/v1/logs", handler.path
    return 200, b"", [{"id": found.decode(), "event.id": found.decode()}
                      for found in OTLP_ID.findall(body)]


def take_bulk(handler, body, receiver):
    """Refuses a record for a while, or for ever, as `receiver.judge` says; stores each id once."""
    assert handler.path == "/_bulk", handler.path
    lines, items, records = body.splitlines(), [], []
    stored = {record["_id"] for record in receiver.records}
    for action, document in zip(lines[::2], lines[1::2]):
        create = json.loads(action)["create"]
        record = json.loads(document)
        status = getattr(receiver, "judge", lambda _record: 201)(record)
        if create["_id"] in stored:
            status = 409
        items.append({"create": {"_index": create["_index"], "_id": create["_id"],
                                 "status": status}})
        if status >= 300:
            items[-1]["create"]["error"] = {"type": "some, {\"} error", "reason": "[so]"}
        else:
            record["_id"], record["_index"] = create["_id"], create["_index"]
            record["id"] = record["event.id"]
            stored.add(create["_id"])
            records.append(record)
    return 200, json.dumps({"took": 3, "errors": True, "items": items}).encode(), records


def take_splunk(handler, body, receiver):
    """HEC with acknowledgements: an id is confirmed when it was asked for the second time."""
    if handler.headers.get("Authorization") != "Splunk secret-token":
        return 403, b'{"text":"Invalid token","code":4}', []
    asked = receiver.__dict__.setdefault("asked", {})
    if handler.path.startswith("/services/collector/ack"):
        answer = {}
        for number in json.loads(body)["acks"]:
            asked[number] = asked.get(number, 0) + 1
            answer[str(number)] = asked[number] > 1
        return 200, json.dumps({"acks": answer}).encode(), []
    assert handler.path == "/services/collector/event", handler.path
    assert handler.headers["X-Splunk-Request-Channel"]
    records, decoder, text = [], json.JSONDecoder(), body.decode()
    while text:
        event, end = decoder.raw_decode(text)
        text = text[end:].lstrip()
        assert event["source"] == "weir" and isinstance(event["time"], float)
        records.append(event["event"])
    receiver.acks = getattr(receiver, "acks", -1) + 1
    return 200, json.dumps({"text": "Success", "code": 0, "ackId": receiver.acks}).encode(), records


# --- what they do instead -----------------------------------------------------------------------
def answer(status, body=b"", **headers):
    def step(handler, _receiver):
        handler.rfile.read(int(handler.headers["Content-Length"]))
        reply(handler, status, body, **headers)
        return True
    return step


def hang(handler, receiver):
    """Reads, and never answers."""
    handler.rfile.read(int(handler.headers["Content-Length"]))
    receiver.hung = True
    time.sleep(3)
    handler.close_connection = True
    return True


def half_open(handler, _receiver):
    """Neither reads nor answers."""
    time.sleep(3)
    handler.close_connection = True
    return True


def reset(handler, _receiver):
    """Ends the connection with a reset in the middle of the body."""
    handler.rfile.read(1)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    handler.connection.close()
    handler.close_connection = True
    return True


def dribble(handler, _receiver):
    """An answer that comes byte by byte and never ends in time."""
    handler.rfile.read(int(handler.headers["Content-Length"]))
    try:
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n":
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            time.sleep(0.05)
    except OSError:
        pass
    handler.close_connection = True
    return True


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- certificates -------------------------------------------------------------------------------
def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def make_authority(folder):
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{folder}/ca.key", "-out",
            f"{folder}/ca.pem", "-days", "2", "-subj", "/CN=weir test authority")


def make_certificate(folder, name, subject, alternative, days="2"):
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{folder}/{name}.key", "-out",
            f"{folder}/{name}.csr", "-subj", f"/CN={subject}")
    with open(f"{folder}/{name}.ext", "w", encoding="ascii") as file:
        file.write(f"subjectAltName={alternative}\n")
    openssl("x509", "-req", "-in", f"{folder}/{name}.csr", "-CA", f"{folder}/ca.pem", "-CAkey",
            f"{folder}/ca.key", "-CAcreateserial", "-out", f"{folder}/{name}.pem", "-days", days,
            "-extfile", f"{folder}/{name}.ext")


def tls_context(folder, name, with_clients=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{folder}/{name}.pem", f"{folder}/{name}.key")
    if with_clients:
        context.load_verify_locations(f"{folder}/ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


