"""A running agent asks the log by itself what its disk may have forgotten."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from meterseal_agent.run import health, remembering, restoring
from meterseal_agent.run.file_thread import FileThread
from meterseal_agent.run.remembering import Remembering
from meterseal_agent.sampler import Clock
from meterseal_agent.seal.logbook import NotProved
from meterseal_agent.seal.opening import NotOpened
from meterseal_proto.errors import Unavailable
from tests.support.committed import flat
from tests.support.lost_device import (
    BEGAN,
    DAY_S,
    PINNED,
    STEP,
    Device,
    Hands,
    House,
    a_restoring_house,
    used,
)

FLAT = flat(250_000)
PERIOD = BEGAN + 2 * DAY_S
LONG = 3 * DAY_S


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with a_restoring_house(tmp_path) as made:
        await made.publish(FLAT)
        yield made


@pytest.fixture
async def device(house: House, tmp_path: Path) -> AsyncIterator[Device]:
    """A device with one bill, back after three days without power."""
    one = Device(house, tmp_path / "home")
    await one.enrol()
    one.learn(FLAT)
    await one.live(PERIOD)
    await house.bill(one.bill(FLAT, BEGAN, PERIOD))
    one.close()
    one.open()
    one.at = PERIOD + LONG
    await one.live(one.at + DAY_S)
    with closing(one):
        yield one


def duty(device: Device) -> Remembering:
    source = restoring.Source(
        device.house.post, device.house.post, PINNED, Hands(device.house)
    )
    return Remembering(device.box, FileThread("outbox"), device.enrolment, source)


async def test_after_a_long_power_cut_bills_go_on_once_the_log_was_asked(
    device: Device,
) -> None:
    end = device.chain.head.end
    with pytest.raises(NotOpened, match="restore-history"):
        device.bill(FLAT, PERIOD, end)
    one = duty(device)
    assert await one.look() == 1
    assert await one.look() == 0, "nothing is in doubt any more"
    bill = device.bill(FLAT, PERIOD, end)
    assert bill.statement.amount == used(PERIOD, end) * 250_000
    await device.house.bill(bill)


async def test_a_log_that_is_not_believed_keeps_periods_closed_and_a_dead_one_too(
    device: Device,
) -> None:
    house, one = device.house, duty(device)
    house.spoil = lambda path, raw: raw[:-1] if "entries" in path else raw
    with pytest.raises(NotProved):
        await one.look()

    def down(_path: str, _body: bytes | None = None) -> bytes:
        raise Unavailable("no network")

    one._source = restoring.Source(down, down, PINNED, Hands(house))
    with pytest.raises(Unavailable):
        await one.look()
    with pytest.raises(NotOpened, match="restore-history"):
        device.bill(FLAT, PERIOD, device.chain.head.end)


async def test_the_duty_ends_at_once_though_the_aggregator_hangs(
    device: Device,
) -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    never = threading.Event()

    def hang(_path: str, _body: bytes | None = None) -> bytes:
        loop.call_soon_threadsafe(asked.set)
        never.wait(60)
        raise Unavailable("at last")

    one = duty(device)
    one._source = restoring.Source(hang, hang, PINNED, Hands(device.house))
    task = asyncio.create_task(one.look())
    async with asyncio.timeout(30):
        await asked.wait()
    task.cancel()
    began = loop.time()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert loop.time() - began < 1.0
    never.set()


async def test_a_short_pause_asks_nobody(house: House, tmp_path: Path) -> None:
    one = Device(house, tmp_path / "short")
    await one.enrol()
    one.close()
    one.open()
    with closing(one):
        one.read(BEGAN + 5 * STEP)
        one.at = BEGAN + 20 * STEP
        one.read(BEGAN + 24 * STEP)
        house.spoil = lambda _path, _raw: b"nobody should ask"
        assert await duty(one).look() == 0


async def test_the_duty_says_why_bills_wait_and_forgets_it_once_they_do_not(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembering, "LOOK_S", 0.01)
    monkeypatch.setattr(remembering, "AGAIN_CAP_S", 0.01)
    house, one = device.house, duty(device)
    house.spoil = lambda path, raw: raw[:-1] if "entries" in path else raw
    task = asyncio.create_task(one.run())
    async with asyncio.timeout(60):
        while "whole entries" not in one.trouble:
            await asyncio.sleep(0.01)
        document = {
            **dict.fromkeys(("meters", "registers"), ()),
            "memory": one.trouble,
            "running": True,
            "outbox": {"full": False, "damaged": 0},
            "uplink": {"connected": True},
        }
        (alarm,) = health.find_alarms(document, clock=Clock.TRUSTED, now=0)
        assert alarm.name == "openings-in-doubt"
        house.spoil = lambda _path, raw: raw
        while one.trouble:
            await asyncio.sleep(0.01)
    task.cancel()
    assert await one.look() == 0
