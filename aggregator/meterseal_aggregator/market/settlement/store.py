"""Settlement's questions and rows: which slots are due, what is known of them, what was found.

Reads `credits`, `edit_reversals`, `credit_marks` (credits), `installations`, `registers`
(registry), `ledger_frozen_holds` (ledger) and what disputes credited (disputes); writes the market's trades, slots and runs
and its own `settled_slots`. A batch of any size costs the same number of statements. This
module must never decide what a trade is delivered (`plan` does).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.market import trades as trade_rows
from meterseal_aggregator.market.model import Trade
from meterseal_aggregator.market.settlement.model import (
    Covered,
    How,
    Key,
    Outcome,
    Slot,
    SlotRun,
)
from meterseal_aggregator.market.settlement.runs import Run
from meterseal_aggregator.storage.database import SQLITE_MAX_VARIABLES, Transaction
from meterseal_proto.units import EXPORT

# Meters that stood at the point in the slot; {open} are those with an open export register.
# One that left within the slot cannot tell of all of it: that slot stays untold.
_STOOD: Final = """
i.meter_point_id = s.meter_point_id AND i.from_at < s.start + s.length
AND (i.to_at IS NULL OR i.to_at > s.start)
"""
_OPEN: Final = """
installations i CROSS JOIN registers g ON g.meter_id = i.meter_id
  AND g.register = {export} AND g.mode = 0
LEFT JOIN credit_marks w ON w.register_id = g.id WHERE {stood}
"""
_BOUND: Final = "EXISTS (SELECT 1 FROM installations i WHERE {stood})"
_FINAL: Final = """
(EXISTS (SELECT 1 FROM {open}) AND NOT EXISTS (SELECT 1 FROM {open}
  AND coalesce(w.minted_through, g.initial_at) < s.start + s.length))
"""
# A slot's revisions add up to its last value, and edits take of it.
_FACTS: Final = """
SELECT s.meter_point_id, s.start, s.length, s.seller_id,
  (SELECT coalesce(sum(c.posted_wh), 0) FROM credits c
   WHERE c.register_id IN (SELECT g.id FROM {open})
     AND c.start >= s.start AND c.start < s.start + s.length
     AND c.meter_point_id = s.meter_point_id AND c.member_id = s.seller_id)
  + (SELECT coalesce(sum(e.posted_wh), 0) FROM edit_reversals e
     CROSS JOIN credits c ON c.register_id = e.register_id AND c.start = e.start
       AND c.revision = e.revision
   WHERE e.register_id IN (SELECT g.id FROM {open})
     AND e.start >= s.start AND e.start < s.start + s.length
     AND c.meter_point_id = s.meter_point_id AND c.member_id = s.seller_id),
  {final}, {bound}
"""


def _spelled(statement: str) -> str:
    """Spell a statement out: each part is a constant above and may name those before it."""
    stood = _STOOD
    opened = _OPEN.format(export=int(EXPORT), stood=stood)
    final, bound = _FINAL.format(open=opened), _BOUND.format(stood=stood)
    facts = _FACTS.format(open=opened, final=final, bound=bound)
    return statement.format(facts=facts, final=final, bound=bound)


_UNSETTLED: Final = _spelled("""{facts}
FROM slot_sales s
WHERE s.settled_at IS NULL AND (s.start, s.meter_point_id) > (?, ?)
  AND s.start <= ? AND s.start <= ? - s.length
  AND (s.start < ? OR {final} OR (s.start <= ? - s.length AND NOT {bound}))
ORDER BY s.start, s.meter_point_id LIMIT ?
""")
_AGAIN: Final = _spelled("""{facts}
FROM settled_slots s
WHERE s.run = ? AND s.run < 3 AND s.start < ?
  AND (s.start, s.meter_point_id) > (?, ?)
ORDER BY s.start, s.meter_point_id LIMIT ?
""")
_NAMED: Final = _spelled("""
WITH s (meter_point_id, start, length, seller_id) AS (VALUES {{rows}})
{facts} FROM s ORDER BY s.start, s.meter_point_id
""")
_OF_SLOTS: Final = """
id IN (SELECT t.id FROM (VALUES {pairs}) v
  CROSS JOIN trades t ON t.meter_point_id = v.column1 AND t.start = v.column2)
"""
_COVERED: Final = """
SELECT t.id, sum(r.from_stake), sum(r.from_fund) FROM (VALUES {pairs}) v
CROSS JOIN trades t ON t.meter_point_id = v.column1 AND t.start = v.column2
CROSS JOIN trade_runs r ON r.trade_id = t.id GROUP BY t.id
"""
_CREDITED: Final = """
SELECT t.id, sum(c.amount) FROM (VALUES {pairs}) v
CROSS JOIN trades t ON t.meter_point_id = v.column1 AND t.start = v.column2
CROSS JOIN disputes d ON d.trade_id = t.id AND d.member_id = t.buyer_id
CROSS JOIN dispute_decisions c ON c.dispute_id = d.id AND c.remedy = 'credit'
GROUP BY t.id
"""
_BEFORE: Final = """
SELECT f.meter_point_id, f.start, f.export_wh, f.traded_wh, f.fed_in_wh, f.kept_wh, f.owed_wh
FROM (VALUES {pairs}) v
CROSS JOIN slot_runs f ON f.meter_point_id = v.column1 AND f.start = v.column2
ORDER BY f.run
"""
_DISPUTED: Final = """
SELECT hold_id FROM ledger_frozen_holds WHERE frozen > 0 AND hold_id IN ({marks})
"""
_WAITING: Final = """
SELECT seller_id, meter_point_id, start, wh FROM trades
WHERE state = 'held' AND start <= ? AND seller_id IN ({marks})
"""
_ADD_RUN: Final = """
INSERT INTO trade_runs (trade_id, run, metered_wh, delivered_wh, paid, to_seller, fee,
  losses, from_stake, from_fund, uncovered, arrears, at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_SETTLE: Final = """
UPDATE trades SET state = 'settled', metered_wh = ?, delivered_wh = ?, run = ?,
  ended_at = coalesce(ended_at, ?)
WHERE id = ?
"""
_CLOSE: Final = """
UPDATE slot_sales SET settled_at = ?
WHERE meter_point_id = ? AND start = ? AND settled_at IS NULL
"""
_ADD_SLOT_RUN: Final = """
INSERT INTO slot_runs (meter_point_id, start, run, export_wh, traded_wh, fed_in_wh, kept_wh,
  owed_wh, at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_GO_ON: Final = """
INSERT INTO settled_slots (meter_point_id, start, length, seller_id, mocked, run)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (meter_point_id, start) DO UPDATE SET run = excluded.run
"""


@dataclass(frozen=True, slots=True)
class Clock:
    """What is due at `now`: slots that began before `month` and `last` for runs 2 and 3.

    `mock` is the latest end of a slot that a demo's mock may tell of, None without one.
    """

    now: int
    zone: str
    month: int
    last: int
    mock: int | None

    def run(self, start: int) -> Run:
        """Return the run that looks at a slot now."""
        if start < self.last:
            return Run.LAST
        return Run.MONTH if start < self.month else Run.FIRST


@dataclass(frozen=True, slots=True)
class Closed:
    """A slot whose run is done; `over` when no later one can change anything."""

    slot: Slot
    run: Run
    found: SlotRun
    over: bool


Waiting = tuple[int, int]
"""A trade that waits: its slot's first second and its Wh."""
Place = tuple[int, int]
"""Where a page of slots ended: first second and meter point."""
NOWHERE: Final[Place] = (-1, 0)


async def unsettled(
    tx: Transaction, clock: Clock, after: Place, limit: int
) -> list[Slot]:
    """Return sold slots that can be settled, or must be given up, in order of time."""
    mock = -1 if clock.mock is None else clock.mock
    row = (*after, clock.now, clock.now, clock.last, mock, limit)
    rows = await tx.rows(_UNSETTLED, row)
    return [_slot(one, clock) for one in rows]


async def again(
    tx: Transaction, clock: Clock, run: Run, after: Place, limit: int
) -> list[Slot]:
    """Return settled slots at which a later run has not looked yet, though it is due."""
    before = clock.last if run is Run.LAST else clock.month
    row = (run - 1, before, *after, limit)
    rows = await tx.rows(_AGAIN, row)
    return [_slot(one, clock) for one in rows]


async def named(
    tx: Transaction, clock: Clock, wanted: Sequence[tuple[int, int, int, int]]
) -> list[Slot]:
    """Return slots by meter point, first second, length and seller, in order of time."""
    if not wanted:
        return []
    marks = ", ".join(["(?, ?, ?, ?)"] * len(wanted))
    statement = _NAMED.format(rows=marks)
    rows = await tx.rows(statement, [value for one in wanted for value in one])
    return [_slot(one, clock) for one in rows]


async def trades_of(tx: Transaction, slots: Sequence[Slot]) -> dict[Key, list[Trade]]:
    """Return the trades of slots, each slot's by id."""
    found: dict[Key, list[Trade]] = defaultdict(list)
    marks = ", ".join(["(?, ?)"] * len(slots))
    # By id in two steps: asked for in order of id, SQLite would read every trade there is.
    condition = _OF_SLOTS.format(pairs=marks)
    keys = [value for one in slots for value in one.key]
    for trade in await trade_rows.where(tx, condition, keys):
        found[trade.meter_point, trade.start].append(trade)
    return found


async def covered(tx: Transaction, slots: Sequence[Slot]) -> dict[int, Covered]:
    """Return what buyers were compensated with and credited, by trade."""
    keys = [one.key for one in slots]
    found = {
        row[0]: Covered(*row[1:]) for row in await tx.rows_of_pairs(_COVERED, keys)
    }
    for trade, credited in await tx.rows_of_pairs(_CREDITED, keys):
        given = found.get(trade, Covered())
        found[trade] = Covered(given.stake, given.fund, credited)
    return found


async def last_runs(tx: Transaction, slots: Sequence[Slot]) -> dict[Key, SlotRun]:
    """Return what the last run found of each slot at which one looked."""
    rows = await tx.rows_of_pairs(_BEFORE, [one.key for one in slots])
    return {(row[0], row[1]): SlotRun(*row[2:]) for row in rows}


async def disputed(tx: Transaction, trades: Sequence[Trade]) -> frozenset[int]:
    """Return which trades' holds are frozen."""
    numbers = {bytes(one.hold): one.id for one in trades}
    found: set[int] = set()
    holds = list(numbers)
    for at in range(0, len(holds), SQLITE_MAX_VARIABLES):
        page = holds[at : at + SQLITE_MAX_VARIABLES]
        marks = ",".join("?" for _ in page)
        rows = await tx.rows(_DISPUTED.format(marks=marks), page)
        found.update(numbers[row[0]] for row in rows)
    return frozenset(found)


async def waiting(tx: Transaction, slots: Sequence[Slot]) -> dict[int, list[Waiting]]:
    """Return what sellers owe of other slots up to the last of these, by seller.

    That is trades in dispute, and those of slots that are not told yet.
    """
    sellers = sorted({one.seller for one in slots})
    marks = ",".join("?" for _ in sellers)
    last = max(one.start for one in slots)
    keys = {one.key for one in slots}
    found: dict[int, list[Waiting]] = defaultdict(list)
    rows = await tx.rows(_WAITING.format(marks=marks), (last, *sellers))
    for seller, point, start, wh in rows:
        if (point, start) not in keys:
            found[seller].append((start, wh))
    return found


async def write_trades(
    tx: Transaction, outcomes: Sequence[Outcome], *, now: int
) -> None:
    """Note what a run found of trades."""
    found = [one.found for one in outcomes]
    rows = [
        (
            one.trade.id, int(one.run), one.metered_wh, one.delivered_wh, one.paid,
            one.to_seller, one.fee, one.losses, one.from_stake, one.from_fund,
            one.uncovered, one.arrears, now,
        )
        for one in found
    ]  # fmt: skip
    await tx.many(_ADD_RUN, rows)
    settled = [
        (one.metered_wh, one.delivered_wh, int(one.run), now, one.trade.id)
        for one in found
    ]
    await tx.many(_SETTLE, settled)


async def write_slots(tx: Transaction, closed: Sequence[Closed], *, now: int) -> None:
    """Note what became of whole slots, and that the run is done."""
    runs = []
    marks = []
    for one in closed:
        slot, found = one.slot, one.found
        runs.append(
            (
                *slot.key, int(one.run), found.export_wh, found.traded_wh,
                found.fed_in_wh, found.kept_wh, found.owed_wh, now,
            )
        )  # fmt: skip
        run = Run.LAST if one.over else one.run
        mocked = slot.how is How.MOCK
        marks.append((*slot.key, slot.length, slot.seller, int(mocked), int(run)))
    await tx.many(_ADD_SLOT_RUN, runs)
    await tx.many(_GO_ON, marks)
    await tx.many(_CLOSE, [(now, *one.slot.key) for one in closed])


def _slot(row: tuple[int, ...], clock: Clock) -> Slot:
    point, start, length, seller, export, final, bound = row
    how = How.NOBODY
    if final:
        how = How.METER
    elif not bound and clock.mock is not None and start + length <= clock.mock:
        how = How.MOCK
    return Slot(point, start, length, seller, export, how)
