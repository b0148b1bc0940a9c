#!/usr/bin/python3
"""Sinks come, go and are altered at SIGHUP while requests flow: what stays misses nothing, what
goes has everything up to then, what comes everything from then on, and a spool passes on whole."""

import json
import os
import re
import signal
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lib"))
from harness import (Weir, check, require_weir, run_main, temporary_directory)  # noqa: E402
import receivers  # noqa: E402
import servers  # noqa: E402
import stuck  # noqa: E402
import traffic  # noqa: E402


RELOADS = 1000 if os.environ.get("WEIR_FAULTS_WHOLE") else 3


class Traffic:
    """Requests one after the other until it is stopped."""

    def __init__(self, server):
        self.server, self.count, self.is_over, self.failure = server, 0, False, None
        self.thread = threading.Thread(target=self.work)
        self.thread.start()

    def work(self):
        try:
            while not self.is_over:
                with traffic.Client(self.server.address, self.server.port) as client:
                    for _ in range(10000):  # before the server ends the connection
                        if self.is_over:
                            break
                        client.exchange(f"n-{self.count}", target=b"/bytes/11")
                        self.count += 1
        except Exception as error:  # told by the main thread
            self.failure = error

    def wait(self, more):
        wanted = self.count + more
        return traffic.wait_until(lambda: self.count >= wanted or self.failure)

    def stop(self):
        self.is_over = True
        self.thread.join()
        check(not self.failure, "all requests were answered", repr(self.failure))


class Stage:
    def __init__(self, server):
        self.folder = Path(temporary_directory())
        self.file = self.folder / "weir.yaml"
        # The receiver takes nothing at first, so that the spool has to hold what comes.
        self.receiver = receivers.Receiver(receivers.take_lines, [receivers.answer(503)] * 8)
        self.stuck = [stuck.Stuck(manner) for manner in stuck.MANNERS]
        self.write(self.sink_of("first"), self.spooled("batch-count: 50"))
        self.weir = Weir("--config", self.file, "--port", server.port)

    def sink_of(self, name, more=""):
        return f"  - {{type: file, name: {name}, path: {self.folder}/{name}.json{more}}}\n"

    def spooled(self, more):
        return (f"  - {{type: http, name: spooled, url: 'http://127.0.0.1:{self.receiver.port}', "
                f"spool: {self.folder}/spool, spool-first: true, retry-first: 50ms, {more}}}\n")

    def write(self, *sinks):
        self.file.write_text("output: json\nsinks:\n" + "".join(sinks) + self.stuck_sinks())

    def stuck_sinks(self):
        """Three that stand still beside the others, always: their queues are full at once."""
        return "".join(f"  - {{type: http, name: {one.manner.__name__}, url: 'http://127.0.0.1:"
                       f"{one.port}', queue-size: 64KiB, close-timeout: 1ms}}\n"
                       for one in self.stuck)

    def renew(self, *sinks, says="configuration read again"):
        before = self.weir.stderr().count(says)
        self.write(*sinks)
        self.weir.process.send_signal(signal.SIGHUP)
        check(traffic.wait_until(lambda: self.weir.stderr().count(says) > before),
              f"SIGHUP: {says}", self.weir.stderr()[-800:])

    def ids(self, name):
        lines = (self.folder / f"{name}.json").read_text().splitlines()
        return [record["id"] for record in map(json.loads, lines) if record["type"] == "http"]


def is_piece(part, whole):
    """Does it stand in the whole at one place without a gap?"""
    if not part:
        return None
    at = whole.index(part[0])
    return at if whole[at:at + len(part)] == part else None


def check_stuck(stage, text, count):
    """Whoever stands still has lost its own records, counted; the others, as checked, none."""
    for one in stage.stuck:
        name = one.manner.__name__
        found = re.search(rf"weir: {name}: seen (\d+) = logged (\d+) \+ filtered 0"
                          r"((?: \+ lost\([^)]*\) \d+)+)", text)
        lost = sum(map(int, re.findall(r"lost\([^)]*\) (\d+)", found[3]))) if found else 0
        check(found and int(found[1]) == count == int(found[2]) + lost and int(found[2]) == 0
              and "sink_full" in found[3], f"{name}: lost {lost}, counted", text[-800:])
        one.close()


def main():
    require_weir()
    server = servers.nginx(temporary_directory())
    stage = Stage(server)
    requests = Traffic(server)
    check(requests.wait(300), "requests flow")
    stage.renew(stage.sink_of("first"), stage.spooled("batch-count: 50"), stage.sink_of("second"))
    requests.wait(300)
    stage.renew(stage.sink_of("first"), stage.spooled("batch-count: 70"), stage.sink_of("second"))
    requests.wait(300)
    for turn in range(RELOADS):
        stage.renew(stage.sink_of("first"), stage.spooled(f"batch-count: {60 + turn % 11}"),
                    stage.sink_of("second"))
    stage.renew(stage.sink_of("first"), stage.spooled("batch-count: 70"), stage.sink_of("second"))
    stage.renew(stage.spooled("batch-count: 70"), stage.sink_of("second", ", format: nonsense"),
                says="the old configuration stays in force")
    stage.renew(stage.spooled("batch-count: 70"), stage.sink_of("second"),
                stage.sink_of("third", ", path: /nowhere/at/all"),
                says="the old configuration stays in force")
    requests.wait(100)
    stage.renew(stage.spooled("batch-count: 70"),
                stage.sink_of("second", ", omit: [http.request.headers]"))
    requests.wait(300)
    requests.stop()
    check(traffic.wait_until(lambda: "first: taken away" in stage.weir.stderr()),
          "what is taken away is told", stage.weir.stderr()[-800:])
    log = [record["id"] for record in stage.weir.wait_for_records(requests.count)]
    stage.weir.stop()
    check(len(log) == requests.count == len(set(log)), "the log has every request",
          (len(log), requests.count))
    first, second = stage.ids("first"), stage.ids("second")
    check(is_piece(first, log) == 0 and len(log) - 100 >= len(first) >= 600,  # some were under way
          "the first sink has everything up to its end", (len(first), len(log)))
    check(is_piece(sorted(second), sorted(log)) is not None and log[-1] in second
          and len(second) == len(set(second)) <= len(log) - 100,
          "the second has everything from its begin on", (len(second), len(log)))
    texts = (stage.folder / "second.json").read_text().splitlines()
    with_headers = ["http.request.headers" in text for text in texts]
    check(any(with_headers) and not all(with_headers), "its alteration holds")
    waiting = stage.receiver.ids()
    check(set(log) - set(waiting) == set() or "wait in the spool" in stage.weir.stderr(),
          "the receiver has everything, or it waits", (len(set(waiting)), len(log)))
    changes = RELOADS + 2  # at each of them the batch that is under way may come again
    check(len(waiting) - len(set(waiting)) <= 70 * changes, "twice is at most a batch a change",
          (len(waiting), len(set(waiting))))
    text = stage.weir.stderr()
    check(f"spooled: seen {len(log)} = logged {len(log)} + filtered 0 + lost 0" in text,
          "the account of what was altered is one", text[-800:])
    check(f"second: seen {len(log)} = logged {len(second)} + filtered {len(log) - len(second)} "
          "+ lost 0" in text, "and counts what came before as not for it", text[-800:])
    check_stuck(stage, text, len(log))
    stage.receiver.close()
    server.stop()


if __name__ == "__main__":
    run_main(main)
