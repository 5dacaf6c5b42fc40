"""The nouns of private billing: a home whose usage is hidden, and a period of it.

Times are Unix seconds of the network. Pure. This module must never hold a usage that its
device did not open.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterseal_aggregator.billing.supplies.model import Supply
from meterseal_proto.units import MeterId, RegisterId

DAY_S: Final = 86_400
FALLBACK_AFTER_S: Final = 10 * DAY_S
"""After the second by which a bill would be due, a period that nobody opened is billed by the
fallback (SETTLED 12)."""


class PeriodState(StrEnum):
    """Where a private period stands."""

    ASKED = "asked"
    OPENED = "opened"
    FALLBACK = "fallback"
    """Billed by what was opened before, for its device was silent."""
    CORRECTED = "corrected"
    """Billed by the fallback, and then by what was opened after all."""


@dataclass(frozen=True, slots=True)
class Home:
    """A supply with the committed register that counts for it; `row` is the register's."""

    supply: Supply
    row: int
    meter: MeterId
    register: RegisterId
    step: int


@dataclass(frozen=True, slots=True)
class AskedPeriod:
    """A period to be asked for: [begin, end), its tariff's hash, what it is opened by.

    From `fallback_at` on it is billed without its device.
    """

    begin: int
    end: int
    tariff: bytes
    openings: tuple[bytes, ...]
    fallback_at: int


@dataclass(frozen=True, slots=True)
class PrivatePeriod:
    """A period of a home, whole within one version (`tariff`, a hash) of its tariff.

    `openings` are the hashes of what the device is asked by, in the plan's order.
    """

    id: int
    home: Home
    begin: int
    end: int
    tariff: bytes
    fallback_at: int
    state: PeriodState
    bill: int | None
    openings: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Opened:
    """What a device opened of a period: rows, statements' digests, exact amounts, in order.

    None of the first two where the amounts are the fallback's.
    """

    amounts: tuple[int, ...]
    bills: tuple[int, ...] = ()
    digests: tuple[bytes, ...] = ()
