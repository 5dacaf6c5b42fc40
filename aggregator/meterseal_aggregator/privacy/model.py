"""The room's nouns: a day as intake hands it down, as it is kept, and how a proof stands.

Plain values only. This module must never hold a usage.
"""

from dataclasses import dataclass
from enum import StrEnum

from meterseal_proto.committed import CommittedRecord, CommittedSeal, statement_of
from meterseal_proto.rangechecker import Claim
from meterseal_proto.seal import Header


class ProofState(StrEnum):
    """How a day's range proof stands; only a verified day is billed."""

    PENDING = "pending"
    VERIFIED = "verified"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class NewDay:
    """A day that intake accepted, with its header hash."""

    register_id: int
    digest: bytes
    seal: CommittedSeal


@dataclass(frozen=True, slots=True)
class Telling:
    """The latest telling of a day: `count` slots, at `revision`; whether its proof failed."""

    count: int
    revision: int
    failed: bool


@dataclass(frozen=True, slots=True)
class DayLink:
    """A day's place in its register's chain: its header hash, and the time it tells of."""

    digest: bytes
    first: int
    until: int


@dataclass(frozen=True, slots=True)
class KeptDay:
    """A day as it is kept: its row, its verified header, its records, how its proof stands."""

    id: int
    register_id: int
    agent: str
    digest: bytes
    header: Header
    signature: bytes
    records: tuple[CommittedRecord, ...]
    proof: bytes
    state: ProofState

    @property
    def revision(self) -> int:
        """How often the day was told before: all its records have the same."""
        return self.records[0].revision

    @property
    def claim(self) -> Claim:
        """What its proof is said to prove."""
        statement = statement_of(self.digest, self.header.bits, self.records)
        return Claim(statement, self.proof)


class Cause(StrEnum):
    """Why a tariff, a private bill, a cell or a total is not taken."""

    REGISTER = "no-such-register"
    KEY = "not-this-device"
    TARIFF = "no-such-tariff"
    PERIOD = "wrong-period"
    NOT_YET = "not-yet"
    CHAIN = "not-chained"
    TOO_FINE = "too-fine"
    PROOF = "not-proved"
    CELL = "no-such-cell"
    CELL_TAKEN = "cell-taken"
    TOO_FEW = "too-few"
    TOTAL = "not-the-total"


class NotTaken(Exception):
    """What was asked is not done: a `cause` of the closed list and one sentence."""

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail
