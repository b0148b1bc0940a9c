#!/usr/bin/python3
"""Other protocols than HTTP/1 on sockets of this host: every call of real clients is recorded.

What the servers and the load tools say they did is compared with the records, by numbers; a secret
in every statement is searched for in the output. A server that is not installed is left out.

TIMEOUT: 240
"""

import collections
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from harness import (StartFailed, Weir, check, check_empty, flags,  # noqa: E402
                     note, require_weir, run_main, temporary_directory)
import servers  # noqa: E402

SECRET = "canary-5f1d"
COMMANDS = 5000


def run(*command, **options):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True,
                          text=True, **options).stdout


def as_user(name):
    """Options for a program that refuses to run as root."""
    user = pwd.getpwnam(name)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def operations(records):
    """How often each operation occurs; names in upper case."""
    return collections.Counter(record.get("db.operation.name", "").upper() for record in records)


def check_records(weir, server, kind, what):
    """The records of this server, each with both processes and without a flag for a cause."""
    records = weir.records(kind=kind, server_port=server.port)
    check_empty([r for r in records if set(flags(r)) - {"masked", "binary", "truncated"}],
                f"{what}: no flag without a cause")
    check_empty([r for r in records if r.get("process.pid") is None or r.get("role") != "server"],
                f"{what}: each has its process")
    check_empty([r for r in records if SECRET in str(r)], f"{what}: no secret")
    return records


class Redis:
    """redis-server; its own statistics say how often each command was called."""

    def __init__(self, directory):
        program = servers.find_program("redis-server")
        servers.find_program("redis-benchmark")
        self.server = servers.Server("redis", directory)
        self.server.start([program, "--port", str(self.server.port), "--save", "", "--bind",
                           "127.0.0.1"])

    def play(self, _):
        port = self.server.port
        run("redis-cli", "-p", port, "config", "resetstat")
        run("redis-cli", "-p", port, "set", "key", SECRET)
        run("redis-benchmark", "-q", "-p", port, "-n", COMMANDS, "-c", "4", "-t", "set,get")
        run("redis-benchmark", "-q", "-p", port, "-n", COMMANDS, "-c", "4", "-P", "16",
            "-t", "lpush")
        run("redis-benchmark", "-q", "-p", port, "-n", "50", "-c", "2", "-d", "200000",
            "-t", "set")
        self.told = {name.upper(): int(calls) for name, calls in re.findall(
            r"cmdstat_(get|set|lpush):calls=(\d+)",
            run("redis-cli", "-p", port, "info", "commandstats"))}

    def check(self, weir):
        found = operations(check_records(weir, self.server, "redis", "redis"))
        for name, calls in self.told.items():
            check(found[name] == calls, f"redis: all {calls} {name}", str(found))


class Http2:
    """nghttpd in clear, with as many streams as h2load says have succeeded."""

    def __init__(self, directory):
        program = servers.find_program("nghttpd")
        servers.find_program("h2load")
        self.server = servers.Server("nghttpd", directory)
        (self.server.directory / "file").write_text("body" * 1000)
        self.server.start([program, "--no-tls", "-d", self.server.directory,
                           "-a", "127.0.0.1", str(self.server.port)])

    def play(self, _):
        said = run("h2load", "-n", "2000", "-c", "4", "-m", "16", "-H", f"cookie: a={SECRET}",
                   f"http://127.0.0.1:{self.server.port}/file")
        self.succeeded = int(re.search(r"(\d+) succeeded", said)[1])

    def check(self, weir):
        records = check_records(weir, self.server, "http", "http/2")
        right = [r for r in records if r.get("network.protocol.version") == "2"
                 and r.get("http.response.status_code") == 200 and r["url.path"] == "/file"
                 and ["content-length", "4000"] in r["http.response.headers"]]
        check(len(right) == self.succeeded == 2000, "http/2: a record for each stream",
              f"{len(right)} of {self.succeeded}")


class PostgreSQL:
    """A cluster of its own; pgbench's script has seven statements a transaction."""

    def __init__(self, directory):
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        if not found or not shutil.which("pgbench"):
            raise servers.Missing("postgresql is not installed")
        self.server = servers.Server("postgresql", directory)
        data = self.server.directory / "data"
        data.mkdir()
        user = as_user("postgres")
        for path in (self.server.directory, data):
            os.chown(path, user["user"], user["group"])
        run(found[-1], "-D", data, "-A", "trust", "-U", "postgres", "--no-sync", **user)
        self.server.start([found[-1].with_name("postgres"), "-D", data, "-p",
                           str(self.server.port), "-k", data, "-c",
                           "listen_addresses=127.0.0.1", "-c", "fsync=off"], **user)

    def play(self, _):
        where = ["-h", "127.0.0.1", "-p", self.server.port, "-U", "postgres"]
        run("psql", "-q", *where, "-c", "create table t(a text)",
            "-c", f"insert into t values ('{SECRET}')")
        run("pgbench", *where, "-i", "-q", "postgres")
        self.transactions = 0
        for manner in ("simple", "extended", "prepared"):
            said = run("pgbench", *where, "-n", "-c", "2", "-t", "100", "-M", manner, "postgres")
            self.transactions += int(re.search(r"actually processed: (\d+)", said)[1])

    def check(self, weir):
        records = check_records(weir, self.server, "postgresql", "postgresql")
        found = operations(records)
        for name, times in (("UPDATE", 3), ("END", 1)):
            check(found[name] == times * self.transactions,
                  f"postgresql: {times} {name} in each of {self.transactions} transactions",
                  str(found))


class MariaDB:
    """mysqld with a data directory of its own; it counts the questions it was asked."""

    def __init__(self, directory):
        program = servers.find_program("mysqld")
        install = servers.find_program("mariadb-install-db")
        servers.find_program("mysqlslap")
        self.server = servers.Server("mariadb", directory)
        data = self.server.directory / "data"
        data.mkdir()
        user = as_user("mysql")
        for path in (self.server.directory, data):
            os.chown(path, user["user"], user["group"])
        run(install, "--no-defaults", f"--datadir={data}", "--skip-test-db",
            "--auth-root-authentication-method=normal", **user)
        self.server.start([program, "--no-defaults", f"--datadir={data}", "--skip-log-bin",
                           "--bind-address=127.0.0.1", f"--port={self.server.port}",
                           f"--socket={data}/socket"], **user)

    def ask(self, statement):
        return run("mysql", "--no-defaults", "-h", "127.0.0.1", "-P", self.server.port, "-u",
                   "root", "-BNe", statement)

    def play(self, _):
        self.ask(f"create database d; create table d.t(a text); insert into d.t values('{SECRET}')")
        before = int(self.ask("show global status like 'Com_select'").split()[1])
        run("mysqlslap", "--no-defaults", "-h", "127.0.0.1", "-P", self.server.port, "-u", "root",
            "--concurrency=4", "--number-of-queries=2000", "--create-schema=d",
            "--query=select a, 'xyz' from d.t where a <> '5'", "--no-drop")
        self.selects = int(self.ask("show global status like 'Com_select'").split()[1]) - before

    def check(self, weir):
        records = check_records(weir, self.server, "mysql", "mysql")
        found = [r for r in records if r.get("db.query.text", "").startswith("select a, ")]
        check(len(found) == 2000 <= self.selects, "mysql: all 2000 selects",
              f"{len(found)}, the server counts {self.selects}")


class Tls:
    """The handshakes of curl with openssl's server."""

    def __init__(self, directory):
        program = servers.find_program("openssl")
        servers.find_program("curl")
        self.server = servers.Server("openssl", directory)
        key, certificate = (self.server.directory / name for name in ("key", "certificate"))
        run(program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out",
            certificate, "-days", "2", "-subj", "/CN=weir.test")
        self.server.start([program, "s_server", "-accept", f"127.0.0.1:{self.server.port}",
                           "-key", key, "-cert", certificate, "-www"])

    def play(self, _):
        for version in ("--tlsv1.2", "--tlsv1.3"):
            run("curl", "-sk", version, "--tls-max", version[-3:], "-o", os.devnull, "--resolve",
                f"weir.test:{self.server.port}:127.0.0.1",
                f"https://weir.test:{self.server.port}/")

    def check(self, weir):
        records = [r for r in weir.records(kind="tls", server_port=self.server.port)
                   if r.get("tls.client.server_name") == "weir.test"]
        check(sorted(r.get("tls.version") for r in records) == ["1.2", "1.3"],
              "tls: both handshakes", str(records)[:600])


class Proxied:
    """HTTP/1 behind the header that a proxy puts in front of a connection, in both its forms."""

    REQUESTS = 40
    HEADERS = (b"PROXY TCP4 192.0.2.1 192.0.2.2 1111 80\r\n",
               b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\1\xc0\0\2\2\4\x57\0\x50")
    ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4096\r\n\r\n" + b"x" * 4096

    def __init__(self, _):
        self.server = self
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def stop(self):
        self.listener.close()

    def serve(self):
        for _ in self.HEADERS:
            peer, _ = self.listener.accept()
            with peer:
                for _ in range(self.REQUESTS):
                    text = b""
                    while not text.endswith(b"\r\n\r\n"):
                        text += peer.recv(4096) or b"\r\n\r\n"
                    peer.sendall(self.ANSWER)

    def ask(self, peer, number):
        peer.sendall(f"GET /proxied/{number} HTTP/1.1\r\nHost: a.example\r\n"
                     f"Authorization: Bearer {SECRET}\r\n\r\n".encode())
        left = len(self.ANSWER)
        while left:
            left -= len(peer.recv(left))

    def play(self, _):
        for header in self.HEADERS:
            with socket.create_connection(("127.0.0.1", self.port)) as peer:
                peer.sendall(header)
                for number in range(self.REQUESTS):
                    self.ask(peer, number)
        self.thread.join()

    def check(self, weir):
        records = check_records(weir, self, "http", "proxied")
        check([r.get("url.original") for r in records if r.get("http.response.body.size") == 4096]
              == [f"/proxied/{n}" for n in range(self.REQUESTS)] * 2,
              "proxied: each request in order", str(len(records)))


def main():
    require_weir()
    directory = temporary_directory()
    stages = []
    for stage in (Proxied, Redis, Http2, PostgreSQL, MariaDB, Tls):
        try:
            stages.append(stage(directory))
        except servers.Missing as missing:
            note(f"left out: {missing}")
    try:
        with Weir("--ring-size", "32MiB", "--queue-size", "128MiB") as weir:
            for stage in stages:
                stage.play(weir)
            check(weir.stop() == 0, "weir ends with status 0", weir.stderr()[-1500:])
            check(weir.totals.is_identity, f"seen = logged + filtered + lost: {weir.totals}")
        for stage in stages:
            stage.check(weir)
        check(weir.totals.lost_sum == 0, "nothing is lost", str(weir.totals))
    finally:
        for stage in stages:
            stage.server.stop()


if __name__ == "__main__":
    try:
        run_main(main)
    except StartFailed as failed:
        print(failed)
        sys.exit(1)
