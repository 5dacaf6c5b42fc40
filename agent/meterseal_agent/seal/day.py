"""A register's next committed day: records of any length to one value a slot. Pure.

A day runs from where the last one ended to the next local midnight of the network's zone,
raised to the register's grid; it is cut once a record reaches that far. What the records
say is told slot by slot:

- one slot long: its energy, RAW or QUESTIONABLE as the sampler says.
- longer, because boundaries were missed: nobody knows how the energy fell on the slots, so
  the last slot has all of it, QUESTIONABLE, and the slots before are MISSING. What does not
  fit the proof's bits goes to the slot before, and so on. How many of the last slots are
  QUESTIONABLE, empty ones among them, follows from the record's length and the register's
  capacity, never from what was used. No slot of such a record was told before it was
  there, so the sum over any days is the record's energy.
- no record: MISSING, value 0.
- a reset: the sampler's record has no growth, its slot is 0.
- more than all its slots can hold (a register that jumped): no usage a proof can be made
  of. Its slots are MISSING, and its energy is `untold`: kept on the device, told to nobody.

This module must never tell one record's energy twice, nor any that no record has.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from meterseal_agent.outbox.model import Chain
from meterseal_agent.record import Record
from meterseal_proto.seal import MAX_RECORDS
from meterseal_proto.units import MeterId, Quality, RegisterId, plausible_wh

Midnight = Callable[[int], int]
"""Returns the first local midnight after a moment, both UTC Unix seconds."""

LEAVE_AFTER_S: Final = 30 * 60
"""Between midnight and the first day on the wire: time to prove it on the slowest Pi."""
LEAVE_WITHIN_S: Final = 3 * 3600
"""Devices leave over three hours, so a street does not all speak at midnight; the last is
there well before the intervals are final at 06:00."""
_LEAVE: Final = b"meterseal/leave/v1\x00"


@dataclass(frozen=True, slots=True)
class Day:
    """One value (Wh or litres; None: not told) and ESPI quality a slot, from `first` on.

    `step` in seconds; `untold` is the energy that its records have and no slot can hold.
    """

    first: int
    step: int
    values: tuple[int | None, ...]
    qualities: tuple[int, ...]
    untold: int = 0

    @property
    def end(self) -> int:
        """The first second after it."""
        return self.first + self.step * len(self.values)

    def bare(self) -> "Day":
        """Return the day with every slot missing: it closes the hole and tells nothing.

        For a day that was refused as too old; what it used stays with its first telling.
        """
        count = len(self.values)
        missing = (int(Quality.MISSING),) * count
        return replace(self, values=(None,) * count, qualities=missing, untold=0)


def next_day(
    chain: Chain, pending: Sequence[Record], bits: int, midnight: Midnight
) -> Day | None:
    """Return the day that follows the chain's head; None until it is over and recorded.

    `pending` are the register's oldest records that no day has told, oldest first, more
    than a day's worth of them where there are more; a value fits `bits`.
    """
    first, step = chain.head.end, chain.step
    end = min(_raised(midnight(first), step), first + MAX_RECORDS * step)
    if not any(record.end >= end for record in pending):
        return None
    slots: dict[int, tuple[int | None, Quality]] = {}
    for record in pending:
        slots.update(_told(record, chain, bits))
    found = [slots.get(at, (None, Quality.MISSING)) for at in range(first, end, step)]
    ended = [record for record in pending if first < record.end <= end]
    return Day(
        first,
        step,
        tuple(value for value, _ in found),
        tuple(int(quality) for _, quality in found),
        sum(record.delta for record in ended if not _fits(record, step, bits)),
    )


def leaves_at(meter: MeterId, register: RegisterId, end: int) -> int:
    """Return when a day that ended at `end` is sent: every day at the same time after it.

    The moment hangs on whose day it is and never on what is in it.
    """
    named = hashlib.sha256(_LEAVE + meter + register.to_bytes(6)).digest()
    return end + LEAVE_AFTER_S + int.from_bytes(named[:8]) % LEAVE_WITHIN_S


def _told(
    record: Record, chain: Chain, bits: int
) -> dict[int, tuple[int | None, Quality]]:
    """Return what a record says of each of its slots, by the slot's start."""
    step = chain.step
    if not _fits(record, step, bits):
        return {}
    if record.length == step:
        return {record.start: (record.delta, record.quality)}
    told: dict[int, tuple[int | None, Quality]] = {}
    left, most = record.delta, (1 << bits) - 1
    # Slots that the most a register can show in this time would fill. More than that is
    # no usage but a fault, which may show.
    room = -(-plausible_wh(chain.capacity_w, record.length) // most)
    held = min(room, record.length // step)
    at = record.end
    while held > len(told) or left:
        at -= step
        told[at] = (min(left, most), Quality.QUESTIONABLE)
        left -= min(left, most)
    return told


def _fits(record: Record, step: int, bits: int) -> bool:
    return record.delta <= (record.length // step) * ((1 << bits) - 1)


def _raised(at: int, step: int) -> int:
    return -(-at // step) * step
