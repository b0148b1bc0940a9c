#!/usr/bin/python3
"""clang-format changes nothing. Versions differ in details, so one major version counts."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "lib"))
import lint  # noqa: E402

MAJOR = 14


def find_program():
    for name in (f"clang-format-{MAJOR}", "clang-format"):
        if program := shutil.which(name):
            version = subprocess.run([program, "--version"], capture_output=True, text=True,
                                     check=True).stdout
            if re.search(rf"version {MAJOR}\.", version):
                return program
    return lint.skip(f"clang-format {MAJOR} is not installed")


PROGRAM = find_program()


def formatted(path, text):
    done = subprocess.run([PROGRAM, "--dry-run", f"--assume-filename={lint.ROOT / path}"],
                          input=text, capture_output=True, text=True, check=False, cwd=lint.ROOT)
    found = re.findall(r"^[^\n]*?:(\d+):\d+: (?:warning|error)", done.stderr, re.MULTILINE)
    if found or done.returncode != 0:
        yield (found or [1])[0], f"tools/format changes {len(found)} places"


lint.run("format", [(formatted, [("src/a.c", "int  f( void ) {return 1;}\n")],
                     [("src/a.c", "int f(void)\n{\n    return 1;\n}\n")])],
         lint.files(".c", ".h"))
