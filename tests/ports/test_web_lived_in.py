"""The API in a lived-in house: a tenant sees his own time, an operator runs a home."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_proto.claims import Expectation, Verdict
from meterseal_proto.verify import examine
from tests.support.enrolling import GENESIS, SLOT, a_key, a_meter, a_request
from tests.support.webhouse import (
    EXPORT,
    MOVED,
    WebHouse,
    a_lived_in_house,
    pretty,
)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_lived_in_house(tmp_path) as opened:
        yield opened


async def test_tenants_see_their_own_time_only(house: WebHouse) -> None:
    path = f"/v1/meters/{house.meter}/registers/{EXPORT}/readings?from=0&limit=1000"
    pages = {
        who: await _all(house, who, "readings") for who in ("ada", "cleo", "operator")
    }
    assert [row["start"] for row in pages["ada"]] == [SLOT + n * 900 for n in range(4)]
    assert [row["start"] for row in pages["cleo"]] == [
        MOVED + n * 900 for n in range(4)
    ]
    assert pages["operator"] == pages["ada"] + pages["cleo"]
    assert (await house.ask("GET", path, "bo")).status_code == 403


async def test_every_slot_says_whether_it_was_credited_and_to_its_tenant_only(
    house: WebHouse,
) -> None:
    pages = {
        who: await _all(house, who, "credits") for who in ("ada", "cleo", "operator")
    }
    assert [row["start"] for row in pages["ada"]] == [SLOT + n * 900 for n in range(4)]
    assert {(row["wh"], row["cause"]) for row in pages["ada"]} == {(100, None)}
    assert pages["operator"] == pages["ada"] + pages["cleo"]
    path = f"/v1/meters/{house.meter}/registers/{EXPORT}/credits"
    assert (await house.ask("GET", path, "bo")).status_code == 403


async def _all(house: WebHouse, who: str, what: str) -> list[dict[str, object]]:
    """Read page by page, three slots a page."""
    path = f"/v1/meters/{house.meter}/registers/{EXPORT}/{what}"
    rows, after = [], "0"
    for _ in range(20):
        page = await house.get(f"{path}?from={after}&limit=3", who)
        rows += page["items"]
        if page["next"] is None:
            return rows
        after = page["next"]
    raise AssertionError("the pages do not end")


async def test_a_meter_removed_before_i_came_is_not_mine(house: WebHouse) -> None:
    gone = {"at": SLOT + 900}
    path = f"/v1/meters/{house.meter}"
    removed = await house.post(f"{path}/removal", "operator", gone)
    assert removed.json()["to_at"] == SLOT + 900
    listed = {
        who: [row["meter"] for row in (await house.get("/v1/meters", who))["items"]]
        for who in ("ada", "cleo")
    }
    assert listed == {"ada": [house.meter], "cleo": []}
    assert (await house.ask("GET", path, "cleo")).status_code == 403


async def test_a_seal_of_another_tenants_time_gives_no_bundle(house: WebHouse) -> None:
    for number, who, status in (
        (0, "ada", 200), (0, "cleo", 403), (7, "cleo", 200), (7, "ada", 403),
        (0, "bo", 403), (0, "auditor", 403), (0, "operator", 200),
    ):  # fmt: skip
        place = f"/v1/meters/{house.meter}/registers/{EXPORT}/seals/{number + 1}"
        for path in (f"/v1/seals/{house.seals[number]}", place):
            answer = await house.ask("GET", f"{path}/bundle", who)
            assert answer.status_code == status, (number, who, path)


async def test_a_bundle_from_the_api_verifies_offline(house: WebHouse) -> None:
    answer = await house.ask("GET", f"/v1/seals/{house.seals[3]}/bundle", "ada")
    claims = examine(answer.content, Expectation(GENESIS.network.hex()))
    assert {c.name for c in claims if c.verdict is not Verdict.PASS} == {
        "receipt",
        "anchor",
    }
    assert not any(c.verdict is Verdict.FAIL for c in claims)


async def test_each_tenant_is_credited_his_own_export(house: WebHouse) -> None:
    for who in ("ada", "cleo"):
        found = await house.get(f"/v1/members/{house.members[who]}/balances", who)
        assert [(row["account"], row["held"]) for row in found["items"]] == [
            (f"producer:{house.members[who]}", 400)
        ]


async def test_the_log_is_public_and_proves_itself(house: WebHouse) -> None:
    note = await house.ask("GET", "/v1/log/checkpoint")
    assert note.text.startswith("street.example/log\n10\n")
    tile = await house.ask("GET", "/v1/log/tile/0/000.p/10")
    assert (tile.status_code, len(tile.content)) == (200, 320)
    assert "immutable" in tile.headers["cache-control"]
    entries = await house.ask("GET", "/v1/log/tile/entries/000.p/10")
    assert entries.status_code == 200
    inclusion = await house.get("/v1/log/inclusion?index=3")
    assert (inclusion["size"], len(inclusion["proof"])) == (10, 4)
    consistency = await house.get("/v1/log/consistency?first=4&second=10")
    assert consistency["second_root"] == inclusion["root"]
    (anchor,) = (await house.get("/v1/anchors"))["items"]
    assert (anchor["size"], anchor["proves"]) == (10, False)
    network = await house.get("/v1/network")
    assert network["network"] == GENESIS.network.hex()


async def test_an_anchor_proves_what_its_publisher_does(house: WebHouse) -> None:
    site = house.app.state.site
    house.app.state.site = replace(site, proving=frozenset({"file"}))
    (anchor,) = (await house.get("/v1/anchors"))["items"]
    assert anchor["proves"] is True
    assert (await house.get("/v1/anchors?after=10"))["items"] == []


async def test_an_operator_runs_a_home_through_the_api(house: WebHouse) -> None:
    member = (await house.post("/v1/members", "operator", {"name": "Eve"})).json()
    point = (await house.post("/v1/meter-points", "operator", {"name": "H 9"})).json()
    base = f"/v1/meter-points/{point['id']}"
    moved = {"member": member["id"], "from_at": SLOT}
    assert (await house.post(f"{base}/tenancies", "operator", moved)).status_code == 201
    again = await house.post(f"{base}/tenancies", "operator", moved)
    assert again.status_code == 409
    wish = {"agent": "eve-1", "capacity_w": 10_000}
    code = (await house.post(f"{base}/codes", "operator", wish)).json()["code"]
    request = a_request(code, a_meter("E-1"), key=a_key("eve"))
    enrolled = await house.post("/v1/enrolments", None, request.to_json())
    assert enrolled.status_code == 201, pretty(enrolled)
    meter = enrolled.json()["meters"][0]["meter"]
    shown = await house.get(f"/v1/meters/{meter}", "operator")
    assert [row["register"] for row in shown["registers"]] == ["1-0:1.8.0", "1-0:2.8.0"]
    revoked = await house.post(f"/v1/meters/{meter}/revocation", "operator", {})
    assert revoked.json() == {"last_seq": {"1-0:1.8.0": 0, "1-0:2.8.0": 0}}
    acts = (await house.get("/v1/acts", "auditor"))["items"]
    assert [act["act"] for act in acts] == [
        "member", "meter-point", "move-in", "code-enrolment", "revoke",
    ]  # fmt: skip
    assert acts[0]["actor"] == house.tokens["operator"][:10]


async def test_metrics_count_and_name_nobody(house: WebHouse) -> None:
    page = (await house.ask("GET", "/metrics", "metrics")).text
    assert "meterseal_log_entries 10.0" in page
    assert 'meterseal_seals_total{fate="accepted"}' in page
    assert house.meter not in page
