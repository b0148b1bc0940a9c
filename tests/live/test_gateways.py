#!/usr/bin/python3
"""A request's way through nginx and HAProxy: its hops carry one trace, and never another's.

The truth is X-Seq, which each request has for itself. In one half of the runs the gateways pass it
on as it is; in the other they hide it under another name, so that requests at the same time are as
good as equal: then a link may be missing, but must not be wrong.
"""

import json
import subprocess

from harness import (WEIR, Weir, check, check_clean_end, check_empty, note, require_weir, run_main,
                     temporary_directory)
from harness import servers, traffic

CONNECTIONS, REQUESTS = 8, 40
HIDDEN = "X-Hidden"

PROXY = """
        location /bytes/ {{
            proxy_pass http://behind;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            {more}
        }}
"""


def header(record, name, side="request"):
    for key, value in record.get(f"http.{side}.headers", ()):
        if key.lower() == name.lower():
            return value
    return None


def sequence_of(record):
    return header(record, "X-Seq") or header(record, HIDDEN)


def nginx_gateway(directory, backend, more=""):
    around = (f"upstream behind {{ server {backend.address}:{backend.port}; keepalive 16; }}\n"
              "    proxy_buffering on;")
    gateway = servers.nginx(directory, extra=PROXY.format(more=more), around=around)
    gateway.name = "nginx"
    return gateway


HIDE_IN_NGINX = f'proxy_set_header X-Seq ""; proxy_set_header {HIDDEN} $http_x_seq;'
HIDE_IN_HAPROXY = (f"    http-request set-header {HIDDEN} %[req.hdr(X-Seq)]\n"
                   "    http-request del-header X-Seq\n")


def make_request(number):
    return {"target": b"/bytes/11?same", "headers": [(b"User-Agent", b"live"), (b"Accept", b"*/*")]}


def make_identified(number):
    request = make_request(number)
    request["headers"] = request["headers"] + [(b"X-Request-ID", b"id-%d" % number)]
    return request


def check_links(weir, gateway, backend, exchanges, what, is_certain):
    taken = {sequence_of(record): record for record in weir.records(server_port=gateway.port)}
    sent = {sequence_of(record): record for record in weir.records(server_port=backend.port)}
    check(len(taken) == len(exchanges) and len(sent) == len(exchanges),
          f"{what}: both hops of all requests are logged",
          f"{len(taken)} and {len(sent)} of {len(exchanges)}")
    by_trace = {record["trace"]: number for number, record in taken.items() if "trace" in record}
    wrong = [f"{number}: linked with {by_trace.get(record['trace'])}"
             for number, record in sent.items()
             if "trace" in record and by_trace.get(record["trace"]) != number]
    check_empty(wrong, f"{what}: no link is wrong")
    linked = sum("trace" in record for record in sent.values())
    if is_certain:
        check(linked == len(exchanges), f"{what}: every request is linked",
              f"{linked} of {len(exchanges)}")
    else:
        note(f"{what}: {linked} of {len(exchanges)} requests are linked")
    return taken, sent


def drive(weir, gateway, backend, what, is_certain, request=make_request, connections=CONNECTIONS):
    prefix = what.replace(" ", "-")
    exchanges = traffic.run_numbered(gateway.address, gateway.port, connections, REQUESTS, request,
                                     prefix)
    weir.stop()
    check_clean_end(weir)
    return check_links(weir, gateway, backend, exchanges, what, is_certain)


def check_gateway(make, name):
    directory = temporary_directory()
    backend = servers.nginx(directory, workers=1)
    open_gateway, hiding = make(directory, backend, False), make(directory, backend, True)
    for gateway, what, is_certain, request, connections in (
            (open_gateway, "numbered", True, make_request, CONNECTIONS),
            (hiding, "identified", True, make_identified, CONNECTIONS),
            (hiding, "alone", True, make_request, 1),
            (hiding, "alike", False, make_request, CONNECTIONS)):
        with Weir("--port", f"{gateway.port},{backend.port}") as weir:
            drive(weir, gateway, backend, f"{name} {what}", is_certain, request, connections)
    for server in (open_gateway, hiding, backend):
        server.stop()


def make_nginx(directory, backend, is_hiding):
    return nginx_gateway(directory, backend, HIDE_IN_NGINX if is_hiding else "")


def make_haproxy(directory, backend, is_hiding):
    return servers.haproxy(directory, backend, extra=HIDE_IN_HAPROXY if is_hiding else "")


def check_chain():
    """client -> HAProxy -> nginx -> nginx: three hops of one trace, and `weir trace` shows them."""
    directory = temporary_directory()
    backend = servers.nginx(directory, workers=1)
    middle = nginx_gateway(directory, backend)
    front = servers.haproxy(directory, middle)
    ports = [front.port, middle.port, backend.port]
    with Weir("--port", ",".join(map(str, ports)), "--socket-wait") as weir:
        exchanges = traffic.run_numbered(front.address, front.port, 4, 20, make_request, "chain")
        weir.stop()
        check_clean_end(weir)
        traces = {}
        for record in weir.records():
            traces.setdefault(sequence_of(record), {})[record["server.port"]] = record.get("trace")
    check(len(traces) == len(exchanges), "chain: every request is logged", str(len(traces)))
    check_empty([f"{number}: {hops}" for number, hops in traces.items()
                 if len(hops) != 3 or len(set(hops.values())) != 1 or None in hops.values()],
                "chain: the three hops of each request have one trace")
    check(len({hops[front.port] for hops in traces.values()}) == len(exchanges),
          "chain: each request has a trace of its own")
    check_trace_command(weir, next(iter(traces)), ports)
    for server in (front, middle, backend):
        server.stop()


def run_trace(*arguments, standard_input=None):
    return subprocess.run([WEIR, "trace", *map(str, arguments)], input=standard_input,
                          capture_output=True, check=False, timeout=60)


def check_trace_command(weir, sequence, ports):
    records = {record["server.port"]: record for record in weir.records()
               if sequence_of(record) == sequence}
    first = records[ports[0]]
    answers = [run_trace("-o", "json", first["id"], weir.path),
               run_trace("-o", "json", first["trace"], weir.path),
               run_trace("-o", "json", records[ports[2]]["id"],
                         standard_input=weir.path.read_bytes())]
    check(all(answer.returncode == 0 and answer.stdout == answers[0].stdout for answer in answers),
          "trace: by record and by trace, from a file and from standard input",
          str([answer.stderr for answer in answers]))
    found = json.loads(answers[0].stdout)
    hops = found["hops"]
    check([(hop["hop"], hop.get("parent"), hop["record"]["server.port"]) for hop in hops]
          == [(1, None, ports[0]), (2, 1, ports[1]), (3, 2, ports[2])],
          "trace: three hops, each below the one before", str(hops)[:1000])
    check(all(hop["before_ns"] + hop["below_ns"] + hop["after_ns"] == hop["record"]["duration_ns"]
              for hop in hops[:2]) and "server_ns" in hops[2],
          "trace: the parts of a hop's time add up to it")
    check(all(hop.get("network_rtt_ns") == hop["record"]["client.rtt_minimum_ns"] for hop in hops),
          "trace: the network's part, as TCP has measured it", str(hops)[:1000])
    # Only the rung of the system calls cannot know.
    waits = [hop.get("server_queue_ns", 0) for hop in hops]
    check("rung syscall" in weir.stderr() or all(0 < wait < 60e9 for wait in waits),
          "trace: the wait in the socket of each hop's server", str(waits))
    added = [[name.lower(), value] for name, value in found["changes"][0]["response"]["added"]]
    check(added == [["x-through", "haproxy"]],
          "trace: the header that HAProxy added to the response", str(found["changes"]))
    changed = found["changes"][1]["request"]["changed"]
    check([name.lower() for name, _, _ in changed] == ["host"],
          "trace: the header that nginx changed in the request", str(found["changes"]))
    shown = run_trace("-o", "pretty", first["id"], weir.path)
    check(shown.returncode == 0 and b"+ x-through: haproxy" in shown.stdout.lower()
          and b"\x1b" not in shown.stdout, "trace: for people", repr(shown.stdout))
    missing = run_trace("0000000000000000", weir.path)
    check(missing.returncode == 1 and b"no request" in missing.stderr,
          "trace: an id that is not there: status 1")


def main():
    require_weir()
    for make, name in ((make_nginx, "nginx"), (make_haproxy, "haproxy")):
        try:
            check_gateway(make, name)
        except servers.Missing as missing:
            note(f"left out: {missing}")
    try:
        check_chain()
    except servers.Missing as missing:
        note(f"left out: {missing}")


if __name__ == "__main__":
    run_main(main)
