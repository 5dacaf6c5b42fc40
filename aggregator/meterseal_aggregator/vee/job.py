"""The duty that assesses what intake accepted: a batch, a transaction, a few statements.

Every accepted reading is assessed exactly once, in the order it was accepted. This
module must never look at a reading that is not committed, nor assess one twice.
"""

from typing import Final

from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_aggregator.vee.check import assess, assess_revision, follow, rebase
from meterseal_aggregator.vee.model import Assessment, Reading, Register, Step, Trail
from meterseal_aggregator.vee.store import Context, context, next_batch, write

SEALS: Final = 400
"""Seals a transaction, of 1 to 100 readings each: the writer is held for milliseconds in
ordinary times and for less than a second while backlogs drain."""


async def run_once(database: Database, now: int) -> int:
    """Assess the next batch at Unix second `now`; returns how many readings, 0 when done."""
    async with database.transaction() as tx:
        return await run_batch(tx, now)


async def run_batch(tx: Transaction, now: int) -> int:
    """Assess the next batch within an open transaction; a constant number of statements."""
    batch = await next_batch(tx, seals=SEALS)
    if batch is None:
        return 0
    known = await context(tx, (register_id for register_id, _ in batch.readings))
    assessments = [_assess(known, i, reading) for i, reading in batch.readings]
    await write(tx, batch, assessments, known.trails, now=now)
    return len(batch.readings)


def _assess(known: Context, register_id: int, reading: Reading) -> Assessment:
    register: Register = known.registers[register_id]
    if reading.revision:
        return assess_revision(reading, register)
    trail = _caught_up(
        known.trails[register_id], known.steps.get(register_id, ()), reading
    )
    known.trails[register_id] = follow(trail, reading)
    return assess(reading, register, trail)


def _caught_up(trail: Trail, steps: tuple[Step, ...], reading: Reading) -> Trail:
    for step in steps:
        if step.from_at == trail.end and step.at <= reading.start:
            trail = rebase(trail, step)
    return trail
