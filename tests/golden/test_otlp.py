#!/usr/bin/python3
"""OTLP: what arrives as log records and spans is, field by field, what the JSON log says. The
messages are taken apart here by the field numbers of opentelemetry-proto, not by weir's code."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WEIR = os.environ.get("WEIR", str(ROOT / "build" / "weir"))
sys.path.insert(0, str(ROOT / "tests" / "lib"))
import receivers  # noqa: E402
from packets import Connection, ethernet, pcap  # noqa: E402
from protobuf import fields  # noqa: E402

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
COUNT = 200


# --- attributes ---------------------------------------------------------------------------------
def any_value(data):
    (number, (value,)), = fields(data).items()
    if number == 1:
        return value.decode()
    if number == 3:
        return value
    if number == 5:
        return [any_value(item) for item in fields(value).get(1, [])]
    assert number == 6, number
    return attributes(fields(value).get(1, []))


def attributes(pairs):
    found = {}
    for pair in pairs:
        parts = fields(pair)
        name = parts[1][0].decode()
        assert name not in found, name
        found[name] = any_value(parts[2][0])
    return found


def items(body):
    """(resource's attributes, scope's name, items) of a request."""
    resource_items, = fields(body)[1]
    parts = fields(resource_items)
    resource = attributes(fields(parts[1][0])[1])
    scope_items, = parts[2]
    scope = fields(scope_items)
    return resource, fields(scope[1][0])[1][0].decode(), [fields(item) for item in scope[2]]


# --- receivers ----------------------------------------------------------------------------------
def take(path, attribute_field):
    def function(handler, body, receiver):
        assert handler.path == path, handler.path
        assert handler.headers["Content-Type"] == "application/x-protobuf"
        resource, scope, found = items(body)
        assert resource == {"service.name": "shop", "deployment.environment": "test"}, resource
        assert scope == "weir"
        records = []
        for item in found:
            own = attributes(item[attribute_field])
            records.append({"id": own["id"], "own": own, "item": item})
        return 200, b"", records
    return function


def make_capture(path):
    packets = []
    connection = Connection("192.0.2.1", "192.0.2.99", (40000, 80))
    packets += connection.open()
    for number in range(COUNT):
        trace = ("", f"traceparent: 00-{TRACE}-{SPAN}-01\r\n", f"b3: {TRACE}-{SPAN}-1\r\n",
                 f"X-B3-TraceId: {TRACE}\r\nX-B3-SpanId: {SPAN}\r\n")[number % 4]
        packets += connection.say(0, (
            f"GET /item/{number} HTTP/1.1\r\nHost: a.test\r\nX-Two: 1\r\nx-two: 2\r\n"
            f"Cookie: a=secret{number}\r\n{trace}X-Odd: ").encode() + b"gr\xfcn\r\n\r\n")
        status = 500 if number % 10 == 0 else 404 if number % 10 == 1 else 200
        packets += connection.say(1, f"HTTP/1.1 {status} OK\r\nContent-Length: 0\r\n\r\n".encode())
    packets += connection.close()
    path.write_bytes(pcap([ethernet(packet) for packet in packets]))


def run(capture, *sinks):
    arguments = [part for sink in sinks for part in ("--sink", sink)]
    done = subprocess.run([WEIR, "read", str(capture), *arguments], capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0, done
    return done


def grouped(headers):
    found = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(value)
    return found


def check_attributes(own, expected):
    plain = dict(expected)
    plain.pop("time")
    for side in ("request", "response"):
        for name, values in grouped(plain.pop(f"http.{side}.headers", [])).items():
            key = f"http.{side}.header.{name}"
            assert own.pop(key) == values, (key, values)
    assert own == plain, (own, plain)


def nanoseconds(text):
    seconds = subprocess.run(["date", "-u", "-d", text, "+%s%N"], capture_output=True, text=True,
                             check=True).stdout
    return int(seconds)


def check_log(record, expected):
    item = record["item"]
    check_attributes(dict(record["own"]), expected)
    severity = {500: 17, 404: 13}.get(expected.get("http.response.status_code"), 9)
    assert item[2][0] in (severity, 9), item[2]
    assert (item[2][0] == 17) == (severity == 17), item[2]
    assert item[12][0].decode() == expected["type"]
    if "trace_id" in expected:
        assert (item[9][0].hex(), item[10][0].hex()) == (TRACE, SPAN)
    else:
        assert 9 not in item and 10 not in item


def check_span(record, expected):
    item = record["item"]
    check_attributes(dict(record["own"]), expected)
    assert item[2][0].hex() == expected["id"] and len(item[1][0]) == 16
    if "trace_id" in expected:
        assert (item[1][0].hex(), item[4][0].hex()) == (TRACE, SPAN)
    else:
        assert 4 not in item and item[1][0][8:].hex() == expected["id"]
    assert item[8][0] - item[7][0] == expected.get("duration_ns", 0)
    assert (15 in item) == (expected.get("http.response.status_code", 0) >= 500), expected
    if expected["type"] == "http":
        assert item[5][0] == b"GET" and item[6][0] == 2


def main():
    with tempfile.TemporaryDirectory(prefix="weir-otlp-") as name:
        folder = Path(name)
        make_capture(folder / "a.pcap")
        common = "service=shop attribute=deployment.environment=test batch-count=37"
        for sink, path, field, check in (("otlp", "/v1/logs", 6, check_log),
                                         ("otlp_traces", "/v1/traces", 9, check_span)):
            receiver = receivers.Receiver(take(path, field), [receivers.answer(503)])
            run(folder / "a.pcap", f"file={folder}/{sink}.json",
                f"{sink}=http://127.0.0.1:{receiver.port} {common} retry-first=5ms")
            lines = (folder / f"{sink}.json").read_text().splitlines()
            expected = {record["id"]: record for record in map(json.loads, lines)}
            assert len(expected) >= COUNT and not any("secret" in line for line in lines)
            assert sorted(receiver.ids()) == sorted(expected), (len(receiver.ids()), len(expected))
            first = receiver.records[0]
            assert first["item"][1 if sink == "otlp" else 7][0] == nanoseconds(
                expected[first["id"]]["time"])
            for record in receiver.records:
                check(record, expected[record["id"]])
            assert sum("trace_id" in record for record in expected.values()) == COUNT * 3 // 4
            receiver.close()
            print(f"{sink}: ok, {len(expected)} records")
        # The receiver takes all but three and says so: they are told, and not sent again.
        receiver = receivers.Receiver(lambda *_: (200, bytes((0x0a, 2, 8, 3)), []))
        done = run(folder / "a.pcap", f"otlp=http://127.0.0.1:{receiver.port} batch-count=10000")
        assert "rejected" in done.stderr and " 3" in done.stderr, done.stderr
        assert receiver.requests == 1
        receiver.close()
        print("partial success: ok")


if __name__ == "__main__":
    main()
