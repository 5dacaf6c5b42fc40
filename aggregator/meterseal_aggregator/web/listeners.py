"""Who listens to what happens to him, and one watch for all of them.

    with listeners.listening(Listener(member, token), watch, newest=newest):
        ...                                    # `called` returns when there is something

While anybody listens, two statements a second look for news and for tokens that ended,
however many listen; only whom they concern is woken. This module must never hold an event.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from meterseal_aggregator.identity import events
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.market.model import Cause, Declined
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.web.limits import Places
from meterseal_proto.errors import Unavailable

LISTENERS: Final = 256
"""Streams at once: each keeps one of the 512 connections, and half are for what is asked."""
OF_ONE_MEMBER: Final = 4
"""Streams of one member: his phone, his desk, a program of his, and one not yet missed."""
WATCH_S: Final = 1.0
"""Between two looks: as fast as a person minds, and two statements for all who listen."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Watch:
    """What is watched, and by which clock tokens end: real Unix seconds."""

    database: Database
    real_now: Callable[[], float]


class Listener:
    """One stream: whose, by which token, and whether it was called since it last looked."""

    def __init__(self, member: int, token: int) -> None:
        self.member = member
        self.token = token
        self.ended = False
        self._call = asyncio.Event()

    def call(self) -> None:
        """Say that there is something for this member."""
        self._call.set()

    def end(self) -> None:
        """Let the stream come to its end."""
        self.ended = True
        self._call.set()

    def heard(self) -> None:
        """Begin to look: what is called from here on is called anew."""
        if not self.ended:
            self._call.clear()

    async def called(self, within_s: float) -> bool:
        """Wait to be called; False after `within_s` seconds without."""
        try:
            async with asyncio.timeout(within_s):
                await self._call.wait()
        except TimeoutError:
            return False
        return True


class Listeners:
    """All streams of this process, `total` at most, and the watch over them."""

    def __init__(self, total: int = LISTENERS) -> None:
        self._places = Places(total, OF_ONE_MEMBER)
        self._all: set[Listener] = set()
        self._seen = 0
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    @contextmanager
    def listening(
        self, listener: Listener, watch: Watch, *, newest: int
    ) -> Iterator[None]:
        """Keep a place for one stream; `newest` is the last event there was when it came.

        Raises Declined where it has no place, Unavailable once we are about to stop.
        """
        if self._closed:
            raise Unavailable("the aggregator is stopping")
        whose = f"member {listener.member}"
        if not self._places.take(whose):
            raise Declined(
                Cause.FULL,
                f"there are {OF_ONE_MEMBER} streams of yours already, or too many of"
                " everybody's: close one, or ask GET /v1/me/event-log now and then",
            )
        self._all.add(listener)
        if self._task is None:
            self._begin(watch, newest)
        try:
            yield
        finally:
            self._all.discard(listener)
            self._places.give_back(whose)
            if not self._all:
                self._rest()

    def close(self) -> None:
        """End every stream and begin none; those who listen come back when we are back."""
        self._closed = True
        for listener in self._all:
            listener.end()

    def _begin(self, watch: Watch, newest: int) -> None:
        # From before the first stream looked itself, so that nothing is missed in between.
        self._seen = newest
        self._task = asyncio.create_task(self._look_on(watch), name="listeners")
        self._task.add_done_callback(self._watch_ended)

    def _rest(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _look_on(self, watch: Watch) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            try:
                await self._look(watch)
            except Unavailable as trouble:
                _log.warning("events_not_looked_for", why=str(trouble))

    async def _look(self, watch: Watch) -> None:
        tokens = sorted({listener.token for listener in self._all})
        now = int(watch.real_now())
        async with watch.database.reading() as tx:
            told = await events.told_since(tx, self._seen)
            good = await identity.in_force(tx, tokens, now=now)
        self._seen = max(told.values(), default=self._seen)
        for listener in self._all:
            if listener.token not in good and listener.token in tokens:
                listener.end()
            elif listener.member in told:
                listener.call()

    def _watch_ended(self, task: asyncio.Task[None]) -> None:
        """Let nobody wait for a watch that fell: streams end, come back, and begin another."""
        if task.cancelled() or task is not self._task:
            return
        self._task = None
        _log.error("listeners_watch_fell", exc_info=task.exception())
        for listener in self._all:
            listener.end()
