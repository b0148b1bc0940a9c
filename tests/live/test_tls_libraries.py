#!/usr/bin/python3
"""TLS libraries wherever they are: in another mount namespace, replaced while they are used, loaded
with the first connection, BoringSSL, OpenSSL 1.1 (its files below WEIR_OPENSSL_1_1), early data.

A library that nobody used before is found while its first process runs; what comes later is told
to the last request.

TIMEOUT: 200
"""

import _ssl
import itertools
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

import harness
from harness import (Weir, check, check_clean_end, check_empty, flags, note, require_weir, run_main,
                     temporary_directory)
from harness import servers, traffic

COUNT = itertools.count()
NUMBERED = 8
WAIT_SECONDS = 30


def tls_libraries():
    """The files of OpenSSL that Python uses."""
    listed = subprocess.run(["ldd", _ssl.__file__], stdout=subprocess.PIPE, text=True, check=True)
    words = [word for line in listed.stdout.splitlines() for word in line.split()]
    return [word for word in words if word.startswith("/") and
            Path(word).name.startswith(("libssl", "libcrypto"))]


def python_command(server, certificate):
    """Loads its TLS library with the first connection."""
    return [sys.executable, str(servers.PROGRAMS / "late_tls_server.py"), "127.0.0.1",
            str(server.port), *certificate]


def other_namespace(directory, certificate):
    """Its libraries are in a file system that only its own mount namespace has."""
    server = servers.Server("namespace", directory)
    folder = server.directory / "libraries"
    folder.mkdir()
    steps = [f"mount -t tmpfs none {folder}"]
    steps += [f"cp -L {path} {folder}" for path in tls_libraries()]
    steps += ["LD_LIBRARY_PATH=" + str(folder) + " exec "
              + " ".join(python_command(server, certificate))]
    return server.start([servers.find_program("unshare"), "-m", "sh", "-ec", "\n".join(steps)])


def own_libraries(directory, name):
    """A folder with copies of OpenSSL's libraries."""
    folder = Path(directory) / name
    folder.mkdir()
    for path in tls_libraries():
        shutil.copy(path, folder)
    return folder


def with_libraries(directory, certificate, folder, name):
    server = servers.Server(name, directory)
    return server.start(python_command(server, certificate),
                        env=dict(os.environ, LD_LIBRARY_PATH=str(folder)))


def replace(folder):
    """As a package manager does it: another file in the same place."""
    for path in folder.iterdir():
        shutil.copy(path, f"{path}.new")
        os.rename(f"{path}.new", path)


def ask(server, number):
    """One request on a connection of its own. These servers answer until the connection ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", server.port), 20) as plain:
        with context.wrap_socket(plain) as peer:
            peer.sendall(f"GET /{number} HTTP/1.0\r\nHost: live.test\r\nX-Seq: {number}\r\n\r\n"
                         .encode())
            answer = peer.recv(4096)
    return answer.startswith((b"HTTP/1.0 200", b"HTTP/1.1 200"))


def told(weir, server):
    """The records of this server by their numbers."""
    found = {}
    for record in weir.wait_for_records(0, 0, server_port=server.port):
        if record["source"] == "tls" and record["role"] == "server":
            found.setdefault(traffic.sequence_of(record), []).append(record)
    return found


def warm(weir, server):
    """Asks until the library is known."""
    end = time.monotonic() + WAIT_SECONDS
    turn = 0
    while time.monotonic() < end:
        ask(server, f"{server.name}-warm-{turn}")
        time.sleep(0.1)
        if told(weir, server):
            return turn
        turn += 1
    return None


def check_server(weir, server, command):
    turns = warm(weir, server)
    if not check(turns is not None, f"{server.name}: its library is found"):
        return
    # Short ones: a clock's digits would be masked when they happen to be those of a payment card.
    numbers = [f"{server.name}-{next(COUNT)}" for _ in range(NUMBERED)]
    check(all([ask(server, number) for number in numbers]), f"{server.name}: all are answered")
    end = time.monotonic() + WAIT_SECONDS
    found = told(weir, server)
    while not all(number in found for number in numbers) and time.monotonic() < end:
        time.sleep(0.1)
        found = told(weir, server)
    check_empty([f"{number}: {found.get(number)}" for number in numbers
                 if len(found.get(number, [])) != 1
                 or found[number][0]["http.response.status_code"] != 200
                 or found[number][0].get("process.command") != command],
                f"{server.name}: one record of each request, with the answer and the process")
    check_empty([number for number in numbers if number in found and
                 not flags(found[number][0]) <= {"masked", "incomplete"}],
                f"{server.name}: nothing is flagged")


def check_early_data(weir, directory, certificate):
    """A request that comes before the handshake is over (RFC 8446 section 2.3)."""
    openssl, request = servers.find_program("openssl"), Path(directory) / "early"
    session = Path(directory) / "session"
    server = servers.Server("early", directory)
    command = [openssl, "s_server", "-quiet", "-early_data", "-accept",
               f"127.0.0.1:{server.port}", "-cert", certificate[0], "-key", certificate[1]]
    client = [openssl, "s_client", "-connect", f"127.0.0.1:{server.port}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL,
                          preexec_fn=servers.die_with_parent) as process:
        servers.wait_for_port("127.0.0.1", server.port, process)
        # The ticket comes behind the handshake, so the client waits for what the server says.
        with subprocess.Popen([*client, "-sess_out", str(session)], stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
            traffic.wait_until(lambda: session.exists() and session.stat().st_size > 0)
            first.stdin.close()
        request.write_bytes(b"GET /early HTTP/1.1\r\nHost: live.test\r\nX-Seq: early-1\r\n\r\n")
        done = subprocess.run([*client, "-sess_in", str(session), "-early_data", str(request)],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60, check=False)
        process.kill()
    if not check(b"Early data was accepted" in done.stdout, "early data is accepted",
                 done.stdout[-600:].decode(errors="replace")):
        return
    end = time.monotonic() + WAIT_SECONDS
    while not told(weir, server) and time.monotonic() < end:
        time.sleep(0.1)
    found = told(weir, server).get("early-1", [])
    check([record["url.original"] for record in found] == ["/early"], "early data is told",
          str(weir.records(None, server_port=server.port))[:900])


def boring():
    """The client of BoringSSL, and its environment."""
    return [servers.find_program("bssl-tool"), "client", "-connect"], None


def old_openssl():
    """The client of OpenSSL 1.1."""
    root = os.environ.get("WEIR_OPENSSL_1_1")
    if not root:
        raise servers.Missing("WEIR_OPENSSL_1_1 names no folder with OpenSSL 1.1")
    libraries = next(Path(root).rglob("libssl.so.1.1")).parent
    return ([f"{root}/usr/bin/openssl", "s_client", "-quiet", "-connect"],
            dict(os.environ, LD_LIBRARY_PATH=str(libraries)))


def ask_with(command, environment, server, number):
    """A client that sends what it is given; its input stays open until it has the answer."""
    with subprocess.Popen([*command, f"127.0.0.1:{server.port}"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment,
                          preexec_fn=servers.die_with_parent) as process:
        process.stdin.write(f"GET /{number} HTTP/1.0\r\nX-Seq: {number}\r\n\r\n".encode())
        process.stdin.flush()
        is_answered = b"HTTP/1.0 200" in process.stdout.read(4096)
        process.stdin.close()
        process.stdout.read()
    return is_answered


def check_client(weir, directory, certificate, name, make):
    """Of the server nothing is seen: it uses a way inside the library that has no function."""
    try:
        command, environment = make()
    except servers.Missing as missing:
        note(str(missing))
        return
    server = servers.Server(name, directory)
    server.start([servers.find_program("openssl"), "s_server", "-www", "-quiet", "-accept",
                  f"127.0.0.1:{server.port}", "-cert", certificate[0], "-key", certificate[1]])
    end, turn, found = time.monotonic() + WAIT_SECONDS, 0, []
    while len(found) < NUMBERED and time.monotonic() < end:
        if not check(ask_with(command, environment, server, f"{name}-{turn}"),
                     f"{name}: {turn} is answered"):
            break
        turn += 1
        found = [record for record in weir.wait_for_records(0, 0, server_port=server.port)
                 if record["source"] == "tls" and record["role"] == "client"]
    numbers = [traffic.sequence_of(record) for record in found]
    check(len(set(numbers)) == len(numbers) >= NUMBERED and
          {record.get("http.response.status_code") for record in found} == {200},
          f"{name}: one record of each request, with the answer", str(found)[:900])
    server.stop()


def refused_library(directory):
    """A process with a library whose function begins with an instruction that takes no probe."""
    if os.uname().machine != "x86_64" or not shutil.which("cc"):
        return None
    library = Path(directory) / "libssl.so.refused"
    source = Path(directory) / "refused.s"
    source.write_text(".globl SSL_read\n.type SSL_read, @function\nSSL_read:\n"
                      "lock addl $1, (%rdi)\nret\n.size SSL_read, . - SSL_read\n"
                      '.section .note.GNU-stack,"",@progbits\n')
    subprocess.run(["cc", "-shared", "-nostdlib", "-o", str(library), str(source)], check=True)
    program = (f"import ctypes, sys; ctypes.CDLL({str(library)!r}); print(flush=True); "
               "sys.stdin.read()")
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, preexec_fn=servers.die_with_parent)
    process.stdout.readline()
    return process


def check_refused(weir):
    """Told at the start, and counted."""
    check("libssl.so.refused (openssl)" in weir.stderr(), "a file that takes no probes is named",
          weir.stderr()[-900:])
    check(weir.totals.missed.get("tls_file_refused", (0, 0))[-1] == 1, "and counted",
          str(weir.totals.missed))


def main():
    harness.WITH_TLS = True
    require_weir()
    directory = temporary_directory()
    certificate = servers.make_certificate(directory)
    folder = own_libraries(directory, "libraries")
    refused = refused_library(directory)
    with Weir() as weir:
        python = Path(sys.executable).name[:15]
        check_server(weir, other_namespace(directory, certificate), python)
        before = with_libraries(directory, certificate, folder, "before")
        check_server(weir, before, python)
        replace(folder)
        after = with_libraries(directory, certificate, folder, "after")
        check_server(weir, after, python)
        check_server(weir, before, python)  # still the old file, which has no name any more
        before.stop()
        check_server(weir, with_libraries(directory, certificate, folder, "again"), python)
        check_client(weir, directory, certificate, "boringssl", boring)
        check_client(weir, directory, certificate, "openssl-1.1", old_openssl)
        check_early_data(weir, directory, certificate)
        check_clean_end(weir)
        if refused:
            check_refused(weir)
            refused.communicate()


if __name__ == "__main__":
    run_main(main)
