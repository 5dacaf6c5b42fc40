"""The JSON of a URDB rate, read strictly: every number as its decimals, every row counted.

Beside `urdb`, which says what it means. A number is never a binary fraction here. This
module must never turn what is missing into a nought.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from meterseal_proto.boundedjson import MAX_UINT

MAX_BYTES: Final = 1 << 20
"""A rate with a price for each hour has 70 kB."""
MAX_BRACKETS: Final = 8_192
MAX_RATES: Final = 64
"""Periods of a structure, and tiers of one."""
MAX_NUMBER: Final = Decimal(10) ** 12
MAX_EXPONENT: Final = 400
"""Beyond what a binary fraction can be, which files are written from."""
NO_END: Final = Decimal(10) ** 30
"""What some files write for a tier without an end: 1e38, or a float's largest."""
MAX_DECIMALS: Final = 30

# Any: a JSON document; every use below checks what it takes.
Item = Mapping[str, Any]
Row = Mapping[str, Any]


class Refused(ValueError):
    """A rate that is not imported; the sentence names what is missing or not known."""


_CHARGED: Final = frozenset(
    {
        "energyratestructure", "energyweekdayschedule", "energyweekendschedule",
        "realtimepricing", "fixedchargefirstmeter", "fixedchargeunits",
        "fixedmonthlycharge", "mincharge", "minchargeunits", "minmonthlycharge",
        "annualmincharge", "flatdemandstructure", "flatdemandmonths", "flatdemandunit",
        "demandratestructure", "demandweekdayschedule", "demandweekendschedule",
        "demandrateunit", "demandunits", "demandwindow",
    }
)  # fmt: skip
_TOLD: Final = frozenset(
    {
        # What a further meter costs: a meter point has one.
        "fixedchargeeaaddl",
        # Says whether the utility nets at all; how, the caller states.
        "dgrules", "usenetmetering", "is_default", "servicetype", "rate_name",
    }
)  # fmt: skip
_NOUGHT: Final = frozenset(
    {
        "lookbackpercent", "lookbackmonths", "lookbackrange", "demandratchetpercentage",
        "demandreactivepowercharge", "coincidentratestructure", "coincidentrateschedule",
    }
)  # fmt: skip
"""Ratchets, reactive power, coincident peaks: not had here, so they must charge nothing."""
_NO_CODE: Final = re.compile(r"[^a-z0-9._-]+")
_MONEY: Final = re.compile(r"charge|rate|price|fee|tax|adj|credit|cost|rider|demand")
_COMMENTS: Final = re.compile(r"comments?$|attrs$|unit$|utility|rateversion")


def check_known(item: Item) -> None:
    """Refuse a field that would charge something this import does not know."""
    for name, value in item.items():
        if name in _NOUGHT and any(_numbers(value)):
            raise Refused(f"{name}: such a charge is not had here")
        known = name in _CHARGED | _TOLD | _NOUGHT or _COMMENTS.search(name)
        if not known and _MONEY.search(name):
            raise Refused(f"{name}: a field that may charge something and is not known")


def read_item(document: bytes) -> Item:
    """Return the one rate of a document: bare, among `items`, or as a response within."""
    if len(document) > MAX_BYTES:
        raise Refused(f"a rate has at most {MAX_BYTES} bytes")
    if document.count(b"[") + document.count(b"{") > MAX_BRACKETS:
        raise Refused(f"more than {MAX_BRACKETS} lists and objects")
    try:
        found = json.loads(document, parse_float=_decimal, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Refused(f"the rate is no JSON: {error}") from None
    return _bare(found)


def number(value: object, place: str) -> Decimal:
    """Return a number of JSON as its decimals; Refused for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Refused(f"{place}: {str(value)[:40]!r} is no number")
    found = Decimal(value)
    if abs(found) > MAX_NUMBER:
        raise Refused(f"{place}: {str(value)[:40]} is too large")
    return found


def endless(row: Row) -> bool:
    """Tell whether a tier has no end."""
    end = row.get("max")
    return end is None or (isinstance(end, int | Decimal) and end >= NO_END)


def rows_of(item: Item, field: str) -> list[list[Row]]:
    """Return a rate structure: for each period its tiers, in order."""
    found = item[field]
    if not isinstance(found, list) or not 1 <= len(found) <= MAX_RATES:
        raise Refused(f"{field}: 1 to {MAX_RATES} periods")
    for n, rows in enumerate(found):
        if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_RATES:
            raise Refused(f"{field}[{n}]: 1 to {MAX_RATES} tiers")
        if not all(isinstance(row, dict) for row in rows):
            raise Refused(f"{field}[{n}]: each tier is an object")
    return found


def schedule(
    item: Item, field: str, rows: int, columns: int, periods: int
) -> list[tuple[int, ...]]:
    """Return a schedule of `rows` times `columns` numbers, each below `periods`.

    A schedule of one row is written without the list around it.
    """
    if field not in item:
        raise Refused(f"{field} is missing")
    found = [item[field]] if rows == 1 else item[field]
    if not isinstance(found, list) or len(found) != rows:
        raise Refused(f"{field}: {rows} rows")
    made = []
    for n, row in enumerate(found):
        if not isinstance(row, list) or len(row) != columns:
            raise Refused(f"{field}: row {n + 1} has not {columns} numbers")
        numbers = [number(one, field) for one in row]
        if any(one != int(one) or not 0 <= one < periods for one in numbers):
            raise Refused(f"{field}: row {n + 1} names a period that has no rate")
        made.append(tuple(map(int, numbers)))
    return made


def decimals(item: Item) -> int:
    """Return the most decimals that any amount of a rate is told with."""
    told = [item.get(field) for field in _CHARGED if not field.endswith("schedule")]
    amounts = (one for one in _numbers(told) if abs(one) < MAX_NUMBER)
    return max((_decimals(one) for one in amounts), default=0)


def told(value: object) -> str:
    """Return how a refusal tells a value that is missing or not known."""
    return "is missing" if value is None else f"is {str(value)[:40]!r}"


def code_of(item: Item) -> str:
    """Return a tariff's code for a rate: its label or its name, as codes are written."""
    text = str(item.get("label") or item.get("name") or "urdb").lower()
    return _NO_CODE.sub("-", text).strip("-._")[:64] or "urdb"


def start_of(item: Item) -> int:
    """Return the Unix second a rate holds from; 0 where it does not say."""
    found = item.get("startdate", 0)
    if isinstance(found, int) and not isinstance(found, bool) and found >= 0:
        return min(found, MAX_UINT)
    try:
        at = datetime.fromisoformat(str(found)).replace(tzinfo=UTC)
    except ValueError:
        raise Refused(f"startdate: {str(found)[:40]!r} is no time") from None
    return max(0, int(at.timestamp()))


def _bare(found: Any) -> Item:
    """The rate within what wraps it: {"items": [it]}, or a response of another tool."""
    if isinstance(found, dict) and "items" in found:
        items = found["items"]
        if not isinstance(items, list) or len(items) != 1:
            raise Refused("items: one rate; ask for the one that is meant")
        return _bare(items[0])
    if isinstance(found, dict):
        for wrap in ("ElectricTariff", "urdb_response"):
            if isinstance(found.get(wrap), dict):
                return _bare(found[wrap])
        return found
    raise Refused("a rate is a JSON object")


def _numbers(value: object) -> Iterator[Decimal]:
    match value:
        case bool() | str() | None:
            return
        case int() | Decimal():
            yield Decimal(value)
        case list():
            for one in value:
                yield from _numbers(one)
        case dict():
            for one in value.values():
                yield from _numbers(one)


def _decimals(amount: Decimal) -> int:
    exponent = amount.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else MAX_DECIMALS


def _decimal(text: str) -> Decimal:
    """Return a fraction as it is written; Refused where computing with it would not end well."""
    try:
        found = Decimal(text)
    except ArithmeticError:
        found = NO_END.scaleb(MAX_EXPONENT)
    if not -MAX_EXPONENT <= found.adjusted() <= MAX_EXPONENT:
        raise Refused(f"{text[:40]} is no number that a rate has")
    return found


def _no_number(text: str) -> Decimal:
    raise Refused(f"{text} is no number")
