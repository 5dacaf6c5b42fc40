"""Numbers of bills and credit notes: consecutive in a network's year, from 1, without a gap.

    number_of(2026, 12)                   # "2026-00000012"

Tax law wants a gapless series where bills carry VAT (Directive 2006/112/EC article 226(2)
asks for one or more series that identify an invoice uniquely). A number is taken in the
transaction that issues the bill, so none is lost. Pure. This module must never read a table.
"""

import re
from datetime import datetime, tzinfo
from typing import Final

DIGITS: Final = 8
"""A hundred million bills a year in one network; as text they sort as they count."""
_NUMBER: Final = re.compile(rf"(\d{{4}})-(\d{{{DIGITS}}})")
_LAST: Final = 10**DIGITS - 1


def number_of(year: int, count: int) -> str:
    """Return the number of a year's bill `count`, from 1; ValueError beyond what fits."""
    if not 1 <= count <= _LAST or not 0 <= year <= 9999:
        raise ValueError(f"a year has 1 to {_LAST} bills")
    return f"{year:04}-{count:0{DIGITS}}"


def count_of(number: str) -> tuple[int, int]:
    """Return a number's year and count; ValueError where it is no number of a bill."""
    found = _NUMBER.fullmatch(number)
    if found is None:
        raise ValueError(f"{number[:40]!r} is no number of a bill")
    return int(found[1]), int(found[2])


def year_of(at: int, where: tzinfo) -> int:
    """Return the year of a Unix second in the network's zone: that of its numbers."""
    return datetime.fromtimestamp(at, where).year


def numbers(last: str | None, year: int, count: int) -> list[str]:
    """Return the next `count` numbers of a year after its `last` (None: the first ones)."""
    before = 0 if last is None else count_of(last)[1]
    return [number_of(year, before + n) for n in range(1, count + 1)]
