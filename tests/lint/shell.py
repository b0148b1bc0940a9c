#!/usr/bin/python3
"""shellcheck over all shell scripts."""

import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "lib"))
import lint  # noqa: E402

PROGRAM = shutil.which("shellcheck") or lint.skip("shellcheck is not installed")


def shell(path, text):
    done = subprocess.run([PROGRAM, "--format=gcc", "--shell=bash", "-"], input=text, text=True,
                          capture_output=True, check=False, cwd=(lint.ROOT / path).parent)
    for line in done.stdout.splitlines():
        _, number, message = line.split(":", 2)
        yield int(number), message


def scripts():
    for path in lint.files(".sh", ""):
        if path.suffix == ".sh" or lint.read(path).startswith(("#!/usr/bin/env bash", "#!/bin/")):
            yield path


lint.run("shell", [(shell, [("a.sh", "#!/bin/bash\nrm $1\n")],
                    [("a.sh", "#!/bin/bash\nrm \"$1\"\n")])], scripts())
