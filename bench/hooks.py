"""In-kernel nanoseconds of each BPF program, as the kernel itself measures them."""

import json
import subprocess

import load

SWITCH = "/proc/sys/kernel/bpf_stats_enabled"


def programs():
    """Every loaded BPF program by its id."""
    listed = subprocess.run(["bpftool", "prog", "show", "-j"], stdout=subprocess.PIPE, check=True)
    return {one["id"]: one for one in json.loads(listed.stdout)}


def set_statistics(value):
    with open(SWITCH, "w") as switch:
        switch.write(value)


def measure_hooks(weir, folder, chosen):
    """
    A run of its own, because measuring costs some 20 ns a call. None without bpftool.
    Programs that did not run are left out.
    """
    try:
        others = programs()
    except (OSError, subprocess.CalledProcessError):
        return None
    with open(SWITCH) as switch:
        previous = switch.read()
    server = load.Server(folder, pinned=chosen.pinned)
    try:
        weir.start()
        set_statistics("1")
        before = programs()
        served = server.requests()
        load.run_wrk(folder, chosen.seconds, chosen.connections, chosen.pinned)
        served = server.requests() - served
        after = programs()
    finally:
        set_statistics(previous)
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
                "ns_per_request": spent / served})
    hooks.sort(key=lambda one: -one["ns_per_request"])
    return hooks
