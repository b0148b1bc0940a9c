#!/usr/bin/python3
"""DropUnixSocket: false. Streams, one that lived before weir, datagrams and pairs that are bound to
nothing, on each rung: every byte and call is in the rows of its process and role, once. Of a call
that takes more messages than rung syscall looks at, the rest is counted as lost.

TIMEOUT: 180
"""

import json
import signal
import subprocess
import sys
from pathlib import Path

from harness import (StartFailed, Weir, check, note, require_weir, run_main, servers,
                     temporary_directory)
import faults
import traffic

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "vm"))

RUNGS = ("fentry", "tracepoint", "syscall")
ROUNDS = 20
BODY = 30000
MANY, LOOKED_AT = 1100, 1024  # messages of one recvmmsg, and of them on rung syscall
PIPELINE = {"inputs": [{
    "Type": "observer_ilogtail_network_v1", "EBPF": {"Enabled": True},
    "Common": {"FlushOutL4Interval": 1, "FlushOutL7Interval": 1, "DropUnixSocket": False}}]}
# One process is both ends: kept connections and ones whose end is the end of the answer.
TALKER = """
import os, socket, struct, sys, threading
folder, rounds, body, many = sys.argv[1], *map(int, sys.argv[2:5])
sys.path.append(sys.argv[5])
from smoke_dns import question, receive_many
REQUEST = b"GET /%s HTTP/1.1\\r\\nHost: local\\r\\n\\r\\n"
KEPT = b"HTTP/1.1 200 OK\\r\\nContent-Length: 4\\r\\n\\r\\nkept"
CLOSED = b"HTTP/1.0 200 OK\\r\\nConnection: close\\r\\n\\r\\n" + bytes(body)
def serve(connection):
    with connection:
        while request := connection.recv(4096):
            if b"/close " in request:
                return connection.sendmsg([CLOSED[:20], CLOSED[20:]])
            connection.sendall(KEPT)
def listen(listener):
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
def call(connection, path, is_kept):
    connection.sendall(REQUEST % path)
    if is_kept:
        return len(connection.recv(4096))
    size = 0
    while part := connection.recv(4096):
        size += len(part)
    return size
def send_all(sender, texts):
    for text in texts:
        sender.send(text)
def take_many():
    # 3 bytes each, and questions of which every one is in the socket's memory before it is read
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    asks, takes = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    with left, right, asks, takes:
        takes.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE
        takes.bind(("127.0.0.77", 5355))
        asks.connect(("127.0.0.77", 5355))
        sender = threading.Thread(target=send_all, args=(left, [b"abc"] * many))
        sender.start()
        receive_many(right, many)
        sender.join()
        send_all(asks, [question("many.weir.test", number) for number in range(many)])
        receive_many(takes, many)
listener = socket.socket(socket.AF_UNIX)
listener.bind(folder + "/stream")
listener.listen()
threading.Thread(target=listen, args=(listener,), daemon=True).start()
living = socket.socket(socket.AF_UNIX)
living.connect(folder + "/stream")
call(living, b"before", True)
bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
bound.bind(folder + "/datagram")
print(os.getpid(), flush=True)
for line in sys.stdin:
    call(living, b"living", True)
    for number in range(rounds):
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(folder + "/stream")
            call(one, b"kept", True)
            call(one, b"kept", True)
            assert call(one, b"close", False) == len(CLOSED)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
            one.sendto(bytes(100), folder + "/datagram")
            bound.recv(4096)
    left, right = socket.socketpair()
    with left, right:
        left.sendall(bytes(50))
        right.recv(4096)
    take_many()
    print(len(REQUEST % b"living"), len(REQUEST % b"kept"), len(REQUEST % b"close"), len(KEPT),
          len(CLOSED), flush=True)
"""


class Talker:
    def __init__(self, folder):
        self.child = subprocess.Popen(
            [sys.executable, "-c", TALKER, str(folder), str(ROUNDS), str(BODY),
             str(MANY), sys.path[0]],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            preexec_fn=servers.die_with_parent)
        self.pid = self.child.stdout.readline().strip()

    def talk(self):
        """Bytes of the requests /living, /kept, /close, and of both answers."""
        self.child.stdin.write("more\n")
        self.child.stdin.flush()
        return [int(part) for part in self.child.stdout.readline().split()]

    def __enter__(self):
        return self

    def __exit__(self, *arguments):
        self.child.stdin.close()
        self.child.wait()
        self.child.stdout.close()


def total(rows, name, **wanted):
    return sum(int(row[name]) for row in rows
               if all(row.get(key) == value for key, value in wanted.items()))


def rows_of(weir, pid):
    rows = [json.loads(line) for line in weir.raw_lines()]
    return [row for row in rows if row["_process_pid_"] == pid]


def wanted_bytes(sizes):
    """Of the role client: sent and received; a server's are the other way round."""
    living, kept, close, kept_answer, closed_answer = sizes
    return [living + ROUNDS * (2 * kept + close + 100),
            kept_answer + ROUNDS * (2 * kept_answer + closed_answer)]


def check_rows(rung, rows, sizes):
    told = {}
    for role in ("client", "server", "unknown"):
        unix = {"type": "statistics", "socket_type": "unix_socket", "role": role}
        told[role] = [total(rows, name, **unix) for name in (
            "send_bytes", "recv_bytes", "send_packets")]
    sent, received = wanted_bytes(sizes)
    check(told["client"][:2] == [sent, received], f"{rung}: bytes of clients", f"{told}")
    check(told["server"][:2] == [received, sent], f"{rung}: bytes of servers", f"{told}")
    taken = LOOKED_AT if rung == "syscall" else MANY
    check(told["unknown"] == [50 + 3 * taken, 50 + 3 * MANY, 1 + taken],
          f"{rung}: of pairs nobody knows who is who", f"{told}")
    check(told["client"][2] == 1 + 4 * ROUNDS, f"{rung}: packets are calls", f"{told}")
    for role in ("client", "server"):
        calls = {path: total(rows, "total_count", type="protocols", role=role, url=path,
                             resp_code="200", host="local")
                 for path in ("/living", "/kept", "/close")}
        check(calls == {"/living": 1, "/kept": 2 * ROUNDS, "/close": ROUNDS},
              f"{rung}: HTTP calls, {role}", f"{calls}")
        check(total(rows, "total_resp_bytes", type="protocols", role=role, url="/close")
              == ROUNDS * sizes[4], f"{rung}: and their bytes, {role}")
    remotes = {row["remote_info"][:45] for row in rows}
    check(remotes == {'{"remote_ip":"0.0.0.0","remote_port":"0","rem'},
          f"{rung}: Unix sockets have no address", f"{remotes}")


def play(rung, folder):
    file = Path(folder) / "pipeline.json"
    file.write_text(json.dumps(PIPELINE))
    with Talker(folder) as talker, \
            Weir("--ilogtail-config", file, output="ilogtail", rung=rung) as weir:
        sizes = talker.talk()
        sent = wanted_bytes(sizes)[0]
        done = traffic.wait_until(lambda: total(
            rows_of(weir, talker.pid), "send_bytes", type="statistics", role="client") >= sent)
        check(done, f"{rung}: rows come while weir runs", weir.stderr()[-800:])
        done = traffic.wait_until(lambda: total(
            rows_of(weir, talker.pid), "total_count", type="protocols", role="server")
            >= 1 + 3 * ROUNDS)
        check(done, f"{rung}: servers' calls too, whose sockets close unseen",
              weir.stderr()[-800:])
        pipeline = json.loads(file.read_text())
        pipeline["inputs"][0]["Common"]["DropUnixSocket"] = True
        file.write_text(json.dumps(pipeline))
        weir.process.send_signal(signal.SIGHUP)
        check(traffic.wait_until(lambda: "configuration read again" in weir.stderr()),
              f"{rung}: SIGHUP drops them", weir.stderr()[-800:])
        talker.talk()
        weir.stop()
        check(weir.totals.is_identity, f"{rung}: seen = logged + filtered + lost: {weir.totals}")
        check_rows(rung, rows_of(weir, talker.pid), sizes)
        if rung == "syscall":  # twice: of Unix and UDP sockets, where each may have been a question
            check(weir.totals.lost == {"steps": 2 * (MANY - LOOKED_AT)} and
                  weir.totals.missed == {"steps": (0, 4)},
                  "syscall: what was not looked at is counted", weir.totals.text)


def play_without_iterators(folder):
    """They tell of the sockets: without them the user hears that there will be none, and why."""
    shim = faults.build_shim(Path(folder), "iterators_shim")
    if not shim:
        note("no C compiler: not played without iterators")
        return
    file = Path(folder) / "pipeline.json"
    file.write_text(json.dumps(PIPELINE))
    with Talker(folder) as talker, Weir("--ilogtail-config", file, output="ilogtail",
                                        environment={"LD_PRELOAD": str(shim)}) as weir:
        talker.talk()
        weir.stop()
        unix = [row for row in rows_of(weir, talker.pid) if row.get("url") == "/kept"]
        check(unix == [], "no rows where iterators are refused", f"{unix[:2]}")
        wanted = "no Unix sockets, though DropUnixSocket is false: the kernel refuses the iterators"
        check(wanted in weir.stderr(), "which is told at the start", weir.stderr()[-800:])


def main():
    require_weir()
    played = 0
    for rung in RUNGS:
        try:
            play(rung, temporary_directory())
            played += 1
        except StartFailed as failed:
            note(f"{rung}: not on this kernel: {str(failed)[:200]}")
    check(played > 0, "at least one rung is here")
    play_without_iterators(temporary_directory())


if __name__ == "__main__":
    run_main(main)
