"""The checks of a day as a whole: what no single reading shows; pure.

They name what a person should look at, and change nothing: the day bills, and what minted
was decided reading by reading. Numbers are of utilities' practice, each with its reason. This
module must never call a day good that it could not compare.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterseal_proto.rating.usage import unpacked
from meterseal_proto.units import Quality

TIMES: Final = 3
"""A day of three times its like days, or of a third: an oven does less, a fault more."""
AT_LEAST: Final = 2_000
"""Wh or litres below which two days do not differ: a fridge against an empty house."""
LIKE: Final = 3
"""Like days that are needed to say what is usual."""
DISTINCT: Final = 8
"""Different figures a day must have before its repetition is odd: a router repeats itself."""
DAYS_IN_A_ROW: Final = 3
ALL_BP: Final = 10_000
_GUESSED: Final = frozenset(
    {Quality.ESTIMATED, Quality.INTERPOLATED, Quality.QUESTIONABLE}
)


class DayCheck(StrEnum):
    """What may be odd about a day, in the order in which it is named."""

    REPEATED = "repeated-day"
    """Slot by slot the day before: a device tells the same twice."""
    HIGH = "high-day"
    LOW = "low-day"
    PROLONGED_ESTIMATE = "prolonged-estimate"
    """Nothing measured for days in a row."""
    SIBLING = "sibling"
    """A register that measures the same, or a part of it, says otherwise."""
    REPLACEMENT = "replacement"
    """A meter came or went that day."""


class Kind(StrEnum):
    """What another register measures of a register's."""

    CHECK = "check"
    """The same."""
    SUB = "sub"
    """A part."""
    MAIN = "main"
    """More than it: the other side of a part."""


@dataclass(frozen=True, slots=True)
class Day:
    """A register's day: deltas as packed, and a quality a slot."""

    deltas: bytes
    qualities: bytes

    @property
    def total(self) -> int:
        """Wh or litres."""
        return sum(unpacked(self.deltas))

    @property
    def whole(self) -> bool:
        """Whether every slot is known."""
        return Quality.MISSING not in self.qualities

    @property
    def guessed(self) -> bool:
        """Whether no slot was measured as such."""
        return all(one in _GUESSED for one in self.qualities)


@dataclass(frozen=True, slots=True)
class Sibling:
    """Another register's day, what it measures, and how far it may be off."""

    register_id: int
    kind: Kind
    tolerance_bp: int
    day: Day


@dataclass(frozen=True, slots=True)
class Around:
    """What a day is compared with: the days before it, newest first (None: not known), days
    of its weekday, and whether a meter came or went."""

    before: Sequence[Day | None]
    like: Sequence[Day]
    siblings: Sequence[Sibling]
    replaced: bool


def check_day(day: Day, around: Around) -> Iterator[tuple[DayCheck, str]]:
    """Give the checks a day fails, each with what was found."""
    yesterday = around.before[0] if around.before else None
    if yesterday is not None and _repeats(day, yesterday):
        yield DayCheck.REPEATED, "every slot is that of the day before"
    yield from _usual(day, around.like)
    run = [day, *around.before[: DAYS_IN_A_ROW - 1]]
    if len(run) == DAYS_IN_A_ROW and all(d is not None and d.guessed for d in run):
        yield DayCheck.PROLONGED_ESTIMATE, f"nothing measured for {DAYS_IN_A_ROW} days"
    for sibling in around.siblings:
        if disagree(day, sibling):
            detail = f"{day.total} here, {sibling.day.total} at register"
            yield DayCheck.SIBLING, f"{detail} {sibling.register_id}"
    if around.replaced:
        unknown = day.qualities.count(Quality.MISSING)
        yield DayCheck.REPLACEMENT, f"a meter came or went, {unknown} slots are unknown"


def disagree(day: Day, sibling: Sibling) -> bool:
    """Tell whether two registers differ by more than their tolerance of the larger.

    One unit each is given for what was cut off. Days with a hole are not compared.
    """
    if not (day.whole and sibling.day.whole):
        return False
    here, there = day.total, sibling.day.total
    apart = {
        Kind.CHECK: abs(there - here),
        Kind.SUB: there - here,
        Kind.MAIN: here - there,
    }[sibling.kind]
    allowed = max(here, there) * sibling.tolerance_bp // ALL_BP
    return apart > allowed + 2


def _repeats(day: Day, yesterday: Day) -> bool:
    same = day.deltas == yesterday.deltas
    return same and len(set(unpacked(day.deltas))) >= DISTINCT


def _usual(day: Day, like: Sequence[Day]) -> Iterator[tuple[DayCheck, str]]:
    totals = [one.total for one in like if one.whole]
    if len(totals) < LIKE or not day.whole:
        return
    count, together, total = len(totals), sum(totals), day.total
    detail = f"{total}, on like days {together // count}"
    if total * count > TIMES * together + AT_LEAST * count:
        yield DayCheck.HIGH, detail
    if (total + AT_LEAST) * TIMES * count < together:
        yield DayCheck.LOW, detail
