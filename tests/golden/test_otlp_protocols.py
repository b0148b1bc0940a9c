#!/usr/bin/python3
"""OTLP as JSON and over gRPC: the same messages as over HTTP with protobuf, which test_otlp.py
compares with the log. The gRPC server is gRPC's own; calls fail as the protocol says they may."""

import concurrent.futures
import json
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parent / "lib"))
import receivers  # noqa: E402
import test_otlp as otlp  # noqa: E402
from relay import Relay  # noqa: E402

try:
    import grpc
    HAS_GRPC = hasattr(grpc, "server")  # a folder of that name is no module
except ImportError:
    HAS_GRPC = False

COMMON = "service=shop attribute=deployment.environment=test batch-count=37 retry-first=5ms"
SERVICES = {"otlp": "logs.v1.LogsService", "otlp_traces": "trace.v1.TraceService"}
FIELD = {"otlp": 6, "otlp_traces": 9}
CHECK = {"otlp": otlp.check_log, "otlp_traces": otlp.check_span}


# --- JSON: turned into what test_otlp.py reads of protobuf ---------------------------------------
LOG = {"timeUnixNano": 1, "severityNumber": 2, "traceId": 9, "spanId": 10,
       "observedTimeUnixNano": 11, "eventName": 12}
SPAN = {"traceId": 1, "spanId": 2, "parentSpanId": 4, "name": 5, "kind": 6,
        "startTimeUnixNano": 7, "endTimeUnixNano": 8, "status": 15}


def plain(value):
    (kind, inner), = value.items()
    if kind == "stringValue":
        return inner
    if kind == "intValue":
        assert isinstance(inner, str), inner
        return int(inner)
    if kind == "arrayValue":
        return [plain(item) for item in inner.get("values", [])]
    assert kind == "kvlistValue", kind
    return pairs(inner.get("values", []))


def pairs(found):
    own = {item["key"]: plain(item["value"]) for item in found}
    assert len(own) == len(found)
    return own


def as_item(found, names):
    item = {}
    for name, value in found.items():
        if name.endswith("Nano"):
            assert isinstance(value, str), value
            value = int(value)
        elif name.endswith("Id"):
            value = bytes.fromhex(value)
        elif name in ("name", "eventName"):
            value = value.encode()
        if name in names and value != {} and value != b"":  # as if it were not there
            item[names[name]] = [value]
    return item


def records_of(sink, text):
    """The items of one request in JSON, and who sent them."""
    outer, inner, items, names = (("resourceLogs", "scopeLogs", "logRecords", LOG)
                                  if sink == "otlp" else
                                  ("resourceSpans", "scopeSpans", "spans", SPAN))
    part, = json.loads(text)[outer]
    assert pairs(part["resource"]["attributes"]) == {
        "service.name": "shop", "deployment.environment": "test"}
    scope, = part[inner]
    assert scope["scope"]["name"] == "weir"
    for found in scope[items]:
        own = pairs(found["attributes"])
        yield {"id": own["id"], "own": own, "item": as_item(found, names)}


def take_json(sink):
    def function(handler, body, _receiver):
        assert handler.headers["Content-Type"] == "application/json"
        return 200, b'{"partialSuccess":{}}', list(records_of(sink, body))
    return function


def json_arrives(capture, folder):
    for sink in SERVICES:
        receiver = receivers.Receiver(take_json(sink), [receivers.answer(503)])
        otlp.run(capture, f"file={folder}/json-{sink}.json",
                 f"{sink}=http://127.0.0.1:{receiver.port} protocol=http/json {COMMON}")
        compare(sink, receiver.records, folder / f"json-{sink}.json")
        receiver.close()
    answer = b'{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"too old"}}'
    receiver = receivers.Receiver(lambda *_: (200, answer, []))
    done = otlp.run(capture, f"otlp=http://127.0.0.1:{receiver.port} protocol=http/json "
                             "batch-count=10000")
    assert "lost(sink_rejected) 3" in done.stderr, done.stderr
    assert receiver.requests == 1
    receiver.close()
    print("JSON: ok")


def compare(sink, records, path):
    expected = {record["id"]: record
                for record in map(json.loads, path.read_text().splitlines())}
    assert len(expected) >= otlp.COUNT
    assert sorted(record["id"] for record in records) == sorted(expected), (
        sink, len(records), len(expected))
    for record in records:
        CHECK[sink](record, expected[record["id"]])


# --- gRPC ---------------------------------------------------------------------------------------
class Calls:
    """A gRPC server for both services; `script`: what the next calls meet."""

    def __init__(self, script=(), answer=b"", credentials=None, compression=None, **options):
        self.script, self.answer, self.lock = list(script), answer, threading.Lock()
        self.messages, self.calls, self.metadata, self.times = [], 0, [], []
        self.peers = set()
        self.server = grpc.server(
            concurrent.futures.ThreadPoolExecutor(2), compression=compression,
            options=[(f"grpc.{name}", value) for name, value in options.items()])
        self.server.add_generic_rpc_handlers((self,))
        self.port = (self.server.add_secure_port("127.0.0.1:0", credentials) if credentials
                     else self.server.add_insecure_port("127.0.0.1:0"))
        self.server.start()

    def service(self, details):
        if details.method not in {f"/opentelemetry.proto.collector.{name}/Export"
                                  for name in SERVICES.values()}:
            return None
        return grpc.unary_unary_rpc_method_handler(self.take)

    def take(self, message, context):
        with self.lock:
            self.calls += 1
            self.peers.add(context.peer())
            self.times.append(time.monotonic())
            self.metadata.append(dict(context.invocation_metadata()))
            step = self.script.pop(0) if self.script else None
            if not step:
                self.messages.append(message)
        if step:
            code, details = step
            if details:
                context.set_trailing_metadata((("grpc-status-details-bin", details),))
            context.abort(code, "not now")
        return self.answer

    def records(self, sink):
        found = []
        for message in self.messages:
            resource, scope, items = otlp.items(message)
            assert resource == {"service.name": "shop", "deployment.environment": "test"}
            assert scope == "weir"
            for item in items:
                own = otlp.attributes(item[FIELD[sink]])
                found.append({"id": own["id"], "own": own, "item": item})
        return found

    def close(self):
        self.server.stop(0).wait()


def retry_info(milliseconds):
    """google.rpc.Status with a RetryInfo."""
    def field(number, data):
        return bytes([number << 3 | 2, len(data)]) + data
    nanos, text = milliseconds * 1000000, b"\x10"
    while nanos >= 0x80:
        text += bytes([nanos & 0x7f | 0x80])
        nanos >>= 7
    delay = field(1, text + bytes([nanos]))
    detail = field(1, b"type.googleapis.com/google.rpc.RetryInfo") + field(2, delay)
    return b"\x08\x0e" + field(3, detail)


def calls_arrive(capture, folder):
    code = grpc.StatusCode
    for sink in SERVICES:
        for compression in ("gzip", "none"):
            calls = Calls([(code.UNAVAILABLE, None), (code.RESOURCE_EXHAUSTED, retry_info(300)),
                           (code.ABORTED, None), (code.UNAUTHENTICATED, None)])
            otlp.run(capture, f"file={folder}/grpc-{sink}-{compression}.json",
                     f"{sink}=http://127.0.0.1:{calls.port}/ignored protocol=grpc {COMMON} "
                     f"compression={compression}")
            compare(sink, calls.records(sink), folder / f"grpc-{sink}-{compression}.json")
            assert calls.calls > 5 and len(calls.messages) == calls.calls - 4
            assert calls.times[2] - calls.times[1] >= 0.29, calls.times[:3]
            assert "weir/" in calls.metadata[0]["user-agent"]
            assert len(calls.peers) == 1, "one connection for all calls"
            calls.close()
    print("gRPC: ok, statuses that say so are tried again, RetryInfo is honoured")


def faults_are_told(capture):
    """What blames the message is tried in halves; of a partial success the count is believed."""
    code = grpc.StatusCode
    calls = Calls(answer=bytes((0x0a, 2, 8, 3)))
    done = otlp.run(capture, f"otlp=http://127.0.0.1:{calls.port} protocol=grpc batch-count=10000")
    assert "lost(sink_rejected) 3" in done.stderr and calls.calls == 1, done.stderr
    calls.close()
    calls = Calls([(code.INVALID_ARGUMENT, None)] * 3)
    done = otlp.run(capture, f"otlp=http://127.0.0.1:{calls.port} protocol=grpc {COMMON}")
    assert "lost 0" in done.stderr, done.stderr
    calls.close()
    calls = Calls(max_receive_message_length=20000)
    done = otlp.run(capture, f"otlp=http://127.0.0.1:{calls.port} protocol=grpc service=shop "
                             "attribute=deployment.environment=test batch-count=10000 "
                             "compression=none")
    assert "lost 0" in done.stderr and len(calls.messages) > 2, done.stderr
    assert all(len(message) <= 20000 for message in calls.messages)
    assert len(calls.records("otlp")) >= otlp.COUNT
    calls.close()
    print("gRPC faults: ok")


def answers_are_read(capture, folder):
    """Servers compress what they say as they were written to, and end connections as they like."""
    why = b"too old, " * 100
    success = b"\x08\x03\x12" + bytes([len(why) & 0x7f | 0x80, len(why) >> 7]) + why
    answer = b"\x0a" + bytes([len(success) & 0x7f | 0x80, len(success) >> 7]) + success
    calls = Calls(answer=answer, compression=grpc.Compression.Gzip)
    done = otlp.run(capture, f"otlp=http://127.0.0.1:{calls.port} protocol=grpc batch-count=10000")
    assert "lost(sink_rejected) 3" in done.stderr and calls.calls == 1, done.stderr
    calls.close()
    calls = Calls(max_connection_age_ms=20, max_connection_age_grace_ms=60000)
    otlp.run(capture, f"file={folder}/ages.json",
             f"otlp=http://127.0.0.1:{calls.port} protocol=grpc {COMMON} batch-count=2")
    found = {record["id"]: record for record in calls.records("otlp")}
    compare("otlp", found.values(), folder / "ages.json")
    assert len(calls.messages) <= len(found) / 2 + 1 + len(calls.peers), "twice: what was under way"
    calls.close()
    print(f"gRPC answers: ok, {len(calls.peers)} connections for {calls.calls} calls")


def connections_fail(capture, folder):
    """F10: connections that fail in each way, in the end also behind what the server has taken."""
    calls = Calls()
    script = ["close", "reset", "page", "garbage", "hang", 5, 20, 40, 60, 80, 100, "slow"]
    relay = Relay(calls.port, script)
    done = otlp.run(capture, f"file={folder}/relayed.json",
                    f"otlp=http://127.0.0.1:{relay.port} protocol=grpc timeout=1s {COMMON} "
                    "retry-maximum=20ms batch-count=5")
    assert "lost 0" in done.stderr, done.stderr
    assert relay.met[:len(script)] == script, relay.met
    found = {record["id"]: record for record in calls.records("otlp")}
    compare("otlp", found.values(), folder / "relayed.json")
    relay.close()
    calls.close()
    print(f"gRPC connections: ok, {len(relay.met)} of which {len(script)} failed in every way")


def tls_is_verified(capture, folder):
    receivers.make_authority(folder)
    receivers.make_certificate(folder, "server", "localhost", "DNS:localhost,IP:127.0.0.1")
    credentials = grpc.ssl_server_credentials(
        [((folder / "server.key").read_bytes(), (folder / "server.pem").read_bytes())])
    calls = Calls(credentials=credentials)
    where = f"otlp=https://localhost:{calls.port} protocol=grpc {COMMON}"
    otlp.run(capture, f"file={folder}/tls.json", f"{where} tls-ca-file={folder}/ca.pem")
    compare("otlp", calls.records("otlp"), folder / "tls.json")
    before = calls.calls
    done = otlp.run(capture, f"{where} give-up")
    assert "lost(sink_error)" in done.stderr and calls.calls == before, done.stderr
    calls.close()
    print("gRPC over TLS: ok")


def main():
    with tempfile.TemporaryDirectory(prefix="weir-otlp-") as name:
        folder = Path(name)
        capture = folder / "a.pcap"
        otlp.make_capture(capture)
        json_arrives(capture, folder)
        if not HAS_GRPC:
            print("SKIP: gRPC: python3-grpcio is not installed")
            return
        calls_arrive(capture, folder)
        faults_are_told(capture)
        answers_are_read(capture, folder)
        connections_fail(capture, folder)
        tls_is_verified(capture, folder)


if __name__ == "__main__":
    main()
