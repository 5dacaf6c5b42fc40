"""The HTTP server: uvicorn, behind a door that lets nobody hold more than his share.

    server = WebServer(app_config, WebBounds())
    asyncio.create_task(server.serve([]))
    asyncio.create_task(server.accept(listening))

Uvicorn alone counts connections that never ask anything, and waits for them for ever.
Here a connection has its place from accept on, TLS handshake included: one address has
few places, all of them together leave descriptors for agents and the database, and who
has sent no whole request head in time is closed. This module must never look at what is
asked.
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import structlog
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from meterseal_aggregator.web.limits import Places

ACCEPT_PAUSE_S: Final = 0.1
"""After a failed accept (no descriptor left): one that ends meanwhile makes room."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WebBounds:
    """How many connections there may be, and how long one may be slow.

    Behind a proxy all come from its address: give `from_one` as many as `connections`.
    """

    connections: int = 512
    """All of them: each may hold a body of a megabyte while it is read."""
    from_one: int = 64
    """From one address: a browser opens 6; a village behind one has the agents' port."""
    head_s: float = 10.0
    """From accept, or the end of the last answer, to a whole request head."""
    stall_s: float = 20.0
    """How long a peer may leave what we send unread."""


class WebServer(uvicorn.Server):
    """Uvicorn with a door of our own, and without signal handlers of its own."""

    def __init__(self, config: uvicorn.Config, bounds: WebBounds) -> None:
        super().__init__(config)
        self._bounds = bounds
        self._places = Places(bounds.connections, bounds.from_one)
        if not config.loaded:
            config.load()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: the composition root has them."""
        yield

    async def accept(self, listening: socket.socket) -> None:
        """Accept connections until cancelled; surplus ones are closed at once."""
        listening.settimeout(0)
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            while True:
                try:
                    arrived, name = await loop.sock_accept(listening)
                except OSError as trouble:
                    _log.error("web_connection_not_accepted", why=str(trouble))
                    await asyncio.sleep(ACCEPT_PAUSE_S)
                    continue
                address = str(name[0])
                if self._places.take(address):
                    tasks.create_task(self._carry(arrived, address))
                else:
                    arrived.close()

    async def _carry(self, arrived: socket.socket, address: str) -> None:
        """Serve one connection and give its place back when it is gone."""
        loop = asyncio.get_running_loop()
        connection = _Connection(self, self._bounds)
        tls = self.config.ssl
        try:
            await loop.connect_accepted_socket(
                lambda: connection,
                arrived,
                ssl=tls,
                ssl_handshake_timeout=self._bounds.head_s if tls else None,
            )
            await connection.gone.wait()
        except (OSError, TimeoutError) as trouble:
            _log.info("web_handshake_failed", why=str(trouble))
        finally:
            self._places.give_back(address)


class _Connection(H11Protocol):
    """Uvicorn's HTTP/1.1, with an end to its patience.

    While no request is in hand one timer runs, which no single byte sets back; a body
    in hand has its own time in `web.limits`.
    """

    def __init__(self, server: WebServer, bounds: WebBounds) -> None:
        super().__init__(server.config, server.server_state, {})
        self.gone = asyncio.Event()
        self._bounds = bounds
        self._ends: asyncio.TimerHandle | None = None
        self._stalls: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # uvicorn narrows it so
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._look()

    def data_received(self, data: bytes) -> None:
        """Read on, and see whether a request is in hand now."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the rest of one that was answered early."""
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        """Begin to wait for a peer that does not read."""
        super().pause_writing()
        self._stalls = self.loop.call_later(self._bounds.stall_s, self._cut_off)

    def resume_writing(self) -> None:
        """Go on: the peer reads."""
        super().resume_writing()
        self._stalls = _stopped(self._stalls)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give everything back."""
        super().connection_lost(exc)
        self._ends = _stopped(self._ends)
        self._stalls = _stopped(self._stalls)
        self.gone.set()

    def _look(self) -> None:
        in_hand = not getattr(self.cycle, "response_complete", True)  # None at first
        if in_hand:
            self._ends = _stopped(self._ends)
        elif self._ends is None and not self.gone.is_set():
            self._ends = self.loop.call_later(self._bounds.head_s, self._cut_off)

    def _cut_off(self) -> None:
        # Not close(): that waits for a peer to read what it has been sent.
        self.transport.abort()


def _stopped(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Stop a timer and return what stands for none."""
    if timer is not None:
        timer.cancel()
    return None
