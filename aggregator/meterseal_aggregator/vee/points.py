"""A meter point's usage: the chain of the registers that stood there one after another.

    chains = await registers_of_point(tx, [3], IMPORT, begin, end)
    found = await usage_of_points(tx, [3], IMPORT, (begin, end), known_at=now)

A replaced meter's register ends where its successor's begins, so every slot is of exactly
one, and time in which nobody counted is a hole of the one before. This module must never
leave time out: what no register covers is missing, never zero.
"""

import json
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.vee.days import Series, cut, missing_of, usage
from meterseal_aggregator.vee.packing import MISSING, share
from meterseal_proto.units import MeterId, RegisterId

# Open registers only: a committed one shows no usage.
_STOOD: Final = """
SELECT i.meter_point_id, g.id, m.meter, g.register, g.step, g.initial_at, i.from_at
FROM json_each(?) a CROSS JOIN installations i ON i.meter_point_id = a.value
JOIN meters m ON m.id = i.meter_id
JOIN registers g ON g.meter_id = i.meter_id AND g.register = ? AND g.mode = 0
WHERE i.from_at < ? ORDER BY i.meter_point_id, i.from_at
"""


@dataclass(frozen=True, slots=True)
class Piece:
    """A register's part of a meter point's time: the slots that start in [begin, end)."""

    meter_point_id: int
    register_id: int
    meter: MeterId
    register: RegisterId
    begin: int
    end: int


async def registers_of_point(
    tx: Transaction,
    meter_point_ids: Sequence[int],
    register: RegisterId,
    begin: int,
    end: int,
) -> dict[int, tuple[Piece, ...]]:
    """Return the pieces that make up [begin, end) at each meter point, in order of time.

    Together they cover it whole; a point where no such register ever stood has none.
    """
    rows = await tx.rows(_STOOD, (json.dumps(list(meter_point_ids)), register, end))
    stood: dict[int, list[Piece]] = {}
    for point, register_id, meter, code, step, initial_at, from_at in rows:
        at = _boundary(initial_at, from_at, step)
        piece = Piece(point, register_id, MeterId(meter), RegisterId(code), at, end)
        stood.setdefault(point, []).append(piece)
    chains = {point: _chain(pieces, begin, end) for point, pieces in stood.items()}
    return {point: chain for point, chain in chains.items() if chain}


async def usage_of_points(
    tx: Transaction,
    meter_point_ids: Sequence[int],
    register: RegisterId,
    span: tuple[int, int],
    *,
    known_at: int,
) -> dict[int, tuple[tuple[Piece, Series], ...]]:
    """Return each point's pieces over a span with their slots; `joined` makes one of them.

    Two statements, however many points.
    """
    chains = await registers_of_point(tx, meter_point_ids, register, *span)
    ids = [piece.register_id for chain in chains.values() for piece in chain]
    found = await usage(tx, ids, *span, known_at=known_at)
    return {
        point: tuple(
            (piece, cut(found[piece.register_id], piece.begin, piece.end))
            for piece in chain
        )
        for point, chain in chains.items()
    }


def joined(parts: Sequence[Series]) -> Series:
    """Return series that follow one another as one, in the shortest of their steps.

    A longer slot is spread evenly and keeps its sum, as far as the next series does not
    begin within it. What lies between two is missing. ValueError for none.
    """
    if not parts:
        raise ValueError("no register stood there")
    if len(parts) == 1:
        return parts[0]
    step = min(part.step for part in parts)
    begin, end = parts[0].begin, max(part.end for part in parts)
    slots = (end - begin) // step
    deltas, qualities = array("I", bytes(4 * slots)), bytearray((MISSING,)) * slots
    for part in parts:
        times, place = part.step // step, (part.begin - begin) // step
        fine = [share(delta, k, times) for delta in part.deltas for k in range(times)]
        codes = [code for code in part.qualities for _ in range(times)]
        # What comes later takes the place of a slot that reaches into it.
        deltas[place : place + len(fine)] = array("I", fine)
        qualities[place : place + len(codes)] = codes
    missing = missing_of(begin, step, qualities)
    return Series(begin, end, step, deltas, bytes(qualities), missing)


def _boundary(initial_at: int, from_at: int, step: int) -> int:
    """Return where a register begins to count at a point.

    A new one counts from its first value on, one that stood elsewhere from the first slot
    that lies here as a whole.
    """
    new = initial_at >= from_at - from_at % step
    return initial_at if new else from_at + -from_at % step


def _chain(pieces: Sequence[Piece], begin: int, end: int) -> tuple[Piece, ...]:
    """Let each piece last until the next begins, the first from `begin` on."""
    starts = [begin, *(min(max(p.begin, begin), end) for p in pieces[1:]), end]
    spans = zip(pieces, starts, starts[1:], strict=False)
    return tuple(
        replace(piece, begin=start, end=stop)
        for piece, start, stop in spans
        if start < stop
    )
