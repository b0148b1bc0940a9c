"""Control groups that are named as containers' are, for tests of who a process belongs to."""

from pathlib import Path

from children import finish_child, start_child
from harness import note, traffic
from control_groups import cgroup_root


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
        child = start_child()
        (self.path / "cgroup.procs").write_text(str(child.pid))
        return child


def play(number, weir, count=3, **group_options):
    """Three exchanges within the container; its records."""
    with Group(number, **group_options) as group:
        port = finish_child(group.start())
        return weir.wait_for_records(count, 30, server_port=port)


def has_groups():
    try:
        with Group("ee" * 32):
            return True
    except (OSError, TypeError) as error:
        note(f"left out: no cgroup v2 directory can be made here ({error})")
        return False
