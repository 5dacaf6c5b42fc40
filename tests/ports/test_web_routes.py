"""The API's routes, all of them: who reads and who changes what, by his role."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from meterseal_aggregator.web.site import OPEN
from tests.support.enrolling import SLOT
from tests.support.readable import (
    A_REGISTER,
    ENDLESS,
    NOT_THERE,
    OF_MEMBERS,
    OF_ONESELF,
    OF_TRADERS,
    READABLE,
)
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


def _routes(routes: list[BaseRoute]) -> list[tuple[str, str]]:
    """Return every method and path of the app, also of nested routers."""
    found = []
    for route in routes:
        inner = getattr(route, "routes", None)
        if inner:
            found += _routes(list(inner))
        path = getattr(route, "path", None)
        for method in getattr(route, "methods", None) or ():
            assert isinstance(path, str)
            found.append((method, path))
    return sorted(set(found))


def _openapi_routes(house: WebHouse) -> list[tuple[str, str]]:
    paths = house.app.openapi()["paths"]
    return [(m.upper(), path) for path, item in paths.items() for m in item]


SOUGHT = "from=0&to=900&wh=1&price_micro_per_kwh=1000"
"""What discovery must be told."""


def _filled(house: WebHouse, path: str) -> str:
    """Fill a path with Ada's things."""
    values = {
        "{member_id}": str(house.members["ada"]),
        "{point_id}": str(house.registry.point),
        "{token_id}": "1",
        "{wallet_id}": "1",
        "{withdrawal_id}": "1",
        "{offer_id}": "1",
        "{order_id}": "1",
        "{start}": "1",
        "/v1/offers/best": f"/v1/offers/best?{SOUGHT}",
        "/v1/figures/billing": "/v1/figures/billing?month=2026-09",
        "/v1/full-tariff-templates": "/v1/full-tariff-templates?valid_from=1",
        "/v1/urdb-imports": "/v1/urdb-imports?code=x&valid_from=1",
        "/v1/green-button-imports": f"/v1/green-button-imports?meter={'00' * 16}",
        "/v1/restricted-bills/{number}": "/v1/restricted-bills/1?reason=audit",
        "{dispute_id}": "1",
        "{number}": "2026-00000001",
        "{application_id}": "1",
        "{certifier_id}": "1",
        "{function}": "energy-token.retire",
        "{evidence_id}": "1",
        "{suffix}": "csv",
        "{bill_id}": "1",
        "{supply_id}": "1",
        "{notice_id}": "1",
        "{code}": "residential",
        "{cell}": "street",
        "{digest}": "00" * 32,
        "{day}": "20000",
        "{meter}": house.meter,
        "{agent}": "home-1",
        "{register}": EXPORT,
        "{seal_id}": str(house.seals[0]),
        "{seq}": "1",
        "{netting_id}": "1",
        "{trade_id}": "1",
        "{name}": "market_fee_micro",
        "{path:path}": "0/000.p/1",
        "{path}": "0/000.p/1",
    }
    for name, value in values.items():
        path = path.replace(name, value)
    assert "{" not in path, path
    return path


async def test_every_route_but_the_open_ones_wants_a_token(house: WebHouse) -> None:
    census = _routes(house.app.routes) or []
    census += [r for r in _openapi_routes(house) if r not in census]
    asked = 0
    for method, path in census:
        plain = path.replace("{path}", "{path:path}")
        if plain in OPEN:
            continue
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "x"}):
            answer = await house.ask(method, _filled(house, path), headers=headers)
            assert answer.status_code in {401, 405}, (method, path, pretty(answer))
            asked += answer.status_code == 401
    assert asked >= 3 * 20


async def test_the_open_list_names_only_routes_that_exist(house: WebHouse) -> None:
    paths = {
        path.replace("{path}", "{path:path}") for _, path in _openapi_routes(house)
    }
    assert paths | {"/v1/openapi.json"} >= OPEN


@pytest.mark.parametrize("who", READABLE)
async def test_a_role_reads_its_own_and_nothing_else(house: WebHouse, who: str) -> None:
    allowed = READABLE[who]
    for method, path in _openapi_routes(house):
        if path.replace("{path}", "{path:path}") in OPEN:
            continue
        if who == "operator" and (method != "GET" or path in OF_MEMBERS):
            continue
        if path == ENDLESS and path in allowed:
            continue
        body: dict[str, object] | None = {} if method == "POST" else None
        answer = await house.ask(method, _filled(house, path), who, json=body)
        if method == "GET" and path in NOT_THERE and answer.status_code == 404:
            # Ada's register is open, and of electricity; who may not ask is not told that.
            assert allowed == "*" or path in allowed
        elif method == "GET" and (allowed == "*" or path in allowed):
            assert answer.status_code == 200, (path, pretty(answer))
        elif method == "GET":
            assert answer.status_code == 403, (path, pretty(answer))
        else:
            # Of his own a member may ask, though he has none.
            of_his_own = path.startswith(OF_ONESELF) or path in OF_TRADERS
            refused = {403, 422, 404} if of_his_own else {403, 422}
            assert answer.status_code in refused, (method, path, pretty(answer))


OF_OPERATORS: dict[str, object] = {
    "/v1/members": {"name": "Eve"},
    "/v1/meter-points": {"name": "Home 9"},
    "/v1/meter-points/{point_id}/tenancies": {"member": 1, "from_at": 1},
    "/v1/meter-points/{point_id}/tenancies/end": {"at": MOVED + 900},
    "/v1/meter-points/{point_id}/certifications": {"capacity_w": 1, "from_at": 1},
    "/v1/meter-points/{point_id}/certifications/end": {"at": MOVED + 900},
    "/v1/meter-points/{point_id}/codes": {"agent": "eve", "capacity_w": 1},
    "/v1/certifiers": {"member": 1, "level": 3},
    "/v1/parameters/{name}": {"value": 0},
    "/v1/certifications/{application_id}/approve": {},
    "/v1/certifications/{application_id}/refuse": {"reason": "mine"},
    "/v1/certifications/{application_id}/revoke": {"reason": "mine"},
    "/v1/meters/{meter}/revocation": {},
    "/v1/meters/{meter}/removal": {"at": MOVED + 900},
    "/v1/tokens": {"role": "operator", "label": "mine"},
    "/v1/tariffs": {"document": "{}"},
    "/v1/cells": {
        "cell": "street",
        "quarter": "2026-Q4",
        "register": EXPORT,
        "meters": ["00" * 16],
    },
    "/v1/cells/{cell}/days/{day}/set": {},
    "/v1/cells/{cell}/days/{day}/total": {
        "answers": [
            {
                "trustee": 0,
                "sums": {"1": {"value": "00" * 32, "blinding": "00" * 32}},
            }
        ]
    },
    "/v1/meters/{meter}/telemetry/backfill": {"begin": SLOT, "end": MOVED},
    f"{A_REGISTER}/bill-requests": {"begin": 0, "end": SLOT, "tariff": "00" * 32},
    f"{A_REGISTER}/edits": {"from": 0, "to": 900, "delta": 1, "reason": "mine"},
    f"{A_REGISTER}/estimates": {"from": 0, "to": 900, "reason": "mine"},
    "/v1/nem12-imports": {},
    "/v1/green-button-imports": {},
    "/v1/sibling-registers": {
        "meter": "00" * 16,
        "register": EXPORT,
        "other_meter": "11" * 16,
        "other_register": EXPORT,
        "kind": "check",
    },
    "/v1/supply-imports": {},
    "/v1/full-tariffs": {},
    "/v1/full-tariff-templates": {},
    "/v1/urdb-imports": {},
    "/v1/full-tariffs/{code}/end": {"at": MOVED},
    "/v1/supplies": {
        "member": 1,
        "meter_point": 1,
        "tariff_code": "x",
        "from_at": MOVED,
    },
    "/v1/supplies/{supply_id}/end": {"at": MOVED},
    "/v1/supplies/{supply_id}/change": {"at": MOVED, "tariff_code": "x"},
    "/v1/notices/{notice_id}/retry": {},
    "/v1/quotes": {
        "asset": "XTS",
        "bill_asset": "KES",
        "rate_micro": 1,
        "expires_at": 1,
    },
    "/v1/instalment-plans": {
        "member": 1,
        "dates": [{"due_at": 1, "amount_micro": 1}],
    },
    "/v1/paygo-devices": {
        "member": 1,
        "serial": "S",
        "key": "00" * 16,
        "day_price_micro": 1,
    },
    "/v1/paygo-tokens": {"device": 1, "payment": 1},
    "/v1/bills": {"supply": 1, "from": 0},
    "/v1/bills/{number}/correction": {"note": "mine"},
    "/v1/bills/{number}/quotes": {"asset": "USDX", "price_micro": 1, "until": 1},
    "/v1/disputes/{dispute_id}/decision": {"verdict": "rejected", "reason": "mine"},
    "/v1/members/{member_id}/erasure": {"why": "asked"},
    "/v1/members/{member_id}/erasure/confirmation": {"code": "mine"},
    "/v1/payments": {
        "account": 1,
        "direction": "in",
        "amount_micro": 1,
        "way": "cash",
        "reference": "mine",
    },
}
"""What only operators post, each with a body that is whole."""


async def test_nobody_but_the_operator_changes_anything(house: WebHouse) -> None:
    posts = {path for method, path in _openapi_routes(house) if method == "POST"}
    own = {path for path in posts if path.startswith(OF_ONESELF)}
    assert posts - OPEN - own - OF_TRADERS == OF_OPERATORS.keys()
    headers = {"Idempotency-Key": "mine"}
    for path, body in OF_OPERATORS.items():
        for who in ("ada", "bo", "cleo", "auditor", "metrics"):
            answer = await house.ask(
                "POST", _filled(house, path), who, json=body, headers=headers
            )
            assert answer.status_code == 403, (who, path, pretty(answer))
    for who in ("ada", "auditor", "metrics"):
        gone = await house.ask("DELETE", "/v1/tokens/1", who)
        assert gone.status_code == 403


async def test_every_route_is_in_the_openapi(house: WebHouse) -> None:
    document = (await house.ask("GET", "/v1/openapi.json")).json()
    routes = [r for r in house.app.routes if isinstance(r, APIRoute)]
    assert all(route.path.replace(":path", "") in document["paths"] for route in routes)
    assert len(document["paths"]) >= 25
