"""A tariff in full applied to what a device opened, and to nothing else.

    rated = rate_opened(tariff, plan_of(tariff), opened, local)

Sums are laid into a load of one slot of each class, which the tariff prices as it prices
any load: what depends on sums alone comes out the same as for the whole usage. An opened
amount is a quantity at a price of 1, and its line shows neither. So a bill over hidden
usage is made, checked and disputed by the very rules of an open one. This module must
never be given a usage that was not opened.
"""

from dataclasses import dataclass, replace
from typing import Final

from meterseal_proto.rating.calendar import Place, Unrateable, runs_of
from meterseal_proto.rating.components import Flat, Price, TimeOfUse
from meterseal_proto.rating.hidden import Plan, Reading
from meterseal_proto.rating.line import NOTHING_CARRIED, Carried, Line, LineKind, Rated
from meterseal_proto.rating.load import Load, Period
from meterseal_proto.rating.price import rate
from meterseal_proto.rating.tariff import FullTariff
from meterseal_proto.tariff import LocalTime

AMOUNT_GRAIN: Final = 10**9
"""An exact amount is micro-units x Wh / kWh: 10^-9 of the currency."""


@dataclass(frozen=True, slots=True)
class OpenedPeriod:
    """What was opened of a period: an exact amount for each of the plan's tariffs, in order.

    `step` is the register's, in seconds.
    """

    period: Period
    step: int
    amounts: tuple[int, ...]


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
    if plan.reading is not Reading.AMOUNT:
        return tariff, _load(tariff, plan, opened, local)
    one = Price(10**tariff.digits)
    components = tuple(
        Flat(part.name, one) if isinstance(part, TimeOfUse) else part
        for part in tariff.components
    )
    begin, end = opened.period.begin, opened.period.end
    load = Load(begin, end - begin, list(opened.amounts), grain=AMOUNT_GRAIN)
    return replace(tariff, components=components), load


def usage_of(plan: Plan, opened: OpenedPeriod) -> int | None:
    """Return the period's total in Wh or litres, None where nobody can know it."""
    return None if plan.reading is Reading.AMOUNT else sum(opened.amounts)


def _bare(line: Line) -> Line:
    """Return an energy line without the quantity that nobody knows."""
    if line.kind is not LineKind.ENERGY:
        return line
    return replace(line, quantity=None, price=None)


def _load(
    tariff: FullTariff, plan: Plan, opened: OpenedPeriod, local: LocalTime
) -> Load:
    """Return a load with each class's sum in its first slot."""
    period, step = opened.period, opened.step
    slots, rest = divmod(period.end - period.begin, step)
    if rest or not slots:
        raise Unrateable(f"the period is no whole number of slots of {step} s")
    imported = [0] * slots
    if plan.reading is Reading.TOTAL:
        imported[0] = opened.amounts[0]
        return Load(period.begin, step, imported)
    firsts = _first_slots(tariff, opened, local, slots)
    for name, amount in zip(plan.periods, opened.amounts, strict=True):
        if amount and name not in firsts:
            raise Unrateable(f"{amount} were opened of {name!r}, which does not occur")
        if amount:
            imported[firsts[name]] = amount
    return Load(period.begin, step, imported)


def _first_slots(
    tariff: FullTariff, opened: OpenedPeriod, local: LocalTime, slots: int
) -> dict[str, int]:
    """Return the first slot of each period of the one calendar that is charged by."""
    names = {
        calendar
        for part in tariff.components
        if (calendar := getattr(part, "calendar", ""))
    }
    (name,) = names
    runs = runs_of(
        Place.of(local, opened.period.begin), tariff.calendar(name), tariff.holidays,
        first=opened.period.begin, slots=slots, step=opened.step,
    )  # fmt: skip
    firsts: dict[str, int] = {}
    for run in runs:
        firsts.setdefault(run.period, run.first)
    return firsts
