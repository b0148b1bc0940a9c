#!/usr/bin/python3
"""Functions that the program does not call, with what to call in their place."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "lib"))
import lint  # noqa: E402

EVERYWHERE = {
    "strcpy strncpy stpcpy strcat strncat": "buffer, arena or snprintf",
    "sprintf vsprintf": "snprintf",
    "gets": "fgets or read",
    "atoi atol atoll atof strtok": "config/units or slice",
    "alloca": "an array with a named limit",
    "system popen": "nothing: the program starts no programs",
    "setjmp longjmp": "a return value",
    "rand srand random": "getrandom",
    "signal": "signalfd or sigaction",
    "gmtime localtime asctime ctime": "the _r functions",
    "inet_ntoa inet_aton inet_addr": "model/address",
}
OUTSIDE_BASE = {
    "malloc calloc realloc reallocarray free strdup strndup asprintf vasprintf":
        "base/allocate, arena or buffer, so that tests can make it fail",
}


def banned(path, text):
    plain = lint.without_comments(text)
    tables = [EVERYWHERE]
    if path.parts[:2] != ("src", "base"):
        tables.append(OUTSIDE_BASE)
    for table in tables:
        for names, instead in table.items():
            for match in re.finditer(rf"(?<![\w.>])({names.replace(' ', '|')})\s*\(", plain):
                yield plain.count("\n", 0, match.start()) + 1, f"{match[1]}: use {instead}"


BAD = [
    ("src/agent/a.c", "void f(char *a) { strcpy(a, b); }"),
    ("src/agent/a.c", "int f(char *a) { return atoi(a); }"),
    ("src/agent/a.c", "void *f(void) { return malloc(3); }"),
    ("src/base/a.c", "void f(char *a) { sprintf(a, \"x\"); }"),
]
GOOD = [
    ("src/base/a.c", "void *f(void) { return malloc(3); }"),
    ("src/agent/a.c", "/* strcpy(a) */ void f(void) { buffer_free(\"malloc(\"); table->free(x); }"),
]

lint.run("banned", [(banned, BAD, GOOD)], lint.files(".c", ".h", under=("src",)))
