"""What trustees sign: which meters form a cell, which of them reported, and what masks add to.

A roster fixes a cell for a quarter. A reporting set names, for one cell and day, the
committed seals that reported; its statement binds besides their hashes (`totals.set_hash`)
the places their masks are taken at, so nobody is asked for masks of something else under
the same set. Place and commitment are read from the seal's own header. All three trustees
sign a statement before any answers, so all answer for one set or nobody does. Whoever
knows their keys checks everything here offline. This module must never see a mask of a
single meter, only sums and commitments.
"""

import datetime
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from meterseal_proto.keys import Algorithm, PublicKey
from meterseal_proto.seal import Header
from meterseal_proto.totals import SEEDS, Mask, day_place, seeds_of, set_hash
from meterseal_proto.units import MeterId, RegisterId

CELL_MIN: Final = 32
"""Members of a cell at least (SETTLED 23): 12 may be missing before a day stays closed."""
LATE: Final = "late"
"""The cell of a network's late meters: whoever is in no other set of that day."""
MAX_DAY: Final = 1 << 20
"""Days since 1970 (the year 4840): calendars end before integers do."""

_EPOCH: Final = datetime.date(1970, 1, 1)
_QUARTER: Final = re.compile(r"(\d{4})-Q([1-4])", re.ASCII)
_ROSTER: Final = b"meterseal/roster/v1\x00"
_STATEMENT: Final = b"meterseal/reporting-set/v1\x00"
_ANSWER: Final = b"meterseal/masks/v1\x00"
_BLAME: Final = b"meterseal/blame/v1\x00"
_SIGNED: Final = b"meterseal/trustee/v1\x00"
_CURVES: Final = {Algorithm.SECP256K1: b"\x01", Algorithm.P256: b"\x02"}


class Act(IntEnum):
    """What a trustee's signature is for; one kind never stands for another."""

    DEPOSIT = 1
    ROSTER = 2
    SET = 3
    MASKS = 4
    BLAME = 5


@dataclass(frozen=True, slots=True)
class Place:
    """Whose total of which day: `network` 32 bytes, `day` since 1970 in its zone."""

    network: bytes
    cell: str
    day: int


@dataclass(frozen=True, slots=True)
class Roster:
    """A cell of a quarter (see `quarter_of`): its meters by seal key, read at one register."""

    network: bytes
    cell: str
    quarter: int
    register: RegisterId
    members: Mapping[MeterId, PublicKey]

    def hash(self) -> bytes:
        """Return the roster's canonical hash, the same in whatever order it was told."""
        name = self.cell.encode()
        whole = hashlib.sha256(
            _ROSTER + self.network + len(name).to_bytes(2) + name
            + self.quarter.to_bytes(4) + self.register.to_bytes(8)
            + len(self.members).to_bytes(4)
        )  # fmt: skip
        for meter, key in sorted(self.members.items(), key=lambda row: row[0]):
            assert len(meter) == 16
            whole.update(meter + _CURVES[key.algorithm] + key.raw)
        return whole.digest()


@dataclass(frozen=True, slots=True)
class Reported:
    """A committed day seal in a reporting set, and the revision its records have."""

    header: Header
    revision: int

    def place(self) -> bytes:
        """Return the context its device masked the day's total under."""
        return day_place(self.header, self.revision)


def quarter_of(day: int) -> int:
    """Return the calendar quarter of a day since 1970: 4 * year + 0 to 3."""
    date = _EPOCH + datetime.timedelta(days=day)
    return date.year * 4 + (date.month - 1) // 3


def quarter_text(quarter: int) -> str:
    """Return a quarter as written, e.g. 2026-Q4."""
    return f"{quarter // 4:04}-Q{quarter % 4 + 1}"


def parse_quarter(text: str) -> int:
    """Return the quarter written like 2026-Q4; ValueError otherwise."""
    match = _QUARTER.fullmatch(text)
    if match is None:
        raise ValueError("a quarter is written like 2026-Q4")
    return int(match[1]) * 4 + int(match[2]) - 1


def statement(place: Place, reported: Sequence[Reported], chain_id: int) -> bytes:
    """Return the hash that trustees sign for a set: who reported, and what is masked where.

    ValueError for a meter that is named twice. The order does not matter.
    """
    rows = [(one.header.meter, one.header.digest(chain_id)) for one in reported]
    named = set_hash(place.network, place.cell, place.day, rows)
    places = hashlib.sha256(b"".join(sorted(one.place() for one in reported)))
    return hashlib.sha256(_STATEMENT + named + places.digest()).digest()


def answer_digest(stated: bytes, sums: Mapping[int, Mask]) -> bytes:
    """Return what a trustee signs under an answer: the sum of masks of each seed it holds."""
    whole = hashlib.sha256(_ANSWER + stated)
    for seed, mask in sorted(sums.items()):
        whole.update(
            bytes([seed]) + mask.value.to_bytes(32) + mask.blinding.to_bytes(32)
        )
    return whole.digest()


def blame_digest(stated: bytes, shown: Mapping[MeterId, Mapping[int, bytes]]) -> bytes:
    """Return what a trustee signs under mask commitments of single meters, by seed."""
    whole = hashlib.sha256(_BLAME + stated)
    for meter, commitments in sorted(shown.items()):
        for seed, commitment in sorted(commitments.items()):
            whole.update(meter + bytes([seed]) + commitment)
    return whole.digest()


def sign(key: Ed25519PrivateKey, act: Act, digest: bytes) -> bytes:
    """Return a trustee's signature, 64 bytes, the same each time (RFC 8032 5.1.6)."""
    return key.sign(_SIGNED + bytes([act]) + digest)


def signed(key: bytes, act: Act, digest: bytes, signature: bytes) -> bool:
    """Tell whether the trustee with this Ed25519 key signed `digest` for this act."""
    try:
        public = Ed25519PublicKey.from_public_bytes(key)
        public.verify(signature, _SIGNED + bytes([act]) + digest)
    except (InvalidSignature, ValueError):
        return False
    return True


def disagreeing(
    keys: Sequence[bytes], stated: bytes, signatures: Sequence[bytes]
) -> list[int]:
    """Return the numbers of the trustees who did not sign this statement; none: all did."""
    assert len(keys) == SEEDS
    given = [*signatures, *[b""] * SEEDS][:SEEDS]
    return [
        number
        for number, (key, signature) in enumerate(zip(keys, given, strict=True))
        if not signed(key, Act.SET, stated, signature)
    ]


def answered_by(
    key: bytes, number: int, stated: bytes, sums: Mapping[int, Mask], signature: bytes
) -> bool:
    """Tell whether these sums are trustee `number`'s answer, for the seeds it holds."""
    if tuple(sorted(sums)) != seeds_of(number):
        return False
    return signed(key, Act.MASKS, answer_digest(stated, sums), signature)


def meters_of(reported: Iterable[Reported]) -> list[MeterId]:
    """Return the meters of a set, in its order."""
    return [one.header.meter for one in reported]
