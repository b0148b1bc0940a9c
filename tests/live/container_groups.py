"""Control groups that are named as containers' are, for tests of who a process belongs to."""

import subprocess
import sys
from pathlib import Path

from harness import note, traffic

CHILD = """
import sys
sys.path.insert(0, sys.argv[1])
from play import Stage
sys.stdin.readline()
stage = Stage()
for number in range(3):
    play = stage.open()
    play.c(b"GET /container/%d HTTP/1.1\\r\\nHost: c\\r\\n\\r\\n" % number)
    play.s(b"HTTP/1.1 204 No Content\\r\\n\\r\\n")
    play.close()
print(stage.port)
"""


def cgroup_root():
    for line in Path("/proc/mounts").read_text().splitlines():
        columns = line.split()
        if columns[2] == "cgroup2":
            return Path(columns[1])
    return None


class Group:
    """A control group below the root; `name`: docker-<64 hex>.scope and the like, or a path."""

    def __init__(self, number, name="docker-{}.scope"):
        self.path = cgroup_root() / name.format(number)

    def __enter__(self):
        self.path.mkdir(parents=True)
        return self

    def __exit__(self, *_):
        traffic.wait_until(lambda: not (self.path / "cgroup.procs").read_text())
        path = self.path
        while path != cgroup_root():
            try:
                path.rmdir()
            except OSError:  # another test's groups are there too
                break
            path = path.parent

    def start(self):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(Path(__file__).parent)],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        (self.path / "cgroup.procs").write_text(str(child.pid))
        return child


def play(number, weir, count=3, **group_options):
    """Three exchanges within the container; its records."""
    with Group(number, **group_options) as group:
        child = group.start()
        port = int(child.communicate(b"\n")[0])
        return weir.wait_for_records(count, 30, server_port=port)


def has_groups():
    try:
        with Group("ee" * 32):
            return True
    except (OSError, TypeError) as error:
        note(f"left out: no cgroup v2 directory can be made here ({error})")
        return False
