#!/usr/bin/python3
"""Plaintext under TLS, by numbers: what real servers log is what weir reads out of their libraries.

OpenSSL (nginx, Python, curl, Node.js with its own copy), GnuTLS (wget, gnutls-serv, gnutls-cli) and
NSS (selfserv, tstclnt); sockets and records in memory; started before and after weir.

TIMEOUT: 300
"""

import os
import signal
import ssl
import subprocess

import harness
from harness import (Weir, check, check_clean_end, check_empty, check_exchanges, flags, note,
                     require_weir, run_main, temporary_directory)
from harness import servers, traffic

LANES, REQUESTS = 6, 25
SIZES = (11, 300, 2000, 40000)
CANARY = "canary-of-tls-that-nobody-may-see"
EVENTS = 5
EVENT = r"data: SECRET-OF-EVENTS\n\n"  # as nginx's configuration writes it


def client_context():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def nginx(directory, certificate):
    """nginx whose port is one for TLS, with HTTP/2."""
    port = servers.free_port()
    server = servers.nginx(directory, extra=(
        f"listen 127.0.0.1:{port} ssl http2; ssl_certificate {certificate[0]}; "
        f"ssl_certificate_key {certificate[1]}; location /events/ {{ "
        f'default_type text/event-stream; return 200 "{EVENT * EVENTS}"; }}'))
    server.port = port
    return server


def node(directory, certificate):
    return servers.node(directory, certificate=certificate)


def python_threads(directory, certificate):
    return servers.python_threads(directory, certificate=certificate)


def python_asyncio(directory, certificate):
    return servers.python_asyncio(directory, certificate=certificate)


def request(number):
    """Bodies both ways, several sizes."""
    size = SIZES[number % len(SIZES)]
    wanted = {"target": b"/bytes/%d?n=%d" % (size, number)}
    if number % 5 == 4:
        wanted |= {"method": b"POST", "body": b"y" * 700}
    return wanted


def run(command, **options):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                          timeout=60, **options)


def numbered(weir, server, prefix):
    """Many numbered requests at once; the records are the exchanges, byte for byte."""
    make = request if server.name != "nginx" else (
        lambda number: {"target": b"/bytes/%d?n=%d" % ((11, 1000)[number % 2], number)})
    exchanges = traffic.run_numbered("127.0.0.1", server.port, LANES, REQUESTS, make, prefix,
                                     tls=client_context())
    logged = {line[0]: line for line in server.wait_for_log(len(exchanges))}
    records = [record for record in weir.wait_for_records(len(exchanges), server_port=server.port)
               if (traffic.sequence_of(record) or "").startswith(prefix + "-")]
    found = check_exchanges(records, exchanges, prefix)
    check(all(name in logged for name in found), f"{prefix}: every record is in the server's log")
    check({record["source"] for record in records} == {"tls"}, f"{prefix}: the source is tls")
    check({record["role"] for record in records} == {"server"}, f"{prefix}: told by the server")
    check_empty([record for record in records if not flags(record) <= {"masked"}],
                f"{prefix}: nothing is flagged")
    bad = [name for name, line in logged.items()
           if name in found and found[name].get("process.pid") != line[3]]
    check_empty(bad, f"{prefix}: the process is the one that the server's log names")
    return records


def check_connections(weir, server, records):
    """The handshake's record has the same connection, and nothing else is said of it."""
    handshakes = weir.records("tls", server_port=server.port)
    known = {record["connection.id"] for record in handshakes}
    check_empty([record["connection.id"] for record in records
                 if record["connection.id"] not in known],
                f"{server.name}: the handshake has the id of the connection")
    others = {record["type"] for record in weir.records(None, server_port=server.port)}
    check(others == {"http", "tls"}, f"{server.name}: no other record of the connection", others)


def check_secrets(weir, server):
    """Values that are masked never leave the kernel."""
    secret = [(b"Authorization", b"Bearer " + CANARY.encode()),
              (b"Cookie", b"a=" + CANARY.encode() + b"; b=" + CANARY.encode())]
    prefix = f"secret-{server.name}"
    exchanges = traffic.run_numbered(
        "127.0.0.1", server.port, 2, 5,
        lambda number: {"target": b"/bytes/11", "headers": secret}, prefix, tls=client_context())
    for exchange in exchanges:
        exchange.request.headers = [
            (name, value.replace(CANARY.encode(), b"***")) for name, value in
            exchange.request.headers]
    records = [record for record in weir.wait_for_records(1, server_port=server.port)
               if (traffic.sequence_of(record) or "").startswith(prefix + "-")]
    end = 100
    while len(records) < len(exchanges) and end:
        records = [record for record in weir.wait_for_records(10 ** 6, 0.1,
                                                              server_port=server.port)
                   if (traffic.sequence_of(record) or "").startswith(prefix + "-")]
        end -= 1
    check_exchanges(records, exchanges, prefix)


def by_number(weir, server, numbers):
    """The records of these numbers, waited for."""
    for _ in range(200):
        found = {}
        for record in weir.wait_for_records(10 ** 6, 0.1, server_port=server.port):
            found.setdefault(traffic.sequence_of(record), []).append(record)
        if all(number in found for number in numbers):
            break
    return {number: found.get(number, []) for number in numbers}


def is_answered(command, given):
    """Runs a client; one that is typed to is killed when it shows the answer."""
    if given is None:
        return run(command, env=dict(os.environ, NODE_TLS_REJECT_UNAUTHORIZED="0")).returncode == 0
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL,
                          preexec_fn=servers.die_with_parent) as process:
        process.stdin.write(given)
        process.stdin.flush()
        has_answer = any(line.startswith(b"HTTP/1.1 200") for line in process.stdout)
        process.kill()
    return has_answer


def check_clients(weir, server, clients):
    """Programs of all kinds ask; each request has one record, with both processes."""
    wanted = {}
    for name, version, make in clients:
        for turn in range(3):
            number = f"{name}-{server.name}-{turn}"
            try:
                command, given = make(server.port, number)
            except servers.Missing as missing:
                note(f"{missing}")
                break
            if check(is_answered(command, given), f"{number} is answered"):
                wanted[number] = (name, version)
    found = by_number(weir, server, wanted)
    check_empty([f"{number}: {len(records)} records" for number, records in found.items()
                 if len(records) != 1], f"{server.name}: one record of each client's request")
    bad = []
    for number, records in found.items():
        name, version = wanted[number]
        for record in records:
            if (record["source"], record["role"], record["network.protocol.version"],
                    record.get("peer.process.command")) != ("tls", "server", version,
                                                            name.split("/")[0]):
                bad.append(f"{number}: {record['source']} {record['role']} "
                           f"{record['network.protocol.version']} "
                           f"{record.get('peer.process.command')}")
    check_empty(bad, f"{server.name}: version and both processes are told")


def check_events(weir, server):
    """Server-sent events are counted; what is in them is hidden, which the ring's check tells."""
    numbers = [f"events-{server.name}-{turn}" for turn in range(3)]
    for number in numbers:
        command, _ = curl("--http1.1", "-N", target=f"/events/{EVENTS}")(server.port, number)
        run(command)
    bad = [record for records in by_number(weir, server, numbers).values() for record in records
           if (record.get("http.response.events"), flags(record)) != (EVENTS, set())]
    check_empty(bad, f"{server.name}: the events of a text/event-stream are counted")


def url_of(port, target="/bytes/11"):
    return f"https://127.0.0.1:{port}{target}"


def curl(*options, target="/bytes/11"):
    return lambda port, number: ([servers.find_program("curl"), "-sk", *options, "-o", "/dev/null",
                                  "-H", f"X-Seq: {number}", url_of(port, target)], None)


def wget(port, number):
    return [servers.find_program("wget"), "-q", "--no-check-certificate", "-O", "/dev/null",
            f"--header=X-Seq: {number}", url_of(port)], None


def node_client(port, number):
    program = (f"require('https').get('{url_of(port)}', {{headers: {{'X-Seq': '{number}'}}}}, "
               "r => r.resume())")
    return [servers.find_program("node"), "-e", program], None


def typed(number):
    """A request for programs that send what they are given, until the other end closes."""
    return (f"GET /bytes/11 HTTP/1.1\r\nHost: live.test\r\nX-Seq: {number}\r\n"
            "Connection: close\r\n\r\n").encode()


def gnutls_cli(port, number):
    return [servers.find_program("gnutls-cli"), "--insecure", "-p", str(port),
            "127.0.0.1"], typed(number)


def tstclnt(database):
    return lambda port, number: ([servers.find_program("tstclnt"), "-h", "127.0.0.1", "-p",
                                  str(port), "-d", f"sql:{database}", "-o"], typed(number))


# What is in front of the slash is the command's name.
CLIENTS = [("curl/1", "1.1", curl("--http1.1")), ("wget", "1.1", wget),
           ("node", "1.1", node_client), ("gnutls-cli", "1.1", gnutls_cli)]


def clients_of(server, database):
    clients = [*CLIENTS, ("tstclnt", "1.1", tstclnt(database))] if database else CLIENTS
    return clients + [("curl/2", "2", curl("--http2"))] * (server.name == "nginx")


def make_database(directory, certificate):
    """A store of certificates for NSS with the one that is given; None: no NSS here."""
    database = directory / "nss"
    database.mkdir()
    both = directory / "both.p12"
    try:
        programs = [servers.find_program(name) for name in ("certutil", "pk12util", "tstclnt")]
    except servers.Missing as missing:
        note(str(missing))
        return None
    for command in (
            [servers.find_program("openssl"), "pkcs12", "-export", "-in", certificate[0], "-inkey",
             certificate[1], "-name", "live", "-passout", "pass:", "-out", str(both)],
            [programs[0], "-N", "-d", f"sql:{database}", "--empty-password"],
            [programs[1], "-i", str(both), "-d", f"sql:{database}", "-W", "", "-K", ""]):
        subprocess.run(command, check=True, capture_output=True)
    return database


def check_others(weir, directory, certificate, database):
    """Servers that log nothing: GnuTLS's and NSS's own, asked by curl."""
    kinds = [("gnutls-serv", ["--http", "--quiet", "--x509certfile", certificate[0],
                              "--x509keyfile", certificate[1], "-p"])]
    if database:
        kinds.append(("selfserv", ["-d", f"sql:{database}", "-n", "live", "-V", "tls1.0:", "-p"]))
    for name, options in kinds:
        try:
            server = servers.Server(name, directory, "::1")  # they listen on all addresses
            server.start([servers.find_program(name), *options, str(server.port)])
        except servers.Missing as missing:
            note(str(missing))
            continue
        numbers = [f"{name}-{turn}" for turn in range(5)]
        for number in numbers:
            command, _ = curl("--http1.1")(server.port, number)
            run(command)
        found = by_number(weir, server, numbers)
        # Their answers last until the connection ends; selfserv's goes through PR_Writev.
        check_empty([f"{number}: {found[number]}" for number in numbers
                     if len(found[number]) != 1 or found[number][0]["source"] != "tls"
                     or found[number][0].get("http.response.status_code") != 200
                     or not flags(found[number][0]) <= {"incomplete"}],
                    f"{name}: one record of each request, with its answer")
        server.stop()


def check_killed(weir, directory, certificate):
    """A server that is killed in the middle takes nothing else with it."""
    server = python_threads(directory, certificate)
    with traffic.Client("127.0.0.1", server.port, tls=client_context()) as client:
        client.exchange("killed-1", target=b"/bytes/11")
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
    found = by_number(weir, server, ["killed-1"])
    check(len(found["killed-1"]) == 1, "what was asked before the server was killed is told")


def start(kinds, directory, certificate):
    started = []
    for kind in kinds:
        try:
            started.append(kind(directory, certificate))
        except servers.Missing as missing:
            note(str(missing))
    return started


def main():
    harness.WITH_TLS = True
    require_weir()
    directory = temporary_directory()
    certificate = servers.make_certificate(directory)
    database = make_database(directory, certificate)
    before = start([nginx, node, python_asyncio], directory, certificate)
    with Weir(is_debugged=True) as weir:
        after = start([node, python_threads], directory, certificate)
        for when, group in (("before", before), ("after", after)):
            for server in group:
                records = numbered(weir, server, f"{when}-{server.name}")
                check_connections(weir, server, records)
                check_secrets(weir, server)
        for server in before[:2]:
            check_clients(weir, server, clients_of(server, database))
            check_events(weir, server)
        check_others(weir, directory, certificate, database)
        check_killed(weir, directory, certificate)
        check_clean_end(weir)
        ring = weir.ring_path.read_bytes()
        check(CANARY.encode() not in ring and b"SECRET-OF" not in ring,
              "no masked value and nothing of an event has left the kernel")
        missed = {name: weir.totals.missed[name] for name in weir.totals.missed
                  if name.startswith("tls_")}
        check(not missed, "no plaintext is without its connection", str(missed))
    for server in before + after:
        server.stop()


if __name__ == "__main__":
    run_main(main)
