"""What is compared: each way to log, how it is started, stopped and what it lost."""

import os
import re
import shutil
import signal
import time

from load import PORT
from machine import Process, cpu_seconds, first_line, forget_peak, memory_kib, wait_for


class Contender:
    """No capture; the others change what they must."""

    name = "none"
    title = "no capture"
    program = None
    access_log = "off"

    def __init__(self, folder):
        self.folder = folder
        self.output = os.path.join(folder, self.name + ".out")
        self.process = None

    def is_available(self):
        return self.program is None or shutil.which(self.program) is not None

    def version(self):
        return first_line(self.program, "--version") if self.program else None

    def start(self):
        """Returns when it captures."""

    def under_load(self):
        """Called while the load runs."""
        return {}

    def stop(self, server, requests, seconds):
        """What it cost and lost in a run of `requests` requests."""
        return {}

    def run_process(self, command, is_ready, output=None):
        self.process = Process(command, os.path.join(self.folder, self.name + ".err"), output)

        def ready():
            if not self.process.is_running():
                raise RuntimeError(f"{self.name} ended: {self.process.messages()[-2000:]}")
            return is_ready()

        wait_for(ready, 30, self.name)
        self.process.mark()

    def remove_output(self):
        if os.path.exists(self.output):
            os.unlink(self.output)


class ServerLog(Contender):
    """nginx's own log: its cost is the worker's, compared with the run without."""

    name = "nginx-log"
    title = "nginx's JSON access log, 13 fields"
    options = ""

    def __init__(self, folder):
        super().__init__(folder)
        self.access_log = f"{self.output} fields{self.options}"

    def stop(self, server, requests, seconds):
        written = count_lines(self.output)
        return {"output_bytes": os.path.getsize(self.output), "lost": max(0, requests - written)}


class BufferedServerLog(ServerLog):
    name = "nginx-log-buffered"
    title = "the same, buffer=64k"
    options = " buffer=64k flush=1s"


class Tcpdump(Contender):
    name = "tcpdump"
    title = "tcpdump -w"
    program = "tcpdump"

    def start(self):
        self.run_process(
            ["tcpdump", "-i", "lo", "-U", "-Z", "root", "-w", self.output, f"tcp port {PORT}"],
            lambda: "listening on" in self.process.messages())

    def stop(self, server, requests, seconds):
        cpu = self.process.stop()
        dropped = re.search(r"(\d+) packets dropped by kernel", self.process.messages())
        return {"cpu_seconds": cpu, "output_bytes": os.path.getsize(self.output),
                "lost_packets": int(dropped.group(1)) if dropped else None}


class Tshark(Contender):
    """Requests and responses are separate lines of its output."""

    name = "tshark"
    title = "tshark: host, target, user agent, status as JSON"
    program = "tshark"

    def start(self):
        fields = ["http.host", "http.request.uri", "http.user_agent", "http.response.code"]
        command = ["tshark", "-i", "lo", "-f", f"tcp port {PORT}", "-Y", "http", "-T", "json"]
        for field in fields:
            command += ["-e", field]
        self.run_process(
            command, lambda: "Capturing on" in self.process.messages(), self.output)
        time.sleep(1)  # it says so before it does

    def under_load(self):
        return {"rss_kib": memory_kib(self.process.pid, "VmRSS")}

    def stop(self, server, requests, seconds):
        cpu = self.process.stop(seconds=120)
        printed = count_lines(self.output, b'"_source"')
        return {"cpu_seconds": cpu, "output_bytes": os.path.getsize(self.output),
                "lost": max(0, requests - printed // 2)}


class Weir(Contender):
    name = "weir"
    title = "weir to a JSON file"

    def __init__(self, folder, program, options=()):
        super().__init__(folder)
        self.program = program
        self.options = list(options)
        self.idle_kib = None
        self.start_kib = None

    def is_available(self):
        return os.access(self.program, os.X_OK)

    def start(self):
        ready = os.path.join(self.folder, "weir.ready")
        if os.path.exists(ready):
            os.unlink(ready)
        self.run_process(
            [self.program, "run", "-o", "json", "-w", self.output, "--ready-file", ready]
            + self.options, lambda: os.path.exists(ready))
        time.sleep(1)
        self.process.mark()
        self.start_kib = memory_kib(self.process.pid, "VmHWM")
        self.idle_kib = memory_kib(self.process.pid, "VmRSS")
        forget_peak(self.process.pid)

    def under_load(self):
        return {"rss_kib": memory_kib(self.process.pid, "VmRSS")}

    def end(self):
        """Ends it without a look at what it has written."""
        self.process.stop(signal.SIGTERM)

    def stop(self, server, requests, seconds):
        settle(self.process)
        peak = memory_kib(self.process.pid, "VmHWM")
        cpu = self.process.stop(signal.SIGTERM)
        result = {"cpu_seconds": cpu, "rss_idle_kib": self.idle_kib, "rss_peak_kib": peak,
                  "rss_start_peak_kib": self.start_kib,
                  "output_bytes": os.path.getsize(self.output) if self.output else None,
                  "totals": parse_totals(self.process.messages())}
        if self.output:
            logged = count_lines(self.output, f'"server.port":{PORT}'.encode())
            result["lost"] = requests - logged
        return result


def settle(process):
    """Waits until a program has worked off its backlog: 0.3 s without CPU time."""
    for _ in range(50):
        before = cpu_seconds(process.pid)
        time.sleep(0.3)
        if cpu_seconds(process.pid) - before < 0.03:
            return


def parse_totals(messages):
    """The counters that weir prints at exit: seen = logged + filtered + the sum of lost(reason)."""
    said = messages[max(0, messages.rfind("seen")):]
    totals = {name: int(value)
              for name, value in re.findall(r"\b(seen|logged|filtered)[ =:]+(\d+)", said)}
    if not totals:
        return None
    totals["lost"] = {reason or "all": int(value) for reason, value in
                      re.findall(r"\blost(?:\((\w+)\))?[ =:]+(\d+)", said) if int(value)}
    return totals


def count_lines(path, needle=b"\n"):
    """How often the needle occurs in a file, read in blocks that overlap by a needle."""
    total = 0
    keep = len(needle) - 1
    with open(path, "rb") as lines:
        tail = b""
        while block := lines.read(1 << 23):
            block = tail + block
            total += block.count(needle)
            tail = block[-keep:] if keep else b""
    return total
