"""Keys and tokens change and end by the API: by both signatures, by an operator's word."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_proto.enrolment import Rotation, Turn
from meterseal_proto.units import MeterId, parse_obis
from tests.support.enrolling import GENESIS, a_key
from tests.support.webhouse import EXPORT, WebHouse, a_lived_in_house, pretty


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_lived_in_house(tmp_path) as opened:
        yield opened


async def test_a_device_changes_its_key_by_both_signatures(house: WebHouse) -> None:
    old, new = a_key(), a_key("next")
    turn = Turn(MeterId(bytes.fromhex(house.meter)), parse_obis(EXPORT), 9)
    wish = Rotation.sign(GENESIS.network, [turn], old, new).to_json()
    stolen = wish | {"old_signature": wish["new_signature"]}
    refused = await house.post("/v1/rotations", None, stolen)
    assert refused.status_code == 403, pretty(refused)
    done = await house.post("/v1/rotations", None, wish)
    assert (done.status_code, done.json()) == (200, {"registers": 1})
    again = await house.post("/v1/rotations", None, wish)
    assert (again.status_code, again.json()) == (200, {"registers": 1})
    refused = await house.post("/v1/rotations", None, stolen)
    assert refused.status_code == 422, pretty(refused)


async def test_a_revoked_token_opens_nothing(house: WebHouse) -> None:
    wish = {"role": "member", "label": "phone", "member": house.members["ada"]}
    made = (await house.post("/v1/tokens", "operator", wish)).json()
    house.tokens["phone"] = made["token"]
    assert (await house.ask("GET", "/v1/meters", "phone")).status_code == 200
    page = await house.get("/v1/tokens", "operator")
    assert made["token"] not in json.dumps(page)
    last = page["items"][-1]["id"]
    gone = await house.ask("DELETE", f"/v1/tokens/{last}", "operator")
    assert gone.status_code == 204
    assert (await house.ask("GET", "/v1/meters", "phone")).status_code == 401
