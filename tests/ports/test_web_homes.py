"""Homes through the API: whoever leaves one leaves all its meters, and names are one agent's."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_proto.enrolment import EnrolmentAnswer
from tests.support.enrolling import a_meter, a_request
from tests.support.webhouse import LATER, MOVED, WebHouse, a_house, pretty


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_house(tmp_path) as opened:
        yield opened


async def _enrol(house: WebHouse) -> list[str]:
    code = await house.registry.code(expires_at=LATER + 60)
    wish = a_request(code, a_meter("A"), a_meter("B")).to_json()
    answer = await house.post("/v1/enrolments", None, wish)
    assert answer.status_code == 201, pretty(answer)
    return [m.meter for m in EnrolmentAnswer.from_json(answer.content).meters]


async def _readable(house: WebHouse, who: str, meter: str, at: int) -> bool:
    """Tell whether `who` has any time from `at` on in which the meter is his."""
    path = f"/v1/meters/{meter}/registers/1-0:2.8.0/readings?from={at}"
    return (await house.ask("GET", path, who)).status_code == 200


async def test_moving_out_of_one_point_leaves_no_meter_of_the_home(
    house: WebHouse,
) -> None:
    meters = await _enrol(house)
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
