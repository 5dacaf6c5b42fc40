"""The room's audit: days as they were sealed, bills as they were proved, nothing told.

Invariant 6 for committed registers: every day is made again of its rows, hashed, compared
with its leaf and with the chain before it, and its sum added up again. Invariant 9: no
interval, and no set of fewer than `MIN_ATOM` of them, follows from what bills opened. This
module must never write.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from typing import Final

from meterseal_aggregator.privacy import bills, store, tariffs, totals
from meterseal_aggregator.privacy.bills import KeptBill
from meterseal_aggregator.privacy.model import KeptDay, ProofState
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.storage.finding import Finding
from meterseal_aggregator.translog.store import Rotten
from meterseal_proto.enrolment import Genesis
from meterseal_proto.refinement import MIN_ATOM, determined
from meterseal_proto.reporting import Place
from meterseal_proto.totals import K_MIN, Masked, proves

LEAVES: Final = 6
"""Every accepted day has exactly one leaf, and it verifies."""
TOLD: Final = 9
"""What was opened determines no interval, nor fewer than MIN_ATOM of them together."""

_BEGINNINGS: Final = "SELECT id, enrolment_hash FROM registers WHERE mode = 1"
_QUARANTINED: Final = """
SELECT q.register_id, q.hash FROM quarantine q JOIN registers r ON r.id = q.register_id
WHERE q.chained = 1 AND r.mode = 1
"""


# One row a register that was told of: seconds its days leave out, of the time they span.
_TILED: Final = """
SELECT r.id FROM registers r JOIN heads h ON h.register_id = r.id
LEFT JOIN committed_seals s ON s.register_id = r.id AND s.revision = 0
WHERE r.mode = 1 GROUP BY r.id
HAVING coalesce(sum(s.step * s.count), 0) <> h.end_at - r.initial_at
"""


async def findings(tx: Transaction, genesis: Genesis) -> list[Finding]:
    """Rebuild every day; say whether leaves, chains and sums are as they must be."""
    last: dict[int, bytes] = dict(await tx.rows(_BEGINNINGS))
    # Intake's table, read: a quarantined day is a link that later days point to.
    links = {(row[0], row[1]) for row in await tx.rows(_QUARANTINED)}
    count, waiting = 0, 0
    try:
        async for day in _every_day(tx, genesis):
            count += 1
            waiting += day.state is ProofState.PENDING
            prev, row = day.header.prev, day.register_id
            if prev != last[row] and (row, prev) not in links:
                return [_broken(day, "does not follow its register's chain")]
            if not store.sum_is_right(day):
                return [_broken(day, "has a sum that is not that of its commitments")]
            last[row] = day.digest
    except Rotten as rotten:
        return [Finding(LEAVES, ok=False, detail=str(rotten))]
    gaps = await tx.rows(_TILED)
    if gaps:
        detail = f"the days of committed register {gaps[0][0]} leave time out"
        return [Finding(LEAVES, ok=False, detail=detail)]
    detail = (
        f"{count} committed days have one leaf each; {waiting} wait for their check"
    )
    return [Finding(LEAVES, ok=True, detail=detail)]


async def _every_day(tx: Transaction, genesis: Genesis) -> AsyncIterator[KeptDay]:
    last = 0
    while page := await store.every_day(tx, genesis, after=last):
        last = page[-1].id
        for day in page:
            yield day


def _broken(day: KeptDay, how: str) -> Finding:
    return Finding(LEAVES, ok=False, detail=f"committed day {day.id} {how}")


async def told(tx: Transaction, genesis: Genesis) -> list[Finding]:
    """Say whether what bills opened, all together, tells of too few intervals alone.

    Exact, over the rationals (`refinement.determined`): for every register and period the
    price vectors of all its bills, however each of them was allowed.
    """
    count, last = 0, 0
    periods: dict[tuple[int, int, int], list[KeptBill]] = defaultdict(list)
    while page := await bills.every_bill(tx, genesis, after=last, limit=500):
        last = page[-1].id
        for one in page:
            count += 1
            statement = one.bill.statement
            periods[one.register_id, statement.begin, statement.end].append(one)
    for (register_id, begin, end), openings in periods.items():
        days = await store.days_of(tx, register_id, begin, end, genesis)
        vectors = await _vectors(tx, openings, days)
        if vectors is None or determined(vectors, known=bills.known_slots(days)):
            detail = (
                f"the bills of register {register_id} from {begin} to {end} tell of fewer"
                f" than {MIN_ATOM} intervals, or are over days that are not there"
            )
            return [Finding(TOLD, ok=False, detail=detail)]
    detail = (
        f"{count} private bills over {len(periods)} periods determine no set of fewer"
        f" than {MIN_ATOM} intervals"
    )
    return [Finding(TOLD, ok=True, detail=detail)]


async def _vectors(
    tx: Transaction, openings: Sequence[KeptBill], days: Sequence[KeptDay]
) -> list[list[int]] | None:
    """Return the prices of every interval of a period at each tariff of its bills.

    None where a bill is not over the `days` that the period has.
    """
    digests = tuple(day.digest for day in days)
    if any(one.bill.statement.headers != digests for one in openings):
        return None
    starts = [record.start for day in days for record in day.records]
    found = []
    for name in sorted({one.bill.statement.tariff for one in openings}):
        tariff = await tariffs.tariff_named(tx, name)
        if tariff is None:
            return None
        found.append(bills.prices_of(tariff, starts))
    return found


async def community(tx: Transaction, genesis: Genesis) -> list[Finding]:
    """Prove every total again, and count its homes; sets are apart by the schema."""
    count, last = 0, 0
    while page := await totals.proved(tx, after=last, limit=100):
        last = page[-1].set_id
        for one in page:
            count += 1
            place = Place(genesis.network, one.cell, one.day)
            fixed = await totals.the_set(tx, place, genesis)
            found = Masked(one.value, int.from_bytes(one.blinding))
            sums = [] if fixed is None else [day.header.sum for day in fixed.days]
            if len(sums) < K_MIN or not proves(found, sums):
                detail = f"the total of cell {one.cell} on day {one.day} is not proved"
                return [Finding(TOLD, ok=False, detail=detail)]
    detail = f"{count} totals are proved, each of {K_MIN} homes or more"
    return [Finding(TOLD, ok=True, detail=detail)]
