"""The checks an enrolment request passes before anything is written, cheapest first.

Pure: a request, a grant and the time to a checked request or Refused. This module must
never trust a number of the device beyond what the code's grant allows.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.registry.model import CodeGrant, Refused, Trouble
from meterseal_proto.backup import START_BYTES
from meterseal_proto.enrolment import (
    MAX_METERS,
    EnrolmentRequest,
    MeterRequest,
    RegisterStart,
    possession_digest,
)
from meterseal_proto.intervals import STEPS, on_grid
from meterseal_proto.keys import PublicKey
from meterseal_proto.rangeproof import BITS
from meterseal_proto.seal import MODE_COMMITTED, MODE_OPEN
from meterseal_proto.units import MAX_REGISTER, obis_text

MAX_REGISTERS: Final = 16
"""Registers a meter: import and export by four tariffs and three phases stay below."""
MAX_NAME: Final = 64
"""Characters of a serial number or a profile's name."""
MAX_VALUE: Final = (1 << 53) - 1
"""A register's value: 9 PWh, and still exact in every JSON reader."""
OLDEST_START_S: Final = 86_400
"""The installer read the registers today."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A request that may be carried out, with its seal key parsed and its `digest`."""

    request: EnrolmentRequest
    public: PublicKey
    digest: bytes


def identity(request: EnrolmentRequest) -> bytes:
    """Return what makes two requests the same: code, CSR, key, meters and registers.

    Not the values: a technician who tries again an hour later reads a later register,
    and is given the first answer.
    """
    meters = [
        [m.serial, m.profile, [[r.register, r.step, *r.terms] for r in m.registers]]
        for m in request.meters
    ]
    parts = [
        request.code, request.csr_pem, request.algorithm, request.seal_key, meters,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(parts).encode()).digest()


def check(request: EnrolmentRequest, grant: CodeGrant, *, now: int) -> Checked:
    """Check everything that needs no database; raises Refused naming the first wrong thing."""
    if not 1 <= len(request.meters) <= MAX_METERS:
        raise _wrong(f"name 1 to {MAX_METERS} meters")
    if len({meter.serial for meter in request.meters}) < len(request.meters):
        raise _wrong("two meters have the same serial number")
    for meter in request.meters:
        _check_meter(meter, grant, now)
    public = _public_key(request)
    _check_possession(request, public)
    return Checked(request, public, identity(request))


def _check_meter(meter: MeterRequest, grant: CodeGrant, now: int) -> None:
    for text in (meter.serial, meter.profile):
        if not 1 <= len(text) <= MAX_NAME or not text.isprintable():
            raise _wrong(f"serial and profile are 1 to {MAX_NAME} printable characters")
    if not 1 <= len(meter.registers) <= MAX_REGISTERS:
        raise _wrong(f"meter {meter.serial!r}: name 1 to {MAX_REGISTERS} registers")
    if len({start.register for start in meter.registers}) < len(meter.registers):
        raise _wrong(f"meter {meter.serial!r} names a register twice")
    if not 0 < meter.capacity_w <= grant.capacity_w:
        raise Refused(
            Trouble.ABOVE_CAPACITY,
            f"meter {meter.serial!r}: capacity_w must be 1 to {grant.capacity_w},"
            " the capacity this code was given for",
        )
    for start in meter.registers:
        _check_start(start, now)


def _check_start(start: RegisterStart, now: int) -> None:
    if start.step not in STEPS:
        raise _wrong(f"step must be one of {', '.join(map(str, STEPS))} seconds")
    if not 0 <= start.register <= MAX_REGISTER:
        raise _wrong("a register is six OBIS bytes")
    name = obis_text(start.register)
    if not 0 <= start.value <= MAX_VALUE:
        raise _wrong(f"register {name}: value must be 0 to {MAX_VALUE}")
    _check_mode(start, name)
    if not on_grid(start.at, start.step):
        raise _wrong(f"register {name}: at must be a multiple of {start.step} s")
    if not max(0, now - OLDEST_START_S) <= start.at <= now + start.step:
        raise _wrong(
            f"register {name}: at must lie within the last day and the next slot"
        )


def _check_mode(start: RegisterStart, name: str) -> None:
    _check_sealed(start, name)
    if (start.mode, start.bits) == (MODE_OPEN, 0):
        return
    if start.mode != MODE_COMMITTED or start.bits not in BITS:
        raise _wrong(
            f"register {name}: mode is {MODE_OPEN} with bits 0, or {MODE_COMMITTED} with"
            f" bits {' or '.join(map(str, BITS))}"
        )
    if start.value:
        raise _wrong(
            f"register {name}: a committed register is enrolled at 0, what it shows is"
            " told to nobody"
        )


def _check_sealed(start: RegisterStart, name: str) -> None:
    if not start.sealed:
        return
    try:
        size = len(bytes.fromhex(start.sealed))
    except ValueError:
        size = 0
    if start.mode == MODE_OPEN or size != START_BYTES:
        raise _wrong(
            f"register {name}: sealed is {START_BYTES} bytes in hex, of a committed"
            " register"
        )


def _public_key(request: EnrolmentRequest) -> PublicKey:
    try:
        return PublicKey.parse(request.algorithm, bytes.fromhex(request.seal_key))
    except ValueError:
        raise Refused(
            Trouble.BAD_KEY,
            "seal_key must be a compressed point, 33 bytes in hex, of the algorithm named",
        ) from None


def _check_possession(request: EnrolmentRequest, public: PublicKey) -> None:
    digest = possession_digest(request.code, request.csr_pem)
    try:
        signature = bytes.fromhex(request.possession)
    except ValueError:
        signature = b""
    if not public.verify(digest, signature):
        raise Refused(
            Trouble.BAD_POSSESSION,
            "possession must be the seal key's signature over this code and CSR",
        )


def _wrong(detail: str) -> Refused:
    return Refused(Trouble.BAD_REQUEST, detail)
