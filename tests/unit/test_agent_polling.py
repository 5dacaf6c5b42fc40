"""The meters' duty: others are read without disturbing those that stay, and a hang is seen."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from meterseal_agent.config import parse
from meterseal_agent.meters.registers import Sample
from meterseal_agent.run import meters, polling, watched
from meterseal_agent.run.meters import Wired
from meterseal_agent.run.polling import Polling
from meterseal_agent.run.times import Times
from meterseal_agent.run.watched import LineStuck
from meterseal_proto.clock import ClockRate
from meterseal_proto.units import IMPORT, MeterId

TIMES = Times(ClockRate(0.0, 1000.0))
IDS = {name: MeterId(name.encode() * 16) for name in "AB"}


class Shows:
    """A meter that shows something, or hangs."""

    def __init__(self) -> None:
        self.hangs = False
        self.reads = 0

    async def read(self, now: int) -> Sample:
        self.reads += 1
        if self.hangs:
            await asyncio.Event().wait()
        return Sample(now, {IMPORT: self.reads}, None, {})


class Held:
    """A line that notes when it is let go."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


def wired(names: str) -> list[Wired]:
    """Return meters on lines of their own."""
    text = 'data_dir = "/tmp/a"\naggregator_url = "https://o.example.org"\n'
    for n, name in enumerate("AB"):
        text += f'[[meters]]\nserial = "{name}"\nprofile = "eastron-sdm120"\n'
        text += f'host = "127.0.0.{n + 1}"\ncapacity_w = 7400\nperiod_s = 10\n'
    found = meters.wire(parse(text, {}).meters, TIMES)
    return [
        replace(one, port=Shows(), line=Held(one.config.serial))
        for one in found
        if one.config.serial in names
    ]


async def until(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not happened():
            await asyncio.sleep(0.002)


def shows(one: Wired) -> Shows:
    assert isinstance(one.port, Shows)
    return one.port


def line(one: Wired) -> Held:
    assert isinstance(one.line, Held)
    return one.line


async def test_a_meter_that_stays_is_not_disturbed_and_one_that_goes_is_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(polling, "LOOK_S", 0.01)
    seen: list[MeterId] = []

    async def take(meter: MeterId, _sample: Sample) -> None:
        seen.append(meter)

    a, b = wired("AB")
    duty = Polling(IDS, TIMES, take)
    duty.use([a])
    task = asyncio.create_task(duty.run())
    await until(lambda: seen.count(IDS["A"]) >= 3)
    answers = duty.health()[IDS["A"]].answers
    duty.use([a, b])
    await until(lambda: seen.count(IDS["B"]) >= 2)
    assert duty.health()[IDS["A"]].answers >= answers
    assert (line(a).closed, line(b).closed) == (0, 0)
    duty.use([b])
    await until(lambda: line(a).closed == 1)
    reads = shows(a).reads
    before = shows(b).reads
    await until(lambda: shows(b).reads >= before + 3)
    assert shows(a).reads == reads
    assert line(b).closed == 0
    assert duty.turns > 0
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert line(b).closed == 1


async def test_a_line_that_hangs_ends_the_run_and_is_opened_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(polling, "LOOK_S", 0.01)
    monkeypatch.setattr(watched, "LINE_S", 200.0)

    async def take(_meter: MeterId, _sample: Sample) -> None:
        return

    (a,) = wired("A")
    shows(a).hangs = True
    duty = Polling(IDS, TIMES, take)
    duty.use([a])
    with pytest.raises(LineStuck):
        async with asyncio.timeout(60):
            await duty.run()
    assert line(a).closed == 1
    shows(a).hangs = False
    task = asyncio.create_task(duty.run())
    await until(lambda: duty.health()[IDS["A"]].answers >= 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_reading_that_does_not_end_cannot_keep_other_meters_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(polling, "LOOK_S", 0.01)
    monkeypatch.setattr(polling, "REPLACE_S", 0.05)

    async def take(_meter: MeterId, _sample: Sample) -> None:
        return

    a, b = wired("AB")
    shows(a).hangs = True
    duty = Polling(IDS, TIMES, take)
    duty.use([a])
    task = asyncio.create_task(duty.run())
    await until(lambda: shows(a).reads == 1)
    duty.use([b])
    with pytest.raises(LineStuck):
        async with asyncio.timeout(60):
            await task
    assert line(a).closed >= 1
    task = asyncio.create_task(duty.run())
    await until(lambda: shows(b).reads >= 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
