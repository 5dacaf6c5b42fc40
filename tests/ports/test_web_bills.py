"""Bills through the API: whose they are, what is shown of them, and what an operator may ask."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from meterseal_aggregator.billing.statements.audit import findings
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import MemberId, Role
from meterseal_aggregator.intake.batch import Tally
from meterseal_aggregator.intake.port import Counters
from meterseal_aggregator.web.site import Site, build
from meterseal_proto.rating.statement import statement_hash
from meterseal_proto.rating.statement_json import read_statement
from tests.support.billinghouse import (
    DAY,
    HOUR,
    JUNE,
    MAY,
    Home,
    Utility,
    a_utility,
    at,
)
from tests.support.enrolling import TERMS

Json = Any  # an answer's body
NOW = JUNE + 6 * HOUR


@dataclass
class Office:
    """The API over a utility that billed Ada and Ben for May, at a time of its own."""

    utility: Utility
    homes: dict[str, Home] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    now: int = NOW
    app: FastAPI | None = None

    async def ask(
        self, method: str, path: str, who: str, **rest: Json
    ) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        assert self.app is not None
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://127.0.0.1"
        ) as client:
            return await client.request(method, path, headers=headers, **rest)

    async def get(self, path: str, who: str) -> Json:
        answer = await self.ask("GET", path, who)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with a_utility(tmp_path) as utility:
        opened = Office(utility)
        for name in ("ada", "ben"):
            home = await utility.supply(name)
            await utility.use(home, MAY, JUNE)
            opened.homes[name] = home
        async with utility.database.transaction() as tx:
            new = identity.NewToken(Role.OPERATOR, "test", 0, NOW + 400 * DAY)
            opened.tokens["operator"] = await identity.make_token(tx, new)
            for name, home in opened.homes.items():
                who = MemberId(home.member)
                token = identity.NewToken(Role.MEMBER, "t", 0, NOW + 400 * DAY, who)
                opened.tokens[name] = await identity.make_token(tx, token)
        site = Site(
            database=utility.database,
            terms=TERMS,
            now=lambda: opened.now,
            real_now=lambda: opened.now,
            uplink=Counters(),
            intake=Tally(),
            duties={},
        )
        opened.app = build(site)
        yield opened


async def _issue(office: Office, name: str = "ada") -> Json:
    body = {"supply": office.homes[name].supply, "from": MAY}
    answer = await office.ask("POST", "/v1/bills", "operator", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_an_operator_issues_a_bill_once_however_often_he_asks(
    office: Office,
) -> None:
    first = await _issue(office)
    assert await _issue(office) == first
    assert first["number"] == "2026-00000001"
    assert first["standing"]["outstanding_micro"] == first["amount_micro"] > 0
    assert [one["act"] for one in first["acts"]] == ["issued"]
    page = await office.get("/v1/bills", "operator")
    assert [one["number"] for one in page["items"]] == ["2026-00000001"]


async def test_the_statements_bytes_have_the_hash_in_the_log(office: Office) -> None:
    made = await _issue(office)
    answer = await office.ask("GET", "/v1/bills/2026-00000001.json", "ada")
    assert answer.status_code == 200
    salt = bytes.fromhex(made["salt"])
    assert statement_hash(salt, answer.content).hex() == made["hash"]
    assert read_statement(answer.content).number == made["number"]


async def test_a_member_sees_his_own_bills_and_nobody_elses(office: Office) -> None:
    await _issue(office, "ada")
    await _issue(office, "ben")
    own = await office.get("/v1/me/bills", "ada")
    assert [one["member"] for one in own["items"]] == [office.homes["ada"].member]
    for path in (
        "/v1/bills/2026-00000002",
        "/v1/bills/2026-00000002.pdf",
        "/v1/bills/2026-00000002.json",
    ):
        assert (await office.ask("GET", path, "ada")).status_code == 404
    assert (await office.ask("GET", "/v1/bills", "ada")).status_code == 403
    other = f"/v1/supplies/{office.homes['ben'].supply}/preview"
    assert (await office.ask("GET", other, "ada")).status_code == 404
    assert (
        await office.ask("GET", "/v1/bills/2026-00000009", "ada")
    ).status_code == 404


@pytest.mark.parametrize(
    ("suffix", "media", "begins"),
    [
        ("pdf", "application/pdf", b"%PDF-"),
        ("html", "text/html", b"<!"),
        ("csv", "text/csv", b""),
        ("xml", "application/atom+xml", b"<?xml"),
        ("txt", "text/plain", b""),
        ("beancount", "text/x-beancount", b"; Bills"),
    ],
)
async def test_a_bill_is_a_file_of_the_same_bytes_each_time(
    office: Office, suffix: str, media: str, begins: bytes
) -> None:
    await _issue(office)
    path = f"/v1/bills/2026-00000001.{suffix}"
    answer = await office.ask("GET", path, "ada")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith(media)
    assert answer.content.startswith(begins)
    assert (await office.ask("GET", path, "ada")).content == answer.content


async def test_a_preview_writes_nothing_and_goes_to_the_last_midnight_that_is_final(
    office: Office,
) -> None:
    home = office.homes["ada"]
    path = f"/v1/supplies/{home.supply}/preview"
    office.now = at(2026, 5, 11, 6)
    shown = await office.get(path, "ada")
    assert (shown["begin"], shown["end"]) == (MAY, at(2026, 5, 11))
    office.now = NOW
    whole = await office.get(path, "ada")
    assert (whole["end"], whole["amount_micro"]) == (
        JUNE, (await _issue(office))["amount_micro"],
    )  # fmt: skip
    async with office.utility.database.reading() as tx:
        assert all(one.ok for one in await findings(tx))


async def test_a_bill_is_not_issued_before_its_cycle_is_over(office: Office) -> None:
    office.now = JUNE - 1
    body = {"supply": office.homes["ada"].supply, "from": MAY}
    answer = await office.ask("POST", "/v1/bills", "operator", json=body)
    assert (answer.status_code, answer.json()["type"]) == (
        409, "urn:meterseal:problem:not-due",
    )  # fmt: skip
    body["from"] = MAY + 1
    answer = await office.ask("POST", "/v1/bills", "operator", json=body)
    assert answer.json()["type"] == "urn:meterseal:problem:billed-already"
    answer = await office.ask("POST", "/v1/bills", "ada", json=body)
    assert answer.status_code == 403


async def test_a_correction_answers_the_bill_in_place_of_the_old_one(
    office: Office,
) -> None:
    old = await _issue(office)
    tenth = at(2026, 5, 10)
    await office.utility.use(
        office.homes["ada"], tenth, tenth + DAY, 9_999, known_at=NOW + HOUR
    )
    office.now = NOW + DAY
    path = f"/v1/bills/{old['number']}/correction"
    answer = await office.ask("POST", path, "operator", json={"note": "read on site"})
    assert answer.status_code == 201, answer.text
    new = answer.json()
    assert (new["number"], new["replaces"]) == ("2026-00000003", old["number"])
    taken = await office.get(f"/v1/bills/{old['number']}", "ada")
    assert taken["standing"]["state"] == "corrected"
    assert taken["acts"][-1]["note"] == "read on site"
    credit = await office.get("/v1/bills/2026-00000002", "ada")
    assert (credit["kind"], credit["corrects"], credit["amount_micro"]) == (
        "credit-note", old["number"], -old["amount_micro"],
    )  # fmt: skip
    again = await office.ask("POST", path, "operator", json={"note": "again"})
    assert (again.status_code, again.json()["type"]) == (
        409, "urn:meterseal:problem:state",
    )  # fmt: skip


async def test_operators_see_which_supplies_wait_and_why(office: Office) -> None:
    late = await office.utility.supply("cleo")
    await office.utility.bill(now=NOW)
    page = await office.get("/v1/bill-waits", "operator")
    ((supply, cause),) = ((one["supply"], one["cause"]) for one in page["items"])
    assert (supply, cause) == (late.supply, "usage-incomplete")
    assert (await office.ask("GET", "/v1/bill-waits", "ada")).status_code == 403
