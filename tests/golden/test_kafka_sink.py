#!/usr/bin/python3
# TIMEOUT: 300
"""The kafka sink against librdkafka's mock cluster, read back by kcat, an independent program: each
record, with its key, in its topic, also when brokers refuse, move, are slow, are gone, when the
producer is told to die, and when weir is killed. WEIR_KILLS: how often (bench/faults.py: 1000)."""

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))
import faults  # noqa: E402
import kills  # noqa: E402
from faults import Totals, make_capture, read  # noqa: E402

COUNT = 200
KILLS = int(os.environ.get("WEIR_KILLS", "12"))
PRODUCE, INIT_PRODUCER = 0, 22  # kinds of requests
MENDABLE = (3, 5, 6, 7, 9, 13, 16, 19, 20, 29)  # of a partition, of leaders, of rights, of replicas
TOO_LARGE, NO_CLUSTER_RIGHT, OUT_OF_ORDER = 10, 31, 45
FAST = ("batch-count=50 timeout=10s retry-first=10ms retry-maximum=50ms "
        "property=retry.backoff.ms=10,reconnect.backoff.ms=10,reconnect.backoff.max.ms=50")


def skip(reason):
    print(f"SKIP: {reason}")
    sys.exit(77)


def build(folder):
    if not shutil.which("kcat"):
        skip("no kcat")
    program = folder / "kafka_mock"
    done = subprocess.run(["cc", str(ROOT / "tests/lib/programs/kafka_mock.c"), "-o", str(program),
                           "-lrdkafka"], capture_output=True, text=True, check=False)
    if done.returncode:
        skip("librdkafka's headers are not there")
    return program


class Cluster:
    def __init__(self, program):
        self.process = subprocess.Popen([program, "4"], text=True, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.brokers = self.process.stdout.readline().strip()

    def order(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline().strip() == "ok"

    def consume(self, topic):
        """Key, headers and record of each message."""
        done = subprocess.run(["kcat", "-b", self.brokers, "-C", "-t", topic, "-e", "-q", "-o",
                               "beginning", "-f", "%k\t%h\t%s\n"], capture_output=True, text=True,
                              timeout=60, check=True)
        for line in done.stdout.splitlines():
            key, headers, text = line.split("\t", 2)
            yield key, headers, json.loads(text)

    def ids(self):
        return [record["id"] for _, _, record in self.consume("weir-http")]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Case:
    def __init__(self, folder):
        self.folder, self.program = folder, build(folder)
        self.capture = make_capture(folder / "in.pcap", COUNT)

    def sink(self, cluster, more=""):
        return (f"kafka={cluster.brokers} topic=weir-{{type}} topics=weir-other,weir-http "
                f"header=type,id {FAST} {more}")


def all_fields_arrive(case):
    """Key, headers and topic, once, in order, in spite of brokers that refuse at first."""
    cluster = Cluster(case.program)
    cluster.order(f"fail {PRODUCE} 3 19 6 7")
    done = read([case.capture], f"file={case.folder}/expected.json", case.sink(cluster))
    assert "kafka: seen 201 = logged 201" in done.stderr, done
    expected = {record["id"]: record for record in
                map(json.loads, (case.folder / "expected.json").read_text().splitlines())}
    found = list(cluster.consume("weir-http"))
    assert len(found) == COUNT and len({record["id"] for _, _, record in found}) == COUNT
    for key, headers, record in found:
        assert record == expected[record["id"]] and key == record["connection.id"]
        assert headers == f"type=http,id={record['id']}", headers
    order = [record["id"] for _, _, record in found]
    assert order == sorted(order), "one key, one partition, one order"
    others = [record for _, _, record in cluster.consume("weir-other")]
    assert [record["type"] for record in others] == ["connection"], others
    cluster.close()
    return f"{COUNT} messages read back by kcat, each once, field by field"


def failures_are_survived(case):
    """What an operator can mend costs no record, whatever it is and however long."""
    cluster = Cluster(case.program)
    for turn, code in enumerate(MENDABLE):
        cluster.order(f"fail {PRODUCE} 4 {code}")
        if turn % 3 == 0:
            cluster.order("move")
    cluster.order("slow 5")
    done = read([case.capture], case.sink(cluster, "timeout=1s"))
    assert Totals(done.stderr).logged == COUNT + 1, done.stderr
    ids = cluster.ids()
    assert len(set(ids)) == COUNT, "records are missing"
    cluster.close()
    return f"{4 * len(MENDABLE)} errors of {len(MENDABLE)} kinds, leaders that move: 0 lost"


def brokers_go_and_come(case):
    """Nobody is there until long after the first try; with a spool and without."""
    cluster = Cluster(case.program)
    cluster.order("down")
    spool = f"spool={case.folder}/spool-down"
    done = read([case.capture], case.sink(cluster, f"{spool} timeout=1s"))
    assert faults.waiting(done.stderr) == COUNT + 1, done.stderr
    timer = threading.Timer(1, cluster.order, ("up",))
    timer.start()
    done = read([case.capture], case.sink(cluster, "timeout=1s"))
    timer.join()
    assert Totals(done.stderr).logged == COUNT + 1, done.stderr
    assert sorted(cluster.ids()) == sorted(set(cluster.ids())), "came twice without a kill"
    nothing = f"{spool} timeout=5s filter='type == \"dns\"'"
    for _ in range(20):  # it ends while it fails, since what waits is safe
        done = read([case.capture], case.sink(cluster, nothing))
        if not faults.waiting(done.stderr):
            break
    ids = cluster.ids()
    assert len(ids) == 2 * COUNT and len(set(ids)) == COUNT, len(ids)
    cluster.close()
    return f"brokers down: 2 x {COUNT + 1} records, 0 lost"


def the_end_of_a_producer(case):
    """Errors that librdkafka takes for the end of a producer: a new one goes on."""
    for api, code in ((INIT_PRODUCER, NO_CLUSTER_RIGHT), (PRODUCE, OUT_OF_ORDER)):
        cluster = Cluster(case.program)
        cluster.order(f"fail {api} 3 {code}")
        done = read([case.capture], case.sink(cluster))
        assert Totals(done.stderr).logged == COUNT + 1, done.stderr
        assert len(set(cluster.ids())) == COUNT, "records are missing"
        cluster.close()
    return "producers that had to die: 0 lost"


def the_one_that_is_too_large(case):
    """A broker refuses a batch for its size: it is sent in parts. Alone, a record is rejected."""
    cluster, dead = Cluster(case.program), case.folder / "dead.ndjson"
    cluster.order(f"fail {PRODUCE} 3 {TOO_LARGE}")
    done = read([case.capture], case.sink(cluster, f"dead-letter={dead}"))
    assert Totals(done.stderr).logged == COUNT + 1 and not dead.exists(), done.stderr
    assert len(set(cluster.ids())) == COUNT
    large = make_capture(case.folder / "large.pcap", 10, text="?" + "x" * 1500)
    done = read([large, case.capture],
                case.sink(cluster, f"dead-letter={dead} property=message.max.bytes=2000"))
    totals = Totals(done.stderr)
    letters = [json.loads(line) for line in dead.open()]
    assert totals.lost == {"sink_rejected": 10} == {"sink_rejected": len(letters)}, done.stderr
    assert all("too large" in letter["reason"] for letter in letters), letters[0]["reason"]
    cluster.close()
    return "too large for a broker: in parts; for ever: 10 dead letters"


def nobody_spins(case):
    """Batches larger than a request, a broker that is slow: what is left waits without asking."""
    if faults.is_sanitized():
        return ("SKIP: polls are counted by a shim, which a program with sanitizers cannot have "
                "loaded before it; the same run of the usual build counts them")
    cluster, told = Cluster(case.program), case.folder / "polls"
    cluster.order("slow 100")
    many = make_capture(case.folder / "many.pcap", 3000)
    sink = (f"kafka={cluster.brokers} topic=weir-http batch-size=8MiB "
            "property=batch.size=200000,message.max.bytes=200000")
    done = read([many], sink, shim=faults.build_shim(case.folder, "polls_shim"),
                faults={"POLLS_FILE": str(told)})
    polls = int(told.read_text())
    assert Totals(done.stderr).logged == 3001 == len(set(cluster.ids())), done.stderr
    assert polls < 10000, f"{polls} polls for 3001 records"
    cluster.close()
    return f"a slow broker: {polls} polls for 3001 records"


def killed(case):
    """SIGKILL at any instant: what was on disk arrives; twice comes what had no confirmation."""
    cluster = Cluster(case.program)
    sink = (f"kafka={cluster.brokers} topic=weir-http timeout=5s batch-count={kills.BATCH} "
            f"batch-age=5ms {kills.OPTIONS}")
    chance, durable = random.Random(4711), set()
    (case.folder / "kills").mkdir()  # a weir looks into the spools beside its own
    spool = case.folder / "kills" / "spool"
    for number in range(KILLS):
        cluster.order(("slow 0", "slow 20", f"fail {PRODUCE} 4 7 19", "slow 2")[number % 4])
        durable |= kills.run(f"{sink} spool={spool}", spool, number, chance)
    cluster.order("slow 0")
    for _ in range(20):
        done = read([case.capture], f"{sink} spool={spool} filter='type == \"dns\"'")
        if not faults.waiting(done.stderr):
            break
    ids = cluster.ids()
    missing = durable - set(ids)
    assert not missing, f"{len(missing)} of {len(durable)} records were lost"
    twice = len(ids) - len(set(ids))
    assert twice <= 2 * kills.BATCH * KILLS, f"{twice} came twice"
    cluster.close()
    return f"{KILLS} kills, {len(durable)} records on disk, 0 lost, {twice} twice"


def timed(check, case):
    begin = time.monotonic()
    return f"{check(case)} ({time.monotonic() - begin:.1f} s)"


def main():
    with tempfile.TemporaryDirectory(prefix="weir-kafka-") as name:
        case = Case(Path(name))
        checks = [check for check in (all_fields_arrive, failures_are_survived, brokers_go_and_come,
                                      the_end_of_a_producer, the_one_that_is_too_large,
                                      nobody_spins, killed)
                  if len(sys.argv) == 1 or check.__name__ in sys.argv]
        with ThreadPoolExecutor() as pool:  # they mostly wait
            for check, said in zip(checks, pool.map(lambda check: timed(check, case), checks)):
                print(f"{check.__name__}: {said}", flush=True)


main()
