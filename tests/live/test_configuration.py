#!/usr/bin/python3
"""Options from a file, and read again at SIGHUP: what selects and masks changes, nothing is lost.

TIMEOUT: 120
"""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from harness import (WEIR, StartFailed, Weir, check, check_clean_end,  # noqa: E402
                     require_weir, run_main, temporary_directory)
import servers  # noqa: E402
import traffic  # noqa: E402

SECRET = "canary-in-a-header"
SAME = 12  # requests with the same head in a turn


def request(port, path):
    """One exchange; the header X-Canary is secret only when the configuration says so."""
    with urllib.request.urlopen(urllib.request.Request(
            f"http://127.0.0.1:{port}{path}", headers={"X-Canary": SECRET})) as response:
        response.read()


def canary_of(record):
    return {name.lower(): value for name, value in record["http.request.headers"]}["x-canary"]


# What is written, where the mistake is, and what is said of it.
MISTAKES = [
    ("outptu: json", "1:1", "unknown key 'outptu'; did you mean 'output'?"),
    ("head:\n  limt: 1KiB", "2:3", "did you mean 'head-limit'?"),
    ("output: jsno", "1:9", "is not one of auto, pretty, json"),
    ("output: {json: 1}", "1:9", "a single value is expected"),
    ("output: json\noutput: json", "2:1", "output is set twice, first in line 1"),
    ("quiet: maybe", "1:8", "'maybe' is not true or false"),
    ("ring-size: 5MiB", "1:12", "is no power of two"),
    ("ring-size: 1KiB", "1:12", "allowed is 64KiB to 1GiB"),
    ("statistics-interval: 5x", "1:22", "numbers with units"),
    ("port: [80, abc]", "1:12", "allowed is 1 to 65535"),
    ("pid: [0]", "1:7", "allowed is 1 to 4194304"),
    ("address: [10.0.0.0/33]", "1:11", "allowed are such as 192.0.2.7, 10.0.0.0/8"),
    ("profile: gatway", "1:10", "did you mean 'gateway'?"),
    ("quiet: yes\nfilter: 'url.pth == x'", "2:9", "did you mean url.path?"),
    ("cgroup: [/nowhere]", "1:9", "/nowhere is no directory"),
    ("mask: {key-file: /nowhere}", "1:18", "No such file"),
    ("kubernetes: x", "1:13", "neither auto nor off nor a URL"),
    ("rules: [{match: 'status > 3'}]", "1:17", "http.response.status_code"),
    ("sinks:\n - type: htp", "2:4", "did you mean 'http'?"),
    ("sinks:\n - {type: http, url: 'http://x', compresion: gzip}", "2:34", "'compression'?"),
    ("port: [80", "2:1", "did not find expected"),
    ("\tport: 80", "1:1", "cannot start any token"),
    ("just a text", "1:1", "keys with values are expected"),
]
VARIABLES = [
    ("WEIR_OUTPUT=jsno", 2, "WEIR_OUTPUT: 'jsno' is not one of"),
    ("WEIR_QUIET=maybe", 2, "WEIR_QUIET: 'maybe' is not one of 1, 0, true"),
    ("WEIR_FILTER=url.pth", 2, "WEIR_FILTER: column 1: there is no field"),
    ("WEIR_CGROUP=/nowhere", 2, "WEIR_CGROUP: /nowhere is no directory"),
    ("WEIR_SINK=htp=x", 2, "WEIR_SINK: 'htp' is no type of sink"),
    ("WEIR_OUTPTU=json", 0, "no option has the variable WEIR_OUTPTU; did you mean WEIR_OUTPUT?"),
]


def config_check(*arguments, variable=None):
    environment = dict(os.environ, **({variable[0]: variable[1]} if variable else {}))
    return subprocess.run([WEIR, "config", "check", *map(str, arguments)], capture_output=True,
                          text=True, check=False, env=environment)


def check_mistakes():
    """Each kind of mistake is told with its place, and ends with status 2."""
    file = Path(temporary_directory()) / "weir.yaml"
    for text, place, says in MISTAKES:
        file.write_text(text + "\n")
        ended = config_check(file)
        check(ended.returncode == 2 and ended.stderr.startswith(f"weir: {file}:{place}: ")
              and says in ended.stderr, f"config check: {says}", ended.stderr)
    file.write_text("quiet: true\n")
    for variable, status, says in VARIABLES:
        ended = config_check(file, variable=variable.split("=", 1))
        check(ended.returncode == status and says in ended.stderr, f"variable: {says}",
              ended.stderr)
    ended = config_check(file, "--prot", "3")
    check(ended.returncode == 2 and "did you mean --port?" in ended.stderr,
          "argument: the nearest right one", ended.stderr)


class Stage:
    """A server, weir on its port, and the file that configures it."""

    def __init__(self):
        directory = Path(temporary_directory())
        self.server = servers.python_threads(directory)
        self.file = directory / "weir.yaml"
        self.write("mask-name: [x-other]\n")
        self.weir = Weir("--config", self.file)

    def write(self, text):
        self.file.write_text(f"{text}quiet: false\n")

    def renew(self, text, says):
        """SIGHUP, and what weir says of it."""
        before = self.weir.stderr().count(says)
        self.write(text)
        self.weir.process.send_signal(signal.SIGHUP)
        check(traffic.wait_until(lambda: self.weir.stderr().count(says) > before),
              f"SIGHUP: {says}", self.weir.stderr()[-500:])

    def records(self, count):
        return self.weir.wait_for_records(count, server_port=self.server.port)


def check_command():
    directory = Path(temporary_directory())
    file = directory / "wrong.yaml"
    file.write_text("output: json\nhead:\n  limt: 1KiB\n")
    for command in (["config", "check", file], ["run", "--config", file]):
        ended = subprocess.run([WEIR, *map(str, command)], capture_output=True, text=True,
                               check=False)
        check(ended.returncode == 2 and f"{file}:3:3: " in ended.stderr
              and "'head-limit'" in ended.stderr, f"{command[0]}: a wrong key is named",
              ended.stderr)
    file.write_text("head: {limit: 1KiB}\n")
    environment = dict(os.environ, WEIR_OUTPUT="logfmt")
    ended = subprocess.run([WEIR, "config", "show", str(file), "--port", "81"], text=True,
                           capture_output=True, check=False, env=environment)
    for line in (f"head-limit: 1KiB  # {file}:1", "output: logfmt  # WEIR_OUTPUT",
                 "port: [81]  # --port", "ring-size: 4MiB  # default"):
        check(line in ended.stdout.splitlines(), f"config show: {line}", ended.stdout)


def check_renewal():
    stage = Stage()
    port = stage.server.port
    request(port, "/1")
    check(canary_of(stage.records(1)[0]) == SECRET, "the file's names are masked, no others")
    stage.renew("mask-name: [x-canary]\n", "configuration read again")
    request(port, "/2")
    check(canary_of(stage.records(2)[1]) == "***", "a new name is masked at once")
    stage.renew("mask-name: [x-canary]\nhead-limt: 1\n", "the old configuration stays in force")
    check("did you mean 'head-limit'?" in stage.weir.stderr(), "a wrong file is told")
    request(port, "/3")
    check(canary_of(stage.records(3)[2]) == "***", "a wrong file changes nothing")
    stage.renew("filter: 'url.path == \"/5\"'\nring-size: 8MiB\n", "configuration read again")
    check("ring-size has changed; that needs a restart" in stage.weir.stderr(),
          "what needs a restart is named", stage.weir.stderr()[-500:])
    for path in ("/4", "/5"):
        request(port, path)
    records = stage.records(4)
    check([r["url.original"] for r in records] == ["/1", "/2", "/3", "/5"],
          "a new filter holds at once, and no record is lost", json.dumps(records)[:500])
    check(canary_of(records[3]) == SECRET, "a name that is gone is masked no more")
    check_clean_end(stage.weir)
    check(stage.weir.totals.lost_sum == 0, "nothing is lost", str(stage.weir.totals))


def check_renewal_of_the_same():
    """Heads that are the same as before are masked as the options of the moment say."""
    stage = Stage()
    turns = [("mask-name: [x-other]\n", SECRET), ("mask-name: [x-canary]\n", "***"),
             ("mask-name: [x-other]\n", SECRET), ("mask-name: [x-canary]\n", "***")]
    for turn, (text, left) in enumerate(turns):
        if turn:
            stage.renew(text, "configuration read again")
        for _ in range(SAME):
            request(stage.server.port, "/9")
        records = stage.records((turn + 1) * SAME)
        seen = [canary_of(record) for record in records[turn * SAME:]]
        check(seen == [left] * SAME, f"the same head in turn {turn} shows {left}", str(seen))
    check_clean_end(stage.weir)
    check(stage.weir.totals.lost_sum == 0, "the same heads: nothing is lost",
          str(stage.weir.totals))


def main():
    check_command()
    check_mistakes()
    require_weir()
    check_renewal()
    check_renewal_of_the_same()


if __name__ == "__main__":
    try:
        run_main(main)
    except StartFailed as failed:
        print(failed)
        sys.exit(1)
