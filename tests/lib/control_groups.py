"""Control groups: where version 2 is mounted, and groups of either version that hold a process to
a share of the machine."""

import os
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
# (where version 1 mounts the controller, its file, what to write), (the same of version 2)
MEMORY = ((ROOT / "memory", "memory.limit_in_bytes", "{bytes}"), (ROOT, "memory.max", "{bytes}"))
CPU = ((ROOT / "cpu", "cpu.cfs_quota_us", "{share_us}"), (ROOT, "cpu.max", "{share_us} 100000"))


def cgroup_root():
    """Where control groups of version 2 are mounted, or None."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        columns = line.split()
        if columns[2] == "cgroup2":
            return Path(columns[1])
    return None


class LimitedGroup:
    """`limits`: MEMORY with bytes=…, or CPU with share_us=… of each 100,000 µs; `pid`: a process
    that is in it from the start. `path` is None where neither version lets it be made so."""

    def __init__(self, limits, pid=None, **values):
        self.path = None
        for base, limit, text in limits:
            path = base / f"weir-{limit}-{os.getpid()}"
            try:
                path.mkdir()
                (path / limit).write_text(text.format(**values))
                if pid is not None:
                    (path / "cgroup.procs").write_text(str(pid))
            except OSError:
                if path.is_dir():
                    path.rmdir()
                continue
            self.path = path
            return

    def entry(self):
        """What a command is put behind so that it begins inside."""
        return ["sh", "-c", f'echo $$ > {self.path}/cgroup.procs && exec "$@"', "sh"]

    def give_back(self, pid):
        """The process leaves the group; it has no limit from now on."""
        (self.path.parent / "cgroup.procs").write_text(str(pid))

    def killed(self):
        """How many processes the kernel has ended for want of memory."""
        for name in ("memory.oom_control", "memory.events"):
            if (self.path / name).exists():
                words = (self.path / name).read_text().split()
                return int(words[words.index("oom_kill") + 1]) if "oom_kill" in words else 0
        return 0

    def is_empty(self):
        return not (self.path / "cgroup.procs").read_text()

    def remove(self):
        self.path.rmdir()
