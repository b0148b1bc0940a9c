#!/usr/bin/python3
"""A file has at most 500 lines, a C function 60, a line 100 characters (ARCHITECTURE.md §6)."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "lib"))
import lint  # noqa: E402

FILE_LINES, FUNCTION_LINES, LINE_CHARACTERS = 500, 60, 100


def sizes(path, text):
    lines = text.split("\n")
    if len(lines) - 1 > FILE_LINES:
        yield len(lines) - 1, f"{len(lines) - 1} lines, more than {FILE_LINES}"
    start = None
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_CHARACTERS and path.suffix != ".def":
            yield number, f"{len(line)} characters, more than {LINE_CHARACTERS}"
        if path.suffix not in (".c", ".h"):
            continue
        if line == "{":
            start = number
        elif line == "}" and start:
            if number - start + 1 > FUNCTION_LINES:
                yield start, f"a function of {number - start + 1} lines, more than {FUNCTION_LINES}"
            start = None


BAD = [
    ("a.c", "int a;\n" * 501),
    ("a.py", "x" * 101 + "\n"),
    ("a.c", "int f(void)\n{\n" + "    x();\n" * 60 + "}\n"),
]
GOOD = [
    ("a.c", "int a;\n" * 500),
    ("a.c", "/* " + "§" * 97 + "\n"),
    ("a.c", "int f(void)\n{\n" + "    x();\n" * 58 + "}\n"),
]

lint.run("sizes", [(sizes, BAD, GOOD)],
         lint.files(".c", ".h", ".def", ".py", ".sh", ".js", ".go") + [Path("quickstart")])
