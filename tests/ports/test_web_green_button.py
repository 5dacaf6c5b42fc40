"""Green Button files over the API and the command line: taken whole, once, or not at all."""

from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support.enrolling import SLOT
from tests.support.greenbutton import document, reading
from tests.support.webhouse import WebHouse, a_lived_in_house, pretty

DAY = 86_400
OUT = "19"
"""flowDirection: given to the grid."""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_lived_in_house(tmp_path) as opened:
        site = replace(opened.app.state.site, now=lambda: SLOT + 3 * DAY)
        opened.app.state.site = site
        yield opened


def a_file(count: int = 96, value: int = 5, **changed: str) -> bytes:
    rows = "".join(reading(SLOT + 900 * n, value) for n in range(count))
    return document(rows, **{"flowDirection": OUT, **changed})


async def send(
    house: WebHouse, data: bytes, media: str = "application/xml", meter: str = ""
) -> Any:
    return await house.ask(
        "POST",
        f"/v1/green-button-imports?meter={meter or house.meter}",
        "operator",
        content=data,
        headers={"Content-Type": media},
    )


async def told(house: WebHouse) -> list[dict[str, Any]]:
    path = f"/v1/meters/{house.meter}/registers/1-0:2.8.0/values"
    found = await house.get(f"{path}?from={SLOT}&to={SLOT + 3 * DAY}", "operator")
    return list(found["items"])


async def test_a_file_is_imported_once_as_nem12s_values_are(house: WebHouse) -> None:
    made = await send(house, a_file())
    assert made.status_code == 201, pretty(made)
    counts = [made.json()[name] for name in ("series", "intervals", "values")]
    assert counts == [1, 96, 96]
    assert (await send(house, a_file())).json()["values"] == 0
    found = await told(house)
    assert len(found) == 96
    assert {(one["source"], one["quality"]) for one in found} == {("import", 0)}
    acts = (await house.get("/v1/acts?limit=100", "operator"))["items"]
    objects = [act["object"] for act in acts if act["act"] == "import-usage"]
    assert [one.rpartition(": ")[2] for one in objects] == ["96 values", "0 values"]


async def test_a_file_that_says_otherwise_later_adds_what_is_new_alone(
    house: WebHouse,
) -> None:
    await send(house, a_file(4))
    again = await send(house, a_file(5))
    assert again.json()["values"] == 1
    other = await send(house, a_file(5, value=6))
    assert other.json()["values"] == 5


@pytest.mark.parametrize(
    ("data", "status", "why"),
    [
        (b"<feed>", 422, "not a Green Button file"),
        (a_file()[:-20], 422, "not well-formed"),
        (a_file(uom="38"), 422, "uom 38"),
        (a_file(flowDirection="1", commodity="9"), 422, "uom"),
        (document(reading(SLOT, 5) + reading(SLOT, 5)), 422, "overlap"),
        (document(reading(SLOT, 5, length=86_400), flowDirection=OUT), 422, "whole"),
        (document(reading(SLOT + 7, 5), flowDirection=OUT), 422, "whole slots"),
        (document(reading(SLOT + 9 * DAY, 5), flowDirection=OUT), 422, "not over"),
        (a_file(value=90_000), 422, "at most"),
        (a_file(commodity="9", uom="42", flowDirection="1"), 404, "no such register"),
        (document("", '<!DOCTYPE f [<!ENTITY a "ha">]>'), 422, "no DTD"),
    ],
)
async def test_what_cannot_be_taken_is_refused_and_nothing_of_it_is_written(
    house: WebHouse, data: bytes, status: int, why: str
) -> None:
    answer = await send(house, data)
    assert answer.status_code == status, pretty(answer)
    assert why in answer.json()["detail"]
    assert await told(house) == []


async def test_a_bomb_of_entities_is_refused_before_it_grows(house: WebHouse) -> None:
    names = [f"e{n}" for n in range(12)]
    grown = "".join(
        f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in pairwise(names)
    )
    bomb = f'<!DOCTYPE feed [<!ENTITY e0 "ha">{grown}]>'
    answer = await send(house, document(reading(SLOT, "&e11;"), bomb))
    assert answer.status_code == 422
    assert "no DTD" in answer.json()["detail"]


async def test_a_file_of_another_kind_size_or_meter_is_refused(house: WebHouse) -> None:
    assert (await send(house, a_file(), "text/csv")).status_code == 415
    assert (await send(house, a_file(), "application/atom+xml")).status_code == 201
    assert (await send(house, b" " * ((16 << 20) + 1))).status_code == 413
    assert (await send(house, a_file(), meter="11" * 16)).status_code == 404
    assert (await send(house, a_file(), meter="mine")).status_code == 422
