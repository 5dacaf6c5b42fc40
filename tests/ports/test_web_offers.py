"""The market's fixed-price lane through its API: a journey, its refusals, and bad input."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from meterseal_aggregator.ledger.assets import declare as declare_asset
from meterseal_aggregator.market.terms import MarketRules, Mock
from tests.support.enrolling import SLOT
from tests.support.marketplace import XTS, declare, fund
from tests.support.village import problem
from tests.support.webhouse import LATER, WebHouse, a_house, pretty

Json = Any  # an answer's body
FIRST = SLOT + 20 * 900
"""The first second of the slot that is traded."""
PRICE = 150_000
PURSE = 1_000_000


@dataclass
class Bazaar:
    """The house with a market, and the time its API sees."""

    house: WebHouse
    now: int = LATER
    keys: int = 0

    async def post(
        self, who: str | None, path: str, body: object = None, key: str | None = None
    ) -> httpx2.Response:
        self.keys += 1
        headers = {"Idempotency-Key": key or f"k{self.keys}"}
        return await self.house.ask("POST", path, who, json=body, headers=headers)

    async def offered(self, who: str = "ada", wh: int = 500, at: int = FIRST) -> Json:
        answer = await self.post(who, "/v1/offers", self.wish(wh=wh, start=at))
        assert answer.status_code == 201, pretty(answer)
        return answer.json()

    def wish(self, wh: Json = 500, price: Json = PRICE, start: Json = FIRST) -> Json:
        return {
            "meter_point": self.house.registry.point,
            "price_micro_per_kwh": price,
            "slots": [{"start": start, "wh": wh}],
        }

    async def reserved(self, who: str, offer: int, wh: int, at: int = FIRST) -> Json:
        body = {"offer": offer, "slots": [{"start": at, "wh": wh}]}
        answer = await self.post(who, "/v1/orders", body)
        assert answer.status_code == 201, pretty(answer)
        return answer.json()

    async def moved(self, who: str, order: int, how: str, body: object = None) -> Json:
        answer = await self.post(who, f"/v1/orders/{order}/{how}", body)
        assert answer.status_code == 200, pretty(answer)
        return answer.json()


@pytest.fixture
async def bazaar(tmp_path: Path) -> AsyncIterator[Bazaar]:
    async with a_house(tmp_path) as house:
        opened = Bazaar(house)
        house.app.state.site = replace(
            house.app.state.site,
            now=lambda: opened.now,
            market=MarketRules(mock=Mock()),
        )
        async with house.db.transaction() as tx:
            await declare_asset(tx, XTS, now=LATER)
            await declare(tx, house.members["ada"], 1_000_000)
            for who in ("bo", "cleo"):
                await fund(tx, house.members[who], PURSE, now=LATER)
        yield opened


async def test_an_offer_is_found_ordered_confirmed_and_cancelled(
    bazaar: Bazaar,
) -> None:
    ada, bo = (bazaar.house.members[name] for name in ("ada", "bo"))
    made = await bazaar.offered()
    assert made["meter_point"] == bazaar.house.registry.point
    asked = f"from={FIRST}&to={FIRST + 900}&wh=200&price_micro_per_kwh={PRICE}"
    (best,) = await bazaar.house.get(f"/v1/offers/best?{asked}", "bo")
    assert best["match_score"] == (10_000 * 40 + 3_000 * 35 + 10_000 * 25) // 100
    assert best["seller"] == {
        "member": ada, "tier": "starter", "score_x10000": 3_000, "stars_x100": None,
        "ratings": 0,
    }  # fmt: skip
    assert "meter_point" not in best
    order = await bazaar.reserved("bo", best["id"], 200)
    assert (order["state"], order["side"]) == ("reserved", "buyer")
    assert order["reserved_until"] == LATER + 600
    assert order["cost_micro"] == 30_000
    assert order["slots"] == [
        {"start": FIRST, "wh": 200, "trade": None, "trade_state": None,
         "delivered_wh": None}
    ]  # fmt: skip
    done = await bazaar.moved("bo", order["id"], "confirmation")
    assert (done["state"], done["reserved_until"]) == ("confirmed", None)
    assert done["slots"][0]["trade_state"] == "held"
    (seen,) = (await bazaar.house.get("/v1/me/orders?side=seller", "ada"))["items"]
    assert (seen["side"], seen["buyer"]) == ("seller", bo)
    assert (await bazaar.house.get("/v1/me/orders", "ada"))["items"] == []
    shown = await bazaar.house.get(f"/v1/offers/{made['id']}", "cleo")
    assert shown["slots"] == [
        {"start": FIRST, "length": 900, "wh": 500, "left_wh": 300}
    ]
    gone = await bazaar.moved("bo", order["id"], "cancellation", {})
    assert (gone["state"], gone["ended_at"]) == ("cancelled", LATER)
    (mine,) = (await bazaar.house.get("/v1/me/offers", "ada"))["items"]
    assert mine["slots"][0]["left_wh"] == 500


async def test_no_answer_names_anybody(bazaar: Bazaar) -> None:
    offer = await bazaar.offered()
    order = await bazaar.reserved("bo", offer["id"], 200)
    for path in ("/v1/offers", f"/v1/offers/{offer['id']}", "/v1/me/orders"):
        text = (await bazaar.house.ask("GET", path, "bo")).text
        assert "Ada" not in text
        assert "Home" not in text
    seen = await bazaar.house.ask("GET", f"/v1/orders/{order['id']}", "ada")
    assert "Bo" not in seen.text


async def test_an_order_is_its_two_sides_and_nobody_elses(bazaar: Bazaar) -> None:
    offer = await bazaar.offered()
    order = await bazaar.reserved("bo", offer["id"], 200)
    path = f"/v1/orders/{order['id']}"
    assert (await bazaar.house.get(path, "bo"))["side"] == "buyer"
    assert (await bazaar.house.get(path, "ada"))["side"] == "seller"
    assert problem(await bazaar.house.ask("GET", path, "cleo")) == (404, "not-found")
    for how, body in (("confirmation", None), ("release", None), ("cancellation", {})):
        answer = await bazaar.post("cleo", f"{path}/{how}", body)
        assert problem(answer) == (404, "not-found")
    for who in ("operator", "auditor", "metrics"):
        assert (await bazaar.house.ask("GET", path, who)).status_code == 403


async def test_a_key_makes_one_offer_and_one_order(bazaar: Bazaar) -> None:
    answers = [await bazaar.post("ada", "/v1/offers", bazaar.wish(), "a") for _ in "12"]
    assert answers[0].json() == answers[1].json()
    other = await bazaar.post("ada", "/v1/offers", bazaar.wish(wh=501), "a")
    assert problem(other) == (409, "key-used")
    body = {"offer": 1, "slots": [{"start": FIRST, "wh": 100}]}
    answers = [await bazaar.post("bo", "/v1/orders", body, "a") for _ in "12"]
    assert answers[0].json() == answers[1].json()
    shown = await bazaar.house.get("/v1/offers/1", "bo")
    assert shown["slots"][0]["left_wh"] == 400


async def test_refusals_are_problems_with_their_status(bazaar: Bazaar) -> None:
    offer = (await bazaar.offered())["id"]
    order = {"offer": offer, "slots": [{"start": FIRST, "wh": 501}]}
    sold_out = await bazaar.post("bo", "/v1/orders", order)
    assert problem(sold_out) == (409, "sold-out")
    order = {"offer": offer, "slots": [{"start": FIRST, "wh": 1}]}
    assert problem(await bazaar.post("ada", "/v1/orders", order)) == (409, "self-trade")
    price = await bazaar.post("ada", "/v1/offers", bazaar.wish(price=79_000))
    assert problem(price) == (422, "price")
    assert "from 80000 to 250000" in price.json()["detail"]
    stolen = await bazaar.post("bo", "/v1/offers", bazaar.wish())
    assert problem(stolen) == (403, "not-your-meter-point")
    late = await bazaar.post("ada", "/v1/offers", bazaar.wish(start=SLOT))
    assert problem(late) == (409, "too-late")
    crooked = await bazaar.post("ada", "/v1/offers", bazaar.wish(start=FIRST + 1))
    assert problem(crooked) == (422, "no-such-slot")
    greedy = await bazaar.post("ada", "/v1/offers", bazaar.wish(wh=100_000))
    assert problem(greedy) == (409, "above-trust-limit")


async def test_a_reservation_is_over_after_ten_minutes(bazaar: Bazaar) -> None:
    offer = await bazaar.offered()
    order = await bazaar.reserved("bo", offer["id"], 200)
    bazaar.now += 601
    late = await bazaar.post("bo", f"/v1/orders/{order['id']}/confirmation")
    assert problem(late) == (410, "reservation-expired")


async def test_who_has_no_money_is_told_to_pay_in(bazaar: Bazaar) -> None:
    offer = await bazaar.offered(wh=10_000)
    order = await bazaar.reserved("bo", offer["id"], 10_000)
    poor = await bazaar.post("bo", f"/v1/orders/{order['id']}/confirmation")
    assert problem(poor) == (409, "funds")
    assert (await bazaar.moved("bo", order["id"], "release"))["state"] == "released"


async def test_a_part_is_cancelled_by_its_slots(bazaar: Bazaar) -> None:
    later = FIRST + 900
    slots = [{"start": FIRST, "wh": 100}, {"start": later, "wh": 300}]
    wish = bazaar.wish() | {"slots": slots}
    offer = (await bazaar.post("ada", "/v1/offers", wish)).json()["id"]
    body = {"offer": offer, "slots": slots}
    order = (await bazaar.post("bo", "/v1/orders", body)).json()["id"]
    await bazaar.moved("bo", order, "confirmation")
    path = f"/v1/orders/{order}/cancellation"
    answers = [await bazaar.post("bo", path, {"starts": [later]}, "x") for _ in "12"]
    assert [one.status_code for one in answers] == [200, 200]
    states = [slot["trade_state"] for slot in answers[1].json()["slots"]]
    assert states == ["held", "cancelled"]
    again = await bazaar.post("bo", path, {"starts": [later]}, "y")
    assert problem(again) == (409, "state")


async def test_lists_go_on_from_page_to_page(bazaar: Bazaar) -> None:
    for _ in range(3):
        await bazaar.offered(wh=10)
    first = await bazaar.house.get("/v1/offers?limit=2", "bo")
    assert [one["id"] for one in first["items"]] == [1, 2]
    rest = await bazaar.house.get(f"/v1/offers?limit=2&after={first['next']}", "bo")
    assert ([one["id"] for one in rest["items"]], rest["next"]) == ([3], None)
    for number in (1, 2, 3):
        await bazaar.reserved("bo", number, 5)
    page = await bazaar.house.get("/v1/me/orders?limit=2", "bo")
    assert ([one["id"] for one in page["items"]], page["next"]) == ([1, 2], "2")
    own = await bazaar.house.get("/v1/me/offers?limit=2&after=2", "ada")
    assert [one["id"] for one in own["items"]] == [3]


async def test_filters_say_which_offers_are_listed(bazaar: Bazaar) -> None:
    ada = bazaar.house.members["ada"]
    await bazaar.offered()
    for query, count in {
        f"from={FIRST}&to={FIRST + 1}": 1,
        f"from={FIRST + 1}": 0,
        f"max_price_micro_per_kwh={PRICE - 1}": 0,
        "min_wh=500": 1,
        "min_wh=501": 0,
        f"seller={ada}": 1,
        f"seller={ada + 1}": 0,
    }.items():
        found = (await bazaar.house.get(f"/v1/offers?{query}", "bo"))["items"]
        assert len(found) == count, query


@pytest.mark.parametrize(
    "query",
    ["from=-1", "limit=0", "limit=101", "min_wh=0", "seller=x", "prices=1", "to=1e3"],
)
async def test_a_filter_that_cannot_be_is_refused(bazaar: Bazaar, query: str) -> None:
    answer = await bazaar.house.ask("GET", f"/v1/offers?{query}", "bo")
    assert problem(answer) == (422, "bad-request")


async def test_hours_that_end_before_they_begin_are_refused(bazaar: Bazaar) -> None:
    asked = f"from={FIRST}&to={FIRST}&wh=1&price_micro_per_kwh=1000"
    answer = await bazaar.house.ask("GET", f"/v1/offers/best?{asked}", "bo")
    assert problem(answer) == (422, "bad-request")


NO_NUMBER = ["-1", "-80000", "150000.0", "1.5e5", '"150000"', "true", "null", "[]", str(1 << 64)]  # fmt: skip
NO_JSON = ["NaN", "Infinity", "-Infinity"]


@pytest.mark.parametrize("value", NO_NUMBER + NO_JSON)
@pytest.mark.parametrize("where", ["price", "wh", "start", "meter_point", "offer"])
async def test_a_number_that_is_none_is_refused(
    bazaar: Bazaar, where: str, value: str
) -> None:
    slot = f'"slots": [{{"start": {FIRST}, "wh": 5}}]'
    text = f'{{"meter_point": 1, "price_micro_per_kwh": {PRICE}, {slot}}}'
    path = "/v1/offers"
    if where == "offer":
        path, text = "/v1/orders", f'{{"offer": 1, {slot}}}'
    old = {
        "price": f'kwh": {PRICE}', "wh": '"wh": 5', "start": f'"start": {FIRST}',
        "meter_point": '"meter_point": 1', "offer": '"offer": 1',
    }[where]  # fmt: skip
    text = text.replace(old, f"{old.partition(':')[0]}: {value}")
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    answer = await bazaar.house.ask(
        "POST", path, "ada", content=text.encode(), headers=headers
    )
    status = 400 if value in NO_JSON else 422
    assert problem(answer)[0] == status, pretty(answer)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"offer": 1},
        {"offer": 1, "slots": []},
        {"offer": 1, "slots": [{"start": FIRST}]},
        {"offer": 1, "slots": [{"start": FIRST, "wh": 1}] * 2},
        {"offer": 1, "slots": [{"start": FIRST, "wh": 1, "price": 1}]},
        {"offer": 1, "slots": [{"start": FIRST + n, "wh": 1} for n in range(193)]},
    ],
)
async def test_an_order_of_the_wrong_shape_is_refused(
    bazaar: Bazaar, body: Json
) -> None:
    await bazaar.offered()
    assert (await bazaar.post("bo", "/v1/orders", body)).status_code == 422


async def test_a_wish_without_a_key_is_refused(bazaar: Bazaar) -> None:
    await bazaar.offered()
    order = {"offer": 1, "slots": [{"start": FIRST, "wh": 1}]}
    for path, who, body in (
        ("/v1/offers", "ada", bazaar.wish()),
        ("/v1/orders", "bo", order),
        ("/v1/orders/1/cancellation", "bo", {}),
    ):
        assert (await bazaar.house.post(path, who, body)).status_code == 422


async def test_writes_are_paced(bazaar: Bazaar) -> None:
    trades = bazaar.house.app.state.site.trades
    for _ in range(trades.burst):
        trades.wait_s(f"member {bazaar.house.members['ada']}", 1e12)
    answer = await bazaar.post("ada", "/v1/offers", bazaar.wish())
    assert problem(answer) == (429, "too-many-requests")
    await bazaar.house.get("/v1/offers", "ada")


async def test_every_wish_has_an_example_that_is_one(bazaar: Bazaar) -> None:
    document = bazaar.house.app.openapi()["components"]["schemas"]
    for name in ("OfferRequest", "OrderRequest", "CancellationRequest"):
        assert document[name]["example"]
    wish = document["OfferRequest"]["example"] | {"slots": bazaar.wish()["slots"]}
    wish["meter_point"] = bazaar.house.registry.point
    assert (await bazaar.post("ada", "/v1/offers", wish)).status_code == 201
