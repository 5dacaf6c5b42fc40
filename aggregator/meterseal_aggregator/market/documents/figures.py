"""Which monthly figures a document names, and whether a number occurs in it. Pure.

    text = normal(raw)
    proposed(text)              # {500_000}: Wh a month, one plain figure
    occurs(text, 500_000)       # True: somebody named it, and there it stands

A yearly figure is divided by twelve and floored to the Wh. "1.234" may be a thousand or a
little more than one: what is proposed takes kWh as thousands, what is named may be either.
This module must never propose a number that the text does not hold.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from meterseal_aggregator.market.documents.words import PERIODS, UNITS, Period

MAX_DIGITS: Final = 15
"""Of one number: longer ones are account numbers."""
MAX_FIGURES: Final = 5_000
"""Numbers of one document that are looked at; a year of daily readings has 1,500."""
WH_A_KWH: Final = 1_000

_DIGITS: Final = r"\d+(?:[.,']\d+)*"
_SPACED: Final = r"\d{1,3}(?: \d{3})+(?:[.,]\d+)?(?!\d)"
_NUMBER: Final = rf"(?<![\w.,'])(?P<number>{_SPACED}|{_DIGITS})"
_GROUPED: Final = re.compile(r"\d{1,3}([.,' ])\d{3}(?:\1\d{3})*")
_INDIAN: Final = re.compile(r"\d{1,2}(?:,\d{2})+,\d{3}")
_GROUP_SPACE: Final = re.compile(r"(?<=\d)[\u00a0\u2007\u2009\u202f\u2019](?=\d{3})")
_ACCENTS: Final = range(0x300, 0x370)


def _any(words: Iterable[str]) -> str:
    return "(?:" + "|".join(words) + ")"


_UNIT: Final = "|".join(f"(?P<u{wh}>{_any(words)})" for wh, words in UNITS.items())
_EACH: Final = "|".join(
    f"(?P<{one.name}>{_any(words.each)})" for one, words in PERIODS.items()
)
_AFTER: Final = re.compile(
    rf"{_NUMBER}(?:[ -]{{0,3}}(?:{_UNIT})(?:[ ]{{0,3}}(?:{_EACH}))?)?"
)
# "Monthly production (kWh): 500": the unit before, and a mark between.
_BEFORE: Final = re.compile(
    rf"(?:{_UNIT})(?:[ ]{{0,3}}(?:{_EACH}))?[ ]{{0,3}}[)\]:=][)\]:= ]{{0,5}}{_NUMBER}"
)
_ABOUT: Final = {one: re.compile(_any(words.about)) for one, words in PERIODS.items()}


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of the text: what it may be, its unit in Wh and its period, where it says.

    `likely` are those of its readings that may be proposed.
    """

    readings: frozenset[Fraction]
    likely: frozenset[Fraction]
    unit_wh: int | None
    period: Period | None


def normal(text: str) -> str:
    """Return a text in one spelling: lower case, digits 0-9, Latin letters without accents."""
    text = unicodedata.normalize("NFKC", _GROUP_SPACE.sub("'", text)).casefold()
    plain = (one for one in unicodedata.normalize("NFD", text))
    bare = "".join(one for one in plain if ord(one) not in _ACCENTS)
    return "".join(_digit(one) for one in unicodedata.normalize("NFC", bare))


def proposed(text: str) -> set[int]:
    """Return the monthly figures, in Wh, that a normal text names with unit and period."""
    return {
        _monthly(value, one.unit_wh, one.period)
        for one in figures(text)
        if one.unit_wh is not None and one.period is not None
        for value in one.likely
    } - {0}


def occurs(text: str, monthly_wh: int) -> bool:
    """Tell whether a monthly figure stands in a normal text, by whatever unit it has there.

    A number without a unit is read as kWh, one said to be of a year as its twelfth.
    """
    return any(
        _monthly(value, one.unit_wh or WH_A_KWH, one.period) == monthly_wh
        for one in figures(text)
        for value in one.readings
    )


def read_kwh(text: str) -> int | None:
    """Return the Wh of a decimal of kWh as programs write it, None where it is none above 0."""
    if re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,3})?", text, re.ASCII) is None:
        return None
    return int(Fraction(text) * WH_A_KWH) or None


def figures(text: str) -> list[Figure]:
    """Return the first numbers of a normal text with what is said of them."""
    found: list[Figure] = []
    heading: Period | None = None
    for line in text.splitlines():
        matches = list(_matches(line))
        spoken = [one for one, words in _ABOUT.items() if words.search(line)]
        said = heading if not spoken else None
        if len(spoken) == 1 and not any(_each(match) for match in matches):
            # Words beside a figure are that figure's, and no other's of the line.
            said = spoken[0]
        found += [_figure(match, said) for match in matches]
        if len(found) >= MAX_FIGURES:
            return found[:MAX_FIGURES]
        # A label may stand on the line above its figure, but not above another one.
        valued = any(_unit_of(match) is not None for match in matches)
        heading = None if valued else _next_heading(line, spoken, heading)
    return found


def _matches(line: str) -> Iterator[re.Match[str]]:
    """Return a line's numbers, each once: with the unit after it, or else before it."""
    before = {match.start("number"): match for match in _BEFORE.finditer(line)}
    for match in _AFTER.finditer(line):
        at = match.start("number")
        yield match if _unit_of(match) is not None else before.get(at, match)


def _figure(match: re.Match[str], said: Period | None) -> Figure:
    unit = _unit_of(match)
    readings = _readings(match["number"])
    likely = readings
    if unit is not None and unit <= WH_A_KWH and " " not in match["number"]:
        # Nobody writes a month to the thousandth of a kWh; of MWh they do.
        likely = frozenset([max(readings)]) if readings else readings
    period = (_each(match) or said) if unit is not None else None
    return Figure(readings, likely, unit, period)


def _readings(number: str) -> frozenset[Fraction]:
    """Return what a number as written may be: none for dates and the like."""
    if sum(one.isdigit() for one in number) > MAX_DIGITS:
        return frozenset()
    found = {Fraction(whole) for whole in _whole(number)}
    head, mark, tail = _last_mark(number)
    if mark and mark not in head and tail.isdigit():
        found |= {Fraction(f"{whole}.{tail}") for whole in _whole(head)}
    if " " in number:
        # "meter 12 500 kWh": the groups may be two numbers.
        found |= _readings(number.rpartition(" ")[2])
    return frozenset(found)


def _whole(number: str) -> list[int]:
    """Return the whole number written with or without groups of digits, or nothing."""
    if number.isdigit() or _GROUPED.fullmatch(number) or _INDIAN.fullmatch(number):
        if number.startswith("0") and not number.isdigit():
            return []
        return [int(re.sub(r"\D", "", number))]
    return []


def _last_mark(number: str) -> tuple[str, str, str]:
    at = max(number.rfind("."), number.rfind(","))
    return (number, "", "") if at < 0 else (number[:at], number[at], number[at + 1 :])


def _monthly(value: Fraction, unit_wh: int, period: Period | None) -> int:
    months = period.value if period is not None else 1
    return int(value * unit_wh / months)


def _unit_of(match: re.Match[str]) -> int | None:
    return next((wh for wh in UNITS if match[f"u{wh}"]), None)


def _each(match: re.Match[str]) -> Period | None:
    return next((one for one in Period if match[one.name]), None)


def _next_heading(
    line: str, spoken: list[Period], heading: Period | None
) -> Period | None:
    """Return what an unvalued line says of the one below; None for both periods."""
    if not line.strip():
        return heading
    return spoken[0] if len(spoken) == 1 else None


def _digit(one: str) -> str:
    """Return a digit of any script as 0 to 9, anything else as it is."""
    value = unicodedata.decimal(one, None)
    return one if value is None else str(value)
