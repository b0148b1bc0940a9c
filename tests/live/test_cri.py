#!/usr/bin/python3
"""
Names of containers and pods over the Container Runtime Interface: from a server that answers as
runtimes do (slowly, in the old version, not at all), and from containerd with its CRI plugin.

TIMEOUT: 300
"""

import json
import shutil
import socket
import subprocess
import threading
import time

from harness import (Weir, check, check_clean_end, check_empty, note, require_weir, run_main, skip,
                     temporary_directory)
from container_groups import has_groups, play
from harness import traffic

try:
    import grpc  # noqa: F401 (tests/lib/cri.py needs it)
    import cri
except ImportError:
    grpc = None

KNOWN, OLD, ABSENT, PAUSE = ("a5" * 32, "b6" * 32, "c7" * 32, "d8" * 32)
UID = "0f0e0d0c-1111-2222-3333-444455556666"
PODS_GROUP = "kubepods/burstable/pod" + UID + "/{}"
ANSWER_SECONDS = 0.2  # of a runtime that takes its time
OWN_LABELS = {"io.kubernetes.pod.name": "shop-7d9f", "io.kubernetes.pod.namespace": "prod",
              "io.kubernetes.pod.uid": UID, "io.kubernetes.container.name": "web"}


def pod_status(number):
    """PodSandboxStatusResponse."""
    return cri.message((1, cri.message(
        (1, number), (2, cri.message((1, "shop-7d9f"), (2, UID), (3, "prod"), (4, 1))), (3, 0),
        (4, 1700000000000000000), (7, {"app": "shop", "tier": "f\u00fcnf", **OWN_LABELS}),
        (8, {"team": "blue", "kubectl.kubernetes.io/last-applied": "{" * 3000}))))


def container_status(number):
    """ContainerStatusResponse, verbose."""
    info = {"sandboxID": PAUSE, "runtimeSpec": {"process": {"env": ["SECRET=1", "STAGE=blue", 7]}}}
    return cri.message((1, cri.message(
        (1, number), (2, cri.message((1, "web"), (2, 3))), (3, 1), (4, 1700000000000000000),
        (8, cri.message((1, "registry.local:5000/shop/web:1.2"))), (9, "sha256:" + number),
        (12, {"layer": "front", **OWN_LABELS}))), (2, {"info": json.dumps(info), "other": "x"}))


def runtime_of(path, **options):
    containers = {number: (container_status(number), PAUSE) for number in (KNOWN, OLD)}
    return cri.Runtime(path, containers, {PAUSE: pod_status(PAUSE)}, **options)


WANTED = {"container.id": KNOWN, "container.name": "web",
          "container.image.name": "registry.local:5000/shop/web", "container.image.tags": ["1.2"],
          "container.environment": ["STAGE=blue"], "k8s.pod.name": "shop-7d9f",
          "k8s.namespace.name": "prod", "k8s.pod.uid": UID, "k8s.container.name": "web",
          "k8s.pod.labels": ["app=shop", "tier=f\u00fcnf"], "k8s.pod.annotations": ["team=blue"]}


def wrong(records, wanted):
    return [f"{name}: {record.get(name)!r}" for record in records
            for name, value in wanted.items() if record.get(name) != value]


def check_server():
    path = temporary_directory() / "cri.sock"
    runtime = runtime_of(path, hold=lambda *_: time.sleep(ANSWER_SECONDS))
    with Weir("--container-socket", f"/nowhere/at/all,{path}", "--container-env", "STAGE",
              "--pod-annotation", "team,absent", "--metadata-wait", "20s") as weir:
        records = play(KNOWN, weir, name=PODS_GROUP)
        check(len(records) == 3, "three exchanges of a pod are logged", str(records)[:600])
        check_empty(wrong(records, WANTED), "every record is labelled, the first one too")
        records = play(PAUSE, weir, name=PODS_GROUP)
        check_empty(wrong(records, {"container.name": None, "k8s.pod.name": "shop-7d9f",
                                    "container.id": PAUSE, "k8s.container.name": None}),
                    "of the sandbox's own processes the pod is told")
        records = play(ABSENT, weir)
        check(len(records) == 3 and not [record for record in records
                                         if "container.name" in record],
              "a container that is unknown to it has no name", str(records)[:600])
        check_clean_end(weir)
        check("went without" not in weir.stderr(), "none went without", weir.stderr()[-500:])
    asked = [(method, number) for method, number, _ in runtime.asked if number == KNOWN]
    check(sorted(asked) == [("ContainerStatus", KNOWN), ("ListContainers", KNOWN)],
          "each question is asked once for a container", str(asked))
    runtime.close()


def check_old_version():
    path = temporary_directory() / "old.sock"
    runtime = runtime_of(path, service="runtime.v1alpha2.RuntimeService")
    with Weir("--container-socket", path, "--metadata-wait", "20s") as weir:
        records = play(OLD, weir)
        check_empty(wrong(records, {"container.name": "web", "k8s.pod.name": "shop-7d9f",
                                    "container.environment": None, "k8s.pod.annotations": None}),
                    "a runtime that has only v1alpha2 is understood")
        check_clean_end(weir)
    runtime.close()


def check_filters():
    """What is wanted can be said by what the runtime told."""
    path = temporary_directory() / "cri.sock"
    runtime = runtime_of(path)
    rules = [f"off match='k8s.pod.name == \"{name}\"' name={name}" for name in ("other", "none")]
    with Weir("--container-socket", path, "--metadata-wait", "20s", "--filter",
              'container.labels == "layer=front" and k8s.pod.labels =~ "^tier="',
              "--rule", rules[0], "--rule", rules[1], "--rule",
              "summary match='k8s.namespace.name == \"prod\" and container.labels in "
              "(\"layer=front\", \"layer=back\")' name=front") as weir:
        kept = play(KNOWN, weir)
        gone = play(ABSENT, weir, count=0)
        traffic.wait_until(lambda: not gone)
        check_clean_end(weir)
        check(len(kept) == 3 and "http.request.headers" not in kept[0] and not gone,
              "a filter and rules by labels of container and pod", str((kept, gone))[:600])
        check(weir.totals.filtered >= 3, "and the others are counted as filtered",
              str(weir.totals))
    runtime.close()


# --- containerd -------------------------------------------------------------------------------

IMAGE = "localhost/weir-caller:7"


def make_image(folder):
    """A busybox image as an archive; None: that is not possible here."""
    root = folder / "image"
    (root / "bin").mkdir(parents=True)
    shutil.copy(shutil.which("busybox"), root / "bin/busybox")
    for name in ("sh", "wget", "sleep"):
        (root / "bin" / name).symlink_to("busybox")
    subprocess.run(["tar", "-C", str(root), "-cf", str(folder / "image.tar"), "."], check=True)
    podman = ["podman", "--root", str(folder / "p"), "--runroot", str(folder / "r"),
              "--storage-driver", "vfs"]
    for command in (["import", "--change", "CMD [\"/bin/sleep\",\"600\"]",
                     str(folder / "image.tar"), IMAGE],
                    ["save", "--format", "docker-archive", "-o", str(folder / "saved.tar"), IMAGE]):
        ran = subprocess.run([*podman, *command], capture_output=True, text=True, timeout=120,
                             check=False)
        if ran.returncode:
            note(f"left out: podman {command[0]}: {ran.stderr.strip()[-300:]}")
            return None
    return folder / "saved.tar"


def answer_all(listener):
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
                               b"Connection: close\r\n\r\nok\n")


def check_containerd():
    missing = [name for name in ("containerd", "ctr", "runc", "podman", "busybox", "tar")
               if not shutil.which(name)]
    if missing:
        note(f"left out: no {', '.join(missing)}")
        return
    folder = temporary_directory()
    archive = make_image(folder)
    if not archive:
        return
    containerd = cri.Containerd(folder, IMAGE)
    try:
        if not traffic.wait_until(containerd.is_ready, 60):
            log = (folder / "containerd.log").read_text(errors="replace")
            note(f"left out: containerd does not come up here: {log[-400:]}")
            return
        taken = containerd.take_image(archive)
        if taken.returncode:
            note(f"left out: ctr takes no image here: {taken.stderr.strip()[-300:]}")
            return
        check_pod(containerd)
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.DEADLINE_EXCEEDED:
            raise
        note(f"left out: containerd takes too long here: {error.details()}")
    finally:
        containerd.close()


def check_pod(containerd):
    try:
        pod = containerd.run_pod("caller-0", UID, "lab", {"app": "caller", **OWN_LABELS},
                                 {"team": "blue"})
    except grpc.RpcError as error:
        note(f"left out: containerd runs no pod here: {error.details()[-400:]}")
        return
    with socket.create_server(("127.0.0.1", 0)) as listener, \
            Weir("--container-socket", containerd.path, "--both-sides", "--metadata-wait", "30s",
                 "--container-env", "STAGE", "--pod-annotation", "team") as weir:
        port = listener.getsockname()[1]
        threading.Thread(target=answer_all, args=(listener,), daemon=True).start()
        number = containerd.run_container(
            pod, "caller", ["/bin/wget", "-q", "-O", "-", f"http://127.0.0.1:{port}/from-a-pod"],
            {"layer": "front"}, {"STAGE": "blue", "SECRET": "1"})
        weir.wait_for_records(2, 30, server_port=port)
        check_clean_end(weir)
    records = {record["role"]: record for record in weir.records(server_port=port)}
    check_empty(wrong([records.get("client", {})],
                      {"container.id": number, "container.name": "caller",
                       "container.image.name": "localhost/weir-caller",
                       "container.image.tags": ["7"], "container.labels": ["layer=front"],
                       "container.environment": ["STAGE=blue"], "k8s.pod.name": "caller-0",
                       "k8s.namespace.name": "lab", "k8s.pod.uid": UID,
                       "k8s.container.name": "caller", "k8s.pod.labels": ["app=caller"],
                       "k8s.pod.annotations": ["team=blue"]}),
                "containerd: the only request of a pod that is gone at once is labelled")
    peer = records.get("server", {})
    check_empty(wrong([peer], {"peer.container.id": number, "peer.container.name": "caller",
                               "peer.k8s.pod.name": "caller-0",
                               "peer.k8s.namespace.name": "lab"}),
                "and named as the other end of the server's record")


def main():
    require_weir()
    if grpc is None:
        skip("no python3-grpcio")
    if has_groups():
        check_server()
        check_old_version()
        check_filters()
    check_containerd()


if __name__ == "__main__":
    run_main(main)
