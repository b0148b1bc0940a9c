"""A gRPC server and its client in one process, on the port given: calls of all four kinds, errors,
and a method that is not there. Prints as JSON what the server has counted of each call: path,
messages and bytes of the request, of the response, status."""

import json
import sys
from concurrent import futures

import grpc

calls = []


def same(data):
    return data


def unary(request, _):
    calls.append(("/shop.Cart/Unary", 1, len(request), 1, 2 * len(request), 0))
    return request * 2


def fail(request, context):
    calls.append(("/shop.Cart/Fail", 1, len(request), 0, 0, 7))
    context.abort(grpc.StatusCode.PERMISSION_DENIED, "not you")


def list_all(request, _):
    calls.append(("/shop.Cart/List", 1, len(request), 20, 20 * 1000, 0))
    return (b"x" * 1000 for _ in range(20))


def put(requests, _):
    sizes = [len(request) for request in requests]
    calls.append(("/shop.Cart/Put", len(sizes), sum(sizes), 1, 3, 0))
    return b"yes"


def chat(requests, _):
    sizes = []
    for request in requests:
        sizes.append(len(request))
        yield request
    calls.append(("/shop.Cart/Chat", len(sizes), sum(sizes), len(sizes), sum(sizes), 0))


class Handler(grpc.GenericRpcHandler):
    KINDS = {
        "/shop.Cart/Unary": (grpc.unary_unary_rpc_method_handler, unary),
        "/shop.Cart/Fail": (grpc.unary_unary_rpc_method_handler, fail),
        "/shop.Cart/List": (grpc.unary_stream_rpc_method_handler, list_all),
        "/shop.Cart/Put": (grpc.stream_unary_rpc_method_handler, put),
        "/shop.Cart/Chat": (grpc.stream_stream_rpc_method_handler, chat),
    }

    def service(self, details):
        kind = self.KINDS.get(details.method)
        return kind and kind[0](kind[1], same, same)


def call_all(channel):
    metadata = (("x-token", "not-a-real-token"), ("raw-bin", b"\x01\x02"))
    for size in range(100):
        channel.unary_unary("/shop.Cart/Unary", same, same)(b"a" * size, metadata=metadata)
    for size in range(20):
        try:
            channel.unary_unary("/shop.Cart/Fail", same, same)(b"b" * size)
        except grpc.RpcError:
            pass
        list(channel.unary_stream("/shop.Cart/List", same, same)(b"c"))
        channel.stream_unary("/shop.Cart/Put", same, same)(iter([b"d" * 5000] * 7))
        list(channel.stream_stream("/shop.Cart/Chat", same, same)(iter([b"e" * size] * 9)))
    try:
        channel.unary_unary("/shop.Nothing/At", same, same)(b"f")
    except grpc.RpcError:
        calls.append(("/shop.Nothing/At", 1, 1, 0, 0, 12))


server = grpc.server(futures.ThreadPoolExecutor(4))
server.add_generic_rpc_handlers((Handler(),))
server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
server.start()
with grpc.insecure_channel(f"127.0.0.1:{sys.argv[1]}") as open_channel:
    call_all(open_channel)
server.stop(1).wait()
print(json.dumps(calls))
