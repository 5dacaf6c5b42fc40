"""A tariff in full as the contract computes it: of a period's total, in micro-units.

    on_totals(tariff)      # the same prices; ValueError names what the contract has not

The contract knows one price, blocks or a lifeline, and a charge per day (SETTLED 26). What
a bill asks must never be more than it gives for the usage, so each line has to be rounded
down. Pure. This module must never leave a component out.
"""

from meterseal_proto.rating.components import (
    Block,
    Component,
    Fixed,
    Flat,
    Lifeline,
    LifelineRule,
    LimitPer,
    Per,
    Tier,
)
from meterseal_proto.rating.hidden import MICRO_DIGITS
from meterseal_proto.rating.tariff import FullTariff, Rule
from meterseal_proto.tariff import MicroPerKwh
from meterseal_proto.totalstariff import UNLIMITED, Kind, TotalsTariff
from meterseal_proto.totalstariff import Block as ChainBlock


def on_totals(tariff: FullTariff, begin: int) -> TotalsTariff:
    """Return the tariff that holds on the chain from Unix second `begin` on.

    ValueError names what the contract cannot compute.
    """
    daily, priced = 0, []
    for one in tariff.components:
        if isinstance(one, Fixed) and one.per is Per.DAY:
            daily += _micro(tariff, one.price)
        else:
            priced.append(_usage(tariff, one))
    if len(priced) != 1:
        raise ValueError(f"{tariff.id}: the contract prices usage by one component")
    step = tariff.total_rounding
    if tariff.rounding is not Rule.DOWN or (step and step.rule is not Rule.DOWN):
        raise ValueError(
            f"{tariff.id}: round each line down, for the contract lets no bill be above"
            " the exact amount"
        )
    kind, blocks = priced[0]
    return TotalsTariff(
        tariff.id, tariff.currency, tariff.zone, begin, kind, blocks, daily
    )


def _usage(tariff: FullTariff, one: Component) -> tuple[Kind, tuple[ChainBlock, ...]]:
    match one:
        case Flat(price=price):
            return Kind.FLAT, (_block(tariff, UNLIMITED, price),)
        case Block(tiers=tiers, per=LimitPer.CYCLE) if not any(t.entry for t in tiers):
            blocks = tuple(_tier(tariff, tier) for tier in tiers)
            return (Kind.BLOCK if len(blocks) > 1 else Kind.FLAT), blocks
        case Lifeline(rule=LifelineRule.TELESCOPIC):
            return Kind.BLOCK, _lifeline(tariff, one)
        case Lifeline(rule=LifelineRule.ELIGIBILITY):
            return Kind.LIFELINE, _lifeline(tariff, one)
    raise ValueError(
        f"component {one.name!r}: the contract computes a price, blocks a month or a"
        " lifeline, and charges per day; bill it on the ledger's rail"
    )


def _lifeline(tariff: FullTariff, one: Lifeline) -> tuple[ChainBlock, ...]:
    low, high = (one.limit, one.price), (UNLIMITED, one.above)
    return tuple(_block(tariff, *row) for row in (low, high))


def _tier(tariff: FullTariff, tier: Tier) -> ChainBlock:
    return _block(tariff, UNLIMITED if tier.to is None else tier.to, tier.price)


def _block(tariff: FullTariff, upto: int, price: int) -> ChainBlock:
    return ChainBlock(upto, MicroPerKwh(_micro(tariff, price)))


def _micro(tariff: FullTariff, price: int) -> int:
    whole, rest = divmod(price * 10**MICRO_DIGITS, 10**tariff.digits)
    if rest:
        raise ValueError(f"{tariff.id}: a price is no whole number of micro-units")
    return int(whole)
