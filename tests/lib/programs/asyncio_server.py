"""An HTTP server on asyncio streams: edge-triggered loop, many connections in one thread.

/bytes/N gives N bytes; sizes above 512 are chunked with an extension and a trailer. A certificate
and its key behind the other arguments: over TLS.
"""

import asyncio
import os
import ssl
import sys

address, port, log_path, *certificate = sys.argv[1:]
log = os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


async def read_body(reader, headers):
    if b"chunked" in headers.get(b"transfer-encoding", b""):
        while size := int((await reader.readline()).split(b";")[0], 16):
            await reader.readexactly(size + 2)
        while await reader.readline() not in (b"\r\n", b""):
            pass
    else:
        await reader.readexactly(int(headers.get(b"content-length", 0)))


def make_response(method, size, sequence):
    head = (b"HTTP/1.1 200 OK\r\nServer: asyncio\r\nX-Seq: " + sequence
            + b"\r\nX-Repeated: one\r\nX-Repeated: two\r\n")
    if method == b"HEAD" or size <= 512:
        body = b"" if method == b"HEAD" else b"x" * size
        return head + b"Content-Length: %d\r\n\r\n" % size + body
    half = size // 2
    return (head + b"Transfer-Encoding: chunked\r\nTrailer: X-Checked\r\n\r\n"
            + b"%x;part=1\r\n%s\r\n" % (half, b"x" * half)
            + b"%x\r\n%s\r\n" % (size - half, b"x" * (size - half))
            + b"0\r\nX-Checked: %d\r\n\r\n" % size)


async def serve(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.split(b"\r\n")
            method, target, _ = lines[0].split(b" ", 2)
            headers = {}
            for line in lines[1:-2]:
                name, _, value = line.partition(b":")
                headers[name.lower()] = value.strip(b" \t")
            await read_body(reader, headers)
            sequence = headers.get(b"x-seq", b"-")
            size = int(target.split(b"?")[0].rpartition(b"/")[2] or 0)
            writer.write(make_response(method, size, sequence))
            await writer.drain()
            line = f"{sequence.decode()} {writer.get_extra_info('peername')[1]} 200 {os.getpid()}"
            os.write(log, (line + "\n").encode())
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main():
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    server = await asyncio.start_server(serve, address, int(port), limit=1 << 20, backlog=512,
                                        ssl=context)
    await server.serve_forever()


asyncio.run(main())
