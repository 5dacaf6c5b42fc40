"""Devices and tokens over the API: an operator's to make, a member's to enter, no key told."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from meterseal_aggregator.ledger.assets import declare
from tests.support.billed import CENT, XTS
from tests.support.village import problem
from tests.support.webhouse import LATER, WebHouse, a_house, pretty

Json = Any  # an answer's body
KEY = "a29ab82edc5fbbc41ec9530f6dac86b1"
DEVICES, TOKENS = "/v1/paygo-devices", "/v1/paygo-tokens"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_house(tmp_path) as opened:
        async with opened.db.transaction() as tx:
            await declare(tx, XTS, now=LATER)
        yield opened


async def _paid(house: WebHouse, cents: int) -> int:
    body = {
        "account": house.members["ada"], "direction": "in", "way": "mobile",
        "amount_micro": cents * CENT, "reference": "QK1",
    }  # fmt: skip
    headers = {"Idempotency-Key": "k"}
    answer = await house.ask(
        "POST", "/v1/payments", "operator", json=body, headers=headers
    )
    assert answer.status_code == 201, pretty(answer)
    number: int = answer.json()["id"]
    return number


async def test_a_payment_is_a_token_that_its_member_reads(house: WebHouse) -> None:
    body = {
        "member": house.members["ada"], "serial": "SN-0017", "key": KEY,
        "day_price_micro": 25 * CENT,
    }  # fmt: skip
    assert problem(await house.post(DEVICES, "ada", body))[0] == 403
    answer = await house.post(DEVICES, "operator", body)
    assert answer.status_code == 201, pretty(answer)
    assert KEY not in answer.text
    assert (await house.post(DEVICES, "operator", body)).json() == answer.json()
    other = await house.post(DEVICES, "operator", body | {"key": "0" * 32})
    assert problem(other) == (409, "state")
    assert KEY not in other.text
    wish = {"device": 1, "payment": await _paid(house, 310)}
    assert problem(await house.post(TOKENS, "ada", wish))[0] == 403
    made = (await house.post(TOKENS, "operator", wish)).json()
    assert (made["days"], made["amount_micro"]) == (12, 300 * CENT)
    assert (await house.post(TOKENS, "operator", wish)).json() == made
    assert (await house.get("/v1/me/paygo-tokens", "ada"))["items"] == [made]
    assert (await house.get("/v1/me/paygo-tokens", "bo"))["items"] == []
    (device,) = (await house.get(DEVICES, "operator"))["items"]
    assert device["counter"] == 2
    assert "key" not in device


async def test_a_device_of_another_shape_is_refused_without_its_key(
    house: WebHouse,
) -> None:
    good: Json = {
        "member": 1, "serial": "S", "key": KEY, "day_price_micro": 1,
    }  # fmt: skip
    for field, bad in (
        ("key", KEY.upper()), ("key", KEY + "0"), ("key", 7), ("serial", ""),
        ("serial", "a b"), ("day_price_micro", 0), ("counter", 10_000), ("secret", 1),
        ("starting_code", 1_000_000_000),
    ):  # fmt: skip
        answer = await house.post(DEVICES, "operator", good | {field: bad})
        assert problem(answer) == (422, "bad-request"), field
        assert KEY not in answer.text.lower()
