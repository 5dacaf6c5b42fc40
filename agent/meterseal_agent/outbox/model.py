"""The outbox's nouns: where a register's chain stands, and what is to be sent.

Plain values. This module must never touch the disk.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from meterseal_proto.errors import Reason
from meterseal_proto.seal import Head
from meterseal_proto.units import MeterId, RegisterId

SealKey = tuple[int, int]
"""What names a seal in the outbox: its chain's number there, and its sequence number."""


@dataclass(frozen=True, slots=True)
class Start:
    """A register as enrolment left it: its grid `step` (s), its rating, its first head.

    `capacity_w` is the most the register can grow by in an hour, W or litres per hour.
    `bits` is 0 for an open register, else what its range proofs are of. `read` is the
    (grid time, value) it showed, where that is not the head's to say: nobody is told what
    a committed register shows. `opening` is the digest that the next opening of a chain
    which another device began names, b"" of any other.
    """

    meter: MeterId
    register: RegisterId
    step: int
    capacity_w: int
    head: Head
    bits: int = 0
    read: tuple[int, int] | None = field(default=None, repr=False)
    opening: bytes = b""


@dataclass(frozen=True, slots=True)
class Chain:
    """Where one register's chain of seals stands; `id` is the outbox's own number for it.

    `head` is after the last answer. `reserved` is the highest sequence number ever
    given out. `tried` is the end of a seal refused since the head last moved, else 0.
    """

    id: int
    meter: MeterId
    register: RegisterId
    step: int
    capacity_w: int
    head: Head
    reserved: int
    tried: int


CHAIN_COLUMNS: Final = (
    "id, meter, register, step, capacity_w, seq, hash, end_at, value, reserved, tried"
)
"""The columns `read_chain` takes, in its order."""


def read_chain(
    row: tuple[Any, ...],
) -> Chain:  # Any: a database row, typed by its schema
    """Return the chain in a row of CHAIN_COLUMNS."""
    number, meter, register, step, capacity_w, seq, digest, end, value, *rest = row
    head = Head(seq, digest, end, value)
    return Chain(
        number, MeterId(meter), RegisterId(register), step, capacity_w, head, *rest
    )


@dataclass(frozen=True, slots=True)
class Draft:
    """A seal about to exist: everything but its signature.

    `payload` is the message up with 64 zero bytes for the signature; `hash` the header
    hash; `first` and `end` its span in time; `value` its last record's register.
    `upto` says which records it speaks for: all that end at or before it.
    """

    chain: int
    seq: int
    first: int
    end: int
    upto: int
    value: int
    hash: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """A reserved seal as it lies in the outbox; unsigned only between two writes."""

    chain: int
    seq: int
    first: int
    hash: bytes
    payload: bytes
    signed: bool

    @property
    def key(self) -> SealKey:
        """What names it: chain and sequence number."""
        return self.chain, self.seq


@dataclass(frozen=True, slots=True)
class KeptDay:
    """A committed day's usage, kept beside its seal: what a proof or a bill is made of.

    `values` in Wh or litres, None for a slot not told; `qualities` ESPI codes; `untold` in
    the same unit. `leaves_at` is when it may be sent at the earliest, UTC Unix seconds.
    `hash` is its header's.
    """

    chain: int
    seq: int
    first: int
    step: int
    leaves_at: int
    values: tuple[int | None, ...] = field(repr=False)
    qualities: tuple[int, ...] = field(repr=False)
    untold: int = field(repr=False)
    hash: bytes

    @property
    def key(self) -> SealKey:
        """What names its seal: chain and sequence number."""
        return self.chain, self.seq


@dataclass(frozen=True, slots=True)
class Applied:
    """What a receipt did: seals answered now, those refused among them, and strangers.

    `kept` names the seals of refusals that let nothing go, each with its reason;
    `abandoned` those that an answer to an earlier seal made worthless. `unknown` counts
    answers that name a sequence number or hash this outbox does not hold, or no longer
    as it was; `again` those to a seal that was closed already.
    """

    answered: tuple[SealKey, ...] = ()
    refused: tuple[Reason, ...] = ()
    kept: tuple[tuple[SealKey, Reason], ...] = ()
    abandoned: tuple[SealKey, ...] = ()
    unknown: int = 0
    again: int = 0


@dataclass(frozen=True, slots=True)
class Depth:
    """How much of a register waits: records not sealed, seals not answered.

    `held_back` is the last refusal of the seal that waits, which let nothing go.
    """

    chain: Chain
    records: int
    oldest: int | None
    seals: int
    held_back: Reason | None = None
