#!/usr/bin/python3
"""Kafka and DNS over TCP on sockets of this host: librdkafka's mock cluster with kcat, named with
dnsperf. What the clients say they sent is what the records tell, by numbers.
TIMEOUT: 180
"""

import collections
import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from harness import (Weir, check, check_empty, note, require_weir, run_main,  # noqa: E402
                     temporary_directory)
import servers  # noqa: E402

MESSAGES = 3000
QUERIES = 3000


def run(*command, **options):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True,
                          text=True, timeout=90, **options)


class Kafka:
    """The client's own log has a line for each request that it sends."""

    def __init__(self, directory):
        self.kcat = servers.find_program("kcat")
        if not Path("/usr/include/librdkafka/rdkafka_mock.h").exists():
            raise servers.Missing("librdkafka-dev is not installed")
        program = directory / "kafka_mock"
        run("cc", "-O1", "-Wall", "-Wextra", "-o", program, servers.PROGRAMS / "kafka_mock.c",
            "-lrdkafka")
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True,
                                        preexec_fn=servers.die_with_parent)
        self.brokers = self.process.stdout.readline().strip()
        self.ports = [int(port) for port in re.findall(r":(\d+)", self.brokers)]
        self.sent = collections.Counter()

    def call(self, *arguments, **options):
        done = run(self.kcat, *arguments, "-b", self.brokers, "-X", "debug=protocol", **options)
        self.sent.update(re.findall(r"Sent (\w+)Request \(v(\d+)", done.stderr))
        return done.stdout

    def play(self):
        lines = "".join(f"key-{number % 7}:message {number}\n" for number in range(MESSAGES))
        large = "large:" + "x" * 500000 + "\n"
        for codec in ("none", "gzip", "lz4"):
            self.call("-P", "-t", "orders", "-K:", "-z", codec, input=lines)
        self.call("-P", "-t", "orders", "-K:", input=large)
        self.call("-P", "-t", "orders", "-K:", "-X", "enable.idempotence=true", input=lines)
        got = self.call("-C", "-t", "orders", "-o", "beginning", "-e")
        self.messages = got.count("\n")
        self.call("-L")

    def check(self, weir):
        records = [r for r in weir.records(kind="kafka") if r["server.port"] in self.ports]
        names = {"ApiVersion": "ApiVersions"}
        wanted = collections.Counter()
        for (name, version), count in self.sent.items():
            wanted[names.get(name, name), int(version)] += count
        told = collections.Counter((r.get("messaging.operation.name"), r.get("kafka.api_version"))
                                   for r in records)
        check(self.messages == 4 * MESSAGES + 1, "kafka: kcat reads what it wrote",
              str(self.messages))
        check(told == wanted and wanted["Produce", 7] > 4,
              f"kafka: {sum(wanted.values())} requests that kcat sent are the records",
              f"{wanted - told}, {told - wanted}")
        check_empty([f"{r.get('messaging.operation.name')} {r['flags']}" for r in records
                     if set(r.get("flags", ())) - {"unpaired", "truncated"}],
                    "kafka: no flag without a cause")
        answered = [r for r in records if "duration_ns" in r]
        check(len(answered) >= len(records) - 6, "kafka: but for what waited when kcat ended, all "
              "are answered", f"{len(answered)} of {len(records)}")
        check(all("orders" in (r.get("messaging.destination.name"), *r.get("kafka.topics", ()))
                  for r in records if r.get("messaging.operation.name") == "Produce"),
              "kafka: the topic")

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


class Dns:
    """named, and what dnsperf says it has sent over TCP."""

    def __init__(self, directory):
        program = servers.find_program("named")
        self.dnsperf = servers.find_program("dnsperf")
        self.server = servers.Server("named", directory)
        (self.server.directory / "zone").write_text(
            "$TTL 60\n@ IN SOA ns.example. root.example. 1 60 60 60 60\n@ IN NS ns.example.\n"
            "ns IN A 192.0.2.1\nwww IN A 192.0.2.2\nwww IN AAAA 2001:db8::2\n")
        (self.server.directory / "named.conf").write_text(f"""
options {{ directory "{self.server.directory}"; pid-file none; session-keyfile none;
  listen-on port {self.server.port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
  recursion no; tcp-clients 500; }};
controls {{ }};
zone "example" {{ type primary; file "zone"; }};
""")
        (self.server.directory / "queries").write_text("www.example A\nwww.example AAAA\n"
                                                       "none.example A\n")
        self.server.start([program, "-g", "-c", self.server.directory / "named.conf"])

    def play(self):
        done = run(self.dnsperf, "-s", "127.0.0.1", "-p", self.server.port, "-m", "tcp", "-c", "3",
                   "-d", self.server.directory / "queries", "-n", QUERIES // 3)
        self.sent, self.completed = (int(re.search(rf"Queries {what}:\s+(\d+)", done.stdout)[1])
                                     for what in ("sent", "completed"))
        self.failed = int(re.search(r"NXDOMAIN (\d+)", done.stdout)[1])

    def check(self, weir):
        records = weir.records(kind="dns", server_port=self.server.port)
        answered = [r for r in records if "dns.response_code" in r]
        check(len(records) == self.sent and len(answered) == self.completed == QUERIES,
              f"dns: {self.sent} queries of dnsperf are the records, with their answers",
              f"{len(records)} records, {len(answered)} answered of {self.completed}")
        failed = sum(r["dns.response_code"] == "NXDOMAIN" for r in answered)
        check(failed == self.failed, f"dns: {self.failed} of them NXDOMAIN", str(failed))
        check_empty([r["flags"] for r in records if "flags" in r],
                    "dns: no flag without a cause")

    def stop(self):
        self.server.stop()


def main():
    require_weir()
    directory = temporary_directory()
    os.chmod(directory, 0o755)
    stages = []
    try:
        for stage in (Kafka, Dns):
            try:
                stages.append(stage(directory))
            except servers.Missing as missing:
                note(f"left out: {missing}")
        with Weir("--ring-size", "32MiB", "--queue-size", "128MiB") as weir:
            for stage in stages:
                stage.play()
            check(weir.stop() == 0, "weir ends with status 0", weir.stderr()[-1500:])
            check(weir.totals.is_identity, f"seen = logged + filtered + lost: {weir.totals}")
        for stage in stages:
            stage.check(weir)
        check(weir.totals.lost_sum == 0, "nothing is lost", weir.totals.text[-1000:])
    finally:
        for stage in stages:
            stage.stop()


run_main(main)
