"""What was not accepted can be read: page by page, with counts, and with a line of log."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from meterseal_aggregator.app.serve import naming_refusals
from meterseal_aggregator.intake.batch import Intake, Notary
from meterseal_aggregator.intake.port import Incoming
from tests.support.enrolling import GENESIS, LOG_KEY
from tests.support.webhouse import (
    LATER,
    NO_SEAL,
    WebHouse,
    a_lived_in_house,
    spoil,
)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_lived_in_house(tmp_path) as opened:
        yield opened


async def test_evidence_names_who_sent_what_and_why_it_was_not_taken(
    house: WebHouse,
) -> None:
    (row,) = (await house.get("/v1/evidence", "auditor"))["items"]
    assert row.pop("detail")
    assert row == {
        "id": 1, "agent": "home-1", "register_id": None, "seq": None, "chained": False,
        "reason": "malformed", "hash": hashlib.sha256(NO_SEAL).hexdigest(),
        "received_at": LATER,
    }  # fmt: skip


async def test_only_the_operator_sees_a_payload_for_it_may_hold_readings(
    house: WebHouse,
) -> None:
    shown = await house.get("/v1/evidence/1", "operator")
    assert shown["payload"] == NO_SEAL.hex()
    for who in ("auditor", "ada", "metrics"):
        assert (await house.ask("GET", "/v1/evidence/1", who)).status_code == 403
    assert (await house.ask("GET", "/v1/evidence/2", "operator")).status_code == 404


async def test_evidence_comes_page_by_page_and_ends(house: WebHouse) -> None:
    await spoil(house, b"\x01", b"\x02", b"\x03")
    first = await house.get("/v1/evidence?limit=2", "operator")
    rest = await house.get(f"/v1/evidence?limit=2&after={first['next']}", "operator")
    last = await house.get(f"/v1/evidence?limit=2&after={rest['next']}", "operator")
    assert [row["id"] for row in first["items"] + rest["items"]] == [1, 2, 3, 4]
    assert (last["items"], last["next"]) == ([], None)


async def test_refusals_are_counted_by_day_agent_and_reason(house: WebHouse) -> None:
    await spoil(house, NO_SEAL, b"\x01")
    await spoil(house, b"\x02" * 70_000)
    rows = []
    after = ""
    while True:
        page = await house.get(f"/v1/refusals?limit=1&after={after}", "auditor")
        rows += page["items"]
        if page["next"] is None:
            break
        after = page["next"]
    day = LATER // 86_400 * 86_400
    assert [(row["agent"], row["reason"], row["seen"]) for row in rows] == [
        ("home-1", "too-large", 1), ("home-1", "malformed", 3),
    ]  # fmt: skip
    assert {row["day"] for row in rows} == {day}
    assert 2 <= rows[1]["kept"] <= 3


@pytest.mark.parametrize("after", ["x", "1.a", "1.a.b", "1.a.9999999999999999999"])
async def test_a_cursor_of_refusals_that_is_none_of_ours_is_422(
    house: WebHouse, after: str
) -> None:
    answer = await house.ask("GET", f"/v1/refusals?after={after}", "operator")
    assert answer.status_code == 422


async def test_a_batch_that_was_refused_is_one_line_of_log(house: WebHouse) -> None:
    intake = Intake(house.db, Notary(GENESIS, LOG_KEY), lambda: LATER)
    deliver = naming_refusals(intake)
    batch = [Incoming("home-1", payload, None) for payload in (b"\x01", b"\x02")]
    try:
        with capture_logs() as lines:
            assert await deliver([]) == []
            await deliver(batch)
    finally:
        intake.close()
    assert lines == [
        {
            "event": "messages_refused", "log_level": "warning", "messages": 2,
            "reasons": {"malformed": 2},
        }
    ]  # fmt: skip
