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
from typing import Final

from meterseal_aggregator.storage.database import Database, Row, Transaction
from meterseal_aggregator.vee import daystore
from meterseal_aggregator.vee.calendar import DAY_S, LocalDays
from meterseal_aggregator.vee.daystore import Packed, Reach
from meterseal_proto.rating.usage import packed, unpacked, usage_digest
from meterseal_proto.units import Quality

_MISSING: Final = bytes((Quality.MISSING,))
_ESTIMATES: Final = (Quality.ESTIMATED, Quality.INTERPOLATED)
_NEAR: Final = 1
"""Days a local date lies beside the UTC day of its slots, at most: zones are -12 to +14 h."""

# No version is looked up for each day: nearly all have one, and the last one told holds.
_USAGE: Final = """
SELECT g.id, g.step, d.day, d.version, d.first, d.deltas, d.qualities
FROM json_each(?) a CROSS JOIN registers g ON g.id = a.value
LEFT JOIN usage_days d ON d.register_id = g.id AND d.day BETWEEN ? AND ?
  AND d.known_at <= ?
"""


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
    near = (begin // DAY_S - _NEAR, end // DAY_S + _NEAR)
    asked = json.dumps(sorted(set(register_ids)))
    found: dict[int, tuple[int, dict[int, Row]]] = {}
    for row in await tx.rows(_USAGE, (asked, *near, known_at)):
        number, step, day, version = row[:4]
        _, days = found.setdefault(number, (step, {}))
        if day is not None and (day not in days or days[day][3] < version):
            days[day] = row
    return {
        number: series(begin, end, step, [days[day][4:] for day in sorted(days)])
        for number, (step, days) in found.items()
    }


def series(begin: int, end: int, step: int, days: Sequence[Row]) -> Series:
    """Return the slots of `step` seconds that start in [begin, end), of packed days.

    A day is (first, deltas, qualities), in order of time.
    """
    first, last = begin + -begin % step, end + -end % step
    deltas, qualities = [], []
    at = first
    for start, raw, codes in days:
        low, high = max(at, start), min(last, start + step * len(codes))
        if low >= high:
            continue
        if low > at:
            deltas.append(bytes((low - at) // step * 4))
            qualities.append(_MISSING * ((low - at) // step))
        one, two = (low - start) // step, (high - start) // step
        deltas.append(raw[4 * one : 4 * two])
        qualities.append(codes[one:two])
        at = high
    rest = max(0, last - at) // step
    codes = b"".join((*qualities, _MISSING * rest))
    slots = unpacked(b"".join((*deltas, bytes(4 * rest))))
    return Series(first, last, step, slots, codes, missing_of(first, step, codes))


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


def cut(series: Series, begin: int, end: int) -> Series:
    """Return the slots of a series that start in [begin, end)."""
    if begin <= series.begin and series.end <= end:
        return series
    step, slots = series.step, len(series.deltas)
    low = min(max(0, -((series.begin - begin) // step)), slots)
    high = min(max(low, -((series.begin - end) // step)), slots)
    first, qualities = series.begin + low * step, series.qualities[low:high]
    return Series(
        first, series.begin + high * step, step, series.deltas[low:high], qualities,
        missing_of(first, step, qualities),
    )  # fmt: skip


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
    marked = await daystore.mark(tx, days)
    # A day of which more is known already would only get a version too many.
    due = [] if marked.behind else await daystore.due(tx, days, now)
    if due:
        await _pack(tx, days, marked.reach, due, now=now)
    return marked.seen + len(due)


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
        if _is_new(part, old):
            number, since = (old.version, old.known_at) if old else (0, 0)
            # A clock that was set back must not make a version older than its predecessor.
            at = max(now, since)
            versions.append(
                Packed(register_id, day, number + 1, part[0], step, *part[1:], at)
            )
    await daystore.keep(tx, versions, [row[:2] for row in due])


def _is_new(part: tuple[int, bytes, bytes], old: Packed | None) -> bool:
    """Tell whether a day says anything that its last version does not."""
    if old is None:
        return bool(part[2].strip(_MISSING))
    return part != (old.first, old.deltas, old.qualities)
