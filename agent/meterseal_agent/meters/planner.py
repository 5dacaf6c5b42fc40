"""Points to the fewest block reads a meter will answer.

Pure. A plan must never read what the profile does not know to answer: a gap between
points is bridged only where the profile says its addresses answer, for on most meters
an unmapped address turns the whole block into an exception.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from meterseal_agent.meters.registers import Point, Scale


@dataclass(frozen=True, slots=True, order=True)
class Block:
    """One read request: `count` registers from the PDU address `address`."""

    address: int
    count: int

    @property
    def end(self) -> int:
        """The first address after the block."""
        return self.address + self.count


@dataclass(frozen=True, slots=True)
class Limits:
    """What a meter model lets one request ask.

    At most `read_limit` registers; with `pairs` only even starts and even counts
    (meters made of two-register parameters); addresses inside `readable` (half-open
    ranges) answer even where no point stands.
    """

    read_limit: int
    pairs: bool = False
    readable: tuple[tuple[int, int], ...] = ()

    def without_bridges(self) -> "Limits":
        """Return the same limits with no gap readable, for a unit that refused one."""
        return Limits(self.read_limit, self.pairs)


def plan(points: Sequence[Point], limits: Limits) -> tuple[Block, ...]:
    """Return the fewest blocks covering `points` and their scales, energy first.

    Energy comes first so that its value is closest to the sample's time. Raises
    ValueError when a point alone breaks the limits.
    """
    blocks: list[Block] = []
    places: set[Point | Scale] = set(points)
    for point in points:
        places.update(point.scaled_by)
    for span in sorted({_span(place, limits) for place in places}):
        joined = _joined(blocks[-1], span) if blocks else None
        if joined and _allowed(blocks[-1], span, joined, limits):
            blocks[-1] = joined
        else:
            blocks.append(span)
    return tuple(
        sorted(blocks, key=lambda block: (not _has_energy(block, points), block))
    )


def _span(place: Point | Scale, limits: Limits) -> Block:
    start, end = place.address, place.end
    if limits.pairs:
        if place.kind.words > 1 and start % 2:
            raise ValueError(
                f"point {place.name}: address {start} is odd, this meter answers even starts only"
            )
        start, end = start - start % 2, end + end % 2
    if end - start > limits.read_limit:
        raise ValueError(f"point {place.name} is longer than the read limit")
    return Block(start, end - start)


def _joined(block: Block, span: Block) -> Block:
    return Block(block.address, max(block.end, span.end) - block.address)


def _allowed(block: Block, span: Block, joined: Block, limits: Limits) -> bool:
    if joined.count > limits.read_limit:
        return False
    return span.address <= block.end or any(
        low <= block.end and span.address <= high for low, high in limits.readable
    )


def _has_energy(block: Block, points: Sequence[Point]) -> bool:
    return any(
        point.unit.cumulative and block.address <= point.address < block.end
        for point in points
    )
