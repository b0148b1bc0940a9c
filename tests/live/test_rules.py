#!/usr/bin/python3
"""Rules: what is logged of whom, decided in the kernel where a process or an address is enough,
changed while weir runs; header rules; sampling. Every record is accounted for.

TIMEOUT: 300
"""

import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from harness import (WEIR, StartFailed, check, check_clean_end, require_weir,  # noqa: E402
                     run_main, temporary_directory)
import test_selection  # noqa: E402
import traffic  # noqa: E402


class Stage(test_selection.Stage):
    """The two servers and nobody else."""

    def write(self, text):
        ports = ", ".join(str(server.port) for server in self.servers)
        super().write(f"{text if text != '{}' else ''}\nport: [{ports}]")

    def barrier(self):
        self.renew(self.text)

    def renew(self, text):
        self.text = text
        super().renew(text)


def filtered(weir):
    """What the totals say of each reason, and whether it adds up."""
    weir.stop()
    reasons = {reason: int(count) for reason, count in
               re.findall(r"^weir: filtered, (.*): (\d+) records$", weir.stderr(), re.M)}
    check(sum(reasons.values()) == weir.totals.filtered,
          "the reasons add up to what was filtered", f"{reasons}, {weir.totals}")
    return reasons


def check_processes():
    """A server that a rule switches off is looked at no more; its client is not logged for it."""
    stage = Stage("{}")
    pid = stage.servers[0].process.pid
    rule = f"rules: [{{name: quiet, match: 'process.pid == {pid}', log: off}}]"
    stage.check_logged([0, 1], ["server"], "no rule: both")
    stage.renew(rule)
    stage.check_logged([1], ["server"], "off for a process: the other one only")
    check(traffic.wait_until(lambda: not stage.is_handed_over(0, 1)),
          "the kernel hands nothing over of it any more")
    check(stage.is_handed_over(1, 1), "but of the other one")
    stage.check_logged([1], ["server"], "and so it stays")
    stage.renew("{}")
    stage.check_logged([0, 1], ["server"], "the rule is gone: both, on the same connections")
    stage.renew(f"filter: 'process.pid != {pid}'")
    stage.check_logged([1], ["server"], "a filter for another process does the same")
    stage.renew(f"rules: [{{match: 'process.pid == {pid}'}}, {{log: off}}]")
    stage.check_logged([0], ["server"], "off for all but one: that one")
    stage.renew(f"rules: [{{match: 'server.port == {stage.servers[0].port}', log: off}}]")
    stage.check_logged([1], ["server"], "off for a port: the other one")
    stage.renew("{}")
    stage.check_logged([0, 1], ["server"], "nothing chosen again: both")
    check_clean_end(stage.weir)
    totals = stage.weir.totals
    check(totals.lost_sum == 0, "nothing is lost", str(totals))
    urls = [record.get("url.original") for record in stage.weir.records()]
    check(len(urls) == len(set(urls)), "no exchange is logged twice", str(urls))


def check_what_is_shown():
    stage = Stage("""rules:
  - {name: brief, match: 'url.path == "/1"', log: summary}
  - {name: none, match: 'url.path == "/2"', log: off}
header-rules:
  - {names: [host], action: include}
  - {names: [date, content-*], action: drop, in: response, match: 'http.response.status_code < 900'}
  - {names: ['*'], action: length}""")
    for _ in range(3):
        stage.request(0)
    traffic.wait_until(lambda: len(stage.weir.wait_for_records(2)) >= 2)
    check_clean_end(stage.weir)
    records = {record["url.path"]: record for record in stage.weir.records()}
    check(sorted(records) == ["/1", "/3"], "off logs nothing", str(sorted(records)))
    check("http.request.headers" not in records["/1"], "a summary has no headers")
    request = dict(records["/3"]["http.request.headers"])
    response = dict(records["/3"]["http.response.headers"])
    check(request.get("Host") == f"127.0.0.1:{stage.servers[0].port}"
          and request.get("Accept-Encoding") == "length:8", "headers by rule", str(request))
    check("Date" not in response and response.get("Server", "").startswith("length:"),
          "headers of the response by rule", str(response))
    reasons = filtered(stage.weir)
    check(reasons == {"none, off": 1}, "the rule that filtered is named", str(reasons))


def check_sampling():
    stage = Stage("""rules:
  - {name: kept, match: 'url.path == "/7"', sample: 0%, keep: 'url.path == "/7"'}
  - {name: some, match: 'url.path =~ "[02468]$"', sample: 50%}
  - {name: few, sample-per-second: 2}""")
    for _ in range(200):
        stage.request(0)
    check_clean_end(stage.weir)
    totals, reasons = stage.weir.totals, filtered(stage.weir)
    urls = [record["url.original"] for record in stage.weir.records()]
    check("/7" in urls, "what is to be kept is kept", str(urls))
    even = sum(url[-1] in "02468" for url in urls)
    check(20 <= even <= 80 and reasons.get("some, sampled out") == 100 - even,
          f"a half of 100 is about {even}", str(reasons))
    odd = len(urls) - even - 1
    check(odd >= 2 and reasons.get("few, sampled out") == 99 - odd,
          f"of 99 within some seconds {odd} are written", str(reasons))
    check(totals.seen == 200 and totals.logged == len(urls), "every exchange is accounted for",
          str(totals))


def check_mistakes():
    """File, line, column, the wrong key, the nearest right one, what is allowed."""
    file = Path(temporary_directory()) / "wrong.yaml"
    for text, says in (
            ("rules:\n  - {macht: x}", "unknown key 'macht' of this rule; did you mean 'match'?"),
            ("rules:\n  - match: 'url.pth == x'", ":2:12: match: column 1: there is no field"),
            ("rules:\n  - log: loud", "not one of heads, summary, off"),
            ("header-rules:\n  - action: mask", "header rule names headers"),
            ("header-rules:\n  - {names: a, action: hash}", "hash needs a key; see mask-key-file")):
        file.write_text(text + "\n")
        ended = subprocess.run([WEIR, "config", "check", str(file)], capture_output=True, text=True,
                               check=False, env=dict(os.environ))
        check(ended.returncode == 2 and says in ended.stderr and str(file) in ended.stderr,
              f"config check: {says}", ended.stderr)


def main():
    check_mistakes()
    require_weir()
    check_processes()
    check_what_is_shown()
    check_sampling()


if __name__ == "__main__":
    try:
        run_main(main)
    except StartFailed as failed:
        print(failed)
        sys.exit(1)
