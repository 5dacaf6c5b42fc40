"""Usage over the API: who sees what of it, and what operators do to it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meterseal_aggregator.vee import days, editcheck, job
from meterseal_proto.entry import operator_edit_entry
from meterseal_proto.rating.edit import Edit, edit_hash
from meterseal_proto.units import MeterId, parse_obis
from tests.support.enrolling import GENESIS, SLOT
from tests.support.webhouse import (
    EXPORT,
    LATER,
    MOVED,
    WebHouse,
    a_lived_in_house,
    pretty,
)

DAY = 86_400
END = SLOT + 8 * 900
NEXT = SLOT - SLOT % DAY + DAY
"""When the day of the seals is over."""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_lived_in_house(tmp_path) as opened:
        await pack(opened)
        yield opened


async def pack(house: WebHouse) -> None:
    """Let the day end and be packed."""
    for duty in (job, days):
        while await duty.run_once(house.db, NEXT + 7 * 3_600):
            pass


def register(house: WebHouse, what: str) -> str:
    return f"/v1/meters/{house.meter}/registers/{EXPORT}/{what}"


SPAN = f"from={SLOT - 3_600}&to={END + 3_600}"
LONG = f"from={SLOT}&to={SLOT + 33 * DAY}"


async def usage(house: WebHouse, who: str, more: str = "") -> Any:
    # What is known later than the house's clock says is asked for by its second.
    path = f"{register(house, 'usage')}?{SPAN}&known_at={LATER + 9 * DAY}{more}"
    return (await house.get(path, who))["items"]


async def test_tenants_see_the_slots_of_their_own_time(house: WebHouse) -> None:
    (ada,) = await usage(house, "ada")
    (cleo,) = await usage(house, "cleo")
    (all_,) = await usage(house, "operator")
    assert (ada["end"], cleo["start"]) == (MOVED, MOVED)
    assert ada["values"][-4:] == [100] * 4
    assert set(ada["qualities"][-4:]) == {17}
    assert (ada["start"], ada["missing"]) == (SLOT, [])
    assert all_["missing"] == [[END, END + 3_600]]
    assert cleo["values"][:4] == [100] * 4
    assert all_["total"] == 800
    assert len(all_["digest"]) == 64
    path = f"{register(house, 'usage')}?{SPAN}"
    assert (await house.ask("GET", path, "bo")).status_code == 403
    long = await house.ask("GET", f"{register(house, 'usage')}?{LONG}", "ada")
    assert (long.status_code, long.json()["faults"][0]["where"]) == (422, "query.to")


async def test_a_meter_point_shows_what_stood_there(house: WebHouse) -> None:
    base = f"/v1/meter-points/{house.registry.point}/usage?register={EXPORT}"
    ada = await house.get(f"{base}&{SPAN}", "ada")
    assert ada["meters"] == [house.meter]
    assert ada["slots"]["end"] == MOVED
    late = await house.ask("GET", f"{base}&from={MOVED}&to={END}", "ada")
    assert late.status_code == 403
    water = base.replace(EXPORT, "8-0:1.0.0")
    assert (await house.ask("GET", water, "operator")).status_code == 404


async def edit(house: WebHouse, key: str = "one", **change: object) -> Any:
    body = {"from": SLOT, "to": SLOT + 1_800, "delta": 31, "reason": "read on site"}
    headers = {"Idempotency-Key": key}
    path = register(house, "edits")
    return await house.ask(
        "POST", path, "operator", json=body | change, headers=headers
    )


async def test_an_edit_bills_once_and_leaves_its_trail(house: WebHouse) -> None:
    made = await edit(house)
    assert made.status_code == 201, pretty(made)
    again = await edit(house)
    assert again.json() == made.json()
    other = await edit(house, delta=32)
    assert (other.status_code, other.json()["type"]) == (
        409,
        "urn:meterseal:problem:key-used",
    )
    await pack(house)
    (found,) = await usage(house, "operator")
    assert found["values"][:3] == [15, 16, 100]
    assert found["qualities"][:3] == [7, 7, 17]
    (before,) = (
        await house.get(f"{register(house, 'usage')}?{SPAN}&known_at=0", "operator")
    )["items"]
    assert before["total"] == 0
    acts = (await house.get("/v1/acts?limit=1000", "operator"))["items"]
    assert [act["act"] for act in acts].count("edit-usage") == 1


async def test_the_log_holds_an_edits_salted_hash(house: WebHouse) -> None:
    value = (await edit(house)).json()
    async with house.db.reading() as tx:
        ((salt, body),) = await tx.rows(
            "SELECT e.salt, l.body FROM vee_edits e JOIN vee_values v ON v.id = e.value_id"
            " JOIN log_entries l ON l.id = v.log_entry_id"
        )
    told = Edit(
        GENESIS.network, MeterId(bytes.fromhex(house.meter)), parse_obis(EXPORT),
        SLOT, SLOT + 1_800, 31, "read on site", value["author"], LATER,
    )  # fmt: skip
    assert body == operator_edit_entry(edit_hash(salt, told))
    assert b"site" not in body


async def test_the_audit_misses_an_edit_that_is_not_what_was_logged(
    house: WebHouse,
) -> None:
    await edit(house)
    await edit(house, "two")
    async with house.db.reading() as tx:
        (finding,) = await editcheck.findings(tx, GENESIS.network)
        (other,) = await editcheck.findings(tx, bytes(32))
    assert (finding.ok, other.ok) == (True, False)
    assert finding.detail == "2 edits of usage are in the log, each once"
    async with house.db.transaction() as tx:
        await tx.rows("UPDATE vee_edits SET salt = NULL WHERE value_id = 1")
        await tx.rows("DROP TRIGGER vee_values_are_never_changed")
        await tx.rows("UPDATE vee_values SET reason = ''  WHERE id = 1")
        (finding,) = await editcheck.findings(tx, GENESIS.network)
        assert finding.ok
        await tx.rows("UPDATE vee_values SET delta = 32 WHERE id = 2")
        (finding,) = await editcheck.findings(tx, GENESIS.network)
    assert finding.detail == "edit 2 is not what its log entry says"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"from": SLOT + 1}, "span"),
        ({"from": SLOT - 900}, "span"),
        ({"to": SLOT + DAY}, "span"),
        ({"to": SLOT}, "span"),
        ({"delta": 10**7}, "above-capacity"),
        ({"delta": -1}, "bad-request"),
        ({"reason": ""}, "bad-request"),
        ({"reason": "a\nb"}, "bad-request"),
        ({"reason": "x" * 201}, "bad-request"),
        ({"quality": 17}, "bad-request"),
    ],
)
async def test_a_wrong_edit_is_refused_by_name(
    house: WebHouse, change: dict[str, Any], name: str
) -> None:
    answer = await edit(house, **change)
    assert answer.status_code == 422
    assert answer.json()["type"] == f"urn:meterseal:problem:{name}"


async def test_members_see_what_was_done_to_their_usage_but_not_by_whom(
    house: WebHouse,
) -> None:
    await edit(house)
    later: dict[str, Any] = {"from": MOVED, "to": END}
    await edit(house, "two", **later)
    path = f"{register(house, 'values')}?{SPAN}"
    (ada,) = (await house.get(path, "ada"))["items"]
    (cleo,) = (await house.get(path, "cleo"))["items"]
    assert (ada["start"], ada["author"], ada["reason"]) == (SLOT, None, "read on site")
    assert cleo["start"] == MOVED
    mine = (await house.get(path, "operator"))["items"]
    assert [one["start"] for one in mine] == [SLOT, MOVED]
    assert all(one["author"] for one in mine)


async def test_the_history_of_a_day_has_its_versions(house: WebHouse) -> None:
    path = f"{register(house, 'usage-history')}?from={SLOT - DAY}&to={SLOT + DAY}"
    (one,) = (await house.get(path, "operator"))["items"]
    assert (one["version"], one["total"]) == (1, 800)
    assert one["qualities"] == {"16": 88, "17": 8}
    await edit(house)
    await pack(house)
    both = (await house.get(path, "operator"))["items"]
    assert [(v["version"], v["total"]) for v in both] == [(1, 800), (2, 631)]
    # Neither held the point all day.
    assert (await house.get(path, "ada"))["items"] == []


async def test_gaps_are_estimated_once(house: WebHouse) -> None:
    house.app.state.site = _at(house, NEXT + DAY)
    path = register(house, "estimates")
    body = {"from": SLOT, "to": NEXT - 6 * 3_600, "reason": "agent stolen"}
    none = await house.post(path, "operator", body)
    assert (none.status_code, none.json()["type"]) == (
        409,
        "urn:meterseal:problem:unestimable",
    )
    known = body | {"difference": 1_000}
    answer = await house.post(path, "operator", known)
    assert answer.status_code == 201, pretty(answer)
    made = answer.json()
    assert sum(one["delta"] for one in made) == 1_000
    assert {one["method"] for one in made} == {"scalar-proration"}
    assert made[0]["start"] == END
    assert (await house.post(path, "operator", body)).json() == []


async def test_two_registers_are_related_by_an_operator(house: WebHouse) -> None:
    body = {
        "meter": house.meter,
        "register": EXPORT,
        "other_meter": house.meter,
        "other_register": "1-0:1.8.0",
        "kind": "sub",
    }
    made = await house.post("/v1/sibling-registers", "operator", body)
    assert made.status_code == 201, pretty(made)
    assert made.json()["tolerance_bp"] == 200
    again = await house.post("/v1/sibling-registers", "operator", body)
    assert again.json() == made.json()
    same = body | {"other_register": EXPORT}
    answer = await house.post("/v1/sibling-registers", "operator", same)
    assert answer.status_code == 422
    assert (await house.get("/v1/day-checks", "operator"))["items"] == []


def nem12(house: WebHouse, serial: str = "SDM-1", value: str = "0.005") -> bytes:
    values = ",".join([value] * 48)
    # The 23rd by UTC+10: over, and after the register began.
    return (
        "100,NEM12,202609220900,OURS,THEIRS\n"
        f"200,NMI0000001,B1,1,B1,N1,{serial},kWh,30,\n"
        f"300,20260923,{values},A,,,20260922090000,\n"
        "900\n"
    ).encode()


async def send(house: WebHouse, data: bytes, media: str = "text/csv") -> Any:
    return await house.ask(
        "POST",
        "/v1/nem12-imports",
        "operator",
        content=data,
        headers={"Content-Type": media},
    )


async def test_a_nem12_file_is_imported_whole_or_not_at_all(house: WebHouse) -> None:
    house.app.state.site = _at(house, SLOT + 3 * DAY)
    made = await send(house, nem12(house))
    assert made.status_code == 201, pretty(made)
    assert (made.json()["days"], made.json()["values"]) == (1, 96)
    assert (await send(house, nem12(house))).json()["values"] == 0
    wrong = await send(house, nem12(house, serial="S,1"))
    assert wrong.status_code == 422
    assert "line 2" in wrong.json()["detail"]
    assert (await send(house, nem12(house, serial="other"))).status_code == 404
    assert (await send(house, nem12(house), "application/json")).status_code == 415
    assert (await send(house, b"x" * (3 << 20))).status_code == 413
    path = f"{register(house, 'values')}?from={SLOT}&to={SLOT + 3 * DAY}"
    found = (await house.get(path, "operator"))["items"]
    assert len(found) == 96
    assert {(one["source"], one["quality"]) for one in found} == {("import", 0)}


def _at(house: WebHouse, second: int) -> Any:
    return replace(house.app.state.site, now=lambda: second)
