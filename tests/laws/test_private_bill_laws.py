"""What is billed of opened sums is what is billed of the usage itself, whatever the tariff."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from meterseal_aggregator.billing.chain.totals import on_totals
from meterseal_aggregator.billing.model import Refused
from meterseal_aggregator.billing.private.draft import check
from meterseal_proto.rating.calendar import Unrateable
from meterseal_proto.rating.components import (
    Allocation,
    Base,
    Block,
    Calendar,
    Component,
    Count,
    Fixed,
    Flat,
    Levy,
    Lifeline,
    LifelineRule,
    Losses,
    Milli,
    On,
    Per,
    PeriodPrice,
    PeriodTiers,
    Price,
    Proration,
    Share,
    ShareKind,
    SignedPrice,
    Slab,
    Tier,
    TierCounter,
    TieredTimeOfUse,
    TimeOfUse,
    Wheeling,
    Window,
)
from meterseal_proto.rating.hidden import Plan, Reading, plan_of
from meterseal_proto.rating.line import Line, LineKind
from meterseal_proto.rating.load import Load, Period
from meterseal_proto.rating.opened import OpenedPeriod, rate_opened
from meterseal_proto.rating.price import rate
from meterseal_proto.rating.statement import Rail, Segment, Statement, StatementKind
from meterseal_proto.rating.tariff import Commodity, FullTariff, Rule, Split

ZONE = ZoneInfo("Europe/Madrid")
LOCAL = partial(datetime.fromtimestamp, tz=ZONE)
STEP = 3_600
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
prices = st.integers(0, 3_000_000).map(Price)
limits = st.integers(1, 400_000).map(Milli)


def calendar(begin: int, end: int) -> Calendar:
    """Day from one hour to another of weekdays, night else."""
    work, rest = WEEK[:5], WEEK[5:]
    hours = f"{begin:02}:00", f"{end:02}:00"
    return Calendar(
        "dn",
        (
            Window("day", work, *hours),
            Window("night", work, "00:00", hours[0]),
            Window("night", work, hours[1], "24:00"),
            Window("night", rest),
        ),
    )


@st.composite
def tiers(draw: st.DrawFn) -> tuple[Tier, ...]:
    ends = sorted(draw(st.sets(limits, max_size=3)))
    found = [Tier(draw(prices), Milli(end)) for end in ends]
    return (*found, Tier(draw(prices)))


@st.composite
def on_usage(draw: st.DrawFn) -> Component:
    """A component whose price of a usage needs no single interval."""
    match draw(st.integers(0, 5)):
        case 0:
            return Flat("energy", draw(prices))
        case 1:
            return Block("energy", draw(tiers()))
        case 2:
            return Slab("energy", draw(tiers()))
        case 3:
            rule = draw(st.sampled_from(LifelineRule))
            return Lifeline("energy", rule, draw(limits), draw(prices), draw(prices))
        case 4:
            rows = (
                PeriodPrice("day", draw(prices)),
                PeriodPrice("night", draw(prices)),
            )
            return TimeOfUse("energy", "dn", rows)
    rows_ = tuple(PeriodTiers(name, draw(tiers())) for name in ("day", "night"))
    if len({tuple(t.to for t in row.tiers) for row in rows_}) > 1:
        rows_ = tuple(replace(row, tiers=rows_[0].tiers) for row in rows_)
    counter = draw(st.sampled_from(TierCounter))
    return TieredTimeOfUse("energy", "dn", counter, Allocation.PROPORTIONAL, rows_)


@st.composite
def tariffs(draw: st.DrawFn) -> FullTariff:
    """One energy component, and what stands beside it on a bill."""
    energy = draw(on_usage())
    beside: list[Component] = [
        Fixed("standing", draw(prices), Per.DAY, Proration.DAYS),
        Share("vat", ShareKind.TAX, draw(prices), Base.EXACT, ("energy", "standing")),
    ]
    if draw(st.booleans()):
        amount = SignedPrice(draw(prices))
        beside.append(Levy("fund", amount, Per.UNIT, Proration.DAYS))
    if draw(st.booleans()):
        share, paid = draw(st.integers(0, 2_000)), draw(prices)
        beside += [
            Wheeling("lines", draw(prices), On.BOUGHT),
            Losses("lost", Count(share), paid, On.BOUGHT),
            Levy(
                "sold", SignedPrice(draw(prices)), Per.UNIT, Proration.DAYS, On.BOUGHT
            ),
        ]
    begin = draw(st.integers(1, 11))
    timed = isinstance(energy, TimeOfUse | TieredTimeOfUse)
    return FullTariff(
        "home", "EUR", "Europe/Madrid", 0, Commodity.ELECTRICITY, (energy, *beside),
        draw(st.sampled_from(Rule)), Split.PROPORTION,
        calendars=(calendar(begin, begin + draw(st.integers(1, 12))),) if timed else (),
    )  # fmt: skip


@st.composite
def loads(draw: st.DrawFn) -> Load:
    """Two to nine days of hours, some of them with a change of the clocks."""
    month, day = draw(st.sampled_from(((3, 25), (6, 1), (10, 20))))
    first = datetime(2026, month, day, tzinfo=ZONE)
    last = first.replace(day=day + draw(st.integers(2, 6)))
    begin, end = int(first.timestamp()), int(last.timestamp())
    scale = draw(st.sampled_from((3, 900, 12_000)))
    seed = draw(st.integers(1, 10**6))
    row = [(n * seed) % scale for n in range((end - begin) // STEP)]
    return Load(begin, STEP, row)


@st.composite
def netted_loads(draw: st.DrawFn) -> Load:
    """A load of which neighbours sold something: at most what each slot used."""
    load, seed = draw(loads()), draw(st.integers(1, 10**6))
    every = draw(st.integers(1, 7))
    bought = [
        n * seed % (used + 1) if n % every == 0 else 0
        for n, used in enumerate(load.imported)
    ]
    return replace(load, bought=bought if any(bought) else ())


def opened(plan: Plan, load: Load) -> OpenedPeriod:
    starts = range(load.first, load.end, STEP)
    period = Period.whole(load.first, load.end)
    pairs = zip(starts, load.bought, strict=True) if load.bought else ()
    return OpenedPeriod(
        period, STEP, tuple(_amount(one.prices(starts, LOCAL), load) for one in plan.tariffs),
        tuple((start, wh) for start, wh in pairs if wh),
    )  # fmt: skip


def _amount(asked: Sequence[int], load: Load) -> int:
    return sum(p * v for p, v in zip(asked, load.imported, strict=True))


@given(tariffs(), loads())
def test_opened_sums_cost_what_the_usage_costs(tariff: FullTariff, load: Load) -> None:
    plan = plan_of(tariff)
    found = opened(plan, load)
    rated = rate_opened(tariff, plan, found, LOCAL)
    whole = rate(tariff, load, found.period, LOCAL)
    assert rated.exact == whole.exact
    if plan.reading is not Reading.AMOUNT:
        assert rated.lines == whole.lines


@given(tariffs(), netted_loads())
def test_a_private_bill_that_nets_costs_what_an_open_one_with_the_same_netting_does(
    tariff: FullTariff, load: Load
) -> None:
    plan = plan_of(tariff)
    found = opened(plan, load)
    rated = rate_opened(tariff, plan, found, LOCAL)
    whole = rate(tariff, load, found.period, LOCAL)
    assert rated.exact == whole.exact
    if plan.reading is not Reading.AMOUNT:
        assert rated.lines == whole.lines
        return
    # One line stands for those of its periods, each of which the open bill rounds.
    energy, others = _apart(rated.lines)
    open_energy, open_others = _apart(whole.lines)
    assert others == open_others
    assert sum(one.exact for one in energy) == sum(one.exact for one in open_energy)


@given(tariffs(), netted_loads())
def test_the_guard_lets_every_netted_private_bill_pass_and_none_that_asks_for_the_wh_again(
    tariff: FullTariff, load: Load
) -> None:
    plan, found = plan_of(tariff), opened(plan_of(tariff), load)
    rated = rate_opened(tariff, plan, found, LOCAL)
    statement = _stated(tariff, found, rated.lines)
    check(statement, plan, tariff, found)
    whole = rate_opened(tariff, plan, replace(found, netted=()), LOCAL)
    more = sum(line.amount for line in whole.lines) - sum(
        line.amount for line in rated.lines
    )
    # A guard may be above by a minor unit a line, and by the dearest tier.
    if isinstance(tariff.components[0], Flat | TimeOfUse) and more > len(rated.lines):
        with pytest.raises(Refused):
            check(_stated(tariff, found, whole.lines), plan, tariff, found)


def _stated(
    tariff: FullTariff, found: OpenedPeriod, lines: tuple[Line, ...]
) -> Statement:
    """A statement of these lines."""
    span = (found.period.begin, found.period.end)
    segment = Segment(tariff.hash(), *span, *span, lines)
    return Statement(
        bytes(32), "2026-00000001", StatementKind.BILL, 1, 1, tariff.zone, *span,
        tariff.currency, tariff.minor, Rail.LEDGER, span[1], span[1], span[1] + 86_400,
        (), (segment,),
    )  # fmt: skip


def _apart(lines: Sequence[Line]) -> tuple[list[Line], list[Line]]:
    of_usage = [one for one in lines if one.kind is LineKind.ENERGY]
    return of_usage, [one for one in lines if one.kind is not LineKind.ENERGY]


@given(tariffs(), netted_loads(), st.integers(1, 5_000))
def test_more_than_was_opened_is_never_netted(
    tariff: FullTariff, load: Load, more: int
) -> None:
    plan = plan_of(tariff)
    found = opened(plan, load)
    dear = replace(found, netted=((load.first, sum(load.imported) + more),))
    if plan.reading is Reading.AMOUNT:
        # Where the slot is cheap its Wh cost less than what was opened: none can tell.
        price = plan.tariffs[0].price(load.first, LOCAL)
        assume(price * dear.netted[0][1] > found.amounts[0])
    with pytest.raises(Unrateable, match="more is netted than was opened"):
        rate_opened(tariff, plan, dear, LOCAL)


@given(
    st.sampled_from((0, 1, 3)),
    st.lists(prices, min_size=3, max_size=3),
    limits,
    loads(),
    st.sampled_from((0, 2, 6)),
)
def test_no_bill_asks_more_than_the_contract_gives_for_its_usage(
    kind: int, priced: list[Price], limit: Milli, load: Load, minor: int
) -> None:
    low, high, daily = priced
    kinds: dict[int, Component] = {
        0: Flat("energy", low),
        1: Block("energy", (Tier(low, limit), Tier(high))),
        3: Lifeline("energy", LifelineRule.ELIGIBILITY, limit, low, high),
    }
    energy = kinds[kind]
    standing = Fixed("standing", daily, Per.DAY, Proration.DAYS)
    tariff = FullTariff(
        "home", "STX", "Europe/Madrid", 0, Commodity.ELECTRICITY, (energy, standing),
        Rule.DOWN, Split.PROPORTION, minor=minor,
    )  # fmt: skip
    period = Period.whole(load.first, load.end)
    asked = rate(tariff, load, period, LOCAL).total * 10 ** (6 - minor)
    days = (LOCAL(load.end).date() - LOCAL(load.first).date()).days
    given_ = on_totals(tariff, 0).charge(sum(load.imported), days)
    # Each of at most three lines is rounded down.
    assert given_ - 3 * 10 ** (6 - minor) < asked <= given_
