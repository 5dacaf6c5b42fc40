"""The duty that mints: final exported Wh become credits, each slot's once.

After that it follows what operators edited, which takes back and never mints.

One transaction decides a batch: rows of `credits`, ledger transfers and the marks change
together, so a restart at any moment mints nothing twice and forgets nothing. This module
must never mint what is not final, validated and certified.
"""

from collections.abc import Sequence
from typing import Final

from meterseal_aggregator.credits import reversals
from meterseal_aggregator.credits.decide import contiguous, refuse
from meterseal_aggregator.credits.final import REKEYED_HOLD_S, final_before
from meterseal_aggregator.credits.model import Cause, Leg, Slot, mint_id, transfer_id
from meterseal_aggregator.credits.posting import post, purses
from meterseal_aggregator.credits.store import (
    CreditRow,
    breaks,
    credited,
    final_slots,
    move_marks,
    revised_slots,
    write_credits,
    write_refusals,
)
from meterseal_aggregator.ledger.accounts import REVERSED, debt, producer
from meterseal_aggregator.ledger.model import AccountCode, Transfer, linked
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import number_at, text_at
from meterseal_aggregator.storage.database import Database, Transaction

BATCH: Final = 4_000
"""Slots a transaction: with two legs each they fit one ledger batch, and the writer is
held for a fraction of a second."""
REVISIONS: Final = 500
"""Revisions a transaction: their look-up names registers and starts one by one."""


async def run_once(database: Database, network: bytes, now: int) -> int:
    """Decide the next batch at Unix second `now`; returns how many slots, 0 when done."""
    async with database.transaction() as tx:
        return await run_batch(tx, network, now)


async def run_batch(tx: Transaction, network: bytes, now: int) -> int:
    """Decide the next batch within an open transaction; a constant number of statements.

    `network` is the 32-byte network id. Raises BooksDiffer when the ledger refuses.
    """
    delay_s = await number_at(tx, Name.FINALITY_DELAY_S, now)
    zone = await text_at(tx, Name.ZONE, now)
    ended_by = final_before(now, delay_s, zone)
    after, settled = 0, now - REKEYED_HOLD_S
    while slots := await final_slots(
        tx, ended_by=ended_by, rekeyed_by=settled, after_register=after, limit=BATCH
    ):
        holes = {s.register_id for s in slots if s.start != s.mark}
        ready = contiguous(slots, await breaks(tx, holes))
        if ready:
            await _decide(tx, network, ready, now=now)
            await move_marks(tx, ready)
            return len(ready)
        # Only registers that wait behind a hole: go on with those after them.
        after = slots[-1].register_id
    revised = await revised_slots(tx, rekeyed_by=settled, limit=REVISIONS)
    if revised:
        await _decide(tx, network, revised, now=now)
        return len(revised)
    return await reversals.run_batch(tx, now=now)


async def _decide(
    tx: Transaction, network: bytes, slots: Sequence[Slot], *, now: int
) -> None:
    revisions = [slot for slot in slots if slot.revision]
    known = await credited(tx, revisions) if revisions else {}
    rows: list[CreditRow] = []
    refusals: list[tuple[Slot, Cause]] = []
    for slot in slots:
        before = known.get((slot.register_id, slot.start))
        cause = refuse(slot)
        if before is not None and slot.revision <= before.revision:
            cause = Cause.SUPERSEDED
        if cause is None:
            member = slot.member_id if before is None else before.member_id
            point = slot.meter_point_id
            assert member is not None
            assert point is not None
            posted = slot.delta - (before.value_wh if before else 0)
            mint = mint_id(network, point, slot.register, slot.start)
            row = CreditRow(mint, slot, member, posted)
            known[(slot.register_id, slot.start)] = row.after
            rows.append(row)
        else:
            refusals.append((slot, cause))
    # At revision 0 a zero needs no row: the mark alone says that it was seen.
    rows = [row for row in rows if row.slot.revision or row.posted_wh]
    refusals = [(s, cause) for s, cause in refusals if s.revision or s.delta]
    await write_credits(tx, rows, now=now)
    await write_refusals(tx, refusals, now=now)
    await _post(tx, rows, now=now)
    places = {(row.slot.register_id, row.slot.start) for row in rows}
    await reversals.follow(tx, sorted(places), now=now)


async def _post(tx: Transaction, rows: Sequence[CreditRow], *, now: int) -> None:
    theirs = await purses(tx, {row.member_id for row in rows})
    transfers: list[Transfer] = []
    for row in rows:
        purse = theirs[row.member_id]
        if row.posted_wh > 0:
            transfers += _transfers(row, purse.credit(row.posted_wh))
        elif row.posted_wh < 0:
            transfers += _transfers(row, purse.reverse(-row.posted_wh))
    await post(tx, transfers, now=now)


def _transfers(row: CreditRow, legs: Sequence[tuple[Leg, int]]) -> list[Transfer]:
    source = AccountCode(f"meter:{row.slot.meter.hex()}:measured")
    sides = {
        Leg.REPAY: (source, debt(row.member_id)),
        Leg.MINT: (source, producer(row.member_id)),
        Leg.REVERSE: (producer(row.member_id), REVERSED),
        Leg.OWE: (debt(row.member_id), REVERSED),
    }
    moves = [
        Transfer(
            id=transfer_id(row.mint_id, row.slot.revision, leg),
            amount=wh,
            debit=sides[leg][0],
            credit=sides[leg][1],
            purpose=leg.name.lower(),
            effective_at=row.slot.end,
            reference=row.mint_id,
        )
        for leg, wh in legs
    ]
    return linked(moves)
