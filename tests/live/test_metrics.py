#!/usr/bin/python3
"""/metrics says what the log says: requests by status, weir's totals; promtool has no complaint. As
Protocol Buffers it says the same, with native histograms."""

import http.client
import re
import shutil
import struct
import subprocess
import sys
import urllib.error
import urllib.request

from harness import (Weir, check, check_clean_end, check_empty, note, require_weir, run_main,
                     temporary_directory)
from harness import servers, traffic
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from protobuf import fields  # noqa: E402

CONNECTIONS, REQUESTS = 4, 25
PROTOBUF = ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
            "encoding=delimited")
SAMPLE = re.compile(r'^(\w+)(?:\{(.*)\})? ([-+0-9.eInf]+)$')


def make_request(number):
    return {"target": b"/missing/%d" % number if number % 5 == 0 else b"/bytes/11"}


def fetch(port, path="/metrics", method="GET"):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


def samples(page):
    """{(name, labels): value}"""
    found = {}
    for line in page.splitlines():
        if not line.startswith("#"):
            name, labels, value = SAMPLE.match(line).groups()
            found[name, frozenset(re.findall(r'(\w+)="([^"]*)"', labels or ""))] = float(value)
    return found


def sum_of(found, wanted, **labels):
    return sum(value for (name, own), value in found.items()
               if name == wanted and set(labels.items()) <= own)


def check_page(port, server):
    count = "http_server_request_duration_seconds_count"
    total = CONNECTIONS * REQUESTS

    def is_complete():
        found = samples(fetch(port))
        return sum_of(found, "weir_records_total", state="logged") >= total

    check(traffic.wait_until(is_complete), "the page counts all requests", fetch(port)[-2000:])
    page = fetch(port)
    found = samples(page)
    check(sum_of(found, count, http_response_status_code="200") == total * 4 / 5
          and sum_of(found, count, http_response_status_code="404") == total / 5,
          "requests by status", page[:3000])
    check(sum_of(found, count, http_route="/missing/{id}") == total / 5,
          "paths with numbers are one route")
    check(sum_of(found, count, service_name="nginx") == total, "the service is the process")
    check(sum_of(found, "http_server_response_body_size_bytes_sum",
                 http_request_method="GET") > total * 4 / 5 * 11, "sizes of bodies")
    states = {state: sum_of(found, "weir_records_total", state=state)
              for state in ("seen", "logged", "filtered", "lost")}
    check(states["seen"] == states["logged"] + states["filtered"] + states["lost"] == total,
          f"seen = logged + filtered + lost: {states}")
    check(10e6 > sum_of(found, "process_cpu_seconds_total") > 0
          and sum_of(found, "process_resident_memory_bytes") > 1e6, "weir's own health")
    if shutil.which("promtool"):
        said = subprocess.run(["promtool", "check", "metrics"], input=page, text=True,
                              capture_output=True, check=False)
        check(said.returncode == 0 and not said.stdout + said.stderr,
              "promtool check metrics has nothing to say", said.stdout + said.stderr)
    else:
        note("left out: promtool is not installed")


# --- Protocol Buffers: io/prometheus/client/metrics.proto --------------------------------------
def families(port, accept):
    """Messages behind their lengths; None: it came as text."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics",
                                     headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=10) as answer:
        data, kind = answer.read(), answer.headers["Content-Type"]
    if not kind.startswith("application/vnd.google.protobuf"):
        return None
    found, at = {}, 0
    while at < len(data):
        length = shift = 0
        while True:
            byte = data[at]
            at, length, shift = at + 1, length | (byte & 0x7f) << shift, shift + 7
            if byte < 0x80:
                break
        family = fields(data[at:at + length])
        at += length
        name = family[1][0].decode()
        assert name not in found, name
        found[name] = (family[3][0], [fields(metric) for metric in family[4]])
    return found


def double(bits):
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


def deltas(data):
    """Counts of a packed list of what each differs by from the one before."""
    count = number = shift = 0
    for byte in data:
        number, shift = number | (byte & 0x7f) << shift, shift + 7
        if byte < 0x80:
            count += (number >> 1) ^ -(number & 1)
            number = shift = 0
            yield count


def labels_of(metric):
    return frozenset((label[1][0].decode(), label[2][0].decode())
                     for label in map(fields, metric.get(1, [])))


def check_protobuf(port, found):
    problems, native, name = [], 0, "http_server_request_duration_seconds"
    own = families(port, f"{PROTOBUF};q=0.7,text/plain;version=0.0.4;q=0.3,*/*;q=0.1")
    for family, (kind, metrics) in own.items():
        for metric in metrics:
            labels = labels_of(metric)
            if kind != 4:
                text, value = found.get((family, labels)), fields(metric[3 - kind][0])[1][0]
                if text is None or ("weir_" not in family and "process_" not in family
                                    and text != double(value)):
                    problems.append((family, labels, text))
                continue
            histogram = fields(metric[7][0])
            counts = list(deltas(histogram.get(13, [b""])[0]))
            span = fields(histogram[12][0])
            if (sum(counts) + histogram[7][0] != histogram[1][0] or len(counts) != span[2][0]
                    or found.get((family + "_count", labels)) != histogram[1][0]):
                problems.append((family, labels, counts, histogram[1]))
            for bucket in map(fields, histogram[3]):
                bound = f"{double(bucket[2][0]):.15g}"
                if found.get((family + "_bucket", labels | {("le", bound)})) != bucket[1][0]:
                    problems.append((family, labels, bound))
            native += histogram[1][0] if family == name else 0
    check_empty(problems, f"{len(own)} families as Protocol Buffers say what the text says")
    check(native == CONNECTIONS * REQUESTS, "native histograms count all requests", native)
    check(len(own) == len({family for family, _ in own.items()}) > 20, "each family once")
    texts = ["", "text/plain", "*/*", "application/json,*/*", f"{PROTOBUF};q=0,text/plain",
             f"{PROTOBUF};q=0.3,text/plain;q=0.7", f"{PROTOBUF};q=inf", f"{PROTOBUF};q=-nan",
             "application/vnd.google.protobuf", "," * 500, ";q=" * 500]
    check_empty([accept[:80] for accept in texts if families(port, accept) is not None],
                "nobody else gets it")


def check_endpoint(port):
    check(fetch(port, "/healthz") == "ok\n", "/healthz answers")
    check(fetch(port, method="HEAD") == "", "HEAD has no body")
    problems = []
    for path, method, wanted in (("/", "GET", 404), ("/metrics", "POST", 405),
                                 ("/metrics/../../etc/passwd", "GET", 404)):
        try:
            fetch(port, path, method)
            problems.append(f"{method} {path}: answered")
        except urllib.error.HTTPError as error:
            if error.code != wanted:
                problems.append(f"{method} {path}: {error.code}")
    check_empty(problems, "nothing else is answered")
    ends = [http.client.HTTPConnection("127.0.0.1", port, timeout=10) for _ in range(24)]
    for end in ends:
        end.connect()
    for end in ends:
        end.close()
    check(traffic.wait_until(lambda: is_answered(port)), "many idle connections do no harm")


def is_answered(port):
    try:
        return bool(fetch(port, "/healthz"))
    except OSError:
        return False


def main():
    require_weir()
    server = servers.nginx(temporary_directory())
    port = servers.free_port()
    with Weir("--port", server.port, f"--metrics={port}") as weir:
        traffic.run_numbered(server.address, server.port, CONNECTIONS, REQUESTS, make_request)
        check_page(port, server)
        check_protobuf(port, samples(fetch(port)))
        check_endpoint(port)
        check_clean_end(weir)
    server.stop()


if __name__ == "__main__":
    run_main(main)
