"""The duty that looks at packed days as a whole, and what operators say it may compare.

Reads `installations` (registry) beside VEE's own tables. A batch costs the same number of
statements, whatever its size. This module must never change a day.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.storage.database import Database, Row, Transaction
from meterseal_aggregator.vee.daycheck import (
    Around,
    Day,
    Kind,
    Sibling,
    check_day,
)
from meterseal_aggregator.vee.values import Cause, NotValued

BATCH: Final = 256
"""Days looked at a transaction, each beside half a dozen others."""
BEFORE: Final = (1, 2)
WEEKS: Final = (7, 14, 21, 28)

_WAITING: Final = """
SELECT day, register_id FROM days_to_look_at ORDER BY day, register_id LIMIT ?
"""
_SIBLINGS: Final = """
SELECT s.register_id, s.other_id, s.kind, s.tolerance_bp
FROM json_each(?1) a CROSS JOIN sibling_registers s ON s.register_id = a.value
UNION ALL
SELECT s.other_id, s.register_id, CASE s.kind WHEN 'sub' THEN 'main' ELSE s.kind END,
  s.tolerance_bp
FROM json_each(?1) a CROSS JOIN sibling_registers s ON s.other_id = a.value
"""
_DAYS: Final = """
SELECT d.register_id, d.day, d.version, d.first, d.step, d.deltas, d.qualities
FROM json_each(?) a CROSS JOIN usage_days d
  ON d.register_id = json_extract(a.value, '$[0]') AND d.day = json_extract(a.value, '$[1]')
WHERE d.version = (SELECT max(l.version) FROM usage_days l
  WHERE l.register_id = d.register_id AND l.day = d.day)
"""
# Where a meter came to a point that had one before, or left one that has one after.
_MOVES: Final = """
SELECT g.id, i.from_at, i.to_at,
  EXISTS (SELECT 1 FROM installations b WHERE b.meter_point_id = i.meter_point_id
    AND b.from_at < i.from_at)
FROM json_each(?) a CROSS JOIN registers g ON g.id = a.value
JOIN installations i ON i.meter_id = g.meter_id
"""
_WRITE: Final = """
INSERT INTO day_checks (register_id, day, version, failed, detail, found_at)
VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""

RegisterDay = tuple[int, int]
"""A register's row and a day."""


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of a version of a day."""

    id: int
    register_id: int
    day: int
    version: int
    failed: str
    detail: str
    found_at: int


@dataclass(frozen=True, slots=True)
class Relation:
    """Register `other_id` measures the same as `register_id`, or a part of it."""

    register_id: int
    other_id: int
    kind: Kind
    tolerance_bp: int
    author: str


async def run_once(database: Database, now: int) -> int:
    """Look at the next days at Unix second `now`; returns how many, 0 when all are seen."""
    async with database.transaction() as tx:
        return await run_batch(tx, now)


async def run_batch(tx: Transaction, now: int) -> int:
    """Look at days within an open transaction."""
    waiting = await tx.rows(_WAITING, (BATCH,))
    if not waiting:
        return 0
    places: list[RegisterDay] = [(register_id, day) for day, register_id in waiting]
    ids = json.dumps(sorted({place[0] for place in places}))
    related = _by_first(await tx.rows(_SIBLINGS, (ids,)))
    moves = _by_first(await tx.rows(_MOVES, (ids,)))
    rows = await tx.rows(_DAYS, (json.dumps(sorted(_wanted(places, related))),))
    days = {(row[0], row[1]): row for row in rows}
    found = []
    for place in places:
        around = _around(place, days, related, moves)
        _, _, version, _, _, *packed = days[place]
        found += [
            (*place, version, failed.value, detail, now)
            for failed, detail in check_day(Day(*packed), around)
        ]
    await tx.many(_WRITE, found)
    gone = "DELETE FROM days_to_look_at WHERE day = ? AND register_id = ?"
    await tx.many(gone, waiting)
    return len(waiting)


async def found_since(tx: Transaction, *, after: int, limit: int) -> list[Found]:
    """Return what was found of days, by id, after one of them."""
    rows = await tx.rows(
        "SELECT id, register_id, day, version, failed, detail, found_at"
        " FROM day_checks WHERE id > ? ORDER BY id LIMIT ?",
        (after, limit),
    )
    return [Found(*row) for row in rows]


async def relate(tx: Transaction, relation: Relation, now: int) -> None:
    """Say that two registers may be compared; the same again changes nothing.

    Raises NotValued (KEY_USED) where they are related otherwise.
    """
    pair = (relation.register_id, relation.other_id)
    known = await tx.rows(
        "SELECT kind, tolerance_bp FROM sibling_registers"
        " WHERE register_id = ? AND other_id = ?",
        pair,
    )
    if known == [(relation.kind.value, relation.tolerance_bp)]:
        return
    if known:
        raise NotValued(
            Cause.KEY_USED, "these registers are related already, otherwise"
        )
    row = (*pair, relation.kind.value, relation.tolerance_bp, relation.author, now)
    await tx.many(
        "INSERT INTO sibling_registers (register_id, other_id, kind, tolerance_bp,"
        " author, stated_at) VALUES (?, ?, ?, ?, ?, ?)",
        [row],
    )


def _wanted(
    places: Iterable[RegisterDay], related: dict[int, list[Row]]
) -> set[RegisterDay]:
    """Return every day that the asked ones are compared with, and these."""
    wanted: set[RegisterDay] = set()
    for register_id, day in places:
        near = (0, *BEFORE, *WEEKS)
        wanted |= {(register_id, day - back) for back in near}
        wanted |= {(row[1], day) for row in related.get(register_id, ())}
    return wanted


def _around(
    place: RegisterDay,
    days: dict[RegisterDay, Row],
    related: dict[int, list[Row]],
    moves: dict[int, list[Row]],
) -> Around:
    register_id, day = place
    first, step, codes = days[place][3], days[place][4], days[place][6]
    span = range(first, first + step * len(codes))

    def at(number: int, when: int) -> Day | None:
        row = days.get((number, when))
        return None if row is None else Day(*row[5:])

    siblings = [
        Sibling(other, Kind(kind), tolerance, there)
        for _, other, kind, tolerance in related.get(register_id, ())
        if (there := at(other, day)) is not None
    ]
    like = [at(register_id, day - back) for back in WEEKS]
    return Around(
        before=[at(register_id, day - back) for back in BEFORE],
        like=[one for one in like if one is not None],
        siblings=siblings,
        replaced=any(_moved(row, span) for row in moves.get(register_id, ())),
    )


def _moved(move: Row, span: range) -> bool:
    _, came, went, followed = move
    return (bool(followed) and came in span) or (went is not None and went in span)


def _by_first(rows: Sequence[Row]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(row)
    return found
