"""A total's journey, killed between every two steps; and what everybody sees of it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import Role
from meterseal_aggregator.intake.batch import Tally
from meterseal_aggregator.intake.port import Counters
from meterseal_aggregator.privacy import check
from meterseal_aggregator.privacy.model import Cause, NotTaken
from meterseal_aggregator.privacy.trustees import check as trustees_check
from meterseal_aggregator.privacy.trustees import spelling
from meterseal_aggregator.translog import sequencer
from meterseal_aggregator.web.site import Site, build
from meterseal_proto.claims import Expectation
from meterseal_proto.seedbox import deposited
from meterseal_proto.totalfile import parse_total
from meterseal_proto.verify import examine
from tests.support.cells import (
    DAY,
    MORNING,
    ON_TIME,
    Cells,
    cells_like,
    make_ready,
    sum_of,
)
from tests.support.enrolling import GENESIS, LOG_KEY, TERMS
from tests.support.evidence import unproved

ROOT = Path(__file__).resolve().parents[2]
MOST_KILLS = 60
LIVES = ("kept", "asked", "kept", "asked", "kept", "kept")
"""A step kept, an answer lost and asked again, and so on; the last is the total's."""


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ready")
    asyncio.run(make_ready(folder))
    return folder


@pytest.fixture
async def cells(ready: Path, tmp_path: Path) -> AsyncIterator[Cells]:
    async with cells_like(ready, tmp_path) as made:
        yield made


async def one_life(cells: Cells, how: str, now: int) -> int | None:
    """Let the duty live once in a process of its own; None when it was killed."""
    words = [str(cells.folder), how, str(now), *(p.url for p in cells.programs)]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.killable_totals", *words,
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    if process.returncode == -9:
        return None
    assert process.returncode == 0, err.decode()[-2_000:]
    return int(out.split()[1])


async def many_lives(cells: Cells, now: int) -> int:
    """Live until nothing is left to do, killed after each answer and each step kept."""
    kills = 0
    while kills < MOST_KILLS:
        ends = [await one_life(cells, how, now) for how in LIVES]
        kills += ends.count(None)
        if not any(end is None or end > 0 for end in ends):
            return kills
    raise AssertionError("it never ends")


async def test_killed_between_every_two_steps_it_ends_as_if_it_never_was(
    cells: Cells,
) -> None:
    # Deposits: an answer lost, a batch of one trustee's kept, and then in peace.
    assert await one_life(cells, "asked", 0) is None
    assert await one_life(cells, "kept", 0) is None
    await cells.run(0)
    await cells.fix_cell("north")
    assert await many_lives(cells, DAY * 86_400) >= 3
    # The set, an answer lost, signatures, an answer lost, two answers, the total.
    assert await many_lives(cells, MORNING) >= 6
    assert {c: t.value for c, t in (await cells.totals()).items()} == {
        "north": sum_of(cells.north[:ON_TIME])
    }
    assert len(await cells.rows("SELECT * FROM reporting_sets")) == 1
    assert len(await cells.rows("SELECT * FROM rosters")) == 1
    async with cells.database.reading() as tx:
        assert all(one.ok for one in await check.community(tx, GENESIS))


class Web:
    """The API over the cells' database, asked by an operator and by nobody."""

    def __init__(self, cells: Cells, app: FastAPI, token: str) -> None:
        self._app = app
        self._token = token
        self.cells = cells

    @classmethod
    async def over(cls, cells: Cells) -> "Web":
        site = Site(
            database=cells.database, terms=TERMS, now=lambda: MORNING,
            real_now=lambda: MORNING, uplink=Counters(), intake=Tally(), duties={},
        )  # fmt: skip
        async with cells.database.transaction() as tx:
            wish = identity.NewToken(Role.OPERATOR, "test", MORNING, MORNING + 60)
            token = await identity.make_token(tx, wish)
        return cls(cells, build(site), token)

    async def ask(self, path: str, *, operator: bool = True) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self._token}"} if operator else {}
        transport = httpx2.ASGITransport(app=self._app)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://127.0.0.1"
        ) as client:
            return await client.get(path, headers=headers)

    async def day(self) -> Any:
        return (await self.ask(f"/v1/cells/north/days/{DAY}")).json()


async def test_an_operator_sees_who_is_waited_for_and_why(cells: Cells) -> None:
    web = await Web.over(cells)
    assert (await web.ask("/v1/cells", operator=False)).status_code == 401
    await cells.run(0)
    await cells.fix_cell("north")
    await cells.stop(2)
    await cells.run(DAY * 86_400)
    (cell,) = (await web.ask("/v1/cells")).json()["items"]
    assert (cell["signed"], cell["members"], cell["lacking"]) == ([0, 1], 33, 0)
    (wait,) = cell["waits"]
    assert (wait["trustee"], wait["act"], wait["why"]) == (2, "roster", "silent")
    assert "Connect" in wait["detail"]
    day = await web.day()
    assert (day["stage"], day["homes"]) == ("waiting-for-roster", ON_TIME)

    await cells.start(2)
    await cells.run(DAY * 86_400 + 1)
    assert (await web.day())["stage"] == "waiting-for-homes"
    await cells.stop(1)
    await cells.run()
    day = await web.day()
    assert day["stage"] == "waiting-for-signatures"
    assert [one["trustee"] for one in day["waits"]] == [1]


async def test_seeds_that_a_trustee_refuses_are_shown_in_its_words(
    cells: Cells,
) -> None:
    """It was given other seeds of that meter before; ours would be a second mask."""
    web = await Web.over(cells)
    home, key = cells.north[0], cells.keys[1]
    other = [bytes([n]) * 32 for n in (7, 8, 9)]
    first = deposited(home.key, GENESIS.network, home.meter, key, other)
    await cells.clients[1].ask("/v1/seeds", spelling.seeds_body(first))
    await cells.stop(2)
    await cells.run(0)
    rows = (await web.ask("/v1/trustees")).json()["items"]
    assert [(row["kept"], row["waiting"]) for row in rows] == [
        (66, 0),
        (65, 1),
        (0, 66),
    ]
    assert [row["fingerprint"] for row in rows] == [k.fingerprint() for k in cells.keys]
    assert [row["silent_since"] for row in rows] == [None, None, 0]
    (refused,) = rows[1]["refused"]
    assert (refused["meter"], refused["why"]) == (home.meter.hex(), "another-deposit")
    assert refused["detail"] == "this meter's seeds are here already"
    with pytest.raises(NotTaken) as caught:
        await cells.fix_cell("north")
    assert caught.value.cause is Cause.NOT_YET
    assert (await web.ask("/v1/trustees", operator=False)).status_code == 401


async def test_blamed_and_absent_meters_are_shown_and_counted(cells: Cells) -> None:
    web = await Web.over(cells)
    await cells.settle("north")
    cheat, silent = cells.north[4], cells.north[2]
    day_of = "(SELECT id FROM committed_seals WHERE register_id = ?)"
    await cells.change(
        f"UPDATE masked_openings SET value = ? WHERE seal_id = {day_of}",  # noqa: S608 - ours
        (1).to_bytes(32),
        5,
    )
    await cells.change(
        f"DELETE FROM masked_openings WHERE seal_id = {day_of}",  # noqa: S608 - ours
        3,
    )
    await cells.run()
    day = await web.day()
    assert (day["stage"], day["closed"]) == ("closed", "meters-to-blame")
    assert day["blamed"] == [cheat.meter.hex()]
    why = "no-masked-opening"
    assert day["absent"] == [{"meter": silent.meter.hex(), "why": why}]
    assert (day["homes"], day["total"]) == (ON_TIME - 1, None)
    page = (await web.ask("/metrics")).text
    assert "meterseal_sets_closed 1.0" in page
    assert "meterseal_absent_days 1.0" in page
    gone = await web.ask(f"/v1/network/totals/{day['set_id']}/file", operator=False)
    assert gone.status_code == 404


async def test_the_audit_names_a_day_left_out_and_a_signature_that_is_none(
    cells: Cells,
) -> None:
    await cells.settle("north")
    await cells.run()
    assert await audited(cells) == []
    ((seal_id,),) = await cells.rows(
        "SELECT id FROM committed_seals WHERE register_id = 1"
    )
    await cells.change("DELETE FROM set_members WHERE seal_id = ?", seal_id)
    (told,) = await audited(cells)
    assert f"leaves out the receipted day {seal_id}" in told
    set_id = (await cells.rows("SELECT id FROM reporting_sets"))[0][0]
    await cells.change(
        "INSERT INTO set_members (seal_id, set_id) VALUES (?, ?)", seal_id, set_id
    )
    await cells.change(
        "UPDATE trustee_answers SET signature = zeroblob(64) WHERE act = 3"
        " AND trustee = 1"
    )
    (told,) = await audited(cells)
    assert "not signed by trustee 1" in told


async def audited(cells: Cells) -> list[str]:
    """Return what the audit of sets finds wrong."""
    async with cells.database.reading() as tx:
        found = await trustees_check.findings(tx, GENESIS)
    return [one.detail for one in found if not one.ok]


async def test_everybody_checks_a_total_and_nobody_a_home(cells: Cells) -> None:
    web = await Web.over(cells)
    await cells.settle("north")
    await cells.run()
    day = await web.day()
    assert (day["stage"], day["waits"]) == ("total", [])
    assert day["total"]["value"] == sum_of(cells.north[:ON_TIME])
    page = (await web.ask("/metrics")).text
    assert "meterseal_sets_waiting 0.0" in page
    assert "meterseal_absent_days 0.0" in page

    path = f"/v1/network/totals/{day['set_id']}/file"
    assert (await web.ask(path, operator=False)).status_code == 409
    key = sequencer.LogKey("street.example/log", LOG_KEY)
    await sequencer.run_once(cells.database, key, MORNING)
    answer = await web.ask(path, operator=False)
    prints = tuple(one.fingerprint() for one in cells.keys)
    known = Expectation(network=GENESIS.network.hex(), trustees=prints)
    claims = examine(answer.content, known)
    assert unproved(claims) == ["anchor"], claims
    assert len(parse_total(answer.content).members) == ON_TIME
    secret = await cells.rows("SELECT value, blinding FROM masked_openings")
    assert not [one for row in secret for one in row if one.hex() in answer.text]
    gone = await web.ask("/v1/network/totals/99/file", operator=False)
    assert gone.status_code == 404
