#!/usr/bin/python3
"""DNS over UDP, seen live in sockets and in packets: unbound under dnsperf, as fast as it goes, in
a network namespace of its own, where its port is free. What dnsperf counts is what the records
tell, once, though sockets and packets are looked at together. Then the resolver of the C library,
dig, and every way in which programs send and receive datagrams.
TIMEOUT: 240
"""

import collections
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from harness import (Weir, check, check_empty, note, require_weir, run_main, skip,  # noqa: E402
                     temporary_directory)
import servers  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "vm"))
import smoke_dns  # noqa: E402
from smoke_run import Wrong  # noqa: E402

INSIDE = "WEIR_TEST_IN_NAMESPACE"
QUERIES = 18000
NAMES = ("www.example", "none.example")
CONFIGURATION = """server:
  directory: "{folder}"
  username: ""
  chroot: ""
  interface: 127.0.0.1
  port: 53
  use-syslog: no
  pidfile: ""
  local-zone: "example." static
  local-data: "www.example. A 192.0.2.1"
  local-data: "www.example. AAAA 2001:db8::1"
  local-data: "resolver.example. A 192.0.2.2"
  local-data: "dig.example. A 192.0.2.3"
remote-control:
  control-enable: no
"""


def enter_namespace():
    """The same test once more, in a new network namespace."""
    if os.environ.get(INSIDE):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    for program in ("unshare", "ip"):
        if not shutil.which(program):
            skip(f"{program} is not installed")
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        skip("no network namespace can be made")
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])


def ask(folder):
    """(sent, completed, {response code: count})"""
    (folder / "queries").write_text("www.example A\nwww.example AAAA\nnone.example A\n")
    said = subprocess.run(["dnsperf", "-s", "127.0.0.1", "-d", folder / "queries", "-c", "4", "-q",
                           "100", "-n", str(QUERIES // 3)], check=True, capture_output=True,
                          text=True, timeout=100).stdout
    codes = re.findall(r"([A-Z]+) (\d+)", re.search(r"Response codes:(.*)", said)[1])
    return (int(re.search(r"Queries sent:\s+(\d+)", said)[1]),
            int(re.search(r"Queries completed:\s+(\d+)", said)[1]),
            {name: int(count) for name, count in codes})


def counted(weir, sent, completed, codes, source):
    """All that dnsperf has sent is the records of one source."""
    records = [r for r in weir.records(kind="dns") if r["dns.question.name"] in NAMES]
    lost = weir.totals.lost_sum
    check(sent - lost <= len(records) <= sent,
          f"{source}: all {sent} queries are the records, or counted as lost",
          f"{len(records)}, {lost} lost")
    check({r["source"] for r in records} == {source}, f"{source}: told once, by this source",
          str(collections.Counter(r["source"] for r in records)))
    if source == "socket":
        check_empty([r for r in records if r.get("process.command") != "unbound"
                     or r.get("peer.process.command") != "dnsperf"],
                    "socket: the server's end, with both processes")
    if lost:
        return
    answered = [r for r in records if "dns.response_code" in r]
    told = collections.Counter(r["dns.response_code"] for r in answered)
    # On a busy host answers may come when dnsperf does not wait any more.
    check(len(answered) >= completed and all(told[name] >= codes[name] for name in codes),
          f"{source}: {completed} of them with their answers", f"{told}, dnsperf says {codes}")
    check_empty([r["flags"] for r in answered if "flags" in r],
                f"{source}: no flag without a cause")
    data = {(r["dns.question.type"], answer["data"])
            for r in answered for answer in r.get("dns.answers", ())}
    check(data == {("A", "192.0.2.1"), ("AAAA", "2001:db8::1")}, f"{source}: what was answered",
          str(data))


def resolve(folder):
    """The resolver of the C library, which asks for A and AAAA at once, and dig."""
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    found = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"mount --bind {folder}/resolv.conf /etc/resolv.conf && "
         "exec getent ahosts resolver.example."], capture_output=True, text=True, check=False)
    subprocess.run(["dig", "@127.0.0.1", "dig.example", "+tries=1"], capture_output=True,
                   check=True)
    return "192.0.2.2" in found.stdout


def check_resolvers(records, is_resolved):
    def asked(name):
        return sorted((r["dns.question.type"], r["source"], r["role"],
                       r.get("process.command", ""), r.get("peer.process.command", ""),
                       r.get("dns.response_code", ""))
                      for r in records if r["dns.question.name"] == name)

    if is_resolved:  # to bind over /etc/resolv.conf may not be allowed
        check(asked("resolver.example") == [
            (kind, "socket", "server", "unbound", "getent", "NOERROR") for kind in ("A", "AAAA")],
            "the C library's questions", str(asked("resolver.example")))
    check(asked("dig.example") == [("A", "socket", "server", "unbound", "dig", "NOERROR")],
          "what dig asked", str(asked("dig.example")))


def shake_hands():
    """The samples of RFC 9001 appendix A.2 and A.3 over a socket each: its two ports."""
    text = (Path(__file__).resolve().parent.parent / "lib/conversations_quic.c").read_text()
    steps = text[text.index("quic_1[]"):].split("FEEDER_STEP(")[1:3]
    hello, answer = [bytes(int(one, 16) for one in re.findall(r"\\x(..)", step.split(")")[0]))
                     for step in steps]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for one in (server, client):
            one.settimeout(60)
        server.bind(("127.0.0.1", 0))
        client.sendto(hello, server.getsockname())
        taken, peer = server.recvfrom(2048)
        check(taken == hello and len(hello) == 1200, "an Initial packet of 1200 bytes")
        server.sendto(answer, peer)
        client.recv(2048)
        return peer[1], server.getsockname()[1]


def check_handshake(records, ports):
    mine = [r for r in records if (r["client.port"], r["server.port"]) == ports]
    check([(r["source"], r["role"], r["network.protocol.name"], r["tls.client.server_name"],
            r["tls.version"], r["process.pid"]) for r in mine] ==
          [("socket", "server", "quic", "example.com", "1.3", os.getpid())],
          "a handshake of QUIC between two sockets, told once", str(mine)[:900])


def main():
    require_weir()
    try:
        programs = [servers.find_program(name) for name in ("unbound", "dnsperf", "dig")]
    except servers.Missing as missing:
        skip(str(missing))
    enter_namespace()
    folder = temporary_directory()
    (folder / "unbound.conf").write_text(CONFIGURATION.format(folder=folder))
    server = subprocess.Popen([programs[0], "-d", "-c", folder / "unbound.conf"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              preexec_fn=servers.die_with_parent)
    try:
        servers.wait_for_port("127.0.0.1", 53, server)
        for source, rung in (("socket", "auto"), ("tc", "none")):
            with Weir("--rung", rung, "--packets=lo", "--packet-ring-size", "64MiB", "--ring-size",
                      "64MiB", "--queue-size", "256MiB") as weir:
                said = ask(folder)
                if source == "socket":
                    is_resolved, expected = resolve(folder), smoke_dns.ask_all()
                    ports = shake_hands()
                check(weir.stop() == 0, "weir ends with status 0", weir.stderr()[-1500:])
                check(weir.totals.is_identity, f"seen = logged + filtered + lost: {weir.totals}")
            counted(weir, *said, source)
            if source == "socket" and not weir.totals.lost_sum:
                check_resolvers(weir.records(kind="dns"), is_resolved)
                check_handshake(weir.records(kind="tls"), ports)
                try:
                    smoke_dns.check(weir.records(kind="dns"), expected)
                    check(True, f"{len(expected)} questions asked in all ways")
                except Wrong as problem:
                    check(False, "questions asked in all ways", str(problem))
            elif source == "socket":
                note(f"records were lost, so single questions are not compared: {weir.totals}")
    finally:
        server.kill()
        server.wait()


run_main(main)
