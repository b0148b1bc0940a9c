"""A Kubernetes API server, as far as clients that list and watch can tell: TLS, bearer tokens,
pages, watches with resource versions and bookmarks, 410 Gone behind what it remembers."""

import http.server
import json
import ssl
import subprocess
import threading
import time
import urllib.parse

KINDS = {"/api/v1/pods": "Pod", "/apis/apps/v1/replicasets": "ReplicaSet",
         "/apis/batch/v1/jobs": "Job", "/api/v1/services": "Service",
         "/apis/discovery.k8s.io/v1/endpointslices": "EndpointSlice", "/api/v1/nodes": "Node",
         "/api/v1/namespaces": "Namespace",
         "/pods": "Pod"}  # of a kubelet


def certificate(folder):
    """A certificate for 127.0.0.1, its own authority."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=kube",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(folder / "key.pem"),
                    "-out", str(folder / "ca.pem")], check=True, capture_output=True)


class Api:
    def __init__(self, folder, token, port=0, page=500):
        self.folder, self.tokens, self.page = folder, {token}, page
        self.changed = threading.Condition()
        self.version, self.oldest, self.objects, self.log = 1000, 1000, {}, []
        self.requests, self.forbidden, self.epoch, self.is_silent = [], set(), 0, False
        self.port = port
        if not (folder / "ca.pem").exists():
            certificate(folder)
        self.server = None
        self.start()

    def start(self):
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):  # noqa: N802 (the base class wants that name)
                api.handle(self)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_):
                pass

            def finish_request(self, request, client_address):
                request.settimeout(60)
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(api.folder / "ca.pem", api.folder / "key.pem")
                super().finish_request(context.wrap_socket(request, server_side=True),
                                       client_address)

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self):
        """Goes away: watches end, nobody listens."""
        self.server.shutdown()
        self.server.server_close()
        self.drop()

    def drop(self):
        """Ends all watches."""
        with self.changed:
            self.epoch += 1
            self.changed.notify_all()

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    # --- what it holds ---
    def put(self, kind, name, namespace=None, uid=None, labels=None, annotations=None, owner=None,
            **rest):
        metadata = {"name": name, "uid": uid or f"uid-{kind}-{namespace}-{name}",
                    "managedFields": [{"manager": "kubelet", "fieldsV1": {"f:status": {}}}]}
        for key, value in (("namespace", namespace), ("labels", labels),
                           ("annotations", annotations)):
            if value:
                metadata[key] = value
        if owner:
            metadata["ownerReferences"] = [
                {"kind": "Other", "name": "not-the-controller", "uid": "x"},
                {"kind": owner[0], "name": owner[1], "controller": True,
                 "uid": owner[2] if len(owner) > 2 else f"uid-{owner[0]}-{namespace}-{owner[1]}"}]
        with self.changed:
            is_new = (kind, namespace, name) not in self.objects
            self._note("ADDED" if is_new else "MODIFIED", kind, {"metadata": metadata, **rest})

    def delete(self, kind, name, namespace=None):
        with self.changed:
            self._note("DELETED", kind, self.objects[kind, namespace, name])

    def _note(self, event, kind, thing):
        self.version += 1
        thing = json.loads(json.dumps(thing))
        thing["metadata"]["resourceVersion"] = str(self.version)
        key = (kind, thing["metadata"].get("namespace"), thing["metadata"]["name"])
        if event == "DELETED":
            del self.objects[key]
        else:
            self.objects[key] = thing
        self.log.append((self.version, event, kind, thing))
        self.changed.notify_all()

    def forget(self):
        """Watches from before this are answered 410."""
        with self.changed:
            self.oldest = self.version
            self.log.clear()

    # --- what it answers ---
    def handle(self, handler):
        place = urllib.parse.urlsplit(handler.path)
        query = dict(urllib.parse.parse_qsl(place.query))
        kind = KINDS.get(place.path)
        with self.changed:
            self.requests.append((kind, query, handler.headers.get("Accept")))
            is_known = handler.headers.get("Authorization", "")[7:] in self.tokens
        if not is_known or kind in self.forbidden or kind is None:
            self.answer(handler, 401 if not is_known else 403 if kind else 404,
                        {"kind": "Status", "code": 401})
        elif "watch" in query:
            self.watch(handler, kind, query)
        else:
            self.list(handler, kind, query)

    @staticmethod
    def answer(handler, status, body):
        data = json.dumps(body).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    @staticmethod
    def is_selected(thing, query):
        wanted = query.get("fieldSelector", "").partition("=")[2]
        return not wanted or thing.get("spec", {}).get("nodeName") == wanted

    def list(self, handler, kind, query):
        with self.changed:
            everything = [thing for (known, _, _), thing in sorted(
                self.objects.items(), key=lambda item: tuple(map(str, item[0]))) if known == kind]
            found = [thing for thing in everything if self.is_selected(thing, query)]
            version = str(self.version)
        first = int(query.get("continue", "0/0").split("/")[0])
        size = min(self.page, int(query.get("limit", 500)))
        metadata = {"resourceVersion": version}
        if first + size < len(found):
            metadata["continue"] = f"{first + size}/=+"
        self.answer(handler, 200, {"kind": kind + "List", "metadata": metadata,
                                   "items": found[first:first + size]})

    def watch(self, handler, kind, query):
        at, epoch = int(query["resourceVersion"]), self.epoch
        end = time.monotonic() + int(query["timeoutSeconds"])
        if at < self.oldest and not self.is_silent:
            self.answer(handler, 410, {"kind": "Status", "code": 410})
            return
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.close_connection = True
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.epoch != epoch or self.version > at,
                                      max(0, end - time.monotonic()))
                if self.epoch != epoch or time.monotonic() >= end:
                    break
                events = [{"type": event, "object": thing} for version, event, known, thing
                          in self.log if version > at and known == kind
                          and self.is_selected(thing, query)]
                if at < self.oldest:
                    events = [{"type": "ERROR", "object": {"kind": "Status", "code": 410}}]
                at = self.version
            if not events:
                events = [{"type": "BOOKMARK", "object": {
                    "kind": kind, "metadata": {"resourceVersion": str(at)}}}]
            for start in range(0, len(events), 100):
                data = b"".join(json.dumps(event).encode() + b"\n"
                                for event in events[start:start + 100])
                # Cut where no line ends, as networks do.
                for part in (data[:len(data) // 3], data[len(data) // 3:]):
                    handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        handler.wfile.write(b"0\r\n\r\n")


def pod(api, name, namespace, uid, address, node, owner=None, labels=None, phase="Running",
        **more):
    api.put("Pod", name, namespace, uid=uid, owner=owner, labels=labels,
            annotations=more.get("annotations"),
            spec={"nodeName": node, "hostNetwork": more.get("host_network", False),
                  "containers": [{"name": "main", "image": "shop:1", "env": [
                      {"name": f"VARIABLE_{number}", "value": "x" * 40} for number in range(10)]}]},
            status={"phase": phase, "podIP": address, "podIPs": [{"ip": address}]})
