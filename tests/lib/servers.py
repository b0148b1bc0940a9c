"""Real servers run in the foreground from a temporary directory, each with its own access log.

Every server answers GET and POST on /bytes/N with N bytes, echoes X-Seq in the response, and writes
one line per exchange to its log: the X-Seq, the client's port, the status and its own process id.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = Path(__file__).resolve().parent / "programs"
SIZES = (0, 11, 512, 70000, 300000)


_libc = ctypes.CDLL(None)
_SET_DEATH_SIGNAL = 1  # prctl: PR_SET_PDEATHSIG


def die_with_parent():
    """Run in a child before exec: a test that is killed leaves nothing behind."""
    _libc.prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)


class Missing(Exception):
    """The program is not installed; the test says so and goes on with the others."""


def free_port(address="127.0.0.1"):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def wait_for_port(address, port, process, seconds=60):
    """Returns when something listens, without a connection that could end up in a log."""
    table = "/proc/net/tcp6" if ":" in address else "/proc/net/tcp"
    wanted = f":{port:04X}"
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for line in Path(table).read_text().splitlines()[1:]:
            columns = line.split()
            if columns[1].endswith(wanted) and columns[3] == "0A":
                return
        if process.poll() is not None:
            raise RuntimeError(f"server ended at once with status {process.returncode}")
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on {address} port {port}")


def find_program(name):
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        raise Missing(f"{name} is not installed")
    return path


class Server:
    """A running server. `processes` are the ids its access log names."""

    def __init__(self, name, directory, address="127.0.0.1"):
        self.name = name
        self.directory = Path(directory) / f"{name}-{time.monotonic_ns()}"
        self.directory.mkdir(parents=True)
        self.directory.chmod(0o755)
        self.address = address
        self.port = free_port(address)
        self.log_path = self.directory / "access.log"
        self.process = None

    def start(self, command, **options):
        output = open(self.directory / "output", "wb")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                        stderr=output, cwd=self.directory,
                                        preexec_fn=die_with_parent, **options)
        output.close()
        try:
            wait_for_port(self.address, self.port, self.process)
        except RuntimeError as error:
            self.stop()
            text = (self.directory / "output").read_text(errors="replace")
            raise RuntimeError(f"{self.name}: {error}: {text[-2000:]}") from None
        return self

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def log_lines(self):
        """(X-Seq, client port, status, process id) of each line of the server's own log."""
        lines = []
        if self.log_path.exists():
            for line in self.log_path.read_text(errors="replace").splitlines():
                columns = line.split(" ")
                if len(columns) >= 4 and columns[0] not in ("", "-"):
                    lines.append((columns[0], int(columns[1]), int(columns[2]), int(columns[3])))
        return lines

    def wait_for_log(self, count, seconds=10):
        """Servers write their log after the response: waits until `count` lines are there."""
        end = time.monotonic() + seconds
        while len(self.log_lines()) < count and time.monotonic() < end:
            time.sleep(0.05)
        return self.log_lines()


def make_certificate(directory):
    """A certificate of live.test that signs itself, and its key."""
    names = [str(Path(directory) / name) for name in ("certificate.pem", "key.pem")]
    subprocess.run([find_program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                    "-subj", "/CN=live.test", "-days", "30", "-out", names[0], "-keyout",
                    names[1]], check=True, capture_output=True)
    os.chmod(names[1], 0o644)
    return names


def write_documents(directory):
    root = Path(directory) / "www"
    (root / "bytes").mkdir(parents=True)
    for size in SIZES:
        (root / "bytes" / str(size)).write_bytes(b"x" * size)
    for path in (root, root / "bytes"):
        path.chmod(0o755)
    return root


def nginx(directory, address="127.0.0.1", workers=2, listen=None, extra="",
          around=""):
    server = Server("nginx", directory, address)
    program = find_program("nginx")
    root = write_documents(server.directory)
    where = listen or (f"[{address}]" if ":" in address else address)
    where = where if ":" in where.rsplit("]", 1)[-1] else f"{where}:{server.port}"
    configuration = server.directory / "nginx.conf"
    configuration.write_text(f"""
daemon off; user root; worker_processes {workers}; pid {server.directory}/pid;
error_log {server.directory}/error.log;
events {{ worker_connections 2048; }}
http {{
    log_format own '$http_x_seq $remote_port $status $pid';
    access_log {server.log_path} own;
    client_body_temp_path {server.directory}/body; proxy_temp_path {server.directory}/proxy;
    fastcgi_temp_path {server.directory}/fastcgi; uwsgi_temp_path {server.directory}/uwsgi;
    scgi_temp_path {server.directory}/scgi;
    sendfile on; tcp_nopush on; keepalive_requests 1000000; default_type text/plain;
    large_client_header_buffers 8 64k;
    {around}
    server {{
        listen {where} backlog=1024;
        add_header X-Seq $http_x_seq always;
        add_header X-Repeated one always;
        add_header X-Repeated two always;
        error_page 405 =200 $uri;
        {extra}
        location / {{ root {root}; }}
    }}
}}
""")
    return server.start([program, "-p", str(server.directory), "-c", str(configuration)])


def apache(directory, address="127.0.0.1"):
    server = Server("apache", directory, address)
    program = find_program("apache2")
    root = write_documents(server.directory)
    modules = Path("/usr/lib/apache2/modules")
    loads = "\n".join(f"LoadModule {name}_module {modules}/mod_{name}.so"
                      for name in ("mpm_event", "authz_core", "headers"))
    where = f"[{address}]" if ":" in address else address
    configuration = server.directory / "apache.conf"
    configuration.write_text(f"""
ServerRoot {server.directory}
ServerName live.test
PidFile {server.directory}/pid
DefaultRuntimeDir {server.directory}
Listen {where}:{server.port}
{loads}
User www-data
Group www-data
DocumentRoot {root}
ErrorLog {server.directory}/error.log
LogFormat "%{{X-Seq}}i %{{remote}}p %>s %P" own
CustomLog {server.log_path} own
KeepAlive On
MaxKeepAliveRequests 0
EnableSendfile On
Header always set X-Seq "expr=%{{req:X-Seq}}"
Header always add X-Repeated one
Header always add X-Repeated two
StartServers 2
""")
    return server.start([program, "-f", str(configuration), "-DFOREGROUND"])


def haproxy(directory, backend, address="127.0.0.1", extra=""):
    """HAProxy in front of another server of this module."""
    server = Server("haproxy", directory, address)
    program = find_program("haproxy")
    configuration = server.directory / "haproxy.cfg"
    where = f"[{address}]" if ":" in address else address
    configuration.write_text(f"""
global
    log stdout format raw local0
    maxconn 2000
defaults
    mode http
    log global
    timeout connect 10s
    timeout client 60s
    timeout server 60s
    option http-keep-alive
frontend front
    bind {where}:{server.port}
    http-request capture req.hdr(X-Seq) len 64
    log-format "%[capture.req.hdr(0)] %cp %ST %pid"
    default_backend back
backend back
    http-response add-header X-Through haproxy
{extra}    server one {backend.address}:{backend.port}
""")
    server.log_path = server.directory / "output"
    return server.start([program, "-db", "-f", str(configuration)])


def node(directory, address="127.0.0.1", certificate=()):
    server = Server("node", directory, address)
    program = find_program("node")
    return server.start([program, str(PROGRAMS / "node_server.js"), address, str(server.port),
                         str(server.log_path), *certificate])


def python_threads(directory, address="127.0.0.1", certificate=()):
    server = Server("python-http.server", directory, address)
    return server.start(["/usr/bin/python3", str(PROGRAMS / "thread_server.py"), address,
                         str(server.port), str(server.log_path), *certificate])


def python_asyncio(directory, address="127.0.0.1", certificate=()):
    server = Server("python-asyncio", directory, address)
    return server.start(["/usr/bin/python3", str(PROGRAMS / "asyncio_server.py"), address,
                         str(server.port), str(server.log_path), *certificate])


def go(directory, address="127.0.0.1"):
    server = Server("go", directory, address)
    compiler = find_program("go")
    binary = Path(directory) / "go_server"
    if not binary.exists():
        environment = dict(os.environ, GO111MODULE="off", GOFLAGS="", CGO_ENABLED="0",
                           GOCACHE=str(Path(directory) / "go-cache"), GOPROXY="off")
        subprocess.run([compiler, "build", "-o", str(binary), str(PROGRAMS / "go_server.go")],
                       env=environment, cwd=server.directory, check=True, capture_output=True)
    return server.start([str(binary), address, str(server.port), str(server.log_path)])
