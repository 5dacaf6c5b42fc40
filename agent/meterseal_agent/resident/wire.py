"""HTTP to a few browsers of one home, under limits that hold whoever connects.

h11 reads and writes the protocol; this module brings the sockets and the limits: how many
connections, how long each, how large a request. One connection asks once. Whatever is
wrong with a request ends it; this module must never know what a page holds, and never
wait for anybody without an end.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Final

import h11

MAX_CONNECTIONS: Final = 24
"""At once: each costs a descriptor and, with TLS, 60 KiB."""
MAX_OF_ONE: Final = 8
"""From one address: a browser opens six."""
MAX_HEAD_BYTES: Final = 8_192
"""A browser's request line and headers take one or two thousand."""
MAX_BODY_BYTES: Final = 512
"""A PIN in a form."""
TLS_S: Final = 5.0
ASK_S: Final = 10.0
"""To ask, from the first byte of the handshake to the last of the body."""
WORK_S: Final = 30.0
"""To be answered: reading the outbox stands behind the seals."""
TAKE_S: Final = 30.0
"""To take the answer: half a megabyte over a poor radio."""
BACKLOG: Final = 32
_READ: Final = 4_096

_log = logging.getLogger("meterseal.resident")


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked: `target` and `headers` as they came, names in lower case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    device: str

    def header(self, name: str) -> str | None:
        """Return a header that came once; None for none, and for one that came twice."""
        found = [value for named, value in self.headers if named == name]
        return found[0] if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered; `headers` beside Content-Length and Connection."""

    status: HTTPStatus
    headers: tuple[tuple[str, str], ...]
    body: bytes


Handler = Callable[[Request], Awaitable[Response]]


class Server:
    """Answers on a listening socket until cancelled; `tls` None for plain HTTP."""

    def __init__(self, handler: Handler, tls: ssl.SSLContext | None) -> None:
        self._handler = handler
        self._tls = tls
        self._of: dict[str, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def inside(self) -> int:
        """How many connections there are."""
        return len(self._tasks)

    async def serve(self, listener: socket.socket) -> None:
        """Take connections for ever, and end them all when cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                connection, peer = await loop.sock_accept(listener)
                device = str(peer[0])
                if self._full(device):
                    connection.close()
                    continue
                self._of[device] = self._of.get(device, 0) + 1
                task = asyncio.create_task(self._connected(connection, device))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _full(self, device: str) -> bool:
        return (
            len(self._tasks) >= MAX_CONNECTIONS or self._of.get(device, 0) >= MAX_OF_ONE
        )

    async def _connected(self, connection: socket.socket, device: str) -> None:
        writer: asyncio.StreamWriter | None = None
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        try:
            async with asyncio.timeout(ASK_S):
                reader, writer = await self._streams(connection)
                asked = await _read(http, reader, device)
            if asked is not None:
                await self._answer(http, asked, writer)
        except (OSError, TimeoutError):
            pass  # A browser that went away, or none; it may come again.
        except Exception:
            _log.exception("resident_page_failed")
        finally:
            self._left(device)
            connection.close() if writer is None else await _close(writer)

    def _left(self, device: str) -> None:
        self._of[device] -= 1
        if not self._of[device]:
            del self._of[device]

    async def _streams(
        self, connection: socket.socket
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return the connection's ends, once its TLS handshake is over."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=MAX_HEAD_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol,
            connection,
            ssl=self._tls,
            ssl_handshake_timeout=None if self._tls is None else TLS_S,
        )
        # What is not taken counts as not taken: `drain` then waits for the last byte.
        transport.set_write_buffer_limits(high=0)
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def _answer(
        self,
        http: h11.Connection,
        asked: Request | HTTPStatus,
        writer: asyncio.StreamWriter,
    ) -> None:
        if isinstance(asked, HTTPStatus):
            text = asked.phrase.encode()
            answer = Response(asked, (("Content-Type", "text/plain"),), text)
        else:
            async with asyncio.timeout(WORK_S):
                answer = await self._handler(asked)
            if asked.method == "HEAD":
                answer = replace(answer, body=b"")  # RFC 9110 9.3.2
        writer.write(_bytes(http, answer))
        async with asyncio.timeout(TAKE_S):
            await writer.drain()


async def _read(
    http: h11.Connection, reader: asyncio.StreamReader, device: str
) -> Request | HTTPStatus | None:
    """Return the one request of a connection, or why it is not read; None without any."""
    try:
        head = await _event(http, reader)
        if not isinstance(head, h11.Request):
            return None
        if _size(head) > MAX_HEAD_BYTES:
            return HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
        body = b""
        while isinstance(part := await _event(http, reader), h11.Data):
            body += bytes(part.data)
            if len(body) > MAX_BODY_BYTES:
                return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    except h11.RemoteProtocolError as error:
        return HTTPStatus(error.error_status_hint)
    return Request(
        head.method.decode("ascii"),
        head.target.decode("latin-1"),
        tuple((n.decode("ascii"), v.decode("latin-1")) for n, v in head.headers),
        body,
        device,
    )


def _size(head: h11.Request) -> int:
    """Return about how many bytes a head took: h11 counts only what is not whole yet."""
    return len(head.target) + sum(len(n) + len(v) + 4 for n, v in head.headers)


async def _event(http: h11.Connection, reader: asyncio.StreamReader) -> object:
    """Return the next event; raises h11.RemoteProtocolError."""
    while True:
        event = http.next_event()
        if event is not h11.NEED_DATA:
            return event
        if http.they_are_waiting_for_100_continue:
            raise h11.RemoteProtocolError("no body is waited for", 417)
        http.receive_data(await reader.read(_READ))


def _bytes(http: h11.Connection, answer: Response) -> bytes:
    """Return an answer as it goes out; the connection ends with it."""
    headers = [
        *answer.headers,
        ("Content-Length", str(len(answer.body))),
        ("Connection", "close"),
    ]
    reason = answer.status.phrase.encode()
    head = h11.Response(status_code=answer.status, headers=headers, reason=reason)
    events = (head, h11.Data(data=answer.body), h11.EndOfMessage())
    return b"".join(http.send(event) or b"" for event in events)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        async with asyncio.timeout(TLS_S):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        writer.transport.abort()
