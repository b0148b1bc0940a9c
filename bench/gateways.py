#!/usr/bin/python3
"""Are the hops of one request linked, and never those of two? nginx and HAProxy in front of nginx,
keep-alive connections, many requests at the same time. The truth is a number that each request has
for itself: passed on as it is (numbered), hidden from weir's rules under another name beside a
request id (identified), or without one, so that all requests look alike (alike), also while each
connection comes anew (churning).

    bench/gateways.py [--rounds 2] [--connections 32] [--requests 250]

needs root, nginx and haproxy"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for folder in ("tests/live", "tests/lib"):
    sys.path.insert(0, str(ROOT / folder))
import harness  # noqa: E402
import servers  # noqa: E402
import test_gateways  # noqa: E402
import traffic  # noqa: E402


def judge(weir, gateway, backend):
    """Requests that went through, how many are linked, which links are wrong."""
    taken, sent = ({test_gateways.sequence_of(record): record
                    for record in weir.records("http", server_port=port)}
                   for port in (gateway.port, backend.port))
    by_trace = {}
    for number, record in taken.items():
        if "trace" in record:
            by_trace.setdefault(record["trace"], []).append(number)
    wrong = [f"{number}: {by_trace.get(record['trace'])}" for number, record in sent.items()
             if "trace" in record and by_trace.get(record["trace"]) != [number]]
    return len(sent), sum("trace" in record for record in sent.values()), wrong


def drive(gateway, backend, name, request, connections, requests):
    """One run; a connection has ten requests when it is to come anew, else all of its own."""
    with harness.Weir("--port", f"{gateway.port},{backend.port}") as weir:
        lot = 10 if name == "churning" else requests
        for turn in range(requests // lot):
            traffic.run_numbered(gateway.address, gateway.port, connections, lot, request,
                                 f"{name}-{turn}")
        weir.stop()
    count, linked, wrong = judge(weir, gateway, backend)
    missing = connections * (requests // lot) * lot - count
    print(f"{gateway.name:8} {name:11} {count:7} requests, {linked:7} linked, {len(wrong)} wrong,"
          f" {missing} missing, lost {weir.totals.lost_sum}", flush=True)
    for line in wrong[:5]:
        print(f"    {line}", flush=True)
    return count, linked, len(wrong)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--requests", type=int, default=250)
    arguments = parser.parse_args()
    harness.require_weir()
    totals = [0, 0, 0]
    for make, name in ((test_gateways.make_nginx, "nginx"),
                       (test_gateways.make_haproxy, "haproxy")):
        directory = harness.temporary_directory()
        backend = servers.nginx(directory, workers=1)
        plain, hiding = make(directory, backend, False), make(directory, backend, True)
        plain.name = hiding.name = name
        for _ in range(arguments.rounds):
            for gateway, what, request in ((plain, "numbered", test_gateways.make_request),
                                           (hiding, "identified", test_gateways.make_identified),
                                           (hiding, "alike", test_gateways.make_request),
                                           (hiding, "churning", test_gateways.make_request)):
                got = drive(gateway, backend, what, request, arguments.connections,
                            arguments.requests)
                totals = [before + now for before, now in zip(totals, got)]
        for server in (plain, hiding, backend):
            server.stop()
    print(f"{totals[0]} requests through gateways: {totals[1]} linked, {totals[2]} wrong")
    raise SystemExit(1 if totals[2] else 0)


main()
