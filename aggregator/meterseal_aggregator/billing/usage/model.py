"""Usage's nouns: who wants to know of which meter point, and what its registers moved.

Pure. This module must never read a table.
"""

from dataclasses import dataclass

from meterseal_aggregator.vee.days import Series
from meterseal_proto.units import MeterId, RegisterId


@dataclass(frozen=True, slots=True)
class Want:
    """A meter point over [begin, end), as its member is to be billed for it."""

    meter_point: int
    member: int
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Part:
    """A register's slots that start in [begin, end), while it stood there.

    `row` is the register's row id; `first` and `last` what it showed at either end, where a
    device told it.
    """

    row: int
    meter: MeterId
    register: RegisterId
    begin: int
    end: int
    series: Series
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Metered:
    """What a meter point's registers moved: parts in order, of what was taken and given."""

    want: Want
    taken: tuple[Part, ...]
    given: tuple[Part, ...] = ()

    @property
    def parts(self) -> tuple[Part, ...]:
        """All of them."""
        return (*self.taken, *self.given)


@dataclass(frozen=True, slots=True)
class Bought:
    """Wh that a neighbour delivered to a member in a market's slot."""

    start: int
    length: int
    wh: int


def up(at: int, step: int) -> int:
    """Return the first slot's beginning at a second or after it."""
    return at + -at % step
