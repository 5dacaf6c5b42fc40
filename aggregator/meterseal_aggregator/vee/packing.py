"""How a register's slots become known: readings, imports, estimates, edits; pure.

What a person edited holds before all else, then what the device told (of one start its
latest revision, what is told for a slot alone before what was told for many), then a file,
then an estimate. So it does not matter in which order they came. A span's quantity is
spread evenly over its slots and keeps its sum. This module must never change a slot for
anything but one of these.
"""

from array import array
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from meterseal_proto.rating.usage import packed
from meterseal_proto.units import Quality

MISSING: Final = int(Quality.MISSING)


class Source(StrEnum):
    """Where a value that no device sealed comes from."""

    ESTIMATE = "estimate"
    IMPORT = "import"
    EDIT = "edit"


class Told(NamedTuple):
    """A reading: `delta` Wh or litres over [start, start + length)."""

    register_id: int
    start: int
    length: int
    revision: int
    delta: int


class Valued(NamedTuple):
    """A value of `vee_values`, by its row id."""

    id: int
    register_id: int
    start: int
    length: int
    delta: int
    quality: int
    source: str


Doubts = AbstractSet[tuple[int, int, int]]
"""(register row, start, revision) of readings that validation did not call good."""


@dataclass(slots=True)
class Book:
    """A register's slots over a window, [begin, end), as they become known.

    `first` is the first slot that starts in it; `deltas` and `qualities` have one a slot.
    """

    step: int
    begin: int
    end: int
    first: int = 0
    deltas: "array[int]" = field(default_factory=lambda: array("I"))
    qualities: bytearray = field(default_factory=bytearray)
    odd: list[Told] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.first = self.begin + -self.begin % self.step
        slots = max(0, -((self.first - self.end) // self.step))
        self.deltas = array("I", bytes(4 * slots))
        self.qualities = bytearray((MISSING,)) * slots

    def part(self, begin: int, end: int) -> tuple[int, bytes, bytes]:
        """Return first second, packed deltas and qualities of slots starting in [begin, end)."""
        low = max(0, -((self.first - begin) // self.step))
        high = max(low, -((self.first - end) // self.step))
        deltas = packed(self.deltas[low:high])
        return self.first + low * self.step, deltas, bytes(self.qualities[low:high])

    def fill(self, span: tuple[int, int, int], quality: int, *, over: bool) -> None:
        """Spread a span (start, length, delta) over its slots here, unknown ones or all."""
        start, length, delta = span
        slots = length // self.step
        place = (start - self.first) // self.step
        for k in range(max(0, -place), min(slots, len(self.deltas) - place)):
            if over or self.qualities[place + k] == MISSING:
                self.deltas[place + k] = share(delta, k, slots)
                self.qualities[place + k] = quality


def share(delta: int, k: int, slots: int) -> int:
    """Return the `k`-th slot's part of what `slots` slots have together.

    Parts differ by at most 1 (equal shares by largest remainder) and add up to `delta`.
    """
    return delta * (k + 1) // slots - delta * k // slots


def fill(
    books: Mapping[int, Book],
    readings: Iterable[Told],
    doubts: Doubts,
    values: Iterable[Valued],
) -> None:
    """Make known what readings and values tell of these books' slots; books begin empty."""
    _plain(books, readings, doubts)
    for book in books.values():
        _odd(book, doubts)
    _values(books, list(values))


def _plain(books: Mapping[int, Book], readings: Iterable[Told], doubts: Doubts) -> None:
    """Take one-step readings of revision 0, nearly all there are; set the others aside."""
    good, doubtful = int(Quality.VALIDATED), int(Quality.QUESTIONABLE)
    for told in readings:
        register_id, start, length, revision, delta = told
        book = books.get(register_id)
        if book is None:
            continue
        place = (start - book.first) // book.step
        if length != book.step or revision:
            book.odd.append(Told(*told))
        elif 0 <= place < len(book.deltas):
            book.deltas[place] = delta
            doubt = doubts and (register_id, start, 0) in doubts
            book.qualities[place] = doubtful if doubt else good


def _odd(book: Book, doubts: Doubts) -> None:
    """Take long intervals and later revisions, each start's last."""
    last: dict[int, Told] = {}
    for told in sorted(book.odd, key=lambda told: told.revision):
        last[told.start] = told
    # Long before short, so that what was told for a slot alone holds.
    for told in sorted(last.values(), key=lambda t: (t.revision, -t.length)):
        doubt = told.length != book.step or (*told[:2], told.revision) in doubts
        quality = Quality.QUESTIONABLE if doubt else Quality.VALIDATED
        span = (told.start, told.length, told.delta)
        book.fill(span, quality, over=told.revision > 0)


def _values(books: Mapping[int, Book], values: list[Valued]) -> None:
    values.sort(reverse=True)
    for source in (Source.IMPORT, Source.ESTIMATE):
        for value in values:
            if value.source == source:
                _value(books, value, over=False)
    for value in reversed(values):
        if value.source == Source.EDIT:
            _value(books, value, over=True)


def _value(books: Mapping[int, Book], value: Valued, *, over: bool) -> None:
    book = books.get(value.register_id)
    if book is not None:
        span = (value.start, value.length, value.delta)
        book.fill(span, value.quality, over=over)
