#!/usr/bin/python3
"""Clients that share no code with the servers' own: kafkajs against librdkafka's mock cluster,
mysql2 against MariaDB. What they say they sent is what the records tell, by numbers. npm gets them;
where it cannot, that one is left out.
TIMEOUT: 360
"""

import collections
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from harness import (Weir, check, check_empty, note, require_weir, run_main,  # noqa: E402
                     skip, temporary_directory)
import servers  # noqa: E402
import test_protocols  # noqa: E402

PACKAGES = {"kafkajs": "kafkajs@2.2.4", "mysql2": "mysql2@3.11.5"}


def get_package(directory, name):
    """The folder of modules with this package in it."""
    for program in ("node", "npm"):
        servers.find_program(program)
    folder = directory / name
    folder.mkdir()
    done = subprocess.run(
        ["npm", "install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund",
         "--fetch-retries=0", "--fetch-timeout=15000", PACKAGES[name]],
        cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    if done.returncode:
        raise servers.Missing(f"npm could not get {name}")
    return folder / "node_modules"


def run_script(name, modules, argument):
    """What the program says, as JSON."""
    done = subprocess.run(["node", servers.PROGRAMS / name, str(argument)], capture_output=True,
                          text=True, timeout=120, check=False,
                          env={**os.environ, "NODE_PATH": str(modules)})
    if done.returncode:
        raise RuntimeError(f"{name}: {done.stderr[-1500:]}")
    return json.loads(done.stdout.splitlines()[-1])


class Kafka:
    """kafkajs tells each request that it sends."""

    def __init__(self, directory):
        if not Path("/usr/include/librdkafka/rdkafka_mock.h").exists() or not shutil.which("cc"):
            raise servers.Missing("librdkafka-dev is not installed")
        self.modules = get_package(directory, "kafkajs")
        program = directory / "kafka_mock"
        subprocess.run(["cc", "-O1", "-o", program, servers.PROGRAMS / "kafka_mock.c",
                        "-lrdkafka"], check=True)
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True,
                                        preexec_fn=servers.die_with_parent)
        self.brokers = self.process.stdout.readline().strip()
        self.ports = [int(port) for port in re.findall(r":(\d+)", self.brokers)]

    def play(self):
        self.said = run_script("kafka_client.js", self.modules, self.brokers)

    def check(self, weir):
        records = [r for r in weir.records(kind="kafka") if r["server.port"] in self.ports]
        names = {"GroupCoordinator": "FindCoordinator"}
        wanted = collections.Counter()
        for what, count in self.said["sent"].items():
            name, version = what.split()
            wanted[names.get(name, name), int(version)] += count
        told = collections.Counter((r.get("messaging.operation.name"), r.get("kafka.api_version"))
                                   for r in records)
        check(self.said["messages"] == 400, "kafkajs: reads what it wrote", str(self.said))
        more = told - wanted  # it tells a request when the answer has come
        check(not wanted - told and sum(more.values()) <= 3
              and {name for name, _ in more} <= {"Fetch", "Heartbeat"},
              f"kafkajs: {sum(wanted.values())} requests are the records",
              f"{wanted - told}, {more}")
        check_empty([r for r in records if r.get("messaging.client.id") != "script"],
                    "kafkajs: its name")
        check_empty([r for r in records if test_protocols.SECRET in str(r)],
                    "kafkajs: no message in a record")

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


class MySql:
    """mysql2 counts its commands."""

    def __init__(self, directory):
        self.modules = get_package(directory, "mysql2")
        self.stage = test_protocols.MariaDB(directory)

    def play(self):
        self.said = run_script("mysql_client.js", self.modules, self.stage.server.port)

    def check(self, weir):
        records = [r for r in weir.records(kind="mysql", server_port=self.stage.server.port)
                   if r.get("db.client.name") == "script"]
        rounds, found = self.said["rounds"], test_protocols.operations(records)
        check(len(records) == self.said["commands"],
              f"mysql2: {self.said['commands']} commands are the records",
              f"{len(records)}: {found}")
        executed = [r for r in records if r.get("db.statement.name")
                    and r.get("db.operation.name") == "select"]
        rows = sorted(r.get("db.response.returned_rows") for r in executed)
        check(rows == list(range(1, rounds + 1)),
              "mysql2: prepared selects by text, and their rows", str(rows))
        check(any(r.get("db.response.status_code") == "1146" for r in records), "mysql2: the error")
        check_empty([r for r in records if test_protocols.SECRET in str(r)], "mysql2: no secret")

    def stop(self):
        self.stage.server.stop()


def main():
    require_weir()
    directory = temporary_directory()
    os.chmod(directory, 0o755)
    stages = []
    try:
        for stage in (Kafka, MySql):
            try:
                stages.append(stage(directory))
            except servers.Missing as missing:
                note(f"left out: {missing}")
        if not stages:
            skip("none of the clients can be had")
        with Weir("--ring-size", "32MiB", "--queue-size", "128MiB") as weir:
            for stage in stages:
                stage.play()
            check(weir.stop() == 0, "weir ends with status 0", weir.stderr()[-1500:])
            check(weir.totals.is_identity, f"seen = logged + filtered + lost: {weir.totals}")
        for stage in stages:
            stage.check(weir)
    finally:
        for stage in stages:
            stage.stop()


run_main(main)
