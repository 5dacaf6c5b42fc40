"""The one call of enrolment: a code, a CSR and a seal key become meters that may seal.

    code = await issue_code(tx, grant, created_at=real_now)
    answer = await enrol(tx, request, terms, moment)      # JSON text

All of a call happens in the caller's transaction or not at all; the same call again
gets the same answer. This module must never give a code back, nor sign a certificate
for a key whose possession was not shown.
"""

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from meterseal_aggregator.registry import codes, rekey, starts, write
from meterseal_aggregator.registry.authority import DeviceAuthority, same_key
from meterseal_aggregator.registry.model import (
    Claim,
    CodeGrant,
    CodeKind,
    Moment,
    Refused,
    Trouble,
)
from meterseal_aggregator.registry.request import Checked, check, identity
from meterseal_aggregator.registry.store import (
    agent_keys,
    agent_meters,
    agent_serves,
    claims,
)
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.enrolment import (
    EnrolledMeter,
    EnrolmentAnswer,
    EnrolmentRequest,
    Genesis,
    MeterRequest,
    RegisterHead,
    enrolment_hash,
)
from meterseal_proto.seal import Head
from meterseal_proto.units import METER_ID_BYTES, MeterId, RegisterId, obis_text

MAX_CODE: Final = 64
"""Characters a code may have; ours have 29."""
_ALPHABET: Final = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
"""No letter or digit that is mistaken for another when read aloud."""
_Enrolled = tuple[list[EnrolledMeter], list[RegisterHead]]
_GROUPS: Final = 5
_GROUP: Final = 5


@dataclass(frozen=True, slots=True)
class NetworkTerms:
    """What every answer tells, and who signs it; the same for every call.

    `receipt_key` is 32 bytes; `broker` is host:port of the MQTT endpoint. `trustee_keys`
    are NUMBER:BOX:SIGN of the three trustees in their order, or none.
    """

    authority: DeviceAuthority
    chain: rekey.ChainAccess
    genesis: Genesis
    network_name: str
    receipt_key: bytes
    broker: str
    broker_tls: bool
    trustee_keys: tuple[str, ...] = ()


def new_code() -> str:
    """Return a one-time code: five groups of five characters, 122 random bits."""
    letters = [secrets.choice(_ALPHABET) for _ in range(_GROUPS * _GROUP)]
    return "-".join(
        "".join(letters[i : i + _GROUP]) for i in range(0, len(letters), _GROUP)
    )


async def issue_code(tx: Transaction, grant: CodeGrant, *, created_at: int) -> str:
    """Make a one-time code that grants this, and return it: the only time it is seen."""
    code = new_code()
    await codes.keep(tx, code, grant, created_at=created_at)
    return code


async def enrol(
    tx: Transaction, request: EnrolmentRequest, terms: NetworkTerms, moment: Moment
) -> str:
    """Carry out an enrolment or replacement; returns the answer's JSON text.

    Raises Refused: CODE_UNKNOWN, CODE_USED (another request used it), CODE_EXPIRED, or
    what `request.check` finds.
    """
    grant = await codes.granted(tx, request.code[: MAX_CODE + 1])
    if grant is None:
        raise Refused(Trouble.CODE_UNKNOWN, "this code is not known; ask for a new one")
    used = await codes.answered(tx, grant.code_id)
    if used is not None:
        if used[0] != identity(request):
            raise Refused(
                Trouble.CODE_USED,
                "this code was used by another request; ask for a new one",
            )
        return used[1]
    if grant.expires_at <= moment.real:
        raise Refused(Trouble.CODE_EXPIRED, "this code has expired; ask for a new one")
    checked = check(request, grant, now=moment.now)
    certificate = terms.authority.sign(
        request.csr_pem, grant.agent, real_now=moment.real
    )
    carry_out = _replace if grant.kind is CodeKind.REPLACEMENT else _enrol
    enrolled = await carry_out(tx, checked, grant, terms, moment)
    answer = _answer(terms, grant.agent, certificate, enrolled)
    text = json.dumps(answer.to_json())
    await codes.keep_answer(tx, grant, checked.digest, text, now=moment.now)
    return text


async def _enrol(
    tx: Transaction,
    checked: Checked,
    grant: CodeGrant,
    terms: NetworkTerms,
    moment: Moment,
) -> _Enrolled:
    await _check_agent(tx, checked, grant.agent)
    given = [
        (MeterId(secrets.token_bytes(METER_ID_BYTES)), meter)
        for meter in checked.request.meters
    ]
    await _install(tx, given, grant, now=moment.now)
    opened = [
        write.NewRegister(
            meter, start.register, start.step, wish.capacity_w, start.value, start.at,
            enrolment_hash(terms.chain.network, meter, start, checked.public),
            start.mode, start.bits,
        )
        for meter, wish in given
        for start in wish.registers
    ]  # fmt: skip
    await write.open_registers(tx, opened)
    await _keep_starts(tx, given, now=moment.now)
    begun = [
        rekey.Begun(
            r.meter, r.register, r.step, Head(0, bytes(32), r.at, r.value), r.mode, r.bits
        )
        for r in opened
    ]  # fmt: skip
    await rekey.begin(tx, begun, checked.public, terms.chain, now=moment.now)
    # Told although new: a request sent again with registers read anew starts right.
    heads = [_head(r.meter, r.register, Head(0, r.link, r.at, r.value)) for r in opened]
    return [EnrolledMeter(wish.serial, meter.hex()) for meter, wish in given], heads


async def _check_agent(tx: Transaction, checked: Checked, agent: str) -> None:
    """Let an agent that serves meters enrol more only with its own two keys."""
    if not await agent_serves(tx, agent):
        return
    certificate, seal_keys = await agent_keys(tx, agent)
    if seal_keys != {checked.public.raw} or not same_key(
        checked.request.csr_pem, certificate
    ):
        raise codes.agent_taken(agent)


async def _install(
    tx: Transaction,
    given: Sequence[tuple[MeterId, MeterRequest]],
    grant: CodeGrant,
    *,
    now: int,
) -> None:
    """Install the first meter at the code's meter point, each further one beside it."""
    installed: list[write.NewMeter] = []
    for meter, wish in given:
        point, at = grant.meter_point_id, min(start.at for start in wish.registers)
        if installed:
            point = await write.add_point_beside(tx, point, wish.serial, at=at, now=now)
        new = write.NewMeter(
            meter, wish.serial, wish.profile, grant.agent, point, at
        )  # fmt: skip
        installed.append(new)
    await write.install(tx, installed, now=now)


async def _replace(
    tx: Transaction,
    checked: Checked,
    grant: CodeGrant,
    terms: NetworkTerms,
    moment: Moment,
) -> _Enrolled:
    served = await agent_meters(tx, grant.agent, grant.meter_point_id)
    wishes = {meter.serial: meter for meter in checked.request.meters}
    if not served or served.keys() != wishes.keys():
        raise Refused(
            Trouble.NOT_FOUND,
            f"name exactly the meters agent {grant.agent!r} serves, one of them at this"
            " meter point",
        )
    known = await claims(tx, served.values())
    held = [
        claim
        for serial, meter in served.items()
        for claim in _held(known.values(), meter, wishes[serial])
    ]
    begun = await rekey.replace_key(tx, held, checked.public, terms.chain, moment)
    heads = [_head(one.meter, one.register, one.head) for one in begun]
    told = [
        await _private(tx, claim, head, terms.chain) if claim.mode else head
        for claim, head in zip(held, heads, strict=True)
    ]
    given = [(served[serial], wish) for serial, wish in wishes.items()]
    await _keep_starts(tx, given, now=moment.now)
    return [EnrolledMeter(serial, m.hex()) for serial, m in served.items()], told


async def _private(
    tx: Transaction, claim: Claim, head: RegisterHead, chain: rekey.ChainAccess
) -> RegisterHead:
    """Return a committed register's head with what its successor needs besides.

    The first opening names the enrolment: a successor could not know that hash either.
    """
    row = claim.register_id
    openings = await chain.openings(tx, [row])
    known = (await starts.of(tx, [row])).get(row, ())
    last = openings.get(row, claim.enrolment_hash)
    return replace(head, opening=last.hex(), starts=known)


async def _keep_starts(
    tx: Transaction, given: Sequence[tuple[MeterId, MeterRequest]], *, now: int
) -> None:
    rows = [
        starts.SealedStart(meter, row.register, row.at, bytes.fromhex(row.sealed))
        for meter, wish in given
        for row in wish.registers
        if row.sealed
    ]
    await starts.keep(tx, rows, now=now)


def _held(known: Iterable[Claim], meter: MeterId, wish: MeterRequest) -> list[Claim]:
    held = [claim for claim in known if claim.meter == meter]
    asked = {(s.register, s.step, s.mode, s.bits) for s in wish.registers}
    if {(c.register, c.step, c.mode, c.bits) for c in held} != asked:
        raise Refused(
            Trouble.BAD_REQUEST,
            f"meter {wish.serial!r}: name its registers, steps and modes as they were"
            " enrolled; whoever wants others has it taken out of service at the end of a"
            " billing period, and enrols it anew",
        )
    return held


def _head(meter: MeterId, register: RegisterId, head: Head) -> RegisterHead:
    return RegisterHead(
        meter.hex(),
        obis_text(register),
        head.seq,
        head.hash.hex(),
        head.end,
        head.value,
    )


def _answer(
    terms: NetworkTerms, agent: str, certificate: str, enrolled: _Enrolled
) -> EnrolmentAnswer:
    meters, heads = enrolled
    return EnrolmentAnswer(
        agent=agent,
        network_name=terms.network_name,
        certificate_pem=certificate,
        ca_pem=terms.authority.pem,
        genesis=terms.genesis.document().hex(),
        chain_id=terms.genesis.chain_id,
        registry=terms.genesis.registry,
        log_key=terms.genesis.log_key,
        receipt_key=terms.receipt_key.hex(),
        trustee_keys=terms.trustee_keys,
        broker=terms.broker,
        broker_tls=terms.broker_tls,
        meters=tuple(meters),
        heads=tuple(heads),
    )
