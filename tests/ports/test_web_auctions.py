"""Sealed orders over the API: nobody else sees them before the clearing, and all of it after."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2
import pytest

from meterseal_aggregator.market.auction.duty import run_once
from meterseal_aggregator.translog import sequencer
from meterseal_proto.clearingfile import clearing_hash, parse_book
from meterseal_proto.entry import trade_event_entry
from meterseal_proto.merkle import leaf_hash
from tests.support.auctions import gate
from tests.support.enrolling import LOG_KEY
from tests.support.marketplace import DEMO
from tests.support.traders import prepare
from tests.support.webhouse import LATER, WebHouse, a_house, pretty

ORDERS, MINE, AUCTIONS = "/v1/auction-orders", "/v1/me/auction-orders", "/v1/auctions"
START = LATER - LATER % 900 + 20 * 900
ASK, BID = 123_000, 217_000
SECRETS = {ASK, BID, 4_321, 1_234, START, 1_234 * BID // 1_000}
"""What would give an order away."""
Json = Any  # an answer's body


@dataclass
class Hall:
    """The house with a market: Bo sells, Ada and Cleo buy."""

    house: WebHouse
    point: int

    @property
    def ask(self) -> dict[str, object]:
        whole = {"side": "ask", "start": START, "wh": 4_321}
        return whole | {"price_micro_per_kwh": ASK, "meter_point": self.point}

    @property
    def bid(self) -> dict[str, object]:
        whole = {"side": "bid", "start": START, "wh": 1_234}
        return whole | {"price_micro_per_kwh": BID}

    async def post(
        self, who: str, body: object, key: str | None = "k1"
    ) -> httpx2.Response:
        headers = {} if key is None else {"Idempotency-Key": key}
        return await self.house.ask("POST", ORDERS, who, json=body, headers=headers)

    async def placed(self, who: str, body: object, key: str = "k1") -> Json:
        answer = await self.post(who, body, key)
        assert answer.status_code == 201, pretty(answer)
        return answer.json()

    async def cancel(self, who: str, number: int) -> httpx2.Response:
        return await self.house.ask("POST", f"{ORDERS}/{number}/cancellation", who)

    def at(self, now: int) -> None:
        """Let it be another second of the network."""
        site = self.house.app.state.site
        self.house.app.state.site = replace(site, now=lambda: now)

    async def clear(self) -> None:
        self.at(gate(START))
        assert await run_once(self.house.db, DEMO, gate(START)) > 0


@pytest.fixture
async def hall(tmp_path: Path) -> AsyncIterator[Hall]:
    async with a_house(tmp_path) as house:
        site = house.app.state.site
        house.app.state.site = replace(site, market=DEMO)
        async with house.db.transaction() as tx:
            await prepare(tx, house)
            ((point,),) = await tx.rows(
                "SELECT meter_point_id FROM tenancies WHERE member_id = ?",
                (house.members["bo"],),
            )
        yield Hall(house, point)


async def test_an_order_is_shown_to_its_owner_as_it_was_taken(hall: Hall) -> None:
    placed = await hall.placed("bo", hall.ask)
    assert placed == {
        "id": 1, "side": "ask", "start": START, "length": 900, "wh": 4_321,
        "price_micro_per_kwh": ASK, "meter_point": hall.point, "state": "sealed",
        "filled_wh": 0, "submitted_at": LATER, "ended_at": None,
    }  # fmt: skip
    assert await hall.placed("bo", hall.ask) == placed
    other = await hall.post("bo", hall.ask | {"wh": 5})
    assert (other.status_code, other.json()["type"]) == (
        409, "urn:meterseal:problem:key-used",
    )  # fmt: skip
    again = await hall.placed("bo", hall.ask | {"wh": 5}, "k2")
    first = await hall.house.get(f"{MINE}?limit=1", "bo")
    assert first == {"items": [placed], "next": "1"}
    rest = await hall.house.get(f"{MINE}?after=1", "bo")
    assert rest == {"items": [again], "next": None}


def _paths(house: WebHouse) -> list[str]:
    """Return every path that can be read, filled with Ada's and the slot's."""
    paths = []
    for path, methods in house.app.openapi()["paths"].items():
        filled = path.replace("{start}", str(START))
        filled = filled.replace("{member_id}", str(house.members["ada"]))
        for name in ("point_id", "order_id", "offer_id", "trade_id"):
            filled = filled.replace(f"{{{name}}}", "1")
        # A stream does not end; `test_web_stream` listens to it.
        if "get" in methods and "{" not in filled and path != "/v1/me/events":
            paths.append(filled)
    return paths


def _numbers(told: object) -> set[int]:
    """Return every number of an answer."""
    if isinstance(told, dict):
        return {one for value in told.values() for one in _numbers(value)}
    if isinstance(told, list):
        return {one for value in told for one in _numbers(value)}
    return {told} if isinstance(told, int) else set()


async def test_nobody_sees_a_sealed_order_of_another(hall: Hall) -> None:
    await hall.placed("bo", hall.ask)
    await hall.placed("ada", hall.bid)
    asked = 0
    for path in _paths(hall.house):
        for who in ("cleo", "operator", "auditor", "metrics", None):
            answer = await hall.house.ask("GET", path, who)
            if answer.headers.get("content-type") == "application/json":
                assert not _numbers(answer.json()) & SECRETS, (path, who)
            asked += answer.status_code == 200
    assert asked > 40
    for who in ("cleo", "operator", "auditor"):
        for path in (f"{AUCTIONS}/{START}", f"{AUCTIONS}/{START}/book"):
            assert (await hall.house.ask("GET", path, who)).status_code == 404
    for who in ("operator", "auditor", "metrics"):
        assert (await hall.house.ask("GET", MINE, who)).status_code == 403
    assert (await hall.house.get(MINE, "cleo"))["items"] == []
    assert (await hall.house.get(AUCTIONS, "operator"))["items"] == []


async def test_an_order_is_taken_back_by_its_owner_until_the_gate_closes(
    hall: Hall,
) -> None:
    order = (await hall.placed("ada", hall.bid))["id"]
    for who in ("bo", "cleo"):
        assert (await hall.cancel(who, order)).status_code == 404
    for who in ("operator", "auditor", "metrics"):
        assert (await hall.cancel(who, order)).status_code == 403
    hall.at(gate(START))
    late = await hall.cancel("ada", order)
    assert (late.status_code, late.json()["type"]) == (
        409, "urn:meterseal:problem:too-late",
    )  # fmt: skip
    hall.at(gate(START) - 1)
    for _ in range(2):
        answer = await hall.cancel("ada", order)
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")


async def test_the_clearing_shows_everybody_his_own_and_the_book_to_all(
    hall: Hall,
) -> None:
    ask = (await hall.placed("bo", hall.ask))["id"]
    bid = (await hall.placed("ada", hall.bid))["id"]
    gone = (await hall.placed("ada", hall.bid | {"wh": 1}, "k2"))["id"]
    assert (await hall.cancel("ada", gone)).status_code == 200
    await hall.clear()
    fills = {
        "bo": [{"order": ask, "side": "ask", "wh": 4_321, "filled_wh": 1_234}],
        "ada": [{"order": bid, "side": "bid", "wh": 1_234, "filled_wh": 1_234}],
        "cleo": [], "operator": [], "auditor": [],
    }  # fmt: skip
    numbers = {"bo": "1", "ada": "2"}
    books, listed = set(), {}
    for who, own in fills.items():
        page = await hall.house.get(f"{AUCTIONS}?from={START}&to={START + 1}", who)
        (listed,) = page["items"]
        assert listed["own"] == own
        detail = await hall.house.get(f"{AUCTIONS}/{START}", who)
        assert detail["own"] == [{**one, "book_id": numbers[who]} for one in own]
        assert {**listed, "own": 0} == {
            name: value
            for name, value in {**detail, "own": 0}.items()
            if name not in ("salt", "entry")
        }
        books.add(
            (await hall.house.ask("GET", f"{AUCTIONS}/{START}/book", who)).content
        )
    (stored,) = books
    book = parse_book(stored)
    cleared = book.cleared()
    assert listed["hash"] == clearing_hash(book, cleared).hex()
    assert (listed["price_micro_per_kwh"], listed["volume_wh"]) == (ASK, 1_234)
    for path in (AUCTIONS, f"{AUCTIONS}/{START}", f"{AUCTIONS}/{START}/book"):
        assert (await hall.house.ask("GET", path, "metrics")).status_code == 403
        assert (await hall.house.ask("GET", path)).status_code == 401


async def test_the_log_holds_the_clearings_salted_hash(hall: Hall) -> None:
    await hall.placed("ada", hall.bid)
    await hall.clear()
    detail = await hall.house.get(f"{AUCTIONS}/{START}", "ada")
    assert detail["entry"] is None
    key = sequencer.LogKey("street.example/log", LOG_KEY)
    await sequencer.run_once(hall.house.db, key, gate(START))
    detail = await hall.house.get(f"{AUCTIONS}/{START}", "ada")
    salted = sha256(bytes.fromhex(detail["salt"] + detail["hash"])).digest()
    index = detail["entry"]
    async with hall.house.db.reading() as tx:
        ((leaf,),) = await tx.rows(
            "SELECT e.leaf_hash FROM log_entries e JOIN log_index i ON i.entry_id = e.id"
            " WHERE i.idx = ?",
            (index,),
        )
    assert leaf == leaf_hash(trade_event_entry(salted))
    inclusion = await hall.house.get(f"/v1/log/inclusion?index={index}")
    assert inclusion["size"] == index + 1


async def test_clearings_come_page_by_page(hall: Hall) -> None:
    starts = [START + n * 900 for n in range(5)]
    for n, start in enumerate(starts):
        await hall.placed("ada", hall.bid | {"start": start, "wh": 1}, f"k{n}")
    for start in starts:
        assert await run_once(hall.house.db, DEMO, gate(start)) == 1
    seen, after = [], "0"
    for _ in range(4):
        page = await hall.house.get(f"{AUCTIONS}?from={after}&limit=2", "ada")
        seen += [one["start"] for one in page["items"]]
        assert all(len(one["own"]) == 1 for one in page["items"])
        if page["next"] is None:
            break
        after = page["next"]
    assert seen == starts
    some = await hall.house.get(f"{AUCTIONS}?from={starts[1]}&to={starts[3]}", "ada")
    assert [one["start"] for one in some["items"]] == starts[1:3]


@pytest.mark.parametrize(
    "wrong",
    [
        {"side": "buy"}, {"wh": 0}, {"wh": -5}, {"wh": 1.5}, {"wh": "5"}, {"wh": 1 << 40},
        {"price_micro_per_kwh": -1}, {"price_micro_per_kwh": 1 << 40}, {"start": -900},
        {"meter_point": 1}, {"extra": 1}, {"price_micro_per_kwh": True},
    ],
    ids=str,
)  # fmt: skip
async def test_a_bid_of_another_shape_is_refused(
    hall: Hall, wrong: dict[str, object]
) -> None:
    answer = await hall.post("ada", hall.bid | wrong)
    assert answer.status_code == 422, pretty(answer)
    assert (await hall.house.get(MINE, "ada"))["items"] == []


async def test_what_is_no_number_is_no_price(hall: Hall) -> None:
    for text in ("NaN", "Infinity", "1e5", "-0.5"):
        body = f'{{"side":"bid","start":{START},"wh":5,"price_micro_per_kwh":{text}}}'
        headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
        answer = await hall.house.ask(
            "POST", ORDERS, "ada", content=body, headers=headers
        )
        assert answer.status_code in (400, 422), pretty(answer)


async def test_an_order_wants_a_key_and_an_ask_a_meter_point(hall: Hall) -> None:
    assert (await hall.post("ada", hall.bid, None)).status_code == 422
    ask = {name: one for name, one in hall.ask.items() if name != "meter_point"}
    assert (await hall.post("bo", ask)).status_code == 422
    for path in ("x", "0", "-1", str(1 << 63)):
        answer = await hall.house.ask("GET", f"{AUCTIONS}/{path}", "ada")
        assert answer.status_code == 422
    furthest = await hall.house.ask("GET", f"{AUCTIONS}/{(1 << 63) - 1}", "ada")
    assert furthest.status_code == 404
