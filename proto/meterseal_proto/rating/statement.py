"""A statement: one bill or credit note, whole, as everybody who checks it gets it.

It names nobody: member and meter point are numbers here, names and addresses are put
beside it when it is printed, so that erasing them breaks no hash. Amounts are integers in
minor units of `currency` (10^-minor of it). What is signed, logged and posted to a chain is
`statement_hash`, with a salt: whoever guesses an amount learns nothing from it. Where its
JSON is written and read: `statement_json`. This module must never compute a charge.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterseal_proto.rating.line import NOTHING_CARRIED, Carried, Line
from meterseal_proto.units import MeterId, RegisterId

SALT_BYTES: Final = 16
MAX_MINOR: Final = 6
"""Money is kept in micro-units: no currency is counted finer here."""
_DOMAIN: Final = b"meterseal/statement/v1\x00"


class StatementKind(StrEnum):
    """What a statement does: ask for money, or take a bill back."""

    BILL = "bill"
    CREDIT_NOTE = "credit-note"


class Rail(StrEnum):
    """Where a bill is kept and paid."""

    LEDGER = "ledger"
    STACKS = "stacks"


@dataclass(frozen=True, slots=True)
class Usage:
    """What a register moved over [begin, end): the readings a bill stands on.

    `first` and `last` are the register at either end, where a device told them; quantities
    in Wh or litres. `estimated` of `quantity` is estimates. `digest` is SHA-256 of the
    slots as they were rated (`usage_digest`). A private register shows neither values nor
    a digest: `proof` is the digest of the device's signed statement instead.
    """

    meter: MeterId
    register: RegisterId
    begin: int
    end: int
    step: int
    first: int | None
    last: int | None
    quantity: int | None
    estimated: int
    digest: bytes = b""
    proof: bytes = b""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the period under one version of a tariff, with its lines.

    [begin, end) within [cycle_begin, cycle_end); `tariff` is the document's hash, 32 bytes.
    `before` and `after` are what is carried from period to period.
    """

    tariff: bytes
    begin: int
    end: int
    cycle_begin: int
    cycle_end: int
    lines: tuple[Line, ...]
    before: Carried = NOTHING_CARRIED
    after: Carried = NOTHING_CARRIED


@dataclass(frozen=True, slots=True)
class Statement:
    """A bill or credit note: `total` is the sum of all lines, in minor units.

    `number` is unique in the network; `corrects` names the bill a credit note takes back,
    `replaces` the one that a new bill stands in for. A credit note's lines are those of
    its bill with the opposite sign. Times are Unix seconds; `final` closes a supply.
    """

    network: bytes
    number: str
    kind: StatementKind
    member: int
    meter_point: int
    zone: str
    begin: int
    end: int
    currency: str
    minor: int
    rail: Rail
    known_at: int
    issued_at: int
    due_at: int
    usage: tuple[Usage, ...]
    segments: tuple[Segment, ...]
    final: bool = False
    corrects: str = ""
    replaces: str = ""

    @property
    def lines(self) -> tuple[Line, ...]:
        """All lines, in order."""
        return tuple(line for segment in self.segments for line in segment.lines)

    @property
    def total(self) -> int:
        """What is asked, in minor units; negative where it is owed to the member."""
        return sum(line.amount for line in self.lines)


def statement_hash(salt: bytes, document: bytes) -> bytes:
    """Return SHA-256 of a domain, 16 bytes of salt and a statement's document."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes")
    return hashlib.sha256(_DOMAIN + salt + document).digest()
