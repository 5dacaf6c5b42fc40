"""A tariff in full applied to what a device opened, and to nothing else.

    rated = rate_opened(tariff, plan_of(tariff), opened, local)

Sums are laid into a load of one slot of each class, which the tariff prices as it prices
any load: what depends on sums alone comes out the same as for the whole usage. An opened
amount is a quantity at a price of 1, and its line shows neither. What neighbours sold is
known slot by slot, so it is taken off exactly, whatever was opened. So a bill over hidden
usage is made, checked and disputed by the very rules of an open one. This module must
never be given a usage that was not opened.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from meterseal_proto.rating.calendar import Place, Run, Unrateable, runs_of
from meterseal_proto.rating.components import Flat, Price, TimeOfUse
from meterseal_proto.rating.hidden import Plan, Reading
from meterseal_proto.rating.line import NOTHING_CARRIED, Carried, Line, LineKind, Rated
from meterseal_proto.rating.load import WHOLE, Load, Period
from meterseal_proto.rating.price import rate
from meterseal_proto.rating.tariff import FullTariff
from meterseal_proto.tariff import LocalTime

AMOUNT_GRAIN: Final = 10**9
"""An exact amount is micro-units x Wh / kWh: 10^-9 of the currency."""


@dataclass(frozen=True, slots=True)
class OpenedPeriod:
    """What was opened of a period: an exact amount for each of the plan's tariffs, in order.

    `step` is the register's, in seconds. `netted` is what of neighbours' Wh comes off
    it: (start of one of the register's slots in UTC seconds, Wh > 0), each slot once, each
    proved to be no more than it used.
    """

    period: Period
    step: int
    amounts: tuple[int, ...]
    netted: tuple[tuple[int, int], ...] = ()


def rate_opened(
    tariff: FullTariff,
    plan: Plan,
    opened: OpenedPeriod,
    local: LocalTime,
    carried: Carried = NOTHING_CARRIED,
) -> Rated:
    """Return the lines of a private bill; Unrateable says what does not fit."""
    priced, load = laid_out(tariff, plan, opened, local)
    rated = rate(priced, load, opened.period, local, carried)
    if plan.reading is not Reading.AMOUNT:
        return rated
    return replace(rated, lines=tuple(_bare(line) for line in rated.lines))


def laid_out(
    tariff: FullTariff, plan: Plan, opened: OpenedPeriod, local: LocalTime
) -> tuple[FullTariff, Load]:
    """Return the tariff and the load that are rated for what was opened; Unrateable as above.

    Of an amount the load is the amount, and what prices it is a price of 1.
    """
    if len(opened.amounts) != len(plan.tariffs):
        raise Unrateable("as many amounts are opened as the plan asks for")
    if min(opened.amounts) < 0:
        raise Unrateable("an opened amount is never negative")
    _check_netted(opened)
    if plan.reading is not Reading.AMOUNT:
        return tariff, _load(tariff, plan, opened, local)
    one = Price(10**tariff.digits)
    components = tuple(
        Flat(part.name, one) if isinstance(part, TimeOfUse) else part
        for part in tariff.components
    )
    return replace(tariff, components=components), _amount(plan, opened, local)


def usage_of(plan: Plan, opened: OpenedPeriod) -> int | None:
    """Return the period's total in Wh or litres, None where nobody can know it."""
    return None if plan.reading is Reading.AMOUNT else sum(opened.amounts)


def _bare(line: Line) -> Line:
    """Return an energy line without the quantity that nobody knows."""
    if line.kind is not LineKind.ENERGY:
        return line
    return replace(line, quantity=None, price=None)


def _check_netted(opened: OpenedPeriod) -> None:
    period = opened.period
    starts = {start for start, _ in opened.netted}
    if len(starts) < len(opened.netted):
        raise Unrateable("a slot is netted once")
    for start, wh in opened.netted:
        inside = period.begin <= start < period.end
        if not inside or (start - period.begin) % opened.step or wh <= 0:
            raise Unrateable("what is netted are Wh of slots of the period")


def _amount(plan: Plan, opened: OpenedPeriod, local: LocalTime) -> Load:
    """Return an amount as a load: what is left of it, and beside it the Wh of neighbours.

    Both in one row, as in any load; what energy prices are asked for is the rest.
    """
    begin, end = opened.period.begin, opened.period.end
    (amount,), (asked,) = opened.amounts, plan.tariffs
    left = amount - sum(asked.price(start, local) * wh for start, wh in opened.netted)
    if left < 0:
        raise Unrateable("more is netted than was opened")
    grains = sum(wh for _, wh in opened.netted) * (AMOUNT_GRAIN // WHOLE)
    bought = [grains] if grains else ()
    return Load(begin, end - begin, [left + grains], bought=bought, grain=AMOUNT_GRAIN)


def _load(
    tariff: FullTariff, plan: Plan, opened: OpenedPeriod, local: LocalTime
) -> Load:
    """Return a load with each class's sums in its first slot."""
    period, step = opened.period, opened.step
    slots, rest = divmod(period.end - period.begin, step)
    if rest or not slots:
        raise Unrateable(f"the period is no whole number of slots of {step} s")
    if plan.reading is Reading.TOTAL:
        runs: tuple[Run, ...] = (Run("", 0, slots),)
        amounts = {"": opened.amounts[0]}
    else:
        runs = _runs(tariff, opened, local, slots)
        amounts = dict(zip(plan.periods, opened.amounts, strict=True))
    firsts = {run.period: run.first for run in reversed(runs)}
    imported, bought = [0] * slots, [0] * slots
    for name, amount in amounts.items():
        if amount and name not in firsts:
            raise Unrateable(f"{amount} were opened of {name!r}, which does not occur")
        if amount:
            imported[firsts[name]] = amount
    for name, wh in _netted_in(runs, opened).items():
        if wh > amounts.get(name, 0):
            raise Unrateable("more is netted than was opened")
        bought[firsts[name]] = wh
    return Load(period.begin, step, imported, bought=bought if opened.netted else ())


def _netted_in(runs: tuple[Run, ...], opened: OpenedPeriod) -> Mapping[str, int]:
    """Return what is netted of each class, of those of which anything is."""
    found: dict[str, int] = {}
    begin, step = opened.period.begin, opened.step
    slots = sorted(((start - begin) // step, wh) for start, wh in opened.netted)
    at = iter(runs)
    run = next(at, None)
    for place, wh in slots:
        while run is not None and place >= run.last:
            run = next(at, None)
        assert run is not None  # runs fill the period
        found[run.period] = found.get(run.period, 0) + wh
    return found


def _runs(
    tariff: FullTariff, opened: OpenedPeriod, local: LocalTime, slots: int
) -> tuple[Run, ...]:
    """Return the runs of the periods of the one calendar that is charged by."""
    names = {
        calendar
        for part in tariff.components
        if (calendar := getattr(part, "calendar", ""))
    }
    (name,) = names
    return runs_of(
        Place.of(local, opened.period.begin), tariff.calendar(name), tariff.holidays,
        first=opened.period.begin, slots=slots, step=opened.step,
    )  # fmt: skip
