#!/usr/bin/python3
"""DNS, TLS and QUIC of real peers: what dnsperf, OpenSSL and ngtcp2 did is what is logged.

TIMEOUT: 240
"""

import collections
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
import servers  # noqa: E402
from harness import RUNG, StartFailed, Weir  # noqa: E402

WEIR = os.environ.get("WEIR", str(Path(__file__).resolve().parents[2] / "build" / "weir"))
QUERIES = 4000
NAMES = ("www.example A", "www.example AAAA", "text.example TXT", "none.example A")
findings = []


def expect(what, is_, should):
    if is_ != should:
        findings.append(f"{what}: {is_}, expected {should}")


def start(folder, *command, **options):
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, preexec_fn=servers.die_with_parent,
                            **options)


class Recording:
    """Packets of the loopback interface at some ports while the block runs; weir's records."""

    def __init__(self, folder, kind, ports):
        self.file, self.kind = folder / f"{kind}.pcap", kind
        expression = " or ".join(f"port {port}" for port in ports)
        self.command = ["tcpdump", "-i", "lo", "-B", "65536", "-w", str(self.file), expression]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stderr=subprocess.PIPE, text=True,
                                        preexec_fn=servers.die_with_parent)
        while "listening" not in self.process.stderr.readline():
            pass
        return self

    def __exit__(self, *_):
        time.sleep(1)  # what is in its buffer
        self.process.send_signal(signal.SIGINT)
        self.dropped = re.search(r"(\d+) packets dropped", self.process.communicate()[1])[1]

    def records(self):
        out = subprocess.run([WEIR, "read", "-o", "json", "-t", self.kind, str(self.file)],
                             capture_output=True, check=True, timeout=60).stdout
        return [json.loads(line) for line in out.splitlines()]


def dnsperf(folder, port, *arguments):
    """(sent, completed, {response code: count})"""
    command = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", "queries", *arguments]
    out = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60).stdout
    codes = re.search(r"Response codes:(.*)", out)
    return (int(re.search(r"Queries sent:\s+(\d+)", out)[1]),
            int(re.search(r"Queries completed:\s+(\d+)", out)[1]),
            {name: int(count) for name, count in re.findall(r"([A-Z]+) (\d+)", codes[1])})


def check_dns(folder):
    for program in ("unbound", "dnsperf"):
        servers.find_program(program)
    port = servers.free_port()
    (folder / "queries").write_text("\n".join(NAMES) + "\n")
    (folder / "unbound.conf").write_text(f"""server:
  directory: "{folder}"
  username: ""
  chroot: ""
  interface: 127.0.0.1
  port: {port}
  use-syslog: no
  pidfile: "{folder}/pid"
  local-zone: "example." static
  local-data: "www.example. A 192.0.2.1"
  local-data: "www.example. AAAA 2001:db8::1"
  local-data: 'text.example. TXT "a b"'
remote-control:
  control-enable: no
""")
    server = start(folder, servers.find_program("unbound"), "-d", "-c", "unbound.conf")
    servers.wait_for_port("127.0.0.1", port, server)
    for transport, arguments in (("udp", ()), ("tcp", ("-m", "tcp"))):
        with Recording(folder, "dns", [port]) as recording:
            sent, completed, codes = dnsperf(folder, port, "-n", str(QUERIES // len(NAMES)),
                                             "-c", "3", *arguments)
        records = recording.records()
        if recording.dropped != "0":
            print(f"{transport}: tcpdump dropped {recording.dropped}; numbers not compared")
            continue
        paired = [r for r in records if "dns.response_code" in r and "flags" not in r]
        expect(f"{transport}: queries", len(records), sent)
        expect(f"{transport}: answers", len(paired), completed)
        told = collections.Counter(r["dns.response_code"] for r in paired)
        expect(f"{transport}: response codes", dict(told), codes)
        data = {(r["dns.question.type"], answer["data"])
                for r in paired for answer in r.get("dns.answers", ())}
        expect(f"{transport}: data", data,
               {("A", "192.0.2.1"), ("AAAA", "2001:db8::1"), ("TXT", "a b")})
        print(f"{transport}: {len(paired)} queries with their answers")
    server.terminate()
    server.wait()


def check_tls(folder):
    openssl = servers.find_program("openssl")
    subprocess.run([openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key",
                    "-out", "certificate", "-subj", "/O=Test/CN=server.example", "-days", "30"],
                   cwd=folder, check=True, capture_output=True)
    port = servers.free_port()
    server = start(folder, openssl, "s_server", "-accept", f"127.0.0.1:{port}", "-cert",
                   "certificate", "-key", "key", "-alpn", "h2", "-quiet", stdin=subprocess.PIPE)
    servers.wait_for_port("127.0.0.1", port, server)
    told = []
    with Recording(folder, "tls", [port]) as recording:
        for version in ("-tls1_3", "-tls1_2") * 5:
            out = subprocess.run([openssl, "s_client", "-connect", f"127.0.0.1:{port}", version,
                                  "-servername", "server.example", "-alpn", "h2", "-brief"],
                                 cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
                                 text=True, timeout=20, check=False)
            said = out.stdout + out.stderr
            told.append(re.search(r"Protocol version: TLSv([\d.]+)", said)[1])
    server.terminate()
    server.wait()
    records = recording.records()
    expect("tls: versions", [r.get("tls.version") for r in records], told)
    expect("tls: names", {r.get("tls.client.server_name") for r in records}, {"server.example"})
    subjects = {r.get("tls.server.subject") for r in records if r.get("tls.version") == "1.2"}
    expect("tls: subjects", subjects, {"CN=server.example,O=Test"})
    expect("tls: flags", [r["flags"] for r in records if "flags" in r], [])
    print(f"tls: {len(records)} handshakes")


QUIC_CLIENTS = (  # what is asked for, and the version and ciphers that are to be told
    ((), "1", "1301,1302,1303,1304"),
    (("-v", "v2draft"), "2-draft-01", "1301,1302,1303,1304"),
    (("--ciphers=NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM",), "1", "1301"))


def quic_clients(folder, ports):
    """One server after the other, the second with Retry: {client's port: (version, ciphers)}."""
    for port, more in zip(ports, ([], ["-V"])):
        server = start(folder, servers.find_program("gtlsserver"), "-q", *more, "127.0.0.1",
                       str(port), "key", "certificate")
        while f":{port:04X} " not in Path("/proc/net/udp").read_text():
            if server.poll() is not None:
                raise servers.Missing(f"gtlsserver ended with {server.returncode}")
            time.sleep(0.05)
        for options, _, _ in QUIC_CLIENTS:
            subprocess.run([servers.find_program("gtlsclient"), "-q", "--no-pmtud", *options,
                            "--exit-on-all-streams-close", "localhost", str(port),
                            f"https://localhost:{port}/"], cwd=folder, check=True, timeout=60,
                           capture_output=True)
        server.terminate()
        server.wait()


def told(records, port):
    """Of each handshake the fields of QUIC and TLS, in the order of time."""
    mine = [r for r in records if r.get("server.port") == port and r["type"] == "tls"]
    return [{name: value for name, value in record.items()
             if name.startswith(("tls.", "network.protocol", "flags", "malformed"))}
            for record in sorted(mine, key=lambda record: record["time"])]


def check_quic(folder):
    for program in ("gtlsserver", "gtlsclient"):
        servers.find_program(program)
    subprocess.run([servers.find_program("openssl"), "req", "-x509", "-newkey", "rsa:2048",
                    "-nodes", "-keyout", "key", "-out", "certificate", "-subj", "/CN=localhost",
                    "-days", "30"], cwd=folder, check=True, capture_output=True)
    ports = [servers.free_port(), servers.free_port()]
    try:
        with Recording(folder, "tls", ports) as recording, Weir(rung=RUNG) as weir:
            quic_clients(folder, ports)
            weir.stop()
    except StartFailed as failed:
        raise servers.Missing(str(failed)) from failed
    packets, sockets = recording.records(), weir.records(kind="tls")
    expect("quic: lost", weir.totals.lost_sum, 0)
    for port in ports:
        found = told(packets, port)
        expect(f"quic {port}: sockets and packets tell the same", told(sockets, port), found)
        expect(f"quic {port}: versions", [r.get("network.protocol.version") for r in found],
               [version for _, version, _ in QUIC_CLIENTS])
        expect(f"quic {port}: names, protocols, TLS, flags",
               {(r.get("tls.client.server_name"), str(r.get("tls.client.alpn")),
                 r.get("tls.version"), r.get("tls.cipher"), str(r.get("flags"))) for r in found},
               {("localhost", "['h3']", "1.3", "TLS_AES_128_GCM_SHA256", "None")})
        fingerprints = [re.fullmatch(r"q13d(..)..h3_(\w{12})_\w{12}", r.get("tls.client.ja4", ""))
                        for r in found]
        expect(f"quic {port}: JA4", [match and match.groups() for match in fingerprints],
               [(f"{len(ciphers.split(',')):02}", hashlib.sha256(ciphers.encode()).hexdigest()[:12])
                for _, _, ciphers in QUIC_CLIENTS])
    expect("quic: processes", {(r.get("process.command"), r.get("peer.process.command"))
                               for r in sockets if r.get("server.port") in ports},
           {("gtlsserver", "gtlsclient")})
    print(f"quic: {len(packets)} handshakes")


def main():
    if os.geteuid() != 0 or not shutil.which("tcpdump") or not os.access(WEIR, os.X_OK):
        print("SKIP: needs root, tcpdump and the binary")
        sys.exit(77)
    done = 0
    for check in (check_dns, check_tls, check_quic):
        with tempfile.TemporaryDirectory() as folder:
            try:
                os.chmod(folder, 0o755)
                check(Path(folder))
                done += 1
            except servers.Missing as missing:
                print(f"{check.__name__}: {missing}")
    print("\n".join(findings) or "all as counted")
    sys.exit(1 if findings else 0 if done else 77)


main()
