#!/usr/bin/python3
"""What the receiver changes in the whole cost of a record: CPU time of weir read with a sink over
the network, beside the same with a file. The receivers are processes of their own. Medians of
rounds, in turns, so that what else the machine does meets all of them.

    cmake --build build --target bench_sinks; bench/sinks.py [--rounds 5] [--requests 200000]"""

import argparse
import contextlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("WEIR_BUILD", ROOT / "build"))
sys.path.insert(0, str(ROOT / "tests" / "lib"))
from packets import Connection, ethernet, pcap  # noqa: E402

AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko)"


def make_capture(path, requests):
    packets = []
    for number in range(requests // 1000):
        connection = Connection(f"192.0.2.{number % 200 + 1}", "198.51.100.9", (20000 + number, 80))
        packets += connection.open()
        for index in range(1000):
            packets += connection.say(0, (
                f"GET /catalogue/item/{index * 7919 % 9973} HTTP/1.1\r\nHost: shop.example.com\r\n"
                f"User-Agent: {AGENT}\r\nAccept: */*\r\nX-Request-ID: {number:08x}-{index:08x}\r\n"
                "Authorization: Bearer 0123456789abcdef\r\n\r\n").encode())
            packets += connection.say(1, (
                b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nContent-Type: application/json\r\n"
                b"Content-Length: 0\r\n\r\n"))
        packets += connection.close()
    path.write_bytes(pcap([ethernet(packet) for packet in packets]))
    return requests // 1000 * 1001


def cpu_s(capture, sink):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([str(BUILD / "weir"), "read", str(capture), "--sink", sink],
                          capture_output=True, text=True, check=True, timeout=300)
    assert " lost 0" in done.stderr, done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def start(command):
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               stderr=subprocess.DEVNULL)
    return process, process.stdout.readline().strip()


def start_kafka(folder):
    program = folder / "kafka_mock"
    done = subprocess.run(["cc", str(ROOT / "tests/lib/programs/kafka_mock.c"), "-o", str(program),
                           "-lrdkafka"], check=False, capture_output=True)
    return start([str(program), "4"]) if done.returncode == 0 else (None, None)


@contextlib.contextmanager
def receivers(folder):
    """Receivers that run meanwhile; each sink's option by its name, the file first."""
    if not (BUILD / "bench_sinks").exists():
        sys.exit(f"not built: cmake --build {BUILD} --target bench_sinks")
    receiver, port = start([str(BUILD / "bench_sinks"), "receive"])
    kafka, brokers = start_kafka(folder)
    url = f"http://127.0.0.1:{port}"
    sinks = {"file": f"file={folder}/out.json", "http, zstd": f"http={url} compression=zstd",
             "loki": f"loki={url}", "loki, JSON, gzip": f"loki={url} encoding=json",
             "otlp, zstd": f"otlp={url} compression=zstd"}
    if brokers:
        sinks["kafka"] = f"kafka={brokers} topic=weir-http"
    try:
        yield sinks
    finally:
        receiver.kill()
        if kafka:
            kafka.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=200000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="weir-bench-sinks-") as name:
        folder = Path(name)
        records = make_capture(folder / "in.pcap", arguments.requests)
        with receivers(folder) as sinks:
            times = {name: [] for name in sinks}
            for _ in range(arguments.rounds):
                for sink, text in sinks.items():
                    times[sink].append(cpu_s(folder / "in.pcap", text))
                    (folder / "out.json").unlink(missing_ok=True)
    base = statistics.median(times["file"])
    print(f"{records} records; CPU of weir read, reading and taking apart included")
    for sink, found in times.items():
        median = statistics.median(found)
        print(f"{sink:16} {median / records * 1e6:6.2f} us/record  {median / base:5.2f} x file")


if __name__ == "__main__":
    main()
