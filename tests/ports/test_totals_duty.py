"""The duty that makes totals, on three real trustees: whoever is down, lies or cheats."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.cells import ON_TIME, Cells, cells_like, make_ready, sum_of


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ready")
    asyncio.run(make_ready(folder))
    return folder


@pytest.fixture
async def cells(ready: Path, tmp_path: Path) -> AsyncIterator[Cells]:
    async with cells_like(ready, tmp_path) as made:
        yield made


async def test_a_cell_goes_from_seeds_to_a_total_that_anybody_proves(
    cells: Cells,
) -> None:
    await cells.settle("north")
    await cells.run()
    found = await cells.totals()
    assert {cell: one.value for cell, one in found.items()} == {
        "north": sum_of(cells.north[:ON_TIME])
    }
