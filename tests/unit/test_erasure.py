"""Erasing a member takes what is personal out of the file, and breaks nobody else's proof."""

import re
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from meterseal_aggregator.disputes import audit as disputes_audit
from meterseal_aggregator.erasure import store
from meterseal_aggregator.erasure.duty import run_once
from meterseal_aggregator.erasure.erase import By, ask, confirm
from meterseal_aggregator.erasure.model import (
    CONFIRM_WITHIN_S,
    Cause,
    NotErased,
    Why,
)
from meterseal_aggregator.identity import check as wallets_check
from meterseal_aggregator.intake import check as intake_check
from meterseal_aggregator.ledger import check as ledger_check
from meterseal_aggregator.ledger.assets import declare
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.registry import check as registry_check
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog import fsck
from meterseal_aggregator.vee import audit as vee_audit
from meterseal_proto.claims import Expectation, Verdict
from meterseal_proto.seal import record_salt
from meterseal_proto.units import IMPORT, RegisterId, parse_obis
from meterseal_proto.verify import examine
from tests.support.enrolling import GENESIS, SLOT
from tests.support.webhouse import (
    EXPORT,
    LATER,
    MOVED,
    WebHouse,
    a_lived_in_house,
    do_every_duty,
    seal_import,
)

NAME = "Ada Lovelace-Quux"
MAIL = "ada.quux@post.example"
PRINCIPAL = "ST2CY5V39NHDPWSXMW9QDT3HC3GD6Q6XX4CFRK9AG"
SECRETS = (
    NAME, "Lovelace", "lovelace-quux", MAIL, PRINCIPAL, "the neighbour's dog ate it",
    "my phone", "her cellar key", "Analytical Engine",
)  # fmt: skip
BY = By("token:op", GENESIS.network, LATER, LATER)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_lived_in_house(tmp_path) as opened:
        async with opened.db.transaction() as tx:
            await personal(tx, opened.members["ada"], opened.registry.point)
        yield opened


async def personal(tx: Transaction, ada: int, point: int) -> None:
    """Leave traces of a member in every room that may hold some."""
    for statement, row in (*_told(ada, point), *_traces(ada, point)):
        await tx.many(statement, [row])


def _told(ada: int, point: int) -> list[tuple[str, tuple[Any, ...]]]:
    return [
        ("UPDATE members SET name = ? WHERE id = ?", (NAME, ada)),
        ("UPDATE meter_points SET name = ? WHERE id = ?", (f"house of {NAME}", point)),
        (
            "INSERT INTO notice_addresses VALUES (?, 'email', ?, x'', 'bill', ?)",
            (ada, MAIL, LATER),
        ),
        ("INSERT INTO notice_languages VALUES (?, 'en')", (ada,)),
        (
            (
                "INSERT INTO member_events (id, member_id, kind, body, at)"
                " VALUES (99, ?, 'hello', ?, ?)"
            ),
            (ada, '{"to": "Lovelace"}', LATER),
        ),
        (
            (
                "INSERT INTO notices (member_id, way, kind, about, event_id, made_at, state,"
                " next_at, ended_at, error) VALUES (?, 'email', 'hello', 'event 99', 99, ?,"
                " 'given-up', 0, ?, ?)"
            ),
            (ada, LATER, LATER, f"550 no such user {MAIL}"),
        ),
        (
            (
                "INSERT INTO tokens (digest, prefix, role, member_id, label, created_at,"
                " expires_at, revoked_at) VALUES (?, 'ms_abc', 'member', ?, ?, ?, ?, ?)"
            ),
            (bytes(32), ada, "my phone", LATER, LATER + 9, LATER + 1),
        ),
        (
            "INSERT INTO wallet_challenges VALUES (?, ?, ?, ?, ?, NULL)",
            (bytes(32), ada, PRINCIPAL, LATER, LATER + 900),
        ),
    ]


def _traces(ada: int, point: int) -> list[tuple[str, tuple[Any, ...]]]:
    return [
        (
            (
                "INSERT INTO meter_documents (meter_id, member_id, sha256, sent_at, verdict)"
                " VALUES (1, ?, ?, ?, 'unreadable')"
            ),
            (ada, b"Analytical Engine".ljust(32), LATER),
        ),
        (
            (
                "INSERT INTO certification_applications (id, member_id, meter_point_id,"
                " capacity_w, monthly_production_wh, source, fee_micro, request_key,"
                " applied_at) VALUES (90, ?, ?, 5, 5, 'solar', 0, 'k', ?)"
            ),
            (ada, point, LATER),
        ),
        (
            (
                "INSERT INTO certification_acts (application_id, number, act, actor, reason,"
                " at) VALUES (90, 1, 'apply', 'm', NULL, ?)"
            ),
            (LATER,),
        ),
        (
            (
                "INSERT INTO certification_acts (application_id, number, act, actor, reason,"
                " at) VALUES (90, 2, 'refuse', 'op', 'her cellar key is missing', ?)"
            ),
            (LATER,),
        ),
        (
            (
                "INSERT INTO vee_values (register_id, start, length, delta, quality, source,"
                " method, reason, author, known_at) SELECT id, ?, 900, 5, 8, 'estimate', '',"
                " 'the neighbour''s dog ate it', 'op', ? FROM registers WHERE register = ?"
            ),
            (SLOT, LATER, parse_obis(EXPORT)),
        ),
    ]


async def erase(house: WebHouse, who: str = "ada") -> None:
    member = house.members[who]
    async with house.db.transaction() as tx:
        _, code = await ask(tx, member, Why.ASKED, BY)
    async with house.db.transaction() as tx:
        await confirm(tx, member, code, BY)


async def follow(house: WebHouse) -> int:
    return await run_once(house.db, GENESIS.network, LATER, LATER)


async def scrub(house: WebHouse) -> None:
    assert await follow(house) == 1
    assert await follow(house) == 0


def everything(house: WebHouse) -> bytes:
    """Return every byte of the database, its log, and whatever lies beside it."""
    files = [path for path in sorted(house.folder.rglob("*")) if path.is_file()]
    assert any(path.name.endswith("-wal") for path in files)
    return b"\x00".join(path.read_bytes() for path in files)


def salts(house: WebHouse, begin: int, end: int) -> list[bytes]:
    register = RegisterId(parse_obis(EXPORT))
    return [
        record_salt(bytes(32), register, start, 900, 0)
        for start in range(begin, end, 900)
    ]


def leftovers(house: WebHouse) -> set[str]:
    """Return which of the member's secrets are found anywhere, in any letters' case."""
    whole = everything(house)
    low = whole.lower()
    found = {one for one in SECRETS if one.lower().encode() in low}
    wide = {one for one in SECRETS if one.encode("utf-16-le") in whole}
    told = {salt.hex() for salt in salts(house, SLOT, MOVED) if salt in whole}
    spelled = {s.hex() for s in salts(house, SLOT, MOVED) if s.hex().encode() in low}
    return found | wide | told | spelled


async def test_nothing_of_the_member_is_left_in_the_file_its_log_or_beside_it(
    house: WebHouse,
) -> None:
    before = leftovers(house)
    assert before >= set(SECRETS), "what finds nothing must be shown to find something"
    assert len(before) == len(SECRETS) + len(salts(house, SLOT, MOVED))
    await erase(house)
    await scrub(house)
    assert leftovers(house) == set()
    assert all(salt in everything(house) for salt in salts(house, MOVED, MOVED + 3_600))


async def test_every_other_proof_still_verifies_and_every_audit_is_green(
    house: WebHouse,
) -> None:
    await erase(house)
    await scrub(house)
    await do_every_duty(house)
    cleos = [
        await house.ask("GET", f"/v1/seals/{n}/bundle", "cleo") for n in house.seals
    ]
    codes = [answer.status_code for answer in cleos]
    assert codes == [403] * 4 + [200] * 4
    for answer in cleos[4:]:
        claims = examine(answer.content, Expectation(network=GENESIS.network.hex()))
        assert Verdict.FAIL not in {claim.verdict for claim in claims}
    async with house.db.reading() as tx:
        found = [
            *await intake_check.findings(tx, GENESIS),
            *await ledger_check.findings(tx),
            *await registry_check.findings(tx),
            *await vee_audit.findings(tx),
            *await wallets_check.findings(tx, GENESIS),
            *await disputes_audit.findings(tx),
        ]
        report = await fsck.check(tx, GENESIS.log_key)
    assert [one.detail for one in found if not one.ok] == []
    assert report.difference is None


async def test_what_a_device_tells_late_of_his_time_goes_too(house: WebHouse) -> None:
    await erase(house)
    await scrub(house)
    await seal_import(house, 6)
    told = [record_salt(bytes(32), IMPORT, SLOT + n * 900, 900, 0) for n in range(6)]
    assert all(salt in everything(house) for salt in told)
    await scrub(house)
    assert [salt in everything(house) for salt in told] == [False] * 4 + [True] * 2
    await do_every_duty(house)
    assert await follow(house) == 0


async def test_what_is_told_of_a_successors_time_rewrites_nothing(
    house: WebHouse,
) -> None:
    await erase(house)
    await seal_import(house, 4)
    await scrub(house)
    await seal_import(house, 2)
    async with house.db.reading() as tx:
        assert (await tx.rows("SELECT seals_to FROM erasure_marks")) != [await last(tx)]
    assert await follow(house) == 0
    async with house.db.reading() as tx:
        assert (await tx.rows("SELECT seals_to FROM erasure_marks")) == [await last(tx)]


async def last(tx: Transaction) -> tuple[int]:
    ((found,),) = await tx.rows("SELECT max(id) FROM seals")
    return (found,)


async def test_a_late_look_begins_where_the_last_one_ended(house: WebHouse) -> None:
    await erase(house)
    await scrub(house)
    assert await follow(house) == 0
    with pytest.raises(sqlite3.IntegrityError, match="goes on from the last"):
        async with house.db.transaction() as tx:
            await tx.rows("UPDATE erasure_marks SET seals_to = 0")


async def test_the_erased_seals_prove_only_that_something_was_sealed(
    house: WebHouse,
) -> None:
    await erase(house)
    answer = await house.ask("GET", f"/v1/seals/{house.seals[0]}/bundle", "operator")
    assert answer.status_code == 404
    assert "erased" in answer.text


async def test_his_token_ends_and_the_trail_names_a_number(house: WebHouse) -> None:
    assert (await house.ask("GET", "/v1/me/disputes", "ada")).status_code == 200
    await erase(house)
    assert (await house.ask("GET", "/v1/me/disputes", "ada")).status_code == 401
    ada = house.members["ada"]
    trail = await house.get("/v1/acts?limit=1000", "operator")
    acts = {(act["act"], act["object"]) for act in trail["items"]}
    assert {("ask-erasure", f"member {ada}"), ("erase", f"member {ada}")} <= acts
    member = await house.get(f"/v1/members/{ada}", "operator")
    assert member["name"] == f"erased {ada}"


async def test_who_still_lives_there_is_told_what_to_do_first(house: WebHouse) -> None:
    with pytest.raises(NotErased) as caught:
        await erase(house, "cleo")
    assert caught.value.cause is Cause.NOT_FREE
    assert "move out" in caught.value.detail


async def test_who_is_owed_something_is_told_so(house: WebHouse) -> None:
    async with house.db.transaction() as tx:
        await declare(tx, Asset("XTS"), now=LATER)
    body = {
        "account": house.members["ada"], "direction": "in", "amount_micro": 5, "way": "cash",
        "reference": "R-1",
    }  # fmt: skip
    paid = await house.ask(
        "POST", "/v1/payments", "operator", json=body, headers={"Idempotency-Key": "k"}
    )
    assert paid.status_code in (200, 201), paid.text
    shown = await house.get(f"/v1/members/{house.members['ada']}/erasure", "operator")
    assert any("holds 5 micro-units" in one for one in shown["obstacles"])


async def test_a_code_is_good_for_its_member_once_and_for_a_quarter_of_an_hour(
    house: WebHouse,
) -> None:
    ada, bo = house.members["ada"], house.members["bo"]
    late = By("op", GENESIS.network, LATER, LATER + CONFIRM_WITHIN_S)
    async with house.db.transaction() as tx:
        _, code = await ask(tx, ada, Why.ASKED, BY)
        for member, given, by in (
            (ada, "other", BY),
            (bo, code, BY),
            (ada, code, late),
        ):
            with pytest.raises(NotErased) as caught:
                await confirm(tx, member, given, by)
            assert caught.value.cause is Cause.CODE
        await confirm(tx, ada, code, BY)
        with pytest.raises(NotErased):
            await confirm(tx, ada, code, BY)
        with pytest.raises(NotErased) as caught:
            await ask(tx, ada, Why.ASKED, BY)
    assert caught.value.cause is Cause.DONE


async def test_an_operator_erases_over_the_api_in_two_steps(house: WebHouse) -> None:
    path = f"/v1/members/{house.members['ada']}/erasure"
    for who in ("bo", "auditor", "ada"):
        assert (await house.post(path, who, {"why": "asked"})).status_code == 403
    asked = await house.post(path, "operator", {"why": "asked"})
    assert asked.status_code == 201, asked.text
    done = await house.post(
        f"{path}/confirmation", "operator", {"code": asked.json()["code"]}
    )
    assert done.status_code == 200, done.text
    assert done.json()["done_at"] == LATER
    again = await house.post(path, "operator", {"why": "asked"})
    assert (again.status_code, again.json()["type"]) == (
        409,
        "urn:meterseal:problem:erased",
    )


async def test_nobody_but_the_erasing_transaction_takes_texts_out_of_what_never_changes(
    house: WebHouse,
) -> None:
    for statement in (
        "UPDATE vee_values SET reason = ''",
        "UPDATE certification_acts SET reason = 'x' WHERE reason IS NOT NULL",
        "UPDATE tokens SET label = 'x' WHERE revoked_at IS NOT NULL",
        "UPDATE quarantine SET payload = x''",
    ):
        with pytest.raises(sqlite3.IntegrityError, match=re.compile("never|only")):
            async with house.db.transaction() as tx:
                await tx.rows(statement)


async def test_what_is_erased_is_done_or_not_at_all(house: WebHouse) -> None:
    with pytest.raises(ZeroDivisionError):
        async with house.db.transaction() as tx:
            _, code = await ask(tx, house.members["ada"], Why.ASKED, BY)
            await confirm(tx, house.members["ada"], code, BY)
            raise ZeroDivisionError
    async with house.db.reading() as tx:
        assert await store.erasure(tx, house.members["ada"]) is None
        rows = await tx.rows("SELECT count(*) FROM erasing")
    assert rows == [(0,)]
    assert leftovers(house) >= set(SECRETS)
