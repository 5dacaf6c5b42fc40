"""Bills paid over the API: by their member, by an operator's record, by a top-up's share."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import MemberId, Role
from meterseal_aggregator.storage.database import Database
from tests.support.billed import CENT, DAY, KES, Household, a_household, billed
from tests.support.village import problem
from tests.support.webhouse import LATER, WebHouse, a_house, pretty

Json = Any  # an answer's body
BILLS, PAYMENTS, PLANS = "/v1/me/bill-payments", "/v1/payments", "/v1/instalment-plans"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_house(tmp_path) as opened:
        yield opened


async def _home(house: WebHouse, **how: Any) -> Household:
    async with house.db.transaction() as tx:
        home = await a_household(tx, "Dora", cents=5_000, since=LATER - DAY, **how)
        new = identity.NewToken(
            Role.MEMBER, "test", LATER, LATER + 60, MemberId(home.member)
        )
        house.tokens["dora"] = await identity.make_token(tx, new)
    return home


async def _bill(db: Database, home: Household, cents: int) -> int:
    async with db.transaction() as tx:
        return await billed(tx, home, cents, issued_at=LATER)


async def _post(
    house: WebHouse, who: str, path: str, body: object, key: str = "k"
) -> httpx2.Response:
    return await house.ask(
        "POST", path, who, json=body, headers={"Idempotency-Key": key}
    )


def _payment(home: Household, cents: int, key: str, **more: Json) -> Json:
    return {
        "account": home.member, "direction": "in", "amount_micro": cents * CENT,
        "way": "mobile", "reference": key, **more,
    }  # fmt: skip


async def _recorded(house: WebHouse, body: Json, key: str) -> Json:
    answer = await _post(house, "operator", PAYMENTS, body, key)
    assert answer.status_code == 201, pretty(answer)
    return answer.json()


async def test_a_member_sees_what_he_owes_and_pays_it(house: WebHouse) -> None:
    home = await _home(house)
    await _bill(house.db, home, 700)
    (owed,) = (await house.get("/v1/me/arrears", "dora"))["items"]
    assert owed == {
        "asset": "XTS", "outstanding_micro": 700 * CENT, "overdue_micro": 0,
        "disputed_micro": 0, "bills": 1, "next_due_at": LATER + 14 * DAY,
    }  # fmt: skip
    body = {"amount_micro": 2_000 * CENT}
    made = (await _post(house, "dora", BILLS, body)).json()
    assert made == {
        "id": 1, "source": "member", "asset": "XTS", "amount_micro": 700 * CENT,
        "given_asset": "XTS", "given_micro": 700 * CENT, "quote": None,
        "payment": None, "at": LATER, "parts": [{"bill": "B-1", "amount_micro": 700 * CENT}],
    }  # fmt: skip
    assert (await _post(house, "dora", BILLS, body)).json() == made
    assert (await house.get(BILLS, "dora"))["items"] == [made]
    assert (await house.get("/v1/me/arrears", "dora"))["items"] == []
    for key, wish, status, name in (
        ("k", {"amount_micro": 1}, 409, "key-used"),
        ("l", body, 409, "state"),
        ("l", body | {"bill": "B-9"}, 404, "not-found"),
        ("l", body | {"quote": 3}, 404, "not-found"),
    ):
        answer = await _post(house, "dora", BILLS, wish, key)
        assert problem(answer) == (status, name), pretty(answer)


async def test_nobody_sees_or_pays_anothers_bills(house: WebHouse) -> None:
    home = await _home(house)
    await _bill(house.db, home, 700)
    assert (await house.get("/v1/me/arrears", "ada"))["items"] == []
    answer = await _post(
        house, "ada", BILLS, {"amount_micro": CENT, "bill": "B-1"}, "k"
    )
    assert problem(answer) == (404, "not-found")
    path = f"/v1/members/{home.member}/arrears"
    assert len((await house.get(path, "operator"))["items"]) == 1
    for who in ("ada", "dora", "auditor"):
        assert problem(await house.ask("GET", path, who))[0] == 403


async def test_a_recorded_payment_pays_the_bill_it_names(house: WebHouse) -> None:
    home = await _home(house)
    for cents in (700, 500):
        await _bill(house.db, home, cents)
    body = _payment(home, 600, "QK1", bill="B-2")
    made = await _recorded(house, body, "a")
    assert made["towards"] == "bills"
    assert made["paid"] == [{"bill": "B-2", "amount_micro": 500 * CENT}]
    assert made["balance_micro"] == 100 * CENT
    assert await _recorded(house, body, "a") == made
    oldest = await _recorded(house, _payment(home, 600, "QK2", towards="bills"), "b")
    assert oldest["paid"] == [{"bill": "B-1", "amount_micro": 600 * CENT}]
    plain = await _recorded(house, _payment(home, 600, "QK3"), "c")
    assert (plain["paid"], plain["balance_micro"]) == ([], 600 * CENT)
    (owed,) = (await house.get("/v1/me/arrears", "dora"))["items"]
    assert owed["outstanding_micro"] == 100 * CENT


async def test_what_cannot_pay_its_bill_is_not_recorded(house: WebHouse) -> None:
    home = await _home(house)
    shillings = await _home_in_shillings(house)
    await _bill(house.db, home, 700)
    await _bill(house.db, shillings, 700)
    for body, status, name in (
        (_payment(home, 600, "Q", bill="B-9"), 404, "not-found"),
        (_payment(home, 600, "Q", bill="B-2"), 404, "not-found"),
        (_payment(shillings, 600, "Q", bill="B-2"), 409, "currency"),
        (_payment(home, 600, "Q", asset="EUR"), 409, "currency"),
        (_payment(home, 1, "Q", direction="out", towards="bills"), 409, "state"),
        (_payment(home, 1, "Q", account="refunds", bill="B-1"), 409, "state"),
    ):
        answer = await _post(house, "operator", PAYMENTS, body, "k")
        assert problem(answer) == (status, name), pretty(answer)
    assert (await house.get(PAYMENTS, "operator"))["items"] == []
    in_kes = await _recorded(
        house, _payment(shillings, 600, "Q", bill="B-2", asset="KES"), "k"
    )
    assert in_kes["paid"] == [{"bill": "B-2", "amount_micro": 600 * CENT}]


async def _home_in_shillings(house: WebHouse) -> Household:
    async with house.db.transaction() as tx:
        return await a_household(tx, "Eve", asset=KES)


async def test_old_debts_take_only_their_share_of_a_top_up(house: WebHouse) -> None:
    home = await _home(house, prepaid=True)
    await _bill(house.db, home, 700)
    made = await _recorded(house, _payment(home, 1_000, "QK1"), "a")
    assert made["paid"] == [{"bill": "B-1", "amount_micro": 400 * CENT}]
    assert made["balance_micro"] == 600 * CENT
    assert await _recorded(house, _payment(home, 1_000, "QK1"), "a") == made
    (receipt,) = (await house.get(BILLS, "dora"))["items"]
    assert (receipt["source"], receipt["payment"]) == ("top-up", made["id"])
    last = await _recorded(house, _payment(home, 1_000, "QK2"), "b")
    assert last["paid"] == [{"bill": "B-1", "amount_micro": 300 * CENT}]
    none = await _recorded(house, _payment(home, 1_000, "QK3"), "c")
    assert none["paid"] == []


async def test_a_refund_is_no_more_than_was_paid_on_its_bill(house: WebHouse) -> None:
    home = await _home(house)
    await _bill(house.db, home, 700)
    await _recorded(house, _payment(home, 700, "QK1", bill="B-1"), "a")

    def back(cents: int, key: str, **more: Json) -> Json:
        return _payment(home, cents, key, direction="out", bill="B-1", **more)

    for body, status, name in (
        (back(701, "R"), 409, "state"),
        (back(1, "R") | {"bill": "B-2"}, 404, "not-found"),
    ):
        answer = await _post(house, "operator", PAYMENTS, body, "r")
        assert problem(answer) == (status, name), pretty(answer)
    made = await _recorded(house, back(500, "R1"), "r1")
    assert (made["bill"], made["towards"]) == ("B-1", "balance")
    assert await _recorded(house, back(500, "R1"), "r1") == made
    answer = await _post(house, "operator", PAYMENTS, back(201, "R2"), "r2")
    assert problem(answer) == (409, "state")


async def test_a_quote_is_an_operators_and_a_members_to_take(house: WebHouse) -> None:
    home = await _home(house, asset=KES)
    await _bill(house.db, home, 700)
    quote = {
        "asset": "XTS", "bill_asset": "KES", "rate_micro": 130_000_000,
        "expires_at": LATER + 60,
    }  # fmt: skip
    assert problem(await _post(house, "dora", "/v1/quotes", quote))[0] == 403
    made = (await _post(house, "operator", "/v1/quotes", quote)).json()
    assert (await house.get("/v1/quotes", "dora"))["items"] == [made]
    assert problem(await house.ask("GET", "/v1/quotes", "metrics"))[0] == 403
    wrong = await _post(
        house, "dora", BILLS, {"amount_micro": 9, "asset": "XTS", "bill": "B-1"}
    )
    assert problem(wrong) == (409, "currency")
    body = {"amount_micro": 10**6, "bill": "B-1", "quote": made["id"]}
    paid = (await _post(house, "dora", BILLS, body)).json()
    assert (paid["amount_micro"], paid["given_micro"], paid["given_asset"]) == (
        7_000_000,
        53_847,
        "XTS",
    )


async def test_a_plan_is_agreed_by_an_operator_and_seen_by_its_member(
    house: WebHouse,
) -> None:
    home = await _home(house)
    await _bill(house.db, home, 900)
    dates = [
        {"due_at": LATER + n * 30 * DAY, "amount_micro": 300 * CENT} for n in (1, 2, 3)
    ]
    body = {"member": home.member, "dates": dates}
    assert problem(await _post(house, "dora", PLANS, body))[0] == 403
    made = (await _post(house, "operator", PLANS, body)).json()
    assert (made["state"], made["left_micro"]) == ("open", 900 * CENT)
    assert (await house.get("/v1/me/instalment-plans", "dora"))["items"] == [made]
    assert (await house.get("/v1/me/instalment-plans", "ada"))["items"] == []
    assert (await house.get(PLANS, "operator"))["items"] == [made]
    short = await _post(house, "operator", PLANS, body | {"dates": dates[:2]}, "l")
    assert problem(short) == (409, "state")
    assert (await house.get("/v1/me/rewards", "dora"))["items"] == []
