#!/usr/bin/python3
"""What is selected changes while weir runs: ports, addresses, processes, commands, cgroups, on
connections that go on all the time.

TIMEOUT: 300
"""

import http.client
import os
import pwd
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from harness import (StartFailed, Weir, check, check_clean_end, flags,  # noqa: E402
                     note, require_weir, run_main, temporary_directory)
from control_groups import cgroup_root  # noqa: E402
import servers  # noqa: E402
import traffic  # noqa: E402


class Stage:
    """Two servers, a connection to each that stays, and weir with a file of its own."""

    def __init__(self, text):
        directory = Path(temporary_directory())
        self.servers = [servers.python_threads(directory), servers.python_threads(directory)]
        self.file = directory / "weir.yaml"
        self.sent = 0
        self.connections = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=20,
                                                       source_address=(source, 0))
                            for server, source in zip(self.servers, ("127.0.0.1", "127.0.0.3"))]
        self.write(text)
        self.weir = Weir("--config", self.file, is_debugged=True)

    def write(self, text):
        self.file.write_text(f"{text}\nquiet: false\n")

    def renew(self, text):
        says = "configuration read again"
        before = self.weir.stderr().count(says)
        self.write(text)
        self.weir.process.send_signal(signal.SIGHUP)
        check(traffic.wait_until(lambda: self.weir.stderr().count(says) > before),
              f"SIGHUP: {text}", self.weir.stderr()[-500:])

    def request(self, which):
        self.sent += 1
        path = f"/{self.sent}"
        self.connections[which].request("GET", path)
        self.connections[which].getresponse().read()
        return path

    def is_handed_over(self, which, logged):
        """Does the kernel hand over what is said there? Told by the raw ring, when a later request
        to a server that is logged has shown that weir has read it."""
        before = self.weir.ring_path.stat().st_size
        path, later = self.request(which).encode(), self.request(logged)
        traffic.wait_until(lambda: self.found([later]))
        with open(self.weir.ring_path, "rb") as ring:
            ring.seek(before)
            return b"GET " + path + b" " in ring.read()

    def check_logged(self, which, roles, what):
        """One request to each server: those to `which` are logged, in these roles."""
        paths = [self.request(0), self.request(1)]
        wanted = sorted((path, role) for at, path in enumerate(paths) if at in which
                        for role in roles)
        if which:
            traffic.wait_until(lambda: len(self.found(paths)) >= len(wanted))
        else:
            self.barrier()
        check(self.found(paths) == wanted, what, f"{self.found(paths)}, not {wanted}")

    def found(self, paths):
        return sorted((record["url.original"], record["role"])
                      for record in self.weir.wait_for_records(0)
                      if record.get("url.original") in paths)

    def barrier(self):
        """What was sent before has been looked at: weir says so of its next reload."""
        self.renew(self.file.read_text().splitlines()[0])


def check_ports_and_addresses():
    stage = Stage("{}")
    one, two = (server.port for server in stage.servers)
    stage.check_logged([0, 1], ["server"], "nothing chosen: both")
    stage.renew(f"port: [{one}]")
    stage.check_logged([0], ["server"], "port: the one connection goes on, the other is off")
    stage.renew(f"port: [{two}]")
    stage.check_logged([1], ["server"], "another port: the other way round")
    stage.check_logged([1], ["server"], "and so it stays")
    stage.renew("filter: 'server.address == 10.0.0.0/8'")
    stage.check_logged([], [], "a network that is not there: none")
    stage.renew("filter: 'server.address in (127.0.0.0/8) and client.address in (127.0.0.0/30)'")
    stage.check_logged([0, 1], ["server"], "networks inside each other: both")
    stage.renew("address: [127.0.0.3/32, 192.0.2.0/24]")
    stage.check_logged([1], ["server"], "address: either end, here the client's")
    stage.renew("address: [127.0.0.1]")
    stage.check_logged([0, 1], ["server"], "address: either end, here the servers'")
    stage.renew(f"pid: [{stage.servers[0].process.pid}]")
    stage.check_logged([0], ["server"], "pid of a server: its connection")
    stage.renew(f"pid: [{os.getpid()}]")
    stage.check_logged([0, 1], ["client"], "pid of the client: both, as the client saw them")
    stage.renew("{}")
    stage.check_logged([0, 1], ["server"], "nothing chosen again: both, once")
    for _ in range(20):
        stage.request(0)
    check_clean_end(stage.weir)
    ports = {server.port for server in stage.servers}  # others of this host may talk, too
    mine = [record for record in stage.weir.records() if record["server.port"] in ports]
    urls = [record.get("url.original") for record in mine]
    check(len(urls) == len(set(urls)), "no exchange is logged twice", str(urls))
    check(stage.weir.totals.lost_sum == 0, "nothing is lost", str(stage.weir.totals))
    check(not any(flags(record) & {"unpaired", "gap"} for record in mine),
          "every exchange is whole")


def check_commands_and_owners():
    """Whose processes are looked at, by what they are, changes on connections that go on."""
    stage = Stage("{}")
    owner = pwd.getpwuid(os.getuid()).pw_name
    both, none = [0, 1], []
    for text, logged, what in (
            ("filter: 'process.command == \"nobody-is-called-so\"'", none, "a command nobody has"),
            ("filter: 'process.command =~ \"^python\"'", both, "the servers' command"),
            ("filter: 'process.owner == \"nobody-owns-it\"'", none, "an owner nobody has"),
            (f"filter: 'process.owner == \"{owner}\"'", both, "the servers' owner"),
            (f"filter: 'process.owner == \"{owner}\" and process.command != \"python3\" and "
             "not process.command =~ \"^python\"'", none, "both, and they contradict each other"),
            ("{}", both, "nothing chosen again")):
        stage.renew(text)
        stage.check_logged(logged, ["server"], f"{what}: {len(logged)} connections")
    check_clean_end(stage.weir)
    ports = {server.port for server in stage.servers}
    mine = [record for record in stage.weir.records() if record["server.port"] in ports]
    check(stage.weir.totals.lost_sum == 0, "nothing is lost", str(stage.weir.totals))
    check(not any(flags(record) & {"unpaired", "gap"} for record in mine),
          "every exchange is whole")


def check_cgroups():
    root = cgroup_root()
    group = root / f"weir-select-{os.getpid()}" if root else None
    try:
        group.mkdir()
    except (OSError, AttributeError) as error:
        note(f"left out: no cgroup v2 directory can be made here ({error})")
        return
    stage = Stage("{}")
    try:
        (group / "cgroup.procs").write_text(str(stage.servers[1].process.pid))
        stage.check_logged([0, 1], ["server"], "no cgroup chosen: both")
        stage.renew(f"exclude-cgroup: [{group}]")
        stage.check_logged([0], ["server"], "exclude-cgroup: the server outside, and not the "
                           "client's view of the other one")
        stage.renew(f"cgroup: [{group}]")
        stage.check_logged([1], ["server"], "cgroup: the server inside")
        stage.renew("{}")
        stage.check_logged([0, 1], ["server"], "nothing chosen again: both")
        check_clean_end(stage.weir)
        check(stage.weir.totals.lost_sum == 0, "nothing is lost", str(stage.weir.totals))
    finally:
        for server in stage.servers:
            server.stop()
        traffic.wait_until(lambda: not (group / "cgroup.procs").read_text())
        group.rmdir()


def main():
    require_weir()
    check_ports_and_addresses()
    check_commands_and_owners()
    check_cgroups()


if __name__ == "__main__":
    try:
        run_main(main)
    except StartFailed as failed:
        print(failed)
        sys.exit(1)
