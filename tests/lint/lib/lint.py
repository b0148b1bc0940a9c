"""
What every lint rule uses. A rule is a function rule(path, text) that yields (line, message); it is
first tried on samples: a bad one must be found, a good one must pass - so no rule is asleep.
Exceptions stand in exceptions.txt, one a line: RULE PATH REASON.
"""

import os
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = ("src", "bpf", "shared", "tests", "bench", "tools", "docs", "packaging", ".ci")
TEXT = (".c", ".h", ".def", ".py", ".sh", ".md", ".txt", ".js", ".go", ".8", ".service", ".json",
        ".yaml", ".yml", "")


def skip(reason):
    print(f"SKIP: {reason}")
    sys.exit(77)


def files(*suffixes, under=FOLDERS):
    """The project's own text files, as paths relative to its root."""
    found = []
    for folder in under:
        for directory, names, members in os.walk(ROOT / folder):
            names[:] = [name for name in names
                        if name not in ("__pycache__", "corpus", "results", "node_modules")]
            found += [Path(directory, member) for member in members]
    if under is FOLDERS:
        found += [path for path in ROOT.iterdir() if path.is_file()]
    wanted = suffixes or TEXT
    return sorted(path.relative_to(ROOT) for path in found
                  if path.suffix in wanted and path.name not in ("LICENSE", ".git")
                  and not path.is_symlink())


def read(path):
    return (ROOT / path).read_text(encoding="utf-8", errors="replace")


def exceptions(rule):
    """Paths that a rule does not apply to; each with its reason."""
    found = {}
    for line in read("tests/lint/exceptions.txt").splitlines():
        words = line.split(maxsplit=2)
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 3:
            print(f"exceptions.txt: no reason: {line}")
            sys.exit(1)
        if words[0] == rule:
            found[words[1]] = words[2]
    return found


def without_comments(text):
    """C text whose comments and string contents are blanked; line breaks stay."""
    def blank(match):
        token = match[0]
        if token.startswith(("'", '"')):
            return token[0] + " " * (len(token) - 2) + token[-1]
        return re.sub(r"[^\n]", " ", token)
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.DOTALL)


def self_test(rule, bad, good):
    """Both: lists of (path, text)."""
    for path, text in bad:
        if not list(rule(Path(path), text)):
            print(f"self-test: {rule.__name__} does not see what is wrong in {path}:\n{text}")
            sys.exit(1)
    for path, text in good:
        if found := list(rule(Path(path), text)):
            print(f"self-test: {rule.__name__} finds fault with {path}: {found}\n{text}")
            sys.exit(1)


def run(name, rules, paths):
    """rules: (rule, bad samples, good samples). Ends the program."""
    excepted = exceptions(name)
    paths = list(paths)
    findings = []
    for rule, bad, good in rules:
        self_test(rule, bad, good)
        for path in paths:
            if str(path) not in excepted:
                findings += [f"{path}:{line}: {what}" for line, what in rule(path, read(path))]
    for path in excepted:
        if not (ROOT / path).exists():
            findings.append(f"tests/lint/exceptions.txt: {path} is no file")
    print("\n".join(findings) or f"{name}: {len(paths)} files, nothing found")
    sys.exit(1 if findings else 0)
