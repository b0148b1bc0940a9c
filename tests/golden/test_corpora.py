#!/usr/bin/python3
"""weir read against captures whose right answers other projects wrote down (docs/corpora.md).

TIMEOUT: 600
The captures are others' work: they stay beside the project, in ../shared/corpora or the folder that
WEIR_CORPORA names, and this test is skipped where they are not.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
WEIR = os.environ.get("WEIR", str(ROOT / "build" / "weir"))
CORPORA = Path(os.environ.get("WEIR_CORPORA", ROOT.parent / "shared" / "corpora"))

# Rows that pass, in percent; "values": values that are right. A little below what is reached, so
# that a row more or less is seen, and no more than that: docs/corpora.md names the others.
THRESHOLDS = {
    "zeek-http": {"rows": 97.4},
    "zeek-conn": {"rows": 98.9, "values": 99.7},
    "suricata-http": {"rows": 100.0},
    "suricata-evader": {"rows": 100.0},
    "suricata-dns": {"rows": 99.0},
    "suricata-flow": {"rows": 76.0, "values": 96.0},
    "ndpi-flow": {"rows": 97.9, "values": 98.9},
    "llhttp-request": {"rows": 99.3},
    "llhttp-request-split": {"rows": 99.3},
    "garden": {"rows": 100.0},
}


def score(folder):
    """{family: counters} of the families above."""
    out = Path(folder) / "score.json"
    done = subprocess.run([sys.executable, str(CORPORA / "score.py"), "--weir", WEIR, "--json",
                           str(out), "--cache", str(Path(folder) / "cache"), "--family",
                           *THRESHOLDS], capture_output=True, text=True, timeout=550, check=False)
    if done.returncode:
        raise SystemExit(f"the scorer says {done.stderr or done.stdout}")
    print(done.stdout)
    return json.loads(out.read_text())["families"]


def judge(family, counters):
    """What is wrong with a family."""
    reached = {"rows": 100 * counters["passed"] / counters["rows"],
               "values": 100 * counters["right"] / max(counters["values"], 1)}
    for what, threshold in THRESHOLDS[family].items():
        if reached[what] < threshold:
            yield f"{family}: {reached[what]:.1f} % of {what} are right, expected {threshold} %"
    for what in ("crashed", "timeouts"):
        if counters.get(what):
            yield f"{family}: {counters[what]} {what}"


def main():
    if not os.access(WEIR, os.X_OK):
        print(f"SKIP: no binary at {WEIR}")
        sys.exit(77)
    if not (CORPORA / "score.py").exists():
        print(f"SKIP: no captures at {CORPORA}")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        families = score(folder)
    findings = [finding for family in THRESHOLDS
                for finding in judge(family, families[family])]
    print("\n".join(findings))
    sys.exit(1 if findings else 0)


main()
