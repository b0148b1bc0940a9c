"""Results that are kept: bench/results/NAME.json and .md, and the pages that quote them."""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"


def write(name, results, text):
    (RESULTS / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n")
    (RESULTS / f"{name}.md").write_text(text)


def read(name):
    return json.loads((RESULTS / f"{name}.json").read_text())


def put_between(page, name, text):
    """Replaces what stands in `page` between the comments NAME:begin and NAME:end."""
    path = ROOT / page
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    changed, count = re.subn(f"{re.escape(begin)}.*?{re.escape(end)}",
                             lambda _: f"{begin}\n{text}{end}", path.read_text(), flags=re.S)
    if count != 1:
        sys.exit(f"{page} needs {begin} and {end} once")
    path.write_text(changed)


def machine_text(machine):
    return f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}"
