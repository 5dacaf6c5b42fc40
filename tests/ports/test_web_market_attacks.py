"""A third member reads, and tries to end, what two others do with each other."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import httpx2
import pytest

from meterseal_aggregator.market.settlement import duty as settlement
from meterseal_aggregator.market.terms import MarketRules, Mock
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.web.limits import Rate
from tests.support.marketplace import set_parameter
from tests.support.traders import prepare
from tests.support.webhouse import LATER, WebHouse, a_house, pretty

START = LATER - LATER % 900 + 20 * 900
RULES = MarketRules(mock=Mock(success_bp=10_000))
ORDERED, STAKED, PAID, MADE = 1_237, 31_337, 777_001, 55_501
"""Wh and micro-units that occur nowhere else."""
RECEIPT, KEY = "ADAS-RECEIPT-7", "adas-own-key"
SECRETS = {str(ORDERED), str(STAKED), str(PAID), str(MADE), RECEIPT, KEY}
GIVEN = ("1", "2", str(START))
"""What stands for whatever a path names."""
ENDLESS = "/v1/me/events"


@dataclass
class Square:
    """The house with a market: Bo sells to Ada, and Cleo looks on."""

    house: WebHouse
    point: int

    async def post(
        self, path: str, who: str, body: object, key: str | None = None
    ) -> httpx2.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        return await self.house.ask("POST", path, who, json=body, headers=headers)

    async def done(self, path: str, who: str, body: object, key: str) -> int:
        answer = await self.post(path, who, body, key)
        assert answer.status_code in {200, 201}, pretty(answer)
        return int(answer.json()["id"])

    def paths(self, method: str) -> list[str]:
        """Every path of a method, with each given value where it names something."""
        found = []
        for path, methods in self.house.app.openapi()["paths"].items():
            if method not in methods or path == ENDLESS:
                continue
            filled = {re.sub(r"\{[^}]+\}", value, path) for value in GIVEN}
            found += sorted(filled)
        return found

    def at(self, now: int) -> None:
        """Let it be another second of the network."""
        site = self.house.app.state.site
        self.house.app.state.site = replace(site, now=lambda: now)

    async def rows(self, table: str) -> list[tuple[object, ...]]:
        """Everything a table holds."""
        async with self.house.db.reading() as tx:
            return await tx.rows(f"SELECT * FROM {table}")  # noqa: S608 - our own


@pytest.fixture
async def square(tmp_path: Path) -> AsyncIterator[Square]:
    """Bo offered two slots; Ada ordered one, which is settled, and reserved the other."""
    async with a_house(tmp_path) as house:
        site = house.app.state.site
        house.app.state.site = replace(site, market=RULES)
        async with house.db.transaction() as tx:
            await prepare(tx, house)
            await set_parameter(tx, Name.FINALITY_DELAY_S, 0)
            ((point,),) = await tx.rows(
                "SELECT meter_point_id FROM tenancies WHERE member_id = ?",
                (house.members["bo"],),
            )
        made = Square(house, point)
        await live(made)
        yield made


async def live(square: Square) -> None:
    """Let Ada and Bo do a little of everything."""
    wh = {START: 5_000, START + 900: 5_000}
    slots = [{"start": start, "wh": each} for start, each in wh.items()]
    offered = {"meter_point": square.point, "price_micro_per_kwh": 150_000}
    await square.done("/v1/offers", "bo", offered | {"slots": slots}, "k1")
    wish = {"offer": 1, "slots": [{"start": START, "wh": ORDERED}]}
    order = await square.done("/v1/orders", "ada", wish, KEY)
    await square.done(f"/v1/orders/{order}/confirmation", "ada", None, KEY)
    await square.done("/v1/me/stake", "ada", {"amount_micro": STAKED}, KEY)
    paid = {
        "account": square.house.members["ada"], "direction": "in",
        "amount_micro": PAID, "way": "bank", "reference": RECEIPT,
    }  # fmt: skip
    await square.done("/v1/payments", "operator", paid, "p1")
    body = {"monthly_wh": MADE}
    answer = await square.house.ask("PUT", "/v1/me/production", "ada", json=body)
    assert answer.status_code == 200, pretty(answer)
    square.at(START + 900)
    assert await settlement.run_once(square.house.db, RULES, START + 900)
    square.at(LATER)
    wish = {"offer": 1, "slots": [{"start": START + 900, "wh": ORDERED}]}
    await square.done("/v1/orders", "ada", wish, f"{KEY}-2")


async def test_a_third_member_reads_nothing_of_what_two_others_do(
    square: Square,
) -> None:
    seen = {"ada": set[str](), "cleo": set[str]()}
    for path in square.paths("get"):
        for who in seen:
            answer = await square.house.ask("GET", path, who)
            assert answer.status_code < 500, (path, pretty(answer))
            numbers = set(re.findall(r"[\w-]+", answer.text))
            seen[who] |= SECRETS & numbers
            if who == "cleo":
                assert not SECRETS & numbers, (path, pretty(answer))
    # Her key is never shown, not even to her.
    assert seen["ada"] == SECRETS - {KEY}


async def test_a_third_member_ends_nothing_of_two_others(square: Square) -> None:
    tables = ("orders", "trades", "offers", "ratings", "stake_moves", "payments")
    before = {table: await square.rows(table) for table in tables}
    asked = 0
    for path in square.paths("post"):
        if not re.search(r"/\d+/", path):
            continue
        for body in ({}, {"stars": 1}, None):
            answer = await square.post(path, "cleo", body, KEY)
            assert answer.status_code in {403, 404, 422}, (path, pretty(answer))
            asked += answer.status_code == 404
    assert asked > 10
    assert {table: await square.rows(table) for table in tables} == before


async def test_anothers_key_is_not_known_to_me(square: Square) -> None:
    wish = {"offer": 1, "slots": [{"start": START + 900, "wh": 10}]}
    answer = await square.post("/v1/orders", "cleo", wish, KEY)
    assert answer.status_code == 201, pretty(answer)
    assert answer.json()["wh"] == 10
    staked = {"amount_micro": 5}
    answer = await square.post("/v1/me/stake", "cleo", staked, KEY)
    assert answer.json()["stake_micro"] == 5


TWO_DAYS = f"/v1/offers/best?from={START - 172_800}&to={START}"


@pytest.mark.parametrize(
    "path", ["/v1/offers", f"{TWO_DAYS}&wh=1&price_micro_per_kwh=0"]
)
async def test_nobody_keeps_all_readers_busy_by_searching_offers(
    square: Square, path: str
) -> None:
    site = square.house.app.state.site
    square.house.app.state.site = replace(site, searches=Rate(3_600.0, 2))
    answers = [await square.house.ask("GET", path, "cleo") for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 200, 429]
    assert (await square.house.ask("GET", path, "ada")).status_code == 200


async def test_a_search_spans_two_days_at_most(square: Square) -> None:
    longer = f"/v1/offers/best?from={START - 172_801}&to={START}&wh=1"
    answer = await square.house.ask("GET", f"{longer}&price_micro_per_kwh=0", "cleo")
    assert answer.status_code == 422
    assert "two days" in answer.json()["detail"]


NO_NUMBERS = (
    "1e2", "1.0", "NaN", "Infinity", "-1", "0", '"7"', "true", str(1 << 70), "9" * 400,
)  # fmt: skip


async def test_what_is_no_such_number_is_nothing_in_an_order(square: Square) -> None:
    before = await square.rows("orders")
    headers = {"Idempotency-Key": "k9", "Content-Type": "application/json"}
    for number, field in product(NO_NUMBERS, ("wh", "start")):
        slot = {"wh": "10", "start": str(START + 900)} | {field: number}
        inner = ",".join(f'"{name}":{value}' for name, value in slot.items())
        body = f'{{"offer":1,"slots":[{{{inner}}}]}}'
        answer = await square.house.ask(
            "POST", "/v1/orders", "cleo", content=body, headers=headers
        )
        assert 400 <= answer.status_code < 500, (body, pretty(answer))
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(answer.content) < 2_000
    assert await square.rows("orders") == before
