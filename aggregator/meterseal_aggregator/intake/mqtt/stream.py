"""One MQTT byte stream over asyncio: packets in, gathered bytes out, both bounded.

Shared by the endpoint's connections and the link to a broker. It must never buffer
for a peer that does not read, and never let a broken packet reach past its stream.
"""

import asyncio
from abc import ABC, abstractmethod
from typing import Final

import mqtt5

from meterseal_aggregator.intake.mqtt.codec import BrokenPacket, PacketReader

WRITE_BYTES: Final = 256 * 1024
"""Bytes not yet taken by the peer's socket before we stop reading from it."""


class Stream(asyncio.Protocol, ABC):
    """A socket's protocol; subclasses say what packets mean.

    Every method runs on the event loop. Bytes put into `out` are written by `flush`,
    together, after each read and when a subclass asks for it.
    """

    __slots__ = (
        "_loop",
        "_reader",
        "closed",
        "heard_at",
        "held",
        "out",
        "stalled_at",
        "transport",
        "why",
    )

    def __init__(self, limit: int) -> None:
        self.transport: asyncio.Transport | None = None
        self.out: list[bytes] = []
        self.closed = False
        """Whether it has ended or is ending; nothing that arrives counts any more."""
        self.why = "connection lost"
        """Why it ended, in words for the log."""
        self.heard_at = 0.0
        """Loop time of the last whole packet, in seconds; a trickle is no life."""
        self.held = False
        """Whether intake is behind and the socket is not read for its sake."""
        self.stalled_at: float | None = None
        """Loop time since which the peer leaves our bytes unread."""
        self._loop = asyncio.get_running_loop()
        self._reader = PacketReader(limit)

    @abstractmethod
    def take(self, packets: list[mqtt5.Packet]) -> None:
        """Handle the packets that one read completed."""

    @abstractmethod
    def broken(self, broken: BrokenPacket) -> None:
        """Answer bytes that are no packet, and close."""

    @abstractmethod
    def drained(self) -> None:
        """Gather what waited for the peer to read again."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; TLS, if any, has succeeded by now."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.heard_at = self._loop.time()
        transport.set_write_buffer_limits(high=WRITE_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the transport."""
        if exc is not None:
            self.why = f"connection lost: {exc}"
        self.transport = None
        self.closed = True

    def pause_writing(self) -> None:
        """Stop listening to a peer that does not read our answers."""
        self.stalled_at = self._loop.time()
        self._listen()

    def resume_writing(self) -> None:
        """Go on with a peer that has read again."""
        self.stalled_at = None
        self._listen()
        self.drained()
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Hand on the packets that one read of the socket completed."""
        if self.closed:
            return
        try:
            packets = self._reader.feed(data)
        except BrokenPacket as broken:
            self.broken(broken)
            return
        if packets:
            self.heard_at = self._loop.time()
            self.take(packets)
            self.flush()

    def hold(self, *, held: bool) -> None:
        """Stop or go on reading, as the queue towards intake fills and empties."""
        if self.held and not held:
            self.heard_at = self._loop.time()
        self.held = held
        self._listen()

    def has_room(self) -> bool:
        """Whether the peer reads what it is sent."""
        return self.stalled_at is None

    def flush(self) -> None:
        """Write everything gathered in one call."""
        if self.out and self.transport is not None:
            self.transport.write(b"".join(self.out))
        self.out.clear()

    def close(self, why: str) -> None:
        """Send what is gathered and close; an unread socket may need `abort` after."""
        if not self.closed:
            self.why = why
        self.closed = True
        self.flush()
        if self.transport is not None:
            self.transport.close()

    def abort(self, why: str) -> None:
        """Cut the connection off without a word."""
        if not self.closed:
            self.why = why
        self.closed = True
        if self.transport is not None:
            self.transport.abort()

    def _listen(self) -> None:
        """Read from the socket unless intake or the peer itself is behind."""
        if self.transport is None:
            return
        if self.held or self.stalled_at is not None:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()
