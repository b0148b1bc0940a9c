"""Runs of weir read that are killed at some instant, and what they had on disk then."""

import struct
import subprocess
import time

import faults
from packets import START_NS, Connection, ethernet, pcap

BATCH, REQUESTS = 50, 400
OPTIONS = ("spool-first=true retry-first=2ms retry-maximum=20ms spool-segment=64KiB")
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
    """Ids of all whole frames in the spool."""
    found = set()
    for path in sorted(spool.glob("*.spool")):
        data, at = path.read_bytes(), 64
        while at + FRAME.size <= len(data):
            head = FRAME.unpack_from(data, at)
            end = at + FRAME.size + head[3] + head[6]
            if head[0] != b"\xf7WF\x9d" or end > len(data):
                break
            found.add(f"{head[8]:016x}")
            at = end
    return found


def run(sink, spool, number, chance):
    """Feeds a capture, kills at some instant, and says what was in the spool then."""
    with subprocess.Popen([faults.WEIR, "read", "-", "--sink", sink], stdin=subprocess.PIPE,
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
