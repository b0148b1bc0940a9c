"""The server and the load: one nginx worker under wrk, with heads like a browser's."""

import json
import os
import socket
import subprocess
import time

from machine import Process, wait_for

PORT = 18080
PAUSE_SECONDS = 0.2  # behind a load
REQUEST_HEADERS = [
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("Accept", "application/json, text/plain, */*"),
    ("Accept-Language", "en-US,en;q=0.5"),
    ("Accept-Encoding", "gzip, deflate, br"),
    ("Authorization", "Bearer bench0123456789abcdef0123456789abcdef"),
    ("Cookie", "session=bench-5f2b7c1d9e8a4b6c; theme=dark; consent=1"),
    ("Referer", "http://shop.example/catalogue"),
    ("X-Request-ID", "4bf92f3577b34da6a3ce929d0e0e4736"),
]
TARGET = "/api/v1/items?page=2&sort=price"

# What an operator would log without weir: 13 fields of each request, as JSON.
LOG_FORMAT = """log_format fields escape=json '{"time":"$time_iso8601","client":"$remote_addr",'
  '"client_port":$remote_port,"method":"$request_method","target":"$request_uri",'
  '"protocol":"$server_protocol","host":"$http_host","status":$status,'
  '"bytes":$body_bytes_sent,"duration":$request_time,"user_agent":"$http_user_agent",'
  '"referer":"$http_referer","request_id":"$http_x_request_id"}';"""

CONFIGURATION = """
worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
{affinity}
events {{ worker_connections 4096; }}
http {{
  {log_format}
  access_log {access_log};
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 3600;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    default_type application/json;
    add_header Cache-Control "private, max-age=0";
    location / {{ return 200 '{{"items":[1,2,3],"next":3}}'; }}
  }}
  server {{
    listen unix:{folder}/status;
    access_log off;
    location / {{ stub_status; }}
  }}
}}
"""

REPORT = """
done = function(summary, latency, requests)
  local errors = 0
  for _, count in pairs(summary.errors) do errors = errors + count end
  io.write(string.format(
    "{\\"requests\\":%d,\\"seconds\\":%f,\\"errors\\":%d,\\"p50_us\\":%f,\\"p99_us\\":%f}\\n",
    summary.requests, summary.duration / 1e6, errors,
    latency:percentile(50), latency:percentile(99)))
end
"""

# Each request has a path and an id of its own.
VARYING = """
local first, middle, last
local number = 0
init = function()
  first, middle, last = wrk.format():match("^(.-/items)(.*X%-Request%-ID: )%x+(.*)$")
end
request = function()
  number = number + 1
  return first .. string.format("/%d", number) .. middle ..
    string.format("%032x", number * 40503) .. last
end
"""


class Server:
    """nginx with one worker; access_log is nginx's own argument of that name."""

    def __init__(self, folder, access_log="off", pinned=False):
        self.folder = folder
        path = os.path.join(folder, "nginx.conf")
        with open(path, "w") as out:
            out.write(CONFIGURATION.format(
                folder=folder, port=PORT, access_log=access_log, log_format=LOG_FORMAT,
                affinity="worker_cpu_affinity 01;" if pinned else ""))
        self.process = Process(["nginx", "-p", folder, "-e", f"{folder}/error.log", "-c", path],
                               os.path.join(folder, "nginx.err"))
        self.status_reads = 0
        wait_for(self.answers, 10, "nginx")

    def answers(self):
        if not self.process.is_running():
            raise RuntimeError(f"nginx: {self.process.messages()}")
        try:
            socket.create_connection(("127.0.0.1", PORT), 1).close()
        except OSError:
            return False
        return True

    def requests(self):
        """How many requests it has had: its own count, asked for on a unix socket."""
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(os.path.join(self.folder, "status"))
            peer.sendall(b"GET / HTTP/1.0\r\n\r\n")
            answer = b""
            while block := peer.recv(4096):
                answer += block
        self.status_reads += 1
        counts = answer.decode().split("requests")[-1].split()
        return int(counts[2]) - self.status_reads

    def head_sizes(self):
        """Bytes of the request's and of the response's head."""
        lines = [f"GET {TARGET} HTTP/1.1", f"Host: 127.0.0.1:{PORT}"]
        head = "\r\n".join(lines + [f"{k}: {v}" for k, v in REQUEST_HEADERS] + ["", ""])
        with socket.create_connection(("127.0.0.1", PORT), 5) as peer:
            peer.sendall(head.encode())
            answer = peer.recv(65536)
        return len(head), answer.index(b"\r\n\r\n") + 4

    def stop(self):
        return self.process.stop()


def run_wrk(folder, seconds, connections, pinned=False, is_varying=False):
    """One run of the load; a dictionary of what wrk measured. Requests are all the same, or not."""
    script = os.path.join(folder, "report.lua")
    with open(script, "w") as out:
        out.write(REPORT + (VARYING if is_varying else ""))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script]
    for name, value in REQUEST_HEADERS:
        command += ["-H", f"{name}: {value}"]
    command.append(f"http://127.0.0.1:{PORT}{TARGET}")
    if pinned:
        command = ["taskset", "-c", "1"] + command
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=seconds + 60, check=True)
    result = json.loads(done.stdout.decode().strip().split("\n")[-1])
    result["requests_per_second"] = result["requests"] / result["seconds"]
    time.sleep(PAUSE_SECONDS)  # nginx notices that the connections are gone
    return result
