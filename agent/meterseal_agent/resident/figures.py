"""What the page shows, computed from what the outbox holds. Pure.

Energy and money stay whole numbers to the last line: Wh or litres, and 10^-9 of a currency,
which is micro-units x Wh / kWh. A bill is recomputed from the device's own values, price by
price, and compared with what was signed; this module must never show the one for the other.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum, auto
from itertools import groupby

from meterseal_agent.outbox.answers import ABANDONED, DURABLE
from meterseal_agent.outbox.model import KeptDay
from meterseal_agent.outbox.shown import Telling
from meterseal_agent.record import Record
from meterseal_proto.bill import ProvedBill
from meterseal_proto.tariff import Band, LocalTime, Tariff


class Went(Enum):
    """Whether a day left the house."""

    WAITS = auto()
    TAKEN = auto()
    REFUSED = auto()


@dataclass(frozen=True, slots=True)
class DayShown:
    """One told day: `used` in Wh or litres, `missing` of its `slots` without a reading.

    `begin` and `end` in UTC Unix seconds; `leaves_at` when its commitments may leave;
    `tellings` how often they were made.
    """

    begin: int
    end: int
    on: date
    used: int = field(repr=False)
    slots: int
    missing: int
    leaves_at: int
    went: Went
    tellings: int


@dataclass(frozen=True, slots=True)
class Line:
    """What was used at one price, in Wh or litres, and what that costs in 10^-9.

    `bands` are those of the tariff that have the price.
    """

    price: int
    bands: tuple[Band, ...]
    used: int = field(repr=False)

    @property
    def amount(self) -> int:
        """Exactly what the line costs."""
        return self.price * self.used


@dataclass(frozen=True, slots=True)
class BillShown:
    """A bill as signed, and as recomputed: no `lines` where its days are not all kept."""

    bill: ProvedBill
    tariff: Tariff
    lines: tuple[Line, ...] = field(repr=False)

    @property
    def amount(self) -> int:
        """The amount that was signed, in 10^-9 of the currency."""
        return self.bill.statement.amount

    @property
    def right(self) -> bool | None:
        """Whether the device's own values give that amount; None where they are gone."""
        if not self.lines:
            return None
        return sum(line.amount for line in self.lines) == self.amount


def days_shown(told: Iterable[Telling], local: LocalTime) -> list[DayShown]:
    """Return the days of tellings, which come oldest first.

    A day that was told again counts by its first telling: what is told later may be bare.
    """
    standing = (row for row in told if row[1] != ABANDONED)
    return [
        _day([*tellings], local)
        for _, tellings in groupby(standing, key=lambda row: row[0].first)
    ]


def _day(tellings: Sequence[Telling], local: LocalTime) -> DayShown:
    day, (last, reason) = tellings[0][0], tellings[-1]
    length = day.step * len(day.values)
    if reason is None:
        went = Went.WAITS
    else:
        went = Went.TAKEN if reason == DURABLE else Went.REFUSED
    return DayShown(
        begin=day.first,
        end=day.first + length,
        on=local(day.first + length // 2).date(),
        used=sum(value or 0 for value in day.values) + day.untold,
        slots=len(day.values),
        missing=day.values.count(None),
        leaves_at=last.leaves_at,
        went=went,
        tellings=len(tellings),
    )


def by_date(
    days: Iterable[DayShown], records: Iterable[Record], local: LocalTime
) -> dict[date, int]:
    """Return the usage of each local date: of told days, and of records after them."""
    found: dict[date, int] = {}
    end = 0
    for day in days:
        found[day.on] = found.get(day.on, 0) + day.used
        end = max(end, day.end)
    for record in records:
        if record.start >= end:
            on = local(record.start).date()
            found[on] = found.get(on, 0) + record.delta
    return found


def by_month(usage: Mapping[date, int]) -> dict[date, int]:
    """Return the usage of each month, named by its first day."""
    found: dict[date, int] = {}
    for on, used in usage.items():
        first = on.replace(day=1)
        found[first] = found.get(first, 0) + used
    return found


def by_hour(day: KeptDay, local: LocalTime) -> list[tuple[int, int, int]]:
    """Return (local hour, usage, slots without a reading) of a day, hour by hour."""
    slots = [
        (local(day.first + n * day.step).hour, value)
        for n, value in enumerate(day.values)
    ]
    found = []
    for hour, rows in groupby(slots, key=lambda row: row[0]):
        values = [value for _, value in rows]
        found.append((hour, sum(v or 0 for v in values), values.count(None)))
    return found


def bill_shown(
    bill: ProvedBill, tariff: Tariff, days: Sequence[KeptDay], local: LocalTime
) -> BillShown:
    """Return a bill over `days`, which are those of its period in order, if all are kept.

    `local` is the clock of the tariff's zone.
    """
    if tuple(day.hash for day in days) != bill.statement.headers:
        return BillShown(bill, tariff, ())
    starts = [day.first + n * day.step for day in days for n in range(len(day.values))]
    values = [value or 0 for day in days for value in day.values]
    used: dict[int, int] = {}
    for price, value in zip(tariff.prices(starts, local), values, strict=True):
        used[price] = used.get(price, 0) + value
    lines = (
        Line(price, tuple(b for b in tariff.bands if b.price == price), amount)
        for price, amount in sorted(used.items(), reverse=True)
    )
    return BillShown(bill, tariff, tuple(lines))
