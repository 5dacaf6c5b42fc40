"""Enrolment: one call, once, and everything it must refuse."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from meterseal_aggregator.registry.enrol import new_code
from meterseal_aggregator.registry.model import Refused, Trouble
from meterseal_aggregator.registry.store import claims
from meterseal_aggregator.registry.write import add_meter_point
from meterseal_aggregator.translog import store as translog
from meterseal_proto.enrolment import (
    EnrolmentAnswer,
    EnrolmentRequest,
    RegisterStart,
    enrolment_hash,
)
from meterseal_proto.entry import open_key_event_entry
from meterseal_proto.units import EXPORT, IMPORT, MeterId
from tests.support.enrolling import (
    GENESIS,
    NOW,
    SLOT,
    TERMS,
    a_csr,
    a_key,
    a_meter,
    a_registry,
    a_request,
)


async def test_one_call_gives_certificate_meter_ids_and_claims(tmp_path: Path) -> None:
    async with a_registry(tmp_path) as registry:
        request = a_request(await registry.code(), a_meter("A"), a_meter("B"))
        answer = EnrolmentAnswer.from_json(await registry.enrol(request))
        ids = [bytes.fromhex(meter.meter) for meter in answer.meters]
        async with registry.db.reading() as tx:
            found = await claims(tx, ids)
            assert tx.statements == 1
            entries = [entry.body for entry in await translog.unindexed(tx, 10)]

    assert [meter.serial for meter in answer.meters] == ["A", "B"]
    assert len(found) == 4
    claim = found[MeterId(ids[0]), EXPORT]
    start = RegisterStart(EXPORT, 900, 50, SLOT)
    public = a_key().public
    assert claim.agent == answer.agent == "home-1"
    assert claim.enrolment_hash == enrolment_hash(
        GENESIS.network, claim.meter, start, public
    )
    assert (claim.initial_value, claim.initial_at, claim.step) == (50, SLOT, 900)
    assert [(key.public, key.from_seq, key.to_seq) for key in claim.keys] == [
        (public, 1, None)
    ]
    events = [open_key_event_entry(entry) for entry in entries]
    assert {(event.meter, event.register) for event in events} == found.keys()
    assert all(event.previous == bytes(32) for event in events)


async def test_the_certificate_has_our_name_and_our_signature(tmp_path: Path) -> None:
    async with a_registry(tmp_path) as registry:
        request = a_request(await registry.code(), csr_pem=a_csr("../operator"))
        answer = EnrolmentAnswer.from_json(await registry.enrol(request))

    certificate = x509.load_pem_x509_certificate(answer.certificate_pem.encode())
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert [name.value for name in names] == ["home-1"]
    certificate.verify_directly_issued_by(TERMS.authority.certificate)
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert not basic.value.ca


async def test_the_same_call_again_gets_the_same_answer(tmp_path: Path) -> None:
    async with a_registry(tmp_path) as registry:
        request = a_request(await registry.code())
        first = await registry.enrol(request)
        assert await registry.enrol(request) == first
        later = replace(RegisterStart(IMPORT, 900, 1_234, SLOT), at=SLOT)
        starts = (later, request.meters[0].registers[1])
        read_again = replace(request, meters=(a_meter(registers=starts),))
        assert await registry.enrol(read_again, NOW + 90_000) == first
        async with registry.db.reading() as tx:
            assert len(await tx.rows("SELECT 1 FROM meters")) == 1


async def test_a_used_code_refuses_another_request(tmp_path: Path) -> None:
    async with a_registry(tmp_path) as registry:
        code = await registry.code()
        request = a_request(code)
        await registry.enrol(request)
        for other in (
            replace(request, csr_pem=a_csr()),
            a_request(code, key=a_key("thief"), csr_pem=request.csr_pem),
            a_request(code, a_meter("SDM-2"), csr_pem=request.csr_pem),
        ):
            with pytest.raises(Refused) as refused:
                await registry.enrol(other)
            assert refused.value.trouble is Trouble.CODE_USED


async def test_a_refused_call_leaves_nothing_and_the_code_good(tmp_path: Path) -> None:
    async with a_registry(tmp_path) as registry:
        first = a_request(await registry.code(), a_meter("A"))
        await registry.enrol(first)
        async with registry.db.transaction() as tx:
            point = await add_meter_point(tx, "Home 2", now=NOW)
        code = await registry.code(meter_point_id=point, agent="home-2")
        with pytest.raises(Refused) as refused:
            await registry.enrol(a_request(code, a_meter("NEW"), a_meter("A")))
        assert refused.value.trouble is Trouble.SERIAL_TAKEN
        async with registry.db.reading() as tx:
            assert len(await tx.rows("SELECT 1 FROM meters")) == 1
            assert len(await tx.rows("SELECT 1 FROM meter_points")) == 2
        assert await registry.enrol(a_request(code, a_meter("NEW")))


def _register(**change: object) -> tuple[RegisterStart, ...]:
    start = RegisterStart(IMPORT, 900, 1_000, SLOT)
    return (replace(start, **change),)  # type: ignore[arg-type]


SPOILT: dict[str, tuple[Callable[[EnrolmentRequest], EnrolmentRequest], Trouble]] = {
    "another code": (
        lambda r: replace(r, code=new_code()),
        Trouble.CODE_UNKNOWN,
    ),
    "a code as long as a book": (
        lambda r: replace(r, code="A" * 100_000),
        Trouble.CODE_UNKNOWN,
    ),
    "no meters": (lambda r: replace(r, meters=()), Trouble.BAD_REQUEST),
    "248 meters": (
        lambda r: replace(r, meters=tuple(a_meter(str(n)) for n in range(248))),
        Trouble.BAD_REQUEST,
    ),
    "a serial number twice": (
        lambda r: replace(r, meters=(a_meter(), a_meter())),
        Trouble.BAD_REQUEST,
    ),
    "an empty serial number": (
        lambda r: replace(r, meters=(a_meter(""),)),
        Trouble.BAD_REQUEST,
    ),
    "a serial number with a line break": (
        lambda r: replace(r, meters=(a_meter("A\nB"),)),
        Trouble.BAD_REQUEST,
    ),
    "no registers": (
        lambda r: replace(r, meters=(a_meter(registers=()),)),
        Trouble.BAD_REQUEST,
    ),
    "a register twice": (
        lambda r: replace(r, meters=(a_meter(registers=_register() * 2),)),
        Trouble.BAD_REQUEST,
    ),
    "a step of one second": (
        lambda r: replace(r, meters=(a_meter(registers=_register(step=1)),)),
        Trouble.BAD_REQUEST,
    ),
    "a start off the grid": (
        lambda r: replace(r, meters=(a_meter(registers=_register(at=SLOT + 1)),)),
        Trouble.BAD_REQUEST,
    ),
    "a start of last week": (
        lambda r: replace(
            r, meters=(a_meter(registers=_register(at=SLOT - 7 * 86_400)),)
        ),
        Trouble.BAD_REQUEST,
    ),
    "a start tomorrow": (
        lambda r: replace(r, meters=(a_meter(registers=_register(at=SLOT + 86_400)),)),
        Trouble.BAD_REQUEST,
    ),
    "a negative register": (
        lambda r: replace(r, meters=(a_meter(registers=_register(value=-1)),)),
        Trouble.BAD_REQUEST,
    ),
    "a register beyond 64 bits": (
        lambda r: replace(r, meters=(a_meter(registers=_register(value=1 << 70)),)),
        Trouble.BAD_REQUEST,
    ),
    "more capacity than granted": (
        lambda r: replace(r, meters=(a_meter(capacity_w=10_001),)),
        Trouble.ABOVE_CAPACITY,
    ),
    "no capacity": (
        lambda r: replace(r, meters=(a_meter(capacity_w=0),)),
        Trouble.ABOVE_CAPACITY,
    ),
    "a key off the curve": (
        lambda r: replace(r, seal_key="02" + "ff" * 32),
        Trouble.BAD_KEY,
    ),
    "a key that is no hex": (lambda r: replace(r, seal_key="zz"), Trouble.BAD_KEY),
    "an unknown algorithm": (lambda r: replace(r, algorithm="rsa"), Trouble.BAD_KEY),
    "another curve's name": (
        lambda r: replace(r, algorithm="p256"),
        Trouble.BAD_POSSESSION,
    ),
    "a signature of another key": (
        lambda r: replace(r, possession=a_request(r.code, key=a_key("b")).possession),
        Trouble.BAD_POSSESSION,
    ),
    "a signature over another CSR": (
        lambda r: replace(r, csr_pem=a_csr()),
        Trouble.BAD_POSSESSION,
    ),
    "a signature that is no hex": (
        lambda r: replace(r, possession="é"),
        Trouble.BAD_POSSESSION,
    ),
}


@pytest.mark.parametrize("name", SPOILT)
async def test_a_spoilt_request_is_refused_by_name(tmp_path: Path, name: str) -> None:
    spoil, trouble = SPOILT[name]
    async with a_registry(tmp_path) as registry:
        request = spoil(a_request(await registry.code()))
        with pytest.raises(Refused) as refused:
            await registry.enrol(request)
    # The other curve may not even hold the point.
    accepted = (
        {trouble, Trouble.BAD_KEY} if name == "another curve's name" else {trouble}
    )
    assert refused.value.trouble in accepted


async def test_an_expired_code_is_refused(tmp_path: Path) -> None:
    async with a_registry(tmp_path) as registry:
        request = a_request(await registry.code(expires_at=NOW + 1))
        with pytest.raises(Refused) as refused:
            await registry.enrol(request, NOW + 1)
        assert refused.value.trouble is Trouble.CODE_EXPIRED


@pytest.mark.parametrize("csr", ["", "junk", "é", "-----BEGIN " + "A" * 9_000])
async def test_what_is_no_certificate_request_is_refused(
    tmp_path: Path, csr: str
) -> None:
    async with a_registry(tmp_path) as registry:
        request = a_request(await registry.code(), csr_pem=csr or " ")
        with pytest.raises(Refused) as refused:
            await registry.enrol(request)
        assert refused.value.trouble is Trouble.BAD_CSR


async def test_the_code_is_kept_only_as_a_hash(tmp_path: Path) -> None:
    async with a_registry(tmp_path) as registry:
        code = await registry.code()
        async with registry.db.reading() as tx:
            (row,) = await tx.rows("SELECT * FROM enrolment_codes")
        assert len(code) >= 20
        assert code not in json.dumps([str(value) for value in row])
