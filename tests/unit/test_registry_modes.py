"""A register's mode is its enrolment's: another one is a new enrolment, from a boundary on."""

from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.registry import write
from meterseal_aggregator.registry.model import CodeKind, Refused, Trouble
from meterseal_aggregator.registry.store import claims
from meterseal_proto.enrolment import EnrolmentAnswer, RegisterStart
from meterseal_proto.units import IMPORT, MeterId
from tests.support.enrolling import (
    NOW,
    SLOT,
    Registry,
    a_key,
    a_meter,
    a_registry,
    a_request,
)

OPEN = RegisterStart(IMPORT, 900, 1_000, SLOT)
COMMITTED = RegisterStart(IMPORT, 900, 0, SLOT, 1, 16)
WIDER = replace(COMMITTED, bits=32)


async def enrolled(
    registry: Registry,
    start: RegisterStart,
    kind: CodeKind = CodeKind.ENROLMENT,
    key: str = "home-1",
) -> EnrolmentAnswer:
    code = await registry.code(kind)
    request = a_request(code, a_meter(registers=(start,)), key=a_key(key))
    return EnrolmentAnswer.from_json(await registry.enrol(request))


@pytest.mark.parametrize(
    ("was", "wished"), [(COMMITTED, OPEN), (OPEN, COMMITTED), (COMMITTED, WIDER)]
)
async def test_a_replacement_keeps_the_mode_and_says_how_another_is_come_by(
    tmp_path: Path, was: RegisterStart, wished: RegisterStart
) -> None:
    async with a_registry(tmp_path) as registry:
        await enrolled(registry, was)
        with pytest.raises(Refused, match="enrols it anew") as caught:
            await enrolled(registry, wished, CodeKind.REPLACEMENT, "other")
        assert caught.value.trouble is Trouble.BAD_REQUEST


@pytest.mark.parametrize(
    ("was", "wished"), [(COMMITTED, OPEN), (OPEN, COMMITTED), (COMMITTED, WIDER)]
)
async def test_a_meter_taken_out_of_service_is_enrolled_anew_with_another_mode(
    tmp_path: Path, was: RegisterStart, wished: RegisterStart
) -> None:
    """The past stays as it was told, and the new chain begins where the old one ended."""
    async with a_registry(tmp_path) as registry:
        old = await enrolled(registry, was)
        first = MeterId(bytes.fromhex(old.meters[0].meter))
        ended = SLOT + 900
        async with registry.db.transaction() as tx:
            await write.remove_meter(tx, first, at=ended)
        later = replace(wished, at=ended)
        code = await registry.code()
        request = a_request(code, a_meter(registers=(later,)), key=a_key("anew"))
        new = EnrolmentAnswer.from_json(await registry.enrol(request, NOW + 1_800))
        second = MeterId(bytes.fromhex(new.meters[0].meter))
        assert second != first
        assert (new.heads[0].seq, new.heads[0].end) == (0, ended)
        async with registry.db.reading() as tx:
            known = await claims(tx, [first, second])
        modes = {meter: (c.mode, c.bits) for (meter, _), c in known.items()}
        assert modes[second] == (wished.mode, wished.bits)
        if first in modes:
            assert modes[first] == (was.mode, was.bits)
