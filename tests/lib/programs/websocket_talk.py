"""A WebSocket server and its client in one process, on the port given: texts, binaries, fragments,
pings, large messages; a second connection compresses. Prints as JSON what each end has sent: for
each connection a list of [opcode, frames, bytes] by client and server (of the compressed one, only
how many messages)."""

import asyncio
import collections
import json
import sys

import websockets

PORT = int(sys.argv[1])
TEXTS = [0, 1, 125, 126, 300, 5000, 65535, 65536, 200000, 1500000]


class Count(collections.Counter):
    def take(self, opcode, size):
        self[opcode, "frames"] += 1
        self[opcode, "bytes"] += size

    def told(self):
        return [[opcode, self[opcode, "frames"], self[opcode, "bytes"]]
                for opcode, what in self if what == "frames"]


async def answer(socket):
    async for message in socket:
        await socket.send(message)


async def talk(compression):
    """Everything is echoed as one frame; fragments come back whole."""
    client, server = Count(), Count()
    async with websockets.connect(f"ws://127.0.0.1:{PORT}/chat", compression=compression,
                                  max_size=None, ping_interval=None) as socket:
        for size in TEXTS:
            for opcode, message in (("text", "t" * size), ("binary", b"b" * size)):
                await socket.send(message)
                client.take(opcode, size)
                await socket.recv()
                server.take(opcode, size)
        await socket.send(iter([b"f" * 1000, b"f" * 70000, b"f" * 3]))
        for opcode, size in (("binary", 1000), ("continuation", 70000), ("continuation", 3),
                             ("continuation", 0)):
            client.take(opcode, size)
        await socket.recv()
        server.take("binary", 71003)
        for number in range(20):
            await (await socket.ping(b"p" * number))
            client.take("ping", number)
            server.take("pong", number)
    client.take("close", 2)
    server.take("close", 2)
    return {"client": client.told(), "server": server.told()}


async def main():
    async with websockets.serve(answer, "127.0.0.1", PORT, max_size=None, ping_interval=None):
        print(json.dumps([await talk(None), await talk("deflate")]))


asyncio.run(main())
