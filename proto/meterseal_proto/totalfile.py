"""A file about what a community used together on a day: all there is to check it again.

    {"checkpoint", "format": "meterseal/total/1", "genesis", "members": [{"header",
     "revision", "signature"}], "place": {"cell", "day"}, "reporting": {"index", "proof"},
     "total": {"blinding", "value"}, "trustees": [{"answer": null | {"signature", "sums":
     {"0": {"blinding", "value"}}}, "key", "signature"}]}, and "anchor" where there is one

Canonical JSON as a bundle is. A member is 0.9 KB: its header, whose sum is the commitment
that is added up, and its signature. No inclusion proof of each member: in a log of a
million entries each takes 1.3 KB more, and the log's one entry for the set already binds
every header (its statement is over their hashes). Header and signature are the member's
own log entry, so whoever doubts one asks any copy of the log for its leaf. This module
must never say whether what it reads is true (`claims_total` does), nor hold a masked
opening.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

from meterseal_proto.bundle import (
    NOTE_LIMIT,
    Anchor,
    Json,
    Logged,
    canonical,
    parse_canonical,
    place_json,
    read_genesis,
    read_hex,
    read_logged,
    read_number,
    read_object,
    read_text,
    split_anchor,
    with_anchor,
)
from meterseal_proto.curve import ORDER
from meterseal_proto.enrolment import Genesis
from meterseal_proto.errors import Malformed
from meterseal_proto.merkle import MAX_SIZE
from meterseal_proto.message import MAX_REVISION
from meterseal_proto.reporting import MAX_DAY, Reported
from meterseal_proto.seal import CONSENSUS_BYTES, parse_header
from meterseal_proto.seedbox import TrusteeKey
from meterseal_proto.totals import SEEDS, Mask

TOTAL_FORMAT: Final = "meterseal/total/1"
MAX_TOTAL_BYTES: Final = 2 * 1024 * 1024
"""2,000 members take 1.8 MB."""
MAX_MEMBERS: Final = 2_000
MAX_BRACKETS: Final = 2_100
"""A member opens one; all else some forty."""
_CELL_LIMIT: Final = 64
_KEY_LIMIT: Final = 132
_NUMBER_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Member:
    """A committed day in the set, and the meter's 64-byte signature under its header."""

    reported: Reported
    signature: bytes


@dataclass(frozen=True, slots=True)
class MaskAnswer:
    """A trustee's answer: sums of masks by seed number, and its signature under them."""

    sums: Mapping[int, Mask]
    signature: bytes


@dataclass(frozen=True, slots=True)
class TrusteeEvidence:
    """A trustee's keys, its signature under the set, its answer (None: it was not needed)."""

    key: TrusteeKey
    signature: bytes
    answer: MaskAnswer | None


@dataclass(frozen=True, slots=True)
class TotalFile:
    """A total: `value` in the register's unit with its 32-byte `blinding`, of `members`.

    `reporting` is the place of the set's entry in the log; `checkpoint` a signed note.
    """

    genesis: Genesis
    cell: str
    day: int
    members: tuple[Member, ...]
    trustees: tuple[TrusteeEvidence, ...]
    value: int
    blinding: bytes
    reporting: Logged
    checkpoint: str
    anchor: Anchor | None = None

    def encode(self) -> bytes:
        """Return the bytes of the file."""
        return canonical(
            with_anchor(self.anchor)
            | {
                "checkpoint": self.checkpoint,
                "format": TOTAL_FORMAT,
                "genesis": asdict(self.genesis),
                "members": [_member_json(one) for one in self.members],
                "place": {"cell": self.cell, "day": self.day},
                "reporting": place_json(self.reporting),
                "total": {"blinding": self.blinding.hex(), "value": self.value},
                "trustees": [_trustee_json(one) for one in self.trustees],
            }
        )


def is_total(data: bytes) -> bool:
    """Tell whether bytes say of themselves that they are such a file."""
    return f'"format":"{TOTAL_FORMAT}"'.encode() in data


def parse_total(data: bytes) -> TotalFile:
    """Read a file; raises Rejected (TOO_LARGE or MALFORMED) naming the field."""
    names = "checkpoint format genesis members place reporting total trustees"
    fields = parse_canonical(data, MAX_TOTAL_BYTES, MAX_BRACKETS)
    anchor, rest = split_anchor(fields)
    top = read_object(rest, "file", names)
    if top["format"] != TOTAL_FORMAT:
        raise Malformed(f"format: only {TOTAL_FORMAT} is known")
    place = read_object(top["place"], "place", "cell day")
    total = read_object(top["total"], "total", "blinding value")
    reporting = read_object(top["reporting"], "reporting", "index proof")
    return TotalFile(
        read_genesis(top["genesis"]),
        read_text(place["cell"], "place.cell", _CELL_LIMIT),
        read_number(place["day"], "place.day", MAX_DAY - 1),
        tuple(_member(row) for row in _rows(top["members"], "members", MAX_MEMBERS)),
        tuple(_trustee(row) for row in _rows(top["trustees"], "trustees", SEEDS)),
        read_number(total["value"], "total.value", MAX_SIZE),
        read_hex(total["blinding"], "total.blinding", _NUMBER_BYTES),
        read_logged(reporting, "reporting"),
        read_text(top["checkpoint"], "checkpoint", NOTE_LIMIT),
        anchor,
    )


def _rows(value: Json, name: str, most: int) -> list[Json]:
    if not isinstance(value, list) or not 1 <= len(value) <= most:
        raise Malformed(f"{name}: 1 to {most} of them")
    return value


def _member_json(one: Member) -> dict[str, Json]:
    return {
        "header": one.reported.header.consensus().hex(),
        "revision": one.reported.revision,
        "signature": one.signature.hex(),
    }


def _member(value: Json) -> Member:
    row = read_object(value, "member", "header revision signature")
    try:
        header = parse_header(read_hex(row["header"], "member.header", CONSENSUS_BYTES))
    except ValueError as error:
        raise Malformed(f"member.header: {error}") from None
    revision = read_number(row["revision"], "member.revision", MAX_REVISION)
    signature = read_hex(row["signature"], "member.signature", 64)
    return Member(Reported(header, revision), signature)


def _trustee_json(one: TrusteeEvidence) -> dict[str, Json]:
    answer: Json = None
    if one.answer is not None:
        sums: dict[str, Json] = {
            str(seed): {
                "blinding": mask.blinding.to_bytes(_NUMBER_BYTES).hex(),
                "value": mask.value.to_bytes(_NUMBER_BYTES).hex(),
            }
            for seed, mask in one.answer.sums.items()
        }
        answer = {"signature": one.answer.signature.hex(), "sums": sums}
    return {
        "answer": answer,
        "key": one.key.text(),
        "signature": one.signature.hex(),
    }


def _trustee(value: Json) -> TrusteeEvidence:
    row = read_object(value, "trustee", "answer key signature")
    try:
        key = TrusteeKey.parse(read_text(row["key"], "trustee.key", _KEY_LIMIT))
    except ValueError as error:
        raise Malformed(f"trustee.key: {error}") from None
    signature = read_hex(row["signature"], "trustee.signature", 64)
    answer = None if row["answer"] is None else _answer(row["answer"])
    return TrusteeEvidence(key, signature, answer)


def _answer(value: Json) -> MaskAnswer:
    row = read_object(value, "answer", "signature sums")
    sums = row["sums"]
    if not isinstance(sums, dict) or not set(sums) <= {"0", "1", "2"}:
        raise Malformed("answer.sums: an object of seeds 0, 1 and 2")
    found = {int(seed): _mask(pair) for seed, pair in sums.items()}
    return MaskAnswer(found, read_hex(row["signature"], "answer.signature", 64))


def _mask(value: Json) -> Mask:
    pair = read_object(value, "mask", "blinding value")
    numbers = [
        int.from_bytes(read_hex(pair[name], f"mask.{name}", _NUMBER_BYTES))
        for name in ("value", "blinding")
    ]
    if max(numbers) >= ORDER:
        raise Malformed("mask: numbers below the group's order")
    return Mask(*numbers)
