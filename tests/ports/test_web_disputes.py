"""Disputes over the API: opened by members, shown to whom they concern, decided once."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.sealedhouse import SealedHouse, a_sealed_house

BILL = "2026-00000001"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[SealedHouse]:
    async with a_sealed_house(tmp_path) as opened:
        yield opened


async def post(
    house: SealedHouse, path: str, who: str, body: object, key: str = "k1"
) -> tuple[int, Any]:
    headers = {"Idempotency-Key": key}
    answer = await house.ask("POST", path, who, json=body, headers=headers)
    return answer.status_code, answer.json()


async def get(house: SealedHouse, path: str, who: str) -> tuple[int, Any]:
    answer = await house.ask("GET", path, who)
    return answer.status_code, answer.json()


async def test_a_dispute_is_opened_shown_and_decided(house: SealedHouse) -> None:
    body = {"bill": BILL, "amount_micro": 1_000_000, "reason": "the meter was off"}
    status, made = await post(house, "/v1/me/disputes", "ada", body)
    assert (status, made["state"], made["frozen_micro"]) == (201, "open", 1_000_000)
    assert (made["bill"], made["late"], made["decision"]) == (BILL, False, None)
    assert await post(house, "/v1/me/disputes", "ada", body) == (201, made)
    path = f"/v1/disputes/{made['id']}"
    assert await get(house, path, "ada") == (200, made)
    assert (await get(house, path, "ben"))[0] == 404
    status, page = await get(house, "/v1/disputes?state=open", "operator")
    assert [one["id"] for one in page["items"]] == [made["id"]]
    ruling = {
        "verdict": "upheld", "remedy": "credit", "amount_micro": 1_000_000,
        "reason": "it was",
    }  # fmt: skip
    assert (await post(house, f"{path}/decision", "ada", ruling))[0] == 403
    status, ended = await post(house, f"{path}/decision", "operator", ruling)
    assert (status, ended["state"], ended["decision"]["remedy"]) == (
        200, "upheld", "credit",
    )  # fmt: skip
    status, again = await post(house, f"{path}/decision", "operator", ruling)
    assert (status, again["type"]) == (409, "urn:meterseal:problem:state")
    status, mine = await get(house, "/v1/me/disputes", "ada")
    assert mine["items"] == [ended]


async def test_a_dispute_is_withdrawn_by_its_member_alone(house: SealedHouse) -> None:
    body = {"bill": BILL, "lines": [1], "reason": "no", "evidence": "ab" * 32}
    _, made = await post(house, "/v1/me/disputes", "ada", body)
    path = f"/v1/me/disputes/{made['id']}/withdrawal"
    assert (await post(house, path, "ben", {}))[0] == 404
    status, ended = await post(house, path, "ada", {})
    assert (status, ended["state"], ended["evidence"]) == (200, "withdrawn", "ab" * 32)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"reason": "x"}, 422),
        ({"bill": BILL, "trade": 1, "reason": "x"}, 422),
        ({"bill": BILL, "reason": ""}, 422),
        ({"bill": BILL, "reason": "x" * 501}, 422),
        ({"bill": BILL, "reason": "x", "amount_micro": 0}, 422),
        ({"bill": BILL, "reason": "x", "amount_micro": 1 << 60}, 422),
        ({"bill": BILL, "reason": "x", "lines": [999]}, 422),
        ({"bill": BILL, "reason": "x", "lines": [50]}, 422),
        ({"bill": BILL, "reason": "x", "evidence": "zz"}, 422),
        ({"bill": "2026-00000002", "reason": "not mine"}, 404),
        ({"bill": "2026-99999999", "reason": "none"}, 404),
        ({"trade": 7, "reason": "none"}, 404),
    ],
)
async def test_what_cannot_be_disputed_is_refused(
    house: SealedHouse, body: dict[str, object], status: int
) -> None:
    assert (await post(house, "/v1/me/disputes", "ada", body))[0] == status
