"""Who moves in sees nothing of who lived there before, over the whole API; nor the reverse.

Ada leaves a house in the middle of May, Ben comes the same day. Her usage is 250 Wh a slot
and his 252, so whatever tells of the one cannot be mistaken for the other.
"""

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import MemberId, Role
from meterseal_aggregator.intake.batch import Tally
from meterseal_aggregator.intake.port import Counters
from meterseal_aggregator.web.site import ROUTERS, Site, build
from meterseal_proto.rating.statement_json import read_statement
from tests.support.billinghouse import (
    CODE,
    DAY,
    JUNE,
    MAY,
    Home,
    Utility,
    a_utility,
    at,
)
from tests.support.enrolling import TERMS
from tests.support.marketplace import make_member

MOVED = at(2026, 5, 16)
NOW = JUNE + DAY
BEFORE_WH = 250
AFTER_WH = 252
STEP = 900


@dataclass
class House:
    """The API over a house that changed hands, with a token for everybody."""

    utility: Utility
    home: Home
    ben: int
    tokens: dict[str, str] = field(default_factory=dict)
    app: FastAPI | None = None

    async def ask(
        self, method: str, path: str, who: str, **rest: Any
    ) -> httpx2.Response:
        """Ask as somebody."""
        assert self.app is not None
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://127.0.0.1"
        ) as client:
            return await client.request(method, path, headers=headers, **rest)

    async def get(self, path: str, who: str) -> Any:
        """Ask for JSON that must be there."""
        answer = await self.ask("GET", path, who)
        assert answer.status_code == 200, (path, answer.text)
        return answer.json()

    @property
    def meter(self) -> str:
        """The only meter there is."""
        return (1).to_bytes(16).hex()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_utility(tmp_path) as utility:
        home = await utility.supply("Ada")
        async with utility.database.transaction() as tx:
            ben = await make_member(tx, "Ben")
            roles = {"ada": home.member, "ben": ben, "operator": None}
            opened = House(utility, home, ben)
            for name, member in roles.items():
                role = Role.OPERATOR if member is None else Role.MEMBER
                who = None if member is None else MemberId(member)
                token = identity.NewToken(role, "t", 0, NOW + 400 * DAY, who)
                opened.tokens[name] = await identity.make_token(tx, token)
        await utility.use(home, MAY, MOVED, BEFORE_WH)
        await utility.use(home, MOVED, JUNE, AFTER_WH)
        opened.app = build(
            Site(
                database=utility.database, terms=TERMS, now=lambda: NOW,
                real_now=lambda: NOW, uplink=Counters(), intake=Tally(), duties={},
            )
        )  # fmt: skip
        await _change_hands(opened)
        yield opened


async def _change_hands(house: House) -> None:
    path = f"/v1/meter-points/{house.home.point}/tenancies"
    left = await house.ask("POST", f"{path}/end", "operator", json={"at": MOVED})
    assert left.status_code == 200, left.text
    body = {"member": house.ben, "from_at": MOVED, "supplies": [{"tariff_code": CODE}]}
    came = await house.ask("POST", path, "operator", json=body)
    assert came.status_code == 201, came.text
    await house.utility.bill(now=NOW)


async def test_who_moves_out_gets_a_final_bill_and_who_moves_in_pays_from_then_on(
    house: House,
) -> None:
    bills = {
        who: (await house.get("/v1/me/bills", who))["items"] for who in ("ada", "ben")
    }
    statements = {}
    for who, begin, end, wh in (
        ("ada", MAY, MOVED, BEFORE_WH),
        ("ben", MOVED, JUNE, AFTER_WH),
    ):
        (bill,) = bills[who]
        answer = await house.ask("GET", f"/v1/bills/{bill['number']}.json", who)
        said = statements[who] = read_statement(answer.content)
        assert (said.begin, said.end) == (begin, end)
        (usage,) = said.usage
        assert usage.quantity == wh * (end - begin) // STEP
    assert statements["ada"].final
    assert not statements["ben"].final
    (supply,) = (await house.get("/v1/supplies", "ada"))["items"]
    assert supply["billed_to"] == supply["to_at"] == MOVED


@pytest.mark.parametrize(
    ("who", "other", "begin", "end", "wh"),
    [
        ("ben", "ada", MOVED, JUNE, AFTER_WH),
        ("ada", "ben", MAY, MOVED, BEFORE_WH),
    ],
)
async def test_each_sees_the_usage_of_his_own_time_alone(
    house: House, who: str, other: str, begin: int, end: int, wh: int
) -> None:
    span = f"from={MAY}&to={JUNE}"
    register = f"/v1/meters/{house.meter}/registers/1-0:1.8.0"
    seen = await house.get(f"{register}/usage?{span}", who)
    values = [value for part in seen["items"] for value in part["values"]]
    assert set(values) == {wh}
    assert len(values) == (end - begin) // STEP
    history = await house.get(f"{register}/usage-history?{span}&limit=100", who)
    starts = [one["start"] for one in history["items"]]
    assert starts
    assert all(begin <= start < end for start in starts)
    (own,) = (await house.get("/v1/me/bills", who))["items"]
    (others,) = (await house.get("/v1/me/bills", other))["items"]
    assert own["number"] != others["number"]
    for suffix in ("", ".json", ".pdf", ".html", ".csv", "/evidence.zip"):
        path = f"/v1/bills/{others['number']}{suffix}"
        assert (await house.ask("GET", path, who)).status_code in {403, 404}, path


async def test_no_route_tells_one_tenant_of_the_other(house: House) -> None:
    secrets = {
        who: await _secrets(house, other)
        for who, other in (("ada", "ben"), ("ben", "ada"))
    }
    asked = answered = 0
    for path in sorted(set(_paths(house))):
        for who in ("ada", "ben"):
            answer = await house.ask("GET", path, who)
            asked += 1
            if answer.status_code != 200:
                continue
            answered += 1
            for secret in secrets[who]:
                assert secret not in answer.text, (who, path, secret)
    assert asked > 150
    assert answered > 40


async def _secrets(house: House, of: str) -> set[str]:
    """What only `of` and the operator may know: his bill's number and amount, his usage."""
    (bill,) = (await house.get("/v1/me/bills", of))["items"]
    (supply,) = (await house.get("/v1/supplies", of))["items"]
    wh = BEFORE_WH if of == "ada" else AFTER_WH
    total = wh * (supply["billed_to"] - supply["from_at"]) // STEP
    member = house.home.member if of == "ada" else house.ben
    return {
        bill["number"], bill["hash"], str(bill["amount_micro"]), f"[{wh},", str(total),
        f'"member":{member},',
    }  # fmt: skip


def _paths(house: House) -> Iterator[str]:
    """Every GET of the API, its path filled with each thing of either tenant."""
    numbers: dict[str, list[int] | list[str]] = {
        "{member_id}": [house.home.member, house.ben],
        "{point_id}": [house.home.point],
        "{supply_id}": [1, 2],
        "{number}": ["2026-00000001", "2026-00000002"],
        "{meter}": [house.meter],
        "{register}": ["1-0:1.8.0"],
    }
    routes = [one for router in ROUTERS for one in router.routes]
    for route in routes:
        if not isinstance(route, APIRoute) or "GET" not in (route.methods or ()):
            continue
        if route.path == "/v1/me/events":
            continue
        filled = [route.path]
        for name, values in numbers.items():
            filled = [
                one.replace(name, str(value)) for one in filled for value in values
            ]
        for one in filled:
            yield _numbered(one)
            yield f"{_numbered(one)}?from={MAY}&to={JUNE}"


def _numbered(path: str) -> str:
    """Fill what names other things with the first of them."""
    return re.sub(r"\{[^}]*\}", "1", path)
