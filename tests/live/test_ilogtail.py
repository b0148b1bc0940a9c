#!/usr/bin/python3
"""Rows of iLogtail's network observer: its documented sample from a capture file, and rows of live
traffic between two network namespaces, in both dialects, with a digest that another program reads.

TIMEOUT: 180
"""

import base64
import json
import signal
import struct
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from harness import (WEIR, StartFailed, Weir, check, check_empty, note, require_weir,  # noqa: E402
                     run_main, temporary_directory)
import namespaces  # noqa: E402
import packets  # noqa: E402
import traffic  # noqa: E402

PORTS = "53,80,7777"
TIME = 1661417038
NAME = "ilogtail-community-edition.cn-shanghai.log.aliyuncs.com"
HOST = "metrichub-cn-beijing.aliyun.com"
PATH = "/agent/metrics/putLines"
EXAMPLE = """enable: true
inputs:
  - Type: observer_ilogtail_network_v1
    Common:
      FlushOutL4Interval: {interval}
      FlushOutL7Interval: {interval}
{more}
    EBPF:
      Enabled: true
processors:
  - Type: processor_default
flushers:
  - Type: flusher_stdout
"""


def remote(address, port, kind):
    return ('{"remote_ip":"%s","remote_port":"%s","remote_type":"%s"}\n' % (address, port, kind))


DNS = remote("100.100.2.136", 53, "dns")
SERVER = remote("100.100.105.70", 80, "server")
# The documentation's four rows, without the process, which no capture file knows.
SAMPLE = [
    {"type": "protocols", "protocol": "dns", "query_record": NAME, "query_type": "A",
     "success": "1", "role": "client", "remote_info": DNS, "total_count": "1",
     "total_latency_ns": "387138", "total_req_bytes": "73", "total_resp_bytes": "272"},
    {"type": "protocols", "protocol": "http", "version": "1", "host": HOST, "method": "POST",
     "url": PATH, "resp_code": "200", "role": "client", "remote_info": SERVER, "total_count": "1",
     "total_latency_ns": "3492453", "total_req_bytes": "13661", "total_resp_bytes": "165"},
    {"type": "statistics", "remote_info": SERVER, "socket_type": "inet_socket", "role": "client",
     "send_bytes": "13661", "recv_bytes": "165", "send_packets": "1", "recv_packets": "1",
     "send_total_latency": "0", "recv_total_latency": "0"},
    {"type": "statistics", "remote_info": DNS, "socket_type": "inet_socket", "role": "client",
     "send_bytes": "73", "recv_bytes": "272", "send_packets": "1", "recv_packets": "1",
     "send_total_latency": "0", "recv_total_latency": "0"},
]


def dns_messages():
    """A query of 73 bytes and an answer of 272, as in the sample."""
    question = b"".join(bytes([len(part)]) + part.encode() for part in NAME.split("."))
    question += b"\0" + struct.pack("!HH", 1, 1)
    query = struct.pack("!6H", 7, 0x0100, 1, 0, 0, 0) + question
    answer = b""
    for number in range(11):
        answer += struct.pack("!3HIH", 0xC00C, 1, 1, 60, 4) + bytes([100, 100, 105, 70 + number])
    text = 272 - len(query) - len(answer) - 13
    answer += struct.pack("!3HIH", 0xC00C, 16, 1, 60, text + 1) + bytes([text]) + b"x" * text
    return query, struct.pack("!6H", 7, 0x8180, 1, 12, 0, 0) + question + answer


def http_messages():
    """A request of 13661 bytes and an answer of 165."""
    head = f"POST {PATH}?secret=1 HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: %d\r\n\r\n"
    body = 13661 - len(head % 10000)
    request = (head % body).encode() + b"b" * body
    head = "HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Length: %d\r\n\r\n"
    body = 165 - len(head % 100)
    return request, (head % body).encode() + b"a" * body


def sample_capture():
    """[(nanoseconds, packet)]: all that the sample tells of, ends in its second."""
    client, resolver, server = "192.168.0.5", "100.100.2.136", "100.100.105.70"
    query, answer = dns_messages()
    request, response = http_messages()
    base = TIME * 10**9 - 500_000_000
    found = [(base, packets.ipv4(client, resolver, 17, packets.udp(
        client, resolver, (40000, 53), query))),
             (base + 387_138, packets.ipv4(resolver, client, 17, packets.udp(
                 resolver, client, (53, 40000), answer)))]
    ports, back = (40001, 80), (80, 40001)
    steps = [(0, client, server, ports, 100, 0, 0x02, b""),
             (1_000, server, client, back, 900, 101, 0x12, b""),
             (2_000, client, server, ports, 101, 901, 0x10, b""),
             (3_000, client, server, ports, 101, 901, 0x18, request),
             (3_000 + 3_492_453, server, client, back, 901, 101 + len(request), 0x18, response),
             (600_000_000, client, server, ports, 101 + len(request), 901 + len(response), 0x11,
              b""),
             (600_001_000, server, client, back, 901 + len(response), 102 + len(request), 0x11,
              b""),
             (600_002_000, client, server, ports, 102 + len(request), 902 + len(response), 0x10,
              b"")]
    for time, source, target, numbers, sequence, acknowledgment, flags, payload in steps:
        body = packets.tcp(source, target, numbers, sequence, acknowledgment, flags, payload)
        found.append((base + 1_000_000 + time, packets.ipv4(source, target, 6, body)))
    return found


def write_capture(path):
    out = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 101)
    for time, packet in sample_capture():
        out += struct.pack("<IIII", time // 10**9, time % 10**9, len(packet), len(packet)) + packet
    path.write_bytes(out)


def read_rows(*arguments):
    ended = subprocess.run([WEIR, "read", *map(str, arguments)], capture_output=True, text=True,
                           check=False)
    check(ended.returncode == 0, f"weir read {arguments[0]} {arguments[1]}", ended.stderr[-1000:])
    return [json.loads(line) for line in ended.stdout.splitlines()], ended.stderr


def digest_of(text):
    """(minimum, maximum, [(weight, mean)]) of the bytes that the t-digest library writes."""
    data = base64.b64decode(text, validate=True)
    kind, low, high, compression, count = struct.unpack_from("!idddi", data)
    centroids = [struct.unpack_from("!dd", data, 32 + 16 * i) for i in range(count)]
    assert (kind, compression, len(data)) == (1, 100.0, 32 + 16 * count)
    return low, high, centroids


def check_sample():
    directory = Path(temporary_directory())
    file, capture = directory / "pipeline.yaml", directory / "sample.pcap"
    file.write_text(EXAMPLE.format(interval=5, more=""))
    write_capture(capture)
    rows, said = read_rows("--ilogtail-config", file, capture)
    wanted = [dict(row, __time__=str(TIME)) for row in SAMPLE]
    check(sorted(map(str, rows)) == sorted(map(str, wanted)), "the documented sample, row for row",
          "\n".join(map(json.dumps, rows)) + "\n" + said)
    check("4 records became 4 rows" in said and "seen 4 = logged 4 + filtered 0" in said,
          "what became rows is told", said)
    rows, _ = read_rows("-o", "ilogtail-schema", "--ilogtail-config", file, capture)
    kinds = sorted(row["type"] for row in rows)
    check(kinds == ["l4", "l4", "l7_req", "l7_req"], "the schema's rows", str(kinds))
    for row in rows:
        if row["type"] == "l7_req":
            low, high, centroids = digest_of(row["tdigest_latency"])
            check(low == high == row["latency_ns"] and centroids == [(1.0, low)],
                  f"the digest of one {row['protocol']} call")
        if row["_remote_addr_"] == "100.100.105.70":
            check(json.loads(row["remote_info"]) == {"_remote_host_": NAME},
                  f"{row['type']}: the other end has the name that was resolved", str(row))
    rows, _ = read_rows("-o", "json", "--sink", f"file={directory}/rows format=ilogtail", capture)
    check({row["type"] for row in rows} == {"dns", "http", "connection"}
          and len((directory / "rows").read_text().splitlines()) == 4,
          "records and rows from one run")
    file.write_text(EXAMPLE.format(interval=5, more="      Samplin: 3"))
    ended = subprocess.run([WEIR, "read", "--ilogtail-config", str(file), str(capture)],
                           capture_output=True, text=True, check=False)
    check(ended.returncode == 2 and f"{file}:7:7: " in ended.stderr
          and "did you mean 'Common.Sampling'?" in ended.stderr, "a wrong key is named",
          ended.stderr)


SERVERS = """
import socket, threading, sys
query, answer, request, response = (bytes.fromhex(text) for text in sys.argv[1:5])
def serve(connection, request, response):
    while True:
        left = len(request)
        while left:
            data = connection.recv(65536)
            if not data:
                return connection.close()
            left -= len(data)
        connection.sendall(response)
def listen(port, *messages):
    listener = socket.create_server(("10.99.0.2", port))
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0], *messages),
                         daemon=True).start()
def framed(message):
    return len(message).to_bytes(2, "big") + message
threading.Thread(target=listen, args=(53, framed(query), framed(answer)), daemon=True).start()
threading.Thread(target=listen, args=(80, request, response), daemon=True).start()
threading.Thread(target=listen, args=(7777, bytes(1000), bytes(500)), daemon=True).start()
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(("10.99.0.2", 53))
def resolve():
    while True:
        _, source = datagrams.recvfrom(4096)
        datagrams.sendto(answer, source)
threading.Thread(target=resolve, daemon=True).start()
for port in (53, 80, 7777):
    while True:
        try:
            socket.create_connection(("10.99.0.2", port)).close()
            break
        except OSError:
            pass
print("ready")
threading.Event().wait()
"""
CLIENT = """
import os, socket, sys
query, answer, request, response = (bytes.fromhex(text) for text in sys.argv[1:5])
def call(connection, request, response):
    connection.sendall(request)
    left = len(response)
    while left:
        left -= len(connection.recv(65536))
def framed(message):
    return len(message).to_bytes(2, "big") + message
with socket.create_connection(("10.99.0.2", 53)) as connection:
    for number in range(int(sys.argv[5])):
        call(connection, framed(query), framed(answer))
for number in range(int(sys.argv[5])):
    with socket.create_connection(("10.99.0.2", 80)) as connection:
        call(connection, request, response)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as resolver:
    resolver.connect(("10.99.0.2", 53))
    for number in range(int(sys.argv[5])):
        call(resolver, query, answer)
living = socket.create_connection(("10.99.0.2", 80))
call(living, request, response)
odd = socket.create_connection(("10.99.0.2", 7777))
call(odd, bytes(1000), bytes(500))
print(os.getpid(), flush=True)
for line in sys.stdin:
    call(odd, bytes(1000), bytes(500))
"""


class Hosts(namespaces.Pair):
    """A client and its servers in two namespaces, so that no end is an address of this host."""

    def __init__(self, count):
        super().__init__()
        self.messages = [part.hex() for part in (*dns_messages(), *http_messages())]
        self.count = count
        self.server = self.start(self.far, SERVERS, *self.messages)
        self.client = None

    def play(self):
        """All calls; the client then holds its last connection open. Its pid."""
        command = ["ip", "netns", "exec", self.near, sys.executable, "-c", CLIENT, *self.messages,
                   str(self.count)]
        self.client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       text=True)
        return int(self.client.stdout.readline())

    def speak_oddly(self):
        """1000 bytes there, 500 back, of no protocol, on a connection that stays open."""
        self.client.stdin.write("more\n")
        self.client.stdin.flush()

    def finish(self):
        self.client.stdin.close()
        self.client.wait()
        self.client.stdout.close()

    def __exit__(self, *arguments):
        self.server.kill()
        self.server.wait()
        self.server.stdout.close()
        super().__exit__(*arguments)


def rows_of(weir):
    return [json.loads(line) for line in weir.raw_lines()]


def total(rows, name, **wanted):
    return sum(int(row[name]) for row in rows
               if all(row.get(key) == value for key, value in wanted.items()))


def check_odd(weir, hosts):
    """What nobody knows the protocol of is in the statistics while it lives, too."""
    odd = remote("10.99.0.2", 7777, "unknown")

    def told():
        rows = rows_of(weir)
        return [total(rows, name, type="statistics", remote_info=odd)
                for name in ("send_bytes", "recv_bytes")]

    for calls in (1, 2, 3):
        check(traffic.wait_until(lambda wanted=[1000 * calls, 500 * calls]: told() == wanted),
              f"a living connection of an unknown protocol is told of, {calls}", str(told()))
        if calls < 3:
            hosts.speak_oddly()
    return told


def check_live(hosts):
    """Every call and every byte is in a row of its process, however intervals fell."""
    directory = Path(temporary_directory())
    file = directory / "pipeline.yaml"
    file.write_text(EXAMPLE.format(interval=1, more="      Tags: {zone: north}\n"
                                                    "      Cluster: blue"))
    count = hosts.count
    with Weir("--ilogtail-config", file, "--port", PORTS, output="ilogtail") as weir:
        pid = hosts.play()
        done = traffic.wait_until(lambda: total(rows_of(weir), "total_count", protocol="http",
                                                role="client") >= count + 1)
        check(done, "rows come while weir runs", weir.stderr()[-800:])
        told = check_odd(weir, hosts)
        hosts.finish()
        weir.stop()
    check(told() == [3000, 1500], "and its end tells nothing twice", str(told()))
    rows = rows_of(weir)
    check(weir.totals.is_identity, f"seen = logged + filtered + lost: {weir.totals}")
    mine = [row for row in rows if row["_process_pid_"] == str(pid)]
    http = {"protocol": "http", "role": "client", "host": HOST, "url": PATH, "resp_code": "200"}
    check(total(mine, "total_count", **http) == count + 1, "the client's HTTP calls")
    check(total(mine, "total_req_bytes", **http) == 13661 * (count + 1)
          and total(mine, "total_resp_bytes", **http) == 165 * (count + 1), "and their bytes")
    dns = {"protocol": "dns", "query_record": NAME, "query_type": "A", "success": "1"}
    check(total(mine, "total_count", role="client", **dns) == 2 * count
          and total(mine, "total_req_bytes", role="client", **dns) == 2 * 73 * count
          and total(mine, "total_resp_bytes", role="client", **dns) == 2 * 272 * count,
          "the client's DNS calls, over TCP and UDP")
    far = [row for row in rows if row["role"] == "server"]
    check(total(far, "total_count", protocol="http") == count + 1
          and total(far, "total_count", protocol="dns") == 2 * count, "the server's side of them",
          "\n".join(map(json.dumps, far))[:2000])
    web = remote("10.99.0.2", 80, "server")
    check(total(mine, "send_bytes", type="statistics", remote_info=web) == 13661 * (count + 1)
          and total(mine, "recv_bytes", type="statistics", remote_info=web) == 165 * (count + 1)
          and total(mine, "recv_packets", type="statistics", remote_info=web) >= count + 1,
          "statistics of its connections, also of the one that lived",
          "\n".join(json.dumps(row) for row in mine if row["type"] == "statistics")[:2000])
    names = remote("10.99.0.2", 53, "dns")
    check(total(mine, "send_bytes", type="statistics", remote_info=names) == (75 + 73) * count
          and total(mine, "recv_bytes", type="statistics", remote_info=names) == (274 + 272) * count
          and total(mine, "recv_packets", type="statistics", remote_info=names) >= 2 * count,
          "statistics of its DNS connection and its DNS socket")
    check_server_bytes(far, count)
    odd = [row for row in rows if row.get("__tag__:zone") != "north"
           or row.get("__tag__:cluster") != "blue" or row["_running_mode_"] not in (
               "host", "container", "kubernetes") or not row["_process_cmd_"]
           or not all(isinstance(value, str) for value in row.values())]
    check_empty(odd, "every row has its process and the tags, and is made of strings")
    check(any(sys.executable in row["_process_cmd_"] for row in mine), "the command is named",
          mine[0]["_process_cmd_"][:100])


def check_server_bytes(rows, count):
    sums = [total(rows, name, type="statistics") for name in ("send_bytes", "recv_bytes")]
    wanted = [165 * (count + 1) + (274 + 272) * count + 1500,
              13661 * (count + 1) + (75 + 73) * count + 3000]
    check(sums == wanted, "the server's statistics have every byte, once", f"{sums}, not {wanted}")


def check_packets(hosts):
    """PCAP: of an interface the packets that the filter takes, and no sockets."""
    directory = Path(temporary_directory())
    file = directory / "pipeline.yaml"
    file.write_text("""inputs:
  - Type: observer_ilogtail_network_v1
    Common: {FlushOutL4Interval: 1, FlushOutL7Interval: 1}
    PCAP: {Enabled: true, Interface: wnear, Filter: 'udp and port 53'}
""")
    with Weir("--ilogtail-config", file, "--netns", hosts.near, output="ilogtail") as weir:
        hosts.play()
        done = traffic.wait_until(lambda: total(rows_of(weir), "total_count",
                                                protocol="dns") >= hosts.count)
        check(done, "PCAP: calls are told from packets", weir.stderr()[-800:])
        check(namespaces.promiscuity("wnear", hosts.near) == 1, "PCAP.Promiscuous is the default")
        hosts.finish()
        weir.stop()
    rows = rows_of(weir)
    check({row["protocol"] for row in rows if row["type"] == "protocols"} == {"dns"}
          and total(rows, "total_count", protocol="dns") == hosts.count
          and {json.loads(row["remote_info"])["remote_port"] for row in rows} <= {"53", "0"},
          "PCAP.Filter: UDP of port 53 and nothing else", str(rows[:3]))


def check_reload(weir, file):
    """The file is read again; what was told of connections is not told twice."""
    pipeline = json.loads(file.read_text())
    pipeline["inputs"][0]["Common"]["Tags"] = {"zone": "south"}
    file.write_text(json.dumps(pipeline))
    weir.process.send_signal(signal.SIGHUP)
    check(traffic.wait_until(lambda: "configuration read again" in weir.stderr()),
          "SIGHUP: the file of iLogtail is read again", weir.stderr()[-800:])


def check_living(hosts):
    """A connection that stays open is in the statistics before it closes."""
    directory = Path(temporary_directory())
    file = directory / "pipeline.json"
    file.write_text(json.dumps({"inputs": [{
        "Type": "observer_ilogtail_network_v1", "EBPF": {"Enabled": True},
        "Common": {"FlushOutL4Interval": 1, "FlushOutL7Interval": 1, "FlushNetlinkInterval": 1,
                   "IncludeCmdRegex": "import os, socket", "IncludeProtocols": ["HTTP"]}}]}))
    with Weir("--ilogtail-config", file, "--port", PORTS, output="ilogtail-schema") as weir:
        hosts.play()
        wanted = 13661 * (hosts.count + 1)
        done = traffic.wait_until(lambda: total(
            rows_of(weir), "send_bytes", type="l4", _remote_port_=80) >= wanted)
        check(done, "the bytes of a living connection are told",
              f"of {wanted}: {rows_of(weir)[-3:]}")
        check_reload(weir, file)
        hosts.finish()
        hosts.play()
        hosts.finish()
        weir.stop()
    rows = rows_of(weir)
    check(total(rows, "send_bytes", type="l4", _remote_port_=80) == 2 * wanted,
          "and each of them once, also those that lived through a reload")
    check(any("south" in line for line in map(json.dumps, rows)), "SIGHUP: rows have the new tag")
    calls = [row for row in rows if row["type"] == "l7_req"]
    check({row["protocol"] for row in calls} == {"http"} and {row["role"] for row in rows} == {"c"},
          "only what is included has rows")
    check(sum(sum(weight for weight, _ in digest_of(row["tdigest_latency"])[2]) for row in calls)
          == 2 * (hosts.count + 1), "the digests hold every call")
    names = {row["conn_id"] for row in calls}
    check(len(names) == 2 * (hosts.count + 1), "a row for each connection", str(len(names)))


def main():
    check_sample()
    require_weir()
    if not namespaces.is_possible():
        note("left out: no network namespaces here")
        return
    with Hosts(12) as hosts:
        check_live(hosts)
        check_living(hosts)
        check_packets(hosts)


if __name__ == "__main__":
    try:
        run_main(main)
    except StartFailed as failed:
        print(failed)
        sys.exit(1)
