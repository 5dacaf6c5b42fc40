"""Trades, holdings and entries over HTTP: each member's own, and nobody else's."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import producer
from meterseal_aggregator.ledger.model import AccountCode, Transfer
from meterseal_aggregator.market import trades
from meterseal_aggregator.market.delivery import Lane
from meterseal_aggregator.market.model import transfer_id
from meterseal_aggregator.market.settlement import duty as settlement
from meterseal_aggregator.market.trades import NewTrade
from tests.support.enrolling import SLOT
from tests.support.marketplace import DEMO
from tests.support.traders import PAID_IN, TERMS, XTS, prepare, sell, settle, slot
from tests.support.webhouse import LATER, WebHouse, a_house, pretty

COST = 500 * 120
"""What 500 Wh cost at the price of a trade here."""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    """Bo sold three slots to Ada and one to Cleo; Ada's first was delivered in part."""
    async with a_house(tmp_path) as opened:
        async with opened.db.transaction() as tx:
            await prepare(tx, opened)
            wh = {slot(0): 500, slot(1): 500, slot(2): 500}
            first, _, third = await sell(tx, opened, "ada", wh)
            await sell(tx, opened, "cleo", {slot(3): 500})
            await settle(tx, first, 300)
            await trades.cancel(tx, [third], now=LATER)
        yield opened


async def _ids(house: WebHouse, who: str, query: str = "") -> list[int]:
    page = await house.get(f"/v1/me/trades{query}", who)
    return [one["id"] for one in page["items"]]


async def test_each_party_lists_its_own_trades(house: WebHouse) -> None:
    assert await _ids(house, "ada") == [1, 2, 3]
    assert await _ids(house, "cleo") == [4]
    assert await _ids(house, "bo") == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("?side=seller", [1, 2, 3, 4]),
        ("?side=buyer", []),
        ("?state=held", [2, 4]),
        ("?state=settled", [1]),
        ("?state=cancelled&side=seller", [3]),
        (f"?from={slot(1)}", [2, 3, 4]),
        (f"?from={slot(1)}&to={slot(3)}", [2, 3]),
        (f"?from={slot(1) + 1}&to={slot(3)}", [3]),
        ("?after=2", [3, 4]),
        ("?limit=2", [1, 2]),
    ],
)
async def test_trades_are_sifted_by_side_state_and_slot(
    house: WebHouse, query: str, wanted: list[int]
) -> None:
    assert await _ids(house, "bo", query) == wanted


async def test_pages_of_trades_end_and_repeat_nothing(house: WebHouse) -> None:
    found, after = [], "0"
    for _ in range(5):
        page = await house.get(f"/v1/me/trades?limit=2&after={after}", "bo")
        found += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert found == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "query",
    ["?state=sold", "?side=both", "?limit=0", "?limit=1001", "?from=-1", "?colour=red"],
)
async def test_what_is_no_filter_is_refused(house: WebHouse, query: str) -> None:
    answer = await house.ask("GET", f"/v1/me/trades{query}", "bo")
    assert answer.status_code == 422, pretty(answer)
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_trade_is_shown_to_its_parties_and_the_operator_only(
    house: WebHouse,
) -> None:
    for who, status in (
        ("ada", 200), ("bo", 200), ("operator", 200),
        ("cleo", 404), ("auditor", 403), ("metrics", 403),
    ):  # fmt: skip
        answer = await house.ask("GET", "/v1/trades/1", who)
        assert answer.status_code == status, (who, pretty(answer))
    missing = await house.ask("GET", "/v1/trades/99", "ada")
    foreign = await house.ask("GET", "/v1/trades/1", "cleo")
    assert missing.json() == foreign.json(), "or numbers tell of others' trades"


async def test_a_trade_says_its_terms_and_where_every_figure_went(
    house: WebHouse,
) -> None:
    trade = await house.get("/v1/trades/1", "ada")
    assert (trade["state"], trade["metered_wh"], trade["delivered_wh"]) == (
        "settled", 300, 300,
    )  # fmt: skip
    assert (trade["price_micro_per_kwh"], trade["cost_micro"]) == (120_000, COST)
    (run,) = trade["runs"]
    moves = {one["figure"]: one for one in run["moves"]}
    ada, bo = house.members["ada"], house.members["bo"]
    went = {name: (one["amount_micro"], one["to"]) for name, one in moves.items()}
    assert went == {
        "to_seller": (33_465, f"user:{bo}"),
        "fee": (1_500, "fee"),
        "losses": (1_035, "wheeling"),
        "returned": (24_000, f"user:{ada}"),
        "uncovered": (26_000, None),
    }
    assert run["paid_micro"] == 33_465 + 1_500 + 1_035
    assert run["paid_micro"] + 24_000 == trade["cost_micro"]
    assert (await house.get("/v1/trades/2", "ada"))["runs"] == []


async def test_the_figures_of_a_settled_trade_are_what_the_ledger_moved(
    tmp_path: Path,
) -> None:
    async with a_house(tmp_path) as house:
        async with house.db.transaction() as tx:
            await prepare(tx, house)
            wh = {slot(number): 400 + number for number in range(12)}
            await sell(tx, house, "ada", wh)
        # Unmetered points in a demo: the mock delivers some in full, some not.
        while await settlement.run_once(house.db, DEMO, slot(100)):
            pass
        ids = await _ids(house, "ada", "?state=settled")
        assert len(ids) == 12
        came: dict[str, int] = {}
        shortfalls = 0
        for number in ids:
            trade = await house.get(f"/v1/trades/{number}", "ada")
            (run,) = trade["runs"]
            shortfalls += trade["delivered_wh"] < trade["wh"]
            for move in run["moves"]:
                to = move["to"] or "nobody"
                came[to] = came.get(to, 0) + move["amount_micro"]
        assert 0 < shortfalls < 12
        codes = [AccountCode(code) for code in came if code != "nobody"]
        async with house.db.reading() as tx:
            found = await ledger.balances(tx, XTS, codes)
        ada, bo = (f"user:{house.members[who]}" for who in ("ada", "bo"))
        cost = sum(wh.values()) * 120
        held = {str(code): account.held for code, account in found.items()}
        assert held[ada] == PAID_IN - cost + came[ada]
        assert held[bo] == came[bo]
        assert (held["fee"], held["wheeling"]) == (came["fee"], came["wheeling"])
        balances = await house.get("/v1/me/balances", "ada")
        assert balances["money"]["in_escrow_micro"] == 0
        kinds = [
            one["kind"] for one in (await house.get("/v1/me/event-log", "ada"))["items"]
        ]
        assert kinds.count("trade") == 12


async def test_a_party_is_not_told_the_others_sealed_order(house: WebHouse) -> None:
    bo, cleo = house.members["bo"], house.members["cleo"]
    async with house.db.transaction() as tx:
        ((point,),) = await tx.rows(
            "SELECT meter_point_id FROM slot_sales WHERE start = ?", (slot(3),)
        )
        await tx.many(
            "INSERT INTO auction_orders (id, side, member_id, meter_point_id, start,"
            " length, wh, price, rail, state, request_key, submitted_at)"
            " VALUES (?, ?, ?, ?, ?, 900, 9, 0, 'ledger', 'sealed', 'k', ?)",
            [
                (7, "ask", bo, point, slot(3), LATER),
                (8, "bid", cleo, None, slot(3), LATER),
            ],
        )
        new = NewTrade(
            Lane.AUCTION, point, slot(3), 900, bo, cleo, 9, TERMS, XTS, ask=7, bid=8
        )
        (made,) = await trades.make(tx, [new], now=LATER)
    seen = {
        who: await house.get(f"/v1/trades/{made.id}", who)
        for who in ("bo", "cleo", "operator")
    }
    assert {who: (one["ask"], one["bid"]) for who, one in seen.items()} == {
        "bo": (7, None), "cleo": (None, 8), "operator": (7, 8),
    }  # fmt: skip
    (listed,) = (await house.get("/v1/me/trades?after=4", "bo"))["items"]
    assert (listed["lane"], listed["ask"], listed["bid"]) == ("auction", 7, None)


async def test_holdings_say_what_is_free_and_what_waits_for_a_meter(
    house: WebHouse,
) -> None:
    now = await house.get("/v1/me/balances", "ada")
    # The third was cancelled; what settlement pays is not what is looked at here.
    assert now["money"] == {
        "free_micro": PAID_IN - 2 * COST, "in_escrow_micro": 2 * COST,
        "staked_micro": 0, "arrears_micro": 0,
    }  # fmt: skip
    assert (now["at"], now["asset"]) == (LATER, "XTS")
    before = await house.get(f"/v1/me/balances?at={LATER - 1}", "ada")
    assert before["money"]["free_micro"] == PAID_IN
    assert before["money"]["in_escrow_micro"] == 0
    never = await house.get(f"/v1/me/balances?at={SLOT - 1}", "ada")
    assert set(never["money"].values()) | set(never["energy"].values()) == {0}


async def test_energy_counts_from_the_second_it_was_made_for(house: WebHouse) -> None:
    bo = house.members["bo"]
    made = Transfer(
        id=transfer_id("test", "mint"),
        amount=700,
        debit=AccountCode("meter:7:measured"),
        credit=producer(bo),
        purpose="mint",
        effective_at=SLOT + 900,
    )
    async with house.db.transaction() as tx:
        (done,) = await ledger.post(tx, [made], now=LATER)
    assert done.entered
    for query, wh in (("", 700), (f"?at={SLOT + 900}", 700), (f"?at={SLOT + 899}", 0)):
        found = await house.get(f"/v1/me/balances{query}", "bo")
        assert found["energy"] == {
            "made_wh": wh, "bought_wh": 0, "for_sale_wh": 0, "used_wh": 0,
            "owed_wh": 0,
        }  # fmt: skip


async def test_the_ledger_shows_a_member_his_own_entries_in_order(
    house: WebHouse,
) -> None:
    ada = f"user:{house.members['ada']}"
    rows, after = [], "0"
    for _ in range(9):
        page = await house.get(f"/v1/me/ledger?limit=2&after={after}", "ada")
        rows += page["items"]
        if page["next"] is None:
            break
        after = page["next"]
    assert [(row["phase"], row["purpose"], row["amount"]) for row in rows] == [
        ("moved", "deposit", PAID_IN),
        ("held", "trade", COST), ("held", "trade", COST), ("held", "trade", COST),
        ("voided", "trade", COST),
    ]  # fmt: skip
    assert all(ada in (row["debit"], row["credit"]) for row in rows)
    assert [row["seq"] for row in rows] == sorted({row["seq"] for row in rows})
    assert rows[-1]["hold"] == rows[3]["id"]
    of_user = await house.get("/v1/me/ledger?account=user", "ada")
    assert of_user["items"] == rows
    assert (await house.get("/v1/me/ledger?account=stake", "ada"))["items"] == []
    assert (await house.get("/v1/me/ledger", "bo"))["items"] == []
    wrong = await house.ask("GET", "/v1/me/ledger?account=cash", "ada")
    assert wrong.status_code == 422


@pytest.mark.parametrize("who", ["operator", "auditor", "metrics"])
@pytest.mark.parametrize("path", ["trades", "balances", "ledger"])
async def test_only_a_member_has_things_of_his_own(
    house: WebHouse, who: str, path: str
) -> None:
    assert (await house.ask("GET", f"/v1/me/{path}", who)).status_code == 403
