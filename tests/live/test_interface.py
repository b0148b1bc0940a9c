#!/usr/bin/python3
"""What a user of the command sees: help, mistakes, formats, filters, signals, privileges.

TIMEOUT: 300
"""

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from children import finish_child, start_child
from harness import (RUNG, WEIR, StartFailed, Weir, check, check_clean_end, check_empty, flags,
                     note, require_weir, run_main, temporary_directory)
from harness import traffic
from control_groups import cgroup_root
from play import Stage

COLOUR = re.compile(rb"\x1b\[[0-9;]*m")


def run_weir(*arguments, environment=None, **options):
    return subprocess.run([WEIR, *map(str, arguments)], capture_output=True, text=True,
                          check=False, timeout=60, env=dict(os.environ, **(environment or {})),
                          **options)


# --- without capture --------------------------------------------------------------------------

def check_help():
    program = run_weir("--help")
    check(program.returncode == 0 and "run" in program.stdout and "doctor" in program.stdout
          and not program.stderr, "--help names the commands on stdout", str(program))
    for command, words in (("run", ["--filter", "--output", "--port", "--rung", "--no-mask"]),
                           ("doctor", ["--output"])):
        done = run_weir(command, "--help")
        missing = [word for word in words if word not in done.stdout]
        check(done.returncode == 0 and not missing and not done.stderr,
              f"{command} --help names its options", f"{missing} {done}")
        wide = [line for line in done.stdout.splitlines() if len(line) > 100]
        check_empty(wide, f"{command} --help has no line above 100 columns")
    version = run_weir("--version")
    check(version.returncode == 0 and re.search(r"\d+\.\d+", version.stdout),
          "--version says a number", str(version))


MISTAKES = [
    (["rnu"], ["run"]),
    (["run", "--prot", "80"], ["--prot", "--port"]),
    (["run", "--port", "http"], ["--port", "http"]),
    (["run", "--port", "70000"], ["--port", "70000"]),
    (["run", "--port"], ["--port", "value"]),
    (["run", "-o", "jsn"], ["json"]),
    (["run", "--rung", "fentri"], ["fentry"]),
    (["run", "--ring-size", "100000"], ["--ring-size", "power of two"]),
    (["run", "--head-limit", "1M"], ["--head-limit", "256KiB"]),
    (["run", "--cgroup", "/nowhere/at/all"], ["--cgroup", "/nowhere/at/all"]),
    (["run", "--address", "10.0.0.300"], ["--address", "10.0.0.300"]),
    (["run", "--filter", "http.response.status_cod >= 500"], ["http.response.status_code"]),
    (["run", "--filter", "http.response.status_code >="], ["filter"]),
    (["run", "--filter", "url.domain =~ \"(\""], ["filter"]),
    (["run", "--no-mask", "--mask-name", "x-a"], ["--no-mask", "--mask-name"]),
    (["run", "--mask-key-file", "/nowhere/key"], ["--mask-key-file", "/nowhere/key"]),
    (["run", "surplus"], ["surplus"]),
    (["doctor", "--outptu", "json"], ["--output"]),
]


def check_mistakes():
    for arguments, words in MISTAKES:
        done = run_weir(*arguments)
        missing = [word for word in words if word not in done.stderr]
        check(done.returncode == 2 and not missing and not done.stdout,
              f"weir {' '.join(arguments)}: status 2 and a message that helps",
              f"status {done.returncode}, without {missing}: {done.stderr[:400]} {done.stdout}")
    done = run_weir("run", environment={"WEIR_HEAD_LIMIT": "lots"})
    check(done.returncode == 2 and "WEIR_HEAD_LIMIT" in done.stderr,
          "a wrong variable: status 2 and its name", f"{done}")
    done = run_weir("run", "-w", "/nowhere/at/all/file", "--duration", "1s")
    check(done.returncode in (1, 2) and "/nowhere/at/all/file" in done.stderr,
          "a file that cannot be opened is named", f"{done}")


def reachable_binary():
    """weir where nobody can run it, whatever the modes of the directories above the build."""
    path = temporary_directory() / "weir"
    shutil.copy(WEIR, path)
    path.chmod(0o755)
    return str(path)


def check_privileges():
    binary = reachable_binary()
    plain = dict(user=65534, group=65534, extra_groups=[])
    done = subprocess.run([binary, "run"], capture_output=True, text=True, timeout=60,
                          check=False, cwd="/", **plain)
    check(done.returncode == 3 and re.search(r"root|sudo|CAP_BPF", done.stderr)
          and not done.stdout, "run as nobody: status 3 and what to do", str(done))
    for who, options, status in (("root", {}, (0,)), ("nobody", plain, (0, 3))):
        done = subprocess.run([binary, "doctor"], capture_output=True, text=True, timeout=60,
                              check=False, cwd="/", **options)
        missing = [word for word in ("fentry", "tracepoint", "syscall") if word not in done.stdout]
        check(done.returncode in status and not missing,
              f"doctor as {who} speaks of every rung", f"{done.returncode} {missing} {done}")
        done = subprocess.run([binary, "doctor", "-o", "json"], capture_output=True, text=True,
                              timeout=60, check=False, cwd="/", **options)
        try:
            is_json = bool(json.loads(done.stdout))
        except ValueError:
            is_json = False
        check(is_json, f"doctor -o json as {who} is JSON", f"{done}")


# --- signals and what stays behind ------------------------------------------------------------

def kernel_objects(pid):
    """(kind, id) of every BPF object that the process holds."""
    found = set()
    for info in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            for kind, number in re.findall(r"^(prog|map|link)_id:\s+(\d+)", info.read_text(),
                                           re.M):
                found.add((kind, number))
        except OSError:
            pass
    return found


def left_objects(objects):
    left = []
    for kind, number in objects:
        done = subprocess.run(["bpftool", kind, "show", "id", number], capture_output=True,
                              check=False)
        if done.returncode == 0:
            left.append(f"{kind} {number}")
    return left


def check_nothing_left(objects, what):
    if shutil.which("bpftool") is None:
        note("left out: bpftool is not installed")
        return
    check(any(kind == "link" for kind, _ in objects) or any(kind == "prog" for kind, _ in objects),
          f"{what}: programs were loaded", str(objects))
    left = left_objects(objects)
    # The kernel frees programs a grace period after their last user.
    if left:
        traffic.wait_until(lambda: not left_objects(objects), 15)
    check_empty(left_objects(objects), f"{what}: nothing is left attached")


def one_exchange(stage, target="/interface", *lines, status="200 OK"):
    play = stage.open()
    play.c("\r\n".join([f"GET {target} HTTP/1.1", "Host: live.test", *lines, "", ""]).encode())
    play.s(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
    play.close()
    return play.client_port


def check_signals():
    for name in ("SIGINT", "SIGTERM"):
        stage = Stage()
        with Weir("--port", stage.port) as weir:
            ports = [one_exchange(stage) for _ in range(20)]
            objects = kernel_objects(weir.process.pid)
            weir.stop(getattr(signal, name))
            check_clean_end(weir)
            found = [record["client.port"] for record in weir.records(server_port=stage.port)]
            check(sorted(found) == sorted(ports), f"{name}: what was under way is written",
                  f"{len(found)} of {len(ports)}")
            check_nothing_left(objects, name)


def rung_arguments():
    return ["--rung", RUNG] if RUNG else []


def check_closed_pipe():
    stage = Stage()
    ready = temporary_directory() / "ready"
    weir = subprocess.Popen([WEIR, "run", "-o", "json", "--port", str(stage.port),
                             "--ready-file", str(ready), *rung_arguments()],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    check(traffic.wait_until(lambda: ready.exists() or weir.poll() is not None),
          "into a pipe: capture begins")
    objects = kernel_objects(weir.pid)
    one_exchange(stage)
    line = weir.stdout.readline()
    check(json.loads(line)["type"] == "http", "into a pipe: JSON lines, at once", str(line))
    weir.stdout.close()
    end = time.monotonic() + 20
    while weir.poll() is None and time.monotonic() < end:
        one_exchange(stage)
        time.sleep(0.05)
    if not check(weir.poll() == 0, "when the reader goes away weir ends with status 0",
                 f"{weir.poll()}"):
        weir.kill()
    said = weir.stderr.read().decode()
    weir.wait()
    check(re.search(r"seen", said), "when the reader goes away the totals are printed", said)
    check_nothing_left(objects, "closed pipe")


def check_limits():
    stage = Stage()
    with Weir("--port", stage.port, "--count", "3") as weir:
        for _ in range(6):
            one_exchange(stage)
        check(traffic.wait_until(lambda: not weir.is_alive()), "--count 3 ends the capture")
        weir.stop()
        check(weir.status == 0 and len(weir.records()) == 3, "--count 3 logs three",
              f"{weir.status} {len(weir.records())}")
    with Weir("--port", stage.port, "--duration", "300ms") as weir:
        check(traffic.wait_until(lambda: not weir.is_alive()) and weir.stop() == 0,
              "--duration ends the capture with status 0")


# --- output -----------------------------------------------------------------------------------

def read_terminal(descriptor, until, seconds=10):
    data, end = b"", time.monotonic() + seconds
    while time.monotonic() < end and not until(data):
        if select.select([descriptor], [], [], 0.2)[0]:
            try:
                data += os.read(descriptor, 65536)
            except OSError:
                break
    return data


def run_on_terminal(stage, *arguments, environment=None, play=None):
    """What `weir run` shows on a terminal while one exchange takes place."""
    master, slave = pty.openpty()
    ready = temporary_directory() / "ready"
    variables = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    weir = subprocess.Popen([WEIR, "run", "--port", str(stage.port), "--ready-file", str(ready),
                             *rung_arguments(), *arguments], stdin=subprocess.DEVNULL,
                            stdout=slave, stderr=subprocess.PIPE,
                            env=variables | {"TERM": "xterm"} | (environment or {}))
    os.close(slave)
    traffic.wait_until(lambda: ready.exists() or weir.poll() is not None, 60)
    (play or (lambda: one_exchange(stage, "/terminal")))()
    data = read_terminal(master, lambda data: data.count(b"\n") >= 1)
    weir.send_signal(signal.SIGINT)
    data += read_terminal(master, lambda _: False, 1)
    weir.stderr.read()
    weir.wait(30)
    os.close(master)
    return data.replace(b"\r\n", b"\n")


def check_terminal():
    stage = Stage()
    shown = run_on_terminal(stage)
    plain = COLOUR.sub(b"", shown)
    check(plain != shown and plain.count(b"\n") == 1 and b"/terminal" in plain and b"200" in plain
          and b"GET" in plain and b"live.test" in plain, "terminal: one coloured line a record",
          repr(shown))
    shown = run_on_terminal(stage, environment={"NO_COLOR": "1"})
    check(b"\x1b" not in shown and b"/terminal" in shown, "terminal: NO_COLOR is honoured",
          repr(shown))
    shown = run_on_terminal(stage, "-v")
    check(b"Content-Length" in shown and b"Host" in COLOUR.sub(b"", shown),
          "terminal: -v folds the headers under the line", repr(shown))

    def evil():
        one_exchange(stage, "/evil\x1b[2J\x07", "X-Evil: \x1b]0;owned\x07\x08\x7f", "X-C1: \x9b2J")
    shown = run_on_terminal(stage, "-v", play=evil)
    rest = COLOUR.sub(b"", shown).replace(b"\n", b"").replace(b"\t", b"")
    raw = [byte for byte in rest if byte < 0x20 or byte == 0x7f]
    check(not raw and b"\xc2\x9b" not in rest and b"\x9b" not in rest and b"evil" in rest,
          "terminal: control characters never get there raw", repr(shown))


def check_formats():
    stage = Stage()
    seen = {}
    for output in ("json", "logfmt", "pretty"):
        with Weir("--port", stage.port, output=output) as weir:
            one_exchange(stage, "/format?a=%20b", "X-Quote: say \"so\" \\ a=b", "X-Utf8: \u20ac")
            check(weir.stop() == 0, f"{output}: status 0", weir.stderr()[-500:])
            seen[output] = weir.path.read_bytes()
    record = json.loads(seen["json"].splitlines()[0])
    check(record["url.original"] == "/format?a=%20b"
          and ["X-Quote", "say \"so\" \\ a=b"] in record["http.request.headers"]
          and ["X-Utf8", "\u20ac"] in record["http.request.headers"], "json: values are exact",
          str(record))
    pairs = dict(re.findall(r'([^\s="]+)=("(?:[^"\\]|\\.)*"|[^\s"]*)',
                            seen["logfmt"].decode().splitlines()[0]))
    check(pairs.get("http.request.method") == "GET"
          and pairs.get("http.response.status_code") == "200"
          and pairs.get("url.original", "").strip('"') == "/format?a=%20b",
          "logfmt: name=value pairs", seen["logfmt"].decode()[:400])
    check(b"\x1b" not in seen["pretty"] and b"/format" in seen["pretty"]
          and seen["pretty"].count(b"\n") == 1, "pretty into a file: one line without colour",
          repr(seen["pretty"]))


# --- selection --------------------------------------------------------------------------------

# (filter, which of the exchanges below it takes)
EXCHANGES = [("/a", "200 OK", "X-Kind: first"), ("/b?x=1", "404 Not Found", "X-Kind: second"),
             ("/c", "500 Oops", "X-Other: third"), ("/d", "503 Busy", "User-Agent: agent/9")]
FILTERS = [
    ('http.response.status_code in (404, 503) and not url.path == "/d"', [1]),
    ('url.path == "/a" or url.path == "/c"', [0, 2]),
    ('url.domain == "live.test" and (url.path =~ "^/[ad]$")', [0, 3]),
    ('exists http.request.headers["X-Kind"] and not exists url.query', [0]),
    ('client.address in ("127.0.0.0/8") and http.response.status_code >= 500', [2, 3]),
    ('client.address == "10.0.0.0/8"', []),
    ('http.request.method in ("GET", "PUT") and http.response.status_code < 300', [0]),
]


def check_filters():
    """All filters at once: one capture each, started together, over the same traffic."""
    stage = Stage()
    running = []
    try:
        for text, wanted in FILTERS:
            running.append((text, wanted, Weir("--port", stage.port, "--filter", text)))
        ports = [one_exchange(stage, target, line, status=status)
                 for target, status, line in EXCHANGES]
    finally:
        for _, _, weir in running:
            weir.stop()
    for text, wanted, weir in running:
        found = [record["client.port"] for record in weir.records()]
        check(found == [ports[index] for index in wanted] and weir.status == 0,
              f"filter {text}", f"{found} of {ports}: {weir.stderr()[-300:]}")
        # What the kernel already refuses for its addresses is not even seen.
        check(weir.totals.is_identity and weir.totals.logged == len(wanted),
              f"filter {text}: the totals add up ({weir.totals})")


def check_pid_and_port():
    stage = Stage()
    child = start_child()
    with Weir("--pid", child.pid) as weir:
        one_exchange(stage)
        finish_child(child)
        check_clean_end(weir)
        targets = [record["url.original"] for record in weir.records()]
        check(sorted(targets) == sorted([f"/child/{n}" for n in range(3)] * 2),
              "--pid: both ends' views of that process and nothing else", str(targets))
        check(all(record["process.pid"] == child.pid for record in weir.records()),
              "--pid: process.pid is that process")
    other = Stage()
    with Weir("--port", f"{stage.port},{other.port}") as weir:
        ports = [one_exchange(stage), one_exchange(other)]
        one_exchange(Stage())
        check_clean_end(weir)
        check([record["client.port"] for record in weir.records()] == ports,
              "--port: a list of two ports")
    six = Stage("::1")
    for arguments, wanted in ((["--address", "::1"], 1),
                              (["--host", "live.test", "--method", "GET"], 2),
                              (["--address", "127.0.0.0/8,::1", "--host", "other.test"], 0)):
        with Weir("--port", f"{stage.port},{six.port}", *arguments) as weir:
            one_exchange(stage)
            one_exchange(six)
            weir.stop()
            check(len(weir.records()) == wanted, f"{' '.join(arguments)}: {wanted} of two",
                  str(weir.totals))


def check_cgroup():
    root = cgroup_root()
    group = root / f"weir-live-{os.getpid()}" if root else None
    try:
        group.mkdir()
        below = group / f"docker-{'ab' * 32}.scope"  # named as a container's is
        below.mkdir()
    except (OSError, AttributeError) as error:
        note(f"left out: no cgroup v2 directory can be made here ({error})")
        return
    try:
        child, outside = start_child(), start_child()
        (below / "cgroup.procs").write_text(str(child.pid))
        with Weir("--cgroup", group) as weir:
            port = finish_child(child)
            other_port = finish_child(outside)
            check_clean_end(weir)
        found = [record["server.port"] for record in weir.records()]
        check(found == [port] * 3, "--cgroup: the processes below it and no others",
              f"{found}, not {port} (nor {other_port})")
        containers = {(record.get("container.id"), record.get("container.runtime"))
                      for record in weir.records()}
        check(containers == {("ab" * 32, "docker")}, "the container is told by the cgroup's name",
              str(containers))
    finally:
        traffic.wait_until(lambda: not (below / "cgroup.procs").read_text())
        below.rmdir()
        group.rmdir()


def check_two_at_once():
    stage = Stage()
    with Weir("--port", stage.port) as first, Weir("--port", stage.port) as second:
        ports = [one_exchange(stage) for _ in range(10)]
        first.stop()
        later = [one_exchange(stage) for _ in range(5)]
        second.stop()
    for weir, wanted, name in ((first, ports, "first"), (second, ports + later, "second")):
        found = [record["client.port"] for record in weir.records()]
        check(sorted(found) == sorted(wanted), f"two at once: the {name} logs all of its time",
              f"{len(found)} of {len(wanted)}")
        check_empty([record for record in weir.records() if flags(record)],
                    f"two at once: the {name} has no flags")


def check_rotation():
    stage = Stage()
    with Weir("--port", stage.port) as weir:
        first = one_exchange(stage)
        weir.wait_for_records(1)
        mode = weir.path.stat().st_mode & 0o777
        check(mode == 0o600, "the output file is for its owner only", oct(mode))
        old = weir.path.rename(weir.path.with_suffix(".old"))
        weir.process.send_signal(signal.SIGHUP)
        check(traffic.wait_until(weir.path.exists), "SIGHUP opens the output file again")
        second = one_exchange(stage)
        weir.stop()
        ports = [json.loads(line)["client.port"] for path in (old, weir.path) if path.exists()
                 for line in path.read_bytes().splitlines()]
        check(ports == [first, second], "SIGHUP: no record is lost", str(ports))


def main():
    if not os.access(WEIR, os.X_OK):
        require_weir()
    check_help()
    check_mistakes()
    require_weir()
    check_privileges()
    check_signals()
    check_closed_pipe()
    check_limits()
    check_formats()
    check_terminal()
    check_filters()
    check_pid_and_port()
    check_cgroup()
    check_two_at_once()
    check_rotation()


if __name__ == "__main__":
    try:
        run_main(main)
    except StartFailed as failed:
        print(failed)
        sys.exit(1)
