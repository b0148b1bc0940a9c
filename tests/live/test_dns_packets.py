#!/usr/bin/python3
"""DNS over UDP, seen live in packets: unbound under dnsperf, as fast as it goes, in a network
namespace of its own, where its port is free. What dnsperf counts is what the records tell.
TIMEOUT: 180
"""

import collections
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from harness import (Weir, check, check_empty, require_weir, run_main, skip,  # noqa: E402
                     temporary_directory)
import servers  # noqa: E402

INSIDE = "WEIR_TEST_IN_NAMESPACE"
QUERIES = 30000
CONFIGURATION = """server:
  directory: "{folder}"
  username: ""
  chroot: ""
  interface: 127.0.0.1
  port: 53
  use-syslog: no
  pidfile: ""
  local-zone: "example." static
  local-data: "www.example. A 192.0.2.1"
  local-data: "www.example. AAAA 2001:db8::1"
remote-control:
  control-enable: no
"""


def enter_namespace():
    """The same test once more, in a new network namespace."""
    if os.environ.get(INSIDE):
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    for program in ("unshare", "ip"):
        if not shutil.which(program):
            skip(f"{program} is not installed")
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        skip("no network namespace can be made")
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])


def ask(folder):
    """(sent, completed, {response code: count})"""
    (folder / "queries").write_text("www.example A\nwww.example AAAA\nnone.example A\n")
    said = subprocess.run(["dnsperf", "-s", "127.0.0.1", "-d", folder / "queries", "-c", "4", "-q",
                           "100", "-n", str(QUERIES // 3)], check=True, capture_output=True,
                          text=True, timeout=100).stdout
    codes = re.findall(r"([A-Z]+) (\d+)", re.search(r"Response codes:(.*)", said)[1])
    return (int(re.search(r"Queries sent:\s+(\d+)", said)[1]),
            int(re.search(r"Queries completed:\s+(\d+)", said)[1]),
            {name: int(count) for name, count in codes})


def main():
    require_weir()
    try:
        programs = [servers.find_program(name) for name in ("unbound", "dnsperf")]
    except servers.Missing as missing:
        skip(str(missing))
    enter_namespace()
    folder = temporary_directory()
    (folder / "unbound.conf").write_text(CONFIGURATION.format(folder=folder))
    server = subprocess.Popen([programs[0], "-d", "-c", folder / "unbound.conf"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              preexec_fn=servers.die_with_parent)
    try:
        servers.wait_for_port("127.0.0.1", 53, server)
        with Weir("--packets=lo", "--packet-ring-size", "64MiB", "--queue-size",
                  "256MiB") as weir:
            sent, completed, codes = ask(folder)
            check(weir.stop() == 0, "weir ends with status 0", weir.stderr()[-1500:])
            check(weir.totals.is_identity, f"seen = logged + filtered + lost: {weir.totals}")
    finally:
        server.kill()
        server.wait()
    records = [r for r in weir.records(kind="dns") if r["source"] == "tc"]
    lost = weir.totals.lost_sum
    check(sent - lost <= len(records) <= sent,
          f"all {sent} queries are the records, or counted as lost", f"{len(records)}, {lost} lost")
    if lost:
        return
    answered = [r for r in records if "dns.response_code" in r]
    told = collections.Counter(r["dns.response_code"] for r in answered)
    # On a busy host answers may come when dnsperf does not wait any more.
    check(len(answered) >= completed and all(told[name] >= codes[name] for name in codes),
          f"{completed} of them with their answers", f"{told}, dnsperf says {codes}")
    check_empty([r["flags"] for r in answered if "flags" in r], "no flag without a cause")
    data = {(r["dns.question.type"], answer["data"])
            for r in answered for answer in r.get("dns.answers", ())}
    check(data == {("A", "192.0.2.1"), ("AAAA", "2001:db8::1")}, "what was answered", str(data))


run_main(main)
