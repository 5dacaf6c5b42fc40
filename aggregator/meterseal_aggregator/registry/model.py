"""The registry's nouns: claims, spans, codes, and the reasons it refuses for.

Plain values only. This module must never hold a reading, nor a secret: a one-time code
lives here as its hash.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterseal_proto.keys import PublicKey
from meterseal_proto.seal import MODE_OPEN
from meterseal_proto.units import MeterId, RegisterId

CODE_VALID_S: Final = 7 * 86_400
"""A one-time code is carried to the house within a week."""


class Trouble(StrEnum):
    """Why the registry refuses; the order is the order of the checks."""

    CODE_UNKNOWN = "code-unknown"
    CODE_EXPIRED = "code-expired"
    CODE_USED = "code-used"
    BAD_REQUEST = "bad-request"
    BAD_CSR = "bad-csr"
    BAD_KEY = "bad-key"
    BAD_POSSESSION = "bad-possession"
    ABOVE_CAPACITY = "above-capacity"
    SERIAL_TAKEN = "serial-taken"
    NOT_FOUND = "not-found"
    OVERLAP = "overlap"
    TOO_SOON = "too-soon"
    KEY_USED = "key-used"
    AGENT_TAKEN = "agent-taken"
    OWN = "own-application"
    LEVEL = "level-too-low"
    LIMITS = "outside-limits"
    STATE = "wrong-state"
    MINTED = "already-minted"


class Refused(Exception):
    """The registry says no: a `trouble` of the closed list and one sentence what to do."""

    def __init__(self, trouble: Trouble, detail: str) -> None:
        super().__init__(detail)
        self.trouble = trouble
        self.detail = detail


class CodeKind(StrEnum):
    """What a one-time code is good for."""

    ENROLMENT = "enrolment"
    """New meters at a meter point."""
    REPLACEMENT = "replacement"
    """A new key for all meters of an agent: the old one, at this meter point, is dead."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When a call happens: `now` on the network's clock, `real` for credentials."""

    now: int
    real: int


@dataclass(frozen=True, slots=True)
class CodeGrant:
    """What a one-time code allows: meters of `agent` at a meter point up to `capacity_w`."""

    code_id: int
    kind: CodeKind
    agent: str
    meter_point_id: int
    capacity_w: int
    expires_at: int
    """Real Unix second from which the code is dead."""

    @property
    def told(self) -> str:
        """What the operators' trail says of it."""
        return f"agent {self.agent} at meter point {self.meter_point_id}"


@dataclass(frozen=True, slots=True)
class KeyValidity:
    """`public` seals sequence numbers `from_seq` to `to_seq`, both included; None is open.

    `to_seq` = `from_seq` - 1 is a key that never got to speak.
    """

    public: PublicKey
    from_seq: int
    to_seq: int | None


@dataclass(frozen=True, slots=True)
class Claim:
    """All that intake needs to know of a register; keys in the order they were given.

    `step` in seconds, `capacity_w` the most power that is plausible, `initial_value` in
    the register's unit (Wh, litres) at Unix second `initial_at`. `mode` is that of its
    seals, `bits` what a committed register's range proofs are of.
    """

    register_id: int
    meter: MeterId
    register: RegisterId
    agent: str
    step: int
    capacity_w: int
    enrolment_hash: bytes
    initial_value: int
    initial_at: int
    keys: tuple[KeyValidity, ...]
    mode: int = MODE_OPEN
    bits: int = 0


@dataclass(frozen=True, slots=True)
class MeterPoint:
    """A place where energy or water is metered."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter as it is installed: at `meter_point_id` from `from_at` to `to_at` (None: still)."""

    meter: MeterId
    serial: str
    profile: str
    agent: str
    meter_point_id: int
    from_at: int
    to_at: int | None


@dataclass(frozen=True, slots=True)
class MeterRegister:
    """A register of a meter: `step` in seconds, `capacity_w` the most plausible power.

    `mode` is that of its seals, `bits` what a committed one's range proofs are of.
    """

    register_id: int
    meter: MeterId
    register: RegisterId
    step: int
    capacity_w: int
    mode: int = MODE_OPEN
    bits: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """A register, and the half-open time in which its readings belong to somebody."""

    register_id: int
    meter: MeterId
    register: RegisterId
    from_at: int
    to_at: int | None

    def holds(self, begin: int, end: int) -> bool:
        """Tell whether all of [`begin`, `end`), in Unix seconds, lies in it."""
        return self.from_at <= begin and (self.to_at is None or end <= self.to_at)


@dataclass(frozen=True, slots=True)
class Tenancy:
    """A member's time at a meter point, half-open; None is still there."""

    member_id: int
    meter_point_id: int
    from_at: int
    to_at: int | None
