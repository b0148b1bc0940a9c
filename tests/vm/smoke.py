#!/usr/bin/python3
"""
Capture, mask, count: with every rung of the attach ladder that this kernel has, and under TLS.

    smoke.py WEIR PEER RUNG...     (the rungs that this kernel must have, at least)

Runs as root, on the host or in a guest (run-in-kernel.sh), where everything is 10 to 30 times
slower: few processes, generous time-outs. PEER is smoke_peer.c, compiled; certificate.pem (with
its key) stands beside it. Which rungs there are is what `weir doctor` says; a rung that must be
there and is not is a failure. Ends with 0, or 1 after printing what was wrong.
"""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time

import smoke_dns
from smoke_rows import try_rows
from smoke_run import Wrong, expect, run_weir
from smoke_tls import try_tls

PAIRS = 2  # of client and server, at the same time
REQUESTS = 35  # of each pair
HALVES = 2 * (REQUESTS // 3 + 1)  # of the requests of one of its three connections
CANARY = "c4n4ry5ecret"
RUNGS = ("fentry", "tracepoint", "syscall")
# Names as smoke_peer sends them, in wire order.
REQUEST_NAMES = ["Host", "X-Seq", "aUTHORIZATION", "Accept", "Cookie", "X-Api-Key", "User-Agent",
                 "X-Last"]
RESPONSE_NAMES = ["X-Seq", "Set-Cookie", "Content-Type", "Content-Length"]
# What bytes that a skipped program did not see are counted as.
SKIPPED_REASONS = {"unseen_call", "preempted", "skipped"}
# A flag that says that something is missing or was not understood.
BAD_FLAGS = {"truncated", "gap", "late", "unpaired", "malformed", "incomplete"}


def survey(weir):
    """The rungs that `weir doctor` says this kernel and these privileges allow."""
    done = subprocess.run([weir, "doctor", "-o", "json"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=400)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        raise Wrong(f"doctor ended with {done.returncode}: {done.stdout!r} {done.stderr!r}")
    available = {}

    def visit(node):
        if isinstance(node, dict):
            name = str(node.get("name", ""))
            if name.startswith("rung "):
                available[name[5:]] = bool(node.get("is_available"))
            node = list(node.values())
        if isinstance(node, list):
            for child in node:
                visit(child)

    visit(report)
    return [rung for rung in RUNGS if available.get(rung)]


def talk(peer):
    """Runs the pairs; their servers' ports by the number of the pair."""
    pairs = [subprocess.Popen([peer, str(1 + pair * REQUESTS), str(REQUESTS), CANARY],
                              stdout=subprocess.PIPE) for pair in range(PAIRS)]
    ports = []
    for pair in pairs:
        ports.append([int(port) for port in pair.communicate(timeout=90)[0].split()])
        expect(pair.returncode, 0, "exit status of the peers")
    return ports


def talk_and_look(peer):
    return talk(peer), smoke_dns.ask_all(), missed_calls()


def check_record(record, number, misses):
    """`misses`: so many times the kernel skipped a program, which may have told who connected."""
    def values(side):
        return {name: value for name, value in record[f"http.{side}.headers"]}

    def names(side):
        return [name for name, _ in record[f"http.{side}.headers"]]

    expect(names("request"), REQUEST_NAMES, "request headers")
    expect(names("response"), RESPONSE_NAMES, "response headers")
    request, response = values("request"), values("response")
    expect(request["X-Seq"], str(number), "X-Seq of the request")
    expect(request["X-Last"], str(number), "the last header")
    expect(response["X-Seq"], str(number), "X-Seq of the response")
    # A scheme or name that is cut by two calls is masked too: it is not yet known to be one.
    expect(request["aUTHORIZATION"] in ("Bearer ***", "***"), True,
           f"Authorization {request['aUTHORIZATION']!r}")
    expect(re.sub(r"^\*\*\*|(?<=; )\*\*\*$", "cut", request["Cookie"]) in (
        "sid=***; theme=***", "cut; theme=***", "sid=***; cut", "cut; cut"), True,
        f"Cookie {request['Cookie']!r}")
    expect(request["X-Api-Key"].strip(), "***", "X-Api-Key")
    expect(response["Set-Cookie"], "sid=***; Path=/; HttpOnly", "Set-Cookie")
    expect(record["http.request.method"], "GET", "method")
    expect(record["url.original"], f"/item/{number}?n={number}", "target")
    expect(record["http.response.status_code"], 200, "status")
    expect(record["http.response.body.size"], 10, "size of the response's body")
    expect(BAD_FLAGS & set(record.get("flags", [])), set(), "flags")
    for side in ("process",) if misses and "peer.process.pid" not in record else (
            "process", "peer.process"):
        expect(record.get(side + ".command"), "smoke_peer", side + ".command")
    if record["process.pid"] == record.get("peer.process.pid"):
        raise Wrong("process.pid equals peer.process.pid")


def check_ends(records, ports):
    """Addresses of all three kinds of connections, IPv4-mapped ones as IPv4."""
    wanted = set()
    for four_port, six_port in ports:
        wanted |= {("127.0.0.1", "127.0.0.1", "ipv4", four_port),
                   ("127.0.0.1", "127.0.0.1", "ipv4", six_port), ("::1", "::1", "ipv6", six_port)}
    found = {(one["server.address"], one["client.address"], one["network.type"],
              one["server.port"]) for one in records}
    expect(found, wanted, "the ends' addresses")


def is_whole(record):
    return ("url.original" in record and "http.response.headers" in record
            and not BAD_FLAGS & set(record.get("flags", [])))


def check_exchanges(mine, ports, misses):
    """
    All of them once, whole; except those that the kernel itself kept from weir. Behind a call that
    was not seen weir may not know which response answers which request, until the connection's end:
    each is then logged for itself, and none has the other's number.
    """
    halves = [one for one in mine if not is_whole(one)]
    if len(halves) > HALVES * misses:
        raise Wrong(f"{len(halves)} not whole, the kernel skipped {misses} calls: "
                    f"{json.dumps(halves[0])[:900]}")
    for one in halves:
        expect("url.original" in one and "http.response.headers" in one, False,
               f"a request and a response of which one may be another's: {json.dumps(one)[:900]}")
    whole = [one for one in mine if is_whole(one)]
    asked = {int(one["url.original"].split("=")[1]) for one in halves if "url.original" in one}
    numbers = [int(one["url.original"].split("=")[1]) for one in whole]
    absent = set(range(1, PAIRS * REQUESTS + 1)) - set(numbers) - asked
    expect(len(set(numbers)), len(numbers), "different numbers")
    if len(absent) > misses:
        raise Wrong(f"not logged: {sorted(absent)}; calls that the kernel skipped: {misses}")
    for one, number in zip(whole, numbers):
        check_record(one, number, misses)
    check_ends(mine, ports)


def check_totals(said, logged, misses):
    """seen = logged + filtered + lost, and it is what the file holds."""
    said = said[max(0, said.rfind("seen")):]
    totals = {name: int(value)
              for name, value in re.findall(r"\b(seen|logged|filtered)[ =:]+(\d+)", said)}
    lost = sum(map(int, re.findall(r"\blost(?:\(\w+\))?[ =:]+(\d+)", said)))
    expect(totals.get("seen"), totals.get("logged", 0) + totals.get("filtered", 0) + lost,
           f"seen of {said!r}")
    expect(totals.get("logged"), logged, "logged")
    expect(lost <= misses, True, f"lost {lost}, calls that the kernel skipped: {misses}")


def loaded_programs():
    """The BPF programs in the kernel by id; None where bpftool is not installed."""
    try:
        listed = subprocess.run(["bpftool", "prog", "show", "-j"], stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, timeout=60, check=True)
        return {one["id"]: one for one in json.loads(listed.stdout)}
    except (OSError, subprocess.CalledProcessError, ValueError):
        return None


def missed_calls():
    """
    How often the kernel skipped a program of weir because it was running already on that CPU: since
    7.0 a program at a tracepoint can be preempted, and fentry programs always could.
    """
    return sum(one.get("recursion_misses", 0) for one in (loaded_programs() or {}).values()
               if one.get("name", "").startswith("weir"))


def try_rung(weir, peer, rung):
    before = loaded_programs()
    with tempfile.TemporaryDirectory(prefix="weir-smoke-") as folder:
        records, raw, said, (ports, asked, misses) = run_weir(
            weir, ["--no-tls", "--rung", rung], folder, lambda: talk_and_look(peer))
    for place, text in (("the output", raw), ("the messages", said.encode())):
        if CANARY.encode() in text:
            at = text.index(CANARY.encode())
            raise Wrong(f"the canary is in {place}: ...{text[max(0, at - 60):at + 30]!r}")
    exchanges = [one for one in records if one["type"] == "http"]
    smoke_dns.check(records, asked, misses)
    others = [one for one in records if one["type"] not in ("http", "dns")]
    if misses:
        others = [one for one in others if one.get("loss.reason") not in SKIPPED_REASONS]
    expect(others, [], "other records")
    mine = [one for one in exchanges if one["server.port"] in sum(ports, [])]
    check_exchanges(mine, ports, misses)
    questions = [one for one in records if one["type"] == "dns"]
    check_totals(said, len(exchanges) + len(questions), misses)
    if before is not None:  # the kernel frees them after a grace period
        end = time.monotonic() + 10
        while set(loaded_programs()) - set(before) and time.monotonic() < end:
            time.sleep(0.2)
        expect(set(loaded_programs()) - set(before), set(), "BPF programs left behind")
    return misses


# With which rung: sockets are told of with any, and one is enough. Verifying takes half a minute.
PACKET_HOOKS = {"tcx": "none", "clsact": "none", "socket": "none", "xdp-generic": "syscall"}


def talk_and_knock(peer):
    """The peers talk, and a datagram comes for nobody; the servers' ports."""
    ports = sum(talk(peer), [])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b"nobody is there", ("127.0.0.1", 9))
    time.sleep(1)
    return ports


def check_living(records, port, server_port):
    """A connection that stood before weir and stands still: both ends are told of, with roles."""
    told = [one for one in records if one["type"] == "statistics" and one["source"] == "socket"
            and {one["client.port"], one["server.port"]} == {port, server_port}]
    expect({(one["role"], one["client.port"]) for one in told},
           {("client", port), ("server", port)}, "statistics of a connection that lives")
    expect({one["process.pid"] for one in told}, {os.getpid()}, "and whose it is")


def check_sockets(records, ports):
    """The closed ones: both ends of each, and what they moved."""
    sockets = [one for one in records if one["type"] == "connection" and
               one["source"] == "socket" and one["server.port"] in ports]
    expect({one["role"] for one in sockets}, {"client", "server"}, "roles of closed sockets")
    for one in sockets:
        if one["client.payload_bytes"] < 1000 or one["server.payload_bytes"] < 100:
            raise Wrong(f"a socket's bytes: {one}")


def try_packets(weir, peer, hook):
    """Packets of the loopback interface: flows with all their exchanges, drops, sockets."""
    rung = PACKET_HOOKS[hook]
    with tempfile.TemporaryDirectory(prefix="weir-smoke-") as folder, \
            socket.create_server(("127.0.0.1", 0)) as listener, \
            socket.create_connection(listener.getsockname()) as client, \
            listener.accept()[0] as server:
        client.send(b"it stands")
        living = client.getsockname()[1], server.getsockname()[1]
        records, _, said, ports = run_weir(
            weir, ["--no-tls", "--packets=lo", "--packet-hook", hook, "--rung", rung,
                   "--drops", "--connections"], folder, lambda: talk_and_knock(peer))
    if rung != "none":
        check_sockets(records, ports)
        check_living(records, *living)
    flows = [one for one in records if one["type"] == "connection" and one["source"] != "socket"
             and one.get("server.port") == 9]
    expect([(one["network.transport"], one["client.packets"]) for one in flows], [("udp", 1)],
           "the flow of one datagram")
    dropped = [one for one in records if one["type"] == "packet" and one["source"] == "drop"
               and one.get("destination.port") == 9]
    expect(len(dropped), 1, "dropped packets")
    if dropped[0]["drop.reason"] not in ("NO_SOCKET", "NOT_SPECIFIED"):
        raise Wrong(f"drop.reason {dropped[0]['drop.reason']}")
    expect("do not add up" in said, False, "the totals do not add up")


def try_all_packets(weir, peer):
    """False: something was wrong."""
    is_right = True
    for hook in PACKET_HOOKS:
        try:
            try_packets(weir, peer, hook)
            print(f"packets, {hook}: ok")
        except (Wrong, KeyError, subprocess.TimeoutExpired) as problem:
            is_missing = hook == "tcx" and "cannot look at packets" in str(problem)
            print(f"packets, {hook}: " + ("not in this kernel" if is_missing
                                          else f"FAILED: {problem!r}"))
            is_right = is_right and is_missing
    return is_right


def try_all_tls(weir, peer, rungs):
    """False: something was wrong."""
    certificate = os.path.join(os.path.dirname(peer), "certificate.pem")
    is_right = True
    if not os.path.exists(certificate):
        print("TLS: no certificate: openssl is not installed")
        return True
    for rung in rungs:
        start = time.monotonic()
        try:
            exchanges = try_tls(weir, rung, certificate)
            print(f"TLS, {rung}: ok, {exchanges} exchanges, {time.monotonic() - start:.1f} s")
        except (Wrong, KeyError, IndexError, OSError, subprocess.TimeoutExpired) as problem:
            print(f"TLS, {rung}: FAILED: {problem!r}")
            is_right = False
    return is_right


def try_all_rows(weir, rungs):
    """False: something was wrong. Live tests use rung tracepoint; its verifier is slow here."""
    is_right = True
    for rung in rungs:
        start = time.monotonic()
        if rung == "tracepoint" and len(rungs) > 1:
            continue
        try:
            try_rows(weir, rung)
            print(f"rows, {rung}: ok, {time.monotonic() - start:.1f} s")
        except (Wrong, KeyError, OSError, subprocess.TimeoutExpired) as problem:
            print(f"rows, {rung}: FAILED: {problem!r}")
            is_right = False
    return is_right


def main():
    if len(sys.argv) < 3:
        sys.exit("usage: smoke.py WEIR PEER RUNG...")
    weir, peer, required = sys.argv[1], sys.argv[2], sys.argv[3:]
    failed = False
    try:
        rungs = survey(weir)
    except Wrong as problem:
        sys.exit(f"doctor: {problem}")
    for rung in required:
        if rung not in rungs:
            print(f"{rung}: must be available here, and doctor says that it is not")
            failed = True
    for rung in rungs:
        start = time.monotonic()
        try:
            misses = try_rung(weir, peer, rung)
            print(f"{rung}: ok, {PAIRS * REQUESTS} exchanges, {time.monotonic() - start:.1f} s"
                  + (f"; the kernel skipped {misses} calls" if misses else ""))
        except (Wrong, KeyError, subprocess.TimeoutExpired) as problem:
            print(f"{rung}: FAILED: {problem!r}" if isinstance(problem, KeyError)
                  else f"{rung}: FAILED: {problem}")
            failed = True
    failed = not try_all_tls(weir, peer, rungs) or failed
    failed = not try_all_packets(weir, peer) or failed
    failed = not try_all_rows(weir, rungs) or failed
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
