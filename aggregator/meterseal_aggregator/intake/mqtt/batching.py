"""Many connections' messages become batches; one batch is delivered at a time.

One at a time, because intake has one writer: while a batch commits the next one
gathers, so batches grow with the load and nothing queues behind a second commit.
This module must never acknowledge what was not delivered, nor drop what was taken.
"""

import asyncio
import contextlib
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
from structlog.typing import FilteringBoundLogger

from meterseal_aggregator.intake.port import Counters, Deliver, Incoming, Reply
from meterseal_proto.errors import Unavailable

_log: FilteringBoundLogger = structlog.get_logger()
_JITTER: Final = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """How long a batch gathers, how large it grows and how much may wait."""

    linger_s: float = 0.025
    """Waited after a batch's first message; well under what anybody notices."""
    most: int = 4000
    """Messages a batch: beyond this a larger transaction gains nothing."""
    queued: int = 8000
    """Messages waiting before sockets are not read: the next batch and one more."""
    queued_bytes: int = 32 * 1024 * 1024
    """Bytes waiting, for the day when every message is a large one."""
    retry_s: tuple[float, ...] = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)
    """Back-off after each Unavailable; after the last the batch is abandoned."""


class Wire(Protocol):
    """What batching asks of an adapter's sockets."""

    def hold(self) -> None:
        """Stop reading from every peer."""
        ...

    def release(self) -> None:
        """Read again from every peer."""
        ...

    def settle(self, batch: Sequence[Incoming], replies: Sequence[Reply]) -> None:
        """Acknowledge a committed batch and send its replies."""
        ...

    def abandon(self, batch: Sequence[Incoming]) -> None:
        """Close the connections of a batch that could not be committed."""
        ...


class Batching:
    """The bounded queue between sockets and intake."""

    def __init__(self, limits: BatchLimits, wire: Wire, counters: Counters) -> None:
        self._limits = limits
        self._wire = wire
        self._counters = counters
        self._queue: list[Incoming] = []
        self._bytes = 0
        self._first_at = 0.0
        self._some = asyncio.Event()
        self._full = asyncio.Event()
        self.holding = False

    def put(self, messages: list[Incoming]) -> None:
        """Queue what one read of a socket brought; hold the sockets when full."""
        if not self._queue:
            self._first_at = asyncio.get_running_loop().time()
            self._some.set()
        self._queue += messages
        self._bytes += _size(messages)
        self._counters.received_total += len(messages)
        self._mark()

    async def run(self, deliver: Deliver) -> None:
        """Deliver batch after batch until cancelled, or until `deliver` has a bug."""
        while True:
            batch = await self._gather()
            replies = await self._deliver(deliver, batch)
            if replies is None:
                self._counters.abandoned_total += len(batch)
                self._wire.abandon(batch)
            else:
                self._counters.batches_total += 1
                self._counters.acknowledged_total += len(batch)
                self._wire.settle(batch, replies)

    async def _gather(self) -> list[Incoming]:
        """Return the next batch: full, or as large as it grew while lingering."""
        await self._some.wait()
        passed_s = asyncio.get_running_loop().time() - self._first_at
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, self._limits.linger_s - passed_s)):
                await self._full.wait()
        batch = self._queue[: self._limits.most]
        del self._queue[: self._limits.most]
        self._bytes -= _size(batch)
        self._mark()
        return batch

    def _mark(self) -> None:
        """Bring events, gauge and the sockets' state in line with the queue."""
        count, limits = len(self._queue), self._limits
        self._counters.queued = count
        if not count:
            self._some.clear()
        if count >= limits.most:
            self._full.set()
        else:
            self._full.clear()
        if count >= limits.queued or self._bytes >= limits.queued_bytes:
            if not self.holding:
                self.holding = True
                self._wire.hold()
        elif self.holding and 2 * count <= limits.queued:
            self.holding = False
            self._wire.release()

    async def _deliver(
        self, deliver: Deliver, batch: list[Incoming]
    ) -> Sequence[Reply] | None:
        """Return the replies, or None when intake stayed unavailable to the end."""
        for wait_s in self._limits.retry_s:
            try:
                return await deliver(batch)
            except Unavailable as trouble:
                self._counters.unavailable_total += 1
                _log.warning(
                    "batch_delayed",
                    messages=len(batch),
                    why=str(trouble),
                    wait_s=wait_s,
                )
            await asyncio.sleep(wait_s * _JITTER.uniform(0.5, 1.0))
        return None


def _size(messages: Iterable[Incoming]) -> int:
    return sum([len(message.payload) for message in messages])
