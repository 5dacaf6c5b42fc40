"""A rate of the OpenEI Utility Rate Database (URDB, version 3 to 8) as a tariff in full.

    tariff = import_urdb(document, Stated(tier_counter=..., allocation=...)).tariff

URDB leaves rules open that change what a household pays: which usage fills tiers first
where periods of the day have tiers (the same load came to 377 or 409), over which time a
peak is measured, how export is settled. A rate that needs such a rule is refused by the
rule's name unless the caller has `Stated` it. Pure: bytes in, a tariff out. This module
must never guess a rule, and never drop a charge it does not know.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from meterseal_aggregator.billing.tariffs.urdbread import (
    Item,
    Refused,
    Row,
    check_known,
    code_of,
    decimals,
    endless,
    number,
    read_item,
    rows_of,
    schedule,
    start_of,
    told,
)
from meterseal_aggregator.billing.tariffs.urdbweeks import (
    Month,
    calendar_of,
    months_of,
    period_name,
)
from meterseal_proto.rating.components import (
    Allocation,
    Base,
    Block,
    Calendar,
    Component,
    Count,
    Demand,
    Fixed,
    Flat,
    Hourly,
    LimitPer,
    Milli,
    Minimum,
    Minor,
    Per,
    PeriodPrice,
    PeriodTiers,
    Price,
    Proration,
    SignedPrice,
    SpanOf,
    Tier,
    TierCounter,
    TieredTimeOfUse,
    TimeOfUse,
)
from meterseal_proto.rating.tariff import (
    MAX_DIGITS,
    Commodity,
    FullTariff,
    Rule,
    Split,
    TotalOf,
    TotalRounding,
    check,
)

HOURS: Final = 8_760
ENERGY: Final = "energy"
FIXED: Final = "fixed charge"
MINIMUM: Final = "minimum charge"
FLAT_DEMAND: Final = "demand"
TOU_DEMAND: Final = "time-of-use demand"
_CENTS: Final = 2
_ONE: Final = Minor(1)


@dataclass(frozen=True, slots=True)
class Stated:
    """What a caller says where URDB does not; None: it is not said.

    `window_s`: the time over which a peak is a mean. A charge per day is spread evenly over
    twelve months of 365 days, as the database's own calculator (NREL SAM) has it, unless
    the days of each month are asked for. `digits` at least; zone and currency, which URDB
    takes as known.
    """

    tier_counter: TierCounter | None = None
    allocation: Allocation | None = None
    window_s: int | None = None
    actual_days: bool = False
    zone: str = "UTC"
    currency: str = "USD"
    digits: int = _CENTS


@dataclass(frozen=True, slots=True)
class Imported:
    """A rate as a tariff, and what it pays for export by period; empty: it does not say."""

    tariff: FullTariff
    sells: tuple[PeriodPrice, ...] = ()


def import_urdb(document: bytes, stated: Stated) -> Imported:
    """Return a rate as a tariff; Refused says what it leaves open, or what is not known."""
    item = read_item(document)
    check_known(item)
    digits = max(stated.digits, decimals(item))
    if digits > MAX_DIGITS:
        raise Refused(f"a price has {digits} decimals; at most {MAX_DIGITS}")
    try:
        return _Import(item, stated, digits).imported()
    except ValueError as error:
        raise Refused(str(error)) from None


class _Import:
    """One rate, part by part; calendars are added as parts need them."""

    def __init__(self, item: Item, stated: Stated, digits: int) -> None:
        self._item, self._stated, self._digits = item, stated, digits
        self._calendars: list[Calendar] = []
        self._sells: tuple[PeriodPrice, ...] = ()

    def imported(self) -> Imported:
        """Return the whole of it."""
        charged: list[Component] = [*self._energy(), *self._fixed(), *self._demands()]
        if not charged:
            raise Refused("the rate charges nothing: no energy, fixed charge or demand")
        names = tuple(one.name for one in charged)
        item, stated = self._item, self._stated
        tariff = FullTariff(
            id=code_of(item),
            currency=stated.currency,
            zone=stated.zone,
            valid_from=start_of(item),
            commodity=Commodity.ELECTRICITY,
            components=(*charged, *self._minimums(names)),
            rounding=Rule.HALF_EVEN,
            split=Split.PROPORTION,
            digits=self._digits,
            calendars=tuple(self._calendars),
            total_rounding=TotalRounding(_ONE, Rule.HALF_EVEN, TotalOf.EXACT),
        )
        check(tariff)
        return Imported(tariff, self._sells)

    def _price(self, amount: Decimal) -> Price:
        price = self._signed(amount)
        if price < 0:
            raise Refused(f"a price of {amount} is below 0")
        return Price(price)

    def _signed(self, amount: Decimal) -> SignedPrice:
        return SignedPrice(int(amount.scaleb(self._digits)))

    def _energy(self) -> list[Component]:
        real_time, rows = self._item.get("realtimepricing"), "energyratestructure"
        if real_time is not None:
            if rows in self._item:
                raise Refused(f"both realtimepricing and {rows}: one of them prices")
            return [self._hourly(real_time)]
        if rows not in self._item:
            return []
        structure = rows_of(self._item, rows)
        months = months_of(self._item, "energy", len(structure))
        used = {period for month in months for hours in month for period in hours}
        per = _limit_per(structure, used)
        self._sells = self._sold(structure, used)
        tiers = {n: self._tiers(structure[n], f"{rows}[{n}]") for n in sorted(used)}
        return [self._usage(months, tiers, per)]

    def _usage(
        self, months: Sequence[Month], tiers: dict[int, tuple[Tier, ...]], per: LimitPer
    ) -> Component:
        window_s = self._window("kWh/kW") if per is LimitPer.KW else 0
        alike = set(tiers.values())
        if len(alike) == 1:
            (one,) = alike
            if len(one) == 1:
                return Flat(ENERGY, one[0].price)
            return Block(ENERGY, one, per, Count(window_s))
        calendar = self._calendar(ENERGY, months)
        if all(len(rows) == 1 for rows in tiers.values()):
            prices = tuple(
                PeriodPrice(period_name(n), rows[0].price) for n, rows in tiers.items()
            )
            return TimeOfUse(ENERGY, calendar, prices)
        return TieredTimeOfUse(
            ENERGY,
            calendar,
            *self._rules(months, tiers),
            tuple(PeriodTiers(period_name(n), rows) for n, rows in tiers.items()),
            per,
            Count(window_s),
        )

    def _rules(
        self, months: Sequence[Month], tiers: Mapping[int, Sequence[Tier]]
    ) -> tuple[TierCounter, Allocation]:
        """How tiers are filled; nothing to say where no month has two periods."""
        stated = self._stated
        together = any(len({*weekday, *weekend}) > 1 for weekday, weekend in months)
        if not together:
            return TierCounter.PERIOD, Allocation.CHRONOLOGICAL
        several = sum(len(rows) > 1 for rows in tiers.values())
        text = f"tiers in {several} of the day's periods; the rate does not say how"
        if stated.tier_counter is None:
            raise Refused(f"tier_counter is missing: {text} they are counted")
        if stated.allocation is None:
            raise Refused(f"allocation is missing: {text} they are filled")
        return stated.tier_counter, stated.allocation

    def _tiers(self, rows: Sequence[Row], place: str) -> tuple[Tier, ...]:
        found = []
        for n, row in enumerate(rows):
            where = f"{place}[{n}]"
            if "rate" not in row and "adj" not in row:
                raise Refused(f"{where}: rate is missing")
            price = number(row.get("rate", 0), where) + number(row.get("adj", 0), where)
            last = n == len(rows) - 1
            end = None if last and endless(row) else _milli(row, where)
            found.append(Tier(self._price(price), end))
        if found[-1].to is not None:
            # What is above the last limit has no price: URDB means the last tier's.
            raise Refused(
                f"{place}: the last tier ends, and nothing prices what follows"
            )
        return tuple(found)

    def _sold(
        self, structure: Sequence[Sequence[Row]], used: set[int]
    ) -> tuple[PeriodPrice, ...]:
        sold = []
        for n in sorted(used):
            prices = {
                number(row["sell"], "sell") for row in structure[n] if "sell" in row
            }
            if len(prices) > 1:
                raise Refused(f"energyratestructure[{n}]: tiers with unlike sell rates")
            sold += [
                PeriodPrice(period_name(n), self._price(price)) for price in prices
            ]
        return tuple(sold) if len(sold) == len(used) else ()

    def _hourly(self, prices: object) -> Hourly:
        if not isinstance(prices, list) or len(prices) != HOURS:
            raise Refused(f"realtimepricing: {HOURS} prices, one an hour")
        rows = [self._signed(number(one, "realtimepricing")) for one in prices]
        return Hourly(ENERGY, tuple(rows))

    def _fixed(self) -> list[Component]:
        item = self._item
        found = [
            (item.get("fixedchargefirstmeter"), item.get("fixedchargeunits")),
            (item.get("fixedmonthlycharge"), "$/month"),
        ]
        charges = [(number(a, FIXED), unit) for a, unit in found if a]
        if len(charges) > 1:
            raise Refused(
                "fixedchargefirstmeter and fixedmonthlycharge: which of them?"
            )
        daily = Per.DAY if self._stated.actual_days else Per.EVEN_DAY
        units = {"$/month": Per.MONTH, "$/day": daily}
        for _, unit in charges:
            if str(unit) not in units:
                raise Refused(f"fixedchargeunits: {told(unit)}, not $/month or $/day")
        return [
            Fixed(FIXED, self._price(amount), units[str(unit)], Proration.DAYS)
            for amount, unit in charges
        ]

    def _minimums(self, names: tuple[str, ...]) -> list[Component]:
        item = self._item
        found = [
            (item.get("mincharge"), item.get("minchargeunits")),
            (item.get("minmonthlycharge"), "$/month"),
            (item.get("annualmincharge"), "$/year"),
        ]
        spans = {"$/month": SpanOf.CYCLE, "$/year": SpanOf.YEAR}
        minimums: list[Component] = []
        for amount, unit in found:
            if not amount:
                continue
            if str(unit) not in spans:
                raise Refused(f"minchargeunits: {told(unit)}, not $/month or $/year")
            price, span = self._price(number(amount, MINIMUM)), spans[str(unit)]
            name = f"{MINIMUM} per {'year' if span is SpanOf.YEAR else 'month'}"
            minimums.append(Minimum(name, price, span, Base.EXACT, names))
        return minimums

    def _demands(self) -> list[Component]:
        return [*self._flat_demand(), *self._tou_demand()]

    def _flat_demand(self) -> list[Component]:
        if "flatdemandstructure" not in self._item:
            return []
        structure = rows_of(self._item, "flatdemandstructure")
        (months,) = schedule(self._item, "flatdemandmonths", 1, 12, len(structure))
        by_month: list[Month] = [((n,) * 24, (n,) * 24) for n in months]
        return self._demand(FLAT_DEMAND, structure, by_month, "flatdemandunit")

    def _tou_demand(self) -> list[Component]:
        if "demandratestructure" not in self._item:
            return []
        structure = rows_of(self._item, "demandratestructure")
        months = months_of(self._item, "demand", len(structure))
        return self._demand(TOU_DEMAND, structure, months, "demandrateunit")

    def _demand(
        self,
        name: str,
        structure: Sequence[Sequence[Row]],
        months: Sequence[Month],
        unit_field: str,
    ) -> list[Component]:
        used = {period for month in months for hours in month for period in hours}
        tiers = {n: self._tiers(structure[n], name) for n in sorted(used)}
        if not any(tier.price for rows in tiers.values() for tier in rows):
            return []
        units = {str(row.get("unit", "kW")) for n in used for row in structure[n]}
        units.add(str(self._item.get(unit_field, "kW")))
        if units != {"kW"}:
            text = ", ".join(sorted(units - {"kW"}))
            raise Refused(f"{unit_field}: power in {text} is not measured here")
        window_s = Count(self._window("a demand charge"))
        if len(used) == 1:
            (only,) = tiers.values()
            rows: tuple[PeriodTiers, ...] = (PeriodTiers("", only),)
            return [Demand(name, window_s, Proration.DAYS, rows)]
        calendar = self._calendar(name, months)
        rows = tuple(PeriodTiers(period_name(n), found) for n, found in tiers.items())
        return [Demand(name, window_s, Proration.DAYS, rows, calendar)]

    def _window(self, what: str) -> int:
        minutes = self._item.get("demandwindow")
        if minutes is not None:
            return int(number(minutes, "demandwindow") * 60)
        if self._stated.window_s is None:
            text = (
                f"the rate has {what} and does not say over which time power is a mean"
            )
            raise Refused(f"demandwindow is missing: {text}")
        return self._stated.window_s

    def _calendar(self, name: str, months: Sequence[Month]) -> str:
        self._calendars.append(calendar_of(name, months))
        return name


def _limit_per(structure: Sequence[Sequence[Row]], used: set[int]) -> LimitPer:
    """What limits are counted in; one unit for all, as tiers of two cannot be compared."""
    rows = [row for n in used for row in structure[n]]
    tiered = any(len(structure[n]) > 1 for n in used)
    units = {str(row.get("unit", "kWh")) for row in rows}
    if tiered and any("max" in row and "unit" not in row for row in rows):
        raise Refused("unit is missing: a tier's max is in kWh, kWh daily or kWh/kW")
    known = {"kWh": LimitPer.CYCLE, "kWh daily": LimitPer.DAY, "kWh/kW": LimitPer.KW}
    if len(units) > 1:
        raise Refused(f"units {' and '.join(sorted(units))} in one rate are not mixed")
    (unit,) = units
    if unit not in known:
        raise Refused(f"unit {unit[:40]!r} is not kWh, kWh daily or kWh/kW")
    return known[unit] if tiered else LimitPer.CYCLE


def _milli(row: Row, where: str) -> Milli:
    if "max" not in row:
        raise Refused(f"{where}: max is missing, and it is not the last tier")
    milli = number(row["max"], where) * 1000
    if milli != int(milli) or milli <= 0:
        raise Refused(f"{where}: max {row['max']} is no number of Wh above 0")
    return Milli(int(milli))
