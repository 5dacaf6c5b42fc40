"""The agent's duties: a sample's way to disk, status and alarms, and carrying on."""

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from meterseal_agent.meters.bus import Health
from meterseal_agent.meters.registers import Sample
from meterseal_agent.outbox.store import Outbox
from meterseal_agent.run import health
from meterseal_agent.run.duties import Duties
from meterseal_agent.run.file_thread import FileThread
from meterseal_agent.run.sampling import Sampling, Senses
from meterseal_agent.run.show import show
from meterseal_agent.sampler import Clock, Rules, State
from meterseal_proto.message import MAX_STEP
from meterseal_proto.units import IMPORT, Quality
from tests.support.boxes import PUBLIC, opened, put, records
from tests.support.oracle import BEGAN, CAPACITY_W, STEP, VALUE, start

ONE = start(PUBLIC)
KEY = (ONE.meter, ONE.register)


class Floor:
    """An outbox, its thread, and sampling over them; time is what the test says."""

    def __init__(self, folder: Path) -> None:
        self.box: Outbox = opened(folder, [ONE])
        self.thread = FileThread("outbox")
        self.at = BEGAN
        self.synchronised = True
        self.woken = 0
        rules = Rules(ONE.meter, IMPORT, STEP, CAPACITY_W)
        self.sampling = Sampling(
            {KEY: rules},
            {KEY: State.begin(BEGAN, VALUE)},
            (self.box, self.thread),
            Senses(lambda: self.at, lambda: self.at, lambda: self.synchronised, 5),
            self.wake,
        )

    def wake(self) -> None:
        self.woken += 1

    async def show(self, at: int, value: int) -> None:
        """Let the meter show `value` at `at`."""
        self.at = at
        await self.sampling.take(ONE.meter, Sample(at, {IMPORT: value}, None, {}))

    def kept(self) -> list[tuple[int, int, int]]:
        """Return start, length and delta of every record."""
        (chain,) = self.box.chains()
        return [(r.start, r.length, r.delta) for r in self.box.pending(chain)]


@pytest.fixture
async def floor(tmp_path: Path) -> AsyncIterator[Floor]:
    made = Floor(tmp_path)
    yield made
    made.thread.close()
    made.box.close()


async def test_a_sample_that_ends_a_slot_is_on_disk_when_take_returns(
    floor: Floor,
) -> None:
    await floor.show(BEGAN + 10, VALUE + 1)
    assert floor.kept() == []
    await floor.show(BEGAN + STEP + 3, VALUE + 9)
    assert floor.kept() == [(BEGAN, STEP, 9)]
    assert floor.woken == 1
    stored = State.from_json(floor.box.states()[KEY])
    assert (stored.boundary, stored.value) == (BEGAN + STEP, VALUE + 9)


async def test_a_full_outbox_joins_intervals_and_loses_no_energy(
    floor: Floor,
) -> None:
    await floor.show(BEGAN + STEP + 3, VALUE + 9)
    floor.box._file._spare = floor.box._file._pages
    await floor.show(BEGAN + 2 * STEP + 3, VALUE + 19)
    await floor.show(BEGAN + 3 * STEP + 3, VALUE + 29)
    assert floor.sampling.counters.full
    assert floor.kept() == [(BEGAN, STEP, 9)]
    floor.box._file._spare = 0
    await floor.show(BEGAN + 4 * STEP + 3, VALUE + 39)
    assert floor.kept() == [(BEGAN, STEP, 9), (BEGAN + STEP, 3 * STEP, 30)]
    assert not floor.sampling.counters.full
    (chain,) = floor.box.chains()
    assert floor.box.pending(chain)[1].quality is Quality.QUESTIONABLE


async def test_a_failing_disk_is_counted_and_the_next_record_covers_it(
    floor: Floor,
) -> None:
    connection = floor.box._file.connection()
    connection.execute("PRAGMA query_only = 1")
    await floor.show(BEGAN + STEP + 3, VALUE + 9)
    assert floor.sampling.counters.disk_failures == 1
    assert floor.kept() == [], "the connection was opened anew"
    await floor.show(BEGAN + 2 * STEP + 3, VALUE + 19)
    assert floor.kept() == [(BEGAN, 2 * STEP, 19)]


async def test_before_the_clock_is_set_nothing_is_recorded(floor: Floor) -> None:
    floor.synchronised = False
    await floor.show(BEGAN + STEP + 3, VALUE + 9)
    assert floor.kept() == []
    assert floor.sampling.counters.clock is Clock.UNSET
    floor.synchronised = True
    await floor.show(BEGAN + 2 * STEP + 3, VALUE + 19)
    assert floor.kept() == [(BEGAN, 2 * STEP, 19)]


async def test_a_duty_that_fails_is_counted_and_started_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("meterseal_agent.run.duties.RESTART_S", 0.001)
    monkeypatch.setattr("meterseal_agent.run.duties.RESTART_CAP_S", 0.002)
    duties, again = Duties(), asyncio.Event()

    async def work() -> None:
        if duties.failures.get("work", 0) >= 3:
            again.set()
            await asyncio.Event().wait()
        raise ValueError("the meter caught fire")

    task = asyncio.create_task(duties.keep("work", work))
    async with asyncio.timeout(60):
        await again.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert duties.failures == {"work": 3}
    assert "the meter caught fire" in caplog.text


def document(floor: Floor, **change: Any) -> dict[str, Any]:
    meters: Mapping[Any, Health] = {ONE.meter: Health(5, 0, 0, "")}
    whole: dict[str, Any] = {
        "at": BEGAN,
        "running": True,
        "registers": health.register_rows(floor.box.depths(), {ONE.meter: "S1"}),
        "meters": health.meter_rows(meters, {ONE.meter: "S1"}),
        "outbox": {"full": False, "damaged": 0},
        "uplink": {"connected": True, "trouble": "", "sent": 1, "answered": 1},
        "last_receipt": None,
    }
    return whole | change


async def test_all_well_is_no_alarm_and_each_trouble_is_one(floor: Floor) -> None:
    well = document(floor)
    assert health.find_alarms(well, clock=Clock.TRUSTED, now=BEGAN) == []
    silent = {"serial": "S1", "failures": 9, "trouble": "no answer in 0.8 s"}
    refused = well["registers"][0] | {"refused_until": BEGAN}
    held_back = well["registers"][0] | {"held_back": "key-revoked"}
    behind = well["registers"][0] | {"oldest": BEGAN}
    later = BEGAN + health.BEHIND_S + 1
    late = BEGAN + MAX_STEP + 1
    cut = {"uplink": {"connected": False, "trouble": ""}}
    for change, clock, now, says in (
        ({"outbox": {"full": True, "damaged": 0}}, Clock.TRUSTED, BEGAN, "full"),
        ({"outbox": {"full": False, "damaged": 2}}, Clock.TRUSTED, BEGAN, "damaged"),
        ({"meters": [silent]}, Clock.TRUSTED, BEGAN, "no answer in 0.8 s"),
        ({"registers": [refused]}, Clock.TRUSTED, BEGAN, "refused the last seal"),
        ({"registers": [held_back]}, Clock.TRUSTED, BEGAN, "key-revoked"),
        ({"registers": [behind]}, Clock.TRUSTED, later, "intervals wait"),
        ({"uplink": {"connected": False, "trouble": "x"}}, Clock.TRUSTED, BEGAN, "x"),
        ({"registers": [well["registers"][0]]}, Clock.TRUSTED, late, "enrol anew"),
        ({"running": False} | cut, Clock.TRUSTED, BEGAN, "stopped: no meter is read"),
        ({}, Clock.UNSET, BEGAN, "clock is unset"),
    ):
        (alarm,) = health.find_alarms(well | change, clock=clock, now=now)
        assert says in alarm.text


async def test_the_status_file_never_tells_a_registers_value(
    floor: Floor, tmp_path: Path
) -> None:
    put(floor.box, records(ONE, [987_654_321]))
    whole = document(floor)
    health.write(tmp_path, whole | {"alarms": []})
    text = (tmp_path / health.FILE).read_text()
    assert json.loads(text)["registers"][0]["records"] == 1
    assert "987654321" not in text
    assert "987655321" not in text
    assert (tmp_path / health.FILE).stat().st_mode & 0o777 == 0o600
    said: list[str] = []
    assert show(tmp_path, as_json=False, say=said.append) == 0
    assert any("S1" in line and "1-0:1.8.0" in line for line in said)
    ring = {"waiting": 6, "dropped": 2, "lost": 1}
    health.write(tmp_path, whole | {"alarms": [], "telemetry": ring})
    assert show(tmp_path, as_json=False, say=said.append) == 0
    assert "telemetry: 6 samples wait, 3 lost" in said


def test_systemd_hears_signs_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        path = os.path.relpath(tmp_path / "notify")
        ear.bind(path)
        ear.settimeout(5)
        health.notify("READY=1")
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        health.notify("WATCHDOG=1")
        assert ear.recv(100) == b"WATCHDOG=1"
    health.notify("WATCHDOG=1")
