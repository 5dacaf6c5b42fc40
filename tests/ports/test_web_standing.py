"""Trust, declarations and the market's terms over HTTP: one's own, exact, and in force."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.market import standing, surplus
from meterseal_aggregator.market.standing import TrustChange
from meterseal_aggregator.market.terms import MarketRules, Mock
from meterseal_aggregator.market.trust import TrustRules
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import Change, record
from tests.support.traders import MONTHLY_WH, prepare, sell, settle, slot
from tests.support.webhouse import LATER, WebHouse, a_house, pretty


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_house(tmp_path) as opened:
        async with opened.db.transaction() as tx:
            await prepare(tx, opened)
        yield opened


async def test_trust_begins_at_three_tenths_with_a_tenth_of_the_declared(
    house: WebHouse,
) -> None:
    async with house.db.transaction() as tx:
        await sell(tx, house, "ada", {slot(0): 500, slot(1): 700})
    found = await house.get("/v1/me/trust", "bo")
    assert (found["score"], found["score_x10000"], found["tier"]) == (
        "0.3000", 3_000, "starter",
    )  # fmt: skip
    assert (found["declared_wh"], found["certified_wh"]) == (MONTHLY_WH, None)
    month = found["month"]
    assert month["from_at"] <= slot(0) < month["to_at"]
    assert (month["limit_wh"], month["used_wh"], month["left_wh"]) == (
        50_000, 1_200, 48_800,
    )  # fmt: skip
    assert found["rating"] == {"stars_x100": None, "ratings": 0}


async def test_what_moved_a_score_is_listed_to_its_member(house: WebHouse) -> None:
    async with house.db.transaction() as tx:
        for number, change in enumerate((500, -1_000, -2_463), 1):
            what = TrustChange(house.members["bo"], f"order {number}", "seen", change)
            await standing.record(tx, TrustRules(), what, now=LATER + number)
    page = await house.get("/v1/me/trust/events?limit=2", "bo")
    assert [(one["subject"], one["change_x10000"], one["score"]) for one in page["items"]] == [
        ("order 1", 500, "0.3500"), ("order 2", -1_000, "0.2500"),
    ]  # fmt: skip
    rest = await house.get(f"/v1/me/trust/events?after={page['next']}", "bo")
    assert [one["score_x10000"] for one in rest["items"]] == [37]
    assert (await house.get("/v1/me/trust", "bo"))["score"] == "0.0037"
    assert (await house.get("/v1/me/trust", "bo"))["tier"] == "new"
    assert (await house.get("/v1/me/trust/events", "ada"))["items"] == []


async def test_ratings_are_shown_beside_trust_and_move_nothing(house: WebHouse) -> None:
    async with house.db.transaction() as tx:
        (trade,) = await sell(tx, house, "ada", {slot(0): 500})
        await settle(tx, trade, 500)
        await tx.many(
            "INSERT INTO ratings (trade_id, rater_id, rated_id, stars, rated_at)"
            " VALUES (?, ?, ?, 1, ?)",
            [(trade.id, house.members["ada"], house.members["bo"], LATER)],
        )
    found = await house.get("/v1/me/trust", "bo")
    assert found["rating"] == {"stars_x100": 100, "ratings": 1}
    assert found["score"] == "0.3000"


async def _declare(house: WebHouse, body: object, who: str = "ada") -> int:
    answer = await house.ask("PUT", "/v1/me/production", who, json=body)
    return answer.status_code


async def test_a_declaration_counts_at_once_and_once(house: WebHouse) -> None:
    for _ in range(3):
        assert await _declare(house, {"monthly_wh": 300_000}) == 200
    async with house.db.reading() as tx:
        ((kept,),) = await tx.rows(
            "SELECT count(*) FROM production_declarations WHERE member_id = ?",
            (house.members["ada"],),
        )
    assert kept == 1
    assert (await house.get("/v1/me/trust", "ada"))["month"]["limit_wh"] == 30_000


async def test_a_certificate_bounds_what_is_declared(house: WebHouse) -> None:
    wish = {
        "meter_point": house.registry.point, "capacity_w": 5_000,
        "monthly_production_wh": 200_000, "source": "solar",
    }  # fmt: skip
    key = {"Idempotency-Key": "one"}
    asked = await house.ask(
        "POST", "/v1/me/certifications", "ada", json=wish, headers=key
    )
    path = f"/v1/certifications/{asked.json()['id']}/approve"
    approved = await house.post(path, "operator", {})
    assert approved.status_code == 200, pretty(approved)
    begins = approved.json()["from_at"]
    site = replace(house.app.state.site, now=lambda: begins)
    house.app.state.site = site
    for declared, limit in ((1 << 40, 20_000), (100_000, 10_000)):
        assert await _declare(house, {"monthly_wh": declared}) == 200
        found = await house.get("/v1/me/trust", "ada")
        assert found["certified_wh"] == 200_000
        assert found["month"]["limit_wh"] == limit


@pytest.mark.parametrize(
    "body",
    [
        {}, {"monthly_wh": 0}, {"monthly_wh": -5}, {"monthly_wh": True},
        {"monthly_wh": "5"}, {"monthly_wh": 1.5}, {"monthly_wh": (1 << 50) + 1},
        {"monthly_wh": 5, "more": 1},
    ],
)  # fmt: skip
async def test_what_is_no_production_is_refused(
    house: WebHouse, body: dict[str, object]
) -> None:
    assert await _declare(house, body) == 422
    assert (await house.get("/v1/me/trust", "ada"))["declared_wh"] is None


async def test_a_producer_says_what_becomes_of_the_rest(house: WebHouse) -> None:
    path = "/v1/me/surplus"
    assert await house.get(path, "bo") == {"choice": "keep", "from_at": None}
    for _ in range(2):
        answer = await house.ask("PUT", path, "bo", json={"choice": "feed-in"})
        assert answer.json() == {"choice": "feed-in", "from_at": LATER}
    assert await house.get(path, "bo") == {"choice": "feed-in", "from_at": LATER}
    async with house.db.reading() as tx:
        bo, ada = house.members["bo"], house.members["ada"]
        assert await surplus.choice_at(tx, bo, LATER) is surplus.Choice.FEED_IN
        assert await surplus.choice_at(tx, ada, LATER) is surplus.Choice.KEEP
    wrong = await house.ask("PUT", path, "bo", json={"choice": "burn"})
    assert wrong.status_code == 422, pretty(wrong)


async def test_everybody_with_a_token_is_told_the_terms_in_force(
    house: WebHouse,
) -> None:
    async with house.db.transaction() as tx:
        for at, fee in ((LATER - 10, 2_000), (LATER + 10, 9_000)):
            wish = Change(Name.MARKET_FEE_MICRO, fee, at, LATER - 20, "test")
            await record(tx, wish)
    assert (await house.ask("GET", "/v1/market")).status_code == 401
    told = [
        await house.get("/v1/market", who)
        for who in ("ada", "operator", "auditor", "metrics")
    ]
    assert [one["fee_micro_per_kwh"] for one in told] == [2_000] * 4
    found = told[0]
    assert (found["slot_s"], found["zone"], found["asset"]) == (900, "UTC", "XTS")
    assert (found["slot"], found["demo"]) == (LATER - LATER % 900, False)
    rules = MarketRules(TrustRules(cancel_window_s=7), Mock())
    site = replace(house.app.state.site, now=lambda: LATER + 10, market=rules)
    house.app.state.site = site
    later = await house.get("/v1/market", "ada")
    assert (later["fee_micro_per_kwh"], later["cancel_window_s"]) == (9_000, 7)
    assert later["demo"] is True


@pytest.mark.parametrize("who", ["operator", "auditor", "metrics"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "trust", None), ("GET", "trust/events", None), ("GET", "surplus", None),
        ("PUT", "production", {"monthly_wh": 5}), ("PUT", "surplus", {"choice": "keep"}),
    ],
)  # fmt: skip
async def test_only_a_member_has_a_standing(
    house: WebHouse, who: str, method: str, path: str, body: object
) -> None:
    answer = await house.ask(method, f"/v1/me/{path}", who, json=body)
    assert answer.status_code == 403, pretty(answer)


async def test_wishes_are_paced(house: WebHouse) -> None:
    answers = [await _declare(house, {"monthly_wh": 1 + n % 2}) for n in range(320)]
    assert answers[:300] == [200] * 300
    assert 429 in answers[300:]
