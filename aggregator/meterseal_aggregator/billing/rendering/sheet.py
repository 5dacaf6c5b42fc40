"""A page as text in its places, before it is HTML or PDF: what is said, and where.

Both print the same sheet, so that they cannot say different things. Everything is text in
the member's language; numbers are formatted already. This module must never hold markup.
"""

from dataclasses import dataclass
from enum import Enum, auto

from meterseal_aggregator.billing.rendering.words import Words


@dataclass(frozen=True, slots=True)
class Fact:
    """A label and what it says; `value` is it for programs ("121.37"), else empty."""

    label: str
    text: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column's title; `number` sets it to the right. `share` is its part of the width."""

    title: str
    share: int
    number: bool = False


class Role(Enum):
    """What a row is."""

    LINE = auto()
    GROUP = auto()
    """One cell over the whole width that names the rows below."""
    SUM = auto()


@dataclass(frozen=True, slots=True)
class Row:
    """Cells from left to right; a GROUP row has one."""

    cells: tuple[str, ...]
    role: Role = Role.LINE


@dataclass(frozen=True, slots=True)
class Table:
    """A caption, columns, rows."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Bar:
    """A day's bar: its date, its quantity as text, and its height, 0 to 1,000."""

    day: str
    text: str
    height: int


@dataclass(frozen=True, slots=True)
class Chart:
    """Usage by day: `note` says in words what the picture shows."""

    caption: str
    note: str
    columns: tuple[str, str]
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with paragraphs and facts below."""

    heading: str
    paragraphs: tuple[str, ...]
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """A bill or credit note in words, in the order it is read."""

    words: Words
    title: str
    issuer: str
    recipient: tuple[str, ...]
    facts: tuple[Fact, ...]
    headline: Fact
    tables: tuple[Table, ...]
    sums: tuple[Fact, ...]
    """By group, then the total, whose `value` programs read."""
    standing: tuple[Fact, ...]
    charts: tuple[Chart, ...]
    sections: tuple[Section, ...]
