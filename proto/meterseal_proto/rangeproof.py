"""A range proof on the wire: what it speaks about, its layout, its first challenge.

Bulletproofs+ (Chung, Han, Ju, Kim, Seo, ePrint 2020/735), aggregated: one proof says of
each of up to 128 commitments that its value lies in [0, 2^bits). Padded to a power of
two, the padding is commitments to 0 blinded by 0, which are infinity and take no part.

    A || A' || B || L_1 || R_1 || ... || L_k || R_k || r' || s' || d'

points of 33 bytes, scalars of 32 big-endian bytes below n, k = log2(bits x padded count).
This module must never take a proof of another length or a scalar written twice over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_proto.curve import ORDER
from meterseal_proto.generators import MAX_GENERATORS, SET_HASH
from meterseal_proto.group import POINT_BYTES
from meterseal_proto.secret import SCALAR_BYTES
from meterseal_proto.transcript import Transcript

BITS: Final = (16, 32)
"""A home's interval in Wh or litres fits 16 bits, a factory's 32."""
MAX_VALUES: Final = 128
"""Intervals a proof: the longest local day of quarter hours (100), padded."""
_DOMAIN: Final = b"meterseal/range-proof/v1"
_SCALARS: Final = 3
_POINTS: Final = 3


class BadProof(ValueError):
    """Bytes are no proof of a statement; the sentence says what is wrong."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What is proved: each of `commitments` (33 bytes) hides a value below 2^bits.

    `context` binds the proof to its place: the hash of the header it belongs to.
    Raises BadProof where no proof is possible.
    """

    context: bytes
    bits: int
    commitments: tuple[bytes, ...]

    def __post_init__(self) -> None:
        """Refuse what has no proof."""
        if self.bits not in BITS:
            raise BadProof(f"a proof is of {' or '.join(map(str, BITS))} bits")
        if not 1 <= len(self.commitments) <= MAX_VALUES:
            raise BadProof(f"a proof is of 1 to {MAX_VALUES} commitments")
        if len(set(self.commitments)) < len(self.commitments):
            raise BadProof("a commitment is given twice")

    @property
    def padded(self) -> int:
        """The number of values, rounded up to a power of two."""
        return 1 << (len(self.commitments) - 1).bit_length()

    @property
    def size(self) -> int:
        """The length of the vectors a proof is about."""
        size = self.bits * self.padded
        assert size <= MAX_GENERATORS
        return size

    def transcript(self) -> Transcript:
        """Return the transcript with all that is known before the first message."""
        begun = Transcript(_DOMAIN)
        begun.absorb(b"generators", SET_HASH)
        begun.absorb(b"context", self.context)
        begun.absorb(b"bits", self.bits.to_bytes(4))
        begun.absorb(b"count", len(self.commitments).to_bytes(4))
        begun.absorb(b"commitments", b"".join(self.commitments))
        return begun


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof's parts; the names are those of the paper, points as 33 bytes.

    `first` is A, `rounds` the (L, R) of each folding, `last` A' and B of the final step,
    `scalars` r', s' and d'.
    """

    first: bytes
    rounds: tuple[tuple[bytes, bytes], ...]
    last: tuple[bytes, bytes]
    scalars: tuple[int, int, int]

    def to_bytes(self) -> bytes:
        """Return the layout above."""
        points = [self.first, *self.last, *(p for pair in self.rounds for p in pair)]
        return b"".join(points) + b"".join(s.to_bytes(32) for s in self.scalars)


def proof_bytes(bits: int, count: int) -> int:
    """Return how long a proof of `count` values is."""
    size = bits << (count - 1).bit_length()
    points = _POINTS + 2 * (size.bit_length() - 1)
    return points * POINT_BYTES + _SCALARS * SCALAR_BYTES


def parse(raw: bytes, statement: Statement) -> Proof:
    """Return the parts of a proof of `statement`; BadProof when it cannot be one."""
    count = len(statement.commitments)
    if len(raw) != proof_bytes(statement.bits, count):
        raise BadProof(
            f"a proof of {count} values of {statement.bits} bits is"
            f" {proof_bytes(statement.bits, count)} bytes, not {len(raw)}"
        )
    scalars = [int.from_bytes(part) for part in _cut(raw[-96:], SCALAR_BYTES)]
    if max(scalars) >= ORDER:
        raise BadProof("a scalar is not below the group's order")
    first, *rest = _cut(raw[:-96], POINT_BYTES)
    last, folded = rest[:2], rest[2:]
    return Proof(
        first,
        tuple(zip(folded[::2], folded[1::2], strict=True)),
        (last[0], last[1]),
        (scalars[0], scalars[1], scalars[2]),
    )


def _cut(raw: bytes, length: int) -> Sequence[bytes]:
    return [raw[at : at + length] for at in range(0, len(raw), length)]
