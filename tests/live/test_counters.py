#!/usr/bin/python3
"""The counters add up exactly, also when weir is too slow on purpose.

A known number of numbered exchanges runs while weir is stopped now and then and its ring is small.
Each exchange must be logged or counted as lost, and what is logged must be right: the server echoes
the number, so a response given to a wrong request would show.
"""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from harness import (RUNG, WEIR, Totals, Weir, check, check_clean_end, check_empty,
                     compile_program, flags, note, parse_record, require_weir, run_main,
                     temporary_directory)
from harness import servers, traffic
from control_groups import CPU, LimitedGroup
from play import Stage

LANES = 4
SMALL_RING = "256K"
WRK_SCRIPT = """
lanes, lane = 0, 0
setup = function(thread) thread:set("lane", lanes); lanes = lanes + 1 end
init = function() count = 0 end
request = function()
    count = count + 1
    return wrk.format("GET", "/bytes/11", {["X-Seq"] = "wrk-" .. lane .. "-" .. count})
end
"""


def run_numbered(program, server, prefix, lanes, connections, requests):
    """How many exchanges were answered rightly; all of them, or the test itself is broken."""
    done = subprocess.run([program, server.address, str(server.port), prefix, str(lanes),
                           str(connections), str(requests)], capture_output=True, text=True,
                          check=False)
    total = lanes * connections * requests
    if done.returncode != 0 or int(done.stdout) != total:
        raise RuntimeError(f"numbered: {done.stdout} of {total}: {done.stderr}")
    return total


def check_pairs(records, what):
    """No record holds a request and another request's response."""
    wrong = []
    for record in records:
        asked, answered = traffic.sequence_of(record), traffic.sequence_of(record, "response")
        if asked is None and answered is None:
            wrong.append(f"no number at all: {str(record)[:400]}")
        elif asked is not None and answered is not None and asked != answered:
            wrong.append(f"{asked} paired with {answered}")
        elif (asked is None or answered is None) and not flags(record) & {"unpaired", "gap",
                                                                          "incomplete"}:
            wrong.append(f"half a record without a flag: {str(record)[:400]}")
        elif (asked is not None and answered is not None and not flags(record)
              and record.get("http.response.body.size") != 11):
            wrong.append(f"{asked}: body of {record.get('http.response.body.size')}")
    check_empty(wrong, f"{what}: no record of {len(records)} is paired wrongly")


def numbers_in(records):
    """Every number that has a record, and those that have two."""
    seen, twice = set(), []
    for record in records:
        number = traffic.sequence_of(record) or traffic.sequence_of(record, "response")
        if number in seen:
            twice.append(number)
        seen.add(number)
    return seen, twice


def check_losses(weir, sent, what):
    records = weir.records(server_port=weir.server_port)
    totals = weir.totals
    check_pairs(records, what)
    seen, twice = numbers_in(records)
    check_empty(twice, f"{what}: no exchange is logged twice")
    whole = sum(1 for record in records if traffic.sequence_of(record)
                and traffic.sequence_of(record, "response"))
    note(f"{what}: {sent} sent, {totals}, {whole} of {len(records)} records whole")
    check(totals.logged + totals.lost_sum == sent and totals.seen == sent + totals.filtered,
          f"{what}: {sent} sent = {totals.logged} logged + {totals.lost_sum} lost", str(totals))
    check(len(seen) == totals.logged, f"{what}: logged is the number of exchanges in the log",
          f"{len(seen)} in the log, {totals}")
    losses = weir.records("loss")
    counted = {}
    for loss in losses:
        reason = loss.get("loss.reason")
        counted[reason] = counted.get(reason, 0) + loss.get("loss.count", 0)
    wanted = {reason: count for reason, count in totals.lost.items() if count}
    check({reason: count for reason, count in counted.items() if count} == wanted,
          f"{what}: loss records add up to the totals' {wanted}", str(counted))
    return records


def run_in_time(server, program):
    """A capture that keeps up: nothing is lost."""
    with Weir("--port", server.port) as weir:
        weir.server_port = server.port
        sent = run_numbered(program, server, "fast", LANES, 2, 2500)
        check_clean_end(weir)
    check_losses(weir, sent, "keeping up")
    check(weir.totals.lost_sum == 0, "keeping up: nothing is lost", str(weir.totals))
    logged = {line[0] for line in server.log_lines()}
    seen, _ = numbers_in(weir.records(server_port=server.port))
    check(seen == {number for number in logged if number.startswith("fast")},
          "keeping up: the ids are those of the server's access log")


def run_stopped(server, program):
    """weir is stopped by a signal in the middle, several times, with a small ring."""
    with Weir("--port", server.port, "--ring-size", SMALL_RING) as weir:
        weir.server_port = server.port
        sent = 0
        for turn in range(3):
            sent += run_numbered(program, server, f"calm{turn}", LANES, 1, 200)
            weir.pause()
            runner = threading.Thread(target=run_numbered, args=(
                program, server, f"stopped{turn}", LANES, 2 + turn, 500))
            runner.start()
            runner.join()
            sent += LANES * (2 + turn) * 500
            weir.resume()
            time.sleep(0.3)
        sent += run_numbered(program, server, "after", LANES, 1, 300)
        check_clean_end(weir)
    records = check_losses(weir, sent, "stopped")
    check(weir.totals.lost_sum > 0, "stopped: the ring did overflow", str(weir.totals))
    seen, _ = numbers_in(records)
    missing = [f"after-{lane}-0-{n}" for lane in range(LANES) for n in range(300)
               if f"after-{lane}-0-{n}" not in seen]
    check_empty(missing, "stopped: everything is logged again afterwards")


def wait_until_idle(pid):
    """Until what was waiting is worked off: no CPU time in 0.3 s."""
    spent, before = None, ()
    while spent != before:
        before = spent
        time.sleep(0.3)
        spent = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]


def run_in_small_share(server, program):
    """weir may use a twentieth of a CPU while more comes than it can take, and all of it later."""
    with Weir("--port", server.port, "--ring-size", SMALL_RING) as weir:
        weir.server_port = server.port
        group = LimitedGroup(CPU, weir.process.pid, share_us=5000)
        if not group.path:
            note("left out: no control group with a limit of CPU time can be made here")
            return
        sent = run_numbered(program, server, "share", LANES, 2, 2000)
        throttled = (group.path / "cpu.stat").read_text()
        group.give_back(weir.process.pid)
        group.remove()
        wait_until_idle(weir.process.pid)
        sent += run_numbered(program, server, "after", LANES, 1, 300)
        check_clean_end(weir)
    records = check_losses(weir, sent, "5 % of a CPU")
    note(f"5 % of a CPU: {sent} sent, {weir.totals}")
    check("nr_throttled 0" not in throttled, "5 % of a CPU: it was held back", throttled)
    missing = LANES * 300 - sum(name.startswith("after-") for name in numbers_in(records)[0])
    check(missing == 0, "5 % of a CPU: all is logged again afterwards", f"{missing} are missing")


def run_stopped_amid_connections(server, program):
    """Long connections that live through overflow and recovery: still no wrong pair."""
    with Weir("--port", server.port, "--ring-size", SMALL_RING) as weir:
        weir.server_port = server.port
        stop = threading.Event()

        def disturb():
            while not stop.is_set():
                weir.pause()
                stop.wait(0.15)
                weir.resume()
                stop.wait(0.1)

        disturber = threading.Thread(target=disturb)
        disturber.start()
        sent = run_numbered(program, server, "amid", 8, 1, 3000)
        stop.set()
        disturber.join()
        check_clean_end(weir)
    check_losses(weir, sent, "disturbed")


def run_wrk(server, directory):
    """wrk at full speed: what the server logged and weir logged or lost is the same number."""
    script = directory / "numbered.lua"
    script.write_text(WRK_SCRIPT)
    with Weir("--port", server.port) as weir:
        before = len(server.log_lines())
        subprocess.run(["wrk", "-t2", "-c8", "-d2s", "-s", str(script),
                        f"http://{server.address}:{server.port}/"], check=True,
                       capture_output=True)
        time.sleep(0.3)
        check_clean_end(weir)
    records = weir.records(server_port=server.port)
    check_pairs(records, "wrk")
    served = {line[0] for line in server.log_lines()[before:]}
    seen, twice = numbers_in(records)
    # What wrk cuts off at its end may be in one log and not in the other: one for a connection.
    odd = len(seen ^ served)
    note(f"wrk: {len(served)} served, {weir.totals}")
    check(odd <= 8 + weir.totals.lost_sum, "wrk: the ids are those of the server's access log",
          f"{odd} differ: {sorted(seen ^ served)[:10]}")
    check_empty(twice, "wrk: none is there twice")


def run_connection_limit():
    """More connections at once than may be followed: those beyond are counted as lost."""
    stage = Stage()
    with Weir("--port", stage.port, "--connection-limit", "16") as weir:
        weir.server_port = stage.port
        plays = [stage.open() for _ in range(40)]
        for turn in range(3):
            for index, play in enumerate(plays):
                number = f"limit-{turn}-{index}".encode()
                play.c(b"GET /limit HTTP/1.1\r\nHost: a\r\nX-Seq: %s\r\n\r\n" % number)
                play.s(b"HTTP/1.1 200 OK\r\nX-Seq: %s\r\nContent-Length: 11\r\n\r\nelevenbytes"
                       % number)
        for play in plays:
            play.close()
        check_clean_end(weir)
    check_losses(weir, 120, "connection limit")
    check(weir.totals.lost_sum > 0, "connection limit: what is beyond it is lost",
          str(weir.totals))


def run_slow_output(server, program):
    """Nobody reads the output for a while: the sink's queue overflows, and that is counted."""
    directory = temporary_directory()
    ready = directory / "ready"
    command = [WEIR, "run", "-o", "json", "--port", str(server.port), "--queue-size", "64KiB",
               "--ready-file", str(ready)] + (["--rung", RUNG] if RUNG else [])
    weir = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    traffic.wait_until(lambda: ready.exists() or weir.poll() is not None)
    sent = run_numbered(program, server, "slow", LANES, 1, 3000)
    time.sleep(0.5)
    weir.send_signal(signal.SIGINT)
    output, said = weir.communicate(timeout=60)
    totals = Totals(said.decode())
    records = [parse_record(line) for line in output.splitlines()]
    records = [record for record in records if record["type"] == "http"]
    note(f"slow output: {sent} sent, {totals}")
    check(weir.returncode == 0 and totals.is_identity, "slow output: status 0, totals add up",
          said.decode()[-800:])
    check(totals.lost_sum > 0 and totals.logged + totals.lost_sum == sent,
          f"slow output: {sent} sent = logged + lost", str(totals))
    check(len(records) == totals.logged, "slow output: what is logged did come out",
          f"{len(records)} records")
    check_pairs(records, "slow output")


def main():
    is_dry = "--dry" in sys.argv
    if not is_dry:
        require_weir()
    directory = temporary_directory()
    program = compile_program("numbered")
    try:
        server = servers.nginx(directory)
    except servers.Missing:
        server = servers.python_asyncio(directory)
    with server:
        if is_dry:
            started = time.monotonic()
            sent = run_numbered(program, server, "dry", 8, 1, 3000)
            note(f"{sent} in {time.monotonic() - started:.1f} s")
            return
        run_in_time(server, program)
        run_stopped(server, program)
        run_in_small_share(server, program)
        run_stopped_amid_connections(server, program)
        run_slow_output(server, program)
        run_connection_limit()
        try:
            servers.find_program("wrk")
            run_wrk(server, directory)
        except servers.Missing as missing:
            note(f"left out: {missing}")


if __name__ == "__main__":
    run_main(main)
