"""A year of hourly usage from a CSV: the hours of a load, and of what a roof produced.

    Date/Time,Electricity [kWh],PV_1kW [kWh]
    01/01  01:00:00,0.4184,0

The first column is the hour's end as "MM/DD  HH:MM:SS" (01 to 24) in local standard time,
every hour of the year in order; the second is the load, any other may be asked for by its
name, with or without the unit in brackets. Figures are plain decimals of kWh. A load is
never negative; production below nothing is what the inverter took by night, and counts as
load. This module must never skip, sort or fill in a row.
"""

import csv
import io
from calendar import isleap, monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from meterseal_proto.rating.load import MAX_GRAIN, WHOLE

MAX_BYTES: Final = 4 << 20
"""8,784 rows of twenty columns have 2 MB."""
MAX_DECIMALS: Final = 9
MAX_WHOLE_DIGITS: Final = 9
"""A GWh an hour: no meter point of ours."""
_PLAIN: Final = 8_760
_LEAP: Final = 8_784
"""Hours of a year without and with 29 February."""
_LABEL: Final = "{month:02d}/{day:02d}  {hour:02d}:00:00"


class Unreadable(ValueError):
    """A file that is no year of usage; the sentence says where and what to do."""


@dataclass(frozen=True, slots=True)
class YearOfUsage:
    """Hours of a year in 1/grain of a kWh; `produced` is empty without such a column."""

    used: list[int]
    produced: list[int]
    grain: int


def read_usage(content: bytes, *, year: int, produced: str | None) -> YearOfUsage:
    """Return the hours of a file; Unreadable names the row that is wrong."""
    if len(content) > MAX_BYTES:
        raise Unreadable(f"the usage has at most {MAX_BYTES} bytes")
    try:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig")), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise Unreadable(f"the usage is no CSV of UTF-8: {error}") from None
    if not rows or len(rows[0]) < 2:
        raise Unreadable("the usage begins with a header: Date/Time and a load")
    column = _column(rows[0], produced) if produced is not None else None
    _count(rows, year)
    texts = [_texts(row, label, n, column) for n, (row, label) in _labelled(rows, year)]
    decimals = max(
        (len(one.partition(".")[2]) for row in texts for one in row), default=0
    )
    grain = max(WHOLE, 10**decimals)
    assert grain <= MAX_GRAIN
    hours = [[int(Decimal(one) * grain) for one in row] for row in texts]
    if column is None:
        return YearOfUsage([row[0] for row in hours], [], grain)
    used = [load + max(-made, 0) for load, made in hours]
    return YearOfUsage(used, [max(made, 0) for _, made in hours], grain)


def _column(header: list[str], name: str) -> int:
    for n, title in enumerate(header[2:], start=2):
        if name in {title, title.partition("[")[0].strip()}:
            return n
    known = ", ".join(title.partition("[")[0].strip() for title in header[2:])
    raise Unreadable(f"the usage has no column {name!r}; there are: {known or 'none'}")


def _count(rows: list[list[str]], year: int) -> None:
    hours, found = (_LEAP if isleap(year) else _PLAIN), len(rows) - 1
    if found == hours:
        return
    if found not in (_PLAIN, _LEAP):
        # One hour too few or too many: the first that is not in its place tells which.
        for n, (row, label) in _labelled(rows, year):
            _check_label(row, label, n)
    hint = "; take a year without 29 February" if found == _PLAIN else ""
    raise Unreadable(f"the usage has {found} rows and {year} has {hours} hours{hint}")


def _labelled(
    rows: list[list[str]], year: int
) -> Iterator[tuple[int, tuple[list[str], str]]]:
    """Give each row with its number in the file and the hour it should be."""
    labels = (
        _LABEL.format(month=month, day=day, hour=hour)
        for month in range(1, 13)
        for day in range(1, monthrange(year, month)[1] + 1)
        for hour in range(1, 25)
    )
    return enumerate(zip(rows[1:], labels, strict=False), start=2)


def _check_label(row: list[str], label: str, n: int) -> None:
    if not row or " ".join(row[0].split()) != " ".join(label.split()):
        found = row[0][:40] if row else ""
        raise Unreadable(f"row {n} of the usage is {found!r}, not {label!r}")


def _texts(row: list[str], label: str, n: int, column: int | None) -> list[str]:
    _check_label(row, label, n)
    if len(row) <= (column or 1):
        raise Unreadable(f"row {n} of the usage has {len(row)} columns")
    if row[1].strip().startswith("-"):
        raise Unreadable(f"row {n} of the usage is negative: {row[1][:40]!r}")
    columns = [1] if column is None else [1, column]
    return [_plain(row[at].strip(), n) for at in columns]


def _plain(text: str, n: int) -> str:
    whole, point, decimals = text.removeprefix("-").partition(".")
    digits = whole + decimals
    plain = digits.isascii() and digits.isdigit() and whole and (decimals or not point)
    if not plain or len(whole) > MAX_WHOLE_DIGITS or len(decimals) > MAX_DECIMALS:
        text = f"row {n} of the usage: {text[:40]!r} is no plain decimal of kWh"
        raise Unreadable(f"{text} with at most {MAX_DECIMALS} decimals")
    return text
