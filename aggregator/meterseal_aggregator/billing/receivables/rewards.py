"""Rewards for paying in time: utility tokens from their pool, once a bill, each its own entry.

    await earn(tx, standings, now=now)        # in the transaction of the payment
    await pay_waiting(tx, now=now)            # by the duty

The rules: a bill earns when it is paid in full by its due second, its tariff's share of the
bill's amount in micro-units as millionths of a token, fees left out; a bill in place of one
that earned earns nothing itself. An empty pool makes the reward wait: it is tried each day
for WAIT_S, then dropped, and the member is told either time. A correction that makes the
bill smaller takes back what is then too much, but never more than he still holds; one that
makes it greater adds nothing. This module must never refuse a payment for want of tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterseal_aggregator.billing.model import BillState, Standing
from meterseal_aggregator.billing.receivables.model import transfer_id
from meterseal_aggregator.billing.receivables.terms import terms_of
from meterseal_aggregator.identity import events
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import REWARD_POOL, user
from meterseal_aggregator.ledger.assets import declare
from meterseal_aggregator.ledger.model import (
    Asset,
    AtMost,
    Refusal,
    Transfer,
)
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import text_at
from meterseal_aggregator.storage.database import Row, Transaction
from meterseal_proto.rating.terms import BASIS_POINTS, reward

DAY_S: Final = 86_400
WAIT_S: Final = 90 * DAY_S
"""A pool that nobody fills for a quarter is one that nobody means to fill."""
PURPOSE: Final = "reward"
TAKEN_BACK: Final = "reward-back"
BATCH: Final = 200
"""Rewards a transaction: an entry of the ledger each."""

_REWARD: Final = """
SELECT bill_id, stands_on, member_id, asset, amount, bp, state, taken_back, lost,
  earned_at, ended_at
FROM rewards
"""
# Whether a bill, or one it stands in the place of, earned already.
_EARNED: Final = """
WITH RECURSIVE before (id) AS (
  SELECT ? UNION SELECT b.replaces_id FROM bills b JOIN before p ON b.id = p.id
  WHERE b.replaces_id IS NOT NULL)
SELECT 1 FROM before JOIN rewards r ON r.bill_id = before.id LIMIT 1
"""
_RAIL: Final = "SELECT member_id FROM bills WHERE id = ? AND rail = 'ledger'"
_EARN: Final = """
INSERT INTO rewards (bill_id, stands_on, member_id, asset, amount, bp, state, earned_at,
  next_at)
VALUES (?, ?, ?, ?, ?, ?, 'waiting', ?, ?)
"""
_END: Final = """
UPDATE rewards SET state = ?, next_at = NULL, ended_at = ? WHERE bill_id = ?
"""
_LATER: Final = "UPDATE rewards SET next_at = ? WHERE bill_id = ?"
_TAKE: Final = """
UPDATE rewards SET stands_on = ?, taken_back = taken_back + ?, lost = lost + ?
WHERE bill_id = ?
"""


class State(StrEnum):
    """Where a reward stands."""

    WAITING = "waiting"
    """The pool was empty."""
    PAID = "paid"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Reward:
    """Millionths of a utility token for a bill paid in time; `net` is what is left of it."""

    bill: int
    stands_on: int
    member: int
    asset: Asset
    amount: int
    bp: int
    state: State
    taken_back: int
    lost: int
    earned_at: int
    ended_at: int | None

    @property
    def net(self) -> int:
        """What a correction left of it."""
        return self.amount - self.taken_back - self.lost


async def earn(tx: Transaction, standings: Sequence[Standing], *, now: int) -> None:
    """Give what bills earn that were paid in full just now."""
    paid = [s for s in standings if s.state is BillState.PAID and s.amount > 0]
    in_time = [one for one in paid if now <= one.due_at]
    if not in_time:
        return
    terms = await terms_of(tx, [one.bill for one in in_time])
    for one in in_time:
        asked = terms[one.bill].terms
        earned = reward(asked, paid=one.amount, due_at=one.due_at, paid_at=now)
        if earned > 0 and not await tx.rows(_EARNED, (one.bill,)):
            await _earned(tx, one.bill, (earned, asked.reward_bp), now)


async def _earned(tx: Transaction, bill: int, what: tuple[int, int], now: int) -> None:
    rows = await tx.rows(_RAIL, (bill,))
    if not rows:
        return
    asset = Asset(await text_at(tx, Name.REWARD_ASSET, now))
    await declare(tx, asset, now=now)
    row = (bill, bill, rows[0][0], asset, *what, now, now)
    await tx.many(_EARN, [row])
    for found in await _rewards(tx, "bill_id = ?", (bill,)):
        await _try(tx, found, now)


async def pay_waiting(tx: Transaction, *, now: int) -> int:
    """Try again what waits for the pool; returns how many were looked at."""
    due = await _rewards(
        tx, "next_at <= ? ORDER BY next_at, bill_id LIMIT ?", (now, BATCH)
    )
    for one in due:
        await _try(tx, one, now)
    return len(due)


async def _try(tx: Transaction, one: Reward, now: int) -> None:
    """Pay a reward, or let it wait another day, or drop it."""
    if one.net <= 0:
        await tx.many(_END, [(State.DROPPED.value, now, one.bill)])
        return
    paid = Transfer(
        id=transfer_id(PURPOSE, one.bill),
        amount=one.net,
        debit=REWARD_POOL,
        credit=user(one.member),
        purpose=PURPOSE,
        effective_at=now,
        asset=one.asset,
        reference=one.bill.to_bytes(8),
    )
    (result,) = await ledger.post(tx, [paid], now=now)
    if result.entered:
        await tx.many(_END, [(State.PAID.value, now, one.bill)])
        await _tell(tx, one, State.PAID, now)
        return
    assert result.refusal is Refusal.EXCEEDS_CREDITS, result
    if now >= one.earned_at + WAIT_S:
        await tx.many(_END, [(State.DROPPED.value, now, one.bill)])
        await _tell(tx, one, State.DROPPED, now)
        return
    await tx.many(_LATER, [(now + DAY_S, one.bill)])
    if one.earned_at == now:
        await _tell(tx, one, State.WAITING, now)


async def correct(
    tx: Transaction, bill: int, successor: tuple[int, int] | None, *, now: int
) -> None:
    """Take back what a corrected bill's reward is too much by now.

    `successor` is the (row id, amount) of the bill in its place, None where there is none.
    """
    for one in await _rewards(tx, "stands_on = ?", (bill,)):
        number, amount = successor or (bill, 0)
        deserved = max(0, amount) * one.bp // BASIS_POINTS
        excess = max(0, one.net - deserved)
        taken = excess
        if excess and one.state is State.PAID:
            taken = await _take_back(tx, one, bill, excess, now)
        lost = excess - taken
        await tx.many(_TAKE, [(number, taken, lost, one.bill)])


async def _take_back(
    tx: Transaction, one: Reward, bill: int, excess: int, now: int
) -> int:
    """Post back to the pool what he still holds of an excess; returns how much it was."""
    back = Transfer(
        id=transfer_id(TAKEN_BACK, bill),
        amount=excess,
        debit=user(one.member),
        credit=REWARD_POOL,
        purpose=TAKEN_BACK,
        effective_at=now,
        asset=one.asset,
        reference=bill.to_bytes(8),
        at_most=AtMost.DEBIT,
    )
    (result,) = await ledger.post(tx, [back], now=now)
    assert result.entered, result
    return result.amount


async def rewards(
    tx: Transaction, *, member: int, after: int, limit: int
) -> list[Reward]:
    """Return a page of a member's rewards, by the bill's row id."""
    return await _rewards(
        tx,
        "member_id = ? AND bill_id > ? ORDER BY bill_id LIMIT ?",
        (member, after, limit),
    )


async def _rewards(
    tx: Transaction, condition: str, params: Sequence[object]
) -> list[Reward]:
    return [_read(row) for row in await tx.rows(f"{_REWARD} WHERE {condition}", params)]


async def _tell(tx: Transaction, one: Reward, state: State, now: int) -> None:
    body = {"bill": one.bill, "state": state.value, "amount_micro": one.net}
    told = events.Told(one.member, "reward", {**body, "asset": one.asset})
    await events.tell(tx, [told], now=now)


def _read(row: Row) -> Reward:
    bill, stands_on, member, asset, amount, bp, state, *rest = row
    return Reward(
        bill, stands_on, member, Asset(asset), amount, bp, State(state), *rest
    )
