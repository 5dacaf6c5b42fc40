"""A day's values, sealed for their own device alone: what a dead Pi is brought back from.

AES-SIV (RFC 5297) under K_store, with the day's place as associated data: it needs no
nonce, so no snapshot can repeat one, and a backup put in another day's place does not
open. Every value takes eight bytes and every day as many as the longest has, so its
length tells nothing. It is published beside the seal and never in the public log, and it
must never be opened anywhere but on the device.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from meterseal_proto.errors import Malformed
from meterseal_proto.units import MeterId, RegisterId

KEY_BYTES: Final = 64
SLOTS: Final = 100
"""Quarter hours of the longest local day."""
VALUE_BYTES: Final = 8
BACKUP_BYTES: Final = 16 + 2 + SLOTS * VALUE_BYTES
"""RFC 5297's tag, the count, the values."""

START_BYTES: Final = 16 + VALUE_BYTES
"""The tag and one value."""

_START_LABEL: Final = b"meterseal/start/v1"
_START_PLACE: Final = struct.Struct(">QQ")
_LABEL: Final = b"meterseal/backup/v1"
_PLACE: Final = struct.Struct(">32s16sQQQQ")
MISSING: Final = (1 << 64) - 1
"""Stands for a slot the meter did not tell."""


@dataclass(frozen=True, slots=True)
class Day:
    """Whose day a backup is of: `first` UTC Unix seconds, `step` seconds a slot, `seq` the seal's."""

    network: bytes
    meter: MeterId
    register: RegisterId
    first: int
    step: int
    seq: int

    def place(self) -> list[bytes]:
        """Return the associated data."""
        packed = _PLACE.pack(
            self.network, self.meter, self.register, self.first, self.step, self.seq
        )
        return [_LABEL, packed]


@dataclass(frozen=True, slots=True)
class Start:
    """Which reading a sealed start is of: the meter's `serial`, and the grid time `at`.

    A meter has no id yet when it is first read.
    """

    serial: str
    register: RegisterId
    at: int

    def bound(self) -> list[bytes]:
        """Return the associated data."""
        packed = _START_PLACE.pack(self.register, self.at)
        return [_START_LABEL, self.serial.encode(), packed]


def keep(key: bytes, day: Day, values: Sequence[int | None]) -> bytes:
    """Return the backup of a day's values, BACKUP_BYTES long; None is a missing slot."""
    if not 1 <= len(values) <= SLOTS:
        raise ValueError(f"a day has 1 to {SLOTS} slots")
    told = [MISSING if value is None else value for value in values]
    padded = told + [0] * (SLOTS - len(told))
    plain = struct.pack(f">H{SLOTS}Q", len(told), *padded)
    return AESSIV(key).encrypt(plain, day.place())


def bring_back(key: bytes, day: Day, backup: bytes) -> list[int | None]:
    """Return the values of a backup; Malformed when it is not this day's under this key."""
    if len(backup) != BACKUP_BYTES:
        raise Malformed(f"a backup is {BACKUP_BYTES} bytes")
    try:
        plain = AESSIV(key).decrypt(backup, day.place())
    except InvalidTag:
        raise Malformed("the backup is of another day, register or device") from None
    count, *values = struct.unpack(f">H{SLOTS}Q", plain)
    if not 1 <= count <= SLOTS or any(values[count:]):
        raise Malformed("a backup with values beyond its day")
    return [None if value == MISSING else value for value in values[:count]]


def keep_start(key: bytes, place: Start, value: int) -> bytes:
    """Return what a register showed, below 2^64, sealed for its device: START_BYTES long.

    With it and the days since, a successor knows what the register showed when the device
    died, so that what flowed until it came is told.
    """
    return AESSIV(key).encrypt(value.to_bytes(VALUE_BYTES), place.bound())


def bring_back_start(key: bytes, place: Start, sealed: bytes) -> int:
    """Return what a register showed; Malformed when it is not this one's under this key."""
    if len(sealed) != START_BYTES:
        raise Malformed(f"a sealed start is {START_BYTES} bytes")
    try:
        return int.from_bytes(AESSIV(key).decrypt(sealed, place.bound()))
    except InvalidTag:
        raise Malformed("the start is of another register, time or device") from None
