#!/usr/bin/python3
"""Sinks of metrics: a Prometheus has by remote write what /metrics says, classic and native; what
comes as OTLP has the same counts and sums; so has a VictoriaMetrics; at its end weir says that its
series end. Sinks, their spools and the ring tell how they are."""

import json
import shutil
import struct
import subprocess
import sys
import urllib.parse
from pathlib import Path

from harness import (Weir, check, note, require_weir, run_main, temporary_directory)
from harness import servers, traffic
from test_metrics import fetch, make_request, samples, sum_of

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import receivers  # noqa: E402
from protobuf import fields  # noqa: E402

CONNECTIONS, REQUESTS = 4, 25
TOTAL = CONNECTIONS * REQUESTS
NAME = "http_server_request_duration_seconds"


class Prometheus:
    """A receiver of remote write with a data base of its own."""

    program, path = "prometheus", ""

    def __init__(self, folder, scraped):
        self.port, self.scraped = servers.free_port(), scraped
        self.process = subprocess.Popen(
            self.command(folder), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, preexec_fn=servers.die_with_parent)

    def command(self, folder):
        (folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n"
            "  - {job_name: scraped, static_configs: [{targets: ['127.0.0.1:%d']}]}\n"
            % self.scraped)
        return ["prometheus", f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{self.port}",
                "--web.enable-remote-write-receiver", "--enable-feature=native-histograms",
                "--log.level=warn"]

    def is_ready(self):
        try:
            return bool(fetch(self.port, "/-/ready"))
        except OSError:
            return False

    def ask(self, query):
        """[(labels, value)]"""
        text = fetch(self.port, "/api/v1/query?" + urllib.parse.urlencode({"query": query}))
        return [(item["metric"], item.get("value") or item["histogram"])
                for item in json.loads(text)["data"]["result"]]

    def number(self, query):
        return sum(float(value[1]) for _, value in self.ask(query))

    def stop(self):
        self.process.terminate()
        self.process.wait()


class VictoriaMetrics(Prometheus):
    """It answers the same questions; native histograms are nothing to it."""

    program, path = "victoria-metrics", "/api/v1/write"

    def command(self, folder):
        return ["victoria-metrics", f"-storageDataPath={folder}/victoria",
                f"-httpListenAddr=127.0.0.1:{self.port}", "-search.latencyOffset=0s",
                "-search.disableCache", "-loggerLevel=ERROR"]

    def is_ready(self):
        try:
            return bool(fetch(self.port, "/health"))
        except OSError:
            return False


# --- OTLP ---------------------------------------------------------------------------------------
def double(bits):
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


def read_points(body):
    for resource in fields(body)[1]:
        for scope in fields(resource)[2]:
            for metric in map(fields, fields(scope)[2]):
                kind = next(number for number in (5, 7, 9, 10) if number in metric)
                data = fields(metric[kind][0])
                if kind != 5:
                    assert data[2] == [2], data.get(2)  # cumulative
                for point in map(fields, data[1]):
                    own = {}
                    for pair in map(fields, point.get({9: 9, 10: 1}.get(kind, 7), [])):
                        (number, (value,)), = fields(pair[2][0]).items()
                        own[pair[1][0].decode()] = value if number == 3 else value.decode()
                    yield metric[1][0].decode(), kind, own, point


def make_receiver():
    def take(handler, body, receiver):
        assert handler.path == "/v1/metrics", handler.path
        for name, kind, own, point in read_points(body):
            receiver.points[name, kind, tuple(sorted(own.items()))] = point
        return 200, b"", []
    receiver = receivers.Receiver(take)
    receiver.points = {}
    return receiver


def durations(receiver, kind):
    """(count, sum) of all requests."""
    found = [point for (name, own_kind, _), point in list(receiver.points.items())
             if name == "http.server.request.duration" and own_kind == kind]
    return sum(point[4][0] for point in found), sum(double(point[5][0]) for point in found)


def check_otlp(explicit, exponential, found):
    total, seconds = sum_of(found, NAME + "_count"), sum_of(found, NAME + "_sum")
    check(traffic.wait_until(lambda: durations(explicit, 9)[0] == total
                             and durations(exponential, 10)[0] == total),
          "OTLP: as many requests as on the page", (durations(explicit, 9), total))
    for receiver, kind in ((explicit, 9), (exponential, 10)):
        check(abs(durations(receiver, kind)[1] - seconds) < 1e-9 * total, "OTLP: the same sum")
    problems = []
    for (name, kind, own), point in list(explicit.points.items()):
        if kind == 9:
            counts = struct.unpack(f"<{len(point[6][0]) // 8}Q", point[6][0])
            bounds = struct.unpack(f"<{len(point[7][0]) // 8}d", point[7][0])
            if sum(counts) != point[4][0] or len(counts) != len(bounds) + 1:
                problems.append((name, counts, bounds))
    codes = {dict(own).get("http.response.status_code") for name, _, own in explicit.points
             if name == "http.server.request.duration"}
    check(not problems and codes == {200, 404}, "OTLP: buckets add up, codes are numbers",
          (problems, codes))
    bad = [point for (_, kind, _), point in list(exponential.points.items())
           if kind == 10 and 8 in point and point[4][0] != point.get(7, [0])[0] + sum(
               varints(fields(point[8][0]).get(2, [b""])[0]))]
    check(not bad, "OTLP: exponential buckets add up", bad)


def varints(data):
    number = shift = 0
    for byte in data:
        number |= (byte & 0x7f) << shift
        shift += 7
        if not byte & 0x80:
            yield number
            number = shift = 0


# --- the tests ----------------------------------------------------------------------------------
def check_receiver(receiver, found):
    total, seconds = sum_of(found, NAME + "_count"), sum_of(found, NAME + "_sum")
    own = '{job="weir"}'
    check(traffic.wait_until(lambda: receiver.number(NAME + "_count" + own) == total, 60),
          f"{receiver.program} has as many requests as the page", receiver.ask(NAME + "_count"))
    check(abs(receiver.number(NAME + "_sum" + own) - seconds) < 1e-9 * total, "and their sum")
    check(receiver.number(NAME + '_count{http_response_status_code="404",job="weir"}')
          == TOTAL / 5, "by labels")
    check(receiver.number(NAME + '_bucket{le="+Inf",job="weir"}') == total, "and buckets")
    check(len(receiver.ask("weir_build_info" + own)) == 1, "gauges are there")


def check_native(prometheus, total, job):
    own = f'{NAME}{{job="{job}"}}'
    check(traffic.wait_until(lambda: prometheus.number(f"histogram_count({own})") == total, 60),
          f"the native histogram has the same count: {job}", prometheus.ask(NAME))
    low, high = (prometheus.number(f"histogram_quantile({share}, sum({own}))")
                 for share in (0.01, 0.99))
    check(0 < low <= high < 10, f"and quantiles: {low}, {high}")


def check_health(found, name):
    check(sum_of(found, "weir_ring_size_bytes") >= 65536
          and sum_of(found, "weir_ring_peak_bytes") >= 0, "the ring tells how full it was")
    check(sum_of(found, "weir_sink_batches_total", sink=name, state="sent") > 0
          and sum_of(found, "weir_sink_batches_total", sink=name, state="failed") > 0
          and sum_of(found, "weir_sink_failing", sink=name) == 1,
          "a sink that nobody listens to says so")
    check(sum_of(found, "weir_sink_waiting_records", sink=name) == TOTAL
          and sum_of(found, "weir_sink_spool_bytes", sink=name) > TOTAL * 100,
          "its records wait in the spool")
    check(sum_of(found, "weir_sink_lost_total") == 0, "nothing is lost")
    check(sum_of(found, "weir_record_lag_seconds_count") == TOTAL, "the lag of each record")
    check(sum_of(found, "weir_records_encoded_total") == 3 * TOTAL,
          "five sinks, three encodings: JSON, JSON without queries, logfmt")


def is_complete(found):
    return (sum_of(found, "weir_sink_waiting_records", sink="gone") == TOTAL
            and sum_of(found, "weir_sink_failing", sink="gone") == 1
            and sum_of(found, "weir_record_lag_seconds_count") == TOTAL)


def main():
    require_weir()
    folder = temporary_directory()
    server = servers.nginx(folder)
    port, nobody = servers.free_port(), servers.free_port()
    stores = [kind(folder, port) for kind in (Prometheus, VictoriaMetrics)
              if shutil.which(kind.program)]
    explicit, exponential = make_receiver(), make_receiver()
    sinks = [f"otlp_metrics=http://127.0.0.1:{explicit.port} interval=1s",
             f"otlp_metrics=http://127.0.0.1:{exponential.port} interval=1s name=exponential "
             "histograms=exponential",
             f"http=http://127.0.0.1:{nobody} name=gone spool={folder}/spool spool-first",
             f"file={folder}/a.json", f"file={folder}/b.json level=error",
             f"file={folder}/c.json omit=url.query", f"file={folder}/d.txt format=logfmt"]
    for store in stores:
        check(traffic.wait_until(store.is_ready, 60), f"{store.program} has started")
        histograms = "both" if store.program == "prometheus" else "classic"
        sinks.append(f"prometheus=http://127.0.0.1:{store.port}{store.path} interval=1s "
                     f"name={store.program} histograms={histograms}")
    note("receivers of remote write: " + (", ".join(store.program for store in stores) or "none"))
    arguments = [part for sink in sinks for part in ("--sink", sink)]
    with Weir("--port", server.port, f"--metrics={port}", *arguments) as weir:
        traffic.run_numbered(server.address, server.port, CONNECTIONS, REQUESTS, make_request)
        check(traffic.wait_until(lambda: is_complete(samples(fetch(port)))),
              "the page counts all requests", fetch(port)[-3000:])
        found = samples(fetch(port))
        check_otlp(explicit, exponential, found)
        check_health(found, "gone")
        for store in stores:
            check_receiver(store, found)
            if store.program == "prometheus":
                for job in ("weir", "scraped"):  # what came by remote write, what it fetched
                    check_native(store, sum_of(found, NAME + "_count"), job)
        weir.stop()
    for store in stores:
        check(traffic.wait_until(lambda store=store: not store.ask("weir_build_info")
                                 and not store.ask(NAME + "_count"), 60),
              "when weir has ended its series have, too", store.ask("weir_build_info"))
        store.stop()
    server.stop()


if __name__ == "__main__":
    run_main(main)
