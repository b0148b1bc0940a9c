#!/usr/bin/python3
# TIMEOUT: 2400
"""clang-tidy with the checks of .clang-tidy over src/; needs the build's compile_commands.json."""

import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "lib"))
import lint  # noqa: E402

BUILD = Path(os.environ.get("WEIR_BUILD", lint.ROOT / "build"))
PROGRAM = shutil.which("clang-tidy")
BAD = "#include <string.h>\nint f(char *a)\n{\n    if (a)\n        ;\n    return *a;\n}\n"
GOOD = "int f(const char *a);\nint f(const char *a)\n{\n    return *a;\n}\n"


def tidy(*arguments):
    done = subprocess.run([PROGRAM, "--quiet", *arguments], capture_output=True, text=True,
                          check=False, cwd=lint.ROOT)
    return [line for line in done.stdout.splitlines() if re.search(r": (warning|error):", line)]


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        for name, text, is_wrong in (("bad.c", BAD, True), ("good.c", GOOD, False)):
            path = Path(folder, name)
            path.write_text(text)
            found = tidy(f"--config-file={lint.ROOT / '.clang-tidy'}", str(path), "--")
            if bool(found) != is_wrong:
                print(f"self-test: {name}: {found}")
                sys.exit(1)


def main():
    if not PROGRAM:
        lint.skip("clang-tidy is not installed")
    database = BUILD / "compile_commands.json"
    if not database.exists():
        lint.skip(f"{database} is not there: configure the build first")
    self_test()
    known = {entry["file"] for entry in json.loads(database.read_text())}
    paths = sorted(path for path in known if path.startswith(f"{lint.ROOT}/src/"))
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda path: tidy("-p", str(BUILD), path), paths)
        findings = sorted({line for result in results for line in result
                           if line.startswith(str(lint.ROOT / "src"))})  # not generated ones
    print("\n".join(findings) or f"tidy: {len(paths)} files, nothing found")
    sys.exit(1 if findings else 0)


main()
