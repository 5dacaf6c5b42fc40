"""Samples to records on disk: the sampler's rule applied, its outcome kept.

The new sampler state counts only once the outbox has it: when the outbox is full or
the disk fails, the old state stands and the next record covers the hole. This module
must never let a sample's trouble reach the bus.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from meterseal_agent.meters.registers import Sample
from meterseal_agent.outbox.store import Outbox
from meterseal_agent.record import Record
from meterseal_agent.run.file_thread import FileThread
from meterseal_agent.sampler import Clock, ClockWatch, Rules, State, observe
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import MeterId, RegisterId

_log = logging.getLogger("meterseal.sampling")


@dataclass(slots=True)
class Counters:
    """What happened since the start, and how things stand."""

    samples: int = 0
    records: int = 0
    refused_full: int = 0
    disk_failures: int = 0
    full: bool = False
    clock: Clock = Clock.UNSET


@dataclass(frozen=True, slots=True)
class Senses:
    """What judging a sample's time needs: both clocks (s) and the time service's word.

    `jump_limit_s` is how far the clocks may part between two samples.
    """

    wall: Callable[[], float]
    steady: Callable[[], float]
    synchronised: Callable[[], bool]
    jump_limit_s: int


class Sampling:
    """Takes the bus's samples; one per agent.

    `states` names every register that `rules` does, and may name more: those of meters
    that are enrolled and not read now. `wake` is called when a record is on disk.
    """

    def __init__(
        self,
        rules: Mapping[tuple[MeterId, RegisterId], Rules],
        states: Mapping[tuple[MeterId, RegisterId], State],
        store: tuple[Outbox, FileThread],
        senses: Senses,
        wake: Callable[[], None],
    ) -> None:
        self._rules: dict[MeterId, list[Rules]] = {}
        self._states = dict(states)
        self.use(rules)
        self._outbox, self._thread = store
        self._senses = senses
        self._wake = wake
        self._watch: ClockWatch | None = None
        self.counters = Counters()

    def use(self, rules: Mapping[tuple[MeterId, RegisterId], Rules]) -> None:
        """Judge by these rules from now on; every register named must have a state."""
        found: dict[MeterId, list[Rules]] = {}
        for key, rule in rules.items():
            if key not in self._states:
                raise KeyError(f"register {key[1]} has no state to go on from")
            found.setdefault(key[0], []).append(rule)
        self._rules = found

    async def take(self, meter: MeterId, sample: Sample) -> None:
        """Take one sample of one meter; returns once what it completed is on disk."""
        clock = self._judge()
        self.counters.samples += 1
        kept: list[tuple[Record, State]] = []
        for rules in self._rules.get(meter, ()):
            key = (meter, rules.register)
            state, record = observe(rules, self._states[key], sample, clock)
            if record is None:
                self._states[key] = state
            else:
                kept.append((record, state))
        if kept:
            await self._keep(kept)

    async def _keep(self, kept: list[tuple[Record, State]]) -> None:
        rows = [(record, state.to_json()) for record, state in kept]
        try:
            room = await self._thread.do(self._outbox.add, rows)
        except Unavailable as trouble:
            self.counters.disk_failures += 1
            _log.error("record_not_kept trouble=%r", str(trouble))
            return
        if room == self.counters.full:
            _log.warning("outbox_full full=%s", not room)
        self.counters.full = not room
        if not room:
            self.counters.refused_full += 1
            return
        for record, state in kept:
            self._states[record.meter, record.register] = state
        self.counters.records += len(kept)
        self._wake()

    def _judge(self) -> Clock:
        # Both clocks at the same moment: the sample's own time is older by the reading.
        senses = self._senses
        wall, steady = int(senses.wall()), int(senses.steady())
        watch = self._watch or ClockWatch(wall, steady)
        self._watch, clock = watch.judge(
            wall=wall,
            steady=steady,
            synchronised=senses.synchronised(),
            limit_s=senses.jump_limit_s,
        )
        self.counters.clock = clock
        return clock
