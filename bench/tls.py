#!/usr/bin/python3
"""
What plaintext under TLS costs: one nginx worker with HTTP/1.1 over TLS under h2load, in turns
within one run - without weir, with its socket hooks alone (--no-tls), with all of it. CPU time of
the worker for a request counts, since server, load and weir share the machine; throughput is
printed too. Then, in a run of its own, what the kernel measures of each program.

    bench/tls.py [--weir build/weir] [--requests 30000] [--rounds 5]

Writes bench/results/tls.json. Needs root, nginx, h2load (nghttp2-client) and openssl.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile

import hooks
import machine

HERE = os.path.dirname(os.path.abspath(__file__))
PORT = 18443
KINDS = {"none": None, "sockets": ["--no-tls"], "tls": []}
CONFIGURATION = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/certificate.pem;
    ssl_certificate_key {folder}/key.pem;
    location / {{ return 200 "hello\\n"; }}
  }}
}}
"""


def options():
    parser = argparse.ArgumentParser(description="What plaintext under TLS costs.")
    parser.add_argument("--weir", default=os.environ.get(
        "WEIR", os.path.join(os.path.dirname(HERE), "build", "weir")))
    parser.add_argument("--requests", type=int, default=30000, help="of one turn")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each, median counts")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--output", default=os.path.join(HERE, "results"))
    return parser.parse_args()


def answers():
    try:
        socket.create_connection(("127.0.0.1", PORT), 1).close()
    except OSError:
        return False
    return True


def start_server(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
                    "/CN=bench.test", "-keyout", f"{folder}/key.pem", "-out",
                    f"{folder}/certificate.pem"], check=True, capture_output=True)
    with open(f"{folder}/nginx.conf", "w") as out:
        out.write(CONFIGURATION.format(folder=folder, port=PORT))
    server = machine.Process(["nginx", "-p", folder, "-e", f"{folder}/error.log", "-c",
                              f"{folder}/nginx.conf"], f"{folder}/nginx.err")
    machine.wait_for(answers, 10, "nginx")
    return server


def start_weir(chosen, folder, arguments):
    ready = f"{folder}/ready"
    weir = machine.Process([chosen.weir, "run", "-o", "json", "-w", f"{folder}/records",
                            "--port", str(PORT), "--ready-file", ready, *arguments],
                           f"{folder}/weir.err")
    machine.wait_for(lambda: os.path.exists(ready) or not weir.is_running(), 120, "weir")
    os.unlink(ready)
    return weir


def load(chosen):
    """Requests a second."""
    done = subprocess.run(["h2load", "--h1", "-n", str(chosen.requests), "-c",
                           str(chosen.connections), "-t", "1", f"https://127.0.0.1:{PORT}/bench"],
                          stdout=subprocess.PIPE, text=True, timeout=300, check=True)
    if f" {chosen.requests} succeeded" not in done.stdout:
        raise RuntimeError(done.stdout[-600:])
    for line in done.stdout.splitlines():
        if line.startswith("finished in"):
            return float(line.split(",")[1].split()[0])
    raise RuntimeError(done.stdout[-600:])


def records_of(folder):
    with open(f"{folder}/records") as lines:
        return sum('"type":"http"' in line for line in lines)


def turn(chosen, server, folder, kind):
    weir = start_weir(chosen, folder, KINDS[kind]) if KINDS[kind] is not None else None
    before = machine.cpu_seconds(server.pid)
    result = {"requests_per_second": load(chosen)}
    result["worker_us"] = (machine.cpu_seconds(server.pid) - before) * 1e6 / chosen.requests
    if weir:
        weir.stop()
        result["logged"] = records_of(folder)
        os.unlink(f"{folder}/records")
    return result


def programs_under_load(chosen, folder):
    """Runs for a request and nanoseconds a run of each program of weir, as the kernel counts."""
    weir = start_weir(chosen, folder, [])
    try:
        with machine.counting():
            load(chosen)
            listed = hooks.programs().values()
        found = [{"name": one["name"], "runs": one["run_cnt"] / chosen.requests,
                  "ns": one["run_time_ns"] / one["run_cnt"]}
                 for one in listed
                 if one.get("name", "").startswith("weir_") and
                 one.get("run_cnt", 0) > chosen.requests / 10]
    finally:
        weir.stop()
    return sorted(found, key=lambda one: -one["runs"] * one["ns"])


def main():
    chosen = options()
    machine.refuse_counting()
    if os.geteuid() != 0:
        sys.exit("needs root")
    turns = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as folder:
        os.chmod(folder, 0o755)
        server = start_server(folder)
        load(chosen)
        for number in range(chosen.rounds):
            order = list(KINDS)[number % 3:] + list(KINDS)[:number % 3]
            for kind in order:
                turns[kind].append(turn(chosen, server, folder, kind))
                print(f"round {number + 1}: {kind:8} {turns[kind][-1]}", flush=True)
        programs = programs_under_load(chosen, folder)
        server.stop()
    results = {"machine": machine.describe(), "turns": turns, "programs": programs, "medians": {}}
    for kind, found in turns.items():
        results["medians"][kind] = machine.medians(found, ("requests_per_second", "worker_us"))
    print(json.dumps(results["medians"], indent=1))
    for one in programs:
        print(f"{one['name']:24} {one['runs']:5.2f} runs a request, {one['ns']:6.0f} ns each")
    with open(os.path.join(chosen.output, "tls.json"), "w") as out:
        json.dump(results, out, indent=1)


if __name__ == "__main__":
    main()
