"""Opening a dispute, and withdrawing it: what it freezes, and nothing else.

    made = await open_bill(tx, "2026-00000012", wish, now=now)
    made = await open_trade(tx, 12, wish, now=now)
    await withdraw(tx, made.id, member, now=now)

Of a bill, what is disputed and still outstanding is not asked for until the end: no late
fee, no overdue; the rest is due as it was. Where the bill is corrected meanwhile, what was
frozen went over to the one in its place. Of a trade that is not settled, its own hold is
frozen, so that it is neither delivered nor given back; a settled one has nothing to freeze.
All of it in the transaction of the row. This module must never decide who is right.
"""

from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.billing.model import Act, BillAct, BillRow, BillState, micro
from meterseal_aggregator.billing.model import Refused as Unbilled
from meterseal_aggregator.billing.statements import store as bills
from meterseal_aggregator.disputes import store
from meterseal_aggregator.disputes.model import (
    BILL_WINDOW_S,
    DECIDE_WITHIN_S,
    MAX_OPEN,
    TRADE_WINDOW_S,
    Cause,
    Dispute,
    NotDisputed,
    State,
    Subject,
    Wish,
    transfer_id,
)
from meterseal_aggregator.identity.events import Told, tell
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.freeze import freeze_hold, thaw
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.market import trades
from meterseal_aggregator.market.delivery import cost
from meterseal_aggregator.market.model import Trade, TradeState
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.rating.statement import StatementKind
from meterseal_proto.rating.statement_json import read_statement

WHY: Final = "dispute"
"""The purpose of what disputes post, and the note of what they do to a bill."""


async def open_bill(tx: Transaction, number: str, wish: Wish, *, now: int) -> Dispute:
    """Dispute a bill of the member's; the same wish under the same key is done once.

    Raises NotDisputed.
    """
    bill = await _own_bill(tx, number, wish.member)
    known = await _known(tx, wish, bill.amount, bill=bill.id)
    if known is not None:
        return known
    if now > bill.issued_at + BILL_WINDOW_S:
        raise NotDisputed(Cause.TOO_LATE, "this bill is too old to be disputed here")
    claimed = _claimed(bill, wish)
    standing = (await bills.standings(tx, [bill.id]))[bill.id]
    if standing.state is BillState.CORRECTED:
        raise NotDisputed(
            Cause.STATE, "it was corrected: dispute the bill in its place"
        )
    frozen = max(0, min(claimed, standing.outstanding - standing.disputed))
    of = _Of(bill.asset, claimed, bill=bill.id, frozen=frozen)
    made = await _made(tx, wish, of, now=now)
    if frozen:
        note = f"{WHY} {made.id}"
        act = BillAct(bill.id, Act.DISPUTED, frozen, now, f"member:{wish.member}", note)
        await bills.act(tx, [act])
    await _tell(tx, made, now=now)
    return made


async def open_trade(tx: Transaction, number: int, wish: Wish, *, now: int) -> Dispute:
    """Dispute a trade the member is a side of; once a key, once at a time. Raises NotDisputed."""
    trade = await trades.by_id(tx, number)
    if trade is None or wish.member not in (trade.seller, trade.buyer):
        raise NotDisputed(Cause.UNKNOWN, "there is no such trade of yours")
    whole = whole_of(trade)
    known = await _known(tx, wish, whole, trade=trade.id)
    if known is not None:
        return known
    _check_trade(trade, wish, now)
    claimed = whole if wish.amount is None else wish.amount
    if not 0 < claimed <= whole:
        raise NotDisputed(Cause.AMOUNT, f"this trade is of {whole} micro-units at most")
    if await store.where(
        tx, "trade_id = ? AND member_id = ? AND state = 'open'",
        (trade.id, wish.member), limit=1,
    ):  # fmt: skip
        raise NotDisputed(Cause.DISPUTED, "you dispute this trade already")
    held = trade.state is TradeState.HELD
    of = _Of(trade.asset, claimed, trade=trade.id, held=held)
    made = await _made(tx, wish, of, now=now)
    if made.held:
        entry = freeze_hold(
            made.freeze, trade.hold, why=WHY, reference=made.id.to_bytes(8)
        )
        (result,) = await ledger.post(tx, [entry], now=now)
        assert result.entered, result
    await _tell(tx, made, now=now)
    return made


def whole_of(trade: Trade) -> int:
    """Return the most that may be lost of a trade, micro-units: its Wh at the dearer price."""
    return cost(trade.wh, max(trade.terms.price, trade.terms.retail))


async def withdraw(tx: Transaction, number: int, member: int, *, now: int) -> Dispute:
    """End a dispute of the member's own; what it froze goes on. Raises NotDisputed."""
    found = await store.dispute(tx, number)
    if found.member != member:
        raise NotDisputed(Cause.UNKNOWN, "there is no such dispute of yours")
    if found.state is State.WITHDRAWN:
        return found
    if found.state is not State.OPEN:
        raise NotDisputed(Cause.STATE, f"it is {found.state.value} already")
    await release(tx, found, f"member:{member}", now=now)
    await store.end(tx, number, State.WITHDRAWN, now=now)
    ended = await store.dispute(tx, number)
    await _tell(tx, ended, now=now)
    return ended


async def release(tx: Transaction, found: Dispute, actor: str, *, now: int) -> None:
    """Unfreeze what a dispute froze, as far as it still is frozen."""
    if found.held:
        entry = thaw(transfer_id(found.id, "thaw"), found.freeze)
        (result,) = await ledger.post(tx, [entry], now=now)
        assert result.entered, result
    if found.bill is None or not found.frozen:
        return
    chain = await store.chain_of(tx, found.bill)
    standing = (await bills.standings(tx, chain[-1:]))[chain[-1]]
    # What was paid, or corrected away, meanwhile is disputed no more.
    left = standing.disputed - await store.frozen_of(tx, chain, but=found.id)
    amount = max(0, min(found.frozen, left))
    if amount:
        note = f"{WHY} {found.id}"
        act = BillAct(chain[-1], Act.RESOLVED, amount, now, actor, note)
        await bills.act(tx, [act])


async def _own_bill(tx: Transaction, number: str, member: int) -> BillRow:
    try:
        bill = await bills.bill(tx, number)
    except Unbilled:
        raise NotDisputed(Cause.UNKNOWN, "there is no such bill of yours") from None
    if bill.member != member:
        raise NotDisputed(Cause.UNKNOWN, "there is no such bill of yours")
    if bill.kind is not StatementKind.BILL:
        raise NotDisputed(
            Cause.STATE, "a credit note asks for nothing: dispute its bill"
        )
    return bill


async def _known(
    tx: Transaction,
    wish: Wish,
    whole: int,
    *,
    bill: int | None = None,
    trade: int | None = None,
) -> Dispute | None:
    """Return what the key was used for, if it was this very wish; raises KEY_USED.

    `whole` is what is claimed where neither an amount nor lines are named.
    """
    found = await store.by_key(tx, wish.member, wish.key)
    if found is None:
        if await store.open_of(tx, wish.member) >= MAX_OPEN:
            raise NotDisputed(
                Cause.FULL, f"{MAX_OPEN} disputes of yours wait: withdraw one"
            )
        return None
    same = (found.bill, found.trade, found.reason, found.evidence, found.lines) == (
        bill, trade, wish.reason, wish.evidence, wish.lines,
    )  # fmt: skip
    asked = whole if wish.amount is None else wish.amount
    same = same and (bool(wish.lines) or asked == found.claimed)
    if not same:
        raise NotDisputed(
            Cause.KEY_USED, "this idempotency key was used for another dispute"
        )
    return found


def _claimed(bill: BillRow, wish: Wish) -> int:
    """Return what of a bill is disputed; raises NotDisputed (AMOUNT)."""
    if bill.amount <= 0:
        raise NotDisputed(Cause.AMOUNT, "this bill asks for nothing")
    claimed = bill.amount if wish.amount is None else wish.amount
    if wish.lines:
        statement = read_statement(bill.document)
        lines = statement.lines
        if wish.amount is not None or max(wish.lines) > len(lines):
            raise NotDisputed(
                Cause.AMOUNT, f"name lines 1 to {len(lines)}, or an amount, not both"
            )
        chosen = sum(lines[place - 1].amount for place in set(wish.lines))
        claimed = micro(chosen, statement.minor)
    if not 0 < claimed <= bill.amount:
        raise NotDisputed(
            Cause.AMOUNT, f"dispute 1 to {bill.amount} micro-units of this bill"
        )
    return claimed


def _check_trade(trade: Trade, wish: Wish, now: int) -> None:
    if wish.lines:
        raise NotDisputed(Cause.AMOUNT, "a trade has no lines: name an amount")
    if trade.state not in (TradeState.HELD, TradeState.SETTLED):
        raise NotDisputed(Cause.STATE, f"this trade is {trade.state.value}")
    if now > trade.start + trade.length + TRADE_WINDOW_S:
        raise NotDisputed(Cause.TOO_LATE, "this trade is too old to be disputed here")


@dataclass(frozen=True, slots=True)
class _Of:
    """What a dispute is about, and what of it is frozen."""

    asset: Asset
    claimed: int
    bill: int | None = None
    trade: int | None = None
    frozen: int = 0
    held: bool = False


async def _made(tx: Transaction, wish: Wish, of: _Of, *, now: int) -> Dispute:
    made = Dispute(
        id=await store.next_id(tx), member=wish.member,
        subject=Subject.TRADE if of.bill is None else Subject.BILL, bill=of.bill,
        trade=of.trade, asset=of.asset, claimed=of.claimed, frozen=of.frozen,
        held=of.held, lines=wish.lines, reason=wish.reason, evidence=wish.evidence,
        state=State.OPEN, opened_at=now, decide_by=now + DECIDE_WITHIN_S, ended_at=None,
    )  # fmt: skip
    await store.add(tx, made, wish.key)
    return made


async def _tell(tx: Transaction, made: Dispute, *, now: int) -> None:
    body: dict[str, object] = {"dispute": made.id, "state": made.state.value}
    await tell(tx, [Told(made.member, WHY, body)], now=now)
