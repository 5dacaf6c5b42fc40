"""What may be asked of a trustee, as strict JSON; bytes are lower-case hex.

    body = read(data, SetBody)         # Refused, which names the place and never the value

This module must never hold a rule, nor put what was sent into a refusal.
"""

import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from meterseal_proto.curve import ORDER
from meterseal_proto.keys import PublicKey
from meterseal_proto.reporting import MAX_DAY, Reported, Roster, parse_quarter
from meterseal_proto.seal import CONSENSUS_BYTES, parse_header
from meterseal_proto.seedbox import BOX_BYTES, Deposit
from meterseal_proto.totals import SEEDS, Mask, Masked
from meterseal_proto.units import MeterId, RegisterId, parse_obis
from meterseal_trustee.rules import MAX_MEMBERS, Complaint, Refused, Trouble

_T = TypeVar("_T")


def _hex(count: int) -> Any:  # an Annotated type, which has no static type of its own
    return Field(pattern=f"^[0-9a-f]{{{2 * count}}}$", max_length=2 * count)


Meter = Annotated[str, _hex(16)]
Hash = Annotated[str, _hex(32)]
Key = Annotated[str, _hex(33)]
Signature = Annotated[str, _hex(64)]
Cell = Annotated[str, Field(max_length=64)]
Day = Annotated[int, Field(ge=0, lt=MAX_DAY)]
SeedNumber = Literal["0", "1", "2"]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Member(_Body):
    meter: Meter
    algorithm: Literal["secp256k1", "p256"]
    key: Key

    def public(self) -> PublicKey:
        return PublicKey.parse(self.algorithm, bytes.fromhex(self.key))


class SeedsBody(_Member):
    """A meter's deposit."""

    boxes: list[Annotated[str, _hex(BOX_BYTES)]] = Field(min_length=2, max_length=2)
    signature: Signature

    def deposit(self) -> Deposit:
        """Return it as the desk takes it; Refused where its key is no point."""
        boxes = tuple(bytes.fromhex(box) for box in self.boxes)
        meter, signature = bytes.fromhex(self.meter), bytes.fromhex(self.signature)
        return Deposit(MeterId(meter), said(self.public), boxes, signature)


class RosterBody(_Body):
    """A cell's roster for a quarter."""

    cell: Cell
    quarter: Annotated[str, Field(max_length=7)]
    obis: Annotated[str, Field(max_length=24, alias="register")]
    members: list[_Member] = Field(min_length=1, max_length=MAX_MEMBERS)

    def roster(self, network: bytes) -> Roster:
        """Return it as the desk takes it; Refused where its words make none."""
        members = {
            MeterId(bytes.fromhex(one.meter)): said(one.public) for one in self.members
        }
        if len(members) < len(self.members):
            raise Refused(Trouble.REPEATED, "a meter is named twice")
        quarter = said(lambda: parse_quarter(self.quarter))
        return Roster(network, self.cell, quarter, _register(self.obis), members)


class _Seal(_Body):
    header: Annotated[str, _hex(CONSENSUS_BYTES)]
    revision: Annotated[int, Field(ge=0, lt=1 << 16)]

    def reported(self) -> Reported:
        return Reported(parse_header(bytes.fromhex(self.header)), self.revision)


class SetBody(_Body):
    """A reporting set: the committed day seals of a cell."""

    cell: Cell
    day: Day
    members: list[_Seal] = Field(min_length=1, max_length=MAX_MEMBERS)

    def reported(self) -> list[Reported]:
        """Return the seals; Refused where one has no header."""
        return said(lambda: [one.reported() for one in self.members])


class MasksBody(_Body):
    """All three trustees' signatures under a set."""

    cell: Cell
    day: Day
    statement: Hash
    signatures: list[Signature] = Field(min_length=SEEDS, max_length=SEEDS)


class _Pair(_Body):
    value: Hash
    blinding: Hash

    def numbers(self) -> tuple[int, int]:
        value, blinding = int(self.value, 16), int(self.blinding, 16)
        if max(value, blinding) >= ORDER:
            raise ValueError("a mask is below the group's order")
        return value, blinding


class TotalBody(_Pair):
    """A proved total: `value` in the register's unit, and the sum of its blindings."""

    cell: Cell
    day: Day
    statement: Hash

    def total(self) -> Masked:
        """Return it as the desk takes it; Refused beyond the group's order."""
        return Masked(*said(self.numbers))


class _OtherAnswer(_Body):
    trustee: Annotated[int, Field(ge=0, lt=SEEDS)]
    sums: dict[SeedNumber, _Pair]
    signature: Signature


class BlameBody(_Body):
    """A complaint: the sum of a set's masked openings, and another trustee's answer."""

    cell: Cell
    day: Day
    statement: Hash
    reports: _Pair
    other: _OtherAnswer
    meters: list[Meter] = Field(min_length=1, max_length=MAX_MEMBERS)

    def complaint(self) -> Complaint:
        """Return it as the desk takes it; Refused beyond the group's order."""
        sums = {
            int(n): Mask(*said(pair.numbers)) for n, pair in self.other.sums.items()
        }
        return Complaint(
            Masked(*said(self.reports.numbers)),
            self.other.trustee,
            sums,
            bytes.fromhex(self.other.signature),
        )


_FIELD_NAMES: Final = frozenset(
    field.alias or name
    for kind in (
        SeedsBody,
        RosterBody,
        _Seal,
        SetBody,
        MasksBody,
        _Pair,
        _OtherAnswer,
        BlameBody,
    )
    for name, field in kind.model_fields.items()
)
_B = TypeVar("_B", bound=BaseModel)


def read(data: bytes, kind: type[_B]) -> _B:
    """Return a body as strict JSON of this shape; Refused otherwise."""
    try:
        return kind.model_validate(json.loads(data, object_pairs_hook=_no_twins))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(_ours(first["loc"])) or "body"
        raise Refused(Trouble.BAD_REQUEST, f"{where}: {first['msg']}") from None
    except (ValueError, RecursionError):
        raise Refused(Trouble.BAD_REQUEST, "the body is not JSON") from None


def _ours(place: Sequence[str | int]) -> list[str]:
    """Return the parts of a place in a body that we gave a name, not those that were sent."""
    return [
        str(part) for part in place if isinstance(part, int) or part in _FIELD_NAMES
    ]


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:  # Any: JSON
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object has the same name twice")
    return found


def said(make: Callable[[], _T]) -> _T:
    """Return what a request's words make; Refused when they make nothing."""
    try:
        return make()
    except ValueError as error:
        raise Refused(Trouble.BAD_REQUEST, str(error)) from None


def _register(text: str) -> RegisterId:
    """Return a register by its OBIS code; Refused, without the text, for none."""
    try:
        return parse_obis(text)
    except ValueError:
        detail = "register: an OBIS code is written like 1-0:1.8.0"
        raise Refused(Trouble.BAD_REQUEST, detail) from None
