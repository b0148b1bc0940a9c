#!/usr/bin/python3
"""
Names of other ends from answers of DNS: over TCP, as a process of this host received them; over
UDP, as packets show them; and reverse DNS.

TIMEOUT: 180
"""

import os
import socket
import struct
import subprocess
import sys
import threading

from harness import Weir, check, check_clean_end, note, require_weir, run_main
from harness import servers, traffic

ADDRESS, ALIAS, NAME = "127.53.0.1", "edge.cdn.test", "www.shop.test"
UNASKED = "127.53.0.2"
PATIENCE_SECONDS = 60
DNS_PORT = 53

# A process that asks for a name and then talks to the address that it was told, for each line.
CLIENT = """
import socket, struct, sys
name, kind, dns_port, port = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
question = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\\0"
query = struct.pack("!6H", 77, 0x0100, 1, 0, 0, 0) + question + struct.pack("!2H", 1, 1)
if kind == "tcp":
    dns = socket.create_connection(("127.0.0.1", dns_port))
elif kind == "udp":
    dns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    dns.connect(("127.0.0.1", dns_port))
for line in sys.stdin:
    address, path = line.split()
    if kind == "tcp":
        dns.sendall(struct.pack("!H", len(query)) + query)
    elif kind == "udp":
        dns.send(query)
    if kind != "none":
        dns.recv(4096)
    with socket.create_connection((address, port)) as connection:
        connection.sendall(b"GET %s HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n" % path.encode())
        while connection.recv(4096):
            pass
    print("done", flush=True)
"""


def wire_name(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


def answer_to(query):
    """An alias, and the address behind it."""
    alias, target = wire_name(ALIAS), socket.inet_aton(ADDRESS)
    return (query[:2] + struct.pack("!5H", 0x8180, 1, 2, 0, 0) + query[12:]
            + b"\xc0\x0c" + struct.pack("!2HIH", 5, 1, 60, len(alias)) + alias
            + alias + struct.pack("!2HIH", 1, 1, 60, 4) + target)


def serve_tcp(listener):
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve_one, args=(connection,), daemon=True).start()


def serve_one(connection):
    with connection:
        while len(head := connection.recv(2)) == 2:
            answer = answer_to(connection.recv(struct.unpack("!H", head)[0]))
            connection.sendall(struct.pack("!H", len(answer)) + answer)


def serve_udp(udp):
    while True:
        query, address = udp.recvfrom(4096)
        udp.sendto(answer_to(query), address)


def serve_http(listener):
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")


class Lab:
    def __init__(self, udp_port=0):
        self.dns = socket.create_server(("127.0.0.1", 0))
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", udp_port))
        self.http = socket.create_server(("0.0.0.0", 0), backlog=64)
        self.port, self.number = self.http.getsockname()[1], 0
        for serve, thing in ((serve_tcp, self.dns), (serve_udp, self.udp),
                             (serve_http, self.http)):
            threading.Thread(target=serve, args=(thing,), daemon=True).start()

    def client(self, kind):
        port = (self.udp if kind == "udp" else self.dns).getsockname()[1]
        return subprocess.Popen(
            [sys.executable, "-c", CLIENT, NAME, kind, str(port), str(self.port)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=servers.die_with_parent)

    def ask(self, weir, client, address, role="client"):
        """One exchange; what its record calls the server."""
        self.number += 1
        path = f"/n/{self.number}"
        client.stdin.write(f"{address} {path}\n")
        client.stdin.flush()
        client.stdout.readline()
        found = []

        def is_there():
            found[:] = [record for record in weir.wait_for_records(0)
                        if record.get("url.path") == path and record["role"] == role]
            return found

        traffic.wait_until(is_there, PATIENCE_SECONDS)
        return found[0].get("destination.domain") if found else "no record"

    def ask_until(self, weir, client, address, wanted):
        """Until it is called so: an answer and what follows it take different ways."""
        last = [None]

        def is_it():
            last[0] = self.ask(weir, client, address)
            return last[0] == wanted

        traffic.wait_until(is_it, PATIENCE_SECONDS)
        return last[0]


def end(client):
    client.stdin.close()
    client.wait()


def check_tcp(lab):
    with Weir("--both-sides") as weir:
        other = lab.client("none")
        check(lab.ask(weir, other, ADDRESS) is None, "without an answer there is no name")
        client = lab.client("tcp")
        told = lab.ask_until(weir, client, ADDRESS, NAME)
        check(told == NAME, "the server is called what its client asked for, behind an alias",
              str(told))
        told = lab.ask(weir, other, ADDRESS)
        check(told == NAME, "for others, too, while there is one name only", str(told))
        check(lab.ask(weir, other, UNASKED) is None, "another address has none")
        end(client)
        end(other)
        check_clean_end(weir)
    with Weir("--both-sides", "--no-domains") as weir:
        client = lab.client("tcp")
        lab.ask(weir, client, ADDRESS)
        told = lab.ask(weir, client, ADDRESS)
        check(told is None, "--no-domains tells none", str(told))
        end(client)
        check_clean_end(weir)


def check_udp():
    """In packets DNS is followed at its port, which is free in a namespace of our own."""
    lab = Lab(DNS_PORT)
    with Weir("--both-sides", "--packets=lo", "--port", f"{DNS_PORT},{lab.port}") as weir:
        client = lab.client("udp")
        told = lab.ask_until(weir, client, ADDRESS, NAME)
        check(told == NAME, "the server is called so", str(told))
        end(client)
        check_clean_end(weir)


def check_reverse(lab):
    """127.0.0.1 is localhost on any host, by its hosts file."""
    try:
        name = socket.gethostbyaddr("127.0.0.1")[0]
        addresses = socket.gethostbyname_ex(name)[2]
    except OSError:
        addresses = []
    if "127.0.0.1" not in addresses:
        note("left out: 127.0.0.1 has no name here")
        return
    with Weir("--both-sides", "--reverse-dns") as weir:
        client = lab.client("none")
        told = lab.ask_until(weir, client, "127.0.0.1", name)
        check(told == name, "reverse DNS names what nothing else has named", str(told))
        end(client)
        check_clean_end(weir)


def check_in_namespace():
    """Runs this test's part for packets there."""
    name = f"weir-domains-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        note(f"left out: no network namespace: {made.stderr.strip()[-200:]}")
        return
    inside = ["ip", "netns", "exec", name]
    try:
        subprocess.run([*inside, "ip", "link", "set", "lo", "up"], check=True)
        ran = subprocess.run([*inside, sys.executable, __file__, "udp"], text=True, check=False,
                             capture_output=True, preexec_fn=servers.die_with_parent)
        check(ran.returncode == 0, "an answer over UDP, seen in packets", ran.stdout[-1500:])
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=False)


def main():
    require_weir()
    if sys.argv[1:] == ["udp"]:
        check_udp()
        return
    lab = Lab()
    check_tcp(lab)
    check_in_namespace()
    check_reverse(lab)


if __name__ == "__main__":
    run_main(main)
