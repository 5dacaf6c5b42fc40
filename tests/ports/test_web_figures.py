"""The provider's figures over the API: all of them for operators, many members for auditors."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.billing.figures.model import K
from tests.support.billed import CENT, DAY, a_household, billed
from tests.support.village import problem
from tests.support.webhouse import LATER, WebHouse, a_house

PATH = "/v1/figures/billing?month=2026-09"
MONTH = (1_788_220_800, 1_790_812_800)
"""September 2026, UTC; the network's time in these tests is in it."""


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_house(tmp_path) as opened:
        assert MONTH[0] < LATER < MONTH[1]
        async with opened.db.transaction() as tx:
            home = await a_household(tx, "Dora", since=LATER - 40 * DAY)
            await billed(tx, home, 700, issued_at=LATER)
        yield opened


async def test_an_operator_sees_every_tariff_and_the_total(house: WebHouse) -> None:
    found = await house.get(PATH, "operator")
    assert (found["begin"], found["end"]) == MONTH
    assert (found["least_members"], found["withheld"]) == (None, 0)
    (one,), (whole,) = found["tariffs"], found["totals"]
    assert (one["tariff"], whole["tariff"]) == ("of-dora", None)
    assert one["billed_micro"] == whole["billed_micro"] == 700 * CENT
    assert (one["collection_bp"], one["wh"], found["reward_asset"]) == (
        0,
        312_500,
        "MSU",
    )
    before = await house.get(PATH.replace("-09", "-08"), "operator")
    assert before["totals"][0]["bills"] == 0
    quarter = await house.get(PATH.replace("-09", "-07") + "&months=3", "operator")
    assert quarter["totals"][0]["bills"] == 1


async def test_an_auditor_sees_no_slice_of_a_few_members(house: WebHouse) -> None:
    found = await house.get(PATH, "auditor")
    assert (found["least_members"], found["withheld"]) == (K, 1)
    assert (found["tariffs"], found["totals"]) == ([], [])


async def test_nobody_else_sees_figures_and_months_are_months(house: WebHouse) -> None:
    for who in ("ada", "metrics"):
        assert problem(await house.ask("GET", PATH, who))[0] == 403
    for wrong in ("2026-13", "2026-9", "1969-01", "9999-12", "2026-09-01", "now"):
        path = f"/v1/figures/billing?month={wrong}"
        assert problem(await house.ask("GET", path, "operator"))[0] == 422, wrong
    for months in (0, 13, "x"):
        assert problem(
            await house.ask("GET", f"{PATH}&months={months}", "auditor")
        ) == (
            422,
            "bad-request",
        )
    last = await house.get("/v1/figures/billing?month=9998-12&months=12", "operator")
    assert last["end"] > last["begin"]
