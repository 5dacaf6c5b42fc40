"""The ledger's side of a withdrawal: every move is posted whole, or nothing happened.

This module must never post a move that the ledger refuses or knows already: its callers
have looked, so such an answer means the books differ.
"""

from collections.abc import Sequence

from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import debt
from meterseal_aggregator.ledger.model import WH, AccountCode, Transfer
from meterseal_aggregator.stacks.withdrawals.model import (
    ENERGY,
    LEAVING,
    BooksDiffer,
    Part,
)
from meterseal_aggregator.stacks.withdrawals.rules import home, transfer_id
from meterseal_aggregator.storage.database import Transaction


async def post(tx: Transaction, moves: Sequence[Transfer], *, now: int) -> None:
    """Enter new transfers; raises BooksDiffer where the ledger does not take one."""
    for result in await ledger.post(tx, moves, now=now):
        if not result.entered or result.duplicate:
            raise BooksDiffer(f"the ledger answers {result} to a new move")


async def has(tx: Transaction, account: AccountCode, wh: int) -> bool:
    """Tell whether an account holds so much."""
    found = await ledger.balances(tx, WH, [account])
    return account in found and found[account].held >= wh


async def bring_home(
    tx: Transaction,
    member: int,
    moves: Sequence[tuple[AccountCode, int, str]],
    now: int,
) -> None:
    """Give Wh back to a member: its debt first, then what it holds.

    Each move is (from which account, Wh, what it is about: its id for ever).
    """
    found = await ledger.balances(tx, WH, [debt(member)])
    owed = found[debt(member)].owed if found else 0
    transfers = []
    for source, wh, about in moves:
        for target, amount in home(wh, owed, member):
            owed -= amount if target == debt(member) else 0
            kind = "repay" if target == debt(member) else "hold"
            transfers.append(
                Transfer(
                    id=transfer_id(about, kind),
                    amount=amount,
                    debit=source,
                    credit=target,
                    purpose="return",
                    effective_at=now,
                )
            )
    await post(tx, transfers, now=now)


async def give_back(tx: Transaction, parts: Sequence[Part], *, now: int) -> None:
    """Give the Wh of parts that the chain refused back to their producers."""
    for member in sorted({part.member for part in parts}):
        mine = [part for part in parts if part.member == member]
        moves = [(LEAVING, one.share.wh, f"refused/{one.id}") for one in mine]
        await bring_home(tx, member, moves, now)


async def arrived(tx: Transaction, part: Part, paid: int, *, now: int) -> None:
    """Move what the chain paid to the chain's account; what it kept for a debt goes home."""
    if paid:
        move = Transfer(
            id=transfer_id("arrived", part.id),
            amount=paid,
            debit=LEAVING,
            credit=ENERGY,
            purpose="arrive",
            effective_at=now,
        )
        await post(tx, [move], now=now)
    kept = part.share.wh - paid
    if kept:
        await bring_home(tx, part.member, [(LEAVING, kept, f"kept/{part.id}")], now)
