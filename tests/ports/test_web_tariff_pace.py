"""Tariffs in full are everybody's to read, and nobody's to wear the house down with."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.web.shapes import TOTALS_BURST
from tests.support.village import problem
from tests.support.webhouse import WebHouse, a_house, pretty

TARIFFS = "/v1/network/full-tariffs"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_house(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize("path", [TARIFFS, f"{TARIFFS}/{'0' * 64}"])
async def test_a_stranger_reads_tariffs_at_a_rate(house: WebHouse, path: str) -> None:
    found = [
        (await house.ask("GET", path)).status_code for _ in range(TOTALS_BURST + 20)
    ]
    assert 429 in found[TOTALS_BURST:], found
    assert 429 not in found[: TOTALS_BURST // 2]


async def test_a_page_of_whole_documents_is_short(house: WebHouse) -> None:
    answer = await house.ask("GET", f"{TARIFFS}?limit=101")
    assert problem(answer) == (422, "bad-request"), pretty(answer)
    assert (await house.ask("GET", f"{TARIFFS}?limit=100")).status_code == 200
