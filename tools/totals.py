#!/usr/bin/python3
"""
The end of a test run: what failed, what was skipped and why, and the totals as the last line.

    tools/totals.py [--failed=NAME]... -- RESULTS.xml...

The results are what ctest --output-junit writes. Status 1 when anything failed or nothing ran.
"""

import argparse
import re
import sys
import xml.etree.ElementTree as xml


def clean(text):
    """Without the characters that XML does not allow, which tests of odd bytes print."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd]", "?", text)


def read_cases(path):
    with open(path, encoding="utf-8", errors="replace") as file:
        suite = xml.fromstring(clean(file.read()))
    for case in suite.iter("testcase"):
        output = case.findtext("system-out") or ""
        reason = re.search(r"^.*SKIP: *(.*)$", output, re.MULTILINE)
        if case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
            message = case.find("skipped")
            given = message.get("message", "") if message is not None else ""
            if "SKIP_RETURN_CODE" in given or reason:
                yield case.get("name"), "skipped", reason[1] if reason else given
            else:  # the program is not there or could not be started
                yield case.get("name"), "failed", given or "not run"
        elif case.find("failure") is not None or case.get("status") == "fail":
            yield case.get("name"), "failed", case.find("failure").get("message", "")
        else:
            yield case.get("name"), "passed", ""


def main():
    parser = argparse.ArgumentParser(description="Totals of a test run.")
    parser.add_argument("--failed", action="append", default=[], help="a step that failed")
    parser.add_argument("results", nargs="*")
    chosen = parser.parse_args()
    cases = [(name, "failed", "") for name in chosen.failed if name]
    for path in chosen.results:
        try:
            cases += read_cases(path)
        except (OSError, xml.ParseError) as error:
            cases.append((path, "failed", str(error)))
    for wanted in ("failed", "skipped"):
        for name, outcome, reason in cases:
            if outcome == wanted:
                print(f"{wanted}: {name}" + (f": {reason}" if reason else ""))
    count = {kind: sum(outcome == kind for _, outcome, _ in cases)
             for kind in ("passed", "failed", "skipped")}
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    sys.exit(1 if count["failed"] or not cases else 0)


if __name__ == "__main__":
    main()
