"""An agent's name is one agent's: a second device never shares its topics and its keys."""

from pathlib import Path

import pytest

from meterseal_aggregator.registry import write
from meterseal_aggregator.registry.model import CodeKind, Refused, Tenancy, Trouble
from meterseal_proto.enrolment import EnrolmentAnswer
from tests.support.enrolling import (
    NOW,
    SLOT,
    Registry,
    a_csr,
    a_key,
    a_meter,
    a_registry,
    a_request,
)


async def _elsewhere(registry: Registry) -> int:
    async with registry.db.transaction() as tx:
        point = await write.add_meter_point(tx, "Home 2", now=NOW)
        await write.begin_tenancy(tx, Tenancy(registry.member, point, SLOT, None))
    return point


async def test_no_enrolment_code_is_made_for_an_agent_that_serves_meters(
    tmp_path: Path,
) -> None:
    async with a_registry(tmp_path) as registry:
        answer = await registry.enrol(a_request(await registry.code()))
        with pytest.raises(Refused, match="serves meters already") as refused:
            await registry.code(meter_point_id=await _elsewhere(registry))
        assert refused.value.trouble is Trouble.AGENT_TAKEN
        await registry.code(agent="home-2")
        await registry.code(CodeKind.REPLACEMENT)

        # Once its meters are out of service the name is free.
        meter = bytes.fromhex(EnrolmentAnswer.from_json(answer).meters[0].meter)
        async with registry.db.transaction() as tx:
            await write.remove_meter(tx, meter, at=SLOT + 900)
        await registry.code()


async def test_a_code_made_before_is_refused_to_another_device_of_that_name(
    tmp_path: Path,
) -> None:
    async with a_registry(tmp_path) as registry:
        point = await _elsewhere(registry)
        first, second = await registry.code(), await registry.code(meter_point_id=point)
        csr = a_csr()
        request = a_request(first, csr_pem=csr)
        text = await registry.enrol(request)
        other = a_meter("SDM-2")
        for device in (
            a_request(second, other, key=a_key("mallory")),
            a_request(second, other, key=a_key("mallory"), csr_pem=csr),
            a_request(second, other),
        ):
            with pytest.raises(Refused, match="serves meters already") as refused:
                await registry.enrol(device)
            assert refused.value.trouble is Trouble.AGENT_TAKEN

        assert await registry.enrol(request) == text
        mine = await registry.enrol(a_request(second, other, csr_pem=csr))
        assert [m.serial for m in EnrolmentAnswer.from_json(mine).meters] == ["SDM-2"]
