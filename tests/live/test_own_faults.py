#!/usr/bin/python3
"""What befalls weir itself while it captures: no descriptor is left, no memory, no room on the disk
of a sink, and it is stopped for a while. It goes on, what it could not do is counted, and
afterwards everything is as before."""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from harness import (StartFailed, Weir, check, check_clean_end, note, require_weir, run_main, skip,
                     temporary_directory)  # noqa: E402
import faults  # noqa: E402
from control_groups import MEMORY, LimitedGroup  # noqa: E402
from messages import request, response  # noqa: E402
from play import Stage  # noqa: E402
from traffic import wait_until  # noqa: E402

NEAR = 4096  # bytes of memory that are left
GROUP_BYTES = 64 << 20  # of a control group


def talk(stage, name, count=50):
    """Exchanges on connections of their own, of a size that needs memory."""
    for number in range(count):
        play = stage.open()
        play.c(request(f"/{name}/{number}", "X-Large: " + "x" * 3000))
        play.s(response(204))
        play.close()


def logged(weir, name):
    return sum(1 for line in weir.raw_lines()
               if json.loads(line).get("url.original", "").startswith(f"/{name}/"))


def is_whole(weir, stage, name):
    """Do exchanges of this name arrive, each once, now that all is well again?"""
    talk(stage, name)
    end = time.monotonic() + 60
    while logged(weir, name) < 50 and time.monotonic() < end:
        time.sleep(0.05)
    check(logged(weir, name) == 50, f"{name}: all is as before", f"{logged(weir, name)} of 50")


def data_bytes(pid):
    """What RLIMIT_DATA counts."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmData:")[1].split()[0]) * 1024


def without(weir, stage, name, limit, value):
    """A limit is set on the running weir, and taken back."""
    before = resource.prlimit(weir.process.pid, limit)
    resource.prlimit(weir.process.pid, limit, (value, before[1]))
    talk(stage, name)
    subprocess.run(["true"], check=True)  # a process whose names need files of /proc
    time.sleep(0.2)
    resource.prlimit(weir.process.pid, limit, before)
    check(weir.is_alive(), f"{name}: weir lives", weir.stderr()[-500:])
    is_whole(weir, stage, f"after-{name}")


def fill(path):
    """Until nothing more has room."""
    with (path / "ballast").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


def without_room(weir, stage, disk):
    fill(disk)
    talk(stage, "no-room")
    time.sleep(0.2)
    (disk / "ballast").unlink()
    is_whole(weir, stage, "after-no-room")


def check_lines(path, weir):
    """The sink whose disk was full has whole lines, and in the end all, since it tries again."""
    lines = path.read_bytes().split(b"\n")
    ids = [json.loads(line)["id"] for line in lines[:-1]]
    wanted = {json.loads(line)["id"] for line in weir.raw_lines()}
    check(lines[-1] == b"" and len(ids) == len(set(ids)) and set(ids) == wanted,
          "a disk that was full has each record as one whole line", (len(ids), len(wanted)))


def without_proc(stage):
    """No /proc is to be seen: names that are asked for there are absent, records are not."""
    hide = 'mount --make-rprivate / && mount -t tmpfs none /proc && exec "$@"'
    with Weir("--port", stage.port, before=["unshare", "-m", "sh", "-c", hide, "sh"]) as weir:
        is_whole(weir, stage, "no-proc")
        records = [json.loads(line) for line in weir.raw_lines()]
        wrong = {record["process.pid"] for record in records if "process.pid" in record}
        check(wrong <= {os.getpid()}, "without /proc no process is wrong", str(wrong))
        check_clean_end(weir)


def in_little_memory(stage, folder):
    """64 MiB for weir, its maps and its files: a sink that takes nothing fills its queue."""
    group = LimitedGroup(MEMORY, bytes=GROUP_BYTES)
    if not group.path:
        note("left out: no control group with a limit of memory can be made here")
        return
    sink = f"http=http://127.0.0.1:1 name=dead close-timeout=1s spool={folder}/spool"
    try:
        with Weir("--port", stage.port, "--no-tls", "--sink", sink,
                  before=group.entry()) as weir:
            for turn in range(6):
                is_whole(weir, stage, f"little-memory-{turn}")
            check(weir.is_alive() and group.killed() == 0, "64 MiB: nothing is killed")
            check_clean_end(weir)
    except StartFailed as failed:  # its programs take most of it, more so with many CPUs
        check(failed.status == 3 and "Cannot allocate memory" in str(failed),
              "64 MiB: what is too little is told", str(failed))
    finally:
        wait_until(group.is_empty)
        group.remove()


def main():
    require_weir()
    folder = temporary_directory()
    disk = folder / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "weir-own", str(disk)],
                      check=False, capture_output=True).returncode:
        skip("no mount")
    stage = Stage()
    try:
        with Weir("--port", stage.port, "--sink",
                  f"file={disk}/records.json name=disk retry-first=5ms retry-maximum=50ms "
                  "close-timeout=60s") as weir:
            descriptors = len(os.listdir(f"/proc/{weir.process.pid}/fd"))
            is_whole(weir, stage, "begin")
            without(weir, stage, "no-descriptors", resource.RLIMIT_NOFILE, 3)
            if not faults.is_sanitized():
                without(weir, stage, "no-memory", resource.RLIMIT_DATA,
                        data_bytes(weir.process.pid) + NEAR)
            without_room(weir, stage, disk)
            weir.pause()
            talk(stage, "stopped")
            weir.resume()
            is_whole(weir, stage, "after-stopped")
            check(logged(weir, "stopped") == 50, "stopped: the ring has kept what came meanwhile")
            check(len(os.listdir(f"/proc/{weir.process.pid}/fd")) <= descriptors + 4,
                  "no descriptor is left behind")
            check_clean_end(weir)
        names = ("no-descriptors", "no-memory", "no-room")
        count = sum(logged(weir, name) for name in names)
        check(count + weir.totals.lost_sum >= 50 * (len(names) - faults.is_sanitized()),
              f"{count} exchanges logged while it was short of something, the rest counted",
              str(weir.totals))
        check_lines(disk / "records.json", weir)
        without_proc(stage)
        if not faults.is_sanitized():
            in_little_memory(stage, folder)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)
        shutil.rmtree(disk, ignore_errors=True)


if __name__ == "__main__":
    run_main(main)
