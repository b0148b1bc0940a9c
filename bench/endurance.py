"""
Ten million requests and not one lost. The file that weir writes would grow to some 15 GB, so what
has been counted is given back to the disk while it grows: it is a real file on a real disk, but
never larger than what weir writes in a moment.
"""

import ctypes
import os
import threading
import time

import load
import machine
from contenders import parse_totals, settle

KEEP_SIZE_AND_PUNCH_HOLE = 3  # linux/falloc.h
BLOCK = 1 << 22


class GrowingFile:
    """Counts a needle in a file that is being written, and frees what was counted."""

    def __init__(self, path, needle):
        self.path = path
        self.needle = needle
        self.found = 0
        self.bytes = 0
        self.is_stopping = False
        self.allocate = ctypes.CDLL(None, use_errno=True).fallocate
        self.allocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
        self.thread = threading.Thread(target=self.follow)
        self.thread.start()

    def follow(self):
        keep = len(self.needle) - 1
        with open(self.path, "r+b", buffering=0) as growing:
            tail = b""
            while True:
                block = growing.read(BLOCK)
                if not block:
                    if self.is_stopping:
                        return
                    time.sleep(0.01)
                    continue
                text = tail + block
                self.found += text.count(self.needle)
                tail = text[-keep:]
                self.allocate(growing.fileno(), KEEP_SIZE_AND_PUNCH_HOLE, self.bytes, len(block))
                self.bytes += len(block)

    def finish(self):
        self.is_stopping = True
        self.thread.join()


def run_endurance(weir, folder, chosen):
    """Load until so many requests were served; what weir logged, lost and needed."""
    server = load.Server(folder, pinned=chosen.pinned)
    growing = None
    try:
        weir.start()
        before = server.requests()
        growing = GrowingFile(weir.output, f'"server.port":{load.PORT}'.encode())
        start = time.monotonic()
        resident = []
        served = 0
        while served < chosen.requests:
            load.run_wrk(folder, 20, chosen.connections, chosen.pinned)
            served = server.requests() - before
            resident.append(machine.memory_kib(weir.process.pid, "VmRSS"))
        seconds = time.monotonic() - start
        settle(weir.process)
        peak = machine.memory_kib(weir.process.pid, "VmHWM")
        cpu = weir.process.stop(seconds=120)
        growing.finish()
    finally:
        if weir.process and weir.process.is_running():
            weir.process.child.kill()
        if growing:
            growing.finish()
        server.stop()
        weir.remove_output()
    return {
        "served": served, "logged": growing.found, "lost": served - growing.found,
        "seconds": seconds, "output_bytes": growing.bytes,
        "rss_peak_kib": peak, "rss_after_each_20_s_kib": resident,
        "tool_cpu_seconds_per_million": cpu / (served / 1e6),
        "totals": parse_totals(weir.process.messages()),
    }
