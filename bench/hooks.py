"""In-kernel nanoseconds of each BPF program, as the kernel itself measures them."""

import ctypes
import json
import os
import re
import struct
import subprocess

import load
import machine

BPF_PROG_LOAD, BPF_RAW_TRACEPOINT_OPEN, RAW_TRACEPOINT = 5, 17, 17  # linux/bpf.h


def programs():
    """Every loaded BPF program by its id."""
    listed = subprocess.run(["bpftool", "prog", "show", "-j"], stdout=subprocess.PIPE, check=True)
    return {one["id"]: one for one in json.loads(listed.stdout)}


class EmptyProgram:
    """
    A program of two instructions (r0 = 0; exit) on a raw tracepoint that the load passes: what the
    kernel reports for it is the price of measuring.
    """

    def __init__(self, tracepoint=b"sock_send_length"):
        code = ctypes.create_string_buffer(struct.pack("<QQ", 0xb7, 0x95))
        text = ctypes.create_string_buffer(b"GPL")
        name = ctypes.create_string_buffer(tracepoint)
        self.program = machine.bpf(BPF_PROG_LOAD, struct.pack(
            "<IIQQIIQ", RAW_TRACEPOINT, 2, ctypes.addressof(code), ctypes.addressof(text), 0, 0, 0))
        try:
            self.link = machine.bpf(BPF_RAW_TRACEPOINT_OPEN, struct.pack(
                "<QII", ctypes.addressof(name), self.program, 0))
        except OSError:
            os.close(self.program)
            raise

    def close(self):
        """Its nanoseconds a run, or None when it never ran."""
        with open(f"/proc/self/fdinfo/{self.program}") as lines:
            fields = dict(re.findall(r"(run_\w+):\s*(\d+)", lines.read()))
        os.close(self.link)
        os.close(self.program)
        runs = int(fields.get("run_cnt", 0))
        return int(fields["run_time_ns"]) / runs if runs else None


def start_empty_program(tracepoint=b"sock_send_length"):
    """None where it is not to be had: kernels before 6.3, other machines."""
    try:
        return EmptyProgram(tracepoint)
    except OSError:
        return None


def measure_hooks(weir, folder, chosen):
    """
    A run of its own, because measuring has a price too: `empty_ns`, measured beside it. None
    without bpftool. Programs that did not run are left out.
    """
    empty, empty_ns = start_empty_program(), None
    try:
        others = programs()  # the empty one is among them
    except (OSError, subprocess.CalledProcessError):
        return None
    server = load.Server(folder, pinned=chosen.pinned)
    try:
        weir.start()
        with machine.counting():
            before = programs()
            served = server.requests()
            load.run_wrk(folder, chosen.seconds, chosen.connections, chosen.pinned, chosen.varying)
            served = server.requests() - served
            after = programs()
    finally:
        if empty:
            empty_ns = empty.close()
        if weir.process and weir.process.is_running():
            weir.process.stop()
        weir.remove_output()
        server.stop()
    hooks = []
    for number, program in after.items():
        if number in others or number not in before:
            continue
        runs = program.get("run_cnt", 0) - before[number].get("run_cnt", 0)
        spent = program.get("run_time_ns", 0) - before[number].get("run_time_ns", 0)
        if runs:
            hooks.append({
                "name": program.get("name", str(number)), "type": program["type"],
                "runs_per_request": runs / served, "ns_per_run": spent / runs,
                "ns_per_request": spent / served,
                "net_ns_per_request": (spent - runs * (empty_ns or 0)) / served})
    hooks.sort(key=lambda one: -one["ns_per_request"])
    return {"programs": hooks, "empty_ns": empty_ns}
