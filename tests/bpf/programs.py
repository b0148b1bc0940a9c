"""What the kernel knows of BPF programs, links and maps; read through bpftool and fdinfo."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
RUNGS = ("fentry", "tracepoint", "syscall")
UNIX = tuple(f"unix {rung}" for rung in RUNGS)
PACKETS = ("packets tcx", "packets clsact", "packets socket", "packets xdp-generic")
WITH_UNIX = {"inputs": [{
    "Type": "observer_ilogtail_network_v1", "EBPF": {"Enabled": True},
    "Common": {"FlushOutL4Interval": 1, "DropUnixSocket": False}}]}
KINDS = ("prog", "link", "map")
REFUSED = 3  # weir's exit status when the kernel or the privileges do not allow it


def skip(reason):
    print(f"SKIP: {reason}")
    sys.exit(77)


def require():
    """The path of weir; skips when this machine cannot run these tests."""
    weir = os.environ.get("WEIR", os.path.join(HERE, "../../build/weir"))
    if os.geteuid() != 0:
        skip("needs root")
    if not os.access(weir, os.X_OK):
        skip(f"{weir} is not built")
    if not shutil.which("bpftool"):
        skip("bpftool is not installed")
    return weir


def listed(kind):
    """Everything of a kind (prog, link, map) in the kernel, by id."""
    done = subprocess.run(["bpftool", kind, "show", "-j"], stdout=subprocess.PIPE, check=True)
    return {one["id"]: one for one in json.loads(done.stdout or "[]")}


def kind_arguments(kind, folder):
    """A rung for sockets, the same with Unix sockets: "unix RUNG", or a hook: "packets HOOK"."""
    if kind.startswith("unix "):
        pipeline = os.path.join(folder, "pipeline.json")
        with open(pipeline, "w") as out:
            json.dump(WITH_UNIX, out)
        return ["--rung", kind.split()[1], "--no-tls", "--ilogtail-config", pipeline]
    if not kind.startswith("packets "):
        return ["--rung", kind]
    return ["--rung", "none", "--packets=lo", "--drops", "--packet-hook", kind.split()[1]]


class Refused(Exception):
    """This kernel does not have the rung."""


class Weir:
    """`weir run` with one rung, until the end of a with-statement."""

    def __init__(self, weir, rung, *arguments):
        self.folder = tempfile.TemporaryDirectory(prefix="weir-bpf-")
        ready = os.path.join(self.folder.name, "ready")
        self.errors = os.path.join(self.folder.name, "messages")
        with open(self.errors, "wb") as errors:
            self.child = subprocess.Popen(
                [weir, "run", *kind_arguments(rung, self.folder.name), "-w", "/dev/null",
                 "-o", "ilogtail" if rung in UNIX else "json", "--ready-file", ready, *arguments],
                stdout=errors, stderr=errors)
        end = time.monotonic() + 60
        while not os.path.exists(ready):
            status = self.child.poll()
            if status == REFUSED:
                raise Refused(self.messages().strip().split("\n")[-1])
            if status is not None or time.monotonic() > end:
                self.child.kill()
                raise RuntimeError(f"weir is not ready ({status}): {self.messages()[-2000:]}")
            time.sleep(0.02)

    def messages(self):
        with open(self.errors, errors="replace") as lines:
            return lines.read()

    def stop(self, number=signal.SIGTERM):
        self.child.send_signal(number)
        return self.child.wait(60)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.stop()
        self.folder.cleanup()

    def _descriptors(self):
        """What fdinfo tells of each descriptor that weir holds."""
        folder = f"/proc/{self.child.pid}/fdinfo"
        for name in os.listdir(folder):
            try:
                with open(os.path.join(folder, name)) as lines:
                    yield dict(line.split(":", 1) for line in lines if ":" in line)
            except FileNotFoundError:
                pass  # closed meanwhile

    def verified_instructions(self):
        """{program id: instructions that the verifier walked}."""
        return {int(fields["prog_id"]): int(fields["verified_insns"])
                for fields in self._descriptors() if "verified_insns" in fields}

    def held(self):
        """{kind: ids} of all programs, links and maps that it holds."""
        found = {kind: set() for kind in KINDS}
        for fields in self._descriptors():
            for kind in KINDS:
                if f"{kind}_id" in fields:
                    found[kind].add(int(fields[f"{kind}_id"]))
        return found
