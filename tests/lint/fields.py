#!/usr/bin/python3
"""docs/fields.md is what tools/fields writes, and every name of a field follows the conventions."""

import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "lib"))
import lint  # noqa: E402

FIELD = re.compile(r'^FIELD\((\w+), "([^"]*)", (\w+), "(.*)"\)$')
NAME = re.compile(r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$")


def findings(text):
    """What is wrong with a table of fields."""
    seen = set()
    for number, line in enumerate(text.split("\n"), 1):
        if not line.startswith("FIELD"):
            continue
        match = FIELD.match(line)
        if not match:
            yield number, "is no FIELD(IDENTIFIER, \"name\", KIND, \"meaning\")"
            continue
        identifier, name, _, meaning = match.groups()
        if not NAME.match(name):
            yield number, f"{name}: lower-case words joined by dots and _"
        if identifier != name.upper().replace(".", "_"):
            yield number, f"{identifier} is not {name} in capitals"
        if name in seen:
            yield number, f"{name} stands there twice"
        if not meaning:
            yield number, f"{name} says nothing"
        seen.add(name)


BAD = ['FIELD(A, "A", TEXT, "x")', 'FIELD(B, "a.b", TEXT, "x")', 'FIELD(A, "a", TEXT, "")',
       'FIELD(A, "a", TEXT, "x")\nFIELD(A, "a", TEXT, "x")', "FIELD(A, a)"]


def main():
    if any(not list(findings(text)) for text in BAD) or \
            list(findings('FIELD(A_B_C, "a.b_c", TEXT, "x")')):
        sys.exit("self-test: a bad sample passes, or a good one does not")
    table = lint.ROOT / "src" / "model" / "fields.def"
    found = [f"{table}:{number}: {what}" for number, what in findings(table.read_text())]
    check = subprocess.run([sys.executable, str(lint.ROOT / "tools" / "fields"), "--check"],
                           capture_output=True, text=True, check=False)
    if check.returncode:
        found.append(check.stderr.strip())
    print("\n".join(found) or "fields: nothing found")
    sys.exit(1 if found else 0)


main()
