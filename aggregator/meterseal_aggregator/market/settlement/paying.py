"""What a run of a trade posts: one chain of entries, and where each micro-unit of it goes.

    outcome = settle(purse, Look(trade, Run.FIRST, metered_wh=400, more_wh=400))

The first run posts the buyer's hold as far as he is delivered, shares it between seller,
house and lines, moves the Wh, and pays what the rest costs him elsewhere from the seller's
stake and then the mutual fund. A later run delivers and charges only what is more: from
what the buyer has, and the rest becomes his arrears. He gives back what he was paid for Wh
that now came after all, to the fund first, which paid last. What a dispute credited him of a
loss that nothing else covered is not compensated again; a decision itself stands. What is
less takes nothing from anybody. Pure. This module must never take Wh back from a buyer.
"""

from dataclasses import dataclass, field
from typing import Final

from meterseal_aggregator.ledger.accounts import (
    FEE,
    MUTUAL_FUND,
    WHEELING,
    arrears,
    buyer,
    producer,
    stake,
    user,
)
from meterseal_aggregator.ledger.model import (
    WH,
    AccountCode,
    Asset,
    Phase,
    Transfer,
    TransferId,
    linked,
)
from meterseal_aggregator.market.delivery import Payment, payment
from meterseal_aggregator.market.model import Trade, TradeState, transfer_id
from meterseal_aggregator.market.settlement.model import Covered, Outcome, TradeRun
from meterseal_aggregator.market.settlement.purse import Purse
from meterseal_aggregator.market.settlement.runs import Run

_NONE: Final = Payment(held=0, seller=0, fee=0, losses=0, returned=0, owed=0)


@dataclass(frozen=True, slots=True)
class Look:
    """A trade that a run looks at: its share of the export, and what is delivered now.

    `covered` is what the buyer was compensated with and credited before; `energy` tells that the Wh are
    in accounts (a mock's are not).
    """

    trade: Trade
    run: Run
    metered_wh: int
    more_wh: int
    covered: Covered = field(default_factory=Covered)
    energy: bool = True


@dataclass(slots=True)
class _Legs:
    """The entries of one trade's run, in order, none of them of nothing."""

    look: Look
    chain: list[Transfer] = field(default_factory=list)

    def move(
        self,
        why: str,
        debit: AccountCode,
        credit: AccountCode,
        amount: int,
        asset: Asset,
    ) -> None:
        if not amount:
            return
        trade = self.look.trade
        self.chain.append(
            Transfer(
                id=self._id(why),
                amount=amount,
                debit=debit,
                credit=credit,
                purpose=why,
                asset=asset,
                effective_at=trade.start + trade.length,
                reference=trade.id.to_bytes(8),
            )
        )

    def pay(
        self, why: str, debit: AccountCode, credit: AccountCode, amount: int
    ) -> None:
        self.move(why, debit, credit, amount, self.look.trade.asset)

    def end_hold(self, amount: int) -> None:
        """Post what is paid and release the rest; nothing paid releases all of it."""
        trade = self.look.trade
        self.chain.append(
            Transfer(
                id=self._id("hold"),
                amount=amount,
                asset=Asset(""),
                effective_at=trade.start + trade.length,
                phase=Phase.POST if amount else Phase.VOID,
                pending_id=trade.hold,
            )
        )

    def _id(self, why: str) -> TransferId:
        return transfer_id("trade", self.look.trade.id, int(self.look.run), why)


def settle(purse: Purse, look: Look) -> Outcome:
    """Return a trade's run; the purse then holds what it leaves.

    The caller sees to it that the producer holds `more_wh` where there is energy.
    """
    trade, legs = look.trade, _Legs(look)
    delivered = trade.delivered_wh + look.more_wh
    after = payment(trade.terms, trade.wh, delivered)
    before = _NONE
    if trade.state is not TradeState.HELD:
        before = payment(trade.terms, trade.wh, trade.delivered_wh)
    arrears = _collect(purse, legs, before, after)
    _share(purse, legs, before, after)
    if look.energy:
        given = purse.take(WH, producer(trade.seller), look.more_wh)
        legs.move("delivery", producer(trade.seller), buyer(trade.buyer), given, WH)
    loss = after.owed - _credited(look, before, after)
    covered, owing = _cover(purse, legs, max(0, loss))
    found = TradeRun(
        trade=trade,
        run=look.run,
        metered_wh=look.metered_wh,
        delivered_wh=delivered,
        paid=_paid(after) - _paid(before),
        to_seller=after.seller - before.seller,
        fee=after.fee - before.fee,
        losses=after.losses - before.losses,
        from_stake=covered.stake - look.covered.stake,
        from_fund=covered.fund - look.covered.fund,
        uncovered=_uncovered(after, covered) - _uncovered(before, look.covered),
        arrears=arrears + owing,
    )
    return Outcome(found, linked(legs.chain))


def _paid(one: Payment) -> int:
    return one.held - one.returned


def _uncovered(one: Payment, covered: Covered) -> int:
    return one.owed - covered.stake - covered.fund


def _credited(look: Look, before: Payment, after: Payment) -> int:
    """Return what disputes credited of the loss itself: of what nobody had covered.

    A credit beyond that made good something else.
    """
    open_ = after.owed
    if look.trade.state is not TradeState.HELD:
        open_ = _uncovered(before, look.covered)
    return min(look.covered.credited, open_)


def _collect(purse: Purse, legs: _Legs, before: Payment, after: Payment) -> int:
    """Bring what is paid into the trade's escrow; returns what becomes arrears."""
    trade = legs.look.trade
    paid = _paid(after) - _paid(before)
    if trade.state is TradeState.HELD:
        legs.end_hold(paid)
        purse.give(trade.asset, user(trade.buyer), after.returned)
        return 0
    return _from_buyer(purse, legs, "pay", trade.escrow, paid)


def _share(purse: Purse, legs: _Legs, before: Payment, after: Payment) -> None:
    """Share the escrow between the seller, the house and the lines' owner."""
    trade = legs.look.trade
    seller = after.seller - before.seller
    legs.pay("sale", trade.escrow, user(trade.seller), seller)
    legs.pay("market-fee", trade.escrow, FEE, after.fee - before.fee)
    legs.pay("wheeling", trade.escrow, WHEELING, after.losses - before.losses)
    purse.give(trade.asset, user(trade.seller), seller)


def _cover(purse: Purse, legs: _Legs, loss: int) -> tuple[Covered, int]:
    """Compensate the shortfall's cost, or take back what was too much of it.

    Returns what the buyer has been given altogether, and what of it he now owes.
    """
    trade, had = legs.look.trade, legs.look.covered
    asset, staked, theirs = trade.asset, stake(trade.seller), user(trade.buyer)
    if trade.state is TradeState.HELD:
        from_stake = purse.take(asset, staked, loss)
        from_fund = purse.take(asset, MUTUAL_FUND, loss - from_stake)
        legs.pay("compensation", staked, theirs, from_stake)
        legs.pay("compensation-fund", MUTUAL_FUND, theirs, from_fund)
        purse.give(asset, theirs, from_stake + from_fund)
        return Covered(from_stake, from_fund), 0
    now = Covered(stake=min(had.stake, loss))
    now = Covered(now.stake, min(had.fund, loss - now.stake))
    owing = _from_buyer(purse, legs, "return-fund", MUTUAL_FUND, had.fund - now.fund)
    purse.give(asset, MUTUAL_FUND, had.fund - now.fund)
    owing += _from_buyer(purse, legs, "return-stake", staked, had.stake - now.stake)
    purse.give(asset, staked, had.stake - now.stake)
    return now, owing


def _from_buyer(
    purse: Purse, legs: _Legs, why: str, to: AccountCode, amount: int
) -> int:
    """Take an amount from the buyer's money, the rest as arrears; returns the rest."""
    trade = legs.look.trade
    own = purse.take(trade.asset, user(trade.buyer), amount)
    legs.pay(why, user(trade.buyer), to, own)
    owed = arrears(trade.buyer)
    legs.pay(f"{why}-owed", owed, to, amount - own)
    return amount - own
