#!/usr/bin/python3
"""
Pods, owners, services and nodes from the Kubernetes API: an own server over TLS with a token, which
ends watches, forgets versions, changes tokens, goes away and comes back; 10,000 pods come and go.

TIMEOUT: 300
"""

import os
import shutil
import socket
import threading

from harness import (Weir, check, check_clean_end, require_weir, run_main, skip,
                     temporary_directory)
from container_groups import has_groups, play
from harness import traffic
import kubernetes

NODE = "node-a"
UID = "1b2c3d4e-0000-1111-2222-3333444455{:02d}"
SERVICE, CLIENT_POD, OTHER_POD, NODE_ADDRESS = "127.9.0.1", "127.9.0.2", "127.9.0.3", "127.9.0.4"
PAGE = 100
PATIENCE_SECONDS = 90  # after failures weir waits for up to half a minute


class Cluster:
    """The API, what weir needs to ask it, and a server that everybody talks to."""

    def __init__(self):
        self.folder = temporary_directory()
        self.token_file = self.folder / "token"
        self.token_file.write_text("first-token\n")
        self.api = kubernetes.Api(self.folder, "first-token", page=PAGE)
        self.listener = socket.create_server(("0.0.0.0", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.number = 0
        threading.Thread(target=self.answer, daemon=True).start()

    def arguments(self, *more):
        return ["--container-socket", "/nowhere/at/all", "--both-sides", "--kubernetes",
                self.api.url, "--kubernetes-token-file", self.token_file, "--kubernetes-ca-file",
                self.folder / "ca.pem", "--kubernetes-node", NODE, "--port", self.port, *more]

    def answer(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")

    def ask(self, weir, source, target):
        """One exchange; its records by role."""
        self.number += 1
        path = f"/n/{self.number}"
        with socket.create_connection((target, self.port), 10, (source, 0)) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            while connection.recv(4096):
                pass
        assert traffic.wait_until(lambda: len(self.of(weir, path)) == 2, 60), weir.stderr()[-500:]
        return {record["role"]: record for record in self.of(weir, path)}

    @staticmethod
    def of(weir, path):
        try:
            return [record for record in weir.records() if record.get("url.path") == path]
        except ValueError:  # a line that is half written
            return []

    def ask_until(self, weir, source, target, condition):
        """Asks until the records are as wanted: what the API says takes its way. The last ones."""
        last = {}

        def is_right():
            last.update(self.ask(weir, source, target))
            return condition(last)

        traffic.wait_until(is_right, PATIENCE_SECONDS)
        return last


def peer(record):
    return {name: record.get("peer.k8s." + name + ".name")
            for name in ("namespace", "pod", "service", "node")
            if "peer.k8s." + name + ".name" in record}


def fill(cluster):
    """A Service with two pods behind it, on this node and on another."""
    api = cluster.api
    api.put("Node", NODE, status={"addresses": [{"type": "InternalIP", "address": NODE_ADDRESS},
                                                {"type": "Hostname", "address": NODE}]})
    api.put("Namespace", "prod", labels={"stage": "live"})
    api.put("Service", "shop", "prod", spec={
        "clusterIP": SERVICE, "clusterIPs": [SERVICE], "ports": [{"port": cluster.port}]})
    api.put("EndpointSlice", "shop-x1", "prod", labels={"kubernetes.io/service-name": "shop"},
            ports=[{"port": cluster.port}], addressType="IPv4", endpoints=[
                {"addresses": [CLIENT_POD], "nodeName": NODE,
                 "targetRef": {"kind": "Pod", "name": "shop-1", "namespace": "prod"}},
                {"addresses": [OTHER_POD], "nodeName": "node-b",
                 "targetRef": {"kind": "Pod", "name": "shop-2", "namespace": "prod"}}])


def group_name(number):
    return "kubepods/burstable/pod" + UID.format(number) + "/{}"


def check_pods(cluster):
    """The pod is told of after its first request; its ReplicaSet after the pod."""
    api = cluster.api
    api.put("ReplicaSet", "shop-5d", "prod", owner=("Deployment", "shop"))
    for number in range(2 * PAGE + 10):  # more than two pages
        kubernetes.pod(api, f"filler-{number}", "prod", f"filler-{number}", "", NODE)
    with Weir("--container-socket", "/nowhere/at/all", "--kubernetes", api.url,
              "--kubernetes-token-file", cluster.token_file, "--kubernetes-ca-file",
              cluster.folder / "ca.pem", "--kubernetes-node", NODE, "--namespace-labels",
              "--pod-annotation", "team", "--metadata-wait", "20s") as weir:
        found = []
        asker = threading.Thread(target=lambda: found.extend(
            play("a1" * 32, weir, name=group_name(1))))
        asker.start()
        watched = traffic.wait_until(lambda: len([kind for kind, query, _ in list(api.requests)
                                                  if "watch" in query]) >= 7, PATIENCE_SECONDS)
        check(watched, "all seven kinds are watched", str(api.requests)[-800:])
        kubernetes.pod(api, "shop-5d-abc", "prod", UID.format(1), "", NODE,
                       owner=("ReplicaSet", "shop-5d"), labels={"app": "shop"},
                       annotations={"team": "blue", "other": "x"})
        asker.join()
        check_labels(found, {
            "k8s.pod.name": "shop-5d-abc", "k8s.namespace.name": "prod",
            "k8s.pod.uid": UID.format(1), "k8s.pod.labels": ["app=shop"],
            "k8s.pod.annotations": ["team=blue"], "k8s.node.name": NODE,
            "k8s.replicaset.name": "shop-5d", "k8s.deployment.name": "shop",
            "k8s.namespace.labels": ["stage=live"]},
            "the requests of a pod that is told of later are labelled")
        # A new Deployment: the watch of pods may be faster than that of ReplicaSets.
        kubernetes.pod(api, "cart-9f-x", "prod", UID.format(2), "", NODE,
                       owner=("ReplicaSet", "cart-9f"))
        api.put("ReplicaSet", "cart-9f", "prod", owner=("Deployment", "cart"))
        kubernetes.pod(api, "night-1-x", "prod", UID.format(3), "", NODE,
                       owner=("Job", "night-1"))
        api.put("Job", "night-1", "prod", owner=("CronJob", "night"))
        check_labels(play("a2" * 32, weir, name=group_name(2)),
                     {"k8s.pod.name": "cart-9f-x", "k8s.deployment.name": "cart"},
                     "a Deployment by its ReplicaSet")
        check_labels(play("a3" * 32, weir, name=group_name(3)),
                     {"k8s.pod.name": "night-1-x", "k8s.job.name": "night-1",
                      "k8s.cronjob.name": "night"}, "a CronJob by its Job")
        kubernetes.pod(api, "static-0", "kube-system", "mirror", "", NODE,
                       annotations={"kubernetes.io/config.hash": UID.format(4)},
                       owner=("Node", NODE))
        check_labels(play("a4" * 32, weir, name=group_name(4)), {"k8s.pod.name": "static-0"},
                     "a static pod by the uid that the kubelet gave it")
        check_clean_end(weir)
        check("went without" not in weir.stderr(), "none went without", weir.stderr()[-500:])
    pages = [query for kind, query, _ in api.requests if kind == "Pod" and "continue" in query]
    metadata = [accept for kind, _, accept in api.requests if kind == "ReplicaSet"]
    check(len(pages) == 2 and all(query["fieldSelector"] == f"spec.nodeName={NODE}"
                                  for kind, query, _ in api.requests if kind == "Pod"),
          "only pods of this node are asked for, in pages", str(pages))
    check(all("PartialObjectMetadata" in accept for accept in metadata),
          "of ReplicaSets only metadata", str(metadata))


def check_labels(records, wanted, what):
    bad = [f"{name}: {record.get(name)!r}" for record in records
           for name, value in wanted.items() if record.get(name) != value]
    check(len(records) == 3 and not bad, what, bad or str(records)[:300])


def check_other_ends(cluster, weir):
    both = cluster.ask_until(weir, CLIENT_POD, SERVICE, lambda both: len(peer(both["client"])) > 1
                             and len(peer(both["server"])) > 2)
    check(peer(both["client"]) == {"namespace": "prod", "service": "shop"},
          "a service is named by its address and port", str(both["client"])[-400:])
    check(peer(both["server"]) == {"namespace": "prod", "pod": "shop-1", "node": NODE},
          "a client is named as the pod that has its address", str(peer(both["server"])))
    both = cluster.ask(weir, NODE_ADDRESS, OTHER_POD)
    check(peer(both["client"]) == {"namespace": "prod", "pod": "shop-2", "service": "shop",
                                   "node": "node-b"}, "a pod of another node, and its service",
          str(peer(both["client"])))
    check(peer(both["server"]) == {"node": NODE}, "a node by its address",
          str(peer(both["server"])))
    # Two names for one address are none.
    cluster.api.put("EndpointSlice", "odd-x1", "prod", ports=[{"port": cluster.port}],
                    labels={"kubernetes.io/service-name": "odd"}, endpoints=[
                        {"addresses": [OTHER_POD],
                         "targetRef": {"kind": "Pod", "name": "shop-2"}}])
    both = cluster.ask_until(weir, NODE_ADDRESS, OTHER_POD,
                             lambda both: "service" not in peer(both["client"]))
    check(peer(both["client"]) == {"namespace": "prod", "pod": "shop-2", "node": "node-b"},
          "of two services that may be meant none is told", str(peer(both["client"])))
    cluster.api.delete("EndpointSlice", "odd-x1", "prod")


def lists(api):
    return len([query for _, query, _ in list(api.requests) if "watch" not in query])


def check_resume(cluster, weir):
    api = cluster.api
    before, address = lists(api), "127.9.1.1"
    api.drop()
    kubernetes.pod(api, "later", "prod", "uid-later", address, NODE)
    both = cluster.ask_until(weir, address, SERVICE, lambda both: peer(both["server"]))
    check(peer(both["server"]).get("pod") == "later", "what happened between two watches is known",
          str(peer(both["server"])))
    check(lists(api) == before, "and nothing was listed again for it",
          str(list(api.requests)[-8:]))


def check_gone(cluster, weir):
    """What was deleted while nobody listened, and is no longer in any log."""
    api, address, before = cluster.api, "127.9.1.1", lists(cluster.api)
    api.stop()
    api.delete("Pod", "later", "prod")
    kubernetes.pod(api, "new", "prod", "uid-new", "127.9.1.2", NODE)
    api.forget()
    both = cluster.ask(weir, "127.9.1.2", SERVICE)
    check(peer(both["server"]) == {}, "a server that is away holds nothing up", "")
    api.start()
    both = cluster.ask_until(weir, address, SERVICE, lambda both: not peer(both["server"]))
    check(peer(both["server"]) == {}, "after 410 Gone nothing stale is told",
          str(peer(both["server"])))
    both = cluster.ask_until(weir, "127.9.1.2", SERVICE, lambda both: peer(both["server"]))
    check(peer(both["server"]).get("pod") == "new" and lists(api) > before,
          "and what is new is known", str(peer(both["server"])))
    # The same within a watch.
    api.is_silent = True
    api.stop()
    api.delete("Pod", "new", "prod")
    api.forget()
    api.start()
    both = cluster.ask_until(weir, "127.9.1.2", SERVICE, lambda both: not peer(both["server"]))
    check(peer(both["server"]) == {}, "nor after an ERROR event that says 410",
          str(peer(both["server"])))
    api.is_silent = False


def check_token(cluster, weir):
    api = cluster.api
    fresh = cluster.folder / "token.new"
    fresh.write_text("second-token\n")
    os.replace(fresh, cluster.token_file)  # as the kubelet does
    with api.changed:
        api.tokens = {"second-token"}
    api.drop()
    kubernetes.pod(api, "rotated", "prod", "uid-rotated", "127.9.1.3", NODE)
    both = cluster.ask_until(weir, "127.9.1.3", SERVICE, lambda both: peer(both["server"]))
    check(peer(both["server"]).get("pod") == "rotated", "a token that changed is read again",
          str(peer(both["server"])))


def check_forbidden(cluster):
    """What the role does not allow is told, and all else goes on."""
    cluster.api.forbidden = {"Job", "Node"}
    with Weir(*cluster.arguments()) as weir:
        both = cluster.ask_until(weir, CLIENT_POD, SERVICE, lambda both: len(peer(both["client"]))
                                 > 1 and len(peer(both["server"])) > 2)
        check(peer(both["client"]).get("service") == "shop",
              "without jobs and nodes the rest works", str(peer(both["client"])))
        told = traffic.wait_until(lambda: "status 403" in weir.stderr(), PATIENCE_SECONDS)
        check(told and "first-token" not in weir.stderr() and "second-token" not in weir.stderr(),
              "and it is said, without the token", weir.stderr()[-600:])
        check_clean_end(weir)
    cluster.api.forbidden = set()


def check_wrong_authority(cluster):
    folder = temporary_directory()
    kubernetes.certificate(folder)
    arguments = cluster.arguments()
    arguments[arguments.index("--kubernetes-ca-file") + 1] = folder / "ca.pem"
    before = len(cluster.api.requests)
    with Weir(*arguments) as weir:
        told = traffic.wait_until(lambda: "Kubernetes:" in weir.stderr(), PATIENCE_SECONDS)
        check(told and len(cluster.api.requests) == before,
              "a server with another authority's certificate gets no token", weir.stderr()[-400:])
        check_clean_end(weir)


def check_kubelet(cluster):
    """It is asked from time to time, and when a pod is met that it has not told of."""
    api, name = cluster.api, group_name(7)
    with Weir("--container-socket", "/nowhere/at/all", "--kubernetes", api.url + "/pods",
              "--kubernetes-token-file", cluster.token_file, "--kubernetes-ca-file",
              cluster.folder / "ca.pem", "--metadata-wait", "20s") as weir:
        kubernetes.pod(api, "by-kubelet", "prod", UID.format(7), "", NODE,
                       owner=("DaemonSet", "logs"), labels={"app": "logs"})
        check_labels(play("a7" * 32, weir, name=name),
                     {"k8s.pod.name": "by-kubelet", "k8s.daemonset.name": "logs",
                      "k8s.pod.labels": ["app=logs"]}, "a kubelet tells of its pods")
        check_clean_end(weir)


def check_churn(cluster):
    """10,000 pods at once, three times over, in all nodes."""
    count, api = 10000, cluster.api
    sizes = []
    with Weir(*cluster.arguments("--kubernetes-scope", "cluster")) as weir:
        for turn in range(3):
            for number in range(count):
                kubernetes.pod(api, f"churn-{number}", "load", f"uid-{turn}-{number}",
                               f"10.{turn + 1}.{number >> 8}.{number & 255}", f"node-{number % 50}",
                               labels={"app": "load", "turn": str(turn)})
            address = f"127.9.{turn + 2}.1"
            kubernetes.pod(api, f"mark-{turn}", "load", f"uid-mark-{turn}", address, NODE)
            both = cluster.ask_until(weir, address, SERVICE, lambda both: peer(both["server"]))
            check(peer(both["server"]).get("pod") == f"mark-{turn}",
                  f"turn {turn}: 10,000 pods, and the last one is known", weir.stderr()[-300:])
            sizes.append(weir.resident_kib("VmRSS"))
            for number in range(count):
                api.delete("Pod", f"churn-{number}", "load")
            api.delete("Pod", f"mark-{turn}", "load")
            both = cluster.ask_until(weir, address, SERVICE,
                                     lambda both: not peer(both["server"]))
            check(peer(both["server"]) == {}, "and gone when they are",
                  str(peer(both["server"])))
            with api.changed:
                api.log.clear()
                api.oldest = api.version
        check(sizes[2] < sizes[0] * 1.6 + 20480, f"memory is bounded: {sizes} KiB", str(sizes))
        check_clean_end(weir)


def main():
    require_weir()
    if not shutil.which("openssl"):
        skip("no openssl")
    cluster = Cluster()
    fill(cluster)
    if has_groups():
        check_pods(cluster)
    with Weir(*cluster.arguments()) as weir:
        check_other_ends(cluster, weir)
        check_resume(cluster, weir)
        check_gone(cluster, weir)
        check_token(cluster, weir)
        check_clean_end(weir)
    if has_groups():
        check_kubelet(cluster)
    check_forbidden(cluster)
    check_wrong_authority(cluster)
    check_churn(cluster)


if __name__ == "__main__":
    run_main(main)
