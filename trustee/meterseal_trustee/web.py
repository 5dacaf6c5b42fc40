"""The trustee's HTTP: strict JSON in, one question to the desk, JSON or a problem out.

Bytes are lower-case hex. A refusal is a problem document (RFC 9457) whose type names the
rule. Who may ask at all, the TLS door decided (`app.py`). This module must never hold a
rule, and never answer with what was sent.
"""

import json
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal, TypeVar

import structlog
from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from meterseal_proto.curve import ORDER
from meterseal_proto.errors import Unavailable
from meterseal_proto.keys import PublicKey
from meterseal_proto.reporting import MAX_DAY, Reported, Roster, parse_quarter
from meterseal_proto.seal import CONSENSUS_BYTES, parse_header
from meterseal_proto.seedbox import BOX_BYTES, Deposit
from meterseal_proto.totals import SEEDS, Mask, Masked
from meterseal_proto.units import MeterId, RegisterId, parse_obis
from meterseal_proto.witness import PATH as ADD_CHECKPOINT
from meterseal_trustee.bodies import read_body
from meterseal_trustee.checkpoints import STATUS, add_checkpoint
from meterseal_trustee.desk import Desk, spelled
from meterseal_trustee.rules import MAX_MEMBERS, Complaint, Refused, Trouble
from meterseal_trustee.witness import NotCosigned, Witness

MAX_BODY_BYTES: Final = 4 << 20
"""The largest set has 2,000 members of some 800 bytes each."""
_CONFLICTS: Final = frozenset(
    {
        Trouble.ANOTHER_DEPOSIT,
        Trouble.ANOTHER_ROSTER,
        Trouble.ANOTHER_SET,
        Trouble.IN_ANOTHER_CELL,
        Trouble.IN_ANOTHER_SET,
        Trouble.DAY_NOT_OVER,
        Trouble.NO_ROSTER,
        Trouble.NO_SUCH_SET,
        Trouble.NOT_ANSWERED,
        Trouble.TOTAL_HOLDS,
    }
)
"""Refused for what stands already, or not yet; all others for what was sent."""
_ALARMS: Final = frozenset({Trouble.ANOTHER_SET, Trouble.IN_ANOTHER_SET})
"""A second total was asked for: a mistake of the operator's, or an attempt to open a home."""
_log = structlog.get_logger(__name__)


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


class RosterBody(_Body):
    """A cell's roster for a quarter."""

    cell: Cell
    quarter: Annotated[str, Field(max_length=7)]
    obis: Annotated[str, Field(max_length=24, alias="register")]
    members: list[_Member] = Field(min_length=1, max_length=MAX_MEMBERS)


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
        """Return it as the desk takes it."""
        sums = {int(n): Mask(*pair.numbers()) for n, pair in self.other.sums.items()}
        return Complaint(
            Masked(*self.reports.numbers()),
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


def build(desk: Desk, witness: Witness) -> FastAPI:
    """Return the API over an open desk and an open witness."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.desk = desk
    app.state.witness = witness
    app.get("/v1/trustee")(trustee)
    app.post("/v1/seeds")(seeds)
    app.post("/v1/rosters")(rosters)
    app.post("/v1/sets")(sets)
    app.post("/v1/masks")(masks)
    app.post("/v1/blames")(blames)
    app.post("/v1/chain-totals")(chain_totals)
    app.post(ADD_CHECKPOINT)(add_checkpoint)
    for kind in (Refused, NotCosigned, HTTPException, Unavailable, Exception):
        app.add_exception_handler(kind, _answer)
    return app


async def trustee(request: Request) -> JSONResponse:
    """Who this is: number, keys, network, and its key as a witness."""
    desk, witness = _desk(request), request.app.state.witness
    assert isinstance(witness, Witness)
    return JSONResponse(
        {
            "number": desk.public.number,
            "key": desk.public.text(),
            "fingerprint": desk.public.fingerprint(),
            "network": desk.settings.network.hex(),
            "witness": witness.cosigner.public.vkey,
        }
    )


async def seeds(request: Request) -> JSONResponse:
    """Keep a meter's seeds; the signature is what the meter may rely on."""
    body = await _read(request, SeedsBody)
    boxes = tuple(bytes.fromhex(box) for box in body.boxes)
    public = _said(body.public)
    meter, signature = bytes.fromhex(body.meter), bytes.fromhex(body.signature)
    deposit = Deposit(MeterId(meter), public, boxes, signature)
    signed = await _desk(request).deposit(deposit)
    return JSONResponse({"meter": body.meter, "signature": signed.hex()})


async def rosters(request: Request) -> JSONResponse:
    """Propose a roster; 202 while it waits for a person to countersign it."""
    body = await _read(request, RosterBody)
    desk = _desk(request)
    members = {
        MeterId(bytes.fromhex(one.meter)): _said(one.public) for one in body.members
    }
    if len(members) < len(body.members):
        raise Refused(Trouble.REPEATED, "a meter is named twice")
    quarter = _said(lambda: parse_quarter(body.quarter))
    register = _register(body.obis)
    roster = Roster(desk.settings.network, body.cell, quarter, register, members)
    found = await desk.propose(roster)
    answer = {"roster": found.roster.hex()}
    if found.signature is None:
        return JSONResponse(answer, HTTPStatus.ACCEPTED)
    return JSONResponse(answer | {"signature": found.signature.hex()})


async def sets(request: Request) -> JSONResponse:
    """Sign the one set of a cell and day."""
    body = await _read(request, SetBody)
    desk = _desk(request)
    reported = _said(lambda: [one.reported() for one in body.members])
    made = await desk.report(desk.place(body.cell, body.day), reported)
    return JSONResponse(
        {
            "trustee": desk.public.number,
            "statement": made.statement.hex(),
            "signature": made.signature.hex(),
        }
    )


async def masks(request: Request) -> JSONResponse:
    """Answer the sums of masks of a set all three trustees signed."""
    body = await _read(request, MasksBody)
    desk = _desk(request)
    answer = await desk.answer(
        desk.place(body.cell, body.day),
        bytes.fromhex(body.statement),
        [bytes.fromhex(one) for one in body.signatures],
    )
    said = {"trustee": desk.public.number, "signature": answer.signature.hex()}
    return JSONResponse(said | spelled(answer.sums))


async def blames(request: Request) -> JSONResponse:
    """Show mask commitments of single meters of a set whose total is not right."""
    body = await _read(request, BlameBody)
    desk = _desk(request)
    complaint = _said(body.complaint)
    shown = await desk.blame(
        desk.place(body.cell, body.day),
        bytes.fromhex(body.statement),
        complaint,
        {MeterId(bytes.fromhex(meter)) for meter in body.meters},
    )
    commitments = {
        meter.hex(): {str(seed): one.hex() for seed, one in sorted(by_seed.items())}
        for meter, by_seed in sorted(shown.commitments.items())
    }
    said = {"trustee": desk.public.number, "signature": shown.signature.hex()}
    return JSONResponse(said | {"commitments": commitments})


async def chain_totals(request: Request) -> JSONResponse:
    """Sign a proved total for the chain's contract."""
    body = await _read(request, TotalBody)
    desk = _desk(request)
    total = Masked(*_said(body.numbers))
    place = desk.place(body.cell, body.day)
    signature = await desk.vouch(place, bytes.fromhex(body.statement), total)
    return JSONResponse({"trustee": desk.public.number, "signature": signature.hex()})


_B = TypeVar("_B", bound=_Body)
_T = TypeVar("_T")


def _desk(request: Request) -> Desk:
    desk = request.app.state.desk
    assert isinstance(desk, Desk)
    return desk


def _said(make: Callable[[], _T]) -> _T:
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


async def _read(request: Request, kind: type[_B]) -> _B:
    """Return the body as strict JSON of this shape; Refused otherwise."""
    data = await read_body(request, MAX_BODY_BYTES)
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


async def _answer(request: Request, error: Exception) -> JSONResponse:
    """Turn an error into its problem document; what we do not know is ours, and is logged."""
    match error:
        case Refused():
            conflict = error.trouble in _CONFLICTS
            status = HTTPStatus.CONFLICT if conflict else HTTPStatus.BAD_REQUEST
            name, detail = error.trouble.value, error.detail
            tell = _log.error if error.trouble in _ALARMS else _log.warning
            tell("request_refused", path=request.url.path, why=name)
        case NotCosigned():
            status, name, detail = STATUS[error.doubt], error.doubt.value, error.detail
            _log.warning("checkpoint_not_cosigned", why=name)
        case HTTPException():
            status = HTTPStatus(error.status_code)
            name, detail = status.phrase.lower().replace(" ", "-"), str(error.detail)
        case Unavailable():
            _log.error("request_not_possible", why=str(error))
            status, name = HTTPStatus.SERVICE_UNAVAILABLE, "unavailable"
            detail = "not possible just now; try again"
        case _:
            _log.error("request_failed", error=repr(error), exc_info=error)
            status, name = HTTPStatus.INTERNAL_SERVER_ERROR, "internal"
            detail = "an error of ours; the trustee was told"
    problem = {"type": f"urn:meterseal:problem:{name}", "status": status.value}
    return JSONResponse(
        problem | {"title": status.phrase, "detail": detail},
        status.value,
        media_type="application/problem+json",
    )
