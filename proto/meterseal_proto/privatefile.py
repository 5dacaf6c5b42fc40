"""Files about usage nobody sees: committed days with their proofs, and a bill over them.

Canonical JSON as a bundle is. A proof file says that each value of its days lies in
range; a bill file says besides what the days cost at a tariff. Both hold commitments and
never a usage; a bill holds its one amount, and is its member's.

    {"anchor": {...}, "bill": null | {...}, "checkpoint", "days": [{...}], "format": "meterseal/proof/1" |
     "meterseal/bill/1", "genesis", "keys": [{...}]}

`anchor` is there where the log was published since. `keys` are the key events in force over the days, in order, and last the one whose key
consented to the bill. This module must never say whether what it reads is true:
`claims_private` does.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Final

from meterseal_proto.bill import BillStatement, ProvedBill
from meterseal_proto.bundle import (
    NOTE_LIMIT,
    Anchor,
    Json,
    KeyEvidence,
    Logged,
    canonical,
    parse_canonical,
    place_json,
    read_genesis,
    read_hex,
    read_key,
    read_logged,
    read_number,
    read_object,
    read_text,
    split_anchor,
    with_anchor,
)
from meterseal_proto.commitment import COMMITMENT_BYTES
from meterseal_proto.committed import CommittedRecord
from meterseal_proto.enrolment import Genesis
from meterseal_proto.errors import Malformed
from meterseal_proto.merkle import MAX_SIZE
from meterseal_proto.message import MAX_REVISION
from meterseal_proto.seal import MAX_RECORDS, Header, parse_header
from meterseal_proto.tariff import MAX_DOCUMENT_BYTES, parse_tariff
from meterseal_proto.units import MAX_REGISTER, METER_ID_BYTES, MeterId, RegisterId

PROOF_FORMAT: Final = "meterseal/proof/1"
BILL_FORMAT: Final = "meterseal/bill/1"
MAX_FILE_BYTES: Final = 8 * 1024 * 1024
"""A day takes 14 KiB with the longest inclusion proof: a year and its corrections."""
MAX_DAYS: Final = 400
MAX_BRACKETS: Final = 1_024
"""A day and a key open two each, and there are 464."""
MAX_KEYS: Final = 64
"""Key events of a file: a meter's key is changed once in years, and once a day at most."""
_AMOUNT_DIGITS: Final = 26

_STATEMENT: Final = (
    "amount begin consent end headers index meter network previous proof register"
    " revision signature tariff"
)


@dataclass(frozen=True, slots=True)
class DayEvidence:
    """A committed day as sealed, its range proof, and the place of its log entry."""

    header: Header
    signature: bytes
    records: tuple[CommittedRecord, ...]
    range_proof: bytes
    logged: Logged


@dataclass(frozen=True, slots=True)
class BillEvidence:
    """A bill, its tariff's document, and the place of the opening's log entry."""

    bill: ProvedBill
    tariff: bytes
    logged: Logged


@dataclass(frozen=True, slots=True)
class PrivateFile:
    """A file about committed days of one register under its keys; `bill` None in a proof."""

    genesis: Genesis
    keys: tuple[KeyEvidence, ...]
    days: tuple[DayEvidence, ...]
    checkpoint: str
    bill: BillEvidence | None
    anchor: Anchor | None = None

    def encode(self) -> bytes:
        """Return the bytes of the file."""
        return canonical(
            with_anchor(self.anchor)
            | {
                "bill": None if self.bill is None else _bill_json(self.bill),
                "checkpoint": self.checkpoint,
                "days": [_day_json(day) for day in self.days],
                "format": PROOF_FORMAT if self.bill is None else BILL_FORMAT,
                "genesis": asdict(self.genesis),
                "keys": [
                    {"entry": key.entry.hex(), **place_json(key.logged)}
                    for key in self.keys
                ],
            }
        )


def is_private(data: bytes) -> bool:
    """Tell whether bytes say of themselves that they are such a file."""
    return any(
        f'"format":"{name}"'.encode() in data for name in (PROOF_FORMAT, BILL_FORMAT)
    )


def parse_private(data: bytes) -> PrivateFile:
    """Read a file; raises Rejected (TOO_LARGE or MALFORMED) naming the field."""
    fields = parse_canonical(data, MAX_FILE_BYTES, MAX_BRACKETS)
    anchor, rest = split_anchor(fields)
    top = read_object(rest, "file", "bill checkpoint days format genesis keys")
    expected = PROOF_FORMAT if top["bill"] is None else BILL_FORMAT
    if top["format"] != expected:
        raise Malformed(f"format: with or without a bill it is {expected}")
    rows = top["days"]
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_DAYS:
        raise Malformed(f"days: 1 to {MAX_DAYS} of them")
    keys = top["keys"]
    if not isinstance(keys, list) or not 1 <= len(keys) <= MAX_KEYS:
        raise Malformed(f"keys: 1 to {MAX_KEYS} of them")
    return PrivateFile(
        read_genesis(top["genesis"]),
        tuple(read_key(key) for key in keys),
        tuple(_day(row) for row in rows),
        read_text(top["checkpoint"], "checkpoint", NOTE_LIMIT),
        None if top["bill"] is None else _bill(top["bill"]),
        anchor,
    )


def statement_json(bill: ProvedBill) -> dict[str, Json]:
    """Return a bill's fields as JSON has them: bytes in hex, the amount as decimal text."""
    s = bill.statement
    return {
        "amount": str(s.amount),
        "begin": s.begin,
        "consent": bill.consent.hex(),
        "end": s.end,
        "headers": [digest.hex() for digest in s.headers],
        "meter": s.meter.hex(),
        "network": s.network.hex(),
        "previous": s.previous.hex(),
        "register": s.register,
        "revision": s.revision,
        "signature": bill.proof.hex(),
        "tariff": s.tariff.hex(),
    }


def read_statement(fields: dict[str, Json]) -> ProvedBill:
    """Return the bill whose fields these are; Malformed names the wrong one."""
    headers = fields["headers"]
    if not isinstance(headers, list) or not 1 <= len(headers) <= MAX_DAYS:
        raise Malformed(f"headers: 1 to {MAX_DAYS} of them")
    statement = BillStatement(
        network=read_hex(fields["network"], "network", 32),
        meter=MeterId(read_hex(fields["meter"], "meter", METER_ID_BYTES)),
        register=RegisterId(read_number(fields["register"], "register", MAX_REGISTER)),
        begin=read_number(fields["begin"], "begin", MAX_SIZE),
        end=read_number(fields["end"], "end", MAX_SIZE),
        tariff=read_hex(fields["tariff"], "tariff", 32),
        amount=_amount(fields["amount"]),
        revision=read_number(fields["revision"], "revision", MAX_REVISION),
        headers=tuple(read_hex(one, "headers", 32) for one in headers),
        previous=read_hex(fields["previous"], "previous", 32),
    )
    proof = fields["signature"]
    signature = b"" if proof == "" else read_hex(proof, "signature", 64)
    return ProvedBill(statement, signature, read_hex(fields["consent"], "consent", 64))


def _amount(value: Json) -> int:
    text = read_text(value, "amount", _AMOUNT_DIGITS)
    if not (text.isascii() and text.isdigit()) or str(int(text)) != text:
        raise Malformed("amount: a whole number in decimal digits")
    return int(text)


def _bill_json(evidence: BillEvidence) -> dict[str, Json]:
    fields = statement_json(evidence.bill)
    return {
        **fields,
        **place_json(evidence.logged),
        "tariff": evidence.tariff.decode(),
    }


def _bill(value: Json) -> BillEvidence:
    fields = read_object(value, "bill", _STATEMENT)
    document = read_text(fields["tariff"], "tariff", MAX_DOCUMENT_BYTES).encode()
    named = {**fields, "tariff": _tariff_hash(document)}
    return BillEvidence(read_statement(named), document, read_logged(fields, "bill"))


def _tariff_hash(document: bytes) -> Json:
    return parse_tariff(document).hash().hex()


def _day_json(day: DayEvidence) -> dict[str, Json]:
    return {
        **place_json(day.logged),
        "header": day.header.consensus().hex(),
        "points": _joined(record.commitment for record in day.records),
        "qualities": _joined(bytes((record.quality,)) for record in day.records),
        "range": day.range_proof.hex(),
        "revision": day.records[0].revision,
        "signature": day.signature.hex(),
    }


def _joined(parts: Iterable[bytes]) -> str:
    return b"".join(parts).hex()


def _day(value: Json) -> DayEvidence:
    names = "header index points proof qualities range revision signature"
    fields = read_object(value, "day", names)
    try:
        header = parse_header(read_hex(fields["header"], "day.header"))
    except ValueError as error:
        raise Malformed(f"day.header: {error}") from None
    qualities = read_hex(fields["qualities"], "day.qualities")
    if len(qualities) != header.count or not 1 <= header.count <= MAX_RECORDS:
        raise Malformed("day.qualities: as many as the header counts records")
    width = COMMITMENT_BYTES
    points = read_hex(fields["points"], "day.points", width * len(qualities))
    revision = read_number(fields["revision"], "day.revision", MAX_REVISION)
    records = tuple(
        CommittedRecord(
            header.first + n * header.step,
            points[n * width : (n + 1) * width],
            quality,
            revision,
        )
        for n, quality in enumerate(qualities)
    )
    return DayEvidence(
        header,
        read_hex(fields["signature"], "day.signature", 64),
        records,
        read_hex(fields["range"], "day.range"),
        read_logged(fields, "day"),
    )
