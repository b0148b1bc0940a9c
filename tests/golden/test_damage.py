#!/usr/bin/python3
"""Captures damaged at random: whatever the bytes, weir read ends by itself and its sums are right.

TIMEOUT: 600
Of each capture copies are made in which 2 % of the bytes are changed, one copy a seed. Without
arguments: the captures of this folder and the smallest ones of the corpora, where they are there,
with few seeds. All of it, as it is meant for a build with sanitizers:

    WEIR=build-sanitize/weir tests/golden/test_damage.py --seeds 20 --all
"""

import argparse
import concurrent.futures
import os
import random
import re
import resource
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WEIR = os.environ.get("WEIR", str(ROOT / "build" / "weir"))
CORPORA = Path(os.environ.get("WEIR_CORPORA", ROOT.parent / "shared" / "corpora"))
DAMAGE = 0.02
CPU_SECONDS = 300
MEMORY_MB = 500
FEW_BYTES = 4096  # of a capture of the corpora that is taken without --all
SANITIZER = {"ASAN_OPTIONS": f"detect_leaks=1:hard_rss_limit_mb={MEMORY_MB}:exitcode=99",
             "UBSAN_OPTIONS": "print_stacktrace=1:exitcode=99"}


def own_captures():
    for path in sorted([*HERE.glob("*/input.*"), *ROOT.glob("tests/fuzz/corpus/capture_file/*")]):
        yield f"{path.parent.name}/{path.name}", path.read_bytes()


def foreign_captures(is_all):
    for archive in sorted(CORPORA.glob("captures/*.tar.xz")):
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isfile() and ".pcap" in member.name and (
                        is_all or member.size <= FEW_BYTES):
                    yield member.name, tar.extractfile(member).read()


def damage(data, seed):
    """A copy with 2 % of its bytes changed, at least one; half of the copies keep the header."""
    chance = random.Random(seed)
    copy = bytearray(data)
    first = 24 if seed % 2 and len(data) > 24 else 0
    for _ in range(max(1, int(len(data) * DAMAGE))):
        copy[chance.randrange(first, len(copy))] = chance.randrange(256)
    return bytes(copy)


def limit():
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))


def judge(name, data, seed):
    """What is wrong with reading this copy; None: nothing."""
    with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
        file.write(damage(data, seed))
        file.flush()
        try:
            done = subprocess.run([WEIR, "read", "-q", "--packets", "-o", "json", file.name],
                                  capture_output=True, preexec_fn=limit, timeout=2 * CPU_SECONDS,
                                  env={**os.environ, **SANITIZER}, check=False)
        except subprocess.TimeoutExpired:
            return f"{name}, seed {seed}: no end"
    said = done.stderr.decode(errors="replace")
    is_fine = done.returncode in (0, 1, 2) and not re.search(
        r"Sanitizer|runtime error|do not add up", said)
    return None if is_fine else f"{name}, seed {seed}: status {done.returncode}\n{said[-3000:]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=2, help="copies of each capture")
    parser.add_argument("--all", action="store_true", help="all captures of the corpora")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    if not os.access(WEIR, os.X_OK):
        print(f"SKIP: no binary at {WEIR}")
        sys.exit(77)
    captures = [*own_captures(), *foreign_captures(arguments.all)]
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        runs = [pool.submit(judge, name, data, seed) for name, data in captures
                for seed in range(arguments.seeds)]
        findings = [finding for run in runs if (finding := run.result())]
    print("\n".join(findings[:20]))
    print(f"{len(captures)} captures, {len(runs)} damaged copies read, {len(findings)} findings")
    sys.exit(1 if findings else 0)


main()
