"""The leak hint over HTTP: for the resident of a water meter, and nobody else."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.vee.leak import LEAK_S
from meterseal_proto.enrolment import EnrolmentAnswer, RegisterStart
from meterseal_proto.units import WATER, obis_text
from tests.support.enrolling import SLOT, a_meter, a_request
from tests.support.webhouse import LATER, WebHouse, a_house, pretty

HOURS = LEAK_S // 3_600 + 3
BEGAN = SLOT - SLOT % 3_600


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[WebHouse]:
    async with a_house(tmp_path) as opened:
        water = a_meter("W-1", registers=(RegisterStart(WATER, 3_600, 7, BEGAN),))
        code = await opened.registry.code(expires_at=LATER + 60)
        wish = a_request(code, water).to_json()
        answer = await opened.post("/v1/enrolments", None, wish)
        assert answer.status_code == 201, pretty(answer)
        opened.meter = EnrolmentAnswer.from_json(answer.content).meters[0].meter
        site, later = opened.app.state.site, BEGAN + HOURS * 3_600
        opened.app.state.site = replace(site, now=lambda: later)
        yield opened


async def flow(house: WebHouse, litres: list[int]) -> None:
    """Write readings as intake would, an hour each."""
    async with house.db.transaction() as tx:
        ((register, link),) = await tx.rows("SELECT id, enrolment_hash FROM registers")
        await tx.rows(
            "INSERT INTO log_entries (id, leaf_hash, body) VALUES (900, ?, ?)",
            (bytes(32), b"xx"),
        )
        await tx.rows(
            "INSERT INTO seals (id, register_id, seq, hash, first, step, count, signature,"
            " prev, root, received_at, log_entry_id)"
            " VALUES (900, ?, 1, ?, ?, 3600, 100, ?, ?, ?, ?, 900)",
            (register, bytes(32), BEGAN, bytes(64), link, bytes(32), LATER),
        )
        await tx.many(
            "INSERT INTO readings (register_id, start, length, revision, delta, value,"
            " quality, seal_id) VALUES (?, ?, 3600, 0, ?, ?, 14, 900)",
            [
                (register, BEGAN + n * 3_600, delta, 7 + sum(litres[: n + 1]))
                for n, delta in enumerate(litres)
            ],
        )


async def test_a_week_without_a_quiet_hour_is_hinted_at(house: WebHouse) -> None:
    path = f"/v1/meters/{house.meter}/registers/{obis_text(WATER)}/leak"
    assert await house.get(path, "ada") == {"suspected": False, "running_since": None}
    await flow(house, [0, *[3] * (HOURS - 1)])
    hint = await house.get(path, "ada")
    assert hint == {"suspected": True, "running_since": BEGAN + 3_600}
    assert (await house.ask("GET", path, "bo")).status_code == 403


async def test_one_quiet_hour_is_enough_to_be_quiet(house: WebHouse) -> None:
    await flow(house, [*[3] * (HOURS - 2), 0, 3])
    path = f"/v1/meters/{house.meter}/registers/{obis_text(WATER)}/leak"
    hint = await house.get(path, "ada")
    assert hint["suspected"] is False
    assert hint["running_since"] == BEGAN + (HOURS - 1) * 3_600
