"""Tariffs that a history's utility has: drawn by chance, each version another."""

from dataclasses import replace
from random import Random
from typing import Final

from meterseal_proto.rating.components import (
    Bank,
    Base,
    Block,
    Calendar,
    Component,
    Count,
    Demand,
    Export,
    Fixed,
    Flat,
    FreeQuota,
    LimitPer,
    Milli,
    Minimum,
    Minor,
    NetMetering,
    Netting,
    PayoutOf,
    Per,
    PeriodTiers,
    Price,
    Proration,
    QuotaRule,
    Share,
    ShareKind,
    SpanOf,
    Tier,
    Wheeling,
)
from meterseal_proto.rating.tariff import Commodity, Cycle, FullTariff, Rule, Split
from meterseal_proto.rating.terms import Terms
from tests.support.billinghouse import CLOCKED, DAY_AND_NIGHT
from tests.support.billingmeters import HOUR
from tests.support.marketplace import XTS

CODES: Final = ("home", "tiers", "clock")
ZONES: Final = (
    "UTC", "Europe/Berlin", "Africa/Nairobi", "America/New_York", "Asia/Kolkata",
)  # fmt: skip
HALVES: Final = replace(
    DAY_AND_NIGHT,
    windows=tuple(
        replace(one, begin=begin, end=end)
        for one, begin, end in zip(
            DAY_AND_NIGHT.windows,
            ("00:00", "06:30", "21:30"),
            ("06:30", "21:30", "24:00"),
            strict=True,
        )
    ),
)
"""The same clock where hours of meters begin at half past."""
FEE: Final = Fixed("standing charge", Price(6_000_000), Per.MONTH, Proration.DAYS)


def a_tariff(
    chance: Random, code: str, zone: str, valid_from: int, cycle: Cycle
) -> FullTariff:
    """Draw a version of a code."""
    energy: Component = Flat("energy", Price(chance.randrange(200_000, 400_000)))
    if code == "clock":
        energy = CLOCKED
    elif code == "tiers":
        low, high = Price(chance.randrange(100_000, 200_000)), Price(390_000)
        tiers = (Tier(low, Milli(chance.choice((5_000, 60_000)))), Tier(high))
        energy = Block("energy", tiers)
    vat = Share("vat", ShareKind.TAX, Price(190_000), Base.EXACT, ("energy", FEE.name))
    lines = Wheeling("lines", Price(50_000))
    split = Split.CARRIED if chance.random() < 0.4 else Split.PROPORTION
    return FullTariff(
        code, XTS, zone, valid_from, Commodity.ELECTRICITY,
        (energy, FEE, lines, _given(chance, code), *_more(chance), vat), Rule.HALF_EVEN, split,
        cycle=cycle,
        calendars=(_clock(zone),) if code == "clock" else (), terms=_terms(chance),
    )  # fmt: skip


def _clock(zone: str) -> Calendar:
    return HALVES if zone == "Asia/Kolkata" else DAY_AND_NIGHT


def _given(chance: Random, code: str) -> Component:
    """What is done with export: credited, or netted with a bank that a year ends."""
    if chance.random() < 0.7:
        netting = chance.choice((Netting.REGISTER, Netting.REGISTER, Netting.SLOT))
        return Export("feed-in", netting, Price(chance.choice((80_000, 900_000))))
    bank, calendar = Bank.ONE, ""
    if code == "clock":
        bank, calendar = Bank.PER_PERIOD, DAY_AND_NIGHT.name
    ends = Count(chance.choice((2, 3, 10, 12)))
    return NetMetering(
        "bank", bank, ends, Price(60_000), chance.choice(list(PayoutOf)), calendar
    )


def _more(chance: Random) -> list[Component]:
    """A minimum, a charge for power, by the day, or units that are free; or none of them."""
    more: list[Component] = []
    if chance.random() < 0.4:
        span = chance.choice((SpanOf.CYCLE, SpanOf.YEAR))
        amount = Price(chance.choice((20_000_000, 200_000_000)))
        more.append(Minimum("minimum", amount, span, Base.EXACT, ("energy",)))
    if chance.random() < 0.2:
        tiers = (Tier(Price(90_000), Milli(1_000)), Tier(Price(400_000)))
        proration = chance.choice((Proration.DAYS, Proration.WHOLE))
        rows = (PeriodTiers("", tiers),)
        more.append(Demand("power", Count(HOUR), proration, rows))
    if chance.random() < 0.2:
        per = chance.choice((Per.DAY, Per.EVEN_DAY, Per.MONTH))
        proration = chance.choice((Proration.DAYS, Proration.WHOLE, Proration.BEGIN))
        more.append(
            Fixed("fund", Price(chance.choice((30_000, 700_000))), per, proration)
        )
    if chance.random() < 0.2:
        free = Milli(chance.choice((1_000, 30_000)))
        more.append(FreeQuota("free", "energy", free, LimitPer.CYCLE, QuotaRule.MEAN))
    return more


def _terms(chance: Random) -> Terms:
    return Terms(
        due_days=Count(chance.choice((2, 14))),
        grace_days=Count(chance.choice((0, 3))),
        late_fee=Minor(chance.choice((0, 100))),
        late_bp=Count(chance.choice((0, 150))),
        reward_bp=Count(chance.choice((0, 200))),
        arrears_bp=Count(chance.choice((0, 4_000, 10_000))),
    )
