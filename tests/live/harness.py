"""What every live test uses: weir under test, checks that are printed one a line, and the servers.

WEIR names the binary (default: build/weir of this tree), WEIR_RUNG forces a rung of the attach
ladder. A test that cannot run here ends with status 77 and says why.
"""

import atexit
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "tests" / "lib"
sys.path.insert(0, str(LIBRARY))

import servers  # noqa: E402  (found through the line above)
import traffic  # noqa: E402

WEIR = os.environ.get("WEIR", str(ROOT / "build" / "weir"))
RUNG = os.environ.get("WEIR_RUNG", "")
WITH_TLS = False  # probes in TLS libraries take seconds to come and go: for their tests only
READY_SECONDS = 60
STOP_SECONDS = 60

_failures = []
_checks = 0
_directories = []


def temporary_directory():
    """A directory that other users (server workers, nobody) can enter; gone at exit."""
    path = Path(tempfile.mkdtemp(prefix="weir-live-"))
    path.chmod(0o755)
    _directories.append(path)
    return path


@atexit.register
def _remove_directories():
    if not os.environ.get("WEIR_KEEP"):
        for path in _directories:
            shutil.rmtree(path, ignore_errors=True)


def skip(reason):
    print(f"SKIP: {reason}", flush=True)
    sys.exit(77)


def check(is_right, what, detail=""):
    """Prints one line; the test goes on and fails at its end."""
    global _checks
    _checks += 1
    if is_right:
        print(f"ok   {what}", flush=True)
    else:
        _failures.append(what)
        text = detail if isinstance(detail, str) else "\n".join(map(str, detail))
        print(f"FAIL {what}" + "".join(f"\n     {line[:600]}" for line in text.splitlines()[:12]),
              flush=True)
    return is_right


def check_empty(problems, what):
    """A check that holds when a list of problems is empty; shows the first of them."""
    problems = list(problems)
    return check(not problems, what, [f"{len(problems)} problems"] + problems[:8])


def note(text):
    print(f"     {text}", flush=True)


def run_main(main):
    """Runs main() and ends with the test's status."""
    try:
        main()
    except SystemExit:
        raise
    except BaseException as error:
        import traceback
        traceback.print_exc()
        check(False, f"the test ran to its end: {error!r}")
    print(f"{_checks - len(_failures)} of {_checks} checks hold", flush=True)
    sys.exit(1 if _failures else 0)


def require_weir():
    if os.geteuid() != 0:
        skip("needs root")
    if not os.access(WEIR, os.X_OK):
        skip(f"no binary at {WEIR}")
    if RUNG and not _rung_is_available(RUNG):
        skip(f"this kernel does not have the rung {RUNG}")


def _rung_is_available(rung):
    """By trying: what doctor says is tested elsewhere."""
    try:
        Weir(rung=rung).stop()
    except StartFailed as failed:
        return failed.status != 3
    return True


def compile_program(name):
    """Compiles tests/lib/programs/NAME.c, or all of the folder NAME; gives the binary's path."""
    if shutil.which("cc") is None:
        skip("no C compiler")
    folder = LIBRARY / "programs"
    sources = sorted((folder / name).glob("*.c")) or [folder / f"{name}.c"]
    binary = temporary_directory() / name
    subprocess.run(["cc", "-O1", "-Wall", "-Wextra", "-pthread", "-o", str(binary),
                    *map(str, sources)], check=True)
    return str(binary)


class StartFailed(Exception):
    def __init__(self, status, text):
        super().__init__(f"weir ended with status {status} before it was ready: {text[-1500:]}")
        self.status = status
        self.text = text


class Totals:
    """The counters that weir prints at exit."""

    def __init__(self, text):
        self.text = text
        self.seen = self.logged = self.filtered = None
        self.lost, self.missed = {}, {}
        self._parse(text)

    def _parse(self, text):
        """`seen N = logged N + filtered N + lost(reason) N + ...`, and what was missed besides."""
        found = re.findall(r"missed, ([\w-]+): (?:(\d+) bytes, )?(\d+) times", text)
        for reason, size, times in found:
            self.missed[reason] = (int(size or 0), int(times))
        found = re.findall(r"seen (\d+) = logged (\d+) \+ filtered (\d+)(.*)", text)
        if found:
            self.seen, self.logged, self.filtered = map(int, found[-1][:3])
            for reason, count in re.findall(r"lost\((\w+)\) (\d+)", found[-1][3]):
                self.lost[reason] = int(count)

    @property
    def lost_sum(self):
        return sum(self.lost.values())

    @property
    def is_identity(self):
        return (None not in (self.seen, self.logged, self.filtered)
                and self.seen == self.logged + self.filtered + self.lost_sum)

    def __str__(self):
        return (f"seen {self.seen}, logged {self.logged}, filtered {self.filtered}, "
                f"lost {self.lost or 0}")


def _refuse_duplicates(pairs):
    names = [name for name, _ in pairs]
    if len(names) != len(set(names)):
        raise ValueError(f"duplicate key in {names}")
    return dict(pairs)


def _refuse_constant(text):
    raise ValueError(f"{text} is not JSON")


def parse_record(line):
    return json.loads(line, object_pairs_hook=_refuse_duplicates, parse_constant=_refuse_constant)


class Weir:
    """A running `weir run` that writes JSON lines to a file. Use it as a context manager. `before`:
    a command that becomes weir, and stays the same process."""

    def __init__(self, *arguments, directory=None, rung=None, output="json", environment=None,
                 is_debugged=False, before=()):
        self.directory = Path(directory or temporary_directory())
        stamp = time.monotonic_ns()
        self.path = self.directory / f"records-{stamp}"
        self.error_path = self.directory / f"stderr-{stamp}"
        self.ready_path = self.directory / f"ready-{stamp}"
        self.ring_path = self.directory / f"ring-{stamp}"
        command = [*before, WEIR, "run", "-o", output, "-w", str(self.path),
                   "--ready-file", str(self.ready_path)]
        if rung or RUNG:
            command += ["--rung", rung or RUNG]
        if not WITH_TLS:
            command.append("--no-tls")
        command += map(str, arguments)
        variables = dict(os.environ, **(environment or {}))
        if is_debugged:
            variables["WEIR_RING_DUMP"] = str(self.ring_path)
        with open(self.error_path, "wb") as error:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                                            stdout=subprocess.DEVNULL, stderr=error,
                                            env=variables,
                                            preexec_fn=servers.die_with_parent)
        self.status = None
        self.totals = None
        self._wait_until_ready()

    def _wait_until_ready(self):
        end = time.monotonic() + READY_SECONDS
        while not self.ready_path.exists():
            if self.process.poll() is not None:
                raise StartFailed(self.process.returncode, self.stderr())
            if time.monotonic() > end:
                self.process.kill()
                self.process.wait()
                raise StartFailed(None, "not ready in time: " + self.stderr())
            time.sleep(0.01)

    def stderr(self):
        return self.error_path.read_text(errors="replace")

    def is_alive(self):
        return self.process.poll() is None

    def resident_kib(self, name="VmHWM"):
        """The largest resident size so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{name}:\s+(\d+)", status)[1])

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self, with_signal=signal.SIGINT):
        """Ends the capture and reads its totals. Twice does no harm."""
        if self.status is None:
            if self.process.poll() is None:
                self.process.send_signal(with_signal)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.status = self.process.returncode
            self.totals = Totals(self.stderr())
        return self.status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def raw_lines(self):
        if not self.path.exists():
            return []
        return self.path.read_bytes().split(b"\n")[:-1]

    def records(self, kind="http", **wanted):
        """The records of one type; server_port=N and client_port=N choose further."""
        found = []
        for line in self.raw_lines():
            record = parse_record(line)
            if kind is not None and record.get("type") != kind:
                continue
            if all(record.get(name.replace("_", ".")) == value for name, value in wanted.items()):
                found.append(record)
        return found

    def wait_for_records(self, count, seconds=10, **wanted):
        """Waits while capture goes on until so many records are written; gives them all."""
        end = time.monotonic() + seconds
        while len(found := self._records_so_far(**wanted)) < count and time.monotonic() < end:
            time.sleep(0.05)
        return found

    def _records_so_far(self, **wanted):
        try:
            return self.records(**wanted)
        except ValueError:  # a line that is half written
            return []


def check_clean_end(weir):
    """The checks that every capture ends with."""
    check(weir.stop() == 0, "weir ends with status 0", f"{weir.status}: {weir.stderr()[-1500:]}")
    check(weir.totals.is_identity, f"seen = logged + filtered + lost: {weir.totals}",
          weir.totals.text[-1500:])
    lines = weir.raw_lines()
    bad = []
    seen_ids, logged, host_names = set(), 0, set()
    for line in lines:
        try:
            record = parse_record(line)
        except ValueError as error:
            bad.append(f"{error}: {line[:300]!r}")
            continue
        bad += record_problems(record)
        if record.get("id") in seen_ids:
            bad.append(f"id {record['id']} twice")
        seen_ids.add(record.get("id"))
        host_names.add(record.get("host.name"))
        logged += record.get("type") != "loss"
    check_empty(bad, f"{len(lines)} lines are well-formed records")
    check(host_names <= {os.uname().nodename}, "host.name is this host's", str(host_names))
    check(weir.totals.logged == logged, f"the {logged} records are the logged of the totals",
          str(weir.totals))


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")
_HEX = re.compile(r"[0-9a-f]{16}")


def record_problems(record):
    """What breaks the rules that hold for every record."""
    bad = []
    bad += [f"{name} is absent: {record}" for name in ("time", "type", "id") if name not in record]
    if not _TIME.fullmatch(record.get("time", "")):
        bad.append(f"time is {record.get('time')!r}")
    for name, value in record.items():
        is_empty_number = isinstance(value, float) and math.isnan(value)
        if value is None or is_empty_number or (value in ("", []) and name != "url.path"
                                                and not name.endswith(".headers")):
            bad.append(f"{name} is present but empty in {record.get('id')}")
    if record.get("type") == "http":
        for name in ("source", "role", "client.address", "client.port", "server.address",
                     "server.port", "network.transport", "network.type", "connection.id"):
            if name not in record:
                bad.append(f"{name} is absent: {str(record)[:300]}")
        if (record.get("source") not in ("socket", "tls")
                or record.get("role") not in ("server", "client")):
            bad.append(f"source {record.get('source')}, role {record.get('role')}")
        if not _HEX.fullmatch(record.get("connection.id", "")):
            bad.append(f"connection.id is {record.get('connection.id')!r}")
        for earlier, later in (("ttfb_ns", "duration_ns"),):
            if record.get(earlier, 0) > record.get(later, math.inf):
                bad.append(f"{earlier} > {later} in {record.get('id')}")
    return bad


def flags(record):
    return set(record.get("flags", ()))


def by_sequence(records):
    """Records by the X-Seq of their request; the second value lists what came twice."""
    found, twice = {}, []
    for record in records:
        sequence = traffic.sequence_of(record)
        if sequence in found:
            twice.append(sequence)
        found[sequence] = record
    return found, twice


def check_exchanges(records, exchanges, what):
    """Every exchange has exactly one record, equal in all that was on the wire; no other has."""
    found, twice = by_sequence(records)
    wanted = {exchange.sequence for exchange in exchanges}
    check_empty(sorted(wanted - found.keys()), f"{what}: none of {len(wanted)} is missing")
    check_empty(twice, f"{what}: none is there twice")
    check_empty(sorted(map(str, found.keys() - wanted)), f"{what}: none is invented")
    bad = []
    for exchange in exchanges:
        if exchange.sequence in found:
            bad += [f"{exchange.sequence}: {line}" for line in
                    traffic.differences(found[exchange.sequence], exchange)]
    check_empty(bad, f"{what}: all fields are as they were on the wire")
    return found
