"""Certification through the API: who applies, who decides, and what each must not do."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from meterseal_aggregator.credits import findings as credit_findings
from meterseal_aggregator.credits import mint
from meterseal_aggregator.parameters import store as parameters
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.registry import check
from meterseal_aggregator.registry.certificates import Grant, grant
from meterseal_aggregator.vee import job as vee
from meterseal_proto.enrolment import EnrolmentAnswer
from tests.support.enrolling import GENESIS, SLOT, a_request
from tests.support.webhouse import (
    EXPORT,
    LATER,
    WebHouse,
    a_house,
    a_lived_in_house,
    pretty,
    seal_eight,
)

MINTED = SLOT + 8 * 900
HOUR = 3_600
Json = Any  # an answer's body


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_lived_in_house(tmp_path) as opened:
        yield opened


@pytest.fixture
async def empty(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_house(tmp_path) as opened:
        yield opened


def _wish(house: WebHouse, **change: object) -> dict[str, object]:
    wish: dict[str, object] = {
        "meter_point": house.registry.point,
        "capacity_w": 5_000,
        "monthly_production_wh": 600_000,
        "source": "solar",
    }
    return wish | change


async def _apply(house: WebHouse, who: str, **change: object) -> Json:
    return await house.ask(
        "POST",
        "/v1/me/certifications",
        who,
        json=_wish(house, **change),
        headers={"Idempotency-Key": "k"},
    )


async def _applied(house: WebHouse, who: str, **change: object) -> str:
    answer = await _apply(house, who, **change)
    assert answer.status_code == 201, pretty(answer)
    return f"/v1/certifications/{answer.json()['id']}"


async def _authorise(house: WebHouse, who: str, level: int) -> None:
    body = {"member": house.members[who], "level": level}
    answer = await house.post("/v1/certifiers", "operator", body)
    assert answer.status_code == 201, pretty(answer)


def _problem(answer: Any) -> tuple[int, str]:  # an answer of the client's own type
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


async def _audited(house: WebHouse) -> bool:
    async with house.db.reading() as tx:
        found = await check.findings(tx) + await credit_findings(tx)
    return all(finding.ok for finding in found)


async def test_a_member_applies_a_certifier_approves_and_everybody_may_look(
    empty: WebHouse,
) -> None:
    house = empty
    path = await _applied(house, "ada")
    await _authorise(house, "bo", 1)
    listed = await house.get("/v1/certifications?state=applied", "bo")
    assert [one["state"] for one in listed["items"]] == ["applied"]
    approved = await house.post(f"{path}/approve", "bo", {})
    assert approved.status_code == 200, pretty(approved)
    mine = (await house.get("/v1/me/certifications", "ada"))["items"]
    assert mine == [approved.json()]
    assert mine[0] | {"id": 0} == {
        "id": 0,
        "state": "certified",
        "member": house.members["ada"],
        "meter_point": house.registry.point,
        "capacity_w": 5_000,
        "monthly_production_wh": 600_000,
        "source": "solar",
        "fee_micro": 0,
        "applied_at": LATER,
        "from_at": LATER,
        "to_at": None,
        "reason": None,
    }
    trail = (await house.get("/v1/certification-acts", "auditor"))["items"]
    assert [(line["act"], line["actor"], line["level"]) for line in trail] == [
        ("apply", f"member {house.members['ada']}", None),
        ("approve", f"member {house.members['bo']}", 1),
    ]
    assert await _audited(house)


async def test_nobody_sees_or_touches_an_application_that_is_not_his(
    empty: WebHouse,
) -> None:
    house = empty
    path = await _applied(house, "ada")
    own = path.replace("/v1/", "/v1/me/")
    assert (await house.ask("GET", own, "ada")).status_code == 200
    assert _problem(await house.ask("GET", own, "bo")) == (404, "not-found")
    assert (await house.get("/v1/me/certifications", "bo"))["items"] == []
    for who in ("ada", "bo", "auditor", "metrics"):
        assert (await house.ask("GET", path, who)).status_code == 403
        assert (await house.post(f"{path}/approve", who, {})).status_code == 403
    # Not at a point that is another's, nor one that does not exist.
    for point in (house.registry.point, 99):
        answer = await _apply(house, "bo", meter_point=point)
        assert _problem(answer) == (404, "not-found")
    assert (await _apply(house, "operator")).status_code == 403


async def test_no_certifier_decides_for_himself_whatever_his_level(
    empty: WebHouse,
) -> None:
    house = empty
    path = await _applied(house, "ada")
    await _authorise(house, "ada", 3)
    for act, body in (("approve", {}), ("refuse", {"reason": "no"})):
        answer = await house.post(f"{path}/{act}", "ada", body)
        assert _problem(answer) == (403, "own-application")
    assert (await house.post(f"{path}/approve", "operator", {})).status_code == 200
    answer = await house.post(f"{path}/revoke", "ada", {"reason": "no"})
    assert _problem(answer) == (403, "own-application")


async def test_level_one_ends_at_ten_kilowatts_and_only_level_three_revokes(
    empty: WebHouse,
) -> None:
    house = empty
    path = await _applied(house, "ada", capacity_w=10_001)
    await _authorise(house, "bo", 1)
    await _authorise(house, "cleo", 2)
    for act, body in (("approve", {}), ("refuse", {"reason": "too large"})):
        answer = await house.post(f"{path}/{act}", "bo", body)
        assert _problem(answer) == (403, "level-too-low")
    assert (await house.post(f"{path}/approve", "cleo", {})).status_code == 200
    answer = await house.post(f"{path}/revoke", "cleo", {"reason": "no"})
    assert _problem(answer) == (403, "level-too-low")
    told = (await house.get("/v1/certifiers", "operator"))["items"]
    gone = await house.ask("DELETE", f"/v1/certifiers/{told[1]['id']}", "operator")
    assert gone.status_code == 204
    assert (await house.ask("GET", path, "cleo")).status_code == 403


async def test_an_application_is_decided_once_also_by_two_at_a_time(
    empty: WebHouse,
) -> None:
    house = empty
    path = await _applied(house, "ada")
    answers = await asyncio.gather(
        *(house.post(f"{path}/approve", "operator", {}) for _ in range(4)),
        *(house.post(f"{path}/refuse", "operator", {"reason": "no"}) for _ in range(4)),
    )
    codes = sorted(answer.status_code for answer in answers)
    assert codes == [200] + [409] * 7
    trail = (await house.get("/v1/certification-acts", "operator"))["items"]
    assert len(trail) == 2
    assert await _audited(house)


async def test_the_same_key_is_the_same_application(empty: WebHouse) -> None:
    first, again = await _apply(empty, "ada"), await _apply(empty, "ada")
    assert first.json() == again.json()
    other = await _apply(empty, "ada", capacity_w=6_000)
    assert _problem(other) == (409, "key-used")


@pytest.mark.parametrize(
    "change",
    [
        {"capacity_w": 0},
        {"capacity_w": 5_000.5},
        {"monthly_production_wh": 5_000 * 744 + 1},
        {"monthly_production_wh": -1},
        {"source": "battery"},
        {"source": "solar\n"},
        {"level": 3},
        {"member": 2},
    ],
)
async def test_a_wrong_application_is_refused_and_leaves_nothing(
    empty: WebHouse, change: dict[str, object]
) -> None:
    answer = await _apply(empty, "ada", **change)
    assert answer.status_code == 422, pretty(answer)
    assert (await empty.get("/v1/me/certifications", "ada"))["items"] == []


async def test_a_reason_is_not_left_out(empty: WebHouse) -> None:
    path = await _applied(empty, "ada")
    for body in ({}, {"reason": ""}, {"reason": "a" * 201}, {"reason": "a\x1bb"}):
        answer = await empty.post(f"{path}/refuse", "operator", body)
        assert answer.status_code == 422, pretty(answer)


async def _told(house: WebHouse, certified_w: int | None) -> None:
    """Let the point's meter seal eight slots, validated and final, not yet decided."""
    async with house.db.transaction() as tx:
        if certified_w is not None:
            producer = Grant(house.registry.point, certified_w, SLOT)
            await grant(tx, producer, "test", now=SLOT)
        change = parameters.Change(Name.FINALITY_DELAY_S, 0, 0, LATER, "test")
        await parameters.record(tx, change)
    request = a_request(await house.registry.code(expires_at=LATER + 60))
    answer = await house.post("/v1/enrolments", None, request.to_json())
    await seal_eight(house, EnrolmentAnswer.from_json(answer.content))
    await vee.run_once(house.db, LATER)


async def _credits(house: WebHouse) -> list[tuple[int, str | None]]:
    path = f"/v1/meters/{house.meter}/registers/{EXPORT}/credits?from={SLOT}"
    return [(c["wh"], c["cause"]) for c in (await house.get(path, "ada"))["items"]]


async def test_what_is_not_minted_for_want_of_a_certificate_says_so(
    empty: WebHouse,
) -> None:
    await _told(empty, None)
    await mint.run_once(empty.db, GENESIS.network, LATER)
    assert await _credits(empty) == [(100, "uncertified")] * 8
    assert await _audited(empty)


@pytest.mark.parametrize("first", ["mint", "revoke", "nobody"])
async def test_of_minting_and_a_revocation_at_once_neither_undoes_the_other(
    empty: WebHouse, first: str
) -> None:
    house = empty
    await _told(house, 9_000)
    wish = {"reason": "sold", "at": SLOT + 4 * 900}

    async def minted() -> None:
        await mint.run_once(house.db, GENESIS.network, LATER)

    async def revoked() -> Json:
        return await house.post("/v1/certifications/1/revoke", "operator", wish)

    if first == "revoke":
        answer = await revoked()
        await minted()
    else:
        if first == "mint":
            await minted()
        answer = (await asyncio.gather(revoked(), minted()))[0]
    ended = answer.status_code == 200
    assert ended or _problem(answer) == (409, "already-minted")
    if first != "nobody":
        assert ended == (first == "revoke")
    kept = 4 if ended else 8
    refused = [(100, "uncertified")] * (8 - kept)
    assert await _credits(house) == [(100, None)] * kept + refused
    assert await _audited(house)


async def test_the_operator_sets_fee_and_limits_from_a_second_on(
    empty: WebHouse,
) -> None:
    async with empty.db.transaction() as tx:
        for name, value in (
            (Name.CERTIFICATION_FEE_MICRO, 2_500_000),
            (Name.CERTIFICATION_MINIMUM_WH, 100_000),
            (Name.CERTIFICATION_MAXIMUM_WH, 700_000),
        ):
            change = parameters.Change(name, value, LATER, LATER, "test")
            await parameters.record(tx, change)
    for monthly in (99_999, 700_001):
        answer = await _apply(empty, "ada", monthly_production_wh=monthly)
        assert _problem(answer) == (422, "outside-limits")
    told = (await _apply(empty, "ada", monthly_production_wh=700_000)).json()
    assert told["fee_micro"] == 2_500_000


async def test_a_revocation_undoes_no_minting_and_ends_it_from_then_on(
    house: WebHouse,
) -> None:
    (told,) = (await house.get("/v1/certifications", "operator"))["items"]
    path = f"/v1/certifications/{told['id']}/revoke"
    early = {"reason": "sold", "at": MINTED - 1}
    answer = await house.post(path, "operator", early)
    assert _problem(answer) == (409, "already-minted")
    end = f"/v1/meter-points/{house.registry.point}/certifications/end"
    answer = await house.post(end, "operator", {"at": MINTED - 1})
    assert _problem(answer) == (409, "already-minted")
    answer = await house.post(path, "operator", {"reason": "sold", "at": MINTED})
    assert answer.json()["to_at"] == MINTED, pretty(answer)
    again = await house.post(path, "operator", {"reason": "sold"})
    assert _problem(again) == (409, "wrong-state")
    assert await _audited(house)


async def test_a_new_tenant_takes_over_at_an_hour_by_a_certificate_of_his_own(
    house: WebHouse,
) -> None:
    path = await _applied(house, "cleo")
    approved = await house.post(f"{path}/approve", "operator", {})
    assert approved.json()["from_at"] == LATER + -LATER % HOUR
    before = (await house.get("/v1/certifications?state=replaced", "operator"))["items"]
    assert [one["to_at"] for one in before] == [approved.json()["from_at"]]
    assert await _audited(house)
