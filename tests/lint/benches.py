#!/usr/bin/python3
"""A benchmark that measures weir live refuses to start while the kernel counts the time of each BPF
program (kernel.bpf_stats_enabled), whoever starts it. The real switch is neither read nor set: the
benchmarks get the path of another file, and whatever process they start ends them instead."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "lib"))
import lint  # noqa: E402

BENCH = lint.ROOT / "bench"
sys.path.insert(0, str(BENCH))
import machine  # noqa: E402

# Programs that are started and measure no weir that runs live.
OTHERS = {"faults": "runs tests", "gateways": "counts links", "mixture": "makes a capture",
          "parsers": "of functions", "read": "weir read", "report": "makes tables",
          "sinks": "weir read"}
STARTS = "a process is started"
RUN = f"""
import runpy, subprocess, sys
sys.path.insert(0, {str(BENCH)!r})
import machine
def start(*arguments, **options):
    raise SystemExit({STARTS!r})
subprocess.Popen.__init__ = start
machine.COUNTING, script = sys.argv[1:]
sys.argv = [script]
runpy.run_path(script, run_name="__main__")
"""


def words_of(script, switch):
    """What the benchmark says with that switch."""
    done = subprocess.run([sys.executable, "-c", RUN, switch, script], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    return done.stdout.strip() if done.returncode else "it does not fail"


def refuses(script, switch):
    return "kernel.bpf_stats_enabled is 1" in words_of(script, switch)


def is_refused(switch):
    machine.COUNTING = switch
    try:
        machine.refuse_counting()
    except SystemExit:
        return True
    return False


def main():
    findings = []
    with tempfile.TemporaryDirectory(prefix="weir-benches-") as folder:
        def file_of(name, text):
            path = Path(folder, name)
            path.write_text(text)
            return str(path)
        on, off = file_of("on", "1\n"), file_of("off", "0\n")
        careless = file_of("careless.py", "import subprocess\nsubprocess.run(['true'])\n")
        if words_of(careless, on) != STARTS:
            print("self-test: a benchmark that does not refuse is not found")
            sys.exit(1)
        # the last one: a kernel without the switch, or without BPF
        findings += [f"bench/machine.py: wrong with {Path(switch).name}" for switch, expected in
                     ((on, True), (off, False), (f"{folder}/absent", False))
                     if is_refused(switch) != expected]
        scripts = [path for path in sorted(BENCH.glob("*.py"))
                   if path.read_text().startswith("#!")]
        findings += [f"bench/{path.name} is not executable" for path in scripts
                     if not os.access(path, os.X_OK)]
        findings += [f"bench/{name}.py is no longer there" for name in OTHERS
                     if BENCH / f"{name}.py" not in scripts]
        measuring = [path for path in scripts if path.stem not in OTHERS]
        findings += [f"bench/{path.name} does not refuse to run on a kernel that counts"
                     for path in measuring if not refuses(str(path), on)]
    print("\n".join(findings) if findings
          else f"benches: {len(measuring)} that measure weir live, nothing found")
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
