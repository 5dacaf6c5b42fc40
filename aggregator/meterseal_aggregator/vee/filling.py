"""An operator's act: the gaps of a span are estimated, so that a bill can be complete.

    made = await estimate_gap(tx, Gap(place, begin, end, "agent stolen", "op"), now)

Each slot that nobody knows gets a value by the methods of `estimate`; what is known stays,
and what the device delivers later takes the estimates' place. Asked again, it finds nothing
left to do. This module must never estimate a day that is not over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.vee import daystore
from meterseal_aggregator.vee.calendar import LocalDays
from meterseal_aggregator.vee.days import missing_of
from meterseal_aggregator.vee.daystore import MAX_VALUE_S, Reach
from meterseal_aggregator.vee.estimate import (
    HISTORY_S,
    LINE_S,
    Estimated,
    Known,
    Unestimable,
    estimate,
)
from meterseal_aggregator.vee.packing import MISSING, Book, Source
from meterseal_aggregator.vee.values import (
    Cause,
    NotValued,
    Place,
    Value,
    check_capacity,
    check_span,
    write,
)
from meterseal_proto.units import Quality

MAX_DIGITS: Final = 15
"""Digits of a register: more than fit any meter's display."""
_ESTIMATES: Final = frozenset({Quality.ESTIMATED, Quality.INTERPOLATED})

_REACH: Final = """
SELECT v.seal_id, (SELECT coalesce(max(id), 0) FROM vee_values) FROM vee_progress v
"""
_BREAK: Final = """
SELECT from_value, to_value FROM register_steps
WHERE register_id = ? AND from_at = ? AND at = ?
"""


@dataclass(frozen=True, slots=True)
class Gap:
    """Whose gaps within [begin, end) are to be estimated, why, and who says so.

    `difference` is what the register moved over the one gap, where that is known;
    `digits` are those of a register that began again at zero there (declared width).
    """

    place: Place
    begin: int
    end: int
    reason: str
    author: str
    difference: int | None = None
    digits: int | None = None


async def estimate_gap(tx: Transaction, gap: Gap, now: int) -> list[Value]:
    """Fill the gaps of a span at Unix second `now`; returns the values, none where all is known.

    With a difference, estimates made before count as gaps too. Raises NotValued: SPAN,
    ABOVE_CAPACITY, UNESTIMABLE.
    """
    place, days = gap.place, await daystore.local_days(tx)
    today = days.begin(days.of(now))
    check_span(place, gap.begin, gap.end, until=today, longest_s=MAX_VALUE_S)
    difference = await _difference(tx, gap)
    reach = Reach(*(await tx.rows(_REACH))[0])
    steps = {place.register_id: place.step}
    around = (gap.begin - HISTORY_S, gap.end + LINE_S)
    books = await daystore.known(tx, steps, *around, reach)
    book = books[place.register_id]
    holes = _holes(book, gap, again=difference is not None)
    if difference is not None and len(holes) != 1:
        raise NotValued(
            Cause.SPAN,
            f"a difference is that of one gap, and the span has {len(holes)}: name one",
        )
    if difference is not None:
        check_capacity(place, difference, holes[0][1] - holes[0][0])
    known = _around(book, days)
    made = [one for hole in holes for one in _estimated(known, hole, difference)]
    return await write(tx, [_value(gap, one, now) for one in made])


def rolled(before: int, after: int, digits: int) -> int:
    """Return what a register of that many digits moved from `before` over zero to `after`.

    ValueError where the width is not declared so, or a register does not fit in it.
    """
    if not 1 <= digits <= MAX_DIGITS or not 0 <= after <= before < 10**digits:
        raise ValueError(
            f"a register of {digits} digits does not go over from {before} to {after}"
        )
    width: int = 10**digits
    return after + width - before


async def _difference(tx: Transaction, gap: Gap) -> int | None:
    """Return the known difference, also where a break says how the register went over."""
    if gap.digits is None:
        return gap.difference
    place = gap.place
    rows = await tx.rows(_BREAK, (place.register_id, gap.begin, gap.end))
    if not rows:
        raise NotValued(
            Cause.SPAN, "no recorded break of the register has this span: name its ends"
        )
    before, after = rows[0]
    try:
        return rolled(before, after, gap.digits)
    except ValueError as error:
        raise NotValued(Cause.UNESTIMABLE, str(error)) from None


def _holes(book: Book, gap: Gap, *, again: bool) -> tuple[tuple[int, int], ...]:
    """Return the gaps inside the span, as joined spans of slots."""
    first, _, codes = book.part(gap.begin, gap.end)
    if again:
        codes = bytes(MISSING if code in _ESTIMATES else code for code in codes)
    return missing_of(first, book.step, codes)


def _around(book: Book, days: LocalDays) -> Known:
    offsets: dict[int, int] = {}

    def offset(second: int) -> int:
        # A zone's clock changes on a whole quarter of an hour.
        quarter = second - second % 900
        if quarter not in offsets:
            offsets[quarter] = days.offset(quarter)
        return offsets[quarter]

    return Known(book.first, book.step, book.deltas, book.qualities, offset)


def _estimated(
    known: Known, hole: tuple[int, int], difference: int | None
) -> Sequence[Estimated]:
    try:
        return estimate(known, hole, difference)
    except Unestimable as error:
        detail = f"from {hole[0]} to {hole[1]} {error}"
        raise NotValued(Cause.UNESTIMABLE, detail) from None


def _value(gap: Gap, one: Estimated, now: int) -> Value:
    place = gap.place
    return Value(
        0, place.register_id, one.start, place.step, one.delta, one.quality,
        Source.ESTIMATE, one.method.value, gap.reason, gap.author, now,
    )  # fmt: skip
