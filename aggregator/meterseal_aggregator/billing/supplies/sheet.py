"""A CSV file of members and meter points, read: every fault with its line.

    member,meter_point,home,from,to,tariff,rail,prepaid
    Ada Lovelace,House 7,,2026-11-01,,residential,ledger,no

The first line names the columns, in any order; `member` and `meter_point` must be among
them. A row with both and `from` is a tenancy, with `tariff` a supply too. `from` and `to`
are a date (midnight of the network's zone) or a time with its offset (RFC 3339). Pure. This
module must never take half a file: whoever reads it gets all rows or all faults.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, tzinfo
from typing import Final

from meterseal_aggregator.billing.supplies.model import Terms
from meterseal_proto.rating.statement import Rail

MAX_SHEET_BYTES: Final = 1 << 19
"""Rows have 50 bytes as a rule, and 250 are many."""
MAX_ROWS: Final = 2_000
"""All of them go into one transaction, in which nobody else writes: six seconds of a busy
machine. A town is several files, each whole or not at all."""
MAX_FAULTS: Final = 50
"""Faults that are named; whoever mends these sees the rest."""
MAX_NAME: Final = 120
LAST_SECOND: Final = 1 << 40
REQUIRED: Final = ("member", "meter_point")
COLUMNS: Final = (*REQUIRED, "home", "from", "to", "tariff", "rail", "prepaid")
_NAME: Final = re.compile(r"[^\x00-\x1f\x7f]{0,120}")
_CODE: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_YES_NO: Final = {"": False, "no": False, "yes": True}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong in a line of the file, the first one being 1."""

    line: int
    what: str


class SheetRefused(Exception):
    """A file that is not taken, whole: its faults, the first MAX_FAULTS of them."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"line {one.line}: {one.what}" for one in faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A line: names as written, empty where it says none; times in Unix seconds."""

    line: int
    member: str
    meter_point: str
    home: str
    from_at: int | None
    to_at: int | None
    terms: Terms | None


def read_sheet(data: bytes, zone: tzinfo) -> list[SheetRow]:
    """Return the rows of a file; raises SheetRefused with its faults."""
    if len(data) > MAX_SHEET_BYTES:
        raise SheetRefused([Fault(1, f"a file has at most {MAX_SHEET_BYTES} bytes")])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SheetRefused([Fault(line, "this is not UTF-8")]) from None
    rows, faults = [], []
    for line, cells in _lines(text):
        try:
            rows.append(_row(line, cells, zone))
        except ValueError as error:
            faults.append(Fault(line, str(error)))
    if faults:
        raise SheetRefused(faults[:MAX_FAULTS])
    return rows


def _lines(text: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line, columns, count = 1, list[str](), 0
    try:
        for cells in reader:
            if not columns:
                columns = _columns(cells)
            elif any(map(str.strip, cells)):
                count += 1
                yield line, _cells(line, columns, cells, count)
            line = reader.line_num + 1
    except csv.Error as error:
        raise SheetRefused([Fault(reader.line_num, f"not CSV: {error}")]) from None
    if not columns:
        raise SheetRefused([Fault(1, "the file is empty")])


def _columns(cells: list[str]) -> list[str]:
    names = [cell.strip() for cell in cells]
    wrong = [name for name in names if name not in COLUMNS]
    if wrong or len(set(names)) < len(names) or not set(REQUIRED) <= set(names):
        told = f"the first line names each column once, of {', '.join(COLUMNS)}"
        raise SheetRefused([Fault(1, f"{told}; separated by commas")])
    return names


def _cells(
    line: int, columns: list[str], cells: list[str], count: int
) -> Mapping[str, str]:
    if count > MAX_ROWS:
        told = f"a file has at most {MAX_ROWS} rows: make several, each taken whole"
        raise SheetRefused([Fault(line, told)])
    if len(cells) != len(columns):
        told = f"{len(cells)} cells where the first line names {len(columns)}"
        raise SheetRefused([Fault(line, told)])
    return dict(zip(columns, map(str.strip, cells), strict=True))


def _row(line: int, cells: Mapping[str, str], zone: tzinfo) -> SheetRow:
    for name in ("member", "meter_point", "home"):
        if _NAME.fullmatch(cells.get(name, "")) is None:
            raise ValueError(f"{name}: at most {MAX_NAME} printable characters")
    member, point = cells["member"], cells["meter_point"]
    begins, ends = (_second(cells.get(name, ""), name, zone) for name in ("from", "to"))
    terms = _terms(cells)
    if begins is None and (ends is not None or terms is not None):
        raise ValueError("from: say when it begins, as 2026-11-01")
    if begins is not None and not (member and point):
        raise ValueError("a tenancy has a member and a meter_point")
    if begins is not None and ends is not None and ends <= begins:
        raise ValueError("to: must be later than from")
    if not point and cells.get("home"):
        raise ValueError("home: name the meter_point that belongs to it")
    return SheetRow(line, member, point, cells.get("home", ""), begins, ends, terms)


def _second(text: str, name: str, zone: tzinfo) -> int | None:
    if not text:
        return None
    day = len(text) == len("2026-11-01")
    try:
        at = (
            datetime.combine(date.fromisoformat(text), time(), zone)
            if day
            else datetime.fromisoformat(text)
        )
        found = int(at.timestamp()) if at.tzinfo is not None else None
    except (ValueError, OverflowError):
        found = None
    if found is None:
        told = "neither 2026-11-01 nor 2026-11-01T12:00:00+01:00"
        raise ValueError(f"{name}: {text!r} is {told}")
    if not 0 <= found < LAST_SECOND:
        raise ValueError(f"{name}: {text!r} is out of range")
    return found


def _terms(cells: Mapping[str, str]) -> Terms | None:
    code, rail = cells.get("tariff", ""), cells.get("rail", "")
    prepaid = cells.get("prepaid", "")
    if not code:
        if rail or prepaid:
            raise ValueError("tariff: rail and prepaid are a supply's, which has one")
        return None
    if _CODE.fullmatch(code) is None:
        raise ValueError(f"tariff: {code!r} is no code of a tariff")
    if rail not in ("", *Rail) or prepaid not in _YES_NO:
        raise ValueError("rail must be ledger or stacks, prepaid yes or no")
    return Terms(code, Rail(rail or Rail.LEDGER), _YES_NO[prepaid])
