#!/usr/bin/python3
# TIMEOUT: 300
"""SIGKILL at any instant: what was in the spool then arrives, in order; what comes twice is at most
the batch that was under way. WEIR_KILLS: how many times (bench/faults.py: 1000)."""

import os
import random
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WEIR = os.environ.get("WEIR", str(ROOT / "build" / "weir"))
KILLS = int(os.environ.get("WEIR_KILLS", "20"))
sys.path.insert(0, str(ROOT / "tests" / "lib"))
import receivers  # noqa: E402
from packets import START_NS, Connection, ethernet, pcap  # noqa: E402

BATCH, REQUESTS = 50, 400
FRAME = struct.Struct("<4sIIHBBIQQQ")


def make_capture(number):
    connection = Connection(ports=(40000 + number % 20000, 80))
    packets = connection.open()
    for sequence in range(REQUESTS):
        text = f"GET /{number}/{sequence} HTTP/1.1\r\nHost: a\r\n\r\n"
        packets += connection.say(0, text.encode())
        packets += connection.say(1, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    return pcap([ethernet(packet) for packet in packets], start_ns=START_NS + number * 10**10)


def frames(spool):
    """Ids of all whole frames in the spool, by sequence."""
    found = {}
    for path in sorted(spool.glob("*.spool")):
        data, at = path.read_bytes(), 64
        while at + FRAME.size <= len(data):
            head = FRAME.unpack_from(data, at)
            end = at + FRAME.size + head[3] + head[6]
            if head[0] != b"\xf7WF\x9d" or end > len(data):
                break
            found[head[7]] = f"{head[8]:016x}"
            at = end
    return found


def command(port, spool, *more):
    return [WEIR, "read", "-", "--sink",
            f"http=http://127.0.0.1:{port} spool={spool} spool-first=true batch-count={BATCH} "
            "batch-age=5ms retry-first=2ms retry-maximum=20ms spool-segment=64KiB", *more]


def killed_run(number, receiver, spool, chance):
    """Feeds a capture, kills at some instant, and says what was in the spool then."""
    with subprocess.Popen(command(receiver.port, spool), stdin=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as process:
        data = make_capture(number)
        stop = chance.randrange(len(data))
        try:
            for at in range(0, stop, 8192):
                process.stdin.write(data[at:min(at + 8192, stop)])
                process.stdin.flush()
                time.sleep(chance.random() * 0.004)
        except BrokenPipeError:
            pass
        time.sleep(chance.random() * 0.03)
        process.kill()
        process.wait()
        try:
            process.stdin.close()
        except BrokenPipeError:
            pass
    return frames(spool)


def slow(_handler, _receiver):
    time.sleep(0.01)


def most_twice(ids, starts):
    """Of the records that arrived between two kills, how many had arrived before; a request may
    still be under way to the receiver when its sender is dead, so two batches can meet there."""
    seen, most = set(), 0
    for begin, end in zip(starts, starts[1:] + [len(ids)]):
        most = max(most, len([identity for identity in ids[begin:end] if identity in seen]))
        seen.update(ids[begin:end])
    return most


def main():
    chance = random.Random(int(os.environ.get("WEIR_SEED", "4711")))
    with tempfile.TemporaryDirectory(prefix="weir-kill-") as folder:
        spool = Path(folder) / "spool"
        receiver = receivers.Receiver(receivers.take_lines)
        durable, starts = set(), []
        for number in range(KILLS):
            with receiver.lock:  # up, failing, failing now and then, slow
                receiver.script = [[], [receivers.answer(503)] * 1000, [receivers.answer(503)] * 3,
                                   [slow] * 1000][number % 4]
            starts.append(len(receiver.ids()))
            durable |= set(killed_run(number, receiver, spool, chance).values())
        with receiver.lock:
            receiver.script = []
        done = subprocess.run(command(receiver.port, spool, "-f", 'type == "dns"'),
                              input=make_capture(0), capture_output=True, check=False, timeout=200)
        assert done.returncode == 0 and b"wait in the spool" not in done.stderr, done
        assert b"are lost" not in done.stderr, done.stderr
        ids = receiver.ids()
        missing, twice = durable - set(ids), len(ids) - len(set(ids))
        assert not missing, f"{len(missing)} of {len(durable)} records were lost"
        most = most_twice(ids, starts)
        assert most <= 2 * BATCH, f"{most} records of one run came twice"
        first = list(dict.fromkeys(ids))
        assert first == sorted(first), "the order was not kept"
        receiver.close()
        print(f"{KILLS} kills, {len(durable)} records seen on disk, 0 lost, {twice} twice, at most "
              f"{most} between two kills; batches are of {BATCH}")


main()
