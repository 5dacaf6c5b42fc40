"""A year of hourly usage at a tariff, month by month: `meterseal-aggregator price`.

For whoever asks what a tariff costs before it is published, and for tests against other
programs. It needs no configuration and no database. Hours are local standard time, so no
clock is put forward; every month is a billing cycle of its own, and what net metering or
a yearly minimum carries goes from month to month. Rules that a rate of the OpenEI database
leaves open are asked for by name. This module must never round before the line.
"""

import json
from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Context, Decimal, Inexact, localcontext
from fractions import Fraction
from pathlib import Path
from typing import Final

from meterseal_aggregator.app.usagefile import Unreadable, YearOfUsage, read_usage
from meterseal_aggregator.billing.tariffs.metering import (
    Metering,
    Settled,
    with_metering,
)
from meterseal_aggregator.billing.tariffs.urdb import Imported, Stated, import_urdb
from meterseal_proto.boundedjson import read_json
from meterseal_proto.rating.components import Export, NetMetering, Price
from meterseal_proto.rating.line import NOTHING_CARRIED, Line, Rated
from meterseal_proto.rating.load import Load, Period
from meterseal_proto.rating.price import rate
from meterseal_proto.rating.tariff import (
    MAX_BRACKETS,
    MAX_DIGITS,
    MAX_DOCUMENT_BYTES,
    Cycle,
    FullTariff,
    full_tariff,
)

HOUR_S: Final = 3_600
MAX_FILE_BYTES: Final = 4 << 20
"""A year of hours with twenty columns has 2 MB; what has no end is not read to it."""
_EXACT_DIGITS: Final = 60
"""What a fraction is written out to where it ends; more than prices times usage have."""
_OURS: Final = b'"meterseal"'
"""The field by which a document of ours says what it is; rates of OpenEI have none."""
_SAID_BY: Final = {
    "metering": "--metering",
    "sell rate": "--sell-rate",
    "tier_counter": "--tier-counter",
    "allocation": "--allocation",
    "demandwindow": "--demand-window",
}
"""The option that says what a tariff leaves open, by what a refusal calls it."""
_CUT_DIGITS: Final = 24
"""What is written of a fraction that never ends: a third of something."""


class NotPriced(ValueError):
    """A wish that cannot be fulfilled; the sentence says what to do."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked: a tariff's and a usage's file, the year, and rules left open."""

    tariff: Path
    usage: Path
    year: int
    produced: str | None = None
    metering: Metering | None = None
    sell_rate: Decimal | None = None
    stated: Stated = Stated()  # noqa: RUF009 - frozen


@dataclass(frozen=True, slots=True)
class Year:
    """A year priced: its months in order, each the lines of a bill."""

    year: int
    tariff: FullTariff
    months: tuple[Rated, ...]


def price_year(wish: Wish) -> Year:
    """Return a year's twelve bills; NotPriced says what is wrong or missing."""
    try:
        tariff = _settled(wish)
        usage = read_usage(_read(wish.usage), year=wish.year, produced=wish.produced)
        return Year(wish.year, tariff, tuple(_months(tariff, usage, wish.year)))
    except (Unreadable, ValueError) as error:
        raise NotPriced(_with_option(str(error))) from None


def as_json(year: Year) -> str:
    """Return the year as one JSON object; amounts are decimal strings of the currency."""
    months = [
        {
            "lines": [_line(line, year.tariff.minor) for line in month.lines],
            "total": _money(month.total, year.tariff.minor),
            "exact": exact_text(month.exact),
        }
        for month in year.months
    ]
    total = sum(month.total for month in year.months)
    exact = sum((month.exact for month in year.months), Fraction(0))
    whole = {
        "year": year.year,
        "total": _money(total, year.tariff.minor),
        "exact": exact_text(exact),
        "currency": year.tariff.currency,
    }
    return json.dumps({"months": months, "year": whole}, indent=1)


def as_table(year: Year) -> Iterator[str]:
    """Return the year as lines of text for a person."""
    minor, currency = year.tariff.minor, year.tariff.currency
    for number, month in enumerate(year.months, start=1):
        yield f"{year.year}-{number:02d}  {_money(month.total, minor):>12} {currency}"
        for line in month.lines:
            name = f"{line.component} {line.part}".strip()
            quantity = "" if line.quantity is None else f"{float(line.quantity):,.3f}"
            unit = "" if line.quantity is None else line.unit.value
            amount = _money(line.amount, minor)
            yield f"  {name:38} {quantity:>12} {unit:8} {amount:>12}"
    total = sum(month.total for month in year.months)
    yield f"{year.year}     {_money(total, minor):>12} {currency}"


def exact_text(amount: Fraction) -> str:
    """Return a fraction as a decimal: whole where it ends, else its first 24 digits."""
    with localcontext(Context(prec=_EXACT_DIGITS)) as context:
        found = Decimal(amount.numerator) / amount.denominator
        if not context.flags[Inexact]:
            return f"{found.normalize() + 0:f}"
    with localcontext(Context(prec=_CUT_DIGITS)):
        return f"{Decimal(amount.numerator) / amount.denominator:f}"


def _with_option(refusal: str) -> str:
    """A refusal for what is missing, with the option that says it where there is one."""
    what, missing, _ = refusal.partition(" is missing")
    if not missing or what not in _SAID_BY:
        return refusal
    return f"{refusal}; say it by {_SAID_BY[what]}"


def _settled(wish: Wish) -> FullTariff:
    """The tariff of a wish, with export settled where there is any."""
    given = _digits(wish.sell_rate)
    document = _read(wish.tariff)
    ours = _ours(document)
    if ours is None:
        found = import_urdb(document, _with_digits(wish.stated, given))
    else:
        found = Imported(ours)
    tariff = found.tariff
    if tariff.cycle is not Cycle.MONTH:
        raise NotPriced("the tariff bills by the day; months are priced here")
    if wish.produced is None:
        return tariff
    if wish.metering is None:
        if any(isinstance(one, Export | NetMetering) for one in tariff.components):
            return tariff
        raise NotPriced("metering is missing: the tariff does not settle export")
    price = None if wish.sell_rate is None else _price(wish.sell_rate, tariff.digits)
    settled = Settled(wish.metering, price, found.sells)
    return with_metering(tariff, settled, credits_minimum=ours is None)


def _ours(document: bytes) -> FullTariff | None:
    """A tariff in full, in whatever order its fields are; None for another document."""
    if _OURS not in document:
        return None
    if len(document) > MAX_DOCUMENT_BYTES:
        raise NotPriced(f"a tariff has at most {MAX_DOCUMENT_BYTES} bytes")
    return full_tariff(read_json(document, brackets=MAX_BRACKETS))


def _months(tariff: FullTariff, usage: YearOfUsage, year: int) -> Iterator[Rated]:
    imported, exported = _registers(tariff, usage)
    first, carried = 0, NOTHING_CARRIED
    for month in range(1, 13):
        slots = monthrange(year, month)[1] * 24
        begin = int(datetime(year, month, 1, tzinfo=UTC).timestamp())
        span = slice(first, first + slots)
        load = Load(begin, HOUR_S, imported[span], exported[span], grain=usage.grain)
        rated = rate(tariff, load, Period.whole(begin, load.end), _standard, carried)
        yield rated
        first, carried = first + slots, rated.carried


def _registers(
    tariff: FullTariff, usage: YearOfUsage
) -> tuple[Sequence[int], Sequence[int]]:
    """What the meters count: each hour's net, or all that is used and all produced."""
    used, produced = usage.used, usage.produced
    if not produced or _sells_all(tariff):
        return used, produced
    nets = [take - give for take, give in zip(used, produced, strict=True)]
    return [max(net, 0) for net in nets], [max(-net, 0) for net in nets]


def _sells_all(tariff: FullTariff) -> bool:
    return any(
        isinstance(one, Export) and one.netting.value == "register"
        for one in tariff.components
    )


def _standard(at: int) -> datetime:
    """A clock that is never put forward: hours of the file as they stand."""
    return datetime.fromtimestamp(at, UTC)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            found = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise NotPriced(f"{path}: {error.strerror or 'cannot be read'}") from None
    if len(found) > MAX_FILE_BYTES:
        raise NotPriced(f"{path}: a file has at most {MAX_FILE_BYTES} bytes")
    return found


def _digits(amount: Decimal | None) -> int:
    exponent = 0 if amount is None else amount.as_tuple().exponent
    assert isinstance(exponent, int)
    return max(0, -exponent)


def _with_digits(stated: Stated, digits: int) -> Stated:
    return replace(stated, digits=max(stated.digits, digits))


def _price(amount: Decimal, digits: int) -> Price:
    if _digits(amount) > min(digits, MAX_DIGITS):
        raise NotPriced(f"the sell rate has more decimals than the tariff's {digits}")
    return Price(int(amount.scaleb(digits)))


def _line(line: Line, minor: int) -> Mapping[str, str | None]:
    return {
        "component": line.component,
        "kind": line.kind.value,
        "part": line.part,
        "quantity": None if line.quantity is None else exact_text(line.quantity),
        "unit": line.unit.value,
        "price": None if line.price is None else exact_text(line.price),
        "exact": exact_text(line.exact),
        "amount": _money(line.amount, minor),
    }


def _money(amount: int, minor: int) -> str:
    return f"{Decimal(amount).scaleb(-minor):.{minor}f}"
