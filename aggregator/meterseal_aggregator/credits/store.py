"""The credits' tables, and the questions they ask of registry, intake and VEE.

Reads `registers`, `meters`, `installations`, `tenancies`, `certifications`, `rekeyings`
(registry), `readings`, `register_steps`, `equivocations` (intake) and `vee_assessments`
(vee); it must never write any but its own. A batch of any size costs the same number of
statements.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from meterseal_aggregator.credits.model import Cause, Credited, Slot
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.intervals import Interval
from meterseal_proto.units import EXPORT

# Everything that decides about a slot, for an assessment a of register g. Spans are
# half-open and do not overlap, and must hold the whole interval, so each gives one row.
# No credit is longer than 3600 s, the longest step.
_SLOT: Final = """
SELECT g.id, m.meter, g.register, r.start, r.length, r.revision, r.delta, g.step, a.quality,
  (SELECT i.meter_point_id FROM installations i
   WHERE i.meter_id = m.id AND i.from_at <= r.start
     AND (i.to_at IS NULL OR i.to_at >= r.start + r.length)),
  (SELECT t.member_id FROM installations i
     JOIN tenancies t ON t.meter_point_id = i.meter_point_id
   WHERE i.meter_id = m.id AND i.from_at <= r.start AND t.from_at <= r.start
     AND (i.to_at IS NULL OR i.to_at >= r.start + r.length)
     AND (t.to_at IS NULL OR t.to_at >= r.start + r.length)),
  (SELECT c.capacity_w FROM installations i
     JOIN certifications c ON c.meter_point_id = i.meter_point_id
   WHERE i.meter_id = m.id AND i.from_at <= r.start AND c.from_at <= r.start
     AND (i.to_at IS NULL OR i.to_at >= r.start + r.length)
     AND (c.to_at IS NULL OR c.to_at >= r.start + r.length)
     AND (c.member_id IS NULL OR EXISTS (SELECT 1 FROM tenancies t
       WHERE t.meter_point_id = i.meter_point_id AND t.member_id = c.member_id
         AND t.from_at <= r.start
         AND (t.to_at IS NULL OR t.to_at >= r.start + r.length)))),
  EXISTS (SELECT 1 FROM equivocations e WHERE e.register_id = g.id
    AND e.from_at < r.start + r.length AND e.to_at > r.start),
  EXISTS (SELECT 1 FROM installations i
     JOIN installations o ON o.meter_point_id = i.meter_point_id AND o.meter_id <> m.id
     JOIN registers h ON h.meter_id = o.meter_id AND h.register = g.register
     JOIN credits c ON c.register_id = h.id AND c.meter_point_id = i.meter_point_id
   WHERE i.meter_id = m.id AND c.start < r.start + r.length
     AND c.start > r.start - 3600 AND c.start + c.length > r.start),
  coalesce(w.minted_through, g.initial_at)
"""
# A meter whose key was replaced after a second waits, whatever it tells.
_SETTLED: Final = """NOT EXISTS (SELECT 1 FROM rekeyings k WHERE k.meter_id = m.id
    AND k.kind = 'replacement' AND k.at > ?)"""
# CROSS JOIN keeps SQLite to this order: one look-up a register, then its next slots.
_FINAL: Final = """{slot}
FROM registers g LEFT JOIN credit_marks w ON w.register_id = g.id
CROSS JOIN meters m CROSS JOIN vee_assessments a CROSS JOIN readings r
WHERE g.register = ? AND g.id > ? AND m.id = g.meter_id AND {settled}
  AND a.register_id = g.id AND a.revision = 0
  AND a.start >= coalesce(w.minted_through, g.initial_at) AND a.start < ?
  AND r.start = a.start AND r.register_id = a.register_id AND r.revision = 0
  AND r.start + r.length <= ?
ORDER BY g.id, a.start LIMIT ?
"""
_REVISED: Final = """{slot}
FROM vee_assessments a CROSS JOIN registers g CROSS JOIN credit_marks w
CROSS JOIN meters m CROSS JOIN readings r
WHERE a.revision > 0 AND g.id = a.register_id AND g.register = ?
  AND w.register_id = g.id AND a.start < w.minted_through AND m.id = g.meter_id AND {settled}
  AND r.start = a.start AND r.register_id = a.register_id AND r.revision = a.revision
  AND NOT EXISTS (SELECT 1 FROM credits c WHERE c.register_id = a.register_id
    AND c.start = a.start AND c.revision = a.revision)
  AND NOT EXISTS (SELECT 1 FROM credit_refusals f WHERE f.register_id = a.register_id
    AND f.start = a.start AND f.revision = a.revision)
ORDER BY a.id LIMIT ?
"""
_BREAKS: Final = """
SELECT register_id, from_at, at FROM register_steps WHERE register_id IN ({marks})
"""
_CREDITED: Final = """
SELECT register_id, start, value_wh, revision, member_id FROM credits
WHERE register_id IN ({registers}) AND start IN ({starts}) ORDER BY revision
"""
_DECIDED: Final = """
SELECT d.start, r.length, d.revision, d.wh, d.cause, d.decided_at FROM (
  SELECT start, revision, value_wh AS wh, NULL AS cause, decided_at FROM credits
  WHERE register_id = ?1 AND start >= ?2 AND start < ?3
  UNION ALL
  SELECT start, revision, wh, cause, decided_at FROM credit_refusals
  WHERE register_id = ?1 AND start >= ?2 AND start < ?3) d
CROSS JOIN readings r
  ON r.start = d.start AND r.register_id = ?1 AND r.revision = d.revision
ORDER BY d.start, d.revision
"""
# Each register's last credit there: one look-up a register, however long the history.
_MINTED_UNTIL: Final = """
SELECT coalesce(max((SELECT c.start + c.length FROM credits c
  WHERE c.register_id = g.id AND c.meter_point_id = i.meter_point_id
  ORDER BY c.start DESC LIMIT 1)), 0)
FROM installations i JOIN registers g ON g.meter_id = i.meter_id
WHERE i.meter_point_id = ?
"""
_WRITE_CREDIT: Final = """
INSERT INTO credits (mint_id, revision, register_id, meter_point_id, start, length,
  member_id, value_wh, posted_wh, decided_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_WRITE_REFUSAL: Final = """
INSERT INTO credit_refusals (register_id, start, revision, wh, cause, decided_at)
VALUES (?, ?, ?, ?, ?, ?)
"""
_WRITE_MARK: Final = """
INSERT INTO credit_marks (register_id, minted_through) VALUES (?, ?)
ON CONFLICT (register_id) DO UPDATE SET minted_through = excluded.minted_through
"""


@dataclass(frozen=True, slots=True)
class CreditRow:
    """A credit to write: `posted_wh` brings the slot to `value_wh` for `member_id`."""

    mint_id: bytes
    slot: Slot
    member_id: int
    posted_wh: int

    @property
    def after(self) -> Credited:
        """What the slot is credited with once this is written."""
        return Credited(self.slot.delta, self.slot.revision, self.member_id)


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision about an interval's revision: `wh` are credited, or not by `cause`."""

    start: int
    length: int
    revision: int
    wh: int
    cause: str | None
    decided_at: int


async def final_slots(
    tx: Transaction, *, ended_by: int, rekeyed_by: int, after_register: int, limit: int
) -> list[Slot]:
    """Return assessed, uncredited slots that ended by `ended_by`, by register and start.

    Those of a meter whose key was replaced after the second `rekeyed_by` are left out.
    """
    rows = await tx.rows(
        _FINAL.format(slot=_SLOT, settled=_SETTLED),
        (EXPORT, after_register, rekeyed_by, ended_by, ended_by, limit),
    )
    return [_slot(row) for row in rows]


async def revised_slots(tx: Transaction, *, rekeyed_by: int, limit: int) -> list[Slot]:
    """Return assessed revisions of slots that were decided before, oldest first.

    Those of a meter whose key was replaced after the second `rekeyed_by` are left out.
    """
    statement = _REVISED.format(slot=_SLOT, settled=_SETTLED)
    rows = await tx.rows(statement, (EXPORT, rekeyed_by, limit))
    return [_slot(row) for row in rows]


async def breaks(
    tx: Transaction, register_ids: Iterable[int]
) -> dict[int, dict[int, int]]:
    """Return the recorded breaks of registers: where each begins, and where it ends."""
    wanted = tuple(set(register_ids))
    if not wanted:
        return {}
    rows = await tx.rows(_BREAKS.format(marks=_marks(wanted)), wanted)
    found: dict[int, dict[int, int]] = {}
    for register_id, from_at, at in rows:
        found.setdefault(register_id, {})[from_at] = at
    return found


async def credited(
    tx: Transaction, slots: Sequence[Slot]
) -> dict[tuple[int, int], Credited]:
    """Return what these slots are credited with so far, by (register row, start)."""
    registers = tuple({slot.register_id for slot in slots})
    starts = tuple({slot.start for slot in slots})
    statement = _CREDITED.format(registers=_marks(registers), starts=_marks(starts))
    rows = await tx.rows(statement, (*registers, *starts))
    return {(row[0], row[1]): Credited(*row[2:]) for row in rows}


async def decided(tx: Transaction, register_id: int, span: Interval) -> list[Decided]:
    """Return what was decided of a register's intervals that start in `span`, by start."""
    rows = await tx.rows(_DECIDED, (register_id, span.start, span.end))
    return [Decided(*row) for row in rows]


async def minted_until(tx: Transaction, meter_point_id: int) -> int:
    """Return the end of the last interval credited at a meter point, 0 where none was."""
    ((until,),) = await tx.rows(_MINTED_UNTIL, (meter_point_id,))
    return int(until)


async def write_credits(
    tx: Transaction, rows: Sequence[CreditRow], *, now: int
) -> None:
    """Append credits decided at `now`; the database refuses a slot's revision twice."""
    await tx.many(
        _WRITE_CREDIT,
        [
            (
                row.mint_id,
                row.slot.revision,
                row.slot.register_id,
                row.slot.meter_point_id,
                row.slot.start,
                row.slot.length,
                row.member_id,
                row.slot.delta,
                row.posted_wh,
                now,
            )
            for row in rows
        ],
    )


async def write_refusals(
    tx: Transaction, rows: Sequence[tuple[Slot, Cause]], *, now: int
) -> None:
    """Append the slots that were not credited, each with its cause."""
    await tx.many(
        _WRITE_REFUSAL,
        [
            (slot.register_id, slot.start, slot.revision, slot.delta, cause.value, now)
            for slot, cause in rows
        ],
    )


async def move_marks(tx: Transaction, slots: Sequence[Slot]) -> None:
    """Set minted-through to the end of each register's last decided slot."""
    ends = {slot.register_id: slot.end for slot in slots}
    await tx.many(_WRITE_MARK, list(ends.items()))


def _slot(row: tuple[Any, ...]) -> Slot:  # a row of the driver's own types
    # SQL says 0 or 1 where the slot says False or True.
    return Slot(*(*row[:12], bool(row[12]), bool(row[13]), row[14]))


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" for _ in values)
