"""A tariff in full: one document, one spelling, one hash; what `price` rates a load by.

    tariff = parse_full_tariff(document)
    rated = rate(tariff, load, Period.whole(begin, end), local)      # price

Canonical JSON ("meterseal": "full-tariff/1"): keys sorted, no spaces, integers only, fields
at their default left out. Prices are integers of 10^-digits of the currency. What two
readings could differ on has no default, and a document without it is refused by name
(`refusals`). Whether this machine knows the zone is for whoever has a zone database.
This module must never compute a charge.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

from meterseal_proto.boundedjson import read_json
from meterseal_proto.errors import Malformed
from meterseal_proto.rating.components import (
    Calendar,
    Component,
    Demand,
    LimitPer,
    Minor,
)
from meterseal_proto.rating.documenthash import document_hash
from meterseal_proto.rating.refusals import check_components
from meterseal_proto.rating.spelling import read_fields, written
from meterseal_proto.rating.statement import MAX_MINOR
from meterseal_proto.rating.terms import Terms, check_terms
from meterseal_proto.tariff import canonical, read_names

FORMAT: Final = "full-tariff/1"
MAX_DOCUMENT_BYTES: Final = 1 << 18
"""A price for each of 8,760 hours with 18 digits has 180 kB."""
MAX_BRACKETS: Final = 4_096
"""Objects and lists: more than any tariff in use has windows and tiers."""
MAX_DIGITS: Final = 18
"""What files of real tariffs tell a price to, once they went through a binary fraction."""
DEFAULT_DIGITS: Final = 6
MAX_HOLIDAYS: Final = 400
"""Twenty years of moving feasts."""
_HOLIDAY: Final = re.compile(r"(\d{4}-)?\d{2}-\d{2}")


class Commodity(StrEnum):
    """What is supplied; it decides the unit: kWh or m3."""

    ELECTRICITY = "electricity"
    WATER = "water"


class Cycle(StrEnum):
    """How long a billing cycle is, in the zone's calendar."""

    MONTH = "month"
    DAY = "day"


class Split(StrEnum):
    """How a cycle that is rated in parts fills its tiers, quotas and minimums."""

    PROPORTION = "proportion"
    """Each part has its share of every limit, by local days."""
    CARRIED = "carried"
    """Limits are whole and count on from what the parts before have used."""


class Rule(StrEnum):
    """How an amount is rounded; ties and directions are the same for credits as for debts."""

    HALF_EVEN = "half-even"
    HALF_UP = "half-up"
    """Ties away from zero."""
    UP = "up"
    """Away from zero."""
    DOWN = "down"
    """Towards zero."""


class TotalOf(StrEnum):
    """What the rounding line starts from."""

    LINES = "lines"
    """The sum of the rounded lines, to a step that can be paid in cash."""
    EXACT = "exact"
    """The sum before rounding: so a bill of many lines is off by half a step at most."""


@dataclass(frozen=True, slots=True)
class TotalRounding:
    """The total is a multiple of `step` minor units; the difference is a line of its own."""

    step: Minor
    rule: Rule
    of: TotalOf = TotalOf.LINES


@dataclass(frozen=True, slots=True)
class FullTariff:
    """A tariff; see the module for its document, `components` for what it may charge.

    `id` is its code, the same in every version; `minor` the decimals of a statement;
    `holidays` are days "YYYY-MM-DD", or "MM-DD" of every year, in order.
    """

    id: str
    currency: str
    zone: str
    valid_from: int
    commodity: Commodity
    components: tuple[Component, ...]
    rounding: Rule
    split: Split
    minor: int = 2
    digits: int = DEFAULT_DIGITS
    cycle: Cycle = Cycle.MONTH
    calendars: tuple[Calendar, ...] = ()
    holidays: tuple[str, ...] = ()
    total_rounding: TotalRounding | None = None
    terms: Terms = Terms()  # noqa: RUF009 - frozen

    def document(self) -> bytes:
        """Return the one spelling of it."""
        found = written(self)
        assert isinstance(found, dict)
        return canonical({"meterseal": FORMAT, **found})

    def hash(self) -> bytes:
        """Return SHA-256 of a domain and the document, 32 bytes."""
        return document_hash(self.document())

    def calendar(self, name: str) -> Calendar:
        """Return the calendar of a name it has."""
        return next(one for one in self.calendars if one.name == name)


def parse_full_tariff(document: bytes) -> FullTariff:
    """Return the tariff a document spells; Malformed says what is wrong with it."""
    if len(document) > MAX_DOCUMENT_BYTES:
        raise Malformed(f"a tariff has at most {MAX_DOCUMENT_BYTES} bytes")
    try:
        tariff = full_tariff(read_json(document, brackets=MAX_BRACKETS))
    except (TypeError, ValueError, KeyError, RecursionError) as error:
        raise Malformed(f"not a full tariff: {error}") from None
    if tariff.document() != document:
        raise Malformed("a full tariff in another than its one spelling")
    return tariff


def full_tariff(found: Any) -> FullTariff:  # Any: JSON, checked field by field
    """Return the tariff that JSON spells, in whatever order; ValueError says what is wrong."""
    if not isinstance(found, dict) or found.get("meterseal") != FORMAT:
        raise ValueError(f"meterseal must be {FORMAT!r}")
    rows: Mapping[str, Any] = {k: v for k, v in found.items() if k != "meterseal"}
    tariff = read_fields(FullTariff, rows, "")
    assert isinstance(tariff, FullTariff)
    check(tariff)
    return tariff


def check(tariff: FullTariff) -> None:
    """Raise ValueError with a sentence for a tariff that says what cannot be."""
    read_names({"id": tariff.id, "currency": tariff.currency, "zone": tariff.zone})
    if tariff.minor > MAX_MINOR:
        raise ValueError(f"minor: 0 to {MAX_MINOR} decimals")
    if not tariff.minor <= tariff.digits <= MAX_DIGITS:
        raise ValueError(f"digits: {tariff.minor} (minor) to {MAX_DIGITS} decimals")
    _check_holidays(tariff.holidays)
    check_terms(tariff.terms)
    if tariff.total_rounding is not None and tariff.total_rounding.step == 0:
        raise ValueError("total_rounding.step: at least one minor unit")
    carried = tariff.split is Split.CARRIED
    check_components(
        tariff.components, tariff.calendars, tariff.holidays, carried=carried
    )
    if tariff.commodity is Commodity.WATER:
        _check_water(tariff)


def _check_holidays(days: Sequence[str]) -> None:
    if len(days) > MAX_HOLIDAYS:
        raise ValueError(f"holidays: at most {MAX_HOLIDAYS}")
    if list(days) != sorted(set(days)):
        raise ValueError("holidays are written in order, each once")
    for day in days:
        if not _is_day(day):
            raise ValueError(f"holidays: {day[:20]!r} is no YYYY-MM-DD or MM-DD")


def _is_day(text: str) -> bool:
    if _HOLIDAY.fullmatch(text) is None:
        return False
    try:
        # "MM-DD" is of every year, so 02-29 is of those that have it.
        date.fromisoformat(text if len(text) > len("MM-DD") else f"2000-{text}")
    except ValueError:
        return False
    return True


def _check_water(tariff: FullTariff) -> None:
    for one in tariff.components:
        if isinstance(one, Demand) or getattr(one, "per", None) is LimitPer.KW:
            raise ValueError(f"{one.name}: water has no kW")
