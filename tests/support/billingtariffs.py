"""Tariffs that a history's utility has: drawn by chance, each version another."""

from random import Random
from typing import Final

from meterseal_proto.rating.components import (
    Base,
    Block,
    Component,
    Count,
    Export,
    Fixed,
    Flat,
    Milli,
    Minimum,
    Minor,
    Netting,
    Per,
    Price,
    Proration,
    Share,
    ShareKind,
    SpanOf,
    Tier,
    Wheeling,
)
from meterseal_proto.rating.tariff import Commodity, Cycle, FullTariff, Rule, Split
from meterseal_proto.rating.terms import Terms
from tests.support.billinghouse import CLOCKED, DAY_AND_NIGHT
from tests.support.marketplace import XTS

CODES: Final = ("home", "tiers", "clock")
FEE: Final = Fixed("standing charge", Price(6_000_000), Per.MONTH, Proration.DAYS)


def a_tariff(
    chance: Random, code: str, zone: str, valid_from: int, cycle: Cycle
) -> FullTariff:
    """Draw a version of a code, whose versions all have one cycle."""
    energy: Component = Flat("energy", Price(chance.randrange(200_000, 400_000)))
    if code == "clock":
        energy = CLOCKED
    elif code == "tiers":
        low, high = Price(chance.randrange(100_000, 200_000)), Price(390_000)
        tiers = (Tier(low, Milli(chance.choice((5_000, 60_000)))), Tier(high))
        energy = Block("energy", tiers)
    more: list[Component] = []
    if chance.random() < 0.4:
        span = chance.choice((SpanOf.CYCLE, SpanOf.YEAR))
        amount = Price(chance.choice((20_000_000, 200_000_000)))
        more.append(Minimum("minimum", amount, span, Base.EXACT, ("energy",)))
    vat = Share("vat", ShareKind.TAX, Price(190_000), Base.EXACT, ("energy", FEE.name))
    lines = Wheeling("lines", Price(50_000))
    fed = Export("feed-in", Netting.REGISTER, Price(chance.choice((80_000, 900_000))))
    split = Split.CARRIED if chance.random() < 0.4 else Split.PROPORTION
    return FullTariff(
        code, XTS, zone, valid_from, Commodity.ELECTRICITY,
        (energy, FEE, lines, fed, *more, vat), Rule.HALF_EVEN, split,
        cycle=cycle,
        calendars=(DAY_AND_NIGHT,) if code == "clock" else (), terms=_terms(chance),
    )  # fmt: skip


def _terms(chance: Random) -> Terms:
    return Terms(
        due_days=Count(chance.choice((2, 14))),
        grace_days=Count(chance.choice((0, 3))),
        late_fee=Minor(chance.choice((0, 100))),
        late_bp=Count(chance.choice((0, 150))),
        reward_bp=Count(chance.choice((0, 200))),
        arrears_bp=Count(chance.choice((0, 4_000, 10_000))),
    )
