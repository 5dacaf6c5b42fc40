"""A load put together again from a statement's usage: what each segment was rated by.

Registers that followed each other are one row; where they have different steps, slots are
added up to the longest. A Wh that a neighbour sold counts while it was imported, in the
order in which it was used. Pure: whoever issues bills has the same rule, and a test holds
both to it. This module must never fill a slot.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_proto.bundle import (
    Json,
    canonical,
    parse_canonical,
    read_number,
    read_object,
)
from meterseal_proto.errors import Malformed
from meterseal_proto.evidence.archive import MAX_MEMBER_BYTES
from meterseal_proto.evidence.slotsfile import Slots
from meterseal_proto.merkle import MAX_SIZE
from meterseal_proto.rating.load import MAX_SLOTS, Load
from meterseal_proto.units import EXPORT, Quality

MAX_LOOKS: Final = 4 * MAX_SLOTS
"""Each slot once for what it nets, and its neighbours where grids are not the same."""
ESTIMATES: Final = frozenset({Quality.ESTIMATED, Quality.INTERPOLATED})
"""Qualities of slots that nobody measured."""


@dataclass(frozen=True, slots=True)
class Netted:
    """Wh of a market's slot that a neighbour sold and a bill netted."""

    start: int
    length: int
    wh: int


def write_netted(netted: Sequence[Netted]) -> bytes:
    """Return the file of what a bill netted."""
    rows: list[Json] = [[one.start, one.length, one.wh] for one in netted]
    return canonical({"slots": rows})


def read_netted(data: bytes) -> tuple[Netted, ...]:
    """Return what a bill netted; Rejected names what is wrong with the file."""
    fields = read_object(
        parse_canonical(data, MAX_MEMBER_BYTES, MAX_SLOTS + 2), "netted", "slots"
    )
    rows = fields["slots"]
    if not isinstance(rows, list) or len(rows) > MAX_SLOTS:
        raise Malformed(f"netted.slots: a list of at most {MAX_SLOTS}")
    return tuple(_netted(row) for row in rows)


def load_between(
    slots: Sequence[Slots], netted: Sequence[Netted], begin: int, end: int
) -> Load:
    """Return the load of [begin, end); ValueError where the slots do not fill it."""
    if not slots:
        raise ValueError("there is no usage to rate")
    step = max(one.step for one in slots)
    count, rest = divmod(end - begin, step)
    if rest or not 0 < count <= MAX_SLOTS:
        raise ValueError(f"{begin} to {end} is no whole number of slots of {step} s")
    taken = [one for one in slots if one.register != EXPORT]
    given = [one for one in slots if one.register == EXPORT]
    imported = _row(taken, begin, step, count)
    bought, looked = array("I", bytes(4 * count)), 0
    for one in netted:
        looked += _net(imported, bought, one, (begin, step))
        if looked > MAX_LOOKS:
            raise ValueError("what neighbours sold lies over itself too often")
    exported = _row(given, begin, step, count) if given else ()
    estimated = sum(
        one.qualities.count(quality) for one in slots for quality in ESTIMATES
    )
    return Load(
        begin, step, imported, exported, bought if any(bought) else (),
        estimated=estimated,
    )  # fmt: skip


def _row(slots: Sequence[Slots], first: int, step: int, count: int) -> "array[int]":
    row = array("I", bytes(4 * count))
    for one in slots:
        for n, delta in enumerate(one.deltas):
            at = (one.begin + n * one.step - first) // step
            if 0 <= at < count:
                row[at] += delta
    return row


def _net(
    imported: "array[int]", row: "array[int]", one: Netted, grid: tuple[int, int]
) -> int:
    """Net a slot's Wh while it was imported; returns how many slots were looked at."""
    first, step = grid
    left = one.wh
    low = max(0, (one.start - first) // step)
    high = min(len(row), -((first - one.start - one.length) // step))
    for at in range(low, high):
        more = min(left, imported[at] - row[at])
        row[at] += more
        left -= more
    return max(0, high - low)


def _netted(row: Json) -> Netted:
    if not isinstance(row, list) or len(row) != 3:
        raise Malformed("netted.slots: start, length and Wh")
    start, length, wh = (read_number(one, "netted.slots", MAX_SIZE >> 8) for one in row)
    if not length or not wh:
        raise Malformed("netted.slots: some Wh of some seconds")
    return Netted(start, length, wh)
