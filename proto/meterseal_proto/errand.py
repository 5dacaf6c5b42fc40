"""What a private meter tells beside its seals: mask seeds, bills, refusals, what it learnt,
what is netted.

    [1, meter, algorithm, key, [[[box, box], signature], ... of trustees 0, 1, 2]]
    [2, network, meter, register, begin, end, tariff, amount, revision, [header, ...],
        previous, proof, consent]
    [3, meter, register, begin, end, tariff, reason, signature]
    [4, tariff]
    [5, network, meter, register, begin, end, [day, ...], [proof, ...], consent]

They go up the `private` topic and are answered by other messages (`errand_down`), so what
is lost is asked for, or sent, again. A bill and a refusal are signed by the seal key and
bind the network; seeds are in boxes that only trustees open. The one number about usage in
here is the amount of a bill that its device agreed to: a refusal gives a reason of a
closed list, and none of the list depends on usage. A netting (`netting_message`) tells of
each slot asked about whether usage reached the Wh asked about, and its size how many did.
This module must never gain a free text, nor another message whose size tells of usage.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self, TypeAlias

from meterseal_proto.bill import MAX_AMOUNT, BillStatement, ProvedBill
from meterseal_proto.boundedjson import MAX_UINT
from meterseal_proto.encoding import Value, decode, encode
from meterseal_proto.errors import Malformed
from meterseal_proto.keys import SIGNATURE_BYTES, PublicKey, SealKey
from meterseal_proto.message import (
    MAX_REVISION,
    read_bytes,
    read_meter,
    read_rows,
    read_uint,
)
from meterseal_proto.netting import ProvedNetting
from meterseal_proto.netting_message import netting_fields, read_netting, read_proofs
from meterseal_proto.privatefile import MAX_DAYS
from meterseal_proto.seedbox import BOX_BYTES, Deposit
from meterseal_proto.totals import SEEDS
from meterseal_proto.units import MAX_REGISTER, MeterId, RegisterId

HASH_BYTES: Final = 32
AMOUNT_BYTES: Final = 16
"""An amount has up to 84 bits and always this width: its size tells nothing of it."""
_BOXES: Final = SEEDS - 1
_PLACE_FIELDS: Final = 5
_REFUSED: Final = b"meterseal/bill-refused/v1\x00"


class Kind(IntEnum):
    """The first element of a message up."""

    SEEDS = 1
    BILL = 2
    REFUSED = 3
    KNOWN = 4
    NETTING = 5


class NoBill(IntEnum):
    """Why a device signs no bill; numbers are names on the wire, none is given twice.

    Each follows from what was asked, from tariffs and from which days were accepted,
    never from what was used.
    """

    REGISTER = 1
    TARIFF = 2
    TARIFF_LATE = 3
    TOO_SHORT = 4
    NOT_FILLED = 5
    OVERLAP = 6
    TOO_FINE = 7
    CORRECTED = 8
    RESTORED = 9

    @property
    def text(self) -> str:
        """The name in the field's spelling, e.g. `too-short`."""
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class SeedDeposits:
    """A meter's seeds for all three trustees, in the order of their numbers."""

    deposits: tuple[Deposit, Deposit, Deposit]

    def __post_init__(self) -> None:
        if len({(one.meter, one.key) for one in self.deposits}) != 1:
            raise ValueError("three deposits of one meter under one key")

    @property
    def meter(self) -> MeterId:
        """Whose seeds they are."""
        return self.deposits[0].meter

    @property
    def key(self) -> PublicKey:
        """The seal key that signed all three."""
        return self.deposits[0].key


@dataclass(frozen=True, slots=True)
class BillAsked:
    """The bill that is asked for: a register's [`begin`, `end`) in Unix seconds at the
    tariff of a hash."""

    meter: MeterId
    register: RegisterId
    begin: int
    end: int
    tariff: bytes

    def fields(self) -> list[Value]:
        """Return what stands for it in a message."""
        return [self.meter, self.register, self.begin, self.end, self.tariff]


@dataclass(frozen=True, slots=True)
class BillRefused:
    """A device's no to a bill, signed by its seal key."""

    asked: BillAsked
    why: NoBill
    signature: bytes

    @classmethod
    def sign(cls, key: SealKey, network: bytes, asked: BillAsked, why: NoBill) -> Self:
        """Return the refusal for a network (32 bytes); the same again has the same bytes."""
        return cls(asked, why, key.sign(_refusal(network, asked, why)))

    def authentic(self, network: bytes, key: PublicKey) -> bool:
        """Tell whether the seal key refused this, in this network."""
        return key.verify(_refusal(network, self.asked, self.why), self.signature)


@dataclass(frozen=True, slots=True)
class TariffKnown:
    """A device keeps the tariff of this hash, and since when by its own clock."""

    tariff: bytes


Errand: TypeAlias = (
    SeedDeposits | ProvedBill | BillRefused | TariffKnown | ProvedNetting
)


def encode_errand(errand: Errand) -> bytes:
    """Return the payload for an agent's `private` topic."""
    match errand:
        case SeedDeposits():
            return encode(_seeds(errand))
        case ProvedBill():
            return encode(_bill(errand))
        case BillRefused():
            asked = errand.asked.fields()
            return encode([Kind.REFUSED, *asked, int(errand.why), errand.signature])
        case TariffKnown():
            return encode([Kind.KNOWN, errand.tariff])
        case ProvedNetting():
            return encode(_netting(errand))


def decode_errand(payload: bytes) -> Errand:
    """Return what an agent tells; Malformed or Rejected (TOO_LARGE) otherwise.

    No signature is checked here: whose key counts, the registry says.
    """
    fields = decode(payload)
    if not isinstance(fields, tuple) or not fields or type(fields[0]) is not int:
        raise Malformed("not an errand")
    kind, *rest = fields
    known = _READERS.get(kind)
    if known is None or len(rest) != known[0]:
        raise Malformed("no errand of that kind")
    try:
        return known[1](rest)
    except ValueError as error:
        raise Malformed(str(error)) from None


def read_asked(fields: list[Value]) -> BillAsked:
    """Return the bill that five fields of a message ask for; Malformed otherwise."""
    meter, register, begin, end, tariff = fields
    asked = BillAsked(
        read_meter(meter),
        RegisterId(read_uint(register, "register", MAX_REGISTER)),
        read_uint(begin, "begin", MAX_UINT),
        read_uint(end, "end", MAX_UINT),
        read_bytes(tariff, "tariff", HASH_BYTES),
    )
    if asked.begin >= asked.end:
        raise Malformed("a period ends after it begins")
    return asked


def _refusal(network: bytes, asked: BillAsked, why: NoBill) -> bytes:
    body = encode([network, *asked.fields(), int(why)])
    return hashlib.sha256(_REFUSED + body).digest()


def _seeds(seeds: SeedDeposits) -> list[Value]:
    rows: list[Value] = [[list(one.boxes), one.signature] for one in seeds.deposits]
    key = seeds.key
    return [Kind.SEEDS, seeds.meter, str(key.algorithm), key.raw, rows]


def _read_seeds(fields: list[Value]) -> SeedDeposits:
    meter, algorithm, raw, rows = fields
    if not isinstance(algorithm, str) or not isinstance(raw, bytes):
        raise Malformed("a key is an algorithm's name and its bytes")
    key, of = PublicKey.parse(algorithm, raw), read_meter(meter)
    found = read_rows(rows, "deposits", least=SEEDS, most=SEEDS)
    first, second, third = [_read_deposit(of, key, row) for row in found]
    return SeedDeposits((first, second, third))


def _read_deposit(meter: MeterId, key: PublicKey, row: Value) -> Deposit:
    boxes, signature = read_rows(row, "a deposit's parts", least=2, most=2)
    found = read_rows(boxes, "boxes", least=_BOXES, most=_BOXES)
    return Deposit(
        meter,
        key,
        tuple(read_bytes(box, "box", BOX_BYTES) for box in found),
        read_bytes(signature, "signature", SIGNATURE_BYTES),
    )


def _bill(bill: ProvedBill) -> list[Value]:
    s = bill.statement
    return [
        *(Kind.BILL, s.network, s.meter, s.register, s.begin, s.end, s.tariff),
        *(s.amount.to_bytes(AMOUNT_BYTES), s.revision, list(s.headers), s.previous),
        *(bill.proof, bill.consent),
    ]


def _read_bill(fields: list[Value]) -> ProvedBill:
    network, *place, amount, revision, headers, previous, proof, consent = fields
    asked = read_asked(place)
    statement = BillStatement(
        *(read_bytes(network, "network", HASH_BYTES), asked.meter, asked.register),
        *(asked.begin, asked.end, asked.tariff),
        int.from_bytes(read_bytes(amount, "amount", AMOUNT_BYTES)),
        read_uint(revision, "revision", MAX_REVISION),
        tuple(
            read_bytes(one, "header", HASH_BYTES)
            for one in read_rows(headers, "headers", least=1, most=MAX_DAYS)
        ),
        read_bytes(previous, "previous", HASH_BYTES),
    )
    if statement.amount > MAX_AMOUNT:
        raise Malformed("the amount is beyond what prices and usage can make")
    signature = b"" if proof == b"" else read_bytes(proof, "proof", SIGNATURE_BYTES)
    return ProvedBill(statement, signature, read_bytes(consent, "consent", 64))


def _read_refused(fields: list[Value]) -> BillRefused:
    *place, why, signature = fields
    if type(why) is not int:
        raise Malformed("reason: a number of the list")
    return BillRefused(
        read_asked(place),
        NoBill(why),
        read_bytes(signature, "signature", SIGNATURE_BYTES),
    )


def _read_known(fields: list[Value]) -> TariffKnown:
    return TariffKnown(read_bytes(fields[0], "tariff", HASH_BYTES))


def _netting(proved: ProvedNetting) -> list[Value]:
    netting = proved.netting
    place = netting_fields(netting)
    return [
        *(Kind.NETTING, netting.network, *place),
        *(list(proved.proofs), proved.consent),
    ]


def _read_netting(fields: list[Value]) -> ProvedNetting:
    network, *place, proofs, consent = fields
    netting = read_netting(read_bytes(network, "network", HASH_BYTES), place)
    return ProvedNetting(
        netting,
        read_proofs(proofs, netting),
        read_bytes(consent, "consent", SIGNATURE_BYTES),
    )


_READERS: Final[dict[int, tuple[int, Callable[[list[Value]], Errand]]]] = {
    Kind.SEEDS: (4, _read_seeds),
    Kind.BILL: (12, _read_bill),
    Kind.REFUSED: (_PLACE_FIELDS + 2, _read_refused),
    Kind.KNOWN: (1, _read_known),
    Kind.NETTING: (8, _read_netting),
}
