#!/usr/bin/python3
"""How fast `weir read` is beside others, on the same captures and in turns within one run.

    bench/read.py [--weir PROGRAM] [--packets N] [--scale N] [--turns N] [--capture FILE] [--store]
    bench/read.py --render      the stored results' pages once more, without measuring

Two captures are made here. "HTTP": connections with several exchanges each, heads like those of
browsers and servers, bodies of 0 to 20 KB, every 50th segment out of order, every 100th lost.
"mixture" (root; bench/mixture.py): downloads, HTTPS, HTTP and DNS of real programs. Each program
reads them from the page cache and writes to /dev/null; what counts is its CPU time, of all threads.
Programs tell different things, so each is set beside what weir takes to tell about the same.
--store writes bench/results/read.json and .md, and README.md's lines.
"""

import argparse
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
import machine  # noqa: E402
import mixture  # noqa: E402
import stored  # noqa: E402
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
            Contender("tshark, one line a packet, nothing put together",
                      [*tshark, "-o", "tcp.desegment_tcp_streams:FALSE"], "weir read"),
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


def measure_capture(name, weir, capture, folder, turns):
    """What is stored of one capture."""
    said = measure([weir, "read", "-q", "-o", "json", capture])[1]
    found = {"name": name, "bytes": os.path.getsize(capture),
             "packets": int(re.search(r"read (\d+) packets", said)[1]),
             "exchanges": int(re.search(r"(\d+) exchanges", said)[1])}
    rows = contenders(weir, capture, folder, found["packets"])
    times = {row.name: [] for row in rows}
    for _ in range(turns):
        for row in rows:
            times[row.name].append(round(measure(row.command)[0] * row.part, 4))
    return found | {"alike": {row.name: row.alike for row in rows}, "cpu_s": times}


def medians_of(capture):
    return {name: statistics.median(times) for name, times in capture["cpu_s"].items()}


def table(capture):
    medians, packets = medians_of(capture), capture["packets"]
    lines = [f"{capture['name']}: {packets:,} packets, {capture['bytes'] / 2**20:,.0f} MiB, "
             f"{capture['exchanges']:,} exchanges.\n",
             "|  | CPU s | packets / CPU s | exchanges / CPU s | times weir read "
             "| times weir telling alike |", "|---|---:|---:|---:|---:|---:|"]
    for name, seconds in medians.items():
        alike = capture["alike"][name]
        alike = f"{seconds / medians[alike]:.1f}, {alike}" if alike else ""
        lines.append(f"| {name} | {seconds:.2f} | {packets / seconds:,.0f} | "
                     f"{capture['exchanges'] / seconds:,.0f} | "
                     f"{seconds / medians['weir read']:.1f} | {alike} |")
    return "\n".join(lines) + "\n"


def markdown(results):
    first = f"{stored.machine_text(results['machine'])}; {', '.join(results['versions'])}. " \
            f"Median of {results['turns']} turns of `bench/read.py`.\n\n"
    return first + "\n".join(table(capture) for capture in results["captures"])


def readme_lines(results):
    """What README.md says: how many times weir's CPU time the others take."""
    lines = ["   | CPU time, times that of weir telling about the same |"
             + "".join(f" {one['name']} |" for one in results["captures"]),
             "   |---|" + "---:|" * len(results["captures"])]
    for name, alike in results["captures"][0]["alike"].items():
        if alike:
            cells = [f" {medians[name] / medians[alike]:.1f} |" for medians in
                     map(medians_of, results["captures"])]
            lines.append(f"   | {name} |" + "".join(cells))
    return "\n".join(lines) + "\n   "


def render(results):
    stored.write("read", results, markdown(results))
    stored.put_between("README.md", "read", readme_lines(results))


def versions():
    """"tshark 4.0.17", ... of those that are installed."""
    found = []
    for name, word in (("tshark", "--version"), ("tcpdump", "--version"), ("suricata", "-V")):
        if shutil.which(name):
            said = subprocess.run([name, word], capture_output=True, text=True, check=False).stdout
            number = re.search(r"\d+\.\d+\.\d+", said)
            found.append(f"{name} {number[0]}" if number else name)
    return found


def measure_all(arguments):
    """What --store stores."""
    captures = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.capture:
            made = {Path(arguments.capture).name: arguments.capture}
        else:
            made = {"HTTP": arguments.keep or str(folder / "http.pcap")}
            write_capture(made["HTTP"], arguments.packets)
            if reason := mixture.missing():
                print(f"no mixture: {reason}", file=sys.stderr)
            else:
                made["mixture"] = str(folder / "mixture.pcap")
                mixture.write_mixture(made["mixture"], arguments.scale)
        for title, capture in made.items():
            captures.append(measure_capture(title, arguments.weir, capture, folder,
                                            arguments.turns))
    return {"machine": machine.describe(), "versions": versions(), "turns": arguments.turns,
            "captures": captures}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weir", default=str(ROOT / "build" / "weir"))
    parser.add_argument("--packets", type=int, default=1_000_000, help="of the HTTP capture")
    parser.add_argument("--scale", type=int, default=3, help="of the mixture: 175,000 packets each")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--capture", help="this one instead of those made here")
    parser.add_argument("--keep", metavar="FILE", help="keep the HTTP capture that is made")
    parser.add_argument("--store", action="store_true", help="write bench/results and README.md")
    parser.add_argument("--render", action="store_true", help="only these, of what is stored")
    arguments = parser.parse_args()
    if arguments.render:
        render(stored.read("read"))
        return
    results = measure_all(arguments)
    print(markdown(results))
    if arguments.store:
        render(results)


main()
