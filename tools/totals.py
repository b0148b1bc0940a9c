#!/usr/bin/python3
"""
The end of a test run: how long it took, what failed, what was skipped and why, and the totals as
the last line. NAME_again.xml holds the second try of some tests of NAME.xml.

    tools/totals.py [--failed=NAME]... -- RESULTS.xml...

The results are what ctest --output-junit writes. Status 1 when anything failed or nothing ran.
"""

import argparse
import re
import sys
import xml.etree.ElementTree as xml

SLOW_SECONDS = 10
AGAIN = "_again.xml"  # results of a second try


def clean(text):
    """Without the characters that XML does not allow, which tests of odd bytes print."""
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd]", "?", text)


def read_cases(path):
    """(name, outcome, why, seconds) of each test; why also when it passed without a part of it."""
    with open(path, encoding="utf-8", errors="replace") as file:
        suite = xml.fromstring(clean(file.read()))
    for case in suite.iter("testcase"):
        outcome, why = judge(case)
        yield case.get("name"), outcome, why, float(case.get("time") or 0)


def judge(case):
    reasons = re.findall(r"^.*SKIP: *(.*)$", case.findtext("system-out") or "", re.MULTILINE)
    if case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
        message = case.find("skipped")
        given = message.get("message", "") if message is not None else ""
        if "SKIP_RETURN_CODE" in given or reasons:
            return "skipped", reasons[-1] if reasons else given
        return "failed", given or "not run"  # the program is not there or could not be started
    if case.find("failure") is not None or case.get("status") == "fail":
        failure = case.find("failure")
        return "failed", failure.get("message", "") if failure is not None else ""
    return "passed", "; ".join(dict.fromkeys(reasons))


def join_tries(results):
    """
    Of {path: cases}: those of NAME_again.xml take the place of NAME.xml's, and the first try is
    told beside them.
    """
    joined = []
    for path, cases in results.items():
        if path.endswith(AGAIN):
            continue
        again = {case[0]: case for case in results.get(path.removesuffix(".xml") + AGAIN, [])}
        for name, outcome, why, seconds in cases:
            if outcome == "failed" and name in again:
                _, outcome, why_now, more_seconds = again[name]
                why = "; ".join(filter(None, ["failed at the first try", why, why_now]))
                seconds += more_seconds
            joined.append((name, outcome, why, seconds))
    return joined


def print_times(cases):
    """The seconds of each kind of test, and of those that took long."""
    groups = {}
    for name, _, _, seconds in cases:
        groups.setdefault(name.split("_")[0], []).append((seconds, name))
    for group, members in sorted(groups.items()):
        slow = ", ".join(f"{name} {seconds:.0f} s" for seconds, name in sorted(members)[::-1]
                         if seconds >= SLOW_SECONDS)
        print(f"time: {group}: {sum(seconds for seconds, _ in members):.0f} s"
              + (f" ({slow})" if slow else ""))


def main():
    parser = argparse.ArgumentParser(description="Totals of a test run.")
    parser.add_argument("--failed", action="append", default=[], help="a step that failed")
    parser.add_argument("results", nargs="*")
    chosen = parser.parse_args()
    results = {}
    for path in chosen.results:
        try:
            results[path] = list(read_cases(path))
        except (OSError, xml.ParseError) as error:
            results[path] = [(path, "failed", str(error), 0)]
    cases = join_tries(results)
    print_times(cases)
    cases += [(name, "failed", "", 0) for name in chosen.failed if name]
    for wanted, words in (("passed", "passed, but"), ("skipped",) * 2, ("failed",) * 2):
        for name, outcome, reason, _ in cases:
            if outcome == wanted and (reason or outcome != "passed"):
                print(f"{words}: {name}" + (f": {reason}" if reason else ""))
    count = {kind: sum(outcome == kind for _, outcome, _, _ in cases)
             for kind in ("passed", "failed", "skipped")}
    print(f"{count['passed']} passed, {count['failed']} failed, {count['skipped']} skipped")
    sys.exit(1 if count["failed"] or not cases else 0)


if __name__ == "__main__":
    main()
