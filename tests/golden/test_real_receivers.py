#!/usr/bin/python3
# TIMEOUT: 180
"""Receivers that others wrote: InfluxDB, rsyslog (CEF, LEEF), VictoriaLogs (Loki, _bulk, OTLP,
syslog, NDJSON) and the OpenTelemetry Collector (HTTP, JSON, gRPC). One run of weir sends to all of
them; what each then answers is compared with the log, field by field and by id.

The last two are no packages: tests/lib/get-receivers.sh builds them into WEIR_RECEIVERS, by default
build/receivers. What is not there is left out, and told. (Prometheus, VictoriaMetrics:
tests/live/test_metric_sinks.py; kcat: test_kafka_sink.py.)"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))
import test_otlp as otlp  # noqa: E402
import test_otlp_protocols as protocols  # noqa: E402
import receivers  # noqa: E402

WAIT_S = 90
BUILD = Path(os.environ.get("WEIR_BUILD", ROOT / "build"))
BUILT = Path(os.environ.get("WEIR_RECEIVERS", BUILD / "receivers"))
FAST = "retry-first=50ms batch-count=37"
OTLP = "service=shop attribute=deployment.environment=test"


def ask(url, headers=None, data=None):
    request = urllib.request.Request(url, headers=headers or {}, data=data)
    with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
        return answer.read().decode(errors="surrogateescape")


def wait_until(condition, what):
    """The condition's first true value; what it may fail by while a receiver starts is not one."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            if found := condition():
                return found
        except (OSError, KeyError, ValueError):
            pass
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.05)


def is_open(port):
    with socket.create_connection(("127.0.0.1", port), 5):
        return True


class Server:
    """A receiver's process. `needs`: its program."""

    needs = None

    def __init__(self, program, folder):
        self.folder, self.port = folder, receivers.free_port()
        with open(folder / "log", "wb") as log:
            self.process = subprocess.Popen(self.command(program), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, cwd=folder)

    def __str__(self):
        return type(self).__name__

    @classmethod
    def find(cls):
        built = BUILT / cls.needs
        return str(built) if built.exists() else shutil.which(cls.needs, path="/usr/sbin:" +
                                                              os.environ["PATH"])

    def wait_for(self, condition):
        """Until it answers. It may also have ended: somebody else had taken its port."""
        wait_until(lambda: self.process.poll() is not None or condition(), f"{self}: no answer")
        if self.process.poll() is not None:
            raise ChildProcessError(f"{self}: {(self.folder / 'log').read_text()[-2000:]}")

    def stop(self):
        self.process.kill()
        self.process.wait()


# --- InfluxDB -----------------------------------------------------------------------------------
class InfluxDB(Server):
    needs = "influxd"

    def command(self, program):
        self.rpc = receivers.free_port()
        (self.folder / "influxdb.conf").write_text(
            f'reporting-disabled = true\nbind-address = "127.0.0.1:{self.rpc}"\n'
            f'[meta]\ndir = "{self.folder}/meta"\n'
            f'[data]\ndir = "{self.folder}/data"\nwal-dir = "{self.folder}/wal"\n'
            '[monitor]\nstore-enabled = false\n'
            f'[http]\nbind-address = "127.0.0.1:{self.port}"\nlog-enabled = false\n')
        return [program, "run", "-config", str(self.folder / "influxdb.conf")]

    def query(self, text):
        answer = ask(f"http://127.0.0.1:{self.port}/query", data=urllib.parse.urlencode(
            {"db": "weir", "epoch": "ns", "q": text}).encode())
        return json.loads(answer)["results"][0]

    def prepare(self):
        self.wait_for(lambda: "error" not in self.query("CREATE DATABASE weir"))

    def sinks(self):
        return [f"http=http://127.0.0.1:{self.port}/write?db=weir&precision=ns format=influx "
                f"name=influx {FAST}"]

    def rows(self):
        for series in self.query("SELECT * FROM /.*/").get("series", []):
            for values in series["values"]:
                yield {**dict(zip(series["columns"], values)), "type": series["name"]}

    def check(self, expected):
        found = {row["id"]: row for row in self.rows()}
        assert sorted(found) == sorted(expected), len(found)
        for key, record in expected.items():
            row = {name: value for name, value in found[key].items() if value is not None}
            assert row.pop("time") == otlp_time(record), row
            for name, value in record.items():
                if name == "time":
                    continue
                text = row.pop(name, "")
                if name in ("flags", "client.tcp.flags", "server.tcp.flags"):
                    value = ",".join(value)
                elif isinstance(value, list) and value and isinstance(value[0], list):
                    text = json.loads(text)
                elif isinstance(value, list):
                    value = ",".join(map(str, value))
                elif name == "http.response.status_code":  # a tag
                    value = str(value)
                assert text == value, (name, text, value)
            assert not row, row


def otlp_time(record):
    """Nanoseconds since 1970."""
    whole, fraction = record["time"][:-1].split(".")
    seconds = time.strptime(whole + " UTC", "%Y-%m-%dT%H:%M:%S %Z")
    return int(time.mktime(seconds) - time.timezone) * 10**9 + int(fraction)


# --- rsyslog: CEF and LEEF ----------------------------------------------------------------------
def dictionary():
    """Field -> (key of CEF, key of LEEF), of the tables that weir is built from."""
    names = dict(re.findall(r'^FIELD\((\w+), "([^"]+)"',
                            (ROOT / "src/model/fields.def").read_text(), re.MULTILINE))
    keys = re.findall(r'^SIEM\((\w+), "([^"]*)", "([^"]*)"\)',
                      (ROOT / "src/encode/siem_names.def").read_text(), re.MULTILINE)
    assert len(keys) > 25 and len(names) > 200
    return {names[field]: (cef, leef) for field, cef, leef in keys}


def camel(name, prefix=""):
    parts = re.split("[^a-z0-9]+", name)
    first = parts[0] if not prefix else prefix + parts[0].capitalize()
    return first + "".join(part[:1].upper() + part[1:] for part in parts[1:])


def read_cef(text):
    """Header fields and pairs; a key begins behind a space and ends at a '=' without backslash."""
    header = re.match(r"CEF:0((?:\|(?:[^|\\]|\\.)*){6})\|", text)
    assert header, text[:100]
    parts = re.split(r"(?:^| )([A-Za-z0-9]+)=", text[header.end():])
    assert parts[0] == "", parts[0]
    values = (re.sub(r"\\(.)", lambda found: {"n": "\n", "r": "\r"}.get(found[1], found[1]), value)
              for value in parts[2::2])
    return dict(zip(parts[1::2], values))


def read_leef(text):
    parts = text.split("|", 6)
    assert parts[0] == "LEEF:2.0" and parts[5] == "x09", parts[:6]
    return dict(pair.split("=", 1) for pair in parts[6].split("\t"))


class Rsyslog(Server):
    needs = "rsyslogd"

    def command(self, program):
        self.ports = [receivers.free_port(), receivers.free_port()]
        rules = "".join(
            f'input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="{name}")\n'
            f'ruleset(name="{name}") {{ action(type="omfile" file="{self.folder}/{name}" '
            'template="raw") }\n' for name, port in zip(("cef", "leef"), self.ports))
        (self.folder / "rsyslog.conf").write_text(
            'global(parser.escapeControlCharactersOnReceive="off")\nmodule(load="imtcp")\n'
            '$MaxMessageSize 64k\n'
            f'template(name="raw" type="string" string="%pri% %msg%\\n")\n{rules}')
        return [program, "-n", "-iNONE", "-f", str(self.folder / "rsyslog.conf")]

    def prepare(self):
        for port in self.ports:
            self.wait_for(lambda port=port: is_open(port))

    def sinks(self):
        return [f"syslog=127.0.0.1:{port} format={name} name={name} {FAST}"
                for name, port in zip(("cef", "leef"), self.ports)]

    def check(self, expected):
        keys = dictionary()
        for column, (name, read, prefix) in enumerate((("cef", read_cef, "weir"),
                                                       ("leef", read_leef, ""))):
            lines = (self.folder / name).read_text().splitlines()
            messages = [read(line.split(" ", 1)[1].strip(" ")) for line in lines]
            found = {message["id" if column else "externalId"]: message for message in messages}
            assert sorted(found) == sorted(expected) and len(lines) == len(found), len(lines)
            for key, record in expected.items():
                self.compare(found[key], record, {
                    field: pair[column] for field, pair in keys.items() if pair[column]}, prefix)

    @staticmethod
    def compare(message, record, keys, prefix):
        taken = set()
        for name, value in record.items():
            key = keys.get(name)
            if not key or key in taken:
                key = camel(name, prefix)
            taken.add(key)
            if name == "time":
                continue
            if isinstance(value, list) and value and isinstance(value[0], list):
                assert json.loads(message[key]) == value, (key, message[key], value)
                continue
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            assert message[key] == text, (key, message[key], text)

    def counts(self):
        return [(self.folder / name).read_text().count("\n") for name in ("cef", "leef")]


# --- VictoriaLogs -------------------------------------------------------------------------------
class VictoriaLogs(Server):
    """Each way in has a tenant of its own."""

    needs = "victoria-logs"
    WAYS = ("lines", "loki", "loki_protobuf", "bulk", "otlp", "syslog")

    def command(self, program):
        self.syslog_port = receivers.free_port()
        return [program, f"-storageDataPath={self.folder}/data",
                f"-httpListenAddr=127.0.0.1:{self.port}", "-retentionPeriod=100y",
                "-futureRetention=100y", "-inmemoryDataFlushInterval=100ms",
                f"-syslog.listenAddr.tcp=127.0.0.1:{self.syslog_port}", "-syslog.tenantID.tcp=6:0",
                "-loggerLevel=WARN"]

    def prepare(self):
        self.wait_for(lambda: ask(f"http://127.0.0.1:{self.port}/health"))

    def sinks(self):
        url = f"http://127.0.0.1:{self.port}/insert"
        ways = [f"http={url}/jsonline?_time_field=time&_msg_field=id",
                f"loki={url}/loki/api/v1/push encoding=json metadata=id,method=http.request.method",
                f"loki={url}/loki/api/v1/push metadata=id,method=http.request.method",
                f"elasticsearch={url}/elasticsearch/_bulk?_msg_field=event.id&"
                "_time_field=@timestamp",
                f"otlp={url}/opentelemetry/v1/logs {OTLP}"]
        return [f"{way} name=victoria-{name} header='AccountID: {number}' {FAST}"
                for number, (name, way) in enumerate(zip(self.WAYS, ways), 1)] + [
                    f"syslog=127.0.0.1:{self.syslog_port} name=victoria-syslog {FAST}"]

    def rows(self, way):
        text = ask(f"http://127.0.0.1:{self.port}/select/logsql/query", {
            "AccountID": str(self.WAYS.index(way) + 1)}, b"query=*")
        return [json.loads(line) for line in text.splitlines()]

    def counts(self):
        return [len(self.rows(way)) for way in self.WAYS]

    def check(self, expected):
        for way in self.WAYS:
            rows = self.rows(way)
            assert len(rows) == len(expected), (way, len(rows))
            getattr(self, way)(rows, expected)

    @staticmethod
    def compare(row, record, extra=()):
        """All values are texts there, lists JSON, and what is empty is not kept."""
        own = {name: value for name, value in row.items() if name[0] != "_"}
        for name, value in record.items():
            text = own.pop(name, "")
            if isinstance(value, list):
                text = json.loads(text)
            assert text == (value if isinstance(value, list) else str(value)), (name, text, value)
        assert set(own) <= set(extra), own

    def lines(self, rows, expected):
        found = {row["_msg"]: row for row in rows}
        assert sorted(found) == sorted(expected)
        for key, record in expected.items():
            assert same_time(found[key]["_time"], record["time"])
            plain = {name: value for name, value in record.items() if name not in ("time", "id")}
            self.compare(found[key], plain)

    def loki(self, rows, expected):
        found = {row["id"]: row for row in rows}
        assert sorted(found) == sorted(expected)
        for key, record in expected.items():
            row = found[key]
            assert json.loads(row["_msg"]) == record
            assert same_time(row["_time"], record["time"])
            assert row["job"] == "weir" and row["type"] == record["type"]
            assert row.get("method") == record.get("http.request.method")
            assert "id=" not in row["_stream"] and 'job="weir"' in row["_stream"], row["_stream"]

    loki_protobuf = loki

    def bulk(self, rows, _expected):
        lines = (self.folder.parent / "ecs.json").read_text().splitlines()
        documents = {document["event.id"]: document for document in map(json.loads, lines)}
        found = {row["_msg"]: row for row in rows}
        assert sorted(found) == sorted(documents)
        for key, document in documents.items():
            assert same_time(found[key]["_time"], document.pop("@timestamp"))
            document.pop("event.id")
            self.compare(found[key], flatten(document))

    def otlp(self, rows, expected):
        found = {row["id"]: row for row in rows}
        assert sorted(found) == sorted(expected)
        for key, record in expected.items():
            row = {name: plain_otlp(value) for name, value in found[key].items()
                   if name[0] != "_"}
            assert row.pop("service.name") == "shop"
            assert row.pop("deployment.environment") == "test"
            assert row.pop("severity")
            assert "trace_id" not in record or row.pop("trace_id") == otlp.TRACE
            # That receiver writes the id's bytes where their digits should be.
            assert "span_id" not in record or row.pop("span_id").encode(
                errors="surrogateescape") in (otlp.SPAN.encode(), bytes.fromhex(otlp.SPAN))
            for side in ("request", "response"):
                for name, values in otlp.grouped(record.get(f"http.{side}.headers", [])).items():
                    assert row.pop(f"http.{side}.header.{name}") == values, name
            for name, value in record.items():
                if name in ("time", "trace_id", "span_id") or name.endswith(".headers"):
                    continue
                text = row.pop(name, "")
                assert text == (value if isinstance(value, list) else str(value)), (name, text)
            assert not row, row
            assert same_time(found[key]["_time"], record["time"])

    def syslog(self, rows, expected):
        found = {record["id"]: (row, record)
                 for row, record in ((row, json.loads(row["_msg"])) for row in rows)}
        assert sorted(found) == sorted(expected)
        for key, record in expected.items():
            row, own = found[key]
            assert own == record and row["app_name"] == "weir"
            assert row["msg_id"] == record["type"]
            status = record.get("http.response.status_code", 0)
            assert (row["severity"] == "3") == (status >= 500), row
            assert same_time(row["_time"], record["time"][:26] + "Z")


def same_time(left, right):
    """RFC 3339 in UTC, whatever zeros are at the end."""
    def parts(text):
        whole, _, fraction = text.rstrip("Z").partition(".")
        return whole, fraction.rstrip("0")
    return parts(left) == parts(right)


def flatten(document, prefix=""):
    flat = {}
    for name, value in document.items():
        if isinstance(value, dict):
            flat.update(flatten(value, prefix + name + "."))
        else:
            flat[prefix + name] = value
    return flat


def plain_otlp(text):
    """Lists are written there as the program's own structures."""
    if not text.startswith('[{"StringValue"'):
        return text
    return [item["StringValue"] if item["IntValue"] is None else item["IntValue"]
            for item in json.loads(text)]


# --- the OpenTelemetry Collector ----------------------------------------------------------------
class Collector(Server):
    needs = "otel-collector"
    PROTOCOLS = {"http/protobuf": "http", "http/json": "http", "grpc": "grpc"}

    def command(self, program):
        self.grpc = receivers.free_port()
        pipelines, exporters = "", ""
        for kind in ("logs", "traces"):
            exporters += f"  lines/{kind}: {{path: '{self.folder}/{kind}'}}\n"
            pipelines += f"    {kind}: {{receivers: [otlp], exporters: [lines/{kind}]}}\n"
        (self.folder / "config.yaml").write_text(
            "receivers:\n  otlp:\n    protocols:\n"
            f"      grpc: {{endpoint: '127.0.0.1:{self.grpc}'}}\n"
            f"      http: {{endpoint: '127.0.0.1:{self.port}'}}\n"
            f"exporters:\n{exporters}"
            "service:\n  telemetry: {metrics: {level: none}}\n"
            f"  pipelines:\n{pipelines}")
        return [program, "--config", f"file:{self.folder}/config.yaml"]

    def prepare(self):
        def is_ready():
            try:
                return ask(f"http://127.0.0.1:{self.port}/v1/logs")
            except urllib.error.HTTPError:
                return True  # it takes no GET
        self.wait_for(is_ready)

    def sinks(self):
        return [f"{sink}=http://127.0.0.1:{self.grpc if way == 'grpc' else self.port} "
                f"protocol={way} {OTLP} {FAST} name={sink}-{way}"
                for sink in ("otlp", "otlp_traces") for way in self.PROTOCOLS]

    def records(self, sink, kind):
        return [record for line in (self.folder / kind).read_text().splitlines()
                for record in protocols.records_of(sink, line)]

    def check(self, expected):
        for sink, kind in (("otlp", "logs"), ("otlp_traces", "traces")):
            found = self.records(sink, kind)
            times = len(self.PROTOCOLS)
            assert sorted(record["id"] for record in found) == sorted(list(expected) * times), (
                kind, len(found))
            for record in found:
                protocols.CHECK[sink](record, expected[record["id"]])


def main():
    with tempfile.TemporaryDirectory(prefix="weir-receivers-") as name:
        folder, running, missing = Path(name), [], []
        otlp.make_capture(folder / "a.pcap")
        try:
            for kind in (InfluxDB, Rsyslog, VictoriaLogs, Collector):
                program = kind.find()
                if not program:
                    missing.append(f"{kind.__name__} ({kind.needs} is not there)")
                    continue
                running.append(start(kind, program, folder))
            compare(folder, running)
        finally:
            for server in running:
                server.stop()
    for what in missing:
        print(f"left out: {what}")
    print(f"{len(running)} receivers, {len(missing)} left out")
    sys.exit(0 if running else 77)


def start(kind, program, folder, tries=3):
    for number in range(tries):
        own = folder / f"{kind.__name__}-{number}"
        own.mkdir()
        server = kind(program, own)
        try:
            server.prepare()
            return server
        except ChildProcessError:
            server.stop()
            if number == tries - 1:
                raise
    return None


def compare(folder, running):
    sinks = [sink for server in running for sink in server.sinks()]
    done = otlp.run(folder / "a.pcap", f"file={folder}/json.json",
                    f"file={folder}/ecs.json format=ecs", *sinks)
    expected = {record["id"]: record for record in
                map(json.loads, (folder / "json.json").read_text().splitlines())}
    assert len(expected) > otlp.COUNT and " lost 0" in done.stderr, done.stderr
    for server in running:
        if hasattr(server, "counts"):
            wait_until(lambda server=server: min(server.counts()) >= len(expected),
                       lambda server=server: f"{server}: {server.counts()} of {len(expected)}")
        server.check(expected)
        print(f"{server}: {len(expected)} records over {len(server.sinks())} ways, as in the log")


main()
