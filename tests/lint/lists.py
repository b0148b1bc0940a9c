#!/usr/bin/python3
"""A line of a .def list has its file, and a file that defines an entry has its line."""

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "lib"))
import lint  # noqa: E402

# list -> macro, file of an entry, what the file defines
LISTS = {
    "src/parse/parsers.def": ("PARSER", "src/parse/{}.c", r"const struct parser parser_(\w+)\s*="),
    "src/encode/encoders.def": ("ENCODER", "src/encode/{}.c",
                                r"const struct encoder encoder_(\w+)\s*="),
    "src/sink/sinks.def": ("SINK", "src/sink/{}.c", r"const struct sink sink_(\w+)\s*="),
}


def entries(text, macro):
    """(line, name) of each entry."""
    plain = lint.without_comments(text)
    return [(plain.count("\n", 0, match.start()) + 1, match[1])
            for match in re.finditer(rf"^{macro}\((\w+)", plain, re.MULTILINE)]


def compare(listed, defined):
    """listed: (line, name); defined: names that a file defines."""
    names = [name for _, name in listed]
    for line, name in listed:
        if name not in defined:
            yield line, f"{name} is listed, and no file of its name defines it"
        if names.count(name) > 1:
            yield line, f"{name} is listed twice"
    for name in sorted(defined - set(names)):
        yield 1, f"{name} is defined, and not listed"


def lists(path, text):
    macro, pattern, definition = LISTS[str(path)]
    defined = set()
    for source in (lint.ROOT / path).parent.glob("*.c"):
        for name in re.findall(definition, source.read_text()):
            if str(source.relative_to(lint.ROOT)) == pattern.format(name):
                defined.add(name)
    yield from compare(entries(text, macro), defined)


assert list(compare([(1, "a")], set())), "self-test: a line without its file"
assert list(compare([], {"a"})), "self-test: a file without its line"
assert list(compare([(1, "a"), (2, "a")], {"a"})), "self-test: twice"
assert not list(compare([(1, "a")], {"a"})), "self-test: all is right"
assert entries("/* PARSER(x) */\nPARSER(y)\n", "PARSER") == [(2, "y")], "self-test: comments"

lint.run("lists", [(lists, [], [])], map(Path, LISTS))
