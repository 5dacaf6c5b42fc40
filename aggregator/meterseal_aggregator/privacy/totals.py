"""What a community used together: cells, the one set of a day, and the total that is proved.

    await fix_cell(tx, roster, now)              # once a quarter, before it is measured
    fixed = await fix_set(tx, place, ...)        # once a day; what the trustees are shown
    found = await opened(tx, fixed, sums)        # with the sums of two trustees' answers
    prove(fixed, found)                          # in a thread; raises unless it is right
    total = await keep(tx, fixed, found, now)

A set is of whole local days whose proofs are verified and whose openings came masked; it
is chosen once, logged, and never again, whoever asks. The trustees sign and answer for it
by rules of their own; here nobody is believed: a total is kept only when sum C = U V + Z B.
This module must never fix a second set for a place, nor show a masked opening to anybody.
"""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.parameters.zone import second_of, zone_of
from meterseal_aggregator.privacy import deposits, store, wholedays
from meterseal_aggregator.privacy.model import Cause, KeptDay, NotTaken
from meterseal_aggregator.privacy.trustees.calendar import LATE_AFTER_S
from meterseal_aggregator.privacy.wholedays import MAX_MEMBERS, AbsentDay, Span
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog import store as log
from meterseal_proto.enrolment import Genesis
from meterseal_proto.entry import reporting_entry
from meterseal_proto.reporting import (
    CELL_MIN,
    LATE,
    Place,
    Reported,
    statement,
)
from meterseal_proto.totals import K_MIN, SEEDS, Mask, Masked, proves, unmasked
from meterseal_proto.units import MeterId, RegisterId

MAX_TOTAL: Final = (1 << 63) - 1
"""2,000 members of 100 slots of 32 bits stay below 2^50."""

_EPOCH: Final = datetime.date(1970, 1, 1)
_REGISTERS: Final = """
SELECT r.id FROM registers r JOIN meters m ON m.id = r.meter_id
WHERE r.mode = 1 AND r.register = ? AND m.meter IN ({marks})
"""
# By meter, not by register: a trustee has a meter in one cell a quarter.
_TAKEN: Final = """
SELECT count(*) FROM cell_members WHERE quarter = ?
  AND (cell = ? OR register_id IN (
    SELECT o.id FROM registers r JOIN registers o ON o.meter_id = r.meter_id
    WHERE r.id IN ({marks})))
"""
_TOTALS: Final = """
SELECT t.set_id, r.cell, r.day, t.value, t.blinding, r.statement,
  (SELECT count(*) FROM set_members m WHERE m.set_id = t.set_id)
FROM totals t JOIN reporting_sets r ON r.id = t.set_id
WHERE t.set_id > ? ORDER BY t.set_id LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a quarter: the meters whose `register` is read together."""

    cell: str
    quarter: int
    register: RegisterId
    meters: tuple[MeterId, ...]


@dataclass(frozen=True, slots=True)
class FixedSet:
    """The set of a place: `days` by register row, `statement` what trustees sign."""

    id: int
    place: Place
    statement: bytes
    days: tuple[KeptDay, ...]


@dataclass(frozen=True, slots=True)
class Total:
    """A proved total: `value` in the register's unit, `blinding` 32 bytes, of `count` homes."""

    set_id: int
    cell: str
    day: int
    value: int
    blinding: bytes
    statement: bytes
    count: int


async def fix_cell(tx: Transaction, wish: Cell, *, now: int) -> None:
    """Fix a cell for its quarter; raises NotTaken: CELL, TOO_FEW, NOT_YET, or CELL_TAKEN.

    Where there are trustees they must have every member's seeds: they sign no roster
    without, and one meter that never gives any would cost its neighbours their totals.
    """
    if wish.cell == LATE:
        raise NotTaken(Cause.CELL, f"the cell {LATE} is nobody's to fix")
    if not CELL_MIN <= len(set(wish.meters)) == len(wish.meters) <= MAX_MEMBERS:
        detail = f"a cell has {CELL_MIN} to {MAX_MEMBERS} meters, each once"
        raise NotTaken(Cause.TOO_FEW, detail)
    marks = ", ".join("?" * len(wish.meters))
    found = await tx.rows(_REGISTERS.format(marks=marks), (wish.register, *wish.meters))
    if len(found) != len(wish.meters):
        raise NotTaken(
            Cause.CELL, "every member is a meter with that register committed"
        )
    without = await deposits.lacking(tx, wish.meters)
    if without:
        detail = f"the seeds of {len(without)} meters are not with all trustees yet"
        raise NotTaken(Cause.NOT_YET, detail)
    rows = [(wish.quarter, row[0], wish.cell, now) for row in found]
    ids = [row[0] for row in found]
    ((taken,),) = await tx.rows(
        _TAKEN.format(marks=marks), (wish.quarter, wish.cell, *ids)
    )
    if taken:
        detail = "the cell is fixed for that quarter, or a member is in another one"
        raise NotTaken(Cause.CELL_TAKEN, detail)
    await tx.many(
        "INSERT INTO cell_members (quarter, register_id, cell, fixed_at)"
        " VALUES (?, ?, ?, ?)",
        rows,
    )


async def fix_set(
    tx: Transaction, place: Place, genesis: Genesis, *, zone: str, now: int
) -> FixedSet:
    """Return the set of a place; the first call, after the day, fixes and logs it.

    Raises NotTaken: NOT_YET before the day is over, TOO_FEW below K_MIN homes: then the
    place has no set yet, and later days may still make one.
    """
    known = await the_set(tx, place, genesis)
    if known is not None:
        return known
    span = day_span(place.day, zone)
    if now < span.end:
        raise NotTaken(Cause.NOT_YET, "the day is not over")
    if place.cell == LATE and now < span.end + LATE_AFTER_S:
        later = LATE_AFTER_S // 86_400
        raise NotTaken(Cause.NOT_YET, f"late homes are added up {later} days after")
    ids = await wholedays.reportable(tx, place, span)
    if len(ids) < K_MIN:
        detail = f"refused: fewer than k, {len(ids)} of at least {K_MIN} homes"
        raise NotTaken(Cause.TOO_FEW, detail)
    days = await store.days_by_id(tx, ids, genesis)
    stated = statement(place, [reported(day) for day in days], genesis.chain_id)
    entry = reporting_entry(place.network, place.cell, place.day, stated, len(days))
    (set_id,) = await log.append(tx, [entry])
    await tx.many(
        "INSERT INTO reporting_sets (id, cell, day, statement, fixed_at, log_entry_id)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [(set_id, place.cell, place.day, stated, now, set_id)],
    )
    await tx.many(
        "INSERT INTO set_members (seal_id, set_id) VALUES (?, ?)",
        [(day.id, set_id) for day in days],
    )
    if place.cell != LATE:
        await _note_absent(tx, set_id, await wholedays.absent(tx, place, span, now))
    return FixedSet(set_id, place, stated, tuple(days))


async def _note_absent(
    tx: Transaction, set_id: int, absent: Sequence[AbsentDay]
) -> None:
    """Keep which receipted days a set leaves out: their homes will ask (SETTLED 23)."""
    await tx.many(
        "INSERT INTO absent_days (seal_id, set_id, why) VALUES (?, ?, ?)"
        " ON CONFLICT (seal_id) DO NOTHING",
        [(one.seal_id, set_id, one.why) for one in absent],
    )


async def the_set(tx: Transaction, place: Place, genesis: Genesis) -> FixedSet | None:
    """Return the set of a place that was fixed, or None."""
    rows = await tx.rows(
        "SELECT id, statement FROM reporting_sets WHERE cell = ? AND day = ?",
        (place.cell, place.day),
    )
    if not rows:
        return None
    set_id, stated = rows[0]
    members = await tx.rows(
        "SELECT seal_id FROM set_members WHERE set_id = ?", (set_id,)
    )
    days = await store.days_by_id(tx, [row[0] for row in members], genesis)
    return FixedSet(set_id, place, stated, tuple(days))


async def opened(tx: Transaction, fixed: FixedSet, sums: Mapping[int, Mask]) -> Masked:
    """Return what the masked openings of a set add up to without the sums of its masks.

    Raises NotTaken (TOTAL) for a seed that is missing. It is nothing until it is proved.
    """
    if set(sums) != set(range(SEEDS)):
        raise NotTaken(Cause.TOTAL, "two trustees' answers hold the sums of all seeds")
    return unmasked((await reports(tx, fixed)).values(), sums)


async def reports(tx: Transaction, fixed: FixedSet) -> dict[int, Masked]:
    """Return the masked openings of a set by their seals' rows: for nobody else to see."""
    rows = await tx.rows(
        "SELECT o.seal_id, o.value, o.blinding FROM set_members m"
        " JOIN masked_openings o ON o.seal_id = m.seal_id WHERE m.set_id = ?",
        (fixed.id,),
    )
    return {
        seal_id: Masked(int.from_bytes(value), int.from_bytes(blinding))
        for seal_id, value, blinding in rows
    }


def prove(fixed: FixedSet, found: Masked) -> None:
    """Check sum C = U V + Z B; raises NotTaken (TOTAL) where a trustee or a meter lied."""
    sums_of_days = [day.header.sum for day in fixed.days]
    if found.value > MAX_TOTAL or not proves(found, sums_of_days):
        raise NotTaken(Cause.TOTAL, "what is left is not the sum of the commitments")


async def keep(tx: Transaction, fixed: FixedSet, found: Masked, *, now: int) -> Total:
    """Keep a proved total at Unix second `now`; again changes nothing."""
    blinding = found.blinding.to_bytes(32)
    await tx.many(
        "INSERT INTO totals (set_id, value, blinding, proved_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (set_id) DO NOTHING",
        [(fixed.id, found.value, blinding, now)],
    )
    place = fixed.place
    return Total(
        fixed.id, place.cell, place.day, found.value, blinding, fixed.statement,
        len(fixed.days),
    )  # fmt: skip


async def proved(tx: Transaction, *, after: int, limit: int) -> list[Total]:
    """Return proved totals by the log entry of their set."""
    return [Total(*row) for row in await tx.rows(_TOTALS, (after, limit))]


def merged(answers: Mapping[int, Mapping[int, Mask]]) -> dict[int, Mask]:
    """Return one sum a seed of trustees' answers; NotTaken (TOTAL) where two differ."""
    found: dict[int, Mask] = {}
    for trustee, sums in answers.items():
        for seed, mask in sums.items():
            if found.setdefault(seed, mask) != mask:
                detail = (
                    f"trustee {trustee} answers otherwise than another for seed {seed}"
                )
                raise NotTaken(Cause.TOTAL, detail)
    return found


def reported(day: KeptDay) -> Reported:
    """Return a day as a reporting set names it."""
    return Reported(day.header, day.revision)


def day_span(day: int, zone: str) -> Span:
    """Return begin and end of a local day since 1970."""
    where = zone_of(zone)
    begin, end = (
        second_of(_EPOCH + datetime.timedelta(days=one), datetime.time(), where)
        for one in (day, day + 1)
    )
    return Span(begin, end)
