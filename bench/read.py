#!/usr/bin/python3
"""How fast `weir read` is beside others, on the same capture and in turns within one run.

    bench/read.py [--weir PROGRAM] [--packets N] [--turns N] [--capture FILE] [--json FILE]

The capture is made here: connections with several HTTP exchanges each, heads like those of browsers
and servers, bodies of 0 to 20 KB, every 50th segment out of order, every 100th lost. Each program
reads it from the page cache and writes to /dev/null; what counts is its CPU time, of all threads.
Programs tell different things, so each is set beside what weir takes to tell about the same.
"""

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import typing
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "lib"), str(ROOT / "bench")]
from packets import ACK, PSH, Connection, ethernet  # noqa: E402

REQUEST = ("GET /catalogue/items/{n}?page=2&sort=price HTTP/1.1\r\nHost: shop.example\r\n"
           "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
           "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
           "Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n"
           "Connection: keep-alive\r\nCookie: session=0123456789abcdef; theme=dark\r\n"
           "X-Request-ID: 7b0a1c9e-{n:08d}\r\n\r\n")
RESPONSE = ("HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Sat, 01 Jan 2022 00:00:00 GMT\r\n"
            "Content-Type: text/html; charset=utf-8\r\nContent-Length: {size}\r\n"
            "Connection: keep-alive\r\nETag: \"5f1e-{size}\"\r\nCache-Control: max-age=60\r\n\r\n")
SEGMENT = 1448
CONNECTIONS, EXCHANGES = 200, 8  # of the part that is repeated
PART = 10  # of the capture is enough for what takes minutes


def conversation(number):
    """The packets of one connection, and how many exchanges they hold."""
    link = Connection(client=f"10.0.0.{1 + number % 200}", server="192.0.2.80",
                      ports=(20000 + number, 80), base=(number * 7919, number * 104729))
    out = link.open()
    for n in range(EXCHANGES):
        size = number * 37 % 7 * n * 400
        out += link.say(0, REQUEST.format(n=number * 100 + n).encode())
        answer = RESPONSE.format(size=size).encode() + b"<p>" * (size // 3) + b"." * (size % 3)
        for at in range(0, len(answer), SEGMENT):
            out.append(link.segment(1, ACK | PSH, answer[at:at + SEGMENT]))
            if at // SEGMENT % 2:
                out.append(link.segment(0, ACK))
        out.append(link.segment(0, ACK))
    return out + link.close()


def pattern():
    """Packets of connections that go on side by side; some out of order, some missing."""
    queues = [conversation(number) for number in range(CONNECTIONS)]
    out, at = [], 0
    while queues:
        queue = queues[at % len(queues)]
        out += queue[:3]
        del queue[:3]
        if not queue:
            queues.remove(queue)
        at += 1
    for index in range(0, len(out) - 1, 50):
        out[index], out[index + 1] = out[index + 1], out[index]
    return [ethernet(packet) for index, packet in enumerate(out) if index % 100 != 99]


def adjusted(total, more):
    """A checksum (RFC 1624) after a 16-bit word has grown from 0 to `more`."""
    total = (~total & 0xFFFF) + more
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def write_capture(path, packets):
    """Repeats the pattern, each time with other client addresses (10.0.x.y -> 10.r.x.y)."""
    parts = []
    for frame in pattern():
        is_client = frame[26] == 10
        word = struct.unpack_from(">H", frame, 26 if is_client else 30)[0]
        parts.append((bytearray(frame), 26 if is_client else 30, word,
                      *struct.unpack_from(">H", frame, 24), *struct.unpack_from(">H", frame, 50)))
    count, time_ns = 0, 1_700_000_000 * 10**9
    with open(path, "wb", buffering=1 << 20) as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        for turn in range(1 << 16):
            for frame, at, word, ip_sum, tcp_sum in parts:
                step = turn % 256
                struct.pack_into(">H", frame, at, word + step)
                struct.pack_into(">H", frame, 24, adjusted(ip_sum, step))
                struct.pack_into(">H", frame, 50, adjusted(tcp_sum, step))
                file.write(struct.pack("<IIII", time_ns // 10**9, time_ns % 10**9, len(frame),
                                       len(frame)))
                file.write(frame)
                time_ns += 5000
                count += 1
            if count >= packets:
                return count


class Contender(typing.NamedTuple):
    name: str
    command: list
    alike: str = ""  # what of weir tells about the same
    part: int = 1    # it reads 1 / part of the capture: its time counts so many times


def contenders(weir, capture, folder, packets):
    """[Contender] of what is installed."""
    tshark = ["tshark", "-n", "-r", capture]
    read = [weir, "read", "-q", "-o", "json"]
    rows = [Contender("weir read", [*read, capture]),
            Contender("weir read, http only", [*read, "-t", "http", capture]),
            Contender("weir read --packets", [*read, "--packets", capture]),
            Contender("tcpdump -v", ["tcpdump", "-nn", "-v", "-r", capture],
                      "weir read --packets"),
            Contender("tshark, one line a packet", tshark, "weir read"),
            Contender("tshark -T ek, every field of each packet",
                      [*tshark, "-T", "ek", "-c", str(packets // PART)], "weir read --packets",
                      PART),
            Contender("tshark -Y http, JSON of the header lines",
                      [*tshark, "-Y", "http", "-T", "ek", "-e", "ip.src", "-e",
                       "http.request.line", "-e", "http.response.line"], "weir read, http only"),
            Contender("suricata, http and flow log", suricata(capture, folder), "weir read")]
    return [row for row in rows if shutil.which(row.command[0])]


def suricata(capture, folder):
    """Suricata without rules, that logs HTTP with all headers, and flows."""
    settings = folder / "suricata.yaml"
    settings.write_text(f"""%YAML 1.1
---
default-log-dir: {folder}
stats: {{enabled: no}}
outputs:
  - eve-log:
      enabled: yes
      filetype: regular
      filename: /dev/null
      types: [{{http: {{extended: yes, dump-all-headers: both}}}}, flow]
logging: {{default-log-level: error, outputs: [{{console: {{enabled: yes}}}}]}}
app-layer:
  protocols:
    http: {{enabled: yes, libhtp: {{default-config: {{personality: IDS}}}}}}
stream: {{memcap: 512mb, checksum-validation: yes, reassembly: {{memcap: 1gb, depth: 0}}}}
""")
    return ["suricata", "-c", str(settings), "-S", "/dev/null", "-r", capture, "-l", str(folder),
            "--runmode", "single", "-k", "all"]


def measure(command):
    """CPU seconds, peak MiB, of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: status {done.returncode}\n"
                         f"{done.stderr.decode(errors='replace')[-2000:]}")
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
            done.stderr.decode(errors="replace"))


def table(rows, times, packets, exchanges):
    medians = {row.name: statistics.median(times[row.name]) for row in rows}
    lines = ["|  | CPU s | packets / CPU s | HTTP exchanges / CPU s | times weir read "
             "| times weir telling alike |", "|---|---:|---:|---:|---:|---:|"]
    for row in rows:
        seconds = medians[row.name]
        alike = f"{seconds / medians[row.alike]:.1f}, {row.alike}" if row.alike else ""
        lines.append(f"| {row.name} | {seconds:.2f} | {packets / seconds:,.0f} | "
                     f"{exchanges / seconds:,.0f} | {seconds / medians['weir read']:.1f} | "
                     f"{alike} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weir", default=str(ROOT / "build" / "weir"))
    parser.add_argument("--packets", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--capture", help="this one instead of one made here")
    parser.add_argument("--keep", metavar="FILE", help="keep the capture that is made")
    parser.add_argument("--json", metavar="FILE", help="write the numbers")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        capture = arguments.capture or arguments.keep or str(folder / "bench.pcap")
        if not arguments.capture:
            write_capture(capture, arguments.packets)
        said = measure([arguments.weir, "read", "-q", "-o", "json", capture])[1]
        packets = int(re.search(r"read (\d+) packets", said)[1])
        exchanges = int(re.search(r"(\d+) exchanges", said)[1])
        rows = contenders(arguments.weir, capture, folder, packets)
        times = {row.name: [] for row in rows}
        for _ in range(arguments.turns):
            for row in rows:
                times[row.name].append(measure(row.command)[0] * row.part)
        size = os.path.getsize(capture)
        print(f"{packets:,} packets, {size / 2**20:,.0f} MiB, {exchanges:,} HTTP exchanges; "
              f"median of {arguments.turns} turns.\n")
        print(table(rows, times, packets, exchanges))
        if arguments.json:
            Path(arguments.json).write_text(json.dumps(
                {"packets": packets, "bytes": size, "exchanges": exchanges, "cpu_s": times},
                indent=1) + "\n")


main()
