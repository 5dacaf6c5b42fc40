"""Supplies' nouns: who is billed for what, and why a supply cannot be as wished.

Pure. This module must never read a table.
"""

from dataclasses import dataclass
from enum import StrEnum

from meterseal_aggregator.identity.model import MemberId
from meterseal_proto.rating.statement import Rail


class Cause(StrEnum):
    """Why a supply is not begun, changed or ended; the value is the problem's name."""

    UNKNOWN = "not-found"
    TENANCY = "no-tenancy"
    """The member does not hold the meter point in that time."""
    TARIFF = "no-such-tariff"
    OVERLAP = "overlap"
    ENDED = "already-ended"
    BILLED = "already-billed"
    FILE = "import"
    """A file some of whose lines cannot be taken; it names them."""


class NotSupplied(Exception):
    """A supply that cannot be: a `cause` of the closed list, and what to do."""

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Terms:
    """How a supply is billed: its tariff's code, its rail, and whether it is prepaid."""

    tariff_code: str
    rail: Rail = Rail.LEDGER
    prepaid: bool = False


@dataclass(frozen=True, slots=True)
class NewSupply:
    """A supply to begin; times are Unix seconds, `to_at` None is until further notice."""

    member: MemberId
    meter_point: int
    terms: Terms
    from_at: int
    to_at: int | None = None


@dataclass(frozen=True, slots=True)
class Supply:
    """A supply as it stands: billed up to `billed_to`, half-open [from_at, to_at)."""

    id: int
    member: MemberId
    meter_point: int
    terms: Terms
    from_at: int
    to_at: int | None
    billed_to: int
