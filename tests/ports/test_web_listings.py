"""Lane C through the API: a journey, its refusals, bad input, and ratings."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from meterseal_aggregator.ledger.assets import declare as declare_asset
from tests.support.enrolling import SLOT
from tests.support.lanec import a_trade, mint, promise
from tests.support.marketplace import XTS, certify, fund
from tests.support.village import problem
from tests.support.webhouse import LATER, WebHouse, a_house, pretty

Json = Any  # an answer's body
PUT_UP, TAKEN = "/v1/me/listing", "/v1/me/listing/removal"
BUY, REFUND = "/v1/listings/purchases", "/v1/listings/refunds"


@dataclass
class Shop:
    """The house whose Ada made 10 kWh and may sell them; Bo and Cleo have money."""

    house: WebHouse
    keys: int = 0

    async def post(
        self, who: str | None, path: str, body: object, key: str | None = None
    ) -> httpx2.Response:
        self.keys += 1
        headers = {"Idempotency-Key": key or f"k{self.keys}"}
        return await self.house.ask("POST", path, who, json=body, headers=headers)

    async def done(
        self, who: str, path: str, body: object, key: str | None = None
    ) -> Json:
        answer = await self.post(who, path, body, key)
        assert answer.status_code == 201, pretty(answer)
        return answer.json()

    @property
    def ada(self) -> int:
        return self.house.members["ada"]

    def order(self, wh: Json = 2_000, most: Json = 315_000) -> Json:
        return {"seller": self.ada, "wh": wh, "most_micro": most}


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with a_house(tmp_path) as house:
        async with house.db.transaction() as tx:
            await declare_asset(tx, XTS, now=LATER)
            await certify(tx, house.registry.point, from_at=SLOT)
            await mint(tx, house.members["ada"], 10_000)
            for who in ("bo", "cleo"):
                await fund(tx, house.members[who], 1_000_000, now=LATER)
        yield Shop(house)


async def test_wh_are_put_up_bought_given_back_and_sold_on(shop: Shop) -> None:
    made = await shop.done("ada", PUT_UP, {"wh": 6_000})
    assert (made["kind"], made["left_wh"]) == ("add", 6_000)
    bought = await shop.done("bo", BUY, shop.order())
    assert bought == {
        "id": 2, "kind": "buy", "seller": shop.ada, "wh": 2_000,
        "price_micro_per_kwh": 150_000, "commission_micro": 15_000,
        "total_micro": 315_000, "asset": "XTS", "refundable_wh": 2_000,
        "done_at": LATER,
    }  # fmt: skip
    back = await shop.done("bo", REFUND, {"wh": 100, "least_micro": 13_500})
    assert (back["seller"], back["total_micro"], back["refundable_wh"]) == (
        "house", 13_500, 1_900,
    )  # fmt: skip
    house = {"seller": "house", "wh": 60, "most_micro": 9_450}
    assert (await shop.done("cleo", BUY, house))["total_micro"] == 9_450
    taken = await shop.done("ada", TAKEN, {"wh": 1_000})
    assert (taken["kind"], taken["left_wh"]) == ("remove", 3_000)
    shown = await shop.house.get("/v1/listings", "cleo")
    assert shown.pop("items") == [
        {
            "seller": {
                "member": shop.ada, "tier": "starter", "score_x10000": 3_000,
                "stars_x100": None, "ratings": 0,
            },
            "wh": 3_000,
        }
    ]  # fmt: skip
    assert shown == {
        "next": None, "price_micro_per_kwh": 150_000, "commission_bp": 500,
        "refund_bp": 9_000, "reserve_wh": 1_000_000_000, "user_reserve_wh": 10_000_000,
        "total_wh": 3_040, "house_wh": 40, "asset": "XTS",
        "refunds_micro": 15_000 - 13_500 + 9_450,
    }  # fmt: skip
    mine = await shop.house.get("/v1/me/purchases?limit=1", "bo")
    assert [one["id"] for one in mine["items"]] == [2]
    rest = await shop.house.get(f"/v1/me/purchases?after={mine['next']}", "bo")
    assert [one["kind"] for one in rest["items"]] == ["refund"]
    assert (await shop.house.get("/v1/me/purchases", "ada"))["items"] == []


async def test_a_list_of_sellers_goes_by_pages(shop: Shop) -> None:
    await shop.done("ada", PUT_UP, {"wh": 1})
    page = await shop.house.get("/v1/listings?limit=1", "bo")
    assert page["next"] == str(shop.ada)
    page = await shop.house.get(f"/v1/listings?after={shop.ada}", "bo")
    assert (page["items"], page["next"]) == ([], None)


async def test_refusals_have_names_and_say_what_to_do(shop: Shop) -> None:
    await shop.done("ada", PUT_UP, {"wh": 3_000})
    for who, path, body, status, name in (
        ("bo", BUY, shop.order(3_001, 10**9), 409, "sold-out"),
        ("bo", BUY, shop.order(2_000, 314_999), 422, "price"),
        ("bo", BUY, {**shop.order(), "seller": 10**9}, 409, "sold-out"),
        ("ada", BUY, shop.order(), 409, "self-trade"),
        ("bo", REFUND, {"wh": 1, "least_micro": 0}, 409, "state"),
        ("ada", PUT_UP, {"wh": 7_001}, 409, "above-reserve"),
        ("bo", PUT_UP, {"wh": 1}, 409, "uncertified"),
        ("ada", TAKEN, {"wh": 3_001}, 409, "sold-out"),
    ):
        answer = await shop.post(who, path, body)
        assert problem(answer) == (status, name), pretty(answer)
    await shop.done("bo", BUY, shop.order(1_000, 10**9))
    poor = await shop.post("bo", REFUND, {"wh": 1_000, "least_micro": 0})
    assert problem(poor) == (409, "above-reserve")
    for who in ("bo", "ada"):
        rest = {**shop.order(2_000, 10**9), "seller": shop.ada}
        answer = await shop.post(who, BUY, rest, "same")
        assert answer.status_code == (201 if who == "bo" else 409)


async def test_a_retried_post_answers_alike_and_another_wish_is_refused(
    shop: Shop,
) -> None:
    first = await shop.done("ada", PUT_UP, {"wh": 3_000}, "one")
    assert await shop.done("ada", PUT_UP, {"wh": 3_000}, "one") == first
    answer = await shop.post("ada", TAKEN, {"wh": 3_000}, "one")
    assert problem(answer) == (409, "key-used")
    assert "different kind" in answer.json()["detail"]
    bought = await shop.done("bo", BUY, shop.order(), "one")
    assert await shop.done("bo", BUY, shop.order(), "one") == bought
    answer = await shop.post("bo", BUY, shop.order(most=315_001), "one")
    assert "different most_micro" in answer.json()["detail"]


BAD: list[Json] = [-1, 0, 1.5, "5", None, True, 1 << 63, 1 << 200, [], {"x": 1}]


async def test_numbers_that_are_none_are_refused_everywhere(shop: Shop) -> None:
    await shop.done("ada", PUT_UP, {"wh": 3_000})
    for bad in BAD:
        for path, body in _with(shop, bad):
            answer = await shop.post("bo", path, body)
            assert problem(answer) == (422, "bad-request"), (path, body)


def _with(shop: Shop, bad: Json) -> list[tuple[str, Json]]:
    """Bodies that say `bad` where a number belongs."""
    bodies: list[tuple[str, Json]] = [
        (PUT_UP, {"wh": bad}),
        (TAKEN, {"wh": bad}),
        (BUY, shop.order(bad, 10**9)),
        (BUY, {**shop.order(), "seller": bad}),
        (REFUND, {"wh": bad, "least_micro": 0}),
    ]
    if bad != 0:
        bodies += [
            (BUY, shop.order(most=bad)),
            (REFUND, {"wh": 1, "least_micro": bad}),
        ]
    return bodies


async def test_bodies_of_another_shape_are_refused(shop: Shop) -> None:
    for path, body in (
        (PUT_UP, {"wh": 1, "price": 3}),
        (PUT_UP, {}),
        (BUY, {"seller": 1, "wh": 1}),
        (BUY, {**shop.order(), "key": "k"}),
        (BUY, {**shop.order(), "seller": "nobody"}),
        (REFUND, [1]),
    ):
        answer = await shop.post("ada", path, body)
        assert problem(answer) == (422, "bad-request"), (path, body)
    for text in (b'{"wh": NaN}', b'{"wh": Infinity}', b'{"wh": 1, "wh": 2}'):
        answer = await shop.house.ask(
            "POST", PUT_UP, "ada", content=text,
            headers={"Idempotency-Key": "k", "Content-Type": "application/json"},
        )  # fmt: skip
        assert problem(answer)[0] == 400, pretty(answer)


async def test_a_wish_without_a_good_key_is_refused(shop: Shop) -> None:
    path, body = PUT_UP, {"wh": 1}
    for key in (None, "", "a b", "ä", "k" * 65):
        answer = await shop.house.ask(
            "POST", path, "ada", json=body,
            headers={} if key is None else {"Idempotency-Key": key.encode()},
        )  # fmt: skip
        assert problem(answer) == (422, "bad-request")


async def test_only_members_trade_here(shop: Shop) -> None:
    for who in ("operator", "auditor", "metrics"):
        for path, body in ((PUT_UP, {"wh": 1}), (BUY, shop.order())):
            answer = await shop.post(who, path, body)
            assert answer.status_code == 403, (who, path)
    for who in ("auditor", "metrics"):
        answer = await shop.house.ask("GET", "/v1/listings", who)
        assert answer.status_code == 403


async def test_a_rating_takes_one_to_five_stars_of_a_trade_of_ones_own(
    shop: Shop,
) -> None:
    path = "/v1/trades/1/rating"
    answer = await shop.post("ada", path, {"stars": 5})
    assert problem(answer) == (404, "not-found")
    for bad in (0, 6, 4.5, "5", None, True):
        answer = await shop.post("ada", path, {"stars": bad})
        assert problem(answer) == (422, "bad-request")
    answer = await shop.post("ada", "/v1/trades/one/rating", {"stars": 5})
    assert answer.status_code == 422


async def test_stars_are_shown_where_their_seller_sells(shop: Shop) -> None:
    await shop.done("ada", PUT_UP, {"wh": 3_000})
    bo, point = shop.house.members["bo"], shop.house.registry.point
    async with shop.house.db.transaction() as tx:
        await promise(tx, shop.ada, point, SLOT, 200)
        for number, state in ((1, "settled"), (2, "held")):
            await a_trade(tx, number, (shop.ada, bo), point, SLOT, state)
    rated = await shop.done("bo", "/v1/trades/1/rating", {"stars": 4})
    wanted = {
        "trade": 1,
        "rated": shop.ada,
        "stars": 4,
        "stars_x100": 400,
        "ratings": 1,
    }
    assert rated == wanted
    assert await shop.done("bo", "/v1/trades/1/rating", {"stars": 4}) == wanted
    for who, path, status, name in (
        ("bo", "/v1/trades/1/rating", 409, "state"),
        ("ada", "/v1/trades/2/rating", 409, "state"),
        ("cleo", "/v1/trades/1/rating", 404, "not-found"),
    ):
        answer = await shop.post(who, path, {"stars": 1})
        assert problem(answer) == (status, name), pretty(answer)
    (shown,) = (await shop.house.get("/v1/listings", "cleo"))["items"]
    assert shown["seller"] == {
        "member": shop.ada, "tier": "starter", "score_x10000": 3_000, "stars_x100": 400,
        "ratings": 1,
    }  # fmt: skip
