"""A register is enrolled as committed once, at nought, and stays so for its successors."""

import json
from pathlib import Path

import pytest

from meterseal_aggregator.registry.model import CodeKind, Refused, Trouble
from meterseal_aggregator.registry.store import claims
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
    SLOT,
    Registry,
    a_key,
    a_meter,
    a_registry,
    a_request,
)

HIDDEN = RegisterStart(IMPORT, 900, 0, SLOT, 1, 16)
SHOWN = RegisterStart(EXPORT, 900, 50, SLOT)


async def enrolled(registry: Registry) -> MeterId:
    request = a_request(await registry.code(), a_meter(registers=(HIDDEN, SHOWN)))
    answer = EnrolmentAnswer.from_json(await registry.enrol(request))
    assert {head.value for head in answer.heads} == {0, 50}
    return MeterId(bytes.fromhex(answer.meters[0].meter))


async def test_a_committed_register_has_its_mode_in_claim_link_and_log(
    tmp_path: Path,
) -> None:
    async with a_registry(tmp_path) as registry:
        meter = await enrolled(registry)
        async with registry.db.reading() as tx:
            found = await claims(tx, [meter])
            entries = await tx.rows("SELECT body FROM log_entries ORDER BY id")
        hidden, shown = found[meter, IMPORT], found[meter, EXPORT]
        assert (hidden.mode, hidden.bits) == (1, 16)
        assert (shown.mode, shown.bits) == (0, 0)
        link = enrolment_hash(GENESIS.network, meter, HIDDEN, a_key().public)
        assert hidden.enrolment_hash == link
        events = [open_key_event_entry(body) for (body,) in entries]
        assert [(e.mode, e.bits) for e in events] == [(1, 16), (0, 0)]


@pytest.mark.parametrize(
    ("mode", "bits", "value", "says"),
    [
        (1, 0, 0, "mode is"),
        (1, 8, 0, "mode is"),
        (2, 16, 0, "mode is"),
        (0, 16, 0, "mode is"),
        (1, 16, 5, "enrolled at 0"),
    ],
)
async def test_a_mode_that_is_none_is_refused(
    tmp_path: Path, mode: int, bits: int, value: int, says: str
) -> None:
    async with a_registry(tmp_path) as registry:
        start = RegisterStart(IMPORT, 900, value, SLOT, mode, bits)
        request = a_request(await registry.code(), a_meter(registers=(start,)))
        with pytest.raises(Refused, match=says) as caught:
            await registry.enrol(request)
        assert caught.value.trouble is Trouble.BAD_REQUEST


async def test_a_successor_cannot_open_a_committed_register(tmp_path: Path) -> None:
    async with a_registry(tmp_path) as registry:
        await enrolled(registry)
        code = await registry.code(CodeKind.REPLACEMENT)
        opened = (RegisterStart(IMPORT, 900, 0, SLOT), SHOWN)
        request = a_request(code, a_meter(registers=opened), key=a_key("new"))
        with pytest.raises(Refused, match="modes as they were"):
            await registry.enrol(request)


def test_an_open_registers_request_is_spelled_as_ever() -> None:
    body = a_request("c", a_meter(registers=(SHOWN, HIDDEN))).to_json()
    shown, hidden = body["meters"][0]["registers"]
    assert set(shown) == {"register", "step", "value", "at"}
    assert (hidden["mode"], hidden["bits"]) == (1, 16)


def test_a_request_survives_its_json() -> None:
    request = a_request("c", a_meter(registers=(SHOWN, HIDDEN)))
    assert EnrolmentRequest.from_json(json.dumps(request.to_json())) == request
