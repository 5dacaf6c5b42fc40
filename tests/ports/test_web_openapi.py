"""The API's own document: every operation says what it does, takes and refuses, and truly so."""

import inspect
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter

from meterseal_aggregator.web.site import OPEN, ROUTERS
from tests.support.traders import prepare
from tests.support.webhouse import WebHouse, a_house, pretty

SIGNED_BODIES = frozenset(
    {"/v1/enrolments", "/v1/rotations", "/v1/private-bills", "/v1/histories"}
)
"""A device signs these: an example by hand would be none, and proto/vectors has real ones."""
KEYED = frozenset(
    {
        "/v1/auction-orders", "/v1/listings/purchases", "/v1/listings/refunds",
        "/v1/me/certifications", "/v1/me/deposits", "/v1/me/disputes", "/v1/me/listing",
        "/v1/me/listing/removal", "/v1/me/stake", "/v1/me/stake/release",
        "/v1/me/withdrawals", "/v1/offers", "/v1/orders", "/v1/payments",
        "/v1/orders/{order_id}/cancellation", "/v1/me/bill-payments", "/v1/quotes",
        "/v1/instalment-plans",
        "/v1/meters/{meter}/registers/{register}/edits",
    }
)  # fmt: skip
"""Posts that would be done twice if they came twice."""
OF_OPERATORS = frozenset({"/v1/payments", "/v1/quotes", "/v1/instalment-plans"})
"""Such posts by operators: a key is asked of who may."""
ROUTES = [
    route
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
]
BODIES = [route for route in ROUTES if route.body_field is not None]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_house(tmp_path) as opened:
        async with opened.db.transaction() as tx:
            await prepare(tx, opened)
        yield opened


def _name(route: APIRoute) -> str:
    return f"{'+'.join(sorted(route.methods or ()))} {route.path}"


def _model(route: APIRoute) -> type[BaseModel]:
    field = route.body_field
    assert field is not None
    model = field.field_info.annotation
    assert inspect.isclass(model)
    assert issubclass(model, BaseModel)
    return model


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield f"{method.upper()} {path}", operation


async def test_every_operation_says_what_it_does_in_a_sentence_of_its_own(
    house: WebHouse,
) -> None:
    said: dict[str, list[str]] = {}
    for name, operation in _operations(house.app.openapi()):
        sentence = operation["description"].splitlines()[0]
        assert sentence.endswith((".", ":")), name
        assert operation["summary"] == sentence[:-1], name
        said.setdefault(sentence, []).append(name)
        assert operation["tags"], name
    assert {s: names for s, names in said.items() if len(names) > 1} == {}


async def test_every_operation_refuses_by_problem_documents_and_nothing_else(
    house: WebHouse,
) -> None:
    document = (await house.ask("GET", "/v1/openapi.json")).json()
    problem = {"$ref": "#/components/schemas/Problem"}
    for name, operation in _operations(document):
        refusals = {
            status: answer["content"]
            for status, answer in operation["responses"].items()
            if status[0] in "45"
        }
        assert refusals.keys() >= {"4XX", "5XX"}, name
        for content in refusals.values():
            assert content == {"application/problem+json": {"schema": problem}}, name
    schema = document["components"]["schemas"]["Problem"]
    assert "HTTPValidationError" not in document["components"]["schemas"]
    answer = await house.ask("POST", "/v1/members", "operator", json={"name": 1})
    assert answer.headers["content-type"] == "application/problem+json"
    given = answer.json()
    assert given.keys() <= schema["properties"].keys()
    assert given.keys() >= set(schema["required"])
    assert re.fullmatch(schema["properties"]["type"]["pattern"], given["type"])
    assert set(given["faults"][0]) == {"where", "what"}


@pytest.mark.parametrize(
    "route", [one for one in BODIES if one.path not in SIGNED_BODIES], ids=_name
)
def test_every_body_has_an_example_that_it_would_take(route: APIRoute) -> None:
    model = _model(route)
    schema = model.model_json_schema()
    # As it would come: JSON, and read as strictly as the route reads it.
    taken = model.model_validate_json(json.dumps(schema["example"]))
    unknown = set(schema["example"]) - set(schema["properties"])
    assert taken is not None
    assert not unknown


VIEWS = {
    found.__name__: found
    for route in ROUTES
    for found in [route.response_model]
    if inspect.isclass(found) and issubclass(found, BaseModel)
}


@pytest.mark.parametrize("name", sorted(VIEWS))
def test_an_example_of_an_answer_is_one(name: str) -> None:
    view = VIEWS[name]
    adapter = TypeAdapter(view)
    example = adapter.json_schema(mode="serialization").get("example")
    if example is None:
        return
    fields = {
        one.serialization_alias or field: field
        for field, one in view.model_fields.items()
    }
    by_name = {fields[key]: value for key, value in example.items()}
    assert adapter.validate_python(by_name, by_name=True, by_alias=True) is not None


def test_the_list_of_keyed_posts_is_what_the_routes_say() -> None:
    keyed = {
        route.path
        for route in ROUTES
        if any(
            header.alias == "Idempotency-Key" and header.field_info.is_required()
            for header in route.dependant.header_params
        )
    }
    assert keyed == KEYED


async def test_a_post_that_would_be_done_twice_wants_a_key(house: WebHouse) -> None:
    asked = 0
    for route in ROUTES:
        if route.path not in KEYED or "POST" not in (route.methods or ()):
            continue
        who = "operator" if route.path in OF_OPERATORS else "bo"
        path = route.path.replace("{meter}", "00" * 16)
        path = re.sub(r"\{\w+\}", "1", path.replace("{register}", "1-0:1.8.0"))
        body = None
        if route.body_field is not None:
            body = _model(route).model_json_schema()["example"]
        for headers in ({}, {"Idempotency-Key": ""}, {"Idempotency-Key": "a b"}):
            answer = await house.ask("POST", path, who, json=body, headers=headers)
            assert answer.status_code == 422, (path, pretty(answer))
            (fault,) = answer.json()["faults"]
            assert fault["where"] == "header.Idempotency-Key", path
            asked += 1
    assert asked == 3 * len(KEYED)


async def test_lists_are_pages_of_one_shape(house: WebHouse) -> None:
    """A list that may grow has items, the next cursor, and a limit that is held to."""
    document = house.app.openapi()
    schemas = document["components"]["schemas"]
    pages = {name for name in schemas if name.startswith("Page_")}
    assert len(pages) >= 15
    for name in pages:
        assert set(schemas[name]["properties"]) == {"items", "next"}, name
    for name, operation in _operations(document):
        content = operation["responses"].get("200", {}).get("content", {})
        schema = content.get("application/json", {}).get("schema", {})
        if schema.get("$ref", "").rpartition("/")[2] not in pages:
            continue
        given = {one["name"]: one["schema"] for one in operation["parameters"]}
        assert given["limit"]["minimum"] == 1, name
        assert 1 <= given["limit"]["maximum"] <= 1_000, name
        assert given.keys() & {"after", "from"}, name


def test_only_what_needs_no_token_is_open() -> None:
    market = {"/v1/market", "/v1/offers", "/v1/me/events", "/v1/trades/{trade_id}"}
    assert not market & OPEN
