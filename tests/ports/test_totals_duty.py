"""The duty that makes totals, on three real trustees: whoever is down, lies or cheats."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from meterseal_aggregator.privacy.model import Cause, NotTaken
from meterseal_aggregator.privacy.trustees.calendar import LATE_AFTER_S, PENDING_GRACE_S
from meterseal_aggregator.privacy.trustees.round import ASK_AGAIN_S
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.translog.store import Rotten
from meterseal_proto.curve import ORDER
from meterseal_proto.reporting import Act, answer_digest, sign
from meterseal_proto.totals import Mask
from tests.support.cells import (
    CELL,
    DAY,
    MORNING,
    ON_TIME,
    Asking,
    Cells,
    cells_like,
    make_ready,
    sum_of,
)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ready")
    asyncio.run(make_ready(folder))
    return folder


@pytest.fixture
async def cells(ready: Path, tmp_path: Path) -> AsyncIterator[Cells]:
    async with cells_like(ready, tmp_path) as made:
        yield made


def lying(cells: Cells, number: int) -> None:
    """Let a trustee sign sums of masks that are not: it has its own key."""

    def between(ask: Asking) -> Asking:
        async def lie(path: str, body: Mapping[str, object]) -> dict[str, Any]:
            found = await ask(path, body)
            if path != "/v1/masks":
                return found
            pair = found["sums"]["1"] if number != 1 else found["sums"]["0"]
            value = (int(pair["value"], 16) + 100) % ORDER
            pair["value"] = value.to_bytes(32).hex()
            sums = {
                int(seed): Mask(int(one["value"], 16), int(one["blinding"], 16))
                for seed, one in found["sums"].items()
            }
            stated = bytes.fromhex(str(body["statement"]))
            digest = answer_digest(stated, sums)
            found["signature"] = sign(
                cells.secrets[number].sign, Act.MASKS, digest
            ).hex()
            return found

        return lie

    cells.lies[number] = between


def dies_before(cells: Cells, number: int, path: str) -> None:
    """Let a trustee's program be killed when it is about to be asked at a path."""

    def between(ask: Asking) -> Asking:
        async def die(at: str, body: Mapping[str, object]) -> dict[str, Any]:
            if at == path:
                await cells.stop(number)
            return await ask(at, body)

        return die

    cells.lies[number] = between


async def cheated(cells: Cells, home: int) -> None:
    """Change a home's masked opening: 100 Wh more than it committed to."""
    await cells.change(
        "UPDATE masked_openings SET value = ? WHERE seal_id ="
        " (SELECT id FROM committed_seals WHERE register_id = ?)",
        (1).to_bytes(32),
        cells.homes[home].register_id or home + 1,
    )


async def test_a_cell_goes_from_seeds_to_a_total_that_anybody_proves(
    cells: Cells,
) -> None:
    with pytest.raises(NotTaken) as caught:
        await cells.fix_cell("north")
    assert caught.value.cause is Cause.NOT_YET
    await cells.settle("north")
    assert await cells.run(MORNING - 1) == 0
    cells.requests = 0
    await cells.run()
    assert {cell: one.value for cell, one in (await cells.totals()).items()} == {
        "north": sum_of(cells.north[:ON_TIME])
    }
    assert cells.requests == 3 + 2
    assert await cells.run() == 0
    assert cells.requests == 3 + 2
    # Nobody told anything that the set would lack.
    assert await cells.rows("SELECT * FROM absent_days") == []


async def test_with_one_trustee_down_at_the_end_the_two_others_are_enough(
    cells: Cells,
) -> None:
    await cells.settle("north")
    dies_before(cells, 0, "/v1/masks")
    await cells.run()
    assert (await cells.totals())["north"].value == sum_of(cells.north[:ON_TIME])
    ((number, why),) = await cells.rows("SELECT trustee, why FROM silent_trustees")
    assert (number, "Connect" in why) == (0, True), why


async def test_with_trustees_down_a_day_waits_and_nothing_is_lost(
    cells: Cells,
) -> None:
    await cells.settle("north")
    for number in (1, 2):
        await cells.stop(number)
    await cells.run()
    assert await cells.totals() == {}
    silent = await cells.rows("SELECT trustee FROM silent_trustees ORDER BY 1")
    assert silent == [(1,), (2,)]
    await cells.start(1)
    await cells.run(MORNING + 60)
    assert await cells.totals() == {}
    assert await cells.rows("SELECT trustee FROM silent_trustees") == [(2,)]
    await cells.start(2)
    await cells.stop(0)  # it signed; two others are enough from now on
    await cells.run(MORNING + 120)
    assert (await cells.totals())["north"].value == sum_of(cells.north[:ON_TIME])


async def test_a_trustee_that_lies_is_outvoted_and_its_signed_lie_is_kept(
    cells: Cells,
) -> None:
    await cells.settle("north")
    lying(cells, 0)
    await cells.run()
    assert (await cells.totals())["north"].value == sum_of(cells.north[:ON_TIME])
    kept = await cells.rows(
        "SELECT trustee FROM trustee_answers WHERE act = ? AND signature IS NOT NULL"
        " ORDER BY 1",
        Act.MASKS,
    )
    assert kept == [(0,), (1,), (2,)]
    assert await cells.rows("SELECT * FROM blamed_days") == []


async def test_a_cheating_meter_is_named_and_nothing_is_opened(cells: Cells) -> None:
    await cells.settle("north")
    await cheated(cells, 4)
    await cells.run()
    assert await cells.totals() == {}
    assert await cells.rows("SELECT why FROM closed_sets") == [("meters-to-blame",)]
    blamed = await cells.rows(
        "SELECT m.meter FROM blamed_days b JOIN committed_seals s ON s.id = b.seal_id"
        " JOIN registers r ON r.id = s.register_id JOIN meters m ON m.id = r.meter_id"
    )
    assert blamed == [(cells.homes[4].meter,)]
    cells.requests = 0
    assert await cells.run(MORNING + 2 * ASK_AGAIN_S) == 0
    assert cells.requests == 0


async def test_no_meter_is_blamed_while_a_trustee_lies(cells: Cells) -> None:
    await cells.settle("north")
    await cheated(cells, 4)
    lying(cells, 2)
    await cells.run()
    assert await cells.totals() == {}
    assert await cells.rows("SELECT why FROM closed_sets") == [("trustees-differ",)]
    assert await cells.rows("SELECT * FROM blamed_days") == []


async def test_a_second_set_of_a_day_is_refused_and_the_refusal_shown(
    cells: Cells,
) -> None:
    """An aggregator that was restored from before its set makes another one."""
    await cells.settle("north")
    old = cells.folder / "old.sqlite"
    path = cells.folder / "aggregator.sqlite"
    with closing(sqlite3.connect(path)) as now, closing(sqlite3.connect(old)) as then:
        now.backup(then)
    await cells.run()
    assert len(await cells.totals()) == 1
    await cells.database.close()
    cells.database = await Database.open(f"sqlite:///{old}")
    await cells.tell(cells.north[ON_TIME : ON_TIME + 1])
    await cells.run()
    assert await cells.totals() == {}
    refused = await cells.rows(
        "SELECT trustee, why, detail FROM trustee_answers WHERE act = ? ORDER BY 1",
        Act.SET,
    )
    text = "another set of that place is signed"
    assert refused == [(number, "another-set", text) for number in range(3)]


async def test_late_homes_of_all_cells_are_one_set_of_their_own(cells: Cells) -> None:
    await cells.settle("north", "south")
    await cells.run()
    assert set(await cells.totals()) == {"north", "south"}
    late = cells.north[ON_TIME:CELL] + cells.south[ON_TIME:]
    await cells.tell(late[:19], MORNING + 60)
    await cells.run(MORNING + LATE_AFTER_S)
    assert len(await cells.totals()) == 2
    await cells.tell(late[19:], MORNING + 120)
    await cells.run(MORNING + LATE_AFTER_S - 1)
    assert len(await cells.totals()) == 2
    await cells.run(MORNING + LATE_AFTER_S)
    found = (await cells.totals())["late"]
    assert (found.value, found.count) == (sum_of(late), len(late))


async def test_a_rotten_day_keeps_no_other_cell_from_its_total(cells: Cells) -> None:
    await cells.settle("north", "south")
    await cells.tell(cells.north[:ON_TIME] + cells.south[:ON_TIME])
    await cells.change(
        "UPDATE commitments SET qualities = zeroblob(length(qualities))"
        " WHERE seal_id = (SELECT min(id) FROM committed_seals)"
    )
    with pytest.raises(Rotten, match="not what was sealed"):
        await cells.run()
    assert set(await cells.totals()) == {"south"}


async def test_a_rotten_set_keeps_no_later_one_from_its_total(cells: Cells) -> None:
    await cells.settle("north", "south")
    await cells.stop(0)
    await cells.tell(cells.north[:ON_TIME] + cells.south[:ON_TIME])
    await cells.run()
    await cells.change(
        "UPDATE commitments SET qualities = zeroblob(length(qualities))"
        " WHERE seal_id = (SELECT min(seal_id) FROM set_members"
        " WHERE set_id = (SELECT min(id) FROM reporting_sets))"
    )
    await cells.start(0)
    with pytest.raises(Rotten, match="not what was sealed"):
        await cells.run()
    assert len(await cells.totals()) == 1


async def test_homes_that_are_too_few_stay_closed(cells: Cells) -> None:
    await cells.settle("north")
    await cells.change(
        "DELETE FROM masked_openings WHERE seal_id IN (SELECT id FROM committed_seals"
        " WHERE register_id <= 2)"
    )
    await cells.run()
    assert await cells.totals() == {}
    assert await cells.rows("SELECT * FROM reporting_sets") == []


async def test_a_day_that_was_receipted_and_is_in_no_set_is_noted_with_its_reason(
    cells: Cells,
) -> None:
    await cells.settle("north")
    await cells.change(
        "DELETE FROM masked_openings WHERE seal_id IN (SELECT id FROM committed_seals"
        " WHERE register_id = 3)"
    )
    await cells.run()
    assert (await cells.totals())["north"].count == ON_TIME - 1
    absent = await cells.rows(
        "SELECT s.register_id, a.why FROM absent_days a"
        " JOIN committed_seals s ON s.id = a.seal_id"
    )
    assert absent == [(3, "no-masked-opening")]


async def test_a_set_waits_for_proofs_that_are_being_checked_but_not_for_ever(
    cells: Cells,
) -> None:
    await cells.settle("north")
    await cells.change(
        "UPDATE range_proofs SET state = 'pending', checked_at = NULL WHERE seal_id ="
        " (SELECT id FROM committed_seals WHERE register_id = 1)"
    )
    await cells.run(MORNING + PENDING_GRACE_S - 1)
    assert await cells.rows("SELECT * FROM reporting_sets") == []
    await cells.run(MORNING + PENDING_GRACE_S)
    assert (await cells.totals())["north"].count == ON_TIME - 1
    assert await cells.rows("SELECT why FROM absent_days") == [("proof-pending",)]


async def test_a_roster_waits_for_a_person_and_an_answer_under_another_key_is_none(
    cells: Cells,
) -> None:
    await cells.run(0)
    config = cells.programs[1].config
    config.write_text(config.read_text().replace("at-once", "by-hand"))
    await cells.stop(1)
    await cells.start(1)

    def forged(ask: Asking) -> Asking:
        async def forge(path: str, body: Mapping[str, object]) -> dict[str, Any]:
            return await ask(path, body) | {"signature": "00" * 64}

        return forge

    cells.lies[2] = forged
    await cells.fix_cell("north")
    await cells.run(DAY * 86_400)
    said = await cells.rows(
        "SELECT trustee, why, detail FROM trustee_answers WHERE act = ? ORDER BY 1",
        Act.ROSTER,
    )
    assert [row[:2] for row in said] == [
        (0, None),
        (1, "waits-for-a-person"),
        (2, "bad-answer"),
    ], json.dumps(said)
    await cells.run(MORNING)
    assert await cells.rows("SELECT * FROM reporting_sets") == []
