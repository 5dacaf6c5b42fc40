"""A bill's evidence over the API: gathered from real seals, checked by a stranger offline."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.billing.evidence import bill as billed
from meterseal_aggregator.billing.statements import affected, store
from meterseal_aggregator.vee import days
from meterseal_aggregator.vee.edit import EditWish, edit
from meterseal_aggregator.vee.values import place_of
from meterseal_proto.claims import Claim, Expectation, Verdict
from meterseal_proto.evidence.archive import read_archive
from meterseal_proto.units import IMPORT
from meterseal_proto.verify import examine, main, zone_clock
from tests.support.billinghouse import HOUR, MAY, STEP
from tests.support.enrolling import GENESIS
from tests.support.sealedhouse import NOW, SealedHouse, a_sealed_house

KNOWN = Expectation(network=GENESIS.network.hex(), clock=zone_clock)
ADAS = "/v1/bills/2026-00000001/evidence.zip"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[SealedHouse]:
    async with a_sealed_house(tmp_path) as opened:
        yield opened


def judged(data: bytes) -> dict[str, Claim]:
    return {claim.name: claim for claim in examine(data, KNOWN)}


async def test_the_evidence_of_a_real_bill_passes_every_claim_offline(
    house: SealedHouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = await house.ask("GET", ADAS, "ada")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/zip"
    found = judged(answer.content)
    wrong = {n: c for n, c in found.items() if c.verdict is not Verdict.PASS}
    assert set(wrong) == {"anchor"}, wrong
    assert "1152 slots are as sealed" in found["usage"].text
    file = tmp_path / "bill.zip"
    file.write_bytes(answer.content)
    assert main([str(file), "--network", GENESIS.network.hex()]) == 0
    assert "FAIL" not in capsys.readouterr().out


async def test_the_same_bill_gives_the_same_file_until_the_log_grows(
    house: SealedHouse,
) -> None:
    one = await house.ask("GET", ADAS, "ada")
    assert (await house.ask("GET", ADAS, "operator")).content == one.content


async def test_a_bill_is_shown_to_its_member_and_the_operator_alone(
    house: SealedHouse,
) -> None:
    assert (await house.ask("GET", ADAS, "ben")).status_code == 404
    other = ADAS.replace("1/", "9/")
    assert (await house.ask("GET", other, "ada")).status_code == 404
    assert (await house.ask("GET", other, "operator")).status_code == 404


async def test_nothing_of_another_member_is_in_the_file(house: SealedHouse) -> None:
    answer = await house.ask("GET", ADAS, "ada")
    files, _ = read_archive(answer.content)
    whole = b"\n".join(files.values())
    ben = house.homes["ben"].member
    assert f"arrears:{ben}".encode() not in whole
    assert b"house of" not in whole, "the name of the meter point"
    async with house.utility.database.reading() as tx:
        rows = await tx.rows(
            "SELECT meter FROM meters m JOIN installations i ON i.meter_id = m.id"
            " WHERE i.meter_point_id = ?",
            (house.homes["ben"].point,),
        )
    assert rows[0][0].hex().encode() not in whole


async def test_a_bill_that_waits_for_the_log_is_asked_for_again(tmp_path: Path) -> None:
    async with a_sealed_house(tmp_path, logged=False) as house:
        early = await house.ask("GET", ADAS, "ada")
        assert (early.status_code, early.json()["type"]) == (
            409,
            "urn:meterseal:problem:not-yet",
        )
        await house.sequence()
        assert (await house.ask("GET", ADAS, "ada")).status_code == 200


async def test_gathering_costs_the_same_statements_however_many_seals(
    house: SealedHouse,
) -> None:
    async with house.utility.database.reading() as tx:
        bill = await store.bill(tx, "2026-00000001")
        before = tx.statements
        await billed.gather(tx, bill, GENESIS)
        assert tx.statements - before < 35


async def test_an_erased_members_bill_is_for_operators_with_a_reason(
    house: SealedHouse,
) -> None:
    ada = house.homes["ada"].member
    async with house.utility.database.transaction() as tx:
        await tx.rows(
            "INSERT INTO erasures VALUES (?, 'asked', 'op', ?, 1, 2, 3, 'op', NULL)",
            (ada, bytes(32)),
        )
    shown = "/v1/bills/2026-00000001"
    for who, path in (
        ("ada", ADAS), ("operator", ADAS), ("operator", shown), ("operator", f"{shown}.pdf"),
    ):  # fmt: skip
        answer = await house.ask("GET", path, who)
        assert answer.json()["type"] == "urn:meterseal:problem:erased"
    issue = {"supply": house.homes["ada"].supply, "from": MAY}
    for path, body in (
        ("/v1/bills", issue),
        (f"{shown}/correction", {"note": "as I like"}),
    ):
        answer = await house.ask("POST", path, "operator", json=body)
        assert answer.json()["type"] == "urn:meterseal:problem:erased"
    wish = {"language": "en", "addresses": []}
    answer = await house.ask(
        "PUT", f"/v1/members/{ada}/notice-preferences", "operator", json=wish
    )
    assert answer.json()["type"] == "urn:meterseal:problem:erased"
    path = "/v1/restricted-bills/2026-00000001"
    assert (await house.ask("GET", path, "operator")).status_code == 422
    kept = await house.ask("GET", f"{path}?reason=tax+audit", "operator")
    assert kept.status_code == 200
    assert (await house.ask("GET", f"{path}?reason=why", "ada")).status_code == 403
    ben = "/v1/restricted-bills/2026-00000002?reason=curious"
    assert (await house.ask("GET", ben, "operator")).status_code == 404
    acts = (await house.ask("GET", "/v1/acts?limit=100", "operator")).json()["items"]
    assert "bill 2026-00000001: tax audit" in {act["object"] for act in acts}


async def test_a_correction_and_its_credit_note_pass_too_with_the_edit_in_the_log(
    house: SealedHouse,
) -> None:
    home, database = house.homes["ada"], house.utility.database
    async with database.transaction() as tx:
        ((meter,),) = await tx.rows(
            "SELECT m.meter FROM registers r JOIN meters m ON m.id = r.meter_id"
            " WHERE r.id = ?",
            (home.registers[IMPORT],),
        )
        place = await place_of(tx, meter, IMPORT)
        wish = EditWish(
            place, MAY + 40 * STEP, MAY + 41 * STEP, 9, "a photo of it",
            "token:op", "key-1",
        )  # fmt: skip
        await edit(tx, GENESIS.network, wish, now=NOW)
    while await days.run_once(database, NOW + 10):
        pass
    while await affected.run_once(database, GENESIS.network, NOW + HOUR):
        pass
    await house.sequence()
    texts = {}
    for number in ("2026-00000003", "2026-00000004", "2026-00000001"):
        answer = await house.ask("GET", f"/v1/bills/{number}/evidence.zip", "ada")
        assert answer.status_code == 200, answer.text
        found = judged(answer.content)
        failed = {n: c for n, c in found.items() if c.verdict is Verdict.FAIL}
        assert not failed, (number, failed)
        texts[number] = found
    note, new = texts["2026-00000003"], texts["2026-00000004"]
    assert "takes back every line of 2026-00000001" in note["earlier"].text
    assert "1 as edited in the log" in new["usage"].text
    assert new["ledger"].verdict is new["earlier"].verdict is Verdict.PASS
