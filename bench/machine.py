"""What the benchmarks share: the machine's name, processes and what they cost, and the kernel's
counting of BPF programs, which costs each of their runs something."""

import contextlib
import ctypes
import os
import platform
import re
import signal
import statistics
import struct
import subprocess
import sys
import time

TICK = os.sysconf("SC_CLK_TCK")
BPF_NUMBER = {"x86_64": 321, "aarch64": 280}.get(platform.machine())
BPF_ENABLE_STATS, BPF_STATS_RUN_TIME = 32, 0  # linux/bpf.h
COUNTING = "/proc/sys/kernel/bpf_stats_enabled"


def bpf(command, attributes):
    """The system call; attributes: its union bpf_attr, packed."""
    if not BPF_NUMBER:
        raise OSError(f"bpf's number is not known on {platform.machine()}")
    call = ctypes.CDLL(None, use_errno=True).syscall
    found = call(BPF_NUMBER, command, attributes, len(attributes))
    if found < 0:
        raise OSError(ctypes.get_errno(), f"bpf command {command}")
    return found


@contextlib.contextmanager
def counting():
    """The kernel counts the runs and the time of BPF programs, until this ends or the process does,
    however: the switch is a file descriptor, which other programs do not inherit."""
    switch = bpf(BPF_ENABLE_STATS, struct.pack("<I", BPF_STATS_RUN_TIME))
    try:
        yield
    finally:
        os.close(switch)


def refuse_counting():
    """Ends the benchmark where the kernel counts already: each run of a program would pay."""
    try:
        with open(COUNTING) as switch:
            counts = switch.read().strip()
    except OSError:  # a kernel without it, or without BPF
        return
    if counts != "0":
        sys.exit(f"{os.path.basename(sys.argv[0])}: kernel.bpf_stats_enabled is {counts}, which "
                 "makes every run of a BPF program dearer: set it to 0 first (sysctl -w)")


def first_line(*command):
    """The first line that a command prints, or None when there is no such command."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").strip().split("\n")[0] or None


def describe():
    """CPU, cores, memory and kernel: what numbers depend on. Never the host's name."""
    with open("/proc/cpuinfo") as lines:
        models = re.findall(r"^model name\s*:\s*(.+)$", lines.read(), re.M)
    with open("/proc/meminfo") as lines:
        memory = int(re.search(r"MemTotal:\s*(\d+)", lines.read()).group(1))
    return {
        "cpu": models[0] if models else os.uname().machine,
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**20, 1),
        "kernel": os.uname().release.split("-")[0],
    }


def read_stat(pid):
    """(parent, ticks of CPU including reaped children) of a process, or None when it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return int(fields[1]), sum(map(int, fields[11:15]))


def tree(pid):
    """The process and its living descendants."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            stat = read_stat(name)
            if stat:
                parents.setdefault(stat[0], []).append(int(name))
    found = [pid]
    for one in found:
        found.extend(parents.get(one, []))
    return found


def cpu_seconds(pid):
    """CPU time so far of a process, its threads and its children."""
    stats = [read_stat(one) for one in tree(pid)]
    return sum(stat[1] for stat in stats if stat) / TICK


def memory_kib(pid, field):
    """VmRSS or VmHWM, in KiB."""
    try:
        with open(f"/proc/{pid}/status") as status:
            found = re.search(rf"^{field}:\s*(\d+)", status.read(), re.M)
    except OSError:
        return None
    return int(found.group(1)) if found else None


def forget_peak(pid):
    """VmHWM starts anew: what starting up needed is not what the load needs."""
    with open(f"/proc/{pid}/clear_refs", "w") as clear:
        clear.write("5")


def median(turns, field):
    """Of those turns that have the field; None: none has."""
    values = [one[field] for one in turns if one.get(field) is not None]
    return statistics.median(values) if values else None


def medians(turns, fields):
    return {field: median(turns, field) for field in fields}


def relate(turns, base, field="requests_per_second"):
    """What is left of the field of `base`, in each turn that of the same round."""
    for one, other in zip(turns, base):
        one["relative"] = one[field] / other[field]


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


class Process:
    """A program in the background; its stderr goes to a file that can be read afterwards."""

    def __init__(self, command, errors, output=None):
        self.errors = errors
        with open(errors, "wb") as stderr, open(output or os.devnull, "wb") as stdout:
            self.child = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr)
        self.pid = self.child.pid
        self.cpu_at_mark = 0.0

    def is_running(self):
        return self.child.poll() is None

    def messages(self):
        with open(self.errors, errors="replace") as lines:
            return lines.read()

    def mark(self):
        """CPU used until now belongs to starting up and is not counted."""
        self.cpu_at_mark = cpu_seconds(self.pid)

    def stop(self, number=signal.SIGINT, seconds=60):
        """Ends it; returns CPU seconds since mark(), the last flush included."""
        if self.child.returncode is not None:
            raise RuntimeError(f"ended early: {self.messages()[-2000:]}")
        self.child.send_signal(number)
        end = time.monotonic() + seconds
        while True:
            pid, status, used = os.wait4(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > end:
                self.child.kill()
            time.sleep(0.01)
        self.child.returncode = os.waitstatus_to_exitcode(status)
        return used.ru_utime + used.ru_stime - self.cpu_at_mark
