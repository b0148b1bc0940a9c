#!/usr/bin/python3
"""
Who a process is, told by the kernel: of processes that are gone at once, after exec, with a number
that was another's, in other pid and mount namespaces.

TIMEOUT: 300
"""

import ctypes
import os
import shutil
import socket
import subprocess
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

from harness import (Weir, check, check_clean_end, check_empty, compile_program, note, require_weir,
                     run_main, temporary_directory)

SHORT_LIVED = 100
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
SYS_CLONE3, SIGCHLD = 435, 17


class Server:
    """Answers every request; the client's end is what the test looks at."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection):
        with connection:
            while connection.recv(4096):
                connection.sendall(ANSWER)


def wall_time(text):
    return datetime.strptime(text[:26], "%Y-%m-%dT%H:%M:%S.%f").replace(
        tzinfo=timezone.utc).timestamp()


def run_short_lived(caller, port):
    """Each under a path of its own, that is gone with it. {target: (pid, path)}"""
    ran = {}
    for number in range(SHORT_LIVED):
        path = temporary_directory() / f"caller-{number}"
        os.link(caller, path)
        child = subprocess.Popen([path, str(port), f"/short/{number}"])
        if child.wait():
            check(False, f"caller {number} has made its call")
        path.unlink()
        ran[f"/short/{number}"] = (child.pid, str(path))
    return ran


def check_short_lived(by_target, ran, port, began):
    bad = []
    for target, (pid, path) in ran.items():
        record = by_target.get(target, {})
        found = (record.get("process.pid"), record.get("process.executable.path"),
                 record.get("process.parent_pid"), record.get("process.command_line"),
                 record.get("process.owner"), record.get("process.command"))
        wanted = (pid, path, os.getpid(), f"{path} {port} {target}", "root",
                  Path(path).name[:15])
        if found != wanted:
            bad.append(f"{target}: {found}, not {wanted}")
        started = wall_time(record.get("process.creation.time", "1970-01-01T00:00:00.000000"))
        if not began - 1 <= started <= wall_time(record.get("time", "")) + 0.1:
            bad.append(f"{target}: started {record.get('process.creation.time')}")
        if not record.get("process.linux.cgroup", "").startswith("/"):
            bad.append(f"{target}: cgroup {record.get('process.linux.cgroup')}")
        if "process.vpid" in record:
            bad.append(f"{target}: vpid {record['process.vpid']}")
    check_empty(bad, f"{SHORT_LIVED} processes that lived a few milliseconds are told in full")


def run_exec(caller, port):
    other = temporary_directory() / "other"
    shutil.copy(caller, other)
    for how in ("again", "anew"):
        child = subprocess.Popen([caller, str(port), f"/before-{how}", str(other), how])
        check(child.wait() == 0, f"exec, {how}: the calls were made")
    return str(other)


def check_exec(by_target, caller, other):
    def path(target):
        return by_target.get(target, {}).get("process.executable.path")
    check(path("/before-anew") == caller and path("/another-connection") == other,
          "exec: the next connection is the new program's",
          f"{path('/before-anew')} {path('/another-connection')}")
    check(path("/before-again") == caller and path("/same-connection") == other,
          "exec: so is the next request on the same connection",
          f"{path('/before-again')} {path('/same-connection')}")


class CloneArguments(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in
                ("flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size",
                 "tls", "set_tid", "set_tid_size", "cgroup")]


def run_as(pid, arguments):
    """Starts the program as process `pid`. False: the number cannot be had."""
    wanted = (ctypes.c_int * 1)(pid)
    call = CloneArguments(exit_signal=SIGCHLD, set_tid=ctypes.addressof(wanted), set_tid_size=1)
    libc = ctypes.PyDLL(None)  # the child has the lock of the interpreter, not another thread
    child = libc.syscall(SYS_CLONE3, ctypes.byref(call), ctypes.sizeof(call))
    if child == 0:
        os.execv(arguments[0], arguments)
    return child > 0 and os.waitpid(child, 0)[1] == 0


def run_reused(caller, port):
    """Two programs with the same pid, one after the other. The pid, or None."""
    first, second = temporary_directory() / "first", temporary_directory() / "second"
    for path in (first, second):
        shutil.copy(caller, path)
    for number in range(5):
        child = subprocess.Popen([str(first), str(port), f"/first/{number}"])
        child.wait()
        if run_as(child.pid, [str(second), str(port), f"/second/{number}"]):
            return number, child.pid, str(first), str(second)
    return None


def check_reused(by_target, reused):
    if not reused:
        note("left out: no pid can be chosen here")
        return
    number, pid, first, second = reused
    found = [(by_target.get(target, {}).get("process.pid"),
              by_target.get(target, {}).get("process.executable.path"))
             for target in (f"/first/{number}", f"/second/{number}")]
    check(found == [(pid, first), (pid, second)], "a pid that is used again is another process",
          f"{found}, not {pid} {first} {second}")


def run_in_namespaces(caller, port):
    """In a pid namespace, from a file system that nobody else sees."""
    if shutil.which("unshare") is None:
        return None
    script = ('mount -t tmpfs none "$1" && mkdir "$1/inside" && cp "$2" "$1/inside/hidden" && '
              '"$1/inside/hidden" "$3" /namespaces')
    folder = temporary_directory() / "mounted"
    folder.mkdir()
    done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "sh", "-c", script, "sh",
                           str(folder), caller, str(port)], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        note(f"left out: no namespaces here: {done.stderr.strip()}")
        return None
    return f"{folder}/inside/hidden"


def check_namespaces(by_target, path):
    record = by_target.get("/namespaces", {})
    check(record.get("process.executable.path") == path, "other namespaces: the executable",
          str(record))
    check(record.get("process.vpid", 0) > 1 and record.get("process.pid") > record["process.vpid"],
          "other namespaces: both pids",
          f"{record.get('process.vpid')} {record.get('process.pid')}")


def check_command_line_is_asked_for(caller, server):
    with Weir("--port", server.port, "--both-sides") as weir:
        subprocess.run([caller, str(server.port), "/plain"], check=True)
        weir.wait_for_records(2)
        check_clean_end(weir)
    check_empty([record for record in weir.records() if "process.command_line" in record],
                "command lines are told when asked for only")


def main():
    require_weir()
    caller = compile_program("caller")
    server, began = Server(), time.time()
    with Weir("--port", server.port, "--both-sides", "--command-line") as weir:
        ran = run_short_lived(caller, server.port)
        other = run_exec(caller, server.port)
        reused = run_reused(caller, server.port)
        hidden = run_in_namespaces(caller, server.port)
        check_clean_end(weir)
    by_target = {record["url.original"]: record for record in weir.records(server_port=server.port)
                 if record["role"] == "client"}
    check_short_lived(by_target, ran, server.port, began)
    check_exec(by_target, caller, other)
    check_reused(by_target, reused)
    if hidden:
        check_namespaces(by_target, hidden)
    server_records = [record for record in weir.records() if record["role"] == "server"]
    check_empty([record["url.original"] for record in server_records
                 if record.get("process.pid") != os.getpid()
                 or record.get("url.original") in ran
                 and record.get("peer.process.executable.path") != ran[record["url.original"]][1]],
                "the server's records name the same processes as their peers")
    check_command_line_is_asked_for(caller, server)


if __name__ == "__main__":
    run_main(main)
