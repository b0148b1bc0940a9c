#!/usr/bin/python3
# TIMEOUT: 300
"""Sinks against receivers that refuse, hang, break, take a part, lie: every record arrives, field
by field as it was written to a file, in spite of all; what can never arrive is kept with its
reason."""

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WEIR = os.environ.get("WEIR", str(ROOT / "build" / "weir"))
sys.path.insert(0, str(ROOT / "tests" / "lib"))
import receivers  # noqa: E402
from packets import Connection, ethernet, pcap  # noqa: E402
from receivers import Receiver, answer  # noqa: E402

COUNT = 300
FAST = "retry-first=5ms retry-maximum=50ms close-timeout=200s"


def make_capture(path):
    """COUNT numbered exchanges over three connections."""
    packets = []
    for number in range(3):
        connection = Connection(f"192.0.2.{number + 1}", "192.0.2.99", (40000 + number, 80))
        packets += connection.open()
        for index in range(COUNT // 3):
            sequence = number * COUNT // 3 + index
            packets += connection.say(0, (
                f"GET /item/{sequence}?q=\"{sequence} HTTP/1.1\r\nHost: a.test\r\n"
                f"X-Seq: {sequence}\r\nCookie: a=secret{sequence}\r\n\r\n").encode())
            packets += connection.say(1, (
                f"HTTP/1.1 {500 if sequence % 10 == 0 else 200} OK\r\nContent-Length: 0\r\n\r\n")
                .encode())
        packets += connection.close()
    path.write_bytes(pcap([ethernet(packet) for packet in packets]))


def run(capture, *sinks, env=None, timeout=250):
    arguments = [part for sink in sinks for part in ("--sink", sink)]
    done = subprocess.run([WEIR, "read", str(capture), *arguments], capture_output=True, text=True,
                          timeout=timeout, check=False, env={**os.environ, **(env or {})})
    assert done.returncode == 0, done
    return done


def logged(stderr, name=""):
    """The numbers of the sink's last line."""
    line = [line for line in stderr.splitlines() if line.startswith(f"weir: {name}seen")][-1]
    seen, rest = line.split("seen ")[1].split(" = logged ")
    return int(seen), int(rest.split()[0]), line


class Case:
    """A capture, what it should give, and a folder."""

    def __init__(self, folder):
        self.folder = folder
        self.capture = folder / "requests.pcap"
        make_capture(self.capture)
        run(self.capture, f"file={folder}/expected.json")
        text = (folder / "expected.json").read_text().splitlines()
        self.expected = {record["id"]: record for record in map(json.loads, text)}
        assert len(self.expected) >= COUNT and not any("secret" in line for line in text)
        token = folder / "token"
        token.write_text("secret-token\n")
        token.chmod(0o600)

    def check(self, receiver, most_twice=0):
        """Everything has arrived, as it should be; twice only what was not confirmed."""
        ids = receiver.ids()
        missing, extra = set(self.expected) - set(ids), len(ids) - len(set(ids))
        assert not missing and not set(ids) - set(self.expected), (len(ids), len(missing))
        assert extra <= most_twice, f"{extra} records came twice"
        for record in receiver.records:
            plain = {key: value for key, value in record.items() if key[0] != "_"}
            if "event.id" not in record:
                assert plain == self.expected[record["id"]], (plain, self.expected[record["id"]])


KINDS = {
    "http": (receivers.take_lines, "compression=zstd"),
    "http body=array": (receivers.take_array, "compression=none"),
    "loki": (receivers.take_loki_protobuf,
             "label=job=weir,type,host=host.name metadata=trace_id,id"),
    "loki encoding=json": (receivers.take_loki,
                           "label=job=weir,type,host=host.name metadata=trace_id,id"),
    "elasticsearch": (receivers.take_bulk, ""),
    "otlp": (receivers.take_otlp, ""),
    "splunk": (receivers.take_splunk, "acknowledgements=true token-file={folder}/token"),
}


def sink_of(kind, port, case, more="", scheme="http", host="127.0.0.1"):
    name, _, rest = kind.partition(" ")
    own = KINDS[kind][1].format(folder=case.folder)
    return f"{name}={scheme}://{host}:{port} {rest} {own} {FAST} batch-count=97 {more}"


def failures_are_survived(case):
    """Each kind of sink meets each failure once, and then all is well."""
    script = [answer(500), answer(503), answer(429, Retry_After="1"), receivers.reset,
              answer(200, b"<html>welcome</html>"), answer(404), answer(401), answer(302)]
    slow = [receivers.hang, receivers.half_open, receivers.dribble]

    def one(kind):
        # A plain HTTP endpoint confirms with any 200, so it must not lie.
        steps = [step for at, step in enumerate(script) if at != 4 or not kind.startswith("http")]
        receiver = Receiver(KINDS[kind][0], steps + slow)
        started = time.monotonic()
        done = run(case.capture, sink_of(kind, receiver.port, case, "timeout=700ms"))
        assert time.monotonic() - started > 1, "Retry-After was not honoured"
        seen, count, line = logged(done.stderr)
        assert seen == count, line
        case.check(receiver)
        assert receiver.requests > len(steps) + 2
        receiver.close()

    failed = []

    def guarded(kind):
        try:
            one(kind)
        except BaseException as error:  # told by the main thread
            failed.append((kind, error))

    threads = [threading.Thread(target=guarded, args=(kind,)) for kind in KINDS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed


def nobody_listens_at_first(case):
    """Refused until the receiver comes; a name that nobody knows keeps all in the spool."""
    port = receivers.free_port()
    started = []

    def later():
        time.sleep(0.5)
        started.append(Receiver(receivers.take_lines, port=port))

    thread = threading.Thread(target=later)
    thread.start()
    run(case.capture, sink_of("http", port, case))
    thread.join()
    case.check(started[0])
    spool = f"spool={case.folder}/spool-dns"
    done = run(case.capture, f"http=http://no.such.host.invalid:1 {spool} retry-first=5ms")
    seen, count, line = logged(done.stderr)
    assert seen == count and f"{seen} records wait in the spool" in done.stderr, done.stderr
    started[0].records.clear()
    done = run(case.capture,
               f"http=http://127.0.0.1:{port} {spool} filter='type == \"dns\"'")
    assert f"{seen} records of earlier runs were in the spool" in done.stderr, done.stderr
    assert started[0].ids() == list(case.expected), "the backlog came twice, or out of order"
    started[0].close()


def parts_are_sent_again(case):
    """_bulk takes some, asks for patience with some, and never wants one."""
    tries = {}

    def judge(record):
        path = record["url.original"] if "url.original" in record else ""
        tries[record["event.id"]] = tries.get(record["event.id"], 0) + 1
        if path.startswith("/item/7?"):
            return 400
        return 429 if tries[record["event.id"]] <= 2 and path.endswith("5") else 201

    receiver = Receiver(receivers.take_bulk)
    receiver.judge = judge
    dead = case.folder / "dead.ndjson"
    done = run(case.capture, sink_of("elasticsearch", receiver.port, case, f"dead-letter={dead}"))
    seen, count, line = logged(done.stderr)
    assert count == seen - 1 and "lost(sink_rejected) 1" in line, line
    lines = [json.loads(text) for text in dead.read_text().splitlines()]
    assert len(lines) == 1 and "400" in lines[0]["reason"], lines
    assert json.loads(lines[0]["record"])["url.original"].startswith("/item/7?")
    assert dead.stat().st_mode & 0o777 == 0o600
    # A record of the loss may have been in time.
    stored = [record for record in receiver.records if record["event.dataset"] != "weir.loss"]
    ids = [record["id"] for record in stored]
    assert len(ids) == len(set(ids)) == len(case.expected) - 1
    assert all(number <= 3 for number in tries.values()), "taken records were sent again"
    assert {record["_index"] for record in stored} == {
        "logs-weir.http-default", "logs-weir.connection-default"}
    receiver.close()


def poison_is_found(case):
    """A receiver that refuses whole batches for one record: that one is found and put aside."""
    def take(handler, body, receiver):
        if b"/item/123?" in body:
            return 400, b"I do not like one of them", []
        return receivers.take_lines(handler, body, receiver)

    receiver = Receiver(take)
    done = run(case.capture, sink_of("http", receiver.port, case))
    seen, count, line = logged(done.stderr)
    assert count == seen - 1 and "lost(sink_rejected) 1" in line, line
    ids = [record["id"] for record in receiver.records if record["type"] != "loss"]
    assert len(ids) == len(set(ids)) == len(case.expected) - 1
    receiver.close()


def tls_is_verified(case):
    """A private authority, a client certificate; a wrong name and an expired one send nothing."""
    folder = case.folder
    receivers.make_authority(folder)
    receivers.make_certificate(folder, "good", "localhost", "DNS:localhost")
    receivers.make_certificate(folder, "other", "other.test", "DNS:other.test")
    receivers.make_certificate(folder, "late", "localhost", "DNS:localhost", days="-1")
    receivers.make_certificate(folder, "client", "weir", "DNS:weir")
    trust = f"tls-ca-file={folder}/ca.pem"
    receiver = Receiver(receivers.take_lines,
                        context=receivers.tls_context(folder, "good", with_clients=True))
    run(case.capture, sink_of("http", receiver.port, case,
                              f"{trust} tls-certificate-file={folder}/client.pem "
                              f"tls-key-file={folder}/client.key", "https", "localhost"))
    case.check(receiver)
    receiver.close()
    for name, more in (("other", trust), ("late", trust), ("good", "")):
        receiver = Receiver(receivers.take_lines, context=receivers.tls_context(folder, name))
        done = run(case.capture, f"http=https://localhost:{receiver.port} {more} retry-first=5ms "
                   "close-timeout=300ms")
        seen, count, line = logged(done.stderr)
        assert count == 0 and f"lost(sink_error) {seen}" in line, line
        assert receiver.requests == 0, "something was sent to a receiver that is not the one"
        receiver.close()


def secrets_stay_secret(case):
    receiver = Receiver(receivers.take_splunk)
    sink = sink_of("splunk", receiver.port, case)
    configuration = case.folder / "weir.yaml"
    configuration.write_text(f"sinks:\n  - type: splunk\n    url: http://127.0.0.1:1\n"
                             f"    token-file: {case.folder}/token\n")
    shown = subprocess.run([WEIR, "config", "show", str(configuration)], capture_output=True,
                           text=True, check=True)
    assert "secret-token" not in shown.stdout + shown.stderr and "token-file" in shown.stdout
    done = run(case.capture, sink, f"file={case.folder}/beside.json")
    assert "secret-token" not in done.stderr
    case.check(receiver)
    done = run(case.capture, f"splunk=http://127.0.0.1:{receiver.port} token-variable=HEC "
               "give-up=true", env={"HEC": "wrong"})
    assert "lost(sink_error)" in done.stderr and "wrong" not in done.stderr, done.stderr
    receiver.close()
    for wrong in ("http=http://user:pass@127.0.0.1:1", "http=ftp://a/", "http=x",
                  "http=http://a header='Authorization: x'", "loki=http://a label=nofield",
                  "elasticsearch=http://a index=../x", "http=http://a format=pritty"):
        done = subprocess.run([WEIR, "read", str(case.capture), "--sink", wrong], text=True,
                              capture_output=True, check=False)
        assert done.returncode == 2 and "pass@" not in done.stderr, (wrong, done)
    (case.folder / "token").chmod(0o644)
    done = subprocess.run([WEIR, "read", str(case.capture), "--sink", sink], text=True,
                          capture_output=True, check=False)
    assert done.returncode == 1 and "chmod 600" in done.stderr, done
    (case.folder / "token").chmod(0o600)


def each_sees_its_own(case):
    """Several sinks: filter, level, omitted fields, hidden headers, formats; one stands still."""
    folder = case.folder
    stuck = Receiver(receivers.take_lines, [receivers.half_open] * 50)
    done = run(case.capture,
               f"file={folder}/all.json",
               f"file={folder}/errors.json level=error",
               f"file={folder}/some.json filter='url.original =~ \"^/item/1\"' "
               "omit=http.response.headers,url.query mask-name=x-seq",
               f"file={folder}/plain.log format=logfmt",
               f"http=http://127.0.0.1:{stuck.port} give-up=true timeout=100ms close-timeout=50ms")
    text = {name: (folder / name).read_text() for name in ("all.json", "errors.json", "some.json")}
    records = {name: [json.loads(line) for line in lines.splitlines()]
               for name, lines in text.items()}
    assert {record["id"]: record for record in records["all.json"]} == case.expected
    assert len(records["errors.json"]) == COUNT // 10
    assert all(record["http.response.status_code"] == 500 for record in records["errors.json"])
    assert len(records["some.json"]) == 111
    for record in records["some.json"]:
        assert "http.response.headers" not in record and "url.query" not in record
        assert ["X-Seq", "***"] in record["http.request.headers"]
        whole = case.expected[record["id"]]
        assert record["url.original"] == whole["url.original"]
    assert (folder / "plain.log").read_text().count("\n") == len(case.expected)
    for name, count in (("file: ", len(case.expected)), ("file-2: ", COUNT // 10),
                        ("file-3: ", 111), ("file-4: ", len(case.expected)), ("http: ", 0)):
        seen, number, line = logged(done.stderr, name)
        assert (seen, number) == (len(case.expected), count), line
    stuck.close()
    for looser in ("no-mask=true", "unmask=cookie", "mask=false"):
        done = subprocess.run([WEIR, "read", str(case.capture), "--sink",
                               f"file={folder}/looser.json {looser}"], capture_output=True,
                              text=True, check=False)
        assert done.returncode == 2 and not (folder / "looser.json").exists(), (looser, done)


def read_counted(stream):
    """Messages of a stream with octet counting."""
    while count := b"".join(iter(lambda: stream.read(1).strip(), b"")):
        yield stream.read(int(count))


def syslog_arrives(case):
    """Octet counting over TCP and TLS, and datagrams."""
    messages = []

    def serve(listener, context):
        while len(messages) < len(case.expected):
            connection = listener.accept()[0]
            connection = context.wrap_socket(connection, server_side=True) if context \
                else connection
            for message in read_counted(connection.makefile("rb")):
                messages.append(message)
            connection.close()

    for transport, context in (("tcp", None), ("tls", receivers.tls_context(case.folder, "good"))):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            messages.clear()
            thread = threading.Thread(target=serve, args=(listener, context), daemon=True)
            thread.start()
            run(case.capture, f"syslog=localhost:{listener.getsockname()[1]} batch-count=40 {FAST} "
                f"transport={transport} tls-ca-file={case.folder}/ca.pem spool-first=true "
                f"spool={case.folder}/spool-syslog-{transport}")
            thread.join(60)
        check_messages(case, messages)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        run(case.capture, f"syslog=127.0.0.1:{receiver.getsockname()[1]} transport=udp "
            "filter='url.original == \"/item/5?q=\\\"5\"'")
        text = receiver.recv(65536)
        assert text.startswith(b"<134>1 20") and b"/item/5?" in text, text


def check_messages(case, messages):
    """Every record once, with its time, type and severity in front."""
    pattern = re.compile(rb"<(\d+)>1 (\S+) \S+ weir - (\S+) - (.*)", re.DOTALL)
    found = {}
    for message in messages:
        match = pattern.fullmatch(message)
        assert match, message[:200]
        record = json.loads(match[4])
        assert match[2].decode()[:-1] == record["time"][:26], match[2]
        assert match[3].decode() == record["type"]
        status = record.get("http.response.status_code", 200)
        assert int(match[1]) == 16 * 8 + (3 if status == 500 else 6), match[1]
        assert record == case.expected[record["id"]]
        found[record["id"]] = record
    assert len(messages) == len(found) == len(case.expected), (len(messages), len(found))


def syslog_waits_for_the_right_one(case):
    """Refused until the server comes; a certificate of another name gets nothing."""
    port, messages = receivers.free_port(), []

    def later():
        time.sleep(0.3)
        with socket.create_server(("127.0.0.1", port)) as listener:
            while len(messages) < len(case.expected):
                with listener.accept()[0] as peer:
                    messages.extend(read_counted(peer.makefile("rb")))

    thread = threading.Thread(target=later, daemon=True)
    thread.start()
    run(case.capture, f"syslog=127.0.0.1:{port} {FAST}")
    thread.join(60)
    check_messages(case, messages)
    context, taken = receivers.tls_context(case.folder, "other"), []

    def greet():
        while True:
            try:
                with context.wrap_socket(listener.accept()[0], server_side=True) as peer:
                    taken.append(peer.recv(1))
            except ssl.SSLError:
                pass
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=greet, daemon=True).start()
        done = run(case.capture, f"syslog=localhost:{listener.getsockname()[1]} transport=tls "
                   f"tls-ca-file={case.folder}/ca.pem retry-first=5ms close-timeout=300ms")
    seen, count, line = logged(done.stderr)
    assert count == 0 and f"lost(sink_error) {seen}" in line and not any(taken), (line, taken)


def rsyslog_takes_it(case):
    """An independent receiver: what rsyslogd writes is what was sent."""
    if not shutil.which("rsyslogd"):
        print("rsyslog_takes_it: SKIP: no rsyslogd")
        return
    folder, port = case.folder, receivers.free_port()
    (folder / "rsyslog.conf").write_text(
        'module(load="imtcp")\n'
        '$MaxMessageSize 64k\n'
        'template(name="raw" type="string" string="%app-name% %pri% %msg%\\n")\n'
        f'input(type="imtcp" address="127.0.0.1" port="{port}" ruleset="all")\n'
        f'ruleset(name="all") {{ action(type="omfile" file="{folder}/rsyslog.out" '
        'template="raw") }\n')
    with subprocess.Popen(["rsyslogd", "-n", "-iNONE", "-f", f"{folder}/rsyslog.conf"],
                          stderr=subprocess.DEVNULL) as server:
        try:
            run(case.capture, f"syslog=127.0.0.1:{port} {FAST}")
            deadline = time.monotonic() + 60
            out = folder / "rsyslog.out"
            while time.monotonic() < deadline and (
                    not out.exists() or out.read_text().count("\n") < len(case.expected)):
                time.sleep(0.05)
        finally:
            server.terminate()
    lines = out.read_text().splitlines()
    records = [json.loads(line.split(" ", 2)[2]) for line in lines]
    assert {record["id"]: record for record in records} == case.expected
    assert len(records) == len(case.expected)


def main():
    with tempfile.TemporaryDirectory(prefix="weir-sinks-") as folder:
        case = Case(Path(folder))
        for check in (each_sees_its_own, nobody_listens_at_first, parts_are_sent_again,
                      poison_is_found, failures_are_survived, tls_is_verified, secrets_stay_secret,
                      syslog_arrives, syslog_waits_for_the_right_one, rsyslog_takes_it):
            started = time.monotonic()
            check(case)
            print(f"{check.__name__}: ok ({time.monotonic() - started:.1f} s)")


main()
