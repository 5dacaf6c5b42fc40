"""What operators' edits take back of credits: a slot is worth what was sealed and not edited away.

A credited slot is worth the lesser of what its device sealed last and what the last edit
over it says (a span's Wh spread over its slots as packed days spread them). What of the
credit is beyond that is reversed: burnt while it is held, else owed. A later edit or seal
that leaves less to reverse gives back what is too much out of `reversed`. So an edit that
raises an export posts nothing, and however many edits there were, a slot never gets more
than was sealed for it. This module must never mint.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from meterseal_aggregator.credits.decide import Purse, worth
from meterseal_aggregator.credits.model import Leg, edit_transfer_id
from meterseal_aggregator.credits.posting import post, purses
from meterseal_aggregator.credits.reversalstore import (
    Edited,
    Holding,
    Place,
    Reversal,
    credited_starts,
    edits_over,
    go_on,
    holdings,
    next_edit,
    write,
)
from meterseal_aggregator.ledger.accounts import REVERSED, debt, producer
from meterseal_aggregator.ledger.model import Transfer, linked
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.vee.packing import share

BATCH: Final = 4_000
"""Slots a transaction: with two legs each they fit one ledger batch."""


async def run_batch(tx: Transaction, *, now: int) -> int:
    """Follow the next edit, or a part of a long one; 0 when every edit was followed."""
    following = await next_edit(tx)
    if following is None:
        return 0
    edit, through = following
    starts = await credited_starts(tx, edit, through, BATCH)
    await follow(tx, [(edit.register_id, start) for start in starts], now=now)
    await go_on(tx, edit, starts[-1] + 1 if len(starts) == BATCH else None)
    return 1


async def follow(tx: Transaction, places: Sequence[Place], *, now: int) -> None:
    """Bring credited slots, BATCH at most, to what the edits there are leave of them.

    Where nobody edited it is one statement; else a constant number.
    """
    edits = await edits_over(tx, places)
    said = {one: _last(one, edits.get(one[0], ())) for one in places}
    touched = [place for place, edit in said.items() if edit is not None]
    if not touched:
        return
    rows: list[Reversal] = []
    for slot in await holdings(tx, touched):
        edit = said[slot.place]
        assert edit is not None
        posted = worth(slot.sealed_wh, _told(edit, slot)) - slot.worth_wh
        if posted:
            rows.append(Reversal(slot, edit.value_id, posted))
    await write(tx, rows, now=now)
    theirs = await purses(tx, {row.slot.member_id for row in rows})
    await post(tx, _transfers(rows, theirs), now=now)


def _last(place: Place, edits: Sequence[Edited]) -> Edited | None:
    """Return the last edit made over a slot; `edits` are in the order they were made."""
    over = [one for one in edits if one.start <= place[1] < one.end]
    return over[-1] if over else None


def _told(edit: Edited, slot: Holding) -> int:
    slots = edit.length // slot.length
    return share(edit.delta, (slot.start - edit.start) // slot.length, slots)


def _transfers(rows: Sequence[Reversal], theirs: Mapping[int, Purse]) -> list[Transfer]:
    found: list[Transfer] = []
    for row in rows:
        purse = theirs[row.slot.member_id]
        if row.posted_wh > 0:
            found += _moves(row, purse.restore(row.posted_wh))
        else:
            found += _moves(row, purse.reverse(-row.posted_wh))
    return found


def _moves(row: Reversal, legs: Sequence[tuple[Leg, int]]) -> list[Transfer]:
    slot = row.slot
    sides = {
        Leg.FORGIVE: (REVERSED, debt(slot.member_id)),
        Leg.RESTORE: (REVERSED, producer(slot.member_id)),
        Leg.REVERSE: (producer(slot.member_id), REVERSED),
        Leg.OWE: (debt(slot.member_id), REVERSED),
    }
    moves = [
        Transfer(
            id=edit_transfer_id(slot.mint_id, slot.revision, row.value_id, leg),
            amount=wh,
            debit=sides[leg][0],
            credit=sides[leg][1],
            purpose=f"edit-{leg.name.lower()}",
            effective_at=slot.start + slot.length,
            reference=slot.mint_id,
        )
        for leg, wh in legs
    ]
    return linked(moves)
