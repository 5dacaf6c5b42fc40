"""What goes beside the seals: telemetry and health, one message at a time, when it is quiet.

A message is sent once every seal that is due has gone, and the next one only after the
first was taken, so seals never queue behind more than one. Here a broker's acknowledgement
is enough: nothing is billed by these, and what the aggregator lacks it asks for again.
This module must never touch a seal.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from meterseal_agent.uplink.link import Link
from meterseal_proto.topics import Aside

TAKEN_S: Final = 20.0
"""Real seconds for an acknowledgement; a slow mobile link needs two."""
REFUSED_S: Final = 1.0
REFUSED_CAP_S: Final = 300.0
"""A queue that is full has room again within a second; a broker or aggregator that knows
no such topic is asked ever more seldom."""
TICK_S: Final = 1.0
"""How often something new is looked for when nobody says so."""

_log = logging.getLogger("meterseal.beside")


@dataclass(frozen=True, slots=True)
class Post:
    """A message to send beside; `taken` is called once it was acknowledged."""

    kind: Aside
    payload: bytes
    taken: Callable[[], Awaitable[None]]


NextPost = Callable[[], Awaitable[Post | None]]
"""Returns what is to be sent now, the same again until it was taken."""


@dataclass(slots=True)
class BesideCounters:
    """What happened since the start."""

    posted: int = 0
    posted_bytes: int = 0
    refused: int = 0
    late: int = 0


class Courier:
    """Carries posts over one link after another; made once, beside an Uplink."""

    def __init__(self, next_post: NextPost) -> None:
        self._next = next_post
        self._awake = asyncio.Event()
        self._quiet = asyncio.Event()
        self.counters = BesideCounters()

    def wake(self) -> None:
        """Say that there may be something to send; any number of times."""
        self._awake.set()

    def settled(self, *, quiet: bool) -> None:
        """Note whether every seal that is due has gone; until then nothing is begun."""
        if quiet:
            self._quiet.set()
        else:
            self._quiet.clear()

    async def run(self, link: Link) -> None:
        """Carry posts until cancelled; Unavailable when the link is lost."""
        wait = REFUSED_S
        while True:
            await self._quiet.wait()
            self._awake.clear()
            post = await self._next()
            if post is None:
                await self._rest(TICK_S)
            elif await self._carry(link, post):
                wait = REFUSED_S
            else:
                await asyncio.sleep(wait)
                wait = min(REFUSED_CAP_S, 2 * wait)

    async def _carry(self, link: Link, post: Post) -> bool:
        counters = self.counters
        try:
            async with asyncio.timeout(TAKEN_S):
                taken = await link.post(post.kind, post.payload)
        except TimeoutError:
            counters.late += 1
            return True
        if not taken:
            counters.refused += 1
            _log.warning("beside_refused kind=%s", post.kind)
            return False
        await post.taken()
        counters.posted += 1
        counters.posted_bytes += len(post.payload)
        return True

    async def _rest(self, span_s: float) -> None:
        try:
            async with asyncio.timeout(span_s):
                await self._awake.wait()
        except TimeoutError:
            return
