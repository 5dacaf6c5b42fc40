"""The nouns of crediting: a slot with all that decides it, causes of refusal, mint ids.

Pure. Energy is in Wh, time in Unix seconds UTC. One exported Wh becomes one credit of
1 Wh, once: the ids below are what makes "once" the same word in the database, in the
ledger and on the chain. This module must never change how an id is made.
"""

import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from meterseal_aggregator.ledger.model import TransferId
from meterseal_proto.units import MeterId, RegisterId

_MINT: Final = struct.Struct(">32sQQQ")
_LEG: Final = struct.Struct(">32sHB")
_EDIT_LEG: Final = struct.Struct(">32sHQB")


class Cause(StrEnum):
    """Why a final slot is not credited, in the order in which it is asked."""

    INTERVAL_SIZE = "interval_size"
    """It is not one step long: a long interval bills and never mints."""
    QUESTIONABLE = "questionable"
    """VEE did not give 17, 18 or 19."""
    EQUIVOCATED = "equivocated"
    """The device told this time twice."""
    VACANT = "vacant"
    """No member held the meter point during all of it."""
    UNCERTIFIED = "uncertified"
    """No certificate of the member's, there, was in force during all of it."""
    ABOVE_CAPACITY = "above_capacity"
    """More than the certified capacity x 1.1 gives."""
    TAKEN = "taken"
    """Another meter of the meter point was credited with some of this time."""
    SUPERSEDED = "superseded"
    """A later revision of the slot is credited already."""


class Leg(IntEnum):
    """The transfers one revision or edit of a slot may post; each has its own id."""

    REPAY = 0
    MINT = 1
    REVERSE = 2
    OWE = 3
    FORGIVE = 4
    RESTORE = 5


@dataclass(frozen=True, slots=True)
class Slot:
    """One revision of one register's interval, and all that decides about its credit.

    `delta` Wh from `start` for `length` s; `quality` is VEE's; the meter stood at
    `meter_point_id` all the time, `member_id` held that, `certified_w` was certified
    (None: nowhere, nobody, nothing); `told_twice` tells of an equivocation over this time,
    `taken` of a credit to another meter there; `mark` is the register's minted-through.
    """

    register_id: int
    meter: MeterId
    register: RegisterId
    start: int
    length: int
    revision: int
    delta: int
    step: int
    quality: int
    meter_point_id: int | None
    member_id: int | None
    certified_w: int | None
    told_twice: bool
    taken: bool
    mark: int

    @property
    def end(self) -> int:
        """The first second after it."""
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class Credited:
    """What a slot is credited with so far: `value_wh` by `revision`, to `member_id`."""

    value_wh: int
    revision: int
    member_id: int


def mint_id(
    network: bytes, meter_point_id: int, register: RegisterId, slot_start: int
) -> bytes:
    """Return the id of a slot's credit: 32 bytes, the same everywhere and for ever.

    SHA-256("meterseal-mint" || network (32) || meter point u64 || register u64 || slot
    start u64), big-endian; every part has a fixed width, so no two slots share bytes. It
    names the meter point, so that a meter's successor cannot mint the slot again.
    """
    assert len(network) == 32
    packed = _MINT.pack(network, meter_point_id, register, slot_start)
    return hashlib.sha256(b"meterseal-mint" + packed).digest()


def transfer_id(mint: bytes, revision: int, leg: Leg) -> TransferId:
    """Return the ledger id of a leg: SHA-256 of a label, the mint id, revision u16, leg u8."""
    packed = _LEG.pack(mint, revision, leg)
    return TransferId(hashlib.sha256(b"meterseal-mint-transfer" + packed).digest())


def edit_transfer_id(mint: bytes, revision: int, value_id: int, leg: Leg) -> TransferId:
    """Return the ledger id of an edit's leg: SHA-256 of a label, mint id, u16, u64, u8."""
    packed = _EDIT_LEG.pack(mint, revision, value_id, leg)
    return TransferId(hashlib.sha256(b"meterseal-edit-transfer" + packed).digest())
