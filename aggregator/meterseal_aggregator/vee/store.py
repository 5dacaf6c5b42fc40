"""VEE's tables, and the few questions it asks of intake's and the registry's.

Reads arrivals through `intake.store`, and the tables `register_steps` (intake) and
`registers` (registry); it must never write any but `vee_*`. Whoever opened the transaction commits it. A batch of any size costs the
same number of statements.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from meterseal_aggregator.intake.store import arrived
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.vee.model import Assessment, Reading, Register, Step, Trail

_REGISTERS: Final = """
SELECT g.id, g.step, g.capacity_w, coalesce(t.end_at, g.initial_at),
  coalesce(t.value, g.initial_value), coalesce(t.last_delta, 0),
  coalesce(t.last_length, 0), t.zero_since, t.estimated_since
FROM registers g LEFT JOIN vee_trails t ON t.register_id = g.id
WHERE g.id IN ({marks})
"""
_STEPS: Final = """
SELECT s.register_id, s.from_at, s.at, s.to_value
FROM register_steps s LEFT JOIN vee_trails t ON t.register_id = s.register_id
WHERE s.register_id IN ({marks}) AND (t.end_at IS NULL OR s.at > t.end_at)
ORDER BY s.register_id, s.at
"""
_WRITE_ASSESSMENT: Final = """
INSERT INTO vee_assessments (register_id, start, revision, quality, checks, assessed_at)
VALUES (?, ?, ?, ?, ?, ?)
"""
_WRITE_TRAIL: Final = """
INSERT INTO vee_trails (register_id, end_at, value, last_delta, last_length, zero_since,
  estimated_since)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (register_id) DO UPDATE SET end_at = excluded.end_at,
  value = excluded.value, last_delta = excluded.last_delta,
  last_length = excluded.last_length, zero_since = excluded.zero_since,
  estimated_since = excluded.estimated_since
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """Readings not assessed yet, in the order accepted; the batch ends at `seal_id`."""

    seal_id: int
    readings: tuple[tuple[int, Reading], ...]


@dataclass(frozen=True, slots=True)
class Context:
    """All that assessing a batch needs to know of its registers, by register row id."""

    registers: dict[int, Register]
    trails: dict[int, Trail]
    steps: dict[int, tuple[Step, ...]]


async def next_batch(tx: Transaction, *, seals: int) -> Batch | None:
    """Return the readings of the next `seals` seals, as they arrived; None when all are seen."""
    ((done,),) = await tx.rows("SELECT seal_id FROM vee_progress WHERE id = 1")
    arrivals = await arrived(tx, done, seals=seals)
    if not arrivals:
        return None
    readings = tuple(
        (
            a.register_id,
            Reading(a.start, a.length, a.revision, a.delta, a.value, a.quality),
        )
        for a in arrivals
    )
    return Batch(arrivals[-1].seal_id, readings)


async def context(tx: Transaction, register_ids: Iterable[int]) -> Context:
    """Return what is known of these registers, their trails and recorded breaks."""
    wanted = tuple(set(register_ids))
    marks = ",".join("?" for _ in wanted)
    registers: dict[int, Register] = {}
    trails: dict[int, Trail] = {}
    for row in await tx.rows(_REGISTERS.format(marks=marks), wanted):
        registers[row[0]] = Register(step=row[1], capacity_w=row[2])
        trails[row[0]] = Trail(*row[3:])
    steps: dict[int, tuple[Step, ...]] = {}
    for register_id, *step in await tx.rows(_STEPS.format(marks=marks), wanted):
        steps[register_id] = (*steps.get(register_id, ()), Step(*step))
    return Context(registers, trails, steps)


async def write(
    tx: Transaction,
    batch: Batch,
    assessments: Sequence[Assessment],
    trails: dict[int, Trail],
    *,
    now: int,
) -> None:
    """Append one assessment a reading, keep the trails, and move the progress on."""
    rows = [
        _row(register_id, reading, assessment, now)
        for (register_id, reading), assessment in zip(
            batch.readings, assessments, strict=True
        )
    ]
    await tx.many(_WRITE_ASSESSMENT, rows)
    await tx.many(_WRITE_TRAIL, [_trail_row(i, trail) for i, trail in trails.items()])
    await tx.many(
        "UPDATE vee_progress SET seal_id = ? WHERE id = 1", [(batch.seal_id,)]
    )


def _row(
    register_id: int, reading: Reading, assessment: Assessment, now: int
) -> tuple[Any, ...]:  # the driver takes any column type
    checks = ",".join(assessment.failed)
    quality = int(assessment.quality)
    return (register_id, reading.start, reading.revision, quality, checks, now)


def _trail_row(register_id: int, trail: Trail) -> tuple[int | None, ...]:
    return (
        register_id,
        trail.end,
        trail.value,
        trail.last_delta,
        trail.last_length,
        trail.zero_since,
        trail.estimated_since,
    )
