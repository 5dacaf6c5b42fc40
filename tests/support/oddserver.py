"""A server on loopback that answers each request as a test says, HTTP or not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Act = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
"""Takes a request whole, head and body, and writes what it likes."""


@asynccontextmanager
async def answering(answer: bytes | Act) -> AsyncIterator[str]:
    """Serve until left; yields the URL. Bytes are written and the connection closed."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _request(reader)
            if isinstance(answer, bytes):
                writer.write(answer)
            else:
                await answer(request, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


def http(status: str, body: bytes, *more: str) -> bytes:
    """Return a whole answer; `more` are header lines."""
    head = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *more, "", ""]
    return "\r\n".join(head).encode() + body


async def _request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return head + await reader.readexactly(int(line.partition(b":")[2]))
    return head
