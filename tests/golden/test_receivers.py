#!/usr/bin/python3
# TIMEOUT: 300
"""What receivers say of a part of a batch, and where secrets and proxies come from: only what was
not taken is sent again, what never will be is put aside once with its reason, nothing that the
operator can mend costs a record. WEIR_FAULTS_WHOLE: 1,000 batches of each kind."""

import base64
import http.server
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "lib"))
import faults  # noqa: E402
import receivers  # noqa: E402
from faults import Totals, make_capture, read  # noqa: E402

WHOLE = bool(os.environ.get("WEIR_FAULTS_WHOLE"))
BATCHES, BATCH = 1000 if WHOLE else 40, 20
FAST = f"retry-first=1ms retry-maximum=5ms batch-count={BATCH} batch-age=1ms"


def turn(identity):
    """A number of the record that is the same in every run."""
    return int(identity[-6:], 16) * 2654435761 >> 7 & 0xFFFF


class Case:
    def __init__(self, folder):
        self.folder = folder
        self.capture = make_capture(folder / "in.pcap", BATCHES * BATCH - 1)
        read([self.capture], f"file={folder}/all.json")
        self.ids = [json.loads(line)["id"] for line in (folder / "all.json").open()]
        (folder / "token").write_text("secret-token\n")
        (folder / "token").chmod(0o600)

    def run(self, sink):
        """What a run has done: totals, and dead letters by id."""
        dead = self.folder / "dead.ndjson"
        dead.unlink(missing_ok=True)
        done = read([self.capture], f"{sink} {FAST} dead-letter={dead}")
        lines = [json.loads(line) for line in dead.open()] if dead.exists() else []
        assert len({line["id"] for line in lines}) == len(lines), "a dead letter was written twice"
        return Totals(done.stderr), {line["id"]: line["reason"] for line in lines}

    def own(self, ids):
        """Without records of losses, which may come in time."""
        known = set(self.ids)
        return [identity for identity in ids if identity in known]

    def check(self, totals, dead, arrived, poison):
        assert set(dead) == poison, (len(dead), len(poison))
        assert set(self.own(arrived)) == set(self.ids) - poison
        assert totals.seen == len(self.ids) and totals.logged == len(self.ids) - len(poison)
        assert totals.lost == ({"sink_rejected": len(poison)} if poison else {}), totals.line


def bulk_in_parts(case):
    """Of each batch some are taken, some later, some never."""
    tries = {}

    def judge(record):
        identity = record["event.id"]
        tries[identity] = tries.get(identity, 0) + 1
        if turn(identity) % 50 == 0:
            return 400
        return 429 if turn(identity) % 5 == 0 and tries[identity] <= 2 else 201

    receiver = receivers.Receiver(receivers.take_bulk)
    receiver.judge = judge
    totals, dead = case.run(f"elasticsearch=http://127.0.0.1:{receiver.port}")
    poison = {identity for identity in case.ids if turn(identity) % 50 == 0}
    ids = receiver.ids()
    case.check(totals, dead, ids, poison)
    assert len(ids) == len(set(ids)) and max(tries.values()) <= 3
    assert all("400" in reason for reason in dead.values())
    receiver.close()


def otlp_in_parts(case):
    """A partial success is not sent again: so many are rejected as it says."""
    rejected = []

    def take(_handler, body, _receiver):
        ids = [identity.decode() for identity in receivers.OTLP_ID.findall(body)]
        count = sum(turn(identity) % 50 == 0 for identity in ids)
        rejected.append(count)
        part = b"\x08" + bytes([count]) + b"\x12\x07too old"
        return 200, b"\x0a" + bytes([len(part)]) + part if count else b"", [
            {"id": identity} for identity in ids]

    receiver = receivers.Receiver(take)
    totals, dead = case.run(f"otlp=http://127.0.0.1:{receiver.port}")
    ids = case.own(receiver.ids())
    assert sorted(ids) == sorted(case.ids), "something came twice, or never"
    assert sum(rejected) >= len(dead) == totals.lost["sink_rejected"] > 0, totals.line
    assert all("too old" in reason for reason in dead.values())
    receiver.close()


def splunk_loses_acknowledgements(case):
    """The indexer never says of some batches that it has them: they come again."""
    asked, given = {}, []

    def take(handler, body, receiver):
        if handler.path.startswith("/services/collector/ack"):
            numbers = json.loads(body)["acks"]
            for number in numbers:
                asked[number] = asked.get(number, 0) + 1
            return 200, json.dumps({"acks": {str(number): number % 7 != 3
                                             for number in numbers}}).encode(), []
        status, answer, records = receivers.take_splunk(handler, body, receiver)
        given.append(receiver.acks)
        return status, answer, records

    receiver = receivers.Receiver(take)
    totals, dead = case.run(f"splunk=http://127.0.0.1:{receiver.port} acknowledgements=true "
                            f"acknowledgement-timeout=20ms token-file={case.folder}/token")
    case.check(totals, dead, receiver.ids(), set())
    lost = len([number for number in given if number % 7 == 3])
    assert lost and len(receiver.ids()) - len(case.ids) <= lost * BATCH
    receiver.close()


def splunk_codes(case):
    """Each code of the documentation: an event is to blame, or nothing that weir may give up."""
    state = {"poison": case.ids[5]}
    mendable = [(403, 1), (401, 2), (401, 3), (403, 4), (400, 7), (500, 8), (503, 9), (400, 10),
                (400, 11), (400, 14), (400, 16), (503, 18), (503, 19), (503, 20), (503, 23),
                (429, 26), (429, 27)]

    def take(handler, body, _receiver):
        assert handler.path == "/services/collector/event", handler.path
        events = [json.loads(line)["event"] for line in body.splitlines()]
        if mendable:
            status, code = mendable.pop(0)
            return status, json.dumps({"text": "no", "code": code}).encode(), []
        for number, event in enumerate(events):
            if event["id"] == state["poison"]:
                return 400, json.dumps({"text": "Invalid data format", "code": state["code"],
                                        "invalid-event-number": number}).encode(), []
        return 200, b'{"text":"Success","code":0}', events

    for code in (6, 12, 13, 15):
        state["code"] = code
        receiver = receivers.Receiver(take)
        totals, dead = case.run(f"splunk=http://127.0.0.1:{receiver.port} "
                                f"token-file={case.folder}/token")
        case.check(totals, dead, receiver.ids(), {state["poison"]})
        assert not mendable
        receiver.close()


def loki_refuses_old_ones(case):
    """400 for a batch with an entry that is too old: that entry is found and put aside."""
    poison = {identity for identity in case.ids if turn(identity) % 50 == 0}

    def take(handler, body, receiver):
        status, answer, records = receivers.take_loki(handler, body, receiver)
        if any(record["id"] in poison for record in records):
            return 400, b"entry too far behind", []
        return status, answer, records

    receiver = receivers.Receiver(take)
    totals, dead = case.run(f"loki=http://127.0.0.1:{receiver.port} encoding=json")
    case.check(totals, dead, receiver.ids(), poison)
    assert all("too far behind" in reason for reason in dead.values())
    receiver.close()


class Proxy(http.server.BaseHTTPRequestHandler):
    """Forwards to the address of the request, for those who know the password."""
    seen = []

    def do_POST(self):
        wanted = "Basic " + base64.b64encode(b"me:secret-proxy").decode()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Proxy-Authorization") != wanted:
            receivers.reply(self, 407, b"")
            return
        assert self.path.startswith("http://127.0.0.1:"), self.path
        Proxy.seen.append(self.path)
        headers = {name: value for name, value in self.headers.items()
                   if not name.lower().startswith("proxy-")}
        request = urllib.request.Request(self.path, data=body, headers=headers)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request) as answer:
            receivers.reply(self, answer.status, answer.read())

    def log_message(self, *_):
        pass


def proxies_and_secrets(case):
    """Through a proxy by option and by variable; secrets of files arrive and are never shown."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    for name, text in (("proxy-password", "secret-proxy"), ("key", "secret-key")):
        (case.folder / name).write_text(text + "\n")
        (case.folder / name).chmod(0o600)
    receiver = receivers.Receiver(receivers.take_lines)
    own = (f"http=http://127.0.0.1:{receiver.port} proxy-user=me "
           f"proxy-password-file={case.folder}/proxy-password "
           f"secret-header=X-Api-Key={case.folder}/key")
    address = f"http://127.0.0.1:{server.server_address[1]}"
    for number, (sink, variables) in enumerate([(f"{own} proxy={address}", {}),
                                                (own, {"http_proxy": address, "no_proxy": ""})]):
        done = read([case.capture], f"{sink} {FAST}", faults=variables)
        assert Totals(done.stderr).logged == len(case.ids) and "secret-" not in done.stderr
        assert len(receiver.ids()) == (number + 1) * len(case.ids) and Proxy.seen
        Proxy.seen.clear()
    assert all(headers["X-Api-Key"] == "secret-key" for headers in receiver.headers)
    read([case.capture], f"{own} proxy=none {FAST}", faults={"http_proxy": address})
    assert not Proxy.seen, "'none' was not direct"
    receiver.close()
    server.shutdown()


def shown_nowhere(case):
    """Neither the list of processes nor its memory's core, nor what refuses secrets elsewhere."""
    for sink in ("http=http://a.test header='X-Api-Key: secret-1'",
                 "http=http://a.test proxy=http://me:secret-1@b.test",
                 "http=http://a.test proxy-user=me", "http=http://a.test secret-header=X",
                 "http=http://a.test header='Cookie: a=secret-1'",
                 "kafka=a.test property=ssl.key.pem=secret-1",
                 "kafka=a.test property=sasl.oauthbearer.client.secret=secret-1"):
        done = read([case.capture], sink, check=False)
        assert done.returncode == 2 and "secret-1" not in done.stderr, (sink, done)
    receiver = receivers.Receiver(receivers.take_splunk, [receivers.answer(503)] * 100000)
    with subprocess.Popen([faults.WEIR, "read", "-", "--sink",
                           f"splunk=http://127.0.0.1:{receiver.port} "
                           f"token-file={case.folder}/token {FAST}"],
                          stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        process.stdin.write(case.capture.read_bytes())
        process.stdin.flush()
        deadline = time.monotonic() + 60
        while not receiver.requests and time.monotonic() < deadline:
            time.sleep(0.01)
        folder = Path("/proc") / str(process.pid)
        assert b"secret-token" not in (folder / "cmdline").read_bytes()
        limits = (folder / "limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits), limits
        process.kill()
    receiver.close()


def main():
    with tempfile.TemporaryDirectory(prefix="weir-receivers-") as folder:
        case = Case(Path(folder))
        for check in (bulk_in_parts, otlp_in_parts, splunk_loses_acknowledgements, splunk_codes,
                      loki_refuses_old_ones, proxies_and_secrets, shown_nowhere):
            started = time.monotonic()
            if len(sys.argv) > 1 and check.__name__ not in sys.argv:
                continue
            check(case)
            print(f"{check.__name__}: {BATCHES} batches of {BATCH}: ok "
                  f"({time.monotonic() - started:.1f} s)", flush=True)


main()
