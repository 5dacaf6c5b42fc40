"""Intervals that a file tells of a register, laid on its slots; pure.

    claims = claimed(place, [Told(1_800_000_000, 3_600, 420, 0)], now)      # by slot

Longer intervals are spread evenly over their slots, shorter ones added up where they fill a
slot. What nobody told stays a gap. This module must never lay a Wh where no interval is.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from meterseal_aggregator.vee.packing import share
from meterseal_aggregator.vee.values import (
    Cause,
    Claimed,
    NotValued,
    Place,
    check_capacity,
    check_span,
)
from meterseal_proto.units import Quality

MAX_SPREAD_S: Final = 3_600
"""An hour: how a longer interval was used is nobody's to know."""
MAX_SPAN_S: Final = 400 * 86_400
"""What may be told at once: as far as readings and edits go back."""
MAX_SLOTS: Final = 120_000
"""Slots of a file: 400 days of five minutes, written in two seconds at most."""
ACTUAL: Final = frozenset(
    {
        Quality.VALID,
        Quality.RAW,
        Quality.VALIDATED,
        Quality.VERIFIED,
        Quality.REVENUE,
    }
)
"""ESPI's codes of what a meter told; what is none of them is somebody's estimate."""


class Told(NamedTuple):
    """`value` Wh or litres over [start, start + length), with ESPI's code of its quality."""

    start: int
    length: int
    value: int
    quality: int


def claimed(place: Place, told: Sequence[Told], now: int) -> dict[int, Claimed]:
    """Return what intervals, in order and apart, say of a register's slots, by start.

    Raises NotValued: SPAN where they are off the grid, not over at Unix second `now`, before
    the register's beginning or too long; ABOVE_CAPACITY.
    """
    whole: dict[int, Claimed] = {}
    for start, delta, quality in _slots(place, told):
        if len(whole) == MAX_SLOTS:
            raise _span(f"at most {MAX_SLOTS} slots at once: make two of it")
        actual = quality in ACTUAL
        code = Quality.VALID if actual else Quality.ESTIMATED
        whole[start] = Claimed(delta, place.step, int(code), f"espi:{quality}")
    if whole:
        ends = min(whole), max(whole) + place.step
        check_span(place, *ends, until=now, longest_s=MAX_SPAN_S)
        check_capacity(place, max(one.delta for one in whole.values()), place.step)
    return whole


def _slots(place: Place, told: Sequence[Told]) -> Iterator[tuple[int, int, int]]:
    """Yield slots as (start, delta, quality), by start."""
    step = place.step
    for slot, group in groupby(told, key=lambda one: one.start // step):
        parts = list(group)
        if parts[0].length >= step:
            for one in parts:
                yield from _spread(one, step)
        elif any(step % one.length or one.start % one.length for one in parts):
            raise _span(
                f"the intervals at {parts[0].start} do not make up slots of {step} s"
            )
        elif sum(one.length for one in parts) == step:
            worst = next((q for *_, q in parts if q not in ACTUAL), parts[0].quality)
            yield slot * step, sum(one.value for one in parts), worst


def _spread(one: Told, step: int) -> Iterator[tuple[int, int, int]]:
    times, rest = divmod(one.length, step)
    if rest or one.start % step or one.length > MAX_SPREAD_S:
        raise _span(
            f"the interval of {one.length} s at {one.start} is not whole slots of"
            f" {step} s, of {MAX_SPREAD_S} s at most"
        )
    for k in range(times):
        yield one.start + k * step, share(one.value, k, times), one.quality


def _span(detail: str) -> NotValued:
    return NotValued(Cause.SPAN, detail)
