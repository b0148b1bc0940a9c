"""The Container Runtime Interface (k8s.io/cri-api, api.proto) without its generated code: messages
as nested lists, a server that answers from a table, and containerd with its CRI plugin."""

import concurrent.futures
import subprocess
from pathlib import Path

import servers

SERVICE = "runtime.v1.RuntimeService"


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7f | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def message(*fields):
    """(number, value) pairs; a value is text, bytes (a message), a number, or a dict (a map)."""
    out = bytearray()
    for number, value in fields:
        if isinstance(value, dict):
            for name, text in value.items():
                out += message((number, message((1, name), (2, text))))
        elif isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(data)) + data
    return bytes(out)


def fields(data):
    """The pairs of a message; values are bytes or numbers."""
    at, found = 0, []

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = number()
        if tag & 7 == 0:
            found.append((tag >> 3, number()))
        else:
            length = number()
            found.append((tag >> 3, data[at:at + length]))
            at += length
    return found


def first(data, *path):
    for number in path:
        data = dict(reversed(fields(data)))[number]
    return data


class Channel:
    """Calls a runtime's methods by name."""

    def __init__(self, path, service=SERVICE):
        import grpc
        self.channel, self.service = grpc.insecure_channel(f"unix:{path}"), service

    def call(self, method, *pairs, service=None, timeout=60):
        ask = self.channel.unary_unary(f"/{service or self.service}/{method}",
                                       request_serializer=bytes, response_deserializer=bytes)
        return ask(message(*pairs), timeout=timeout)

    def close(self):
        self.channel.close()


class Runtime:
    """A runtime that knows what `containers` says: {id: (status, sandbox)}, and `pods`.

    `hold`: called before each answer, with the method's name and the id that is asked for.
    """

    def __init__(self, path, containers, pods, service=SERVICE, hold=None):
        import grpc
        self.asked, self.containers, self.pods, self.hold = [], containers, pods, hold
        self.grpc = grpc
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
        methods = {name: grpc.unary_unary_rpc_method_handler(
            self.handler(name), request_deserializer=bytes, response_serializer=bytes)
            for name in ("ContainerStatus", "ListContainers", "PodSandboxStatus")}
        self.server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(service, methods),))
        self.server.add_insecure_port(f"unix:{path}")
        self.server.start()

    def handler(self, name):
        def handle(request, context):
            path = (1, 1) if name == "ListContainers" else (1,)
            number = first(request, *path).decode()
            self.asked.append((name, number, request))
            if self.hold:
                self.hold(name, number)
            return self.answer(name, number, context)
        return handle

    def answer(self, name, number, context):
        if name == "PodSandboxStatus":
            known = self.pods
        else:
            known = {key: value[0] if name == "ContainerStatus" else
                     message((1, message((1, key), (2, value[1]))))
                     for key, value in self.containers.items()}
        if number not in known:
            if name == "ListContainers":
                return b""
            context.abort(self.grpc.StatusCode.NOT_FOUND, "not known")
        return known[number]

    def close(self):
        self.server.stop(None).wait()


CONTAINERD = """
version = 2
root = "{root}"
state = "{state}"
[grpc]
  address = "{address}"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  sandbox_image = "{image}"
  disable_tcp_service = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"""


class Containerd:
    """containerd in a folder of its own; its containers run in the host's network."""

    def __init__(self, folder, image):
        self.path, self.folder, self.image = folder / "containerd.sock", folder, image
        self.log = open(folder / "containerd.log", "wb")
        (folder / "containerd.toml").write_text(CONTAINERD.format(
            root=folder / "root", state=folder / "state", address=self.path, image=image))
        self.process = subprocess.Popen(
            ["containerd", "--config", str(folder / "containerd.toml")], stdout=self.log,
            stderr=self.log, preexec_fn=servers.die_with_parent)
        self.channel, self.pods = Channel(self.path), []

    def is_ready(self):
        try:
            return b"RuntimeReady" in self.channel.call("Status", timeout=5)
        except Exception:  # noqa: BLE001 (not yet, whatever it says)
            return False

    def take_image(self, archive):
        return subprocess.run(["ctr", "-a", str(self.path), "-n", "k8s.io", "images", "import",
                               str(archive)], capture_output=True, text=True, timeout=120,
                              check=False)

    def run_pod(self, name, uid, namespace, labels, annotations):
        config = message(
            (1, message((1, name), (2, uid), (3, namespace))), (6, labels), (7, annotations),
            (8, message((1, f"/kubepods/burstable/pod{uid}"),
                        (2, message((1, message((1, 2), (3, 2))))))))  # the node's network
        number = first(self.channel.call("RunPodSandbox", (1, config)), 1).decode()
        self.pods.append(number)
        return number, config

    def run_container(self, pod, name, command, labels, environment):
        number, pod_config = pod
        pairs = [(1, message((1, name))), (2, message((1, self.image)))]
        pairs += [(3, word) for word in command]
        pairs += [(6, message((1, key), (2, value))) for key, value in environment.items()]
        pairs += [(9, labels), (15, message((2, b"")))]
        made = first(self.channel.call("CreateContainer", (1, number), (2, message(*pairs)),
                                       (3, pod_config)), 1).decode()
        self.channel.call("StartContainer", (1, made))
        return made

    def close(self):
        for pod in self.pods:
            for method in ("StopPodSandbox", "RemovePodSandbox"):
                try:
                    self.channel.call(method, (1, pod))
                except Exception as error:  # noqa: BLE001 (the test's own checks have failed)
                    print(f"     {method}: {error}", flush=True)
        self.channel.close()
        self.process.terminate()
        self.process.wait()
        self.log.close()
        remove_groups()


def remove_groups():
    """The empty groups that pods leave behind, in all hierarchies."""
    for line in Path("/proc/mounts").read_text().splitlines():
        place, kind = line.split()[1:3]
        if not kind.startswith("cgroup"):
            continue
        found = sorted(Path(place).glob("kubepods/**/"), key=lambda path: -len(path.parts))
        for path in found:
            try:
                path.rmdir()
            except OSError:  # somebody is in it
                pass
