"""What else moves money and minted Wh on a trading day, and what members and network choose.

    await pay(days)           # an operator records a payment

Nothing here promises energy of a slot (`tradingwishes` does).
"""

from meterseal_aggregator.billing import payments
from meterseal_aggregator.billing.payments import Actor, Direction, Way
from meterseal_aggregator.market import agreement, stakes, standing, surplus
from meterseal_aggregator.market.listings import deal
from meterseal_aggregator.market.listings.model import HOUSE, Kind
from meterseal_aggregator.market.listings.model import Wish as Listing
from meterseal_aggregator.market.surplus import Choice
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import Change, ParameterRefused
from meterseal_aggregator.stacks.withdrawals import ask as leaving
from meterseal_aggregator.stacks.withdrawals.model import Moment, Place
from meterseal_aggregator.stacks.withdrawals.model import Way as Rail
from meterseal_aggregator.stacks.withdrawals.model import Wish as Leave
from meterseal_proto.units import EXPORT
from tests.support.energychain import wallet
from tests.support.tradingdays import (
    ADA,
    BO,
    CLEO,
    MEMBERS,
    WH,
    Days,
)
from tests.support.tradinglaws import answers_for_nothing, kept_back, left_unsold
from tests.support.withdrawing import TELLER


async def pay(days: Days) -> None:
    """An operator records what a member or a purse was paid, or paid."""
    chance = days.chance
    account = chance.choice((*MEMBERS, *payments.Purse))
    into = Direction.IN if chance.random() < 0.8 else Direction.OUT
    receipt = f"R{chance.randrange(2)}" if chance.random() < 0.2 else ""
    await pay_in_or_out(days, account, into, chance.randrange(1, 300_000), receipt)


async def pay_in_or_out(
    days: Days,
    account: int | payments.Purse,
    into: Direction,
    micro: int,
    receipt: str = "",
) -> None:
    key = days.key()
    wish = payments.Wish(account, into, micro, Way.CASH, receipt or key, key)
    by, now = Actor("test", days.now), days.now
    await days.wish("pay", lambda tx: payments.record(tx, wish, by, now=now), key=key)


async def put_up_stake(days: Days) -> None:
    """A seller stakes, or takes back."""
    chance, now = days.chance, days.now
    wish = stakes.Wish(
        chance.choice((ADA, BO, CLEO)), chance.randrange(1, 60_000), days.key()
    )
    into = chance.random() < 0.6
    move = stakes.stake_in if into else stakes.release
    kind = "stake" if into else "unstake"
    done = await days.wish(kind, lambda tx: move(tx, wish, now=now), key=wish.key)
    if done and not into:
        await answers_for_nothing(days, wish.member)


async def declare(days: Days) -> None:
    """A member says what he makes a month."""
    who, now = days.chance.choice((ADA, BO, CLEO)), days.now
    wh = days.chance.choice((8_000, 40_000, 1_000_000, 1_000_000))
    await days.wish("declare", lambda tx: standing.declare(tx, who, wh, now=now))


async def choose(days: Days) -> None:
    """A producer chooses what becomes of what he does not sell."""
    who, choice, now = (
        days.chance.choice((ADA, BO)),
        days.chance.choice([*Choice]),
        days.now,
    )
    await days.wish("choose", lambda tx: surplus.choose(tx, who, choice, now))


async def agree(days: Days) -> None:
    """The network agrees on another fee or price from the next second on."""
    name, values = days.chance.choice(
        (
            (Name.MARKET_FEE_MICRO, (0, 3_000, 20_000, 130_000)),
            (Name.RETAIL_PRICE_MICRO, (250_000, 240_000, 140_000, 70_000)),
            (Name.LISTED_PRICE_MICRO, (150_000, 90_000)),
        )
    )
    days.now += 1
    wish = Change(name, days.chance.choice(values), days.now, days.now, "test")
    try:
        await days.wish("agree", lambda tx: agreement.change(tx, wish))
    except ParameterRefused:
        # It was recorded when the power went, and has no key.
        days.met["agree", "recorded before"] += 1


async def lane_c(days: Days) -> None:
    """A member puts minted Wh up for sale, takes them back, buys or gives back."""
    chance, now = days.chance, days.now
    (kind,) = chance.choices([*Kind], (4, 1, 4, 2))
    who = chance.choice((ADA, BO) if kind in (Kind.ADD, Kind.REMOVE) else MEMBERS)
    seller, wh, bound = who, chance.choice(WH), 0
    if kind is Kind.BUY:
        found = await days.some("SELECT seller, wh FROM listings WHERE wh > 0")
        seller, left = found or (HOUSE, 1)
        wh = chance.choice((wh, left, left // 2 + 1))
        bound = chance.choice((1_000, 1 << 40, 1 << 40, 1 << 40))
    elif kind is Kind.REFUND:
        found = await days.some("SELECT member_id, wh FROM listing_buyers WHERE wh > 0")
        who, wh = found or (who, wh)
        seller, bound = HOUSE, chance.choice((0, 0, 1 << 40))
    wish = Listing(kind, who, seller, wh, bound, days.key())
    done = await days.wish(
        f"list-{kind.value}", lambda tx: deal.do(tx, wish, now=now), key=wish.key
    )
    if done and kind is Kind.ADD:
        await kept_back(days, who)


async def leave(days: Days) -> None:
    """A member asks for Wh on the chain."""
    chance, moment = days.chance, Moment(days.now, days.now)
    point = chance.choice(days.points[:3])
    wish = Leave(
        point.member, days.key(), Place(point.number, EXPORT), chance.choice(WH),
        wallet(point.member), chance.choice((Rail.DIRECT, Rail.EPOCH, None)),
    )  # fmt: skip
    done = await days.wish(
        "leave", lambda tx: leaving.withdraw(tx, TELLER, wish, moment), key=wish.key
    )
    if done:
        await kept_back(days, point.member)
        await left_unsold(days)
