"""Evidence asked for by the dozen leaves readers for everybody else."""

import asyncio
from pathlib import Path

from meterseal_aggregator.web.dossiers import AT_ONCE
from tests.support.sealedhouse import a_sealed_house

PATH = "/v1/bills/2026-00000001/evidence.zip"
MANY = 12


async def test_evidence_by_the_dozen_leaves_readers_for_everybody_else(
    tmp_path: Path,
) -> None:
    async with a_sealed_house(tmp_path) as house:
        # How many readers wait to be taken: nothing public tells it.
        readers = house.utility.database._readers
        every = readers.qsize()
        asked = [
            asyncio.create_task(house.ask("GET", PATH, "ada")) for _ in range(MANY)
        ]
        # By then all have shown their tokens, which takes a reader too.
        while sum(one.done() for one in asked) < MANY // 2:
            await asyncio.sleep(0)
        free = []
        while not all(one.done() for one in asked):
            free.append(readers.qsize())
            await asyncio.sleep(0)
        assert {one.result().status_code for one in asked} == {200}
    assert min(free) >= every - AT_ONCE
