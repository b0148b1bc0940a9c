#!/usr/bin/python3
"""A capture of a usual mixture, made by real programs between two network namespaces.

    sudo bench/mixture.py FILE [--scale N]

nginx serves pages of 1 to 300 KB and a file of 16 MB over HTTP and HTTPS to h2load and curl,
unbound answers dnsperf, ping asks as well; tcpdump writes down what passes, in segments as on a
wire (no offloads). By packets 60 % is TLS, 33 % HTTP, 7 % DNS; half of it is the large file.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "lib"))
import namespaces  # noqa: E402
import servers  # noqa: E402

NEEDED = ("nginx", "h2load", "curl", "unbound", "dnsperf", "tcpdump", "openssl", "ping")
PAGES = [(f"page{number}", 1024 * kib) for number, kib in
         enumerate((1, 2, 3, 5, 8, 8, 12, 20, 30, 45, 70, 110, 300))]
LARGE = [("large", 16 << 20)]
SIOCETHTOOL = 0x8946
OFFLOADS = (0x17, 0x1f, 0x24, 0x2c)  # setting of: checksums, TSO, GSO, GRO
NAMES = ("www", "api", "cdn", "mail", "none")
NGINX = """
daemon off; user root; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; sendfile on; keepalive_requests 25; default_type text/html;
    server {{
        listen 10.99.0.2:80; listen 10.99.0.2:443 ssl; listen [fd99::2]:80;
        ssl_certificate {certificate}; ssl_certificate_key {key};
        add_header Cache-Control max-age=60; add_header X-Frame-Options DENY;
        location / {{ root {folder}/www; }}
    }}
}}
"""
UNBOUND = """server:
  directory: "{folder}"
  username: ""
  chroot: ""
  interface: 10.99.0.2
  access-control: 10.99.0.0/24 allow
  use-syslog: no
  pidfile: ""
  local-zone: "example." static
{data}
remote-control:
  control-enable: no
"""
HEADERS = ("user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
           "accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
           "accept-language: en-US,en;q=0.5", "cookie: session=0123456789abcdef; theme=dark")


def without_offloads(pair):
    """Checksums made and segments cut before the tap, as on a wire."""
    code = f"""
import array, fcntl, socket, struct, sys
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for command in {OFFLOADS}:
    value = array.array("B", struct.pack("II", command, 0))
    fcntl.ioctl(one, {SIOCETHTOOL}, struct.pack("16sP", sys.argv[1].encode(),
                                                value.buffer_info()[0]))
"""
    pair.run(pair.near, code, "wnear")
    pair.run(pair.far, code, "wfar")


def write_files(folder):
    (folder / "www").mkdir()
    for name, size in PAGES + LARGE:
        (folder / "www" / name).write_bytes(os.urandom(1 << 16) * (size >> 16)
                                            + os.urandom(size & 0xffff))
    for path in (folder, folder / "www"):
        path.chmod(0o755)
    certificate, key = servers.make_certificate(folder)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, certificate=certificate,
                                                    key=key))
    data = "\n".join(f"  local-data: '{name}.example. {kind}'" for name in NAMES[:-1]
                     for kind in ("A 192.0.2.1", "AAAA 2001:db8::1", 'TXT "v=spf1 -all"'))
    (folder / "unbound.conf").write_text(UNBOUND.format(folder=folder, data=data))
    (folder / "queries").write_text("".join(f"{name}.example {kind}\n" for name in NAMES
                                            for kind in ("A", "AAAA", "TXT", "MX")))


class Inside:
    """Programs in one of the pair's namespaces."""

    def __init__(self, namespace):
        self.prefix = ["ip", "netns", "exec", namespace]
        self.children = []

    def start(self, *command):
        self.children.append(subprocess.Popen(self.prefix + list(map(str, command)),
                                              stdout=subprocess.DEVNULL,
                                              stderr=subprocess.PIPE))
        return self.children[-1]

    def run(self, *command):
        done = subprocess.run(self.prefix + list(map(str, command)), capture_output=True,
                              timeout=300, check=False)
        if done.returncode:
            raise RuntimeError(f"{command[0]}: {done.stderr.decode(errors='replace')[-800:]}")
        return done.stdout

    def stop(self):
        for child in self.children:
            child.terminate()
        for child in self.children:
            child.communicate()


def wait_until_served(near, attempts=200):
    for _ in range(attempts):
        try:
            near.run("curl", "-sfo", "/dev/null", "http://10.99.0.2/page0")
            if b"NOERROR" in near.run("dnsperf", "-s", "10.99.0.2", "-d", near.queries, "-n", "1",
                                      "-t", "1"):
                return
        except RuntimeError:
            pass
        time.sleep(0.05)
    raise RuntimeError("the servers do not answer")


def load(near, folder, scale):
    """Everything that is asked for, side by side."""
    headers = [word for header in HEADERS for word in ("-H", header)]
    for scheme, count in (("https", 1500), ("http", 500)):
        urls = folder / f"{scheme}.urls"
        urls.write_text("".join(f"{scheme}://10.99.0.2/{name}\n" for name, _ in PAGES))
        near.start("h2load", "--h1", "-n", count * scale, "-c", "20", "-i", urls, *headers)
    near.start("curl", "-skg", *(["-o", "/dev/null", "https://10.99.0.2/large"] * 3 * scale))
    near.start("curl", "-sg", "--limit-rate", "40M",
               *(["-o", "/dev/null", "http://[fd99::2]/large"] * 2 * scale))
    near.start("dnsperf", "-s", "10.99.0.2", "-d", near.queries, "-n", 300 * scale)
    near.start("ping", "-q", "-i", "0.01", "-c", 30 * scale, "10.99.0.2")
    for child in near.children[1:]:
        said = child.communicate(timeout=600)[1]
        if child.returncode:
            raise RuntimeError(f"{child.args[4]}: {said.decode(errors='replace')[-800:]}")
    del near.children[1:]


def missing():
    """Why no mixture can be made here, or None."""
    lacking = [name for name in NEEDED if not shutil.which(name)]
    if lacking:
        return f"not installed: {', '.join(lacking)}"
    return None if namespaces.is_possible() else "needs root and iproute2"


def write_mixture(path, scale):
    with namespaces.Pair() as pair, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        near, far = Inside(pair.near), Inside(pair.far)
        near.queries = folder / "queries"
        try:
            without_offloads(pair)
            write_files(folder)
            far.start("nginx", "-p", folder, "-c", folder / "nginx.conf")
            far.start("unbound", "-d", "-c", folder / "unbound.conf")
            wait_until_served(near)
            tap = near.start("tcpdump", "-i", "wnear", "-w", path, "-B", 262144, "-Z", "root")
            while b"listening" not in (line := tap.stderr.readline()):
                if not line:
                    raise RuntimeError("tcpdump has ended")
            load(near, folder, scale)
            near.run("curl", "-sfo", "/dev/null", "http://10.99.0.2/page0")
        finally:
            near.stop()
            far.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file")
    parser.add_argument("--scale", type=int, default=3,
                        help="how much of everything: 175,000 packets each")
    arguments = parser.parse_args()
    reason = missing()
    if reason:
        sys.exit(reason)
    write_mixture(arguments.file, arguments.scale)


if __name__ == "__main__":
    main()
