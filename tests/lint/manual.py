#!/usr/bin/python3
"""docs/man, docs/configuration.md and the table of docs/ilogtail.md are what
`weir --man` writes, and the formatter has nothing to complain about of the first."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "lib"))
import lint  # noqa: E402

WEIR = os.environ.get("WEIR", str(lint.ROOT / "build" / "weir"))
PAGES = {"weir": "weir.8", "run": "weir-run.8", "read": "weir-read.8", "trace": "weir-trace.8",
         "config": "weir-config.8",
         "doctor": "weir-doctor.8",
         "sinks": "weir-sinks.8"}


def complaints(page):
    """What groff says about a page."""
    if not shutil.which("groff"):
        return ""
    return subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-rLL=100n"], input=page, text=True,
                          capture_output=True, check=False).stderr


def page_findings(file, name, is_current):
    """Is a page of docs/ what the tables say?"""
    page = subprocess.run([WEIR, "--man", name], capture_output=True, text=True, check=True).stdout
    path = lint.ROOT / "docs" / file
    if path.exists() and is_current(path.read_text(), page):
        return []
    return [f"docs/{file} is not current: run tools/manual"]


def main():
    if not os.access(WEIR, os.X_OK):
        lint.skip(f"no binary at {WEIR}")
    if shutil.which("groff") and not complaints(".TH A 8\n.NOSUCH\n"):
        print("self-test: groff is silent about a wrong page")
        sys.exit(1)
    findings = []
    for name, file in PAGES.items():
        page = subprocess.run([WEIR, "--man", name], capture_output=True, text=True,
                              check=True).stdout
        path = lint.ROOT / "docs" / "man" / file
        if not path.exists() or path.read_text() != page:
            findings.append(f"docs/man/{file} is not current: run tools/manual")
        if said := complaints(page):
            findings.append(f"docs/man/{file}: {said}")
    for path in (lint.ROOT / "docs" / "man").glob("*"):
        if path.name not in PAGES.values():
            findings.append(f"{path}: no command writes it")
    example = subprocess.run([WEIR, "config", "example"], capture_output=True, text=True,
                             check=True).stdout
    path = lint.ROOT / "packaging" / "weir.yaml"
    if not path.exists() or path.read_text() != example:
        findings.append("packaging/weir.yaml is not current: run tools/manual")
    findings += page_findings("configuration.md", "reference", lambda own, page: own == page)
    findings += page_findings("ilogtail.md", "ilogtail", lambda own, page: page in own)
    print("\n".join(findings) or f"manual: {len(PAGES)} pages, nothing found")
    sys.exit(1 if findings else 0)


main()
