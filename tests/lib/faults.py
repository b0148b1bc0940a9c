"""What the tests of faults share: a shim that makes disks, clocks, threads and memory fail, runs of
weir with numbered requests, and the totals that they print."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from packets import START_NS, Connection, ethernet, pcap

ROOT = Path(__file__).resolve().parent.parent.parent
WEIR = os.environ.get("WEIR", str(ROOT / "build" / "weir"))
TOTALS = re.compile(r"seen (\d+) = logged (\d+) \+ filtered (\d+)((?: \+ lost\([^)]*\) \d+)*)")
LOST = re.compile(r"lost\(([^):]*)[^)]*\) (\d+)")


def is_sanitized():
    """Then no shim can be loaded, and memory cannot be limited."""
    return b"__asan_init" in Path(WEIR).read_bytes()


def make_capture(path, count, first=0, text=""):
    """`count` numbered exchanges on one connection: count + 1 records. `first` also makes ids."""
    connection = Connection("192.0.2.1", "192.0.2.99", (20000 + first % 40000, 80))
    packets = connection.open()
    for sequence in range(first, first + count):
        packets += connection.say(0, f"GET /{sequence}{text} HTTP/1.1\r\nHost: a.test\r\n"
                                  f"X-Seq: {sequence}\r\n\r\n".encode())
        packets += connection.say(1, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    path.write_bytes(pcap([ethernet(packet) for packet in packets + connection.close()],
                          start_ns=START_NS + first * 10**10))
    return path


def build_shim(folder, name="faults_shim"):
    """None: there is no compiler."""
    compiler = shutil.which("cc")
    if not compiler:
        return None
    shim = folder / f"{name}.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O2",
                    str(ROOT / f"tests/lib/programs/{name}.c"), "-o", str(shim), "-ldl",
                    "-pthread"], check=True)
    return shim


def read(captures, *sinks, shim=None, faults=None, timeout=250, before=(), check=True):
    """weir read; `faults`: variables of the shim."""
    environment = {**os.environ, **(faults or {})}
    if shim:
        environment["LD_PRELOAD"] = str(shim)
    arguments = [part for sink in sinks for part in ("--sink", sink)]
    done = subprocess.run([*before, WEIR, "read", *map(str, captures), *arguments], text=True,
                          capture_output=True, timeout=timeout, check=False, env=environment)
    assert not check or done.returncode == 0, done
    return done


class Totals:
    """The last line of totals (of that sink): seen = logged + filtered + the sum of all lost."""

    def __init__(self, stderr, sink=""):
        line = [line for line in stderr.splitlines() if line.startswith(f"weir: {sink}seen")][-1]
        match = TOTALS.search(line)
        assert match, line
        self.line = line
        self.seen, self.logged, self.filtered = (int(match[at]) for at in (1, 2, 3))
        self.lost = {reason: int(number) for reason, number in LOST.findall(match[4])}
        assert self.seen == self.logged + self.filtered + sum(self.lost.values()), line


def waiting(stderr):
    match = re.search(r"(\d+) records wait in the spool", stderr)
    return int(match[1]) if match else 0
