#!/usr/bin/python3
"""What weir read makes of the captures of this folder is what stands beside them.

A scene is a folder with input.* (written by make_inputs.py), expected.ndjson, and where they differ
from the ordinary: `arguments`, `status` (0), `messages` (what is said on stderr but the totals).
test_captures.py --update writes what is expected from what weir says now.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
WEIR = os.environ.get("WEIR", str(HERE.parent.parent / "build" / "weir"))


def text(path, default=""):
    return path.read_text() if path.exists() else default


def run(folder, *files):
    """stdout, messages, status."""
    arguments = text(folder / "arguments").split()
    done = subprocess.run([WEIR, "read", "-o", "json", *arguments, *files], cwd=folder,
                          capture_output=True, timeout=60, check=False)
    said = done.stderr.decode()
    totals = re.search(r"^weir: seen (\d+) = logged (\d+) \+ filtered (\d+)(.*)$", said, re.M)
    if totals:
        lost = sum(map(int, re.findall(r"\) (\d+)", totals[4])))
        assert int(totals[1]) == int(totals[2]) + int(totals[3]) + lost, totals[0]
        lines = [json.loads(line) for line in done.stdout.decode().splitlines()]
        assert int(totals[2]) == sum(line["type"] != "loss" for line in lines), totals[0]
    messages = re.sub(r"^weir: (seen|read) .*\n", "", said, flags=re.M)
    return done.stdout.decode(), messages, done.returncode


def check(folder):
    """What is wrong with a scene."""
    file = next(folder.glob("input.*")).name
    out, messages, status = run(folder, file)
    if "--update" in sys.argv:
        (folder / "expected.ndjson").write_text(out)
        for name, value in (("messages", messages), ("status", f"{status}\n" if status else "")):
            if value:
                (folder / name).write_text(value)
        return
    if run(folder, file) != (out, messages, status):
        yield "not the same twice"
    with open(folder / file, "rb") as stream:
        arguments = text(folder / "arguments").split()
        piped = subprocess.run([WEIR, "read", "-o", "json", *arguments, "-"], stdin=stream,
                               capture_output=True, timeout=60, check=False)
    if piped.stdout.decode() != out or piped.returncode != status:
        yield "not the same from standard input"
    expected = text(folder / "expected.ndjson")
    for number, (is_, should) in enumerate(zip(out.splitlines(), expected.splitlines()), 1):
        if is_ != should:
            yield f"record {number} is\n  {is_}\nexpected\n  {should}"
    if out.count("\n") != expected.count("\n"):
        yield f"{out.count(chr(10))} records, expected {expected.count(chr(10))}"
    if messages != text(folder / "messages"):
        yield f"says {messages!r}"
    if status != int(text(folder / "status", "0")):
        yield f"exit status {status}"


def changed_inputs():
    """Inputs that are not what make_inputs.py writes."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, str(HERE / "make_inputs.py"), folder], check=True)
        for path in sorted(Path(folder).glob("*/input.*")):
            kept = HERE / path.relative_to(folder)
            if not kept.exists() or kept.read_bytes() != path.read_bytes():
                yield f"{kept.relative_to(HERE)} is not what make_inputs.py writes"


def main():
    if not os.access(WEIR, os.X_OK):
        print(f"SKIP: no binary at {WEIR}")
        sys.exit(77)
    findings = list(changed_inputs())
    folders = sorted(path.parent for path in HERE.glob("*/input.*"))
    for folder in folders:
        findings += [f"{folder.name}: {finding}" for finding in check(folder)]
    both = [str(HERE / name / "input.pcap") for name in ("exchange", "endings")]
    if run(HERE, *both)[2] != 0 or run(HERE, *both)[0].count("\n") < 8:
        findings.append("two files are not read as one capture")
    print("\n".join(findings) or f"{len(folders)} scenes as expected")
    sys.exit(1 if findings else 0)


main()
