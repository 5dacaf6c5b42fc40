"""The tables behind packed days: what is due, what was told of it, and the days themselves.

Reads `readings` and `seals` (intake), `registers` (registry) and `parameters`; it must
never write any but VEE's own. Readings lie by time, so a window is read start by start, for
a range of registers where many are wanted, else one by one: a batch of any size costs the
same number of statements.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import history
from meterseal_aggregator.storage.database import Row, Transaction
from meterseal_aggregator.vee.calendar import LocalDays
from meterseal_aggregator.vee.packing import Book, Told, Valued, fill

SEALS: Final = 4_000
"""Seals looked through a transaction: an hour's of thousands of registers, milliseconds."""
VALUES: Final = 4_000
PACKED: Final = 256
"""Register days a transaction: up to 74,000 slots, a fraction of a second."""
PATIENCE_S: Final = 6 * 3_600
"""A day that is over waits so long for a device that has not told its end yet: until the
morning, when meters that lost their line overnight have caught up (SETTLED 8)."""
MAX_VALUE_S: Final = 35 * 86_400
"""The longest span of one value, so that it is found by where it starts: a month."""
SPARSE: Final = 4
"""Where fewer than one of so many registers of a range is wanted, each is looked up alone."""

_PROGRESS: Final = """
SELECT p.seal_id, p.value_id, v.seal_id, p.zones FROM usage_progress p CROSS JOIN vee_progress v
"""
_WRITE_PROGRESS: Final = """
UPDATE usage_progress SET seal_id = ?, value_id = ?, zones = ?
"""
_SEALS: Final = """
SELECT s.id, s.register_id, s.first, s.step, s.count, g.step
FROM seals s JOIN registers g ON g.id = s.register_id
WHERE s.id > ? AND s.id <= ? ORDER BY s.id LIMIT ?
"""
_NEW_VALUES: Final = """
SELECT id, register_id, start, length FROM vee_values WHERE id > ? ORDER BY id LIMIT ?
"""
_MARK: Final = """
INSERT INTO usage_due (day, register_id, end_at, at_once) VALUES (?, ?, ?, ?)
ON CONFLICT (day, register_id) DO UPDATE SET at_once = max(at_once, excluded.at_once)
"""
_MARK_ALL: Final = """
INSERT INTO usage_due (day, register_id, end_at, at_once)
SELECT DISTINCT d.day + b.beside, d.register_id, 0, 1
FROM usage_days d CROSS JOIN (SELECT -1 AS beside UNION SELECT 0 UNION SELECT 1) b
WHERE d.day + b.beside >= 0
ON CONFLICT (day, register_id) DO UPDATE SET at_once = 1
"""
_LONG: Final = """
INSERT INTO usage_long (register_id, start, length) VALUES (?, ?, ?)
ON CONFLICT (register_id, start, length) DO NOTHING
"""
_DUE: Final = """
SELECT d.day, d.register_id, g.step FROM usage_due d JOIN registers g ON g.id = d.register_id
LEFT JOIN vee_trails t ON t.register_id = d.register_id
WHERE d.day < ? AND (d.at_once = 1 OR t.end_at >= d.end_at OR d.end_at <= ?)
ORDER BY d.day, d.register_id LIMIT ?
"""
_GRID: Final = """
WITH RECURSIVE grid (start) AS (
  SELECT ?1 UNION ALL SELECT start + ?2 FROM grid WHERE start + ?2 < ?3)
"""
_MANY: Final = f"""
{_GRID}
SELECT r.register_id, r.start, r.length, r.revision, r.delta
FROM grid CROSS JOIN readings r
  ON r.start = grid.start AND r.register_id BETWEEN ?4 AND ?5
WHERE r.seal_id <= ?6
"""  # noqa: S608 - our own words
_FEW: Final = f"""
{_GRID}, asked (id) AS MATERIALIZED (SELECT value FROM json_each(?4))
SELECT r.register_id, r.start, r.length, r.revision, r.delta
FROM grid CROSS JOIN asked CROSS JOIN readings r
  ON r.start = grid.start AND r.register_id = asked.id
WHERE r.seal_id <= ?5
"""  # noqa: S608 - our own words
_REACHING_IN: Final = """
SELECT r.register_id, r.start, r.length, r.revision, r.delta
FROM json_each(?1) a CROSS JOIN usage_long l ON l.register_id = a.value
  AND l.start < ?2 AND l.start + l.length > ?2
CROSS JOIN readings r ON r.start = l.start AND r.register_id = l.register_id
WHERE r.seal_id <= ?3
GROUP BY r.start, r.register_id, r.revision
"""
_DOUBTS: Final = """
SELECT register_id, start, revision FROM vee_assessments INDEXED BY vee_assessments_in_doubt
WHERE quality <> 17 AND start >= ? AND start < ? AND register_id BETWEEN ? AND ?
"""
_VALUES: Final = """
SELECT v.id, v.register_id, v.start, v.length, v.delta, v.quality, v.source
FROM json_each(?1) a CROSS JOIN vee_values v ON v.register_id = a.value
  AND v.start > ?2 - ?4 AND v.start < ?3 AND v.start + v.length > ?2
WHERE v.id <= ?5
"""
_LAST: Final = """
SELECT d.register_id, d.day, d.version, d.first, d.step, d.deltas, d.qualities, d.known_at
FROM json_each(?) a CROSS JOIN usage_days d ON d.register_id = a.value
  AND d.day BETWEEN ? AND ?
WHERE d.version = (SELECT max(l.version) FROM usage_days l
  WHERE l.register_id = d.register_id AND l.day = d.day)
"""
_WRITE: Final = """
INSERT INTO usage_days (register_id, day, version, first, step, deltas, qualities, known_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the rows were looked through that a day may be made of."""

    seal_id: int
    value_id: int


@dataclass(frozen=True, slots=True)
class Marked:
    """How far and at how many rows was looked, and whether more of them wait already."""

    reach: Reach
    seen: int
    behind: bool


@dataclass(frozen=True, slots=True)
class Packed:
    """A version of a register's day; see the table."""

    register_id: int
    day: int
    version: int
    first: int
    step: int
    deltas: bytes
    qualities: bytes
    known_at: int

    @property
    def end(self) -> int:
        """The first second after it."""
        return self.first + self.step * len(self.qualities)


async def local_days(tx: Transaction) -> LocalDays:
    """Return the network's local days."""
    changes = await history(tx, Name.ZONE)
    zones = [(change.from_at, str(change.value)) for change in changes]
    late = [
        zone
        for zone, c in zip(zones, changes, strict=True)
        if c.from_at < c.recorded_at
    ]
    return LocalDays(zones, json.dumps(late))


async def mark(tx: Transaction, days: LocalDays) -> Marked:
    """Note the days of what came since.

    Readings that are not assessed yet have not come yet. Where a zone was said to hold in
    the past, all packed days wait again, and those beside them.
    """
    ((seal, value, assessed, zones),) = await tx.rows(_PROGRESS)
    if zones != days.backdated:
        await tx.rows(_MARK_ALL)
    seals = await tx.rows(_SEALS, (seal, assessed, SEALS))
    values = await tx.rows(_NEW_VALUES, (value, VALUES))
    reach = Reach(
        seals[-1][0] if len(seals) == SEALS else assessed,
        values[-1][0] if values else value,
    )
    if seals or values:
        await _mark(tx, days, seals, values)
    if reach != Reach(seal, value) or zones != days.backdated:
        row = (reach.seal_id, reach.value_id, days.backdated)
        await tx.many(_WRITE_PROGRESS, [row])
    behind = len(seals) == SEALS or len(values) == VALUES
    return Marked(reach, len(seals) + len(values), behind)


async def _mark(
    tx: Transaction, days: LocalDays, seals: Sequence[Row], values: Sequence[Row]
) -> None:
    due: dict[tuple[int, int], int] = {}
    longer = []
    for _, register_id, first, length, count, step in seals:
        for day in days.over(first, first + length * count):
            due.setdefault((day, register_id), 0)
        if length != step:
            starts = (first + length * n for n in range(count))
            longer += [(register_id, start, length) for start in starts]
    for _, register_id, first, length in values:
        due.update(((day, register_id), 1) for day in days.over(first, first + length))
    rows = [(day, i, days.end(day), once) for (day, i), once in due.items()]
    await tx.many(_MARK, rows)
    await tx.many(_LONG, longer)


async def due(tx: Transaction, days: LocalDays, now: int) -> list[tuple[int, int, int]]:
    """Return days to pack at Unix second `now`: (day, register row, step), in that order."""
    rows = await tx.rows(_DUE, (days.of(now), now - PATIENCE_S, PACKED))
    wide = len({row[0] for row in rows}) * len({row[1] for row in rows})
    if wide > SPARSE * len(rows):
        rows = [row for row in rows if row[0] == rows[0][0]]
    return [(day, register_id, step) for day, register_id, step in rows]


async def known(
    tx: Transaction, steps: dict[int, int], begin: int, end: int, reach: Reach
) -> dict[int, Book]:
    """Return what is known of registers (row id to step) over [begin, end); four statements."""
    books = {i: Book(step, begin, end) for i, step in steps.items()}
    ids = sorted(books)
    asked = json.dumps(ids)
    readings = await _readings(tx, ids, min(steps.values()), (begin, end), reach)
    inside = (asked, begin, reach.seal_id)
    readings += [Told(*row) for row in await tx.rows(_REACHING_IN, inside)]
    doubts = await tx.rows(_DOUBTS, (begin, end, ids[0], ids[-1]))
    values = await tx.rows(_VALUES, (asked, begin, end, MAX_VALUE_S, reach.value_id))
    fill(books, readings, set(doubts), [Valued(*row) for row in values])
    return books


async def _readings(
    tx: Transaction, ids: Sequence[int], step: int, span: tuple[int, int], reach: Reach
) -> list[Any]:
    # Any: rows in the order of Told, not made into them, for there are tens of thousands.
    begin, end = span
    grid = (begin + -begin % step, step, end)
    if grid[0] >= end:
        return []
    if ids[-1] - ids[0] < SPARSE * len(ids):
        return await tx.rows(_MANY, (*grid, ids[0], ids[-1], reach.seal_id))
    return await tx.rows(_FEW, (*grid, json.dumps(ids), reach.seal_id))


async def last_versions(
    tx: Transaction, register_ids: Iterable[int], first: int, last: int
) -> dict[tuple[int, int], Packed]:
    """Return the last versions of registers' days from `first` to `last`."""
    asked = json.dumps(sorted(set(register_ids)))
    rows = await tx.rows(_LAST, (asked, first, last))
    return {(row[1], row[0]): Packed(*row) for row in rows}


async def keep(
    tx: Transaction, versions: Sequence[Packed], done: Collection[tuple[int, int]]
) -> None:
    """Write versions, and let go of the (day, register row) that waited for them."""
    await tx.many(
        _WRITE,
        [
            (v.register_id, v.day, v.version, v.first, v.step, v.deltas, v.qualities,
             v.known_at)
            for v in versions
        ],
    )  # fmt: skip
    await tx.many(
        "INSERT INTO days_to_look_at (day, register_id) VALUES (?, ?)"
        " ON CONFLICT DO NOTHING",
        [(v.day, v.register_id) for v in versions],
    )
    await tx.many("DELETE FROM usage_due WHERE day = ? AND register_id = ?", list(done))
