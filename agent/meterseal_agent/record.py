"""A record: one register's energy over one or more grid slots, ready to be sealed.

Made by the sampler, kept by the outbox, cut into seals. This module holds no rule
and must never import another room of the agent: everybody may import it.
"""

from dataclasses import dataclass

from meterseal_proto.units import MeterId, Quality, RegisterId


@dataclass(frozen=True, slots=True)
class Record:
    """What one register did from `start` for `length` seconds (UTC Unix, on the grid).

    `value` is the cumulative register at the end in Wh (litres for water) with
    rollovers unrolled; `delta` is its growth since the start and never negative.
    Usually `length` is the register's step; where boundaries were missed it is a
    larger multiple of it and `quality` is QUESTIONABLE.
    """

    meter: MeterId
    register: RegisterId
    start: int
    length: int
    delta: int
    value: int
    quality: Quality

    @property
    def end(self) -> int:
        """The first second after the record, where `value` was read."""
        return self.start + self.length
