"""Payments and stakes through the API: who may, what is refused, what is shown to whom."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from meterseal_aggregator.billing.payments import MAX_PAYMENT_MICRO
from meterseal_aggregator.ledger.assets import declare as declare_asset
from tests.support.lanec import promise
from tests.support.marketplace import XTS
from tests.support.village import problem
from tests.support.webhouse import LATER, WebHouse, a_house, pretty

Json = Any  # an answer's body
PAYMENTS, STAKE, RELEASE = "/v1/payments", "/v1/me/stake", "/v1/me/stake/release"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_house(tmp_path) as opened:
        async with opened.db.transaction() as tx:
            await declare_asset(tx, XTS, now=LATER)
        yield opened


async def _post(
    house: WebHouse, who: str, path: str, body: object, key: str = "k"
) -> httpx2.Response:
    headers = {"Idempotency-Key": key}
    return await house.ask("POST", path, who, json=body, headers=headers)


def _wish(house: WebHouse, **change: Json) -> Json:
    wish: Json = {
        "account": house.members["ada"],
        "direction": "in",
        "amount_micro": 900,
        "way": "bank",
        "reference": "FT 2026-77",
    }
    return wish | change


async def _paid(house: WebHouse, key: str, **change: Json) -> Json:
    body = _wish(house, reference=key) | change
    answer = await _post(house, "operator", PAYMENTS, body, key)
    assert answer.status_code == 201, pretty(answer)
    return answer.json()


async def test_an_operator_records_payments_and_members_see_their_own(
    house: WebHouse,
) -> None:
    ada, actor = house.members["ada"], house.tokens["operator"][:10]
    made = await _paid(house, "a", reference="FT 2026-77")
    assert made == {
        "id": 1, "account": f"user:{ada}", "member": ada, "direction": "in",
        "amount_micro": 900, "asset": "XTS", "way": "bank", "reference": "FT 2026-77",
        "actor": actor, "recorded_at": LATER, "towards": "balance", "bill": None,
        "paid": [], "balance_micro": 900,
    }  # fmt: skip
    await _paid(house, "b", account="mutual-fund", way="cash")
    await _paid(house, "c", direction="out", amount_micro=100)
    await _paid(house, "d", account="refunds")
    page = await house.get(f"{PAYMENTS}?limit=3", "operator")
    assert [one["id"] for one in page["items"]] == [1, 2, 3]
    page = await house.get(f"{PAYMENTS}?after={page['next']}", "operator")
    assert [one["account"] for one in page["items"]] == ["escrow:refunds"]
    mine = (await house.get("/v1/me/payments", "ada"))["items"]
    assert [(one["direction"], one["amount_micro"]) for one in mine] == [
        ("in", 900),
        ("out", 100),
    ]
    assert "actor" not in mine[0]
    assert (await house.get("/v1/me/payments", "bo"))["items"] == []
    acts = (await house.get("/v1/acts", "auditor"))["items"]
    assert [(a["actor"], a["object"]) for a in acts if a["act"] == "payment"] == [
        (actor, f"payment {number}") for number in range(1, 5)
    ]


async def test_refused_payments_have_names(house: WebHouse) -> None:
    await _paid(house, "a", reference="FT1")
    for key, change, status, name in (
        ("a", {"reference": "FT2"}, 409, "key-used"),
        ("b", {"reference": "ft1"}, 409, "state"),
        (
            "b",
            {"reference": "x", "direction": "out", "amount_micro": 901},
            409,
            "funds",
        ),
        ("b", {"reference": "x", "account": 99}, 404, "not-found"),
    ):
        answer = await _post(house, "operator", PAYMENTS, _wish(house, **change), key)
        assert problem(answer) == (status, name), pretty(answer)


BAD: list[tuple[str, Json]] = [
    *(("amount_micro", bad) for bad in (0, -1, 1.0, "5", True, None)),
    *(("amount_micro", bad) for bad in (MAX_PAYMENT_MICRO + 1, 1 << 63, 1 << 200)),
    *(("account", bad) for bad in (0, -1, 1 << 63, "fee", "user:1", "1", None, True)),
    *(("direction", bad) for bad in ("both", "IN", None, 1)),
    *(("way", bad) for bad in ("gold", "", None)),
    *(("reference", bad) for bad in ("", " a", "a ", "a  b", "a\n", "ä", "r" * 65, 7)),
    ("actor", "somebody"),
]


async def test_a_payment_of_another_shape_is_refused(house: WebHouse) -> None:
    for field, bad in BAD:
        body = _wish(house, **{field: bad})
        answer = await _post(house, "operator", PAYMENTS, body)
        assert problem(answer) == (422, "bad-request"), (field, bad)
    assert (await house.get(PAYMENTS, "operator"))["items"] == []


async def test_a_payment_needs_every_field_and_a_key(house: WebHouse) -> None:
    for field in _wish(house):
        body = {k: v for k, v in _wish(house).items() if k != field}
        answer = await _post(house, "operator", PAYMENTS, body)
        assert problem(answer) == (422, "bad-request"), field
    answer = await house.post(PAYMENTS, "operator", _wish(house))
    assert problem(answer) == (422, "bad-request")


async def test_a_member_stakes_and_has_it_back_once_nothing_waits(
    house: WebHouse,
) -> None:
    await _paid(house, "a")
    body = {"amount_micro": 600}
    made = await _post(house, "ada", STAKE, body, "s")
    assert made.json() == {
        "id": 1, "kind": "stake", "amount_micro": 600, "asset": "XTS",
        "stake_micro": 600, "moved_at": LATER,
    }  # fmt: skip
    again = await _post(house, "ada", STAKE, body, "s")
    assert (again.status_code, again.json()) == (201, made.json())
    more = await _post(house, "ada", STAKE, {"amount_micro": 301}, "t")
    assert problem(more) == (409, "funds")
    async with house.db.transaction() as tx:
        ada, point = house.members["ada"], house.registry.point
        await promise(tx, ada, point, LATER + 900, 100)
    kept = await _post(house, "ada", RELEASE, body, "r")
    assert problem(kept) == (409, "state")
    async with house.db.transaction() as tx:
        await tx.rows("UPDATE slot_sales SET settled_at = 1")
    back = await _post(house, "ada", RELEASE, body, "r")
    assert back.json()["stake_micro"] == 0
    used = await _post(house, "ada", STAKE, body, "r")
    assert problem(used) == (409, "key-used")


async def test_a_stake_is_a_whole_amount(house: WebHouse) -> None:
    for bad in (0, -1, 1.5, "5", None, True, 1 << 63):
        for path in (STAKE, RELEASE):
            answer = await _post(house, "ada", path, {"amount_micro": bad})
            assert problem(answer) == (422, "bad-request"), bad


async def test_nobody_else_records_or_stakes(house: WebHouse) -> None:
    for who in ("ada", "auditor", "metrics"):
        answer = await _post(house, who, PAYMENTS, _wish(house))
        assert answer.status_code == 403
        assert (await house.ask("GET", PAYMENTS, who)).status_code == 403
    for who in ("operator", "auditor", "metrics"):
        answer = await _post(house, who, STAKE, {"amount_micro": 1})
        assert answer.status_code == 403
