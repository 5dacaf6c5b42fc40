"""Telemetry over the API: whose it is, what of it is missing, and asked for again."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.intake.beside import store
from meterseal_aggregator.intake.beside.desk import (
    BURST_BYTES,
    BYTES_PER_S,
    MAX_BYTES_OF_ONE,
    MAX_OF_ONE,
    BesideDesk,
)
from meterseal_aggregator.intake.port import BesideMessage
from meterseal_proto.health import open_health, sign_health
from meterseal_proto.spans import Span
from meterseal_proto.telemetry import Batch, Row, encode_batch
from meterseal_proto.units import MeterId, parse_obis
from tests.support.enrolling import GENESIS, SLOT, a_key
from tests.support.webhouse import LATER, MOVED, WebHouse, a_lived_in_house

VOLTAGE = parse_obis("1-0:32.7.0")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_lived_in_house(tmp_path) as opened:
        yield opened


def url(house: WebHouse, rest: str = "") -> str:
    return f"/v1/meters/{house.meter}/telemetry{rest}"


def batch(house: WebHouse, begin: int, end: int, *values: int) -> Batch:
    rows = tuple(Row(begin + 10 * i, (value,)) for i, value in enumerate(values))
    meter = MeterId(bytes.fromhex(house.meter))
    return Batch(meter, 2, Span(begin, end), (VOLTAGE,), rows)


async def test_each_tenant_sees_the_telemetry_of_his_own_time(house: WebHouse) -> None:
    whole = await house.get(url(house), "operator")
    assert [item["at"] for item in whole["items"]] == [
        SLOT + n * 900 + 450 for n in (0, 1, 3, 4, 5, 6)
    ]
    assert whole["items"][0]["values"] == {"1-0:16.7.0": 500, "1-0:32.7.0": 230_000}
    ada = await house.get(url(house), "ada")
    cleo = await house.get(url(house), "cleo")
    assert [i["at"] for i in ada["items"]] == [
        i["at"] for i in whole["items"] if i["at"] < MOVED
    ]
    assert ada["items"] + cleo["items"] == whole["items"]
    latest = await house.get(url(house, "/latest"), "ada")
    assert latest == ada["items"][-1]


async def test_pages_follow_each_other_and_lose_no_sample(house: WebHouse) -> None:
    long = batch(house, SLOT + 7 * 900, SLOT + 8 * 900, *range(90))
    assert house.desk.take(BesideMessage("home-1", "tel", encode_batch(long)))
    await house.desk.keep_taken()
    whole = await house.get(url(house, "?limit=1000"), "operator")
    found, cursor = [], f"{SLOT}"
    while cursor is not None:
        page = await house.get(url(house, f"?limit=7&from={cursor}"), "operator")
        found += page["items"]
        cursor = page["next"]
    assert found == whole["items"]
    assert len(found) == 96


async def test_gaps_are_told_and_the_device_is_asked_for_them(house: WebHouse) -> None:
    gaps = await house.get(
        url(house, f"/gaps?from={SLOT}&to={MOVED + 900}"), "operator"
    )
    assert gaps["gaps"] == [{"begin": SLOT + 1800, "end": SLOT + 2700}]
    body = {"begin": SLOT, "end": MOVED + 900}
    answer = await house.post(url(house, "/backfill"), "operator", body)
    assert answer.status_code == 202
    assert answer.json() == {"asked": gaps["gaps"], "sent": True}
    (asked,) = house.asked
    assert (asked.agent, asked.network) == ("home-1", GENESIS.network)
    assert [w.span for w in asked.wanted] == [Span(SLOT + 1800, SLOT + 2700)]
    assert asked.until > LATER
    acts = await house.get("/v1/acts", "operator")
    assert any(act["act"] == "backfill" for act in acts["items"])
    nothing = batch(house, SLOT + 1800, SLOT + 2700)
    assert house.desk.take(BesideMessage("home-1", "tel", encode_batch(nothing)))
    await house.desk.keep_taken()
    answer = await house.post(url(house, "/backfill"), "operator", body)
    assert answer.json() == {"asked": [], "sent": False}
    assert len(house.asked) == 1


async def test_only_the_operator_may_wake_a_device(house: WebHouse) -> None:
    body = {"begin": SLOT, "end": MOVED}
    for who in ("ada", "auditor", "metrics"):
        answer = await house.post(url(house, "/backfill"), who, body)
        assert answer.status_code == 403, who
    assert house.asked == []


async def test_the_operator_sees_an_agents_own_signed_word(house: WebHouse) -> None:
    health = await house.get("/v1/agents/home-1/health", "operator")
    assert health["alarms"] == ["meter-silent"]
    assert health["clock"] == {"state": 2, "offset_us": -412, "synced_at": LATER - 9}
    assert health["meters"][0]["missed"] == 1
    signed = open_health(bytes.fromhex(health["payload"]))
    assert signed.is_signed_by(a_key().public)
    for who in ("ada", "auditor", "metrics"):
        answer = await house.ask("GET", "/v1/agents/home-1/health", who)
        assert answer.status_code == 403
    answer = await house.ask("GET", "/v1/agents/nobody/health", "operator")
    assert answer.status_code == 404


async def test_what_is_not_the_agents_own_or_not_of_now_is_not_kept(
    house: WebHouse,
) -> None:
    payload = encode_batch(batch(house, SLOT, SLOT + 900, 1, 2, 3))
    strange = open_health(
        bytes.fromhex(
            (await house.get("/v1/agents/home-1/health", "operator"))["payload"]
        )
    )
    later = replace(strange.record, at=LATER, alarms=())
    future = encode_batch(batch(house, LATER + 1000, LATER + 2000, 1))
    past = encode_batch(
        batch(house, LATER - store.KEEP_S - 99, LATER - store.KEEP_S - 1)
    )
    desk = BesideDesk(house.db, GENESIS.network, lambda: LATER)
    for told in (
        BesideMessage("home-2", "tel", payload),
        BesideMessage("home-1", "tel", payload[:-1]),
        BesideMessage("home-1", "tel", future),
        BesideMessage("home-1", "tel", past),
        BesideMessage("home-1", "health", sign_health(later, a_key("another"))),
        BesideMessage("home-2", "health", sign_health(later, a_key())),
        BesideMessage("home-1", "health", b""),
    ):
        assert desk.take(told)
    assert await desk.keep_taken() == 0
    assert desk.tally.refused == {
        "stranger": 2,
        "shape": 2,
        "time": 2,
        "signature": 1,
    }
    health = await house.get("/v1/agents/home-1/health", "operator")
    assert health["alarms"] == ["meter-silent"]


async def test_the_window_is_bounded_in_time_and_the_queue_in_messages(
    house: WebHouse,
) -> None:
    desk = BesideDesk(
        house.db, GENESIS.network, lambda: LATER + store.KEEP_S + SLOT % 900
    )
    assert await desk.prune() >= 6
    assert (await house.get(url(house), "operator"))["items"] == []
    payload = encode_batch(batch(house, SLOT, SLOT + 900, 1))
    taken = [
        desk.take(BesideMessage("home-1", "tel", payload))
        for _ in range(MAX_OF_ONE + 1)
    ]
    assert taken == [True] * MAX_OF_ONE + [False]
    assert desk.take(BesideMessage("home-2", "tel", payload))


async def test_the_same_batch_twice_is_one(house: WebHouse) -> None:
    before = await house.get(url(house), "operator")
    payload = encode_batch(batch(house, SLOT + 8 * 900, SLOT + 9 * 900, 5, 6))
    for _ in range(2):
        assert house.desk.take(BesideMessage("home-1", "tel", payload))
        await house.desk.keep_taken()
    after = await house.get(url(house), "operator")
    assert len(after["items"]) == len(before["items"]) + 2


async def test_one_agents_large_messages_leave_room_for_the_others(
    house: WebHouse,
) -> None:
    desk = BesideDesk(house.db, GENESIS.network, lambda: LATER)
    large = bytes(1 << 16)
    taken = 0
    while desk.take(BesideMessage("home-1", "tel", large)):
        taken += 1
    assert taken == MAX_BYTES_OF_ONE >> 16
    assert desk.take(BesideMessage("home-2", "tel", large))
    await desk.keep_taken()
    assert desk.take(BesideMessage("home-1", "tel", large))


async def test_a_health_record_that_is_repeated_is_no_sign_of_life(
    house: WebHouse,
) -> None:
    before = await house.get("/v1/agents/home-1/health", "operator")
    later = BesideDesk(house.db, GENESIS.network, lambda: LATER + 3600)
    assert later.take(
        BesideMessage("home-1", "health", bytes.fromhex(before["payload"]))
    )
    await later.keep_taken()
    assert await house.get("/v1/agents/home-1/health", "operator") == before


async def test_no_agent_fills_the_disk_that_seals_are_kept_on(house: WebHouse) -> None:
    now = float(LATER)
    desk = BesideDesk(house.db, GENESIS.network, lambda: now)
    large = BesideMessage("home-1", "tel", bytes(1 << 16))
    taken = 0
    while desk.take(large):
        taken += 1
        await desk.keep_taken()
    assert taken << 16 == BURST_BYTES
    assert desk.take(large._replace(agent="home-2"))
    now += 10 * (1 << 16) / BYTES_PER_S
    await desk.prune()
    for _ in range(10):
        assert desk.take(large)
    assert not desk.take(large)
