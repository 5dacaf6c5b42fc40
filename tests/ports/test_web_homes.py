"""Homes through the API: whoever leaves one leaves all its meters, and names are one agent's."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.parameters import store as parameters
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.registry.certificates import Grant, grant
from meterseal_proto.enrolment import EnrolmentAnswer
from tests.support.enrolling import SLOT, a_meter, a_request
from tests.support.webhouse import (
    LATER,
    MOVED,
    WebHouse,
    a_house,
    do_every_duty,
    pretty,
    seal_eight,
)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_house(tmp_path) as opened:
        yield opened


async def _enrol(house: WebHouse) -> EnrolmentAnswer:
    code = await house.registry.code(expires_at=LATER + 60)
    wish = a_request(code, a_meter("A"), a_meter("B")).to_json()
    answer = await house.post("/v1/enrolments", None, wish)
    assert answer.status_code == 201, pretty(answer)
    return EnrolmentAnswer.from_json(answer.content)


async def _readable(house: WebHouse, who: str, meter: str, at: int) -> bool:
    """Tell whether `who` has any time from `at` on in which the meter is his."""
    path = f"/v1/meters/{meter}/registers/1-0:2.8.0/readings?from={at}"
    return (await house.ask("GET", path, who)).status_code == 200


async def test_moving_out_of_one_point_leaves_no_meter_of_the_home(
    house: WebHouse,
) -> None:
    meters = [meter.meter for meter in (await _enrol(house)).meters]
    base = f"/v1/meter-points/{house.registry.point}/tenancies"
    assert [await _readable(house, "ada", m, MOVED) for m in meters] == [True, True]
    ended = await house.post(f"{base}/end", "operator", {"at": MOVED})
    assert ended.json() == {"id": house.members["ada"]}, pretty(ended)
    moved = {"member": house.members["cleo"], "from_at": MOVED}
    assert (await house.post(base, "operator", moved)).status_code == 201
    for meter in meters:
        page = await house.get(f"/v1/meters/{meter}", "cleo")
        assert page["serial"] in ("A", "B")
        assert await _readable(house, "cleo", meter, MOVED)
    seen = (await house.get("/v1/meter-points", "cleo"))["items"]
    assert [point["name"] for point in seen] == ["Home 1", "Home 1 / B"]
    for point in seen:
        detail = await house.get(f"/v1/meter-points/{point['id']}", "ada")
        assert [t["to_at"] for t in detail["tenancies"]] == [MOVED]


async def test_a_second_device_gets_no_code_under_an_agents_name(
    house: WebHouse,
) -> None:
    await _enrol(house)
    path = f"/v1/meter-points/{house.registry.point}/codes"
    wish = {"agent": "home-1", "capacity_w": 1_000}
    refused = await house.post(path, "operator", wish)
    assert refused.status_code == 409, pretty(refused)
    assert refused.json()["type"] == "urn:meterseal:problem:agent-taken"
    dead = wish | {"kind": "replacement"}
    assert (await house.post(path, "operator", dead)).status_code == 201


async def test_two_meters_mint_no_more_than_their_home_is_certified_for(
    house: WebHouse,
) -> None:
    async with house.db.transaction() as tx:
        # Each meter exports 100 Wh a slot, which is all that 400 W give.
        await grant(tx, Grant(house.registry.point, 400, SLOT), "test", now=LATER)
        wish = parameters.Change(Name.FINALITY_DELAY_S, 0, 0, LATER, "test")
        await parameters.record(tx, wish)
    answer = await _enrol(house)
    for meter in answer.meters:
        heads = tuple(head for head in answer.heads if head.meter == meter.meter)
        await seal_eight(house, replace(answer, meters=(meter,), heads=heads))
    await do_every_duty(house)
    told = []
    for meter in answer.meters:
        path = f"/v1/meters/{meter.meter}/registers/1-0:2.8.0/credits?from=0"
        slots = (await house.get(path, "ada"))["items"]
        told.append({(slot["cause"], slot["wh"]) for slot in slots})
        assert len(slots) == 8
    assert told == [{(None, 100)}, {("uncertified", 100)}]
