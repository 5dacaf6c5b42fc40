"""Usage as billing reads it: packed local days of registers, as known at a second.

    found = await usage(tx, [7, 8], begin, end, known_at=now)
    found[7].missing        # () when every slot is known, else the spans nobody knows

One statement however many registers and days. This module must never invent a slot: one
that nobody knows has a zero, the quality MISSING, and is named in `missing`.
"""

import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_aggregator.vee import daystore
from meterseal_aggregator.vee.calendar import DAY_S, LocalDays
from meterseal_aggregator.vee.daystore import Packed, Reach
from meterseal_proto.rating.usage import packed, unpacked, usage_digest
from meterseal_proto.units import Quality

_MISSING: Final = bytes((Quality.MISSING,))
_ESTIMATES: Final = (Quality.ESTIMATED, Quality.INTERPOLATED)
_NEAR: Final = 2
"""Days a local date may lie beside the UTC day of its slots, and one for a zone that changed."""

_USAGE: Final = """
SELECT g.id, g.step, d.first, d.step, d.deltas, d.qualities
FROM json_each(?) a CROSS JOIN registers g ON g.id = a.value
LEFT JOIN usage_days d ON d.register_id = g.id AND d.day BETWEEN ? AND ?
  AND d.version = (SELECT max(l.version) FROM usage_days l
    WHERE l.register_id = d.register_id AND l.day = d.day AND l.known_at <= ?)
ORDER BY g.id, d.day
"""

# A row has the types of its columns; the driver does not say them.
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Series:
    """A register's slots over [begin, end): `step` seconds each, Wh or litres, no gap.

    `qualities` has one ESPI code a slot; `missing` are the spans [from, to) that nobody
    knows: their slots are 0. A slot belongs to the span it starts in, so that `begin` and
    `end` are on the register's grid.
    """

    begin: int
    end: int
    step: int
    deltas: "array[int]"
    qualities: bytes
    missing: tuple[tuple[int, int], ...]

    @property
    def total(self) -> int:
        """What the register moved, in Wh or litres, as far as it is known."""
        return sum(self.deltas)

    @property
    def estimated(self) -> int:
        """How much of the total is estimates."""
        if not any(quality in self.qualities for quality in _ESTIMATES):
            return 0
        pairs = zip(self.deltas, self.qualities, strict=True)
        return sum(delta for delta, quality in pairs if quality in _ESTIMATES)

    @property
    def digest(self) -> bytes:
        """The digest by which a bill names these slots (`usage_digest`)."""
        return usage_digest(self.begin, self.step, packed(self.deltas), self.qualities)


async def usage(
    tx: Transaction,
    register_ids: Sequence[int],
    begin: int,
    end: int,
    *,
    known_at: int,
) -> dict[int, Series]:
    """Return the slots that start in [begin, end), by register row id.

    As believed at `known_at`, in Unix seconds like all times. Registers that do not exist
    are left out; an open register without any day is missing as a whole.
    """
    days = (begin // DAY_S - _NEAR, end // DAY_S + _NEAR)
    rows = await tx.rows(_USAGE, (json.dumps(list(register_ids)), *days, known_at))
    by_register: dict[tuple[int, int], list[Row]] = {}
    for register_id, step, *day in rows:
        kept = by_register.setdefault((register_id, step), [])
        if day[0] is not None:
            kept.append(tuple(day))
    return {
        register_id: series(begin, end, step, found)
        for (register_id, step), found in by_register.items()
    }


def series(begin: int, end: int, step: int, days: Sequence[Row]) -> Series:
    """Return the slots of `step` seconds that start in [begin, end), of packed days.

    A day is (first, step, deltas, qualities), in order of time.
    """
    first, last = begin + -begin % step, end + -end % step
    deltas, qualities = bytearray(), bytearray()
    at = first
    for start, _, raw, codes in days:
        low, high = max(at, start), min(last, start + step * len(codes))
        if low >= high:
            continue
        hole = (low - at) // step
        deltas += bytes(4 * hole)
        qualities += _MISSING * hole
        one, two = (low - start) // step, (high - start) // step
        deltas += raw[4 * one : 4 * two]
        qualities += codes[one:two]
        at = high
    rest = max(0, last - at) // step
    deltas += bytes(4 * rest)
    qualities += _MISSING * rest
    return Series(
        first, last, step, unpacked(bytes(deltas)), bytes(qualities),
        missing_of(first, step, qualities),
    )  # fmt: skip


def missing_of(
    first: int, step: int, qualities: bytes | bytearray
) -> tuple[tuple[int, int], ...]:
    """Return the spans of slots whose quality is MISSING, joined where they touch."""
    found = []
    at = qualities.find(_MISSING)
    while at >= 0:
        to = at
        while to < len(qualities) and qualities[to] == Quality.MISSING:
            to += 1
        found.append((first + at * step, first + to * step))
        at = qualities.find(_MISSING, to)
    return tuple(found)


async def run_once(database: Database, now: int) -> int:
    """Pack the next days that are over at Unix second `now`; 0 when nothing is left to do."""
    async with database.transaction() as tx:
        return await run_batch(tx, now)


async def run_batch(tx: Transaction, now: int) -> int:
    """Look through what came and pack days, within an open transaction.

    Returns how many rows were looked through and days packed; a constant number of
    statements. A day whose slots are as they were gets no version.
    """
    days = await daystore.local_days(tx)
    reach, seen = await daystore.mark(tx, days)
    due = await daystore.due(tx, days, now)
    if due:
        await _pack(tx, days, reach, due, now=now)
    return seen + len(due)


async def _pack(
    tx: Transaction,
    days: LocalDays,
    reach: Reach,
    due: Sequence[tuple[int, int, int]],
    *,
    now: int,
) -> None:
    steps = {register_id: step for _, register_id, step in due}
    first, last = due[0][0], due[-1][0]
    books = await daystore.known(tx, steps, days.begin(first), days.end(last), reach)
    before = await daystore.last_versions(tx, steps, first, last)
    versions = []
    for day, register_id, step in due:
        part = books[register_id].part(days.begin(day), days.end(day))
        old = before.get((day, register_id))
        if part[1] and (old is None or part != (old.first, old.deltas, old.qualities)):
            number, since = (old.version, old.known_at) if old else (0, 0)
            # A clock that was set back must not make a version older than its predecessor.
            at = max(now, since)
            versions.append(
                Packed(register_id, day, number + 1, part[0], step, *part[1:], at)
            )
    await daystore.keep(tx, versions, [row[:2] for row in due])
