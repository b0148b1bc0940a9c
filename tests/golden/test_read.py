#!/usr/bin/python3
"""weir read as its users meet it: names, statuses, limits, signals, progress, pipes that close."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WEIR = os.environ.get("WEIR", str(ROOT / "build" / "weir"))
EXCHANGE = str(HERE / "exchange" / "input.pcap")
sys.path.insert(0, str(ROOT / "tests" / "lib"))
from packets import Connection, ethernet, pcap  # noqa: E402


def read(*arguments, **how):
    return subprocess.run([WEIR, "read", *arguments], capture_output=True, text=True, timeout=60,
                          check=False, **how)


def wrong_use_is_said():
    for arguments, words in (((), "needs a capture file"), (("/nonexistent",), "No such file"),
                             ((str(HERE),), "Is a directory"), ((__file__,), "neither pcap"),
                             ((EXCHANGE, "/nonexistent"), "No such file"),
                             ((EXCHANGE, "-t", "htpp"), "did you mean http?"),
                             ((EXCHANGE, "-f", "url.path = 1"), "--filter"),
                             ((EXCHANGE, "--pakets"), "did you mean --packets?")):
        done = read(*arguments)
        assert done.returncode == 2 and words in done.stderr and not done.stdout, (arguments, done)


def selections_choose():
    def types(*arguments):
        done = read("-o", "json", *arguments, EXCHANGE)
        assert done.returncode == 0, done
        return [json.loads(line)["type"] for line in done.stdout.splitlines()]
    assert types() == ["http", "connection"]
    assert types("-t", "http") == ["http"]
    assert types("-t", "connection,http") == ["http", "connection"]
    assert types("-t", "packet") == ["packet"] * 10
    assert types("--packets").count("packet") == 10
    assert types("--filter", "http.response.status_code == 404") == []
    assert types("-c", "3", "--packets") == ["packet"] * 3


def masking_is_on_unless_said():
    secrets = str(HERE / "secrets" / "input.pcap.gz")
    assert "abcdef" not in read("-o", "json", secrets).stdout
    clear = read("-o", "json", "--no-mask", secrets)
    assert "Bearer abcdef" in clear.stdout and "masking is off" in clear.stderr


def a_file_takes_the_output():
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out"
        done = read("-o", "json", "-w", str(path), EXCHANGE)
        assert done.returncode == 0 and not done.stdout
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_text() == read("-o", "json", EXCHANGE).stdout


def two_thousand_requests():
    """One connection of many exchanges."""
    link = Connection()
    packets = link.open()
    for number in range(2000):
        packets += link.say(0, f"GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        packets += link.say(1, b"HTTP/1.1 204 No Content\r\n\r\n")
    return pcap([ethernet(packet) for packet in packets])


def a_signal_ends_it_with_totals():
    """Standard input stays open, as with tcpdump -w -: what came is logged when Ctrl-C comes."""
    data = two_thousand_requests()
    with subprocess.Popen([WEIR, "read", "-o", "json", "-"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdin.write(data)
        process.stdin.flush()
        lines = [process.stdout.readline() for _ in range(2000)]
        process.send_signal(signal.SIGINT)
        out, said = process.communicate(timeout=60)
    assert process.returncode == 0, (process.returncode, said)
    assert b"weir: seen 2001 = logged 2001" in said, said
    assert b"".join([*lines, out]).count(b'"type":"http"') == 2000


def records_come_while_a_pipe_is_open():
    """Who reads from a live pipe does not have to wait for its end."""
    with subprocess.Popen([WEIR, "read", "-o", "json", "-"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        process.stdin.write(Path(EXCHANGE).read_bytes())
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["type"] == "http"
        process.stdin.close()
        assert json.loads(process.stdout.readline())["type"] == "connection"


def a_closed_pipe_ends_it():
    with tempfile.NamedTemporaryFile() as file:
        file.write(two_thousand_requests())
        file.flush()
        with subprocess.Popen([WEIR, "read", "-o", "json", *[file.name] * 50],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdout.readline()
            process.stdout.close()
            said = process.stderr.read()
            assert process.wait(timeout=60) == 0, said
    assert b"do not add up" not in said, said


def said_on_a_terminal(files):
    """What weir read says on stderr, which is a terminal."""
    leader, follower = pty.openpty()
    with subprocess.Popen([WEIR, "read", "-o", "json", *files], stderr=follower,
                          stdout=subprocess.DEVNULL) as process:
        os.close(follower)
        said = b""
        while True:
            try:
                part = os.read(leader, 65536)
            except OSError:
                break
            if not part:
                break
            said += part
        assert process.wait(timeout=60) == 0
    os.close(leader)
    return said


def progress_is_for_terminals():
    with tempfile.NamedTemporaryFile() as file:
        file.write(two_thousand_requests())
        file.flush()
        count, said = 25, b""
        while b"%" not in said and count < 2000:  # until it takes long enough to be told
            count *= 2
            said = said_on_a_terminal([file.name] * count)
    assert b"weir: read %d packets" % (8003 * count) in said, said[-300:]
    shown = re.search(rb"\r\x1b\[Kweir: (\S+): \d+ % of \d+ MiB, \d+ packets", said)
    assert shown and shown[1] == file.name.encode()[:60], said[:300]
    assert said.rindex(b"\r\x1b[K") < said.index(b"weir: read "), "the line is wiped away"
    assert "%" not in read("-o", "json", EXCHANGE).stderr


def main():
    if not os.access(WEIR, os.X_OK):
        print(f"SKIP: no binary at {WEIR}")
        sys.exit(77)
    tests = [wrong_use_is_said, selections_choose, masking_is_on_unless_said,
             a_file_takes_the_output, a_signal_ends_it_with_totals,
             records_come_while_a_pipe_is_open, a_closed_pipe_ends_it, progress_is_for_terminals]
    for test in tests:
        test()
    print(f"{len(tests)} tests passed")


main()
