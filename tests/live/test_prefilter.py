#!/usr/bin/python3
"""Methods and hosts are decided in the kernel: what is refused never leaves it and is counted.

TIMEOUT: 200
Random conversations - pipelined, cut, with bodies of all kinds, HEAD and interim responses - run
under filters. The records are those that the filter takes, each with its own response, and
seen = logged + filtered holds with each exchange counted once. Of refused requests that lie whole
in a call the raw ring holds nothing. SIGHUP changes what is wanted while a connection lives.
"""

import random
import signal
from pathlib import Path

from harness import (RUNG, Weir, check, check_clean_end, check_empty, flags, note, require_weir,
                     run_main, temporary_directory)
from harness import traffic
from play import Stage

METHODS = ["GET", "GET", "GET", "POST", "HEAD", "PUT", "OPTIONS", "M-SEARCH", "PROPPATCH"]
HOSTS = ["one.test", "Two.Test", "two.test:8080", "three.test", "[::1]:80", None]
ROUNDS = 12
BATCH = 5
DEEP = 90  # pipelined requests: more than the kernel remembers


class Exchange:
    def __init__(self, chance, number, is_deep):
        self.number = f"n{number}"
        self.method = chance.choice([method for method in METHODS
                                     if method != "HEAD" or not is_deep])
        self.host = chance.choice(HOSTS)
        self.is_cut = is_deep
        has_body = self.method in ("POST", "PUT") and chance.random() < 0.8
        self.asked = self.message(f"{self.method} /{self.number} HTTP/1.1", self.host,
                                  self.body(chance) if has_body else b"", chance, True)
        body = self.body(chance)
        answer = self.message("HTTP/1.1 200 OK", None, body, chance, self.method != "HEAD")
        interim = b"HTTP/1.1 100 Continue\r\n\r\n" if has_body and chance.random() < 0.3 else b""
        self.answered = interim + answer

    def body(self, chance):
        text = b"GET /body HTTP/1.1\r\n"[:chance.choice([0, 1, 11, 20])]
        return text * chance.choice([1, 3, 700])

    def message(self, start, host, body, chance, is_sent):
        lines = [start, f"X-Number: {self.number}", f"Cookie: a={self.number}-secret"]
        if host:
            lines.insert(chance.randrange(1, len(lines) + 1), f"Host: {host}")
        if is_sent and body and chance.random() < 0.4:
            lines.append("Transfer-Encoding: chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        elif body or not start.startswith(("GET", "HEAD")):
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        return head + (body if is_sent else b"")

    def domain(self):
        host = self.host and self.host.removesuffix(":80").removesuffix(":8080")
        return host and host.lower()


def send(chance, give, messages, exchanges):
    """All messages in one call, or each in pieces."""
    if chance.random() < 0.6:
        give(b"".join(messages))
        return
    for message, exchange in zip(messages, exchanges):
        at = sorted(chance.sample(range(1, len(message)), min(2, len(message) - 1)))
        if chance.random() < 0.5:
            at, exchange.is_cut = [], exchange.is_cut
        exchange.is_cut |= bool(at)
        pieces = [message[a:b] for a, b in zip([0, *at], [*at, len(message)])]
        give(*pieces)


def converse(chance, play, numbers, rounds=ROUNDS, most=BATCH):
    done = []
    for _ in range(rounds):
        batch = [Exchange(chance, next(numbers), most > BATCH)
                 for _ in range(chance.randrange(1, most + 1))]
        send(chance, play.c, [exchange.asked for exchange in batch], batch)
        send(chance, play.s, [exchange.answered for exchange in batch], batch)
        done += batch
    return done


def counter():
    number = 0
    while True:
        number += 1
        yield number


def check_records(weir, exchanges, wanted, what):
    expected = {exchange.number for exchange in exchanges if wanted(exchange)}
    records = weir.records(server_port=weir.server_port)
    wrong, seen = [], []
    for record in records:
        asked = record.get("url.original", "/?")[1:]
        answer = dict(map(tuple, record.get("http.response.headers", [])))
        seen.append(asked)
        if answer.get("X-Number") != asked or flags(record) - {"masked"}:
            wrong.append(str(record)[:600])
    check_empty(wrong, f"{what}: each of {len(records)} records has its own response")
    check(sorted(seen) == sorted(expected), f"{what}: {len(expected)} of {len(exchanges)} logged",
          f"missing {sorted(expected - set(seen))[:9]} more {sorted(set(seen) - expected)[:9]}")
    totals = weir.totals
    check(totals.lost_sum == 0 and totals.logged == len(expected)
          and totals.seen == len(exchanges) and totals.filtered == len(exchanges) - len(expected),
          f"{what}: seen {len(exchanges)} = logged + filtered", str(totals))


def is_certain(exchange, with_hosts):
    return not exchange.is_cut and (not with_hosts or exchange.host not in (None, "[::1]:80"))


def play_all(stage, chance, seed):
    numbers, exchanges = counter(), []
    for turn in range(4):
        play = stage.open()
        exchanges += converse(chance, play, numbers)
        if turn == seed % 4:
            exchanges += converse(chance, play, numbers, 2, DEEP)
        play.close("server" if turn % 2 else "client")
    return exchanges


def run_filter(arguments, wanted, with_hosts, seed):
    chance, stage = random.Random(seed), Stage()
    ring = Path(temporary_directory()) / "ring"
    what = " ".join(arguments)
    with Weir("--port", stage.port, *arguments, environment={"WEIR_RING_DUMP": str(ring)}) as weir:
        weir.server_port = stage.port
        exchanges = play_all(stage, chance, seed)
        check_clean_end(weir)
    check_records(weir, exchanges, wanted, what)
    raw = ring.read_bytes()
    check(b"-secret" not in raw, f"{what}: no secret in the ring")
    refused = [exchange for exchange in exchanges
               if not wanted(exchange) and is_certain(exchange, with_hosts)]
    shown = [exchange.number for exchange in refused
             if b"/%s HTTP" % exchange.number.encode() in raw]
    check(refused and not shown, f"{what}: the ring holds none of {len(refused)} refused requests",
          str(shown))


def run_change():
    """SIGHUP changes what is wanted; a connection that lives goes on."""
    stage, chance, numbers = Stage(), random.Random(5), counter()
    file = Path(temporary_directory()) / "weir.yaml"
    file.write_text("method: [POST]\n")
    with Weir("--config", file, "--port", stage.port) as weir:
        weir.server_port = stage.port
        play, parts = stage.open(), []
        for method in ("POST", "PUT", None):
            if method != "POST":
                before = weir.stderr().count("read again")
                file.write_text(f"method: [{method}]\nhost: [two.test]\n" if method else "")
                weir.process.send_signal(signal.SIGHUP)
                traffic.wait_until(lambda: weir.stderr().count("read again") > before)
            part = converse(chance, play, numbers, 20)
            parts.append((method, part))
            count = sum(1 for each, done in parts for exchange in done if taken(each, exchange))
            # what came before is judged by the filter that was in force when it was handed on
            weir.wait_for_records(count, server_port=stage.port)
        play.close()
        check_clean_end(weir)
    everything = [exchange for _, part in parts for exchange in part]
    wanted = {exchange.number for method, part in parts for exchange in part
              if taken(method, exchange)}
    check_records(weir, everything, lambda exchange: exchange.number in wanted, "SIGHUP")


def taken(method, exchange):
    if method == "POST":
        return exchange.method == "POST"
    return method is None or (exchange.method == "PUT" and exchange.domain() == "two.test")


def main():
    require_weir()
    key = Path(temporary_directory()) / "key"
    key.write_bytes(b"sixteen bytes or more")
    key.chmod(0o600)
    run_filter(["--method", "POST,PROPPATCH"],
               lambda exchange: exchange.method in ("POST", "PROPPATCH"), False, 1)
    run_filter(["--filter", 'url.domain in ("one.test", "TWO.test")'],
               lambda exchange: exchange.domain() in ("one.test", "two.test"), True, 2)
    run_filter(["--filter", 'http.request.method == "GET" and url.domain == "two.test"',
                "--mask-key-file", str(key)],
               lambda exchange: exchange.method == "GET" and exchange.domain() == "two.test",
               True, 3)
    if not RUNG:
        run_filter(["--rung", "syscall", "--method", "HEAD", "--host", "three.test"],
                   lambda exchange: exchange.method == "HEAD" and exchange.domain() == "three.test",
                   True, 4)
    run_change()
    note("methods and hosts are decided in the kernel")


run_main(main)
