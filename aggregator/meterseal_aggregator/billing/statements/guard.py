"""The overbilling guard: no bill asks for more than its tariff gives for its usage.

    check(statement, versions, load, local)       # raises Refused (GUARD)

A second, plain way to the same money, which shares no code with the engine that made the
statement: each component's slots are looked up one by one in its calendar, and what it can
come to at most is added up. That is its very amount where a price does not depend on how
much was used, by tiers counted once over a whole cycle, and otherwise the amount at the
dearest tier: what is carried from part to part can only make that less. This module must
never mend a statement.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from itertools import compress
from operator import mul, sub
from typing import Any, Final

from meterseal_aggregator.billing.model import Cause, Refused
from meterseal_proto.rating.components import (
    Block,
    Calendar,
    Component,
    Demand,
    Export,
    Fixed,
    Flat,
    FreeQuota,
    Hourly,
    Levy,
    Lifeline,
    LimitPer,
    Losses,
    Maximum,
    Minimum,
    NetMetering,
    Netting,
    On,
    Per,
    Proration,
    Share,
    Slab,
    Tier,
    TieredTimeOfUse,
    TimeOfUse,
    Wheeling,
)
from meterseal_proto.rating.load import Load
from meterseal_proto.rating.statement import Segment, Statement
from meterseal_proto.rating.tariff import FullTariff
from meterseal_proto.tariff import LocalTime

_KEPT: Final = 128
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOLIDAY: Final = "hol"
_BASIS_POINTS: Final = 10_000
_NOTHING: Final = Fraction(0)

Versions = Sequence[tuple[int, int, FullTariff]]


def check(
    statement: Statement, versions: Versions, load: Load, local: LocalTime
) -> None:
    """Go on if the statement asks for no more than it may; raises Refused (GUARD).

    `load` is the whole period's, `versions` what holds in it. Each line may be rounded up
    by a minor unit, the total by its step.
    """
    by_hash = {_digest(tariff): tariff for _, _, tariff in versions}
    for segment in statement.segments:
        tariff = by_hash.get(segment.tariff)
        if tariff is None:
            raise _refused(statement, "a segment names no version of its tariff")
        asked = sum(line.amount for line in segment.lines)
        lines = len(segment.lines)
        step = tariff.total_rounding.step if tariff.total_rounding else 0
        most = _Plain(tariff, segment, load, local).most() * 10**tariff.minor
        if asked > most + lines + step:
            raise _refused(
                statement,
                f"{asked} minor units are asked from {segment.begin} to {segment.end}, and"
                f" the tariff gives at most {float(most):.2f}",
            )


class _Plain:
    """One segment, looked at slot by slot; amounts in currency."""

    def __init__(
        self, tariff: FullTariff, segment: Segment, load: Load, local: LocalTime
    ) -> None:
        self.tariff, self.segment, self.local = tariff, segment, local
        low = (segment.begin - load.first) // load.step
        high = (segment.end - load.first) // load.step
        self.first, self.step, self.grain = segment.begin, load.step, load.grain
        self.rows: dict[On, Sequence[int]] = {
            On.IMPORT: load.imported[low:high],
            On.EXPORT: load.exported[low:high],
            On.BOUGHT: load.bought[low:high],
        }
        grid = self.rows[On.IMPORT]
        if self.rows[On.BOUGHT]:
            grid = list(map(sub, grid, self.rows[On.BOUGHT]))
        self.rows[On.GRID] = grid
        self.amounts: dict[str, Fraction] = {}

    def most(self) -> Fraction:
        """Return the most that all components come to."""
        for component in self.tariff.components:
            self.amounts[component.name] = _MOST[type(component)](self, component)
        return sum(self.amounts.values(), _NOTHING)

    def units(self, on: On) -> Fraction:
        """Return a quantity of the whole segment, in kWh or m3."""
        return Fraction(sum(self.rows[on]), self.grain)

    def money(self, price: int | Fraction) -> Fraction:
        """Return a price of the document in currency."""
        return Fraction(price) / Fraction(10) ** self.tariff.digits

    def labels(self, calendar: str) -> Mapping[str, bytes]:
        """Return which slots are in each period of a calendar: a byte a slot, 1 or 0."""
        return _labels(
            self.tariff.calendar(calendar),
            self.tariff.holidays,
            self.local,
            self.first,
            self.step,
            len(self.rows[On.IMPORT]),
        )

    def by_period(self, calendar: str, row: Sequence[int]) -> dict[str, int]:
        """Return a row's sums by period."""
        return {
            name: sum(compress(row, mask))
            for name, mask in self.labels(calendar).items()
        }

    def times(self, per: Per, proration: Proration) -> Fraction:
        """Return how often a charge is owed."""
        days = _days(self.segment.begin, self.segment.end, self.local)
        if per is Per.DAY:
            return days
        cycle = (self.segment.cycle_begin, self.segment.cycle_end)
        if proration is Proration.DAYS:
            return days / _days(*cycle, self.local)
        late = proration is Proration.BEGIN and self.segment.begin != cycle[0]
        return Fraction(0 if late else 1)

    def tiers(self, tiers: Sequence[Tier], usage: Fraction) -> Fraction:
        """Return what a usage costs at the dearest tier, entries of all of them included."""
        dearest = max(tier.price for tier in tiers)
        entries = sum(tier.entry for tier in tiers)
        return usage * self.money(dearest) + self.money(entries)


def _flat(plain: _Plain, one: Flat) -> Fraction:
    return plain.units(On.GRID) * plain.money(one.price)


def _wheeling(plain: _Plain, one: Wheeling) -> Fraction:
    return plain.units(one.on) * plain.money(one.price)


def _losses(plain: _Plain, one: Losses) -> Fraction:
    share = Fraction(one.share_bp, _BASIS_POINTS)
    return plain.units(one.on) * share * plain.money(one.price)


def _levy(plain: _Plain, one: Levy) -> Fraction:
    if one.per is Per.UNIT:
        return plain.units(one.on) * plain.money(one.price)
    return plain.times(one.per, one.proration) * plain.money(one.price)


def _time_of_use(plain: _Plain, one: TimeOfUse) -> Fraction:
    used = plain.by_period(one.calendar, plain.rows[On.GRID])
    whole = sum(row.price * used.get(row.period, 0) for row in one.prices)
    return plain.money(Fraction(whole, plain.grain))


def _hourly(plain: _Plain, one: Hourly) -> Fraction:
    hours = _hours(plain.local, plain.first, plain.step, len(plain.rows[On.GRID]))
    whole = sum(map(mul, plain.rows[On.GRID], map(one.prices.__getitem__, hours)))
    return plain.money(Fraction(whole, plain.grain))


def _tiered(plain: _Plain, one: Block | Slab) -> Fraction:
    segment, usage = plain.segment, plain.units(On.GRID)
    whole = (segment.begin, segment.end) == (segment.cycle_begin, segment.cycle_end)
    if one.per is not LimitPer.CYCLE or not whole or segment.before.used:
        return plain.tiers(one.tiers, usage)
    if isinstance(one, Slab):
        last = next(
            t for t in one.tiers if t.to is None or usage <= Fraction(t.to, 1000)
        )
        entries = sum(t.entry for t in one.tiers[: one.tiers.index(last) + 1])
        return usage * plain.money(last.price) + plain.money(entries)
    found, below = _NOTHING, _NOTHING
    for n, tier in enumerate(one.tiers):
        top = usage if tier.to is None else min(usage, Fraction(tier.to, 1000))
        if n == 0 or usage > below:
            found += plain.money(tier.entry)
        found += max(_NOTHING, top - below) * plain.money(tier.price)
        below = max(below, top)
    return found


def _tiered_time_of_use(plain: _Plain, one: TieredTimeOfUse) -> Fraction:
    used = plain.by_period(one.calendar, plain.rows[On.GRID])
    return sum(
        (
            plain.tiers(row.tiers, Fraction(used.get(row.period, 0), plain.grain))
            for row in one.tiers
        ),
        _NOTHING,
    )


def _lifeline(plain: _Plain, one: Lifeline) -> Fraction:
    return plain.units(On.GRID) * plain.money(max(one.price, one.above))


def _fixed(plain: _Plain, one: Fixed) -> Fraction:
    return plain.times(one.per, one.proration) * plain.money(one.price)


def _demand(plain: _Plain, one: Demand) -> Fraction:
    if one.window_s % plain.step:
        raise Refused(
            Cause.GUARD, f"{one.name}: slots of {plain.step} s are no windows"
        )
    row, many = plain.rows[On.IMPORT], one.window_s // plain.step
    skip = -plain.first % one.window_s // plain.step
    sums = [sum(row[at : at + many]) for at in range(skip, len(row), many)]
    # A window that begins before the segment counts in part: never less than its slots.
    sums.append(sum(row[:skip]))
    kw = Fraction(max(sums) * 3_600, one.window_s * plain.grain)
    dearest = [plain.tiers(row.tiers, kw) for row in one.tiers]
    return plain.times(Per.MONTH, one.proration) * sum(dearest, _NOTHING)


def _export(plain: _Plain, one: Export) -> Fraction:
    row = plain.rows[On.EXPORT]
    if one.netting is Netting.SLOT and row:
        over = map(sub, row, plain.rows[On.IMPORT])
        row = [max(0, left) for left in over]
    if one.price is not None:
        return -plain.money(Fraction(one.price * sum(row), plain.grain))
    used = plain.by_period(one.calendar, row) if row else {}
    whole = sum(price.price * used.get(price.period, 0) for price in one.prices)
    return -plain.money(Fraction(whole, plain.grain))


def _share(plain: _Plain, one: Share) -> Fraction:
    base = sum((plain.amounts[name] for name in one.of), _NOTHING)
    # A base may be rounded up by a minor unit a line before the share is taken.
    slack = Fraction(len(plain.segment.lines), 10**plain.tariff.minor)
    return (base + slack) * plain.money(one.rate)


def _minimum(plain: _Plain, one: Minimum) -> Fraction:
    return plain.money(one.amount)


def _takes_off(_plain: _Plain, _one: FreeQuota | Maximum | NetMetering) -> Fraction:
    return _NOTHING


# Any: each function takes the component of its own type, as the table pairs them.
_MOST: Final[dict[type[Component], Callable[[_Plain, Any], Fraction]]] = {
    Flat: _flat,
    Wheeling: _wheeling,
    Losses: _losses,
    Levy: _levy,
    TimeOfUse: _time_of_use,
    Hourly: _hourly,
    Block: _tiered,
    Slab: _tiered,
    TieredTimeOfUse: _tiered_time_of_use,
    Lifeline: _lifeline,
    Fixed: _fixed,
    Demand: _demand,
    Export: _export,
    Share: _share,
    Minimum: _minimum,
    Maximum: _takes_off,
    FreeQuota: _takes_off,
    NetMetering: _takes_off,
}


@lru_cache(_KEPT)
def _labels(
    calendar: Calendar,
    holidays: tuple[str, ...],
    local: LocalTime,
    first: int,
    step: int,
    slots: int,
) -> Mapping[str, bytes]:
    found = [_period(calendar, holidays, local(first + n * step)) for n in range(slots)]
    return {name: bytes(one == name for one in found) for name in set(found)}


def _period(calendar: Calendar, holidays: tuple[str, ...], at: datetime) -> str:
    day = _DAYS[at.weekday()]
    special = any(_HOLIDAY in window.days for window in calendar.windows)
    if special and (f"{at:%Y-%m-%d}" in holidays or f"{at:%m-%d}" in holidays):
        day = _HOLIDAY
    begun = [s for s in calendar.seasons if s.begin <= f"{at:%m-%d}"]
    # Before the year's first season the last one of the year before goes on.
    season = max(begun or calendar.seasons, key=lambda one: one.begin, default=None)
    clock = f"{at:%H:%M}"
    return next(
        window.period
        for window in calendar.windows
        if day in window.days
        and (season is None or not window.seasons or season.name in window.seasons)
        and window.begin <= clock < window.end
    )


@lru_cache(_KEPT)
def _hours(local: LocalTime, first: int, step: int, slots: int) -> tuple[int, ...]:
    """Return each slot's hour of a year of 365 days; 29 February is the 28th again."""
    found = []
    for n in range(slots):
        at = local(first + n * step)
        day = min(at.day, 28) if at.month == 2 else at.day
        common = at.replace(year=2023, day=day, fold=0)
        found.append((common.timetuple().tm_yday - 1) * 24 + at.hour)
    return tuple(found)


@lru_cache(_KEPT)
def _days(begin: int, end: int, local: LocalTime) -> Fraction:
    """Return the local days of [begin, end), the parts of days as such."""
    found, day = _NOTHING, local(begin).date()
    while True:
        starts, ends = (
            _midnight(day, begin, local),
            _midnight(day + timedelta(1), begin, local),
        )
        if starts >= end:
            return found
        found += Fraction(max(0, min(end, ends) - max(begin, starts)), ends - starts)
        day += timedelta(1)


def _midnight(day: date, near: int, local: LocalTime) -> int:
    """Return the first second of a local day, by halving a span that must hold it."""
    low = near + (day - local(near).date()).days * 86_400 - 2 * 86_400
    high = low + 4 * 86_400
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if local(middle).date() < day else (low, middle)
    return high


@lru_cache(_KEPT)
def _digest(tariff: FullTariff) -> bytes:
    return tariff.hash()


def _refused(statement: Statement, what: str) -> Refused:
    return Refused(
        Cause.GUARD,
        f"meter point {statement.meter_point}: {what}: nothing is billed; have the tariff"
        " engine looked at",
    )
