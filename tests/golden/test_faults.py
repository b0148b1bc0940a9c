#!/usr/bin/python3
# TIMEOUT: 600
"""Faults around the spool and the sinks: broken configurations, corrupt files, full and slow
disks, large backlogs in little memory, blocks and threads that cannot be had. Every record is
where the totals say. WEIR_FAULTS_WHOLE: the counts of bench/faults.py instead of the short ones.
Arguments: names of faults, such as F7; without them all."""

import errno
import hashlib
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
import faults  # noqa: E402
import receivers  # noqa: E402
from faults import Totals, make_capture, read, waiting  # noqa: E402

WHOLE = bool(os.environ.get("WEIR_FAULTS_WHOLE"))
MIB = 1 << 20
IS_SANITIZED = faults.is_sanitized()
DEAD = "http=http://127.0.0.1:1"
FAST = "retry-first=2ms retry-maximum=20ms"


def short_or_whole(short, whole):
    return whole if WHOLE else short


def make_backlog(folder, count, *more):
    """A spool with count + 1 records that no receiver has seen; their ids in order."""
    capture, spool = make_capture(folder / "backlog.pcap", count), folder / "spool"
    done = read([capture], f"{DEAD} spool={spool} {' '.join(more)} close-timeout=100ms",
                f"file={folder}/backlog.json")
    assert waiting(done.stderr) == count + 1, done.stderr
    return spool, [line.split(b'"id":"')[1][:16].decode()
                   for line in (folder / "backlog.json").read_bytes().splitlines()]


def digest(spool):
    found = hashlib.sha256()
    for path in sorted(spool.iterdir()):
        found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def f6_broken_configuration(folder, _shim):
    """A configuration that is wrong: weir does not start, and the backlog stays as it is."""
    spool, ids = make_backlog(folder, 300)
    before, tries = digest(spool), short_or_whole(12, 100)
    sink = f"  - type: http\n    url: http://127.0.0.1:1\n    spool: {spool}\n"
    wrong = [f"sinks:\n{sink}    spool-quotta: 1GiB\n", f"sinks:\n{sink}    spool-quota: 1\n",
             f"sinks:\n{sink}    level: loud\n", f"sinks:\n{sink}   - type: [\n",
             f"sinks:\n{sink}    format: jsson\n", f"sinks:\n{sink}  - type: lokki\n    url: x\n",
             f"sinks:\n{sink}  - type: http\n    url: ftp://a\n", f"sinks:\n{sink}\0", ""]
    for number in range(tries):
        (folder / "weir.yaml").write_text(wrong[number % (len(wrong) - 1)])
        done = subprocess.run([faults.WEIR, "run", "--config", str(folder / "weir.yaml")],
                              capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2 and "weir.yaml" in done.stderr, done
        assert digest(spool) == before, "a broken configuration has changed the backlog"
    receiver = receivers.Receiver(receivers.take_lines)
    read([folder / "backlog.pcap"], f"http=http://127.0.0.1:{receiver.port} spool={spool} "
         "filter='type == \"dns\"'")
    assert receiver.ids() == ids
    receiver.close()
    return f"{tries} broken configurations, the backlog of {len(ids)} unchanged and then sent"


def f6_removed_sink(folder, _shim):
    """A sink that is no longer configured leaves a backlog: told, kept, and sent by 'drain'."""
    spool, ids = make_backlog(folder, 100)
    (folder / "no-spool").mkdir()
    with open(max(spool.glob("*.spool")), "ab") as segment:
        segment.write(b"torn")  # which an owner would put aside
    before, more = digest(spool), make_capture(folder / "more.pcap", 20, 7000)
    receiver = receivers.Receiver(receivers.take_lines)
    done = read([more], f"http=http://127.0.0.1:{receiver.port} spool={folder}/other")
    told = [line for line in done.stderr.splitlines() if "no sink's any more" in line]
    assert len(told) == 1 and f"{spool}: {len(ids)} records wait" in told[0], done.stderr
    assert digest(spool) == before and len(receiver.ids()) == 21
    done = read([more], f"file={folder}/more.json", faults={"STATE_DIRECTORY": str(folder)})
    assert f"{spool}: {len(ids)} records wait" in done.stderr, done.stderr
    assert digest(spool) == before
    done = read([more], f"http=http://127.0.0.1:{receiver.port} spool={folder}/other",
                f"http=http://127.0.0.1:{receiver.port} spool={spool} drain=true name=old")
    assert "any more" not in done.stderr and not waiting(done.stderr), done.stderr
    assert Totals(done.stderr, "old: ").filtered == 21, done.stderr
    assert len(receiver.ids()) == 42 + len(ids) and not set(ids) - set(receiver.ids())
    receiver.close()
    return f"the {len(ids)} records of a sink that is gone: told, kept, and sent by 'drain'"


def f7_corrupt_chunk(folder, _shim):
    """One of 1,000 segments is corrupt: the others are forwarded, and new records, too."""
    spool, ids = make_backlog(folder, 6500, "spool-segment=4KiB", "spool-first=true")
    segments = sorted(path.name for path in spool.glob("*.spool"))
    assert len(segments) >= 1000, len(segments)
    more, chance, worst = make_capture(folder / "more.pcap", 20, 7000), random.Random(7), 0
    tries = short_or_whole(3, 100)
    for number in range(tries):
        shutil.rmtree(folder / "copy", ignore_errors=True)
        shutil.copytree(spool, folder / "copy")
        victim = folder / "copy" / chance.choice(segments)
        data = bytearray(victim.read_bytes())
        at = chance.randrange(len(data))
        if number % 3 == 0:  # a block of rubbish, one byte, or all that follows
            data[at:at + 512] = chance.randbytes(len(data[at:at + 512]))
        elif number % 3 == 1:
            data[at] ^= 1 << chance.randrange(8)
        else:
            del data[at:]
        victim.write_bytes(data)
        receiver = receivers.Receiver(receivers.take_lines)
        done = read([more], f"http=http://127.0.0.1:{receiver.port} spool={folder}/copy")
        known = set(ids)
        found = [identity for identity in receiver.ids() if identity in known]
        lost, known = len(ids) - len(found), set(found)
        assert found == [identity for identity in ids if identity in known], "out of order"
        assert lost <= 8 and Totals(done.stderr).logged == 21, (lost, done.stderr)
        assert not lost or f"of which {lost} are lost" in done.stderr, (lost, done.stderr)
        assert len(receiver.ids()) == len(found) + 21, "new records are missing"
        worst = max(worst, lost)
        receiver.close()
    return (f"{tries} times one of {len(segments)} segments corrupt: at most {worst} of {len(ids)} "
            "records lost, and told")


def drain(folder, receiver, spool):
    """What a run has left in its spool is sent; it ends while a receiver fails."""
    with receiver.lock:
        receiver.script = []
    nothing = make_capture(folder / "nothing.pcap", 1, 39000)
    done = read([nothing], f"http=http://127.0.0.1:{receiver.port} spool={spool} "
                "filter='type == \"dns\"'")
    assert not waiting(done.stderr) and "are lost" not in done.stderr, done.stderr


class Counter:
    """A receiver that counts lines and keeps nothing."""

    def __init__(self):
        self.lines, self.first = 0, None

    def take(self, _handler, body, _receiver):
        self.lines += body.count(b"\n")
        return 200, b"", []


def f8_large_backlog(folder, _shim):
    """A backlog that is much larger than the memory: weir starts, takes new records, sends all."""
    size, limit_mib = short_or_whole(96 * MIB, 10 << 30), short_or_whole(64, 256)
    capture = make_capture(folder / "large.pcap", 20000, text="?" + "x" * 400)
    spool, times, records = folder / "spool", 0, 0
    options = f"spool={spool} spool-quota=64GiB spool-segment=16MiB"
    while sum(path.stat().st_size for path in spool.glob("*.spool")) < size:
        done = read([capture] * short_or_whole(1, 20), f"{DEAD} {options} close-timeout=10ms",
                    timeout=3000)
        records += Totals(done.stderr).logged
        times += 1
        assert times < 1000
    bytes_there = sum(path.stat().st_size for path in spool.glob("*.spool"))
    more = make_capture(folder / "more.pcap", 1000, 30000)
    begin = time.monotonic()
    done = read([more], f"{DEAD} {options} close-timeout=10ms")
    new_s = time.monotonic() - begin
    assert Totals(done.stderr).logged == 1001 and waiting(done.stderr) == records + 1001
    counter = Counter()
    receiver = receivers.Receiver(counter.take)
    begin = time.monotonic()
    limit = [] if IS_SANITIZED else ["prlimit", f"--data={limit_mib * MIB}"]
    read([more], f"http=http://127.0.0.1:{receiver.port} {options} compression=none",
         before=limit, timeout=3000)
    drain_s = time.monotonic() - begin
    receiver.close()
    assert counter.lines == records + 2 * 1001, (counter.lines, records)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return (f"backlog of {bytes_there / MIB:.0f} MiB, {records} records: new records were taken "
            f"after {new_s:.2f} s at most, all were sent in {drain_s:.1f} s with {limit_mib} MiB "
            f"of memory; largest process {peak // 1024} MiB")


def f9_failing_disk(folder, shim):
    """ENOSPC, EIO, EROFS, EDQUOT for a while, slow syncs: nothing is lost where a queue blocks."""
    capture, rounds = make_capture(folder / "in.pcap", 400), short_or_whole(3, 40)
    chance, runs = random.Random(9), 0
    for number in range(rounds):
        for error in (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT, 0):
            spool = folder / f"spool-{number}-{error}"
            receiver = receivers.Receiver(receivers.take_lines, [receivers.answer(503)] * 5)
            variables = {"FAULT_PATH": str(spool), "FAULT_ERROR": str(error),
                         "FAULT_FROM": str(chance.randrange(4, 40)),
                         "FAULT_COUNT": str(chance.randrange(1, 40)),
                         "FAULT_SYNC_MS": "0" if error else str(short_or_whole(50, 500))}
            done = read([capture], f"http=http://127.0.0.1:{receiver.port} spool={spool} {FAST} "
                        "spool-first=true batch-count=50 batch-age=1ms", shim=shim,
                        faults=variables)
            totals = Totals(done.stderr)
            assert totals.logged == totals.seen == 401, done.stderr
            drain(folder, receiver, spool)
            ids = receiver.ids()
            assert len(set(ids)) == 401, (len(ids), variables)
            receiver.close()
            shutil.rmtree(spool)
            runs += 1
    return f"{runs} runs over disks that fail or are slow: 0 of {runs * 401} records lost"


def f9_full_disk(folder, _shim):
    """A real disk that is full: the same on a small tmpfs, which is emptied later."""
    if os.geteuid() != 0:
        return "SKIP: not root"
    disk = folder / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "weir-faults", str(disk)],
                             check=False, capture_output=True)
    if mounted.returncode:
        return "SKIP: no mount"
    try:
        (disk / "spool").mkdir(mode=0o700)
        (disk / "ballast").write_bytes(bytes(700 * 1024))
        receiver = receivers.Receiver(receivers.take_lines, [receivers.answer(503)] * 10000)
        capture = make_capture(folder / "in.pcap", 2000)

        def relieve():
            before, still = None, 0  # until nothing more is written
            while still < 15:
                free = shutil.disk_usage(disk).free
                still = still + 1 if free == before and free < 300 * 1024 else 0
                before = free
                time.sleep(0.02)
            with receiver.lock:
                receiver.script = []

        thread = threading.Thread(target=relieve)
        thread.start()
        done = read([capture], f"http=http://127.0.0.1:{receiver.port} spool={disk}/spool {FAST} "
                    "queue-size=64KiB spool-segment=64KiB")
        thread.join()
        totals = Totals(done.stderr)
        assert totals.logged == totals.seen == 2001, done.stderr
        drain(folder, receiver, disk / "spool")
        assert len(set(receiver.ids())) == 2001
        receiver.close()
        return "2001 records through a spool on a full disk: 0 lost"
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def f9_cornered(folder, shim):
    """Neither the disk nor the receiver ever takes anything: weir read says so, and ends."""
    if not WHOLE:
        return "SKIP: half a minute of waiting; see bench/faults.py"
    done = read([make_capture(folder / "in.pcap", 100)], f"{DEAD} {FAST} spool={folder}/spool",
                shim=shim, faults={"FAULT_PATH": f"{folder}/spool", "FAULT_ERROR": "28",
                                   "FAULT_FROM": "5", "FAULT_COUNT": "1000000000"})
    totals = Totals(done.stderr)
    assert totals.lost.get("sink_error", 0) + totals.logged == 101, done.stderr
    assert "No space left on device" in done.stderr.split(" records still wait")[1], done.stderr
    return f"{totals.lost['sink_error']} records given up after half a minute, and counted"


def f14_denied_memory(folder, shim):
    """Each block that weir wants is denied once: it ends as it should, and what it counts holds."""
    capture = make_capture(folder / "in.pcap", 50)
    most, step = short_or_whole((160, 10), (10000, 1))
    receiver, ended, runs, number = receivers.Receiver(receivers.take_lines), {}, 0, 1
    while number <= most:
        done = read([capture], f"http=http://127.0.0.1:{receiver.port} {FAST} "
                    f"spool={folder}/spool-{number}", shim=shim, check=False,
                    faults={"FAULT_MEMORY": str(number)})
        assert done.returncode in (0, 1, 2), (number, done)
        if done.returncode == 0:
            Totals(done.stderr)
        else:
            assert done.stderr.startswith("weir: "), done
        ended[done.returncode] = ended.get(done.returncode, 0) + 1
        shutil.rmtree(folder / f"spool-{number}", ignore_errors=True)
        # Before the sinks are open each one, since every failure there is another message.
        number, runs = number + (1 if number < 60 else step), runs + 1
    receiver.close()
    told = ", ".join(f"{count} ended with {status}" for status, count in sorted(ended.items()))
    return f"{runs} runs with a block denied: {told}; no crash"


def f14_denied_threads(folder, shim):
    """A thread that cannot be made, few descriptors: it is told, or works all the same."""
    capture = make_capture(folder / "in.pcap", 50)
    receiver, ended = receivers.Receiver(receivers.take_lines), []
    sinks = [f"http=http://127.0.0.1:{receiver.port} name=h{at} spool={folder}/s{at}"
             for at in range(3)]
    for number in range(1, 9):
        done = read([capture], *sinks, shim=shim, check=False,
                    faults={"FAULT_THREAD": str(number)})
        assert done.returncode in (0, 1), done
        assert done.returncode == 0 or "weir: h" in done.stderr, done
        ended.append(done.returncode)
    assert 1 in ended and 0 in ended, ended
    done = read([capture], *sinks, before=["prlimit", "--nofile=64"])
    assert Totals(done.stderr, "h0: ").logged == 51, done.stderr
    receiver.close()
    return f"{len(ended)} threads denied, 64 descriptors: told, nothing lost silently"


FAULTS = {"F6": [f6_broken_configuration, f6_removed_sink], "F7": [f7_corrupt_chunk],
          "F8": [f8_large_backlog],
          "F9": [f9_failing_disk, f9_full_disk, f9_cornered],
          "F14": [f14_denied_memory, f14_denied_threads]}


def main():
    names = sys.argv[1:] or list(FAULTS)
    base = "/dev/shm" if not WHOLE and os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="weir-faults-", dir=base) as name:
        shim = faults.build_shim(Path(name))
        for fault in names:
            for function in FAULTS[fault]:
                folder = Path(name) / function.__name__
                folder.mkdir()
                begin = time.monotonic()
                needs_shim = function in (f9_failing_disk, f9_cornered, f14_denied_memory,
                                          f14_denied_threads)
                if needs_shim and (IS_SANITIZED or not shim):
                    said = "SKIP: no compiler" if not shim else "SKIP: built with sanitizers"
                else:
                    said = function(folder, shim)
                print(f"{fault}: {said} ({time.monotonic() - begin:.1f} s)", flush=True)
                shutil.rmtree(folder, ignore_errors=True)


main()
