#!/usr/bin/python3
"""Plaintext of Go's crypto/tls, by numbers: what servers log is what weir reads out of them.

Programs with and without symbols, with the installed compiler; with those of WEIR_GO (paths of go,
separated by colons; Go 1.15 passes arguments on the stack) also loaded anywhere, which compiles the
whole library anew; caddy as Debian packages it. Stacks grow and move and garbage is collected all
the time; nobody may crash.

TIMEOUT: 600
"""

import collections
import os
import re
import subprocess
import time
from pathlib import Path

import harness
from harness import (Weir, check, check_clean_end, check_empty, flags, note, require_weir,
                     run_main, skip, temporary_directory)
from harness import servers, traffic

REQUESTS = int(os.environ.get("WEIR_GO_REQUESTS", "1000"))
WORKERS = 16
CANARY = "canary-of-go-that-nobody-may-see"
WAIT_SECONDS = 60


def build(directory, compiler, name, *options):
    binary = Path(directory) / name
    environment = dict(os.environ, GO111MODULE="off", GOFLAGS="", GOPROXY="off",
                       GOTOOLCHAIN="local", GOCACHE=str(Path(directory) / f"cache-{name}"))
    if compiler != "go":
        environment["GOROOT"] = str(Path(compiler).resolve().parents[1])
    subprocess.run([compiler, "build", *options, "-o", str(binary),
                    str(servers.PROGRAMS / "tls_peer.go")],
                   env=environment, cwd=directory, check=True, capture_output=True)
    return str(binary)


def serve(binary, directory, certificate, mode):
    server = servers.Server(f"go-{Path(binary).name}-{mode}", directory)
    return server.start([binary, mode, f"127.0.0.1:{server.port}", *certificate,
                         str(server.log_path)])


def caddy(directory, certificate):
    server = servers.Server("caddy", directory)
    config = server.directory / "Caddyfile"
    config.write_text(
        "{\n admin off\n auto_https off\n default_sni live.test\n}\n"
        f"https://:{server.port} {{\n bind 127.0.0.1\n"
        f" tls {certificate[0]} {certificate[1]}\n"
        " header X-Number {query.n}\n"
        f" log {{\n  output file {server.log_path}\n }}\n respond \"hello\"\n}}\n")
    environment = dict(os.environ, HOME=str(server.directory))
    return server.start([servers.find_program("caddy"), "run", "--config", str(config)],
                        env=environment)


def logged_numbers(server):
    """The numbers of the requests in the server's own log."""
    if not server.log_path.exists():
        return []
    text = server.log_path.read_text(errors="replace")
    if server.name == "caddy":
        return [int(number) for number in re.findall(r'"uri":\s*"[^"]*n=(\d+)"', text)]
    return [int(line) for line in text.split()]


def number_of(record):
    found = re.search(r"n=(\d+)$", record.get("url.original", ""))
    return int(found[1]) if found else None


def header(record, name):
    for one, value in record.get("http.response.headers", []):
        if one.lower() == name:
            return value
    return None


def wait_for(weir, server, wanted):
    """The server's records, waited for until all numbers are there."""
    end = time.monotonic() + WAIT_SECONDS
    while True:
        records = weir.wait_for_records(0, 0, server_port=server.port)
        if wanted <= {number_of(record) for record in records} or time.monotonic() > end:
            return records
        time.sleep(0.2)


def exchange(weir, server, client, protocol, first):
    """Many numbered requests at once: each has one record with its own answer."""
    what = f"{server.name}, HTTP/{protocol}"
    done = subprocess.run([client, "ask", f"https://127.0.0.1:{server.port}/a", str(REQUESTS),
                           str(WORKERS), protocol, CANARY, str(first)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=200, check=False)
    check((done.returncode, done.stdout) == (0, b"failed 0\n"), f"{what}: the client is answered",
          done.stdout.decode(errors="replace")[-800:])
    numbers = set(range(first + 1, first + REQUESTS + 1))
    records = [record for record in wait_for(weir, server, numbers)
               if number_of(record) in numbers]
    counts = collections.Counter(map(number_of, records))
    missing = sorted(numbers - counts.keys())
    check_empty([number for number, count in counts.items() if count > 1],
                f"{what}: no request has two records")
    end = time.monotonic() + WAIT_SECONDS  # caddy logs behind the answer
    while not numbers <= set(logged_numbers(server)) and time.monotonic() < end:
        time.sleep(0.1)
    check(numbers <= set(logged_numbers(server)), f"{what}: the server's log has all of them")
    check_empty([f"{number_of(record)}: {header(record, 'x-number')}" for record in records
                 if header(record, "x-number") != str(number_of(record))],
                f"{what}: each has its own answer")
    check_empty([record for record in records
                 if (record["source"], record["role"], record["network.protocol.version"],
                     record.get("process.pid")) !=
                 ("tls", "server", "1.1" if protocol == "1" else "2", server.process.pid)],
                f"{what}: source, role, version and process are told")
    check_empty([record for record in records if not flags(record) <= {"masked"}],
                f"{what}: nothing is flagged")
    return missing


def check_late(weir, server, client):
    """A connection that lived before weir: it is known as soon as it was used."""
    seen = set()
    for turn in range(1, 40):
        client.exchange(f"late-{turn}", target=b"/late?n=%d" % (900000 + turn))
        records = weir.wait_for_records(0, 0, server_port=server.port)
        seen = {number_of(record) for record in records
                if record["source"] == "tls" and (number_of(record) or 0) > 900000}
        if len(seen) >= 3:
            break
        time.sleep(0.25)
    check(len(seen) >= 3, f"{server.name}: a connection that lived before weir is told", str(seen))


def context():
    import ssl
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def programs(directory):
    """(name, program) of each way to build."""
    try:
        servers.find_program("go")
    except servers.Missing as missing:
        skip(str(missing))
    built = [build(directory, "go", "stripped", "-ldflags", "-s -w"),
             build(directory, "go", "symbols")]
    for compiler in filter(None, os.environ.get("WEIR_GO", "").split(":")):
        name = Path(compiler).resolve().parents[1].name
        built += [build(directory, compiler, name),
                  build(directory, compiler, f"{name}-anywhere", "-buildmode=pie", "-ldflags",
                        "-s -w")]
    return built


def main():
    harness.WITH_TLS = True
    require_weir()
    directory = temporary_directory()
    certificate = servers.make_certificate(directory)
    binaries = programs(directory)
    running = [serve(binary, directory, certificate, "serve") for binary in binaries]
    running.append(serve(binaries[0], directory, certificate, "raw"))
    try:
        running.append(caddy(directory, certificate))
    except servers.Missing as missing:
        note(str(missing))
    missing = []
    with traffic.Client("127.0.0.1", running[0].port, tls=context()) as late:
        late.exchange("before", target=b"/late?n=900000")
        with Weir(is_debugged=True) as weir:
            check_late(weir, running[0], late)
            first = 0
            for i, server in enumerate(running):
                client = binaries[(i + 1) % len(binaries)]
                for protocol in ("1",) if "raw" in server.name else ("1", "2"):
                    missing += exchange(weir, server, client, protocol, first)
                    first += REQUESTS
            check_clean_end(weir)
        check(len(missing) <= weir.totals.lost_sum,
              f"{first} requests = records + {weir.totals.lost_sum} counted losses",
              str(missing[:20]))
        check(CANARY.encode() not in weir.ring_path.read_bytes(),
              "no masked value has left the kernel")
        for server in running:
            check(server.process.poll() is None, f"{server.name} has lived through it")
        check(late.exchange("after", target=b"/late?n=900900").response.status == 200,
              "and answers when weir is gone")
    for server in running:
        server.stop()


if __name__ == "__main__":
    run_main(main)
