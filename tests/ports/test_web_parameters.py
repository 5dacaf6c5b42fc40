"""The network's parameters over HTTP: the operator's alone, never in the past, on the trail."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.ledger.assets import declared
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.market.model import Cause, Declined
from meterseal_aggregator.parameters.model import Name
from tests.support.traders import prepare, sell, slot
from tests.support.webhouse import LATER, WebHouse, a_house, pretty

FEE = "/v1/parameters/market_fee_micro"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_house(tmp_path) as opened:
        yield opened


async def test_all_parameters_are_listed_with_value_default_and_reason(
    house: WebHouse,
) -> None:
    items = (await house.get("/v1/parameters", "operator"))["items"]
    assert {one["name"] for one in items} == {name.value for name in Name}
    assert all(one["reason"] and one["value"] == one["default"] for one in items)


async def test_a_value_holds_from_its_second_and_its_history_stays(
    house: WebHouse,
) -> None:
    for value, at in ((2_000, LATER), (5_000, LATER + 10)):
        wish = {"value": value, "from_at": at}
        answer = await house.post(FEE, "operator", wish)
        assert answer.status_code == 201, pretty(answer)
    shown = await house.get(FEE, "operator")
    assert (shown["value"], shown["default"]) == (2_000, 0)
    assert [(one["value"], one["from_at"]) for one in shown["history"]] == [
        (2_000, LATER), (5_000, LATER + 10),
    ]  # fmt: skip
    acts = (await house.get("/v1/acts", "operator"))["items"]
    assert [(act["act"], act["object"]) for act in acts] == [
        ("parameter", f"market_fee_micro = 2000 from {LATER}"),
        ("parameter", f"market_fee_micro = 5000 from {LATER + 10}"),
    ]
    assert shown["history"][0]["by"] == acts[0]["actor"]


async def test_a_value_without_a_second_holds_from_now(house: WebHouse) -> None:
    answer = await house.post(
        "/v1/parameters/certification_fee_micro", "operator", {"value": 7}
    )
    assert answer.json()["from_at"] == LATER


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("market_fee_micro", {"value": -1}),
        ("market_fee_micro", {"value": 1_500}),
        ("market_fee_micro", {"value": "2000"}),
        ("market_fee_micro", {"value": True}),
        ("market_fee_micro", {"value": 2_000.0}),
        ("market_fee_micro", {"value": None}),
        ("market_fee_micro", {}),
        ("market_fee_micro", {"value": 1 << 40}),
        ("market_slot_s", {"value": 1_200}),
        ("zone", {"value": "Africa/Atlantis"}),
        ("zone", {"value": 5}),
        ("money_asset", {"value": "euro"}),
    ],
)
async def test_what_cannot_be_a_value_is_refused(
    house: WebHouse, name: str, body: dict[str, object]
) -> None:
    answer = await house.post(f"/v1/parameters/{name}", "operator", body)
    assert answer.status_code == 422, pretty(answer)
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await house.get(f"/v1/parameters/{name}", "operator"))["history"] == []
    assert (await house.get("/v1/acts", "operator"))["items"] == []


async def test_what_held_is_never_changed(house: WebHouse) -> None:
    first = {"value": 2_000, "from_at": LATER}
    assert (await house.post(FEE, "operator", first)).status_code == 201
    for at in (LATER, LATER - 1):
        wish = {"value": 3_000, "from_at": at}
        assert (await house.post(FEE, "operator", wish)).status_code == 422


async def test_no_other_parameter_exists(house: WebHouse) -> None:
    for method, body in (("GET", None), ("POST", {"value": 1})):
        answer = await house.ask(method, "/v1/parameters/luck", "operator", json=body)
        assert answer.status_code == 404, pretty(answer)


@pytest.mark.parametrize("who", ["ada", "auditor", "metrics"])
async def test_nobody_but_the_operator_sees_or_says_one(
    house: WebHouse, who: str
) -> None:
    for method, path in (
        ("GET", "/v1/parameters"), ("GET", FEE), ("POST", FEE),
    ):  # fmt: skip
        body = {"value": 2_000} if method == "POST" else None
        answer = await house.ask(method, path, who, json=body)
        assert answer.status_code == 403, pretty(answer)


async def _set(house: WebHouse, name: str, value: object, at: int) -> int:
    wish = {"value": value, "from_at": at}
    answer = await house.post(f"/v1/parameters/{name}", "operator", wish)
    if answer.status_code == 409:
        assert answer.json()["type"] == "urn:meterseal:problem:state"
    return answer.status_code


@pytest.mark.parametrize(
    ("name", "value"), [("market_slot_s", 3_600), ("zone", "Africa/Nairobi")]
)
async def test_the_grid_does_not_change_under_what_is_promised(
    house: WebHouse, name: str, value: object
) -> None:
    async with house.db.transaction() as tx:
        await prepare(tx, house)
        await sell(tx, house, "ada", {slot(0): 500})
    end = slot(1)
    assert await _set(house, name, value, LATER) == 409
    assert await _set(house, name, value, end - 1) == 409
    assert await _set(house, name, value, end) == 201


async def test_the_grid_does_not_change_under_a_sealed_bid(house: WebHouse) -> None:
    async with house.db.transaction() as tx:
        await tx.many(
            "INSERT INTO auction_orders (side, member_id, start, length, wh, price,"
            " rail, state, request_key, submitted_at, ended_at)"
            " VALUES ('bid', ?, ?, 900, 9, 0, 'ledger', ?, ?, ?, ?)",
            [
                (house.members["ada"], slot(0), "sealed", "k", LATER, None),
                (house.members["ada"], slot(9), "cancelled", "l", LATER, LATER),
            ],
        )
    assert await _set(house, "market_slot_s", 1_800, slot(1) - 1) == 409
    assert await _set(house, "market_slot_s", 1_800, slot(1)) == 201


async def test_beyond_a_change_of_the_grid_nothing_is_promised_by_the_old_one(
    house: WebHouse,
) -> None:
    change = slot(4)
    assert await _set(house, "market_slot_s", 1_800, change) == 201
    async with house.db.transaction() as tx:
        await prepare(tx, house)
        await sell(tx, house, "ada", {slot(3): 500})
        for start in (slot(4), slot(6)):
            with pytest.raises(Declined) as declined:
                await sell(tx, house, "ada", {start: 500})
            assert declined.value.cause is Cause.SLOT
    assert (await house.get("/v1/market", "ada"))["grid_ends"] == change
    site = replace(house.app.state.site, now=lambda: change)
    house.app.state.site = site
    assert (await house.get("/v1/market", "ada"))["slot_s"] == 1_800
    assert await _set(house, "zone", "Africa/Nairobi", change) == 201


async def test_prices_may_change_under_what_is_promised(house: WebHouse) -> None:
    async with house.db.transaction() as tx:
        await prepare(tx, house)
        await sell(tx, house, "ada", {slot(0): 500})
    assert await _set(house, "market_fee_micro", 9_000, LATER) == 201


async def test_the_asset_of_money_is_chosen_before_there_is_money(
    house: WebHouse,
) -> None:
    assert await _set(house, "money_asset", "KES", LATER) == 201
    async with house.db.reading() as tx:
        assert Asset("KES") in await declared(tx)
    async with house.db.transaction() as tx:
        await prepare(tx, house)  # pays in XTS
    assert await _set(house, "money_asset", "UGX", LATER + 5) == 409
    assert (await house.get("/v1/parameters/money_asset", "operator"))["value"] == "KES"
    async with house.db.reading() as tx:
        assert Asset("UGX") not in await declared(tx)
