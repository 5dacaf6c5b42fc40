"""What happens in a billing history with money: payments, plans, disputes, corrections, ends.

await pay(years)          # an operator records a payment
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Final

from meterseal_aggregator.billing import payments
from meterseal_aggregator.billing.payments import Actor, Direction, Purse, Towards, Way
from meterseal_aggregator.billing.receivables import pay as paying
from meterseal_aggregator.billing.receivables import plans, quotes
from meterseal_aggregator.billing.receivables.model import Receipt
from meterseal_aggregator.billing.receivables.model import Wish as PayWish
from meterseal_aggregator.billing.receivables.plans import Instalment
from meterseal_aggregator.billing.receivables.refunds import check_refund
from meterseal_aggregator.billing.receivables.topup import take_in
from meterseal_aggregator.billing.statements import affected
from meterseal_aggregator.billing.statements.correct import Why
from meterseal_aggregator.billing.statements.draft import Moment
from meterseal_aggregator.disputes import decide as deciding
from meterseal_aggregator.disputes import open as opening
from meterseal_aggregator.disputes import store as disputes
from meterseal_aggregator.disputes.model import Decision, Remedy, State
from meterseal_aggregator.disputes.model import Wish as Claim
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.storage.database import Transaction
from tests.support.billingyears import DAY, NETWORK, STX, Years
from tests.support.marketplace import XTS

Step = Callable[[Years], Awaitable[None]]
_OPEN: Final = """
SELECT b.number, b.member_id,
  b.amount + s.late_fees + s.given - s.paid AS owed, b.amount
FROM bills b JOIN bill_standings s ON s.bill_id = b.id
WHERE s.state NOT IN ('corrected', 'paid') AND b.amount > 0
"""
_ANY: Final = "SELECT number, member_id, amount FROM bills"


async def record(years: Years, kind: str, wish: payments.Wish) -> None:
    """Record a payment, with all that an operator's page does besides."""
    by, now = Actor("test", years.now), years.now

    async def deed(tx: Transaction) -> tuple[payments.Payment, Receipt | None]:
        made = await payments.record(tx, wish, by, now=now)
        await check_refund(tx, made, now=now)
        return made, await take_in(tx, made, now=now)

    await years.wish(kind, deed, again=True)


async def pay(years: Years) -> None:
    """A member pays what a bill asks, a part of it, or more; or just some money."""
    chance, key = years.chance, years.key()
    found = await years.some(_OPEN)
    if found is None or chance.random() < 0.2:
        member = chance.choice(years.members)
        amount = chance.choice((1, 5_000_000, 60_000_000))
        wish = payments.Wish(member, Direction.IN, amount, Way.CASH, key, key)
        await record(years, "pay-in", wish)
        return
    number, member, owed, _ = found
    amount = max(1, chance.choice((owed, owed, owed // 3, owed + 3_000_000, 7)))
    bill = number if chance.random() < 0.6 else ""
    towards = chance.choice((Towards.BILLS, Towards.BILLS, Towards.BALANCE))
    if towards is Towards.BALANCE:
        bill = ""
    wish = payments.Wish(
        member, Direction.IN, amount, Way.BANK, key, key, None, towards, bill
    )
    await record(years, "pay-bills", wish)


async def save(years: Years) -> None:
    """Give members some money to begin with."""
    for member in years.members:
        key, micro = years.key(), years.chance.choice((1, 900_000, 200_000_000))
        wish = payments.Wish(member, Direction.IN, micro, Way.CASH, key, key)
        await record(years, "pay-in", wish)


async def fill_pool(years: Years) -> None:
    """Tokens for rewards come in, or money for a purse."""
    chance, key = years.chance, years.key()
    purse, asset = chance.choice(
        ((Purse.REWARD_POOL, Asset("MSU")), (Purse.MUTUAL_FUND, XTS))
    )
    amount = chance.choice((100_000, 90_000_000))
    wish = payments.Wish(purse, Direction.IN, amount, Way.CASH, key, key, asset)
    await record(years, "fill", wish)


async def refund(years: Years) -> None:
    """Money goes out again: for a bill, or without a word."""
    chance, key = years.chance, years.key()
    found = await years.some(_ANY)
    member, bill = chance.choice(years.members), ""
    amount = chance.choice((1, 900_000, 20_000_000))
    if found is not None and chance.random() < 0.8:
        bill, member = found[0], found[1]
    wish = payments.Wish(
        member, Direction.OUT, amount, Way.CASH, key, key, XTS, bill=bill
    )
    await record(years, "refund", wish)


async def pay_from_balance(years: Years) -> None:
    """A member pays from his balance, in the bill's money or by a quote."""
    chance, now = years.chance, years.now
    found = await years.some(_OPEN)
    if found is None:
        return
    number, member, owed, _ = found
    quote = None
    if chance.random() < 0.3:
        key = years.key()
        rate = chance.choice((3, 61_500_007))
        wanted = quotes.QuoteWish(STX, XTS, rate, now + DAY, key)
        made = await years.wish(
            "quote",
            lambda tx: quotes.make(tx, wanted, Actor("test", now), now=now),
            again=True,
        )
        quote = made.id if made else None
        coins = payments.Wish(
            member, Direction.IN, chance.choice((9, 900_000)), Way.CASH, key, key, STX
        )
        await record(years, "pay-in", coins)
    amount = max(1, chance.choice((owed, owed // 2, owed + 5, 900_000)))
    wish = PayWish(
        member, amount, years.key(), None,
        number if chance.random() < 0.5 else "", quote,
    )  # fmt: skip
    await years.wish("pay", lambda tx: paying.pay(tx, wish, now=now), again=True)


async def plan(years: Years) -> None:
    """A member agrees on instalments of all he owes."""
    now, chance = years.now, years.chance
    found = await years.some(_OPEN)
    if found is None:
        return
    ((owed,),) = await years.rows(
        "SELECT sum(max(0, b.amount + s.late_fees + s.given - s.paid - s.disputed))"
        " FROM bills b JOIN bill_standings s ON s.bill_id = b.id"
        " WHERE s.state <> 'corrected' AND b.member_id = ?", found[1],
    )  # fmt: skip
    if owed < 2:
        return
    gap = chance.choice((2, 20)) * DAY
    dates = (
        Instalment(now + gap, owed // 2),
        Instalment(now + 2 * gap, owed - owed // 2),
    )
    terms = plans.Terms(found[1], XTS, dates, years.key())
    by = Actor("test", now)
    await years.wish("plan", lambda tx: plans.agree(tx, terms, by, now=now), again=True)


async def dispute(years: Years) -> None:
    """A member disputes a bill, all of it or a part, or a trade."""
    chance, now = years.chance, years.now
    if chance.random() < 0.25:
        found = await years.some("SELECT id, buyer_id FROM trades")
        if found:
            trade, buyer = found
            claim = Claim(buyer, "never came", years.key())
            await years.wish(
                "dispute-trade",
                lambda tx: opening.open_trade(tx, trade, claim, now=now),
                again=True,
            )
        return
    found = await years.some(_ANY)
    if found is None:
        return
    number, member, amount = found
    claim = Claim(member, "too much", years.key())
    how = chance.randrange(3)
    if how == 0 and amount > 0:
        claim = replace(claim, amount=chance.randrange(1, amount + 1))
    elif how == 1:
        claim = replace(claim, lines=(1,))
    await years.wish(
        "dispute", lambda tx: opening.open_bill(tx, number, claim, now=now), again=True
    )


async def end_dispute(years: Years) -> None:
    """A dispute is withdrawn or decided, one way or another."""
    chance, now = years.chance, years.now
    found = await years.some(
        "SELECT id, member_id, claimed FROM disputes WHERE state = 'open'"
    )
    if found is None:
        return
    number, member, claimed = found
    if chance.random() < 0.3:
        await years.wish(
            "withdraw",
            lambda tx: opening.withdraw(tx, number, member, now=now),
            again=True,
        )
        return
    verdict, amount = chance.choice(
        (
            (State.REJECTED, 0),
            (State.UPHELD, claimed),
            (State.PART_UPHELD, max(1, claimed // 2)),
        )
    )
    remedy = chance.choice((Remedy.CREDIT, Remedy.CREDIT, Remedy.CORRECTION))
    if verdict is State.REJECTED:
        remedy = Remedy.NONE
    await _decide(years, number, Decision(verdict, remedy, amount, "test", "so it is"))


async def _decide(years: Years, number: int, made: Decision) -> None:
    now = years.now

    async def deed(tx: Transaction) -> bool:
        await deciding.decide(tx, number, made, now=now, real_now=now)
        return True

    await years.wish("decide", deed)


async def end_disputes(years: Years) -> None:
    """Reject every dispute that is open."""
    for (number,) in await years.rows("SELECT id FROM disputes WHERE state = 'open'"):
        made = Decision(State.REJECTED, Remedy.NONE, 0, "test", "so it is")
        await _decide(years, number, made)
    async with years.database.reading() as tx:
        assert not await disputes.where(tx, "state = ?", ("open",), limit=1)


async def correct(years: Years) -> None:
    """An operator has a bill rated again now."""
    found = await years.some(_ANY)
    if found is None:
        return
    moment = Moment.of(NETWORK, years.now)

    async def deed(tx: Transaction) -> bool:
        made = await affected.correct_now(tx, found[0], moment, Why("test", "asked"))
        return made is not None

    await years.wish("correct-now", deed)


STEPS: Final[Mapping[str, tuple[int, Step]]] = {
    "pay": (9, pay), "fill": (1, fill_pool), "refund": (2, refund),
    "balance": (4, pay_from_balance), "plan": (2, plan), "dispute": (4, dispute),
    "end-dispute": (2, end_dispute), "correct-now": (1, correct),
}  # fmt: skip
