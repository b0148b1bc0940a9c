#!/usr/bin/python3
"""docs/metrics.md names every metric, and nothing uses one that does not exist."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "lib"))
import lint  # noqa: E402

USERS = ("docs/metrics.md", "packaging/prometheus/weir.rules.yml", "packaging/grafana/weir.json")
FAMILY = re.compile(r"\b((?:http|rpc|db|dns|messaging|tls|network|tcp|weir|process)_[a-z0-9_]*"
                    r"(?:_seconds|_bytes|_total|_series|_records|_info))(?:_bucket|_sum|_count)?\b")


def metrics():
    text = (lint.ROOT / "src" / "refine" / "metrics.def").read_text()
    return set(re.findall(r'^METRIC\(\w+, "(\w+)"', text, re.MULTILINE))


def unknown(text, known):
    return {name for name in FAMILY.findall(text) if name not in known}


def main():
    known = metrics()
    if unknown("weir_no_such_total", known) != {"weir_no_such_total"}:
        print("self-test: a wrong name is not found")
        sys.exit(1)
    findings = [f"{path}: {name} is no metric" for path in USERS
                for name in sorted(unknown((lint.ROOT / path).read_text(), known))]
    page = (lint.ROOT / USERS[0]).read_text()
    findings += [f"{USERS[0]} does not name {name}" for name in sorted(known)
                 if f"`{name}`" not in page]
    print("\n".join(findings) if findings else f"metrics: {len(known)}, nothing found")
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
