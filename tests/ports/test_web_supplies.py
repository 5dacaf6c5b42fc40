"""Supplies over the API: tariffs published, people moving, and nobody seeing another's."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from meterseal_aggregator.billing.supplies.sheet import MAX_SHEET_BYTES
from meterseal_aggregator.web import full_tariffs
from meterseal_proto.rating.tariff import MAX_DOCUMENT_BYTES
from tests.support.supplied import CODE, a_full_tariff, declare_money
from tests.support.webhouse import LATER, MOVED, WebHouse, a_house, pretty

SOON = LATER + 900
LEFT = SOON + 40 * 86_400
TERMS = {"tariff_code": CODE}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_house(tmp_path) as opened:
        async with opened.db.transaction() as tx:
            await declare_money(tx)
        yield opened


async def done(house: WebHouse, path: str, body: object, status: int = 201) -> Any:
    answer = await house.post(path, "operator", body)
    assert answer.status_code == status, pretty(answer)
    return answer.json()


async def publish(
    house: WebHouse, code: str = CODE, at: int = SOON, query: str = ""
) -> Any:
    document = a_full_tariff(at, code).document()
    answer = await house.ask(
        "POST", f"/v1/full-tariffs{query}", "operator", content=document
    )
    assert answer.status_code == 201, pretty(answer)
    return answer.json()


async def a_home(house: WebHouse, name: str = "Home 9") -> int:
    made = await done(house, "/v1/meter-points", {"name": name})
    return int(made["id"])


async def moved_in(house: WebHouse, point: int, who: str, at: int = SOON) -> None:
    body = {"member": house.members[who], "from_at": at, "supplies": [TERMS]}
    await done(house, f"/v1/meter-points/{point}/tenancies", body)


# Tariffs.


async def test_a_published_tariff_is_everybodys_to_read_as_it_was_written(
    house: WebHouse,
) -> None:
    made = await publish(house)
    document = a_full_tariff(SOON).document()
    assert made["document"].encode() == document
    assert made["hash"] == a_full_tariff(SOON).hash().hex()
    assert (made["valid_from"], made["valid_to"]) == (SOON, None)
    again = await publish(house)
    assert again == made
    page = await house.get(f"/v1/network/full-tariffs?code={CODE}")
    assert page["items"] == [made]
    assert (await house.get("/v1/network/full-tariffs?code=other"))["items"] == []
    assert await house.get(f"/v1/network/full-tariffs/{made['hash']}") == made
    missing = await house.ask("GET", f"/v1/network/full-tariffs/{'00' * 32}")
    assert missing.status_code == 404


async def test_a_page_of_long_tariffs_ends_early_and_goes_on_where_it_ended(
    house: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [await publish(house, f"code-{n}") for n in range(3)]
    size = len(made[0]["document"])
    monkeypatch.setattr(full_tariffs, "MAX_PAGE_BYTES", 2 * size + 9)
    first = await house.get("/v1/network/full-tariffs")
    assert first["items"] == made[:2]
    rest = await house.get(f"/v1/network/full-tariffs?after={first['next']}")
    assert (rest["items"], rest["next"]) == (made[2:], None)
    monkeypatch.setattr(full_tariffs, "MAX_PAGE_BYTES", 1)
    one = await house.get("/v1/network/full-tariffs")
    assert one["items"] == made[:1]


async def test_a_rehearsed_tariff_is_not_published(house: WebHouse) -> None:
    made = await publish(house, query="?dry_run=true")
    assert made["code"] == CODE
    assert (await house.get("/v1/network/full-tariffs"))["items"] == []
    acts = await house.get("/v1/acts", "operator")
    assert "publish-tariff" not in {act["act"] for act in acts["items"]}


@pytest.mark.parametrize(
    ("document", "status", "name"),
    [
        (b"{}", 422, "tariff"),
        (a_full_tariff(LATER - 1).document(), 409, "retroactive"),
        (a_full_tariff(SOON, zone="Mars/Olympus").document(), 422, "no-such-zone"),
        (a_full_tariff(SOON, currency="EUR").document(), 422, "no-such-asset"),
        (b" " * (MAX_DOCUMENT_BYTES + 1), 413, "too-large"),
    ],
)
async def test_a_tariff_that_cannot_be_billed_by_is_a_problem(
    house: WebHouse, document: bytes, status: int, name: str
) -> None:
    answer = await house.ask("POST", "/v1/full-tariffs", "operator", content=document)
    assert answer.status_code == status, pretty(answer)
    assert answer.json()["type"] == f"urn:meterseal:problem:{name}"


async def test_a_code_that_ended_goes_on_only_where_it_ended(house: WebHouse) -> None:
    await publish(house)
    ended = await done(house, f"/v1/full-tariffs/{CODE}/end", {"at": LEFT}, 200)
    assert ended["valid_to"] == LEFT
    late = a_full_tariff(LEFT + 1).document()
    answer = await house.ask("POST", "/v1/full-tariffs", "operator", content=late)
    assert answer.status_code == 409
    assert f"from {LEFT} to {LEFT + 1}" in answer.json()["detail"]
    await publish(house, at=LEFT)
    gone = await house.post("/v1/full-tariffs/other/end", "operator", {"at": LEFT})
    assert gone.status_code == 404


async def test_a_rate_of_the_community_is_a_new_version_when_it_changes(
    house: WebHouse,
) -> None:
    fields = json.loads(a_full_tariff(1).document())
    del fields["valid_from"]
    fields["components"][0]["price"] = {"parameter": "retail_price_micro"}
    template = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    path = f"/v1/full-tariff-templates?valid_from={SOON}"
    answer = await house.ask("POST", path, "operator", content=template.encode())
    assert answer.status_code == 201, pretty(answer)
    wish = {"value": 300_000, "from_at": LEFT}
    first = await house.post(
        "/v1/parameters/retail_price_micro", "operator", {**wish, "from_at": SOON}
    )
    assert first.status_code == 422, pretty(first)
    assert f"after {SOON}" in first.json()["detail"]
    await done(house, "/v1/parameters/retail_price_micro", wish)
    items = (await house.get(f"/v1/network/full-tariffs?code={CODE}"))["items"]
    prices = [json.loads(one["document"])["components"][0]["price"] for one in items]
    assert prices == [250_000, 300_000]
    assert [(one["valid_from"], one["valid_to"]) for one in items] == [
        (SOON, LEFT),
        (LEFT, None),
    ]
    assert items[0]["template"] == items[1]["template"] is not None


async def test_a_rate_of_urdb_is_published_or_named_what_it_leaves_open(
    house: WebHouse,
) -> None:
    rate = {
        "label": "x", "name": "Flat", "utility": "U", "startdate": 1_388_534_400,
        "energyratestructure": [[{"rate": 0.25}]],
        "energyweekdayschedule": [[0] * 24] * 12,
        "energyweekendschedule": [[0] * 24] * 12,
    }  # fmt: skip
    path = f"/v1/urdb-imports?code=us-flat&valid_from={SOON}&currency=XTS"
    raw = json.dumps(rate).encode()
    tried = await house.ask("POST", f"{path}&dry_run=true", "operator", content=raw)
    assert tried.status_code == 201, pretty(tried)
    assert (await house.get("/v1/network/full-tariffs"))["items"] == []
    made = await house.ask("POST", path, "operator", content=raw)
    assert (made.json()["code"], made.json()["valid_from"]) == ("us-flat", SOON)
    assert made.json()["hash"] == tried.json()["hash"]
    tiers = [[{"rate": 0.1, "max": 100, "unit": "kWh"}, {"rate": 0.2}], [{"rate": 0.3}]]
    hours = [[0] * 12 + [1] * 12] * 12
    open_rate = {
        **rate, "energyratestructure": tiers, "energyweekdayschedule": hours,
        "energyweekendschedule": hours,
    }  # fmt: skip
    answer = await house.ask(
        "POST", path, "operator", content=json.dumps(open_rate).encode()
    )
    assert answer.status_code == 422, pretty(answer)
    assert "tier_counter" in answer.json()["detail"]
    sells = {**rate, "energyratestructure": [[{"rate": 0.25, "sell": 0.1}]]}
    raw_sells = json.dumps(sells).encode()
    answer = await house.ask("POST", path, "operator", content=raw_sells)
    assert answer.status_code == 422, pretty(answer)
    assert "metering" in answer.json()["detail"]
    solar = path.replace("us-flat", "us-solar") + "&metering=net-billing"
    answer = await house.ask("POST", solar, "operator", content=raw_sells)
    assert answer.status_code == 201, pretty(answer)
    assert '"export"' in answer.json()["document"]
    for wrong in ("&tier_counter=both", "&unknown=1", "&window_s=0"):
        answer = await house.ask("POST", path + wrong, "operator", content=raw)
        assert answer.status_code == 422, wrong


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/full-tariffs", ""),
        ("/v1/full-tariff-templates", f"?valid_from={SOON}"),
        ("/v1/urdb-imports", f"?valid_from={SOON}&code=us&currency=KES"),
    ],
)
async def test_the_example_of_a_document_would_be_taken(
    house: WebHouse, path: str, query: str
) -> None:
    async with house.db.transaction() as tx:
        await declare_money(tx, "KES")
    body = house.app.openapi()["paths"][path]["post"]["requestBody"]
    example = dict(body["content"]["application/json"]["example"])
    if "valid_from" in example:
        example["valid_from"] = SOON
    written = json.dumps(example, sort_keys=True, separators=(",", ":")).encode()
    answer = await house.ask("POST", path + query, "operator", content=written)
    assert answer.status_code == 201, pretty(answer)


# Supplies and moves.


async def test_moving_in_and_out_begins_and_ends_what_is_supplied(
    house: WebHouse,
) -> None:
    await publish(house)
    point = await a_home(house)
    await moved_in(house, point, "ada")
    (held,) = (await house.get(f"/v1/supplies?meter_point={point}", "operator"))[
        "items"
    ]
    assert held == {
        "id": held["id"], "member": house.members["ada"], "meter_point": point,
        "tariff_code": CODE, "rail": "ledger", "prepaid": False, "from_at": SOON,
        "to_at": None, "billed_to": SOON,
    }  # fmt: skip
    path = f"/v1/meter-points/{point}/tenancies/end"
    assert (await done(house, path, {"at": LEFT}, 200))["id"] == house.members["ada"]
    ended = await house.get(f"/v1/supplies/{held['id']}", "ada")
    assert ended["to_at"] == LEFT
    await moved_in(house, point, "cleo", LEFT)


async def test_a_new_tenant_sees_nothing_of_what_was_supplied_before_him(
    house: WebHouse,
) -> None:
    await publish(house)
    point = await a_home(house)
    await moved_in(house, point, "ada")
    out = {"at": LEFT}
    await done(house, f"/v1/meter-points/{point}/tenancies/end", out, 200)
    await moved_in(house, point, "cleo", LEFT)
    items = {
        who: (await house.get("/v1/supplies", who))["items"]
        for who in ("ada", "cleo", "bo")
    }
    assert [one["member"] for one in items["ada"]] == [house.members["ada"]]
    assert [one["member"] for one in items["cleo"]] == [house.members["cleo"]]
    assert items["bo"] == []
    (before,) = items["ada"]
    for path in (
        f"/v1/supplies/{before['id']}",
        f"/v1/supplies?member={house.members['ada']}",
        "/v1/supplies/99",
    ):
        answer = await house.ask("GET", path, "cleo")
        assert answer.status_code == 403, path
    narrowed = await house.get(f"/v1/supplies?meter_point={point}", "cleo")
    assert narrowed["items"] == items["cleo"]
    shown = await house.get(f"/v1/meter-points/{point}", "cleo")
    assert [one["member"] for one in shown["tenancies"]] == [house.members["cleo"]]


async def test_a_supply_is_begun_changed_and_ended_by_an_operator(
    house: WebHouse,
) -> None:
    await publish(house)
    await publish(house, "night")
    body = {
        "member": house.registry.member, "meter_point": house.registry.point, **TERMS,
        "from_at": SOON, "rail": "stacks", "prepaid": True,
    }  # fmt: skip
    made = await done(house, "/v1/supplies", body)
    assert (made["rail"], made["prepaid"]) == ("stacks", True)
    again = await house.post("/v1/supplies", "operator", body)
    assert again.status_code == 409
    change = {"tariff_code": "night", "at": LEFT}
    path = f"/v1/supplies/{made['id']}"
    follows = await done(house, f"{path}/change", change)
    assert (follows["tariff_code"], follows["from_at"]) == ("night", LEFT)
    twice = await house.post(f"{path}/change", "operator", change)
    assert (twice.status_code, twice.json()["type"][-13:]) == (409, "already-ended")
    await done(house, f"/v1/supplies/{follows['id']}/end", {"at": LEFT + 9}, 200)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"tariff_code": "unheard-of"}, 404),
        ({"tariff_code": "Not A Code"}, 422),
        ({"from_at": MOVED - 86_400 * 400}, 409),
        ({"member": 99}, 409),
        ({"rail": "gold"}, 422),
        ({"prepaid": "yes"}, 422),
        ({"to_at": SOON}, 409),
        ({"unknown": 1}, 422),
    ],
)
async def test_a_supply_that_cannot_be_is_a_problem(
    house: WebHouse, change: dict[str, object], status: int
) -> None:
    await publish(house)
    body = {
        "member": house.registry.member, "meter_point": house.registry.point, **TERMS,
        "from_at": SOON, **change,
    }  # fmt: skip
    answer = await house.post("/v1/supplies", "operator", body)
    assert answer.status_code == status, pretty(answer)


async def test_moving_in_by_a_tariff_that_does_not_hold_moves_nobody_in(
    house: WebHouse,
) -> None:
    point = await a_home(house)
    body = {"member": house.members["bo"], "from_at": SOON, "supplies": [TERMS]}
    path = f"/v1/meter-points/{point}"
    answer = await house.post(f"{path}/tenancies", "operator", body)
    assert answer.status_code == 404
    assert (await house.get(path, "operator"))["tenancies"] == []
    twice = {**body, "supplies": [TERMS, {**TERMS, "meter_point": point}]}
    answer = await house.post(f"{path}/tenancies", "operator", twice)
    assert answer.status_code == 422


# A file of people and places.

SHEET = b"member,meter_point,from,tariff\nDov,House 44,,\nEve,House 45,2038-01-01,%s\n"


async def load(house: WebHouse, data: bytes, query: str = "") -> Any:
    headers = {"Content-Type": "text/csv"}
    return await house.ask(
        "POST", f"/v1/supply-imports{query}", "operator", content=data, headers=headers
    )


async def test_a_file_is_taken_once_and_rehearsed_before(house: WebHouse) -> None:
    await publish(house)
    data = SHEET % CODE.encode()
    tries = [(await load(house, data, one)) for one in ("?dry_run=true", "", "")]
    assert [one.status_code for one in tries] == [200, 200, 200], pretty(tries[0])
    told = [one.json() for one in tries]
    assert [(one["members"], one["dry_run"]) for one in told] == [
        (2, True),
        (2, False),
        (0, False),
    ]
    assert told[2]["unchanged"] == 2
    names = {
        one["name"] for one in (await house.get("/v1/members", "operator"))["items"]
    }
    assert {"Dov", "Eve"} <= names


async def test_a_file_with_a_fault_names_its_line_and_changes_nothing(
    house: WebHouse,
) -> None:
    answer = await load(house, SHEET % b"unheard-of")
    assert answer.status_code == 422
    assert answer.json()["faults"][0]["where"] == "line 3"
    names = {
        one["name"] for one in (await house.get("/v1/members", "operator"))["items"]
    }
    assert not {"Dov", "Eve"} & names
    wrong = await house.post("/v1/supply-imports", "operator", {})
    assert wrong.status_code == 415
    large = await load(house, b" " * (MAX_SHEET_BYTES + 1))
    assert large.status_code == 413
