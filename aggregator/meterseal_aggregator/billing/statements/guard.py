"""The overbilling guard: no bill asks for more than its tariff gives for its usage.

    check(statement, versions, load, local)       # raises Refused (GUARD)

A second, plain way to the same money, which shares no code with the engine that made the
statement: each component's slots are looked up one by one in its calendar, and what it can
come to at most is added up. That is its very amount where a price does not depend on how
much was used, and by tiers counted once over a whole cycle; otherwise it is the amount at
the dearest tier, with what the parts before have used where that may be priced anew. This
module must never mend a statement.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import compress
from operator import mul, sub
from typing import Any, Final

from meterseal_aggregator.billing.model import Cause, Refused
from meterseal_aggregator.billing.statements.plainclock import days, hours, labels
from meterseal_proto.rating.components import (
    Block,
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
_BASIS_POINTS: Final = 10_000
_NOTHING: Final = Fraction(0)
_EVEN_DAYS: Final = Fraction(365, 12)
"""Days of a month that is a twelfth of a year."""

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
        if asked - lines - step > most:
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
        self.scale = 10**tariff.digits
        low = (segment.begin - load.first) // load.step
        high = (segment.end - load.first) // load.step
        self.first, self.step, self.grain = segment.begin, load.step, load.grain
        imported = load.imported[low:high]
        exported, bought = load.exported[low:high], load.bought[low:high]
        slotwise = [
            one
            for one in tariff.components
            if isinstance(one, Export) and one.netting is Netting.SLOT
        ]
        if slotwise and exported:
            pairs = list(zip(imported, exported, strict=True))
            imported = [max(0, taken - given) for taken, given in pairs]
            exported = [max(0, given - taken) for taken, given in pairs]
        grid = list(map(sub, imported, bought)) if bought else imported
        self.rows: dict[On, Sequence[int]] = {
            On.IMPORT: imported,
            On.EXPORT: exported,
            On.BOUGHT: bought,
            On.GRID: grid,
        }
        self.plain_usage = not any(
            isinstance(one, NetMetering) for one in tariff.components
        )
        self.components = {one.name: one for one in tariff.components}
        self.amounts: dict[str, Fraction] = {}

    def most(self) -> Fraction:
        """Return the most that all components come to."""
        return _sum(map(self.amount, self.components))

    def amount(self, name: str) -> Fraction:
        """Return the most that one component comes to; a base may stand after it."""
        if name not in self.amounts:
            component = self.components[name]
            self.amounts[name] = _MOST[type(component)](self, component)
        return self.amounts[name]

    @property
    def used_before(self) -> Fraction:
        """What the parts of the cycle before have used, by all counters together."""
        used = sum(amount for _, amount in self.segment.before.used)
        return Fraction(used, self.grain)

    def units(self, on: On) -> Fraction:
        """Return a quantity of the whole segment, in kWh or m3."""
        return Fraction(sum(self.rows[on]), self.grain)

    def money(self, price: int | Fraction) -> Fraction:
        """Return a price of the document in currency."""
        return Fraction(price, self.scale)

    def labels(self, calendar: str) -> Mapping[str, bytes]:
        """Return which slots are in each period of a calendar: a byte a slot, 1 or 0."""
        return labels(
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
        share = days(self.segment.begin, self.segment.end, self.local)
        if per is Per.DAY:
            return share
        cycle = (self.segment.cycle_begin, self.segment.cycle_end)
        late = proration is Proration.BEGIN and self.segment.begin != cycle[0]
        found = Fraction(0 if late else 1)
        if proration is Proration.DAYS:
            found = share / days(*cycle, self.local)
        return found * _EVEN_DAYS if per is Per.EVEN_DAY else found

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
    slots = hours(plain.local, plain.first, plain.step, len(plain.rows[On.GRID]))
    whole = sum(map(mul, plain.rows[On.GRID], map(one.prices.__getitem__, slots)))
    return plain.money(Fraction(whole, plain.grain))


def _tiered(plain: _Plain, one: Block | Slab) -> Fraction:
    segment, usage = plain.segment, plain.units(On.GRID)
    whole = (segment.begin, segment.end) == (segment.cycle_begin, segment.cycle_end)
    if one.per is not LimitPer.CYCLE or not whole or not plain.plain_usage:
        # A slab that is reached later prices anew what was used before it.
        return plain.tiers(one.tiers, usage + plain.used_before)
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
    usage = plain.units(On.GRID) + plain.used_before
    return usage * plain.money(max(one.price, one.above))


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
    if one.price is not None:
        return -plain.money(Fraction(one.price * sum(row), plain.grain))
    used = plain.by_period(one.calendar, row) if row else {}
    whole = sum(price.price * used.get(price.period, 0) for price in one.prices)
    return -plain.money(Fraction(whole, plain.grain))


def _share(plain: _Plain, one: Share) -> Fraction:
    # A base may be rounded up by a minor unit a line before the share is taken.
    slack = Fraction(len(plain.segment.lines), 10**plain.tariff.minor)
    return _sum((slack, *map(plain.amount, one.of))) * plain.money(one.rate)


def _minimum(plain: _Plain, one: Minimum) -> Fraction:
    return plain.money(one.amount)


def _takes_off(_plain: _Plain, _one: Maximum | NetMetering) -> Fraction:
    return _NOTHING


def _quota(plain: _Plain, one: FreeQuota) -> Fraction:
    """Nothing; or, where who uses too much loses it in a later part, what he had of it."""
    if one.up_to is None or not plain.segment.before.used:
        return _NOTHING
    return Fraction(one.quantity, 1_000) * _dearest(plain, plain.components[one.of])


def _dearest(plain: _Plain, one: Component) -> Fraction:
    """Return the dearest price of what a quota may be of."""
    match one:
        case Block() | Slab():
            return plain.money(max(tier.price for tier in one.tiers))
        case TieredTimeOfUse():
            return plain.money(max(t.price for row in one.tiers for t in row.tiers))
        case TimeOfUse():
            return plain.money(max(row.price for row in one.prices))
        case Hourly():
            return plain.money(max(one.prices))
        case Lifeline():
            return plain.money(max(one.price, one.above))
        case Flat():
            return plain.money(one.price)
        case _:
            raise Refused(Cause.GUARD, f"{one.name}: no quota is known of such a thing")


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
    FreeQuota: _quota,
    NetMetering: _takes_off,
}


def _sum(amounts: Iterable[Fraction]) -> Fraction:
    """Return a sum of fractions that is reduced once, not with each of them."""
    top, below = 0, 1
    for one in amounts:
        top = top * one.denominator + one.numerator * below
        below *= one.denominator
    return Fraction(top, below)


@lru_cache(_KEPT)
def _digest(tariff: FullTariff) -> bytes:
    return tariff.hash()


def _refused(statement: Statement, what: str) -> Refused:
    return Refused(
        Cause.GUARD,
        f"meter point {statement.meter_point}: {what}: nothing is billed; have the tariff"
        " engine looked at",
    )
