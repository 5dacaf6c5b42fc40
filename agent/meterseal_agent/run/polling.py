"""The meters' duty: a bus over the configured meters, exchanged when they change.

It reads until it is told of other meters, then those: what stays as it is is not disturbed,
and lines that nobody uses any more are closed. This module must never decide which meters there are, and must
never leave a line open behind it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from meterseal_agent.meters.bus import Bus, Deliver, Health, Station
from meterseal_agent.run import meters
from meterseal_agent.run.duties import end_all
from meterseal_agent.run.meters import Wired
from meterseal_agent.run.times import Times
from meterseal_agent.run.watched import LineStuck, LineWatch
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import MeterId

LOOK_S: Final = 1.0
"""Real seconds between two looks whether every line gets on."""
REPLACE_S: Final = 60.0
"""How long a reading in hand may keep other meters waiting; the longest takes thirty."""


class Polling:
    """Reads the meters it is given.

    polling = Polling(ids, times, deliver); polling.use(wired)
    await polling.run()      # until cancelled; Unavailable when a line is stuck
    polling.use(others)      # from the next moment on
    """

    def __init__(
        self, ids: Mapping[str, MeterId], times: Times, deliver: Deliver
    ) -> None:
        self._ids = ids
        self._times = times
        self._deliver = deliver
        self._changed = asyncio.Event()
        self._wired: Sequence[Wired] = ()
        self._next: Sequence[Wired] = ()
        self._bus = Bus((), times.clocks)
        self.turns = 0
        """Looks that found every line getting on: while it grows the duty does."""

    def use(self, wired: Sequence[Wired]) -> None:
        """Read these meters from now on; their ids must be known: KeyError."""
        meters.stations(wired, self._ids, self._times)
        self._next = wired
        self._changed.set()

    def health(self) -> Mapping[MeterId, Health]:
        """Return how every meter does now."""
        return self._bus.health()

    async def run(self) -> None:
        """Read for ever. LineStuck, and whatever a port or `deliver` raises, end the run."""
        self._changed.clear()
        self._wired = self._next
        self._bus = Bus(self._stations(), self._times.clocks)
        task = asyncio.create_task(self._bus.run(self._deliver))
        try:
            while True:
                await self._see_to(task)
                await self._replace()
        finally:
            await end_all([task])
            self.close()

    @property
    def wired(self) -> Sequence[Wired]:
        """The meters that are read, or are about to be."""
        return self._next

    def close(self) -> None:
        """Close every line; the next reading opens what it needs."""
        _close(self._wired, ())

    async def _see_to(self, task: asyncio.Task[None]) -> None:
        """Return when other meters are to be read; raise what ended the bus."""
        lines: dict[str, set[MeterId]] = {}
        for station in self._stations():
            lines.setdefault(station.line, set()).add(station.meter)
        watch = LineWatch(
            {name: frozenset(found) for name, found in lines.items()},
            self._times.steady(),
        )
        while not self._changed.is_set():
            changed = asyncio.create_task(self._changed.wait())
            try:
                await asyncio.wait(
                    {task, changed},
                    timeout=LOOK_S,
                    return_when=asyncio.FIRST_COMPLETED,
                )
            finally:
                changed.cancel()
            if task.done():
                task.result()
                raise Unavailable("the bus ended by itself")
            watch.look(self._bus.health(), self._times.steady())
            self.turns += 1

    async def _replace(self) -> None:
        """Read the other meters: those that stay are not disturbed."""
        self._changed.clear()
        before, self._wired = self._wired, self._next
        try:
            async with asyncio.timeout(REPLACE_S):
                await self._bus.replace(
                    self._stations(), lambda: _close(before, self._wired)
                )
        except TimeoutError:
            _close(before, ())
            raise LineStuck(
                f"a reading has not ended for {REPLACE_S:.0f} s; every line is opened anew"
            ) from None

    def _stations(self) -> list[Station]:
        return meters.stations(self._wired, self._ids, self._times)


def _close(before: Sequence[Wired], after: Sequence[Wired]) -> None:
    for line in meters.left(before, after):
        line.close()
