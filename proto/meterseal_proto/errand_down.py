"""What an aggregator tells a private meter beside receipts: seeds kept, a tariff, a wish,
another for netting.

    [33, meter, [signature of trustee 0, 1, 2]]
    [34, document, index, [hash, ...], note]
    [35, meter, register, begin, end, tariff, signature]
    [36, meter, register, begin, end, [day, ...], signature]

They go down the `down` topic; their first element is no version a receipt will ever have,
and no text as a backfill request's is. Each is believed for its own reason: trustees signed
the seeds, two keys pinned at installation stand under the tariff's checkpoint, and a bill
is asked for by the receipt key, for one network, and so is what may be netted
(`netting_message`). A wish binds nobody: the device alone decides what it opens. This
module must never have a message that an unsigned pipe could make to cost the device an
opening.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from meterseal_proto.bundle import NOTE_LIMIT
from meterseal_proto.encoding import Value, decode, encode
from meterseal_proto.errand import (
    HASH_BYTES,
    BillAsked,
    read_asked,
)
from meterseal_proto.errors import Malformed
from meterseal_proto.keys import SIGNATURE_BYTES
from meterseal_proto.merkle import MAX_SIZE
from meterseal_proto.message import read_bytes, read_meter, read_rows, read_uint
from meterseal_proto.netting import Netting
from meterseal_proto.netting_message import netting_fields, read_netting
from meterseal_proto.tariff import MAX_DOCUMENT_BYTES
from meterseal_proto.totals import SEEDS
from meterseal_proto.units import MeterId

KEPT: Final = 33
TOLD: Final = 34
ASKED: Final = 35
NETTING_ASKED: Final = 36
MAX_PROOF: Final = 63
"""Hashes of an inclusion proof: a log has fewer than 2^63 leaves."""

_ASKED: Final = b"meterseal/bill-asked/v1\x00"
_NETTING_ASKED: Final = b"meterseal/netting-asked/v1\x00"
_FIELDS: Final = {KEPT: 3, TOLD: 5, ASKED: 7, NETTING_ASKED: 7}
_BEGINS: Final = tuple(
    bytes([0x80 | fields]) + encode(kind) for kind, fields in _FIELDS.items()
)


@dataclass(frozen=True, slots=True)
class SeedsKept:
    """All three trustees keep a meter's seeds; each signed its deposit (`Act.DEPOSIT`)."""

    meter: MeterId
    signatures: tuple[bytes, bytes, bytes]


@dataclass(frozen=True, slots=True)
class TariffTold:
    """A tariff's document, its place in the log, and the cosigned checkpoint over it."""

    document: bytes
    index: int
    proof: tuple[bytes, ...]
    note: str


@dataclass(frozen=True, slots=True)
class NettingAsked:
    """What settled trades delivered to a register: which of it may be netted?

    At least one slot. The answer is a `ProvedNetting` over some of them, each with the
    same Wh, or over none.
    """

    netting: Netting


DownErrand: TypeAlias = SeedsKept | TariffTold | BillAsked | NettingAsked


def is_errand(payload: bytes) -> bool:
    """Tell whether a message from `down` means to be one of these."""
    return payload.startswith(_BEGINS)


def encode_kept(kept: SeedsKept) -> bytes:
    """Return the payload for an agent's `down` topic."""
    return encode([KEPT, kept.meter, list(kept.signatures)])


def encode_told(told: TariffTold) -> bytes:
    """Return the payload for an agent's `down` topic."""
    return encode([TOLD, told.document, told.index, list(told.proof), told.note])


def sign_asked(asked: BillAsked, network: bytes, key: Ed25519PrivateKey) -> bytes:
    """Return the payload that asks for a bill of a network (its 32-byte id)."""
    signature = key.sign(_wish(asked, network))
    return encode([ASKED, *asked.fields(), signature])


def sign_netting_asked(asked: NettingAsked, key: Ed25519PrivateKey) -> bytes:
    """Return the payload that asks what may be netted; its network is the netting's."""
    signature = key.sign(_NETTING_ASKED + asked.netting.digest())
    return encode([NETTING_ASKED, *netting_fields(asked.netting), signature])


def open_told(payload: bytes, network: bytes, key: Ed25519PublicKey) -> DownErrand:
    """Return what is told; a wish only when `key` signed it for this network.

    Raises Malformed, or Rejected (TOO_LARGE). Of seeds and tariffs the shape is checked
    and nothing else: their own signatures are for who has the pinned keys.
    """
    fields = decode(payload)
    if not isinstance(fields, tuple) or not fields or type(fields[0]) is not int:
        raise Malformed("not an errand")
    kind, *rest = fields
    if len(fields) != _FIELDS.get(kind):
        raise Malformed("no errand of that kind")
    if kind == KEPT:
        return _kept(rest)
    if kind == NETTING_ASKED:
        return _netting_asked(rest, network, key)
    return _told(rest) if kind == TOLD else _asked(rest, network, key)


def _kept(fields: list[Value]) -> SeedsKept:
    meter, rows = fields
    found = read_rows(rows, "signatures", least=SEEDS, most=SEEDS)
    first, second, third = [
        read_bytes(one, "signature", SIGNATURE_BYTES) for one in found
    ]
    return SeedsKept(read_meter(meter), (first, second, third))


def _told(fields: list[Value]) -> TariffTold:
    document, index, proof, note = fields
    if type(document) is not bytes or len(document) > MAX_DOCUMENT_BYTES:
        raise Malformed(f"document: at most {MAX_DOCUMENT_BYTES} bytes")
    if not isinstance(note, str) or len(note) > NOTE_LIMIT:
        raise Malformed(f"note: a text of at most {NOTE_LIMIT} characters")
    hashes = read_rows(proof, "proof", least=0, most=MAX_PROOF)
    return TariffTold(
        document,
        read_uint(index, "index", MAX_SIZE),
        tuple(read_bytes(one, "hash", HASH_BYTES) for one in hashes),
        note,
    )


def _asked(fields: list[Value], network: bytes, key: Ed25519PublicKey) -> BillAsked:
    *place, signature = fields
    asked = read_asked(place)
    _check(signature, _wish(asked, network), key)
    return asked


def _netting_asked(
    fields: list[Value], network: bytes, key: Ed25519PublicKey
) -> NettingAsked:
    *place, signature = fields
    asked = NettingAsked(read_netting(network, place))
    if not asked.netting.days:
        raise Malformed("a netting is asked for of one slot or more")
    _check(signature, _NETTING_ASKED + asked.netting.digest(), key)
    return asked


def _check(signature: Value, wish: bytes, key: Ed25519PublicKey) -> None:
    try:
        key.verify(read_bytes(signature, "signature", SIGNATURE_BYTES), wish)
    except InvalidSignature:
        raise Malformed(
            "it is not asked for by this aggregator's receipt key"
        ) from None


def _wish(asked: BillAsked, network: bytes) -> bytes:
    return _ASKED + encode([network, *asked.fields()])
