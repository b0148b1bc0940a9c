#!/usr/bin/python3
# TIMEOUT: 120
"""The kafka sink against librdkafka's mock cluster, read back by kcat, an independent program: each
record once, with its key, in its topic, also when the brokers refuse at first."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WEIR = os.environ.get("WEIR", str(ROOT / "build" / "weir"))
COUNT = 200
sys.path.insert(0, str(ROOT / "tests" / "lib"))
from packets import Connection, ethernet, pcap  # noqa: E402


def skip(reason):
    print(f"SKIP: {reason}")
    sys.exit(77)


def build(folder):
    if not shutil.which("kcat"):
        skip("no kcat")
    program = folder / "kafka_mock"
    done = subprocess.run(["cc", str(ROOT / "tests/lib/programs/kafka_mock.c"), "-o", str(program),
                           "-lrdkafka"], capture_output=True, text=True, check=False)
    if done.returncode:
        skip("librdkafka's headers are not there")
    return program


def make_capture(path):
    connection = Connection()
    packets = connection.open()
    for number in range(COUNT):
        packets += connection.say(0, f"GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        packets += connection.say(1, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    path.write_bytes(pcap([ethernet(packet) for packet in packets + connection.close()]))


def consume(brokers, topic):
    done = subprocess.run(["kcat", "-b", brokers, "-C", "-t", topic, "-e", "-q", "-o", "beginning",
                           "-f", "%k\t%h\t%s\n"], capture_output=True, text=True, timeout=60,
                          check=True)
    for line in done.stdout.splitlines():
        key, headers, text = line.split("\t", 2)
        yield key, headers, json.loads(text)


def main():
    with tempfile.TemporaryDirectory(prefix="weir-kafka-") as name:
        folder = Path(name)
        cluster = subprocess.Popen([build(folder), "4"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        brokers = cluster.stdout.readline().strip()
        cluster.stdin.write("f")
        cluster.stdin.flush()
        assert cluster.stdout.readline().strip() == "ok"
        make_capture(folder / "in.pcap")
        done = subprocess.run(
            [WEIR, "read", str(folder / "in.pcap"), "--sink", f"file={folder}/expected.json",
             "--sink", f"kafka={brokers} topic=weir-{{type}} topics=weir-other,weir-http "
             "batch-count=50 timeout=10s retry-first=10ms"],
            capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0 and "kafka: seen 201 = logged 201" in done.stderr, done
        expected = {record["id"]: record for record in
                    map(json.loads, (folder / "expected.json").read_text().splitlines())}
        found = list(consume(brokers, "weir-http"))
        assert len(found) == COUNT and len({record["id"] for _, _, record in found}) == COUNT
        for key, headers, record in found:
            assert record == expected[record["id"]] and key == record["connection.id"]
            assert headers == f"type=http,id={record['id']}", headers
        order = [record["id"] for _, _, record in found]
        assert order == sorted(order), "one key, one partition, one order"
        others = [record for _, _, record in consume(brokers, "weir-other")]
        assert [record["type"] for record in others] == ["connection"], others
        cluster.stdin.close()
        cluster.wait()
        print(f"{len(found)} messages read back by kcat, each once, field by field")


main()
