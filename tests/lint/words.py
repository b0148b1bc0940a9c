#!/usr/bin/python3
"""Words that do not belong here: unfinished business, one machine's paths, foreign hosts."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "lib"))
import lint  # noqa: E402

# Written in halves, so that this file passes its own test.
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|HA" + r"CK)\b")
MACHINE = re.compile(r"(?<![\w.<>/-])/(wo" + r"rk|fa" + r"rm|ho" + r"me)/\w")
HOSTS = re.compile(r"https?://([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,})")
# Names that are reserved or only said (RFC 2606, RFC 6761, RFC 8375), and where specifications are.
ALLOWED_HOST = re.compile(r"(^|\.)(example|test|invalid|localhost|local|internal"
                          r"|example\.(com|org|net)|rfc-editor\.org|kernel\.org|apache\.org|w3\.org"
                          r"|opentelemetry\.io)$")


def words(path, text):
    for number, line in enumerate(text.split("\n"), 1):
        if match := UNFINISHED.search(line):
            yield number, f"{match[1]}: finish it or open an issue"
        if match := MACHINE.search(line):
            yield number, f"{match[0]}...: a path of one machine"
        for host in HOSTS.findall(line):
            if not ALLOWED_HOST.search(host):
                yield number, f"{host}: a host that the project should not name"


BAD = [
    ("a.c", "/* TO" "DO: later */"),
    ("a.sh", "cd /wo" "rk/main"),
    ("a.md", "see https://registry." "acme.io/x"),
]
GOOD = [
    ("a.c", "mkstemp(\"/tmp/aXXXXXX\") /* homework/x */"),
    ("a.md", "https://www.rfc-editor.org/rfc/rfc9110 http://127.0.0.1:80/ http://api.example.com/"),
]

lint.run("words", [(words, BAD, GOOD)], lint.files())
