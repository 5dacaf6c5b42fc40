"""The nouns of validation: a reading, what is known of its register, an assessment.

Pure. Energy is in Wh (water in litres), time in Unix seconds UTC, powers in W. This
module must never hold a float: a fraction of a watt-hour does not leave the meter.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from meterseal_proto.units import Quality


class Check(StrEnum):
    """Every check, in the order in which failures are named."""

    INTERVAL_SIZE = "interval_size"
    """Its length is not the register's step: it bills, it never mints."""
    AGENT_QUALITY = "agent_quality"
    """The device itself called it questionable or estimated."""
    NEGATIVE = "negative"
    """A register only grows."""
    HIGH = "high"
    """More than the capacity allows in the time, tolerance included."""
    SPIKE = "spike"
    """Above capacity right after an interval of less than a tenth of it."""
    REGISTER_SUM = "register_sum"
    """The register before it and its own delta do not give the register after it."""
    DUPLICATE = "duplicate"
    """It starts before the reading before it ended: some of its time is told twice."""
    GAP = "gap"
    """It starts after the reading before it ended."""
    ZERO_RUN = "zero_run"
    """The register has stood still longer than a living meter does."""
    PROLONGED_ESTIMATE = "prolonged_estimate"
    """Estimates have followed one another for too long."""


@dataclass(frozen=True, slots=True)
class Reading:
    """An accepted reading as VEE sees it: [start, start + length), delta and end value."""

    start: int
    length: int
    revision: int
    delta: int
    value: int
    quality: int

    @property
    def end(self) -> int:
        """The first second after it."""
        return self.start + self.length

    @property
    def estimated(self) -> bool:
        """Whether the device did not measure it as a whole: ESPI 8, 9 or 10."""
        return self.quality in _ESTIMATES


_ESTIMATES: Final = frozenset(
    {Quality.ESTIMATED, Quality.INTERPOLATED, Quality.QUESTIONABLE}
)


@dataclass(frozen=True, slots=True)
class Register:
    """What the registry says of a register: its step in seconds, its capacity in W."""

    step: int
    capacity_w: int


@dataclass(frozen=True, slots=True)
class Trail:
    """What came before on a register: the last end and value, and since when it is odd.

    `last_delta` and `last_length` are of the reading before (0 and 0 at the beginning);
    `zero_since` and `estimated_since` are the starts of the runs that still last.
    """

    end: int
    value: int
    last_delta: int = 0
    last_length: int = 0
    zero_since: int | None = None
    estimated_since: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A recorded break of a register: no energy counts from `from_at` to `at`, where it
    goes on from `to_value`."""

    from_at: int
    at: int
    to_value: int


@dataclass(frozen=True, slots=True)
class Assessment:
    """The answer: VALIDATED, or QUESTIONABLE with the checks that failed, in order."""

    failed: tuple[Check, ...] = field(default=())

    @property
    def quality(self) -> Quality:
        """ESPI 17 where nothing failed, else 10."""
        return Quality.QUESTIONABLE if self.failed else Quality.VALIDATED
