"""Enrolment and rotation: for devices, by one-time code or by signatures, without a token.

Both cost signatures to check, so `site` paces an address before it reads a body. This module must never tell more
of a code than that it is no good.
"""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field, field_validator
from starlette.responses import Response

from meterseal_aggregator.registry import enrol, rekey
from meterseal_aggregator.registry.model import Moment, Refused, Trouble
from meterseal_aggregator.registry.request import MAX_NAME, MAX_REGISTERS, MAX_VALUE
from meterseal_aggregator.web.auth import TheSite
from meterseal_aggregator.web.shapes import RequestBody, Second, View, Watts
from meterseal_proto import enrolment
from meterseal_proto.enrolment import MAX_METERS, RegisterStart, Rotation, Turn
from meterseal_proto.keys import PublicKey
from meterseal_proto.units import MeterId, parse_obis

router = APIRouter(prefix="/v1", tags=["devices"])

Hex33 = Annotated[str, Field(pattern=r"^[0-9a-f]{66}$")]
Hex64 = Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]
Short = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]


class _Named(RequestBody):
    """Something that names a register by its OBIS code, e.g. 1-0:2.8.0."""

    obis: Annotated[str, Field(alias="register", min_length=1, max_length=24)]

    @field_validator("obis")
    @classmethod
    def _is_obis(cls, text: str) -> str:
        parse_obis(text)
        return text


class StartRequest(_Named):
    """A register as the installer read it: `value` at grid time `at`.

    A committed one (`mode` 1) has the `bits` of its range proofs, 16 or 32, and value 0;
    what it shows may be given `sealed`, which its device alone opens.
    """

    step: int
    value: Annotated[int, Field(ge=0, le=MAX_VALUE)]
    at: Second
    mode: Annotated[int, Field(ge=0, le=1)] = 0
    bits: Annotated[int, Field(ge=0, le=32)] = 0
    sealed: Annotated[str, Field(pattern=r"^([0-9a-f]{48})?$")] = ""


class MeterRequest(RequestBody):
    """A meter to enrol."""

    serial: Short
    profile: Short
    capacity_w: Watts
    registers: Annotated[
        list[StartRequest], Field(min_length=1, max_length=MAX_REGISTERS)
    ]


class EnrolmentRequest(RequestBody):
    """The one call of a new or replacing agent."""

    code: Annotated[str, Field(min_length=1, max_length=enrol.MAX_CODE)]
    csr_pem: Annotated[str, Field(min_length=1, max_length=8_192)]
    algorithm: Short
    seal_key: Hex33
    possession: Hex64
    meters: Annotated[list[MeterRequest], Field(min_length=1, max_length=MAX_METERS)]

    def request(self) -> enrolment.EnrolmentRequest:
        """Return the request as the registry knows it."""
        return enrolment.EnrolmentRequest(
            code=self.code,
            csr_pem=self.csr_pem,
            algorithm=self.algorithm,
            seal_key=self.seal_key,
            possession=self.possession,
            meters=tuple(_meter(meter) for meter in self.meters),
        )


class TurnRequest(_Named):
    """A register's first sequence number under the new key."""

    meter: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    from_seq: Annotated[int, Field(ge=1, lt=1 << 62)]


class RotationRequest(RequestBody):
    """A new seal key, signed by the old one and by itself."""

    algorithm: Short
    seal_key: Hex33
    old_signature: Hex64
    new_signature: Hex64
    turns: Annotated[
        list[TurnRequest], Field(min_length=1, max_length=MAX_METERS * MAX_REGISTERS)
    ]


class RotationView(View):
    """How many registers the new key speaks for."""

    registers: int


@router.post("/enrolments", status_code=201)
async def enrol_agent(body: EnrolmentRequest, site: TheSite) -> Response:
    """Enrol an agent and its meters by a one-time code; the same call again is the same.

    The answer is the EnrolmentAnswer of the protocol.
    """
    moment = Moment(int(site.now()), int(site.real_now()))
    async with site.database.transaction() as tx:
        text = await enrol.enrol(tx, body.request(), site.terms, moment)
    return Response(text, 201, media_type="application/json")


@router.post("/rotations")
async def rotate_key(body: RotationRequest, site: TheSite) -> RotationView:
    """Let a new key speak for registers, by the signatures of the old and the new key."""
    rotation = Rotation(
        tuple(
            Turn(
                MeterId(bytes.fromhex(turn.meter)),
                parse_obis(turn.obis),
                turn.from_seq,
            )
            for turn in body.turns
        ),
        _public(body),
        bytes.fromhex(body.old_signature),
        bytes.fromhex(body.new_signature),
    )
    moment = Moment(int(site.now()), int(site.real_now()))
    async with site.database.transaction() as tx:
        await rekey.rotate(tx, rotation, site.terms.chain, moment)
    return RotationView(registers=len(body.turns))


def _public(body: RotationRequest) -> PublicKey:
    try:
        return PublicKey.parse(body.algorithm, bytes.fromhex(body.seal_key))
    except ValueError:
        raise Refused(
            Trouble.BAD_KEY,
            "seal_key must be a compressed point of the algorithm named",
        ) from None


def _meter(body: MeterRequest) -> enrolment.MeterRequest:
    starts = tuple(
        RegisterStart(
            *(parse_obis(row.obis), row.step, row.value, row.at, row.mode, row.bits),
            row.sealed,
        )
        for row in body.registers
    )
    return enrolment.MeterRequest(body.serial, body.profile, body.capacity_w, starts)
