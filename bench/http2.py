#!/usr/bin/python3
"""
What logging costs a server of HTTP/2: nghttpd under h2load, in clear (prior knowledge), in turns
within one run: without capture; with weir's hooks alone, its reader standing still before a ring
that holds everything; with weir to a JSON file. A turn is compared with the one without capture
of the same round; medians count. Each stream has the headers of a browser.

    bench/http2.py [--weir build/weir] [--seconds 4] [--rounds 5] [--tls]

--tls: HTTP/2 under TLS instead, where weir's probes in the TLS library see it. Writes
bench/results/http2.json. Needs root, nghttpd and h2load (nghttp2-server, nghttp2-client).
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import machine
from contenders import parse_totals, settle

HERE = os.path.dirname(os.path.abspath(__file__))
PORT = 18443
HEADERS = [
    "user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "accept: application/json, text/plain, */*",
    "accept-language: en-US,en;q=0.5",
    "authorization: Bearer bench0123456789abcdef0123456789abcdef",
    "cookie: session=bench-5f2b7c1d9e8a4b6c; theme=dark; consent=1",
    "referer: http://shop.example/catalogue",
    "x-request-id: 4bf92f3577b34da6a3ce929d0e0e4736",
]


def options():
    parser = argparse.ArgumentParser(description="What logging costs a server of HTTP/2.")
    parser.add_argument("--weir", default=os.environ.get(
        "WEIR", os.path.join(os.path.dirname(HERE), "build", "weir")))
    parser.add_argument("--seconds", type=int, default=4, help="of load in one turn")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each, median counts")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--streams", type=int, default=16, help="at once on each connection")
    parser.add_argument("--tls", action="store_true", help="under TLS")
    parser.add_argument("--output", default=os.path.join(HERE, "results"))
    return parser.parse_args()


def start_server(folder, chosen):
    with open(os.path.join(folder, "item"), "w") as body:
        body.write('{"items":[1,2,3],"next":3}' * 8)
    command = ["nghttpd", "-d", folder, "-a", "127.0.0.1", str(PORT)]
    if chosen.tls:
        pair = [os.path.join(folder, name) for name in ("key", "certificate")]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=bench.test", "-keyout", pair[0], "-out", pair[1]],
                       check=True, capture_output=True)
        command += pair
    else:
        command.insert(1, "--no-tls")
    server = machine.Process(command, os.path.join(folder, "server.err"))
    time.sleep(0.5)
    if not server.is_running():
        sys.exit(f"nghttpd ended: {server.messages()}")
    return server


def load(chosen):
    """Streams a second, and how many of them succeeded."""
    headers = [part for header in HEADERS for part in ("-H", header)]
    said = subprocess.run(
        ["h2load", "-D", str(chosen.seconds), "-c", str(chosen.connections), "-m",
         str(chosen.streams), *headers,
         f"http{'s' if chosen.tls else ''}://127.0.0.1:{PORT}/item"],
        check=True, capture_output=True, text=True).stdout
    rate = float(re.search(r"finished in .*?, ([0-9.]+) req/s", said)[1])
    return rate, int(re.search(r"(\d+) succeeded", said)[1])


def start_weir(folder, chosen, *further):
    output, ready = (os.path.join(folder, name) for name in ("weir.json", "ready"))
    for path in (output, ready):
        if os.path.exists(path):
            os.unlink(path)
    weir = machine.Process([chosen.weir, "run", "-o", "json", "-w", output, "--ready-file", ready,
                            "--queue-size", "256MiB", *further], os.path.join(folder, "weir.err"))
    machine.wait_for(lambda: os.path.exists(ready), 60, "weir")
    time.sleep(1)
    return weir


def turn_without(folder, chosen):
    return {"rate": load(chosen)[0]}


def turn_of_hooks(folder, chosen):
    """The reader stands still before a ring with room for the whole turn."""
    weir = start_weir(folder, chosen, "--ring-size", "1GiB")
    os.kill(weir.pid, signal.SIGSTOP)
    try:
        return {"rate": load(chosen)[0]}
    finally:
        os.kill(weir.pid, signal.SIGCONT)
        weir.stop(signal.SIGTERM)


def turn_with_weir(folder, chosen):
    weir = start_weir(folder, chosen)
    weir.mark()
    rate, streams = load(chosen)
    settle(weir)
    cpu = weir.stop()
    return {"rate": rate, "streams": streams, "weir_cpu_us": cpu / streams * 1e6,
            "totals": parse_totals(weir.messages())}


TURNS = {"none": turn_without, "hooks": turn_of_hooks, "weir": turn_with_weir}


def main():
    chosen = options()
    machine.refuse_counting()
    for program in ("nghttpd", "h2load"):
        if not shutil.which(program):
            sys.exit(f"{program} is not installed")
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        server = start_server(folder, chosen)
        try:
            load(chosen)  # the first one warms up
            for number in range(chosen.rounds):
                names = list(TURNS)
                order = names[number % len(names):] + names[:number % len(names)]
                found = {name: TURNS[name](folder, chosen) for name in order}
                for name, field in (("weir", "relative"), ("hooks", "hooks_relative")):
                    found[field] = found[name]["rate"] / found["none"]["rate"]
                rounds.append(found)
                own = found["weir"]
                print(f"none {found['none']['rate']:9.0f}/s   hooks alone "
                      f"{found['hooks_relative']:.3f}   weir {own['rate']:9.0f}/s   "
                      f"relative {found['relative']:.3f}   weir's CPU "
                      f"{own['weir_cpu_us']:.2f} us a stream   {own['totals']}", flush=True)
        finally:
            server.stop()
    relative, hooks = machine.medians(rounds, ("relative", "hooks_relative")).values()
    worst = min(one["relative"] for one in rounds)
    print(f"HTTP/2 {'under TLS' if chosen.tls else 'in clear'}: relative throughput "
          f"{relative:.3f} (median of {len(rounds)}, worst {worst:.3f}), hooks alone {hooks:.3f}")
    with open(os.path.join(chosen.output, "http2-tls.json" if chosen.tls else "http2.json"),
              "w") as out:
        json.dump({"machine": machine.describe(), "relative": relative, "hooks_relative": hooks,
                   "rounds": rounds}, out,
                  indent=1)


main()
