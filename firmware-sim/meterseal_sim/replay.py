"""Real homes from a file: their load and PV, row by row, to curves.

Two layouts are known by their head line: CityLearn (`b1_load` ... `b17_pv`, kWh
per hour; it has no year, so a row is simply an hour) and SimBench (`H0-A_pload`,
`PV1` ..., mean power per quarter hour as a share of a stated peak). Numbers are
read as decimal text into fractions and must never pass through a float.

CityLearn's PV columns call themselves kWh but look like Wh per installed kWp:
a home that uses 40 kWh a day would make 5,000. They are taken literally unless
`pv_scale` says otherwise (0.001 turns them into one kWp a home).
"""

import csv
import gzip
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

from meterseal_sim.curve import Curve, net, split_hours
from meterseal_sim.refusal import Refused

WH_PER_KWH = 1000
MAX_DAYS = 366
"""A file holds a year; more would be a mistyped number of days."""


@dataclass(frozen=True, slots=True)
class Replay:
    """Which rows of which file, and how its numbers become Wh.

    `row` counts data rows from 0 and is the street's start. `peak_load_kw` and
    `peak_pv_kw` scale files in shares of a peak; `pv_scale` multiplies every PV
    value. `homes` of the file are taken in its order.
    """

    file: Path
    row: int = 0
    pv_scale: Fraction = Fraction(1)
    peak_load_kw: Fraction = Fraction(8)
    peak_pv_kw: Fraction = Fraction(6)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the columns of a file are and what one of its rows means."""

    rows_per_day: int
    loads: tuple[int, ...]
    pvs: tuple[int, ...]
    load_wh: Fraction
    pv_wh: Fraction


def curves(replay: Replay, start: int, days: int) -> tuple[Curve, ...]:
    """Return one curve per home of the file, for `days` from `start` (UTC s).

    Raises Refused when the file is missing, of another layout, too short, or
    holds something that is not a number of at least 0.
    """
    if not 1 <= days <= MAX_DAYS:
        raise Refused(f"--days {days}: replay between 1 and {MAX_DAYS} days")
    if replay.row < 0:
        raise Refused(f"--row {replay.row}: rows count from 0")
    with _opened(replay.file) as lines:
        rows = csv.reader(lines)
        layout = _layout_of(next(rows, []), replay)
        wanted = layout.rows_per_day * days
        taken = list(islice(rows, replay.row, replay.row + wanted))
    if len(taken) < wanted:
        raise Refused(
            f"{replay.file.name} ends {wanted - len(taken)} rows too early for"
            f" {days} days from row {replay.row}: choose a smaller row or fewer days"
        )
    return tuple(
        net(
            start,
            _quarters(taken, load, layout.load_wh, layout),
            _quarters(taken, pv, layout.pv_wh, layout),
        )
        for load, pv in zip(layout.loads, layout.pvs, strict=True)
    )


def _opened(file: Path) -> io.TextIOBase:
    try:
        with file.open("rb") as head:
            packed = head.read(2) == b"\x1f\x8b"
        if packed:
            return gzip.open(file, "rt", encoding="utf-8", newline="")
        return file.open(encoding="utf-8", newline="")
    except OSError as trouble:
        raise Refused(f"{file} cannot be read: {trouble.strerror}") from None


def _layout_of(names: Sequence[str], replay: Replay) -> _Layout:
    """Know the file by its head line."""
    kwh = Fraction(WH_PER_KWH)
    loads = [name for name in names if name.endswith("_load")]
    if loads:
        pvs = [name.removesuffix("_load") + "_pv" for name in loads]
        if not set(pvs) <= set(names):
            raise Refused(f"{replay.file.name} has a load column without its PV column")
        return _Layout(
            24, _places(names, loads), _places(names, pvs), kwh, kwh * replay.pv_scale
        )
    shapes = [name for name in names if name.endswith("_pload")]
    plants = [name for name in names if name.startswith("PV")]
    if shapes and plants:
        # Shapes and plants are unrelated in this file: they are paired in its order.
        pairs = list(zip(shapes, plants, strict=False))
        return _Layout(
            96,
            _places(names, [shape for shape, _ in pairs]),
            _places(names, [plant for _, plant in pairs]),
            kwh * replay.peak_load_kw / 4,
            kwh * replay.peak_pv_kw * replay.pv_scale / 4,
        )
    raise Refused(
        f"{replay.file.name} is neither CityLearn (b1_load, b1_pv) nor SimBench"
        " (H0-A_pload, PV1) by its first line"
    )


def _places(names: Sequence[str], wanted: Sequence[str]) -> tuple[int, ...]:
    return tuple(names.index(name) for name in wanted)


def _quarters(
    rows: Sequence[Sequence[str]], column: int, wh: Fraction, layout: _Layout
) -> list[Fraction]:
    values = [value * wh for value in _numbers(rows, column)]
    return values if layout.rows_per_day == 96 else split_hours(values)


def _numbers(rows: Sequence[Sequence[str]], column: int) -> Iterator[Fraction]:
    for row in rows:
        try:
            value = Fraction(row[column])
        except (ValueError, IndexError, ZeroDivisionError):
            raise Refused(f"row {row[:1]} has no number in column {column}") from None
        if value < 0:
            raise Refused(f"row {row[:1]} has {value} in column {column}: not below 0")
        yield value
