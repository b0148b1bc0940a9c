#!/usr/bin/python3
# TIMEOUT: 120
"""Sinks that get rid of nothing: what waits at the end is told, a signal says that it is enough,
and every record and every dead letter is counted for what became of it."""

import json
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
import faults  # noqa: E402
import receivers  # noqa: E402
from faults import Totals, make_capture, read, waiting  # noqa: E402

COUNT = 60
DEAD = "http=http://127.0.0.1:1"
FAST = "retry-first=1ms retry-maximum=5ms batch-count=20 batch-age=1ms"


def start(*arguments):
    return subprocess.Popen([faults.WEIR, "read", *map(str, arguments)], stdin=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def read_until(process, text):
    """Its messages up to the line with that text."""
    lines = []
    for line in process.stderr:
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError(f"never said: {text}\n" + "".join(lines))


def a_signal_is_enough(case):
    """weir read waits a day for a receiver that is not there, says so, and ends when it is told."""
    for number, end in enumerate((signal.SIGINT, signal.SIGTERM)):
        spool = f" spool={case.folder}/spool-{number}" if number else ""
        stuck = socket.create_server(("127.0.0.1", 0))  # nobody accepts, nobody answers
        process = start(case.capture, "--sink",
                        f"http=http://127.0.0.1:{stuck.getsockname()[1]}{spool}")
        text = read_until(process, "records still wait")
        assert "; interrupt to give up" in text, text
        process.send_signal(end)
        text += process.communicate()[1]
        totals = Totals(text)
        assert process.returncode == 0 and totals.seen == COUNT + 1, text
        if number:
            assert totals.logged == waiting(text) == COUNT + 1, text
        else:
            assert totals.lost == {"sink_error": COUNT + 1}, text
        stuck.close()


def failures_are_told(case):
    """While it reads, too: that a sink fails, and that it is well again."""
    receiver = receivers.Receiver(receivers.take_lines, [receivers.answer(503)] * 10**6)
    process = start("-", "--sink", f"http=http://127.0.0.1:{receiver.port} {FAST}")
    data = case.capture.read_bytes()
    process.stdin.buffer.write(data[:24])
    at, step = 24, max(len(data) // 2000, 1)

    def feed():
        nonlocal at
        while at < len(data) and process.poll() is None:
            process.stdin.buffer.write(data[at:at + step])
            process.stdin.buffer.flush()
            at += step
            yield

    steps = feed()
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(process.stderr), daemon=True)
    reader.start()

    def feed_until(text):
        while not any(text in line for line in lines):
            assert next(steps, steps) is not steps, (text, lines)
            time.sleep(0.02)

    feed_until("http: fails and is tried again: status 503")
    with receiver.lock:
        receiver.script = []
    feed_until("http: is well again, after")
    for _ in steps:
        pass
    process.stdin.close()
    process.wait()
    reader.join()
    assert Totals("".join(lines)).logged == COUNT + 1, lines
    receiver.close()


def given_up_is_lost_once(case):
    """What was on disk and is given up is lost, and no longer logged; of earlier runs, too."""
    receiver = receivers.Receiver(receivers.take_lines, [receivers.answer(503)] * 10**6)
    sink = f"http=http://127.0.0.1:{receiver.port} {FAST} spool-first=true"
    spool = f"spool={case.folder}/spool-given-up"
    done = read([case.capture], f"{sink} {spool} give-up=true")
    totals = Totals(done.stderr)
    assert totals.seen == totals.logged + totals.lost.get("sink_error", 0) == COUNT + 1, done
    assert waiting(done.stderr) == totals.logged, done.stderr
    spool = f"spool={case.folder}/spool-older"
    done = read([case.capture], f"{sink} {spool}")
    assert waiting(done.stderr) == COUNT + 1, done.stderr
    done = read([case.capture], f"{sink} {spool} give-up=true filter='type == \"dns\"'")
    lost = COUNT + 1 - waiting(done.stderr)
    assert lost and f"of which {lost} are lost" in done.stderr, done.stderr
    assert Totals(done.stderr).logged == 0, done.stderr
    receiver.close()


def dead_letters_are_counted(case):
    """Of the rejected records those whose dead letter cannot be written are told."""
    poison = [f'"url.original":"/{number}"'.encode() for number in (7, 8, 40)]

    def take(handler, body, receiver):
        if any(text in body for text in poison):
            return 400, b"not this one", []
        return receivers.take_lines(handler, body, receiver)

    receiver = receivers.Receiver(take)
    sink = f"http=http://127.0.0.1:{receiver.port} {FAST}"
    for path, told, error in ((case.folder / "dead.ndjson", "3 dead letters in", None),
                              ("/dev/full", "3 dead letters could not be written", "No space"),
                              (case.folder / "no" / "where", "3 dead letters could not be written",
                               "No such file")):
        done = read([case.capture], f"{sink} dead-letter={path}")
        assert Totals(done.stderr).lost == {"sink_rejected": 3}, done.stderr
        assert told in done.stderr and (not error or error in done.stderr), done.stderr
    lines = [json.loads(line) for line in (case.folder / "dead.ndjson").open()]
    assert len(lines) == 3 and all("400" in line["reason"] for line in lines), lines
    receiver.close()


def no_line_is_torn(case):
    """A disk that fills up in the middle of a dead letter: whole lines or none."""
    shim = faults.build_shim(case.folder)
    if not shim or faults.is_sanitized():
        return "SKIP: " + ("built with sanitizers" if shim else "no compiler")

    def take(_handler, _body, _receiver):
        return 400, b"nothing at all", []

    receiver = receivers.Receiver(take)
    dead = case.folder / "letters" / "dead.ndjson"
    dead.parent.mkdir()
    done = read([case.capture], f"http=http://127.0.0.1:{receiver.port} {FAST} dead-letter={dead}",
                shim=shim, faults={"FAULT_PATH": str(dead.parent), "FAULT_ERROR": "28",
                                   "FAULT_FROM": "1", "FAULT_COUNT": "2", "FAULT_SHORT": "100"})
    found = len([json.loads(line) for line in dead.open()])
    lost = int(done.stderr.split(" dead letters could not be written")[0].split()[-1])
    assert Totals(done.stderr).lost == {"sink_rejected": COUNT + 1}, done.stderr
    assert lost and found + lost == COUNT + 1, (found, lost, done.stderr)
    receiver.close()
    return f"{found} written, {lost} not"


class Case:
    def __init__(self, folder):
        self.folder = folder
        self.capture = make_capture(folder / "in.pcap", COUNT)


def main():
    with tempfile.TemporaryDirectory(prefix="weir-farewell-") as folder:
        case = Case(Path(folder))
        checks = [check for check in (a_signal_is_enough, failures_are_told, given_up_is_lost_once,
                                      dead_letters_are_counted, no_line_is_torn)
                  if len(sys.argv) == 1 or check.__name__ in sys.argv]
        with ThreadPoolExecutor() as pool:  # they mostly wait
            for check, said in zip(checks, pool.map(lambda check: check(case), checks)):
                print(f"{check.__name__}: {said or 'ok'}", flush=True)


main()
