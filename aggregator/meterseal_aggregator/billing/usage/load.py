"""A load put together of what registers moved, and what of it neighbours sold.

Pure. Whoever recomputes a bill has the same rule (`rating.billedload`). This module must
never count a Wh that was not imported in its slot as bought.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from meterseal_aggregator.billing.usage.model import Bought, Metered, Part, up
from meterseal_proto.rating.load import Load
from meterseal_proto.units import Quality

ESTIMATES: Final = (Quality.ESTIMATED, Quality.INTERPOLATED)


def load_of(found: Metered, bought: Iterable[Bought] = ()) -> Load:
    """Return the load of what is metered; each Wh bought counts while it was imported.

    Where registers have different steps, slots are added up to the longest.
    """
    step = max(part.series.step for part in found.parts)
    first = up(found.want.begin, step)
    slots = (up(found.want.end, step) - first) // step
    imported = _row(found.taken, first, step, slots)
    exported = _row(found.given, first, step, slots) if found.given else ()
    row = array("I")
    for wish in bought:
        row = row or array("I", bytes(4 * slots))
        _net(imported, row, wish, first, step)
    estimated = sum(
        part.series.qualities.count(quality)
        for part in found.parts
        for quality in ESTIMATES
    )
    return Load(
        first,
        step,
        imported,
        exported,
        row if any(row) else (),
        estimated=estimated,
    )


def netted(load: Load, bought: Iterable[Bought]) -> list[Bought]:
    """Return what of each delivery the load imported in its slot, none of them of nothing."""
    row = array("I", bytes(4 * len(load.imported)))
    taken = [
        replace(one, wh=_net(load.imported, row, one, load.first, load.step))
        for one in bought
    ]
    return [one for one in taken if one.wh]


def _row(parts: Sequence[Part], first: int, step: int, slots: int) -> "array[int]":
    """Return parts as one row of slots, zeros where there is none."""
    if len(parts) == 1 and parts[0].series.step == step:
        only = parts[0].series
        if only.begin == first and len(only.deltas) == slots:
            return only.deltas
    row = array("I", bytes(4 * slots))
    for part in parts:
        series = part.series
        for n, delta in enumerate(series.deltas):
            at = (series.begin + n * series.step - first) // step
            if 0 <= at < slots:
                row[at] += delta
    return row


def _net(
    imported: Sequence[int], row: "array[int]", wish: Bought, first: int, step: int
) -> int:
    """Add to `row` what of a delivery its slot imported, as it was used; returns that."""
    left = wish.wh
    low = max(0, (wish.start - first) // step)
    high = min(len(row), -((first - wish.start - wish.length) // step))
    for at in range(low, high):
        more = min(left, imported[at] - row[at])
        row[at] += more
        left -= more
    return wish.wh - left
