#!/usr/bin/python3
# TIMEOUT: 300
"""SIGKILL at any instant: what was in the spool then arrives, in order; what comes twice is at most
the batch that was under way. WEIR_KILLS: how many times (bench/faults.py: 1000). The same for Kafka
is in test_kafka_sink.py."""

import os
import random
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
import faults  # noqa: E402
import kills  # noqa: E402
import receivers  # noqa: E402

KILLS = int(os.environ.get("WEIR_KILLS", "20"))
KINDS = {  # what takes it, how many kills, is the order of a request that of the records?
    "http": (receivers.take_lines, KILLS, True),
    "loki": (receivers.take_loki_protobuf, KILLS // 4, False),
    "otlp": (receivers.take_otlp, KILLS // 4, True),
}


def slow(_handler, _receiver):
    time.sleep(0.01)


def most_twice(ids, starts):
    """Of the records that arrived between two kills, how many had arrived before."""
    seen, most = set(), 0
    for begin, end in zip(starts, starts[1:] + [len(ids)]):
        most = max(most, len([identity for identity in ids[begin:end] if identity in seen]))
        seen.update(ids[begin:end])
    return most


def kill_often(kind, folder):
    take, count, is_ordered = KINDS[kind]
    chance = random.Random(int(os.environ.get("WEIR_SEED", "4711")))
    (folder / kind).mkdir()  # a weir looks into the spools beside its own, and would tidy them up
    spool, receiver = folder / kind / "spool", receivers.Receiver(take)
    sink = (f"{kind}=http://127.0.0.1:{receiver.port} spool={spool} batch-count={kills.BATCH} "
            f"batch-age=5ms {kills.OPTIONS}")
    durable, starts = set(), []
    for number in range(count):
        with receiver.lock:  # up, failing, failing now and then, slow
            receiver.script = [[], [receivers.answer(503)] * 1000, [receivers.answer(503)] * 3,
                               [slow] * 1000][number % 4]
        starts.append(len(receiver.ids()))
        durable |= kills.run(sink, spool, number, chance)
        receiver.settle()
    with receiver.lock:
        receiver.script = []
    starts.append(len(receiver.ids()))  # of the run that sends what is left
    nothing = faults.make_capture(folder / f"{kind}.pcap", 1)
    done = faults.read([nothing], f"{sink} filter='type == \"dns\"'")
    assert not faults.waiting(done.stderr) and "are lost" not in done.stderr, done
    ids = receiver.ids()
    missing, twice = durable - set(ids), len(ids) - len(set(ids))
    assert not missing, f"{kind}: {len(missing)} of {len(durable)} records were lost"
    most = most_twice(ids, starts)
    assert most <= kills.BATCH, f"{kind}: {most} records of one run came twice"
    first = list(dict.fromkeys(ids))
    assert not is_ordered or first == sorted(first), f"{kind}: the order was not kept"
    receiver.close()
    return (f"{kind}: {count} kills, {len(durable)} records seen on disk, 0 lost, {twice} twice, "
            f"at most {most} between two kills; batches are of {kills.BATCH}")


def main():
    kinds = sys.argv[1:] or list(KINDS)
    with tempfile.TemporaryDirectory(prefix="weir-kill-") as folder, ThreadPoolExecutor() as pool:
        for said in pool.map(lambda kind: kill_often(kind, Path(folder)), kinds):
            print(said, flush=True)


main()
