"""From the configuration's words to a reading: every protocol against a simulated meter."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from meterseal_agent.config import Config, parse
from meterseal_agent.meters.bus import Bus
from meterseal_agent.meters.registers import Sample
from meterseal_agent.run import meters
from meterseal_agent.run.times import Times
from meterseal_proto.clock import ClockRate
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import EXPORT, HEAT, IMPORT, WATER, MeterId
from meterseal_sim.scenario.model import Scenario
from meterseal_sim.scenario.read import Given, read
from meterseal_sim.scenario.work import stand_for
from meterseal_sim.serve.speakers import LITRE_WH
from meterseal_sim.street import build
from tests.support.radio import telegram
from tests.support.simlines import NOON, START

TIMES = Times(ClockRate())
URL = 'aggregator_url = "https://oracle.example"\n'
PUSHED = "interval_s = 0.2\n"
ELECTRIC = {
    "modbus": 'profile = "eastron-sdm630"',
    "dsmr": "",
    "sml": "",
    "d0": "",
    "d0-mode-c": "",
}


@asynccontextmanager
async def simulated(folder: Path, line: str, meters_: str) -> AsyncIterator[Scenario]:
    """Open simulated meters on the pty `p` of a folder."""
    head = f'start = {START}\n[[lines]]\nname = "p"\ntransport = "pty"\n'
    scenario = read(f"{head}{line}{meters_}", "x.toml", Given(START, folder))
    stand = stand_for(scenario, lambda: float(NOON))
    await stand.open()
    try:
        yield scenario
    finally:
        await stand.close()


def configured(folder: Path, line: str, meters_: str) -> Config:
    """Return a configuration with one line, the pty `p` of a folder."""
    device = f'[[lines]]\nname = "p"\ndevice = "{folder}/p"\n{line}'
    return parse(f"{URL}{device}{meters_}", {})


async def readings(config: Config) -> list[Sample]:
    """Return a sample of every meter, one after another."""
    wired = meters.wire(config.meters, TIMES)
    try:
        return [await one.port.read(NOON) for one in wired]
    finally:
        for line in meters.left(wired, ()):
            line.close()


@pytest.mark.parametrize("protocol", ELECTRIC)
async def test_a_configured_electricity_meter_is_read_to_the_wh(
    protocol: str, tmp_path: Path
) -> None:
    model = 'model = "eastron-sdm630"\n' if protocol == "modbus" else ""
    pushed = PUSHED if protocol in {"dsmr", "sml", "d0"} else ""
    baud = "baud = 2400\n" if protocol == "d0-mode-c" else ""
    mine = f'[[meters]]\nserial = "1"\nline = "p"\nprotocol = "{protocol}"\n'
    theirs = f'protocol = "{protocol}"\n{pushed}{baud}'
    async with simulated(
        tmp_path, theirs, f'[[meters]]\nline = "p"\n{model}'
    ) as scenario:
        config = configured(
            tmp_path, baud, f"{mine}{ELECTRIC[protocol]}\ncapacity_w = 20000"
        )
        (sample,) = await readings(config)
    truth = build(scenario.plan).homes[0].registers_at(NOON)
    assert sample.values[IMPORT] == truth.import_wh
    assert sample.values[EXPORT] == truth.export_wh


MBUS_METERS = """
[[meters]]
serial = "w"
line = "p"
protocol = "mbus"
kind = "water"
address = 5
capacity_l_per_h = 4000
[[meters]]
serial = "h"
line = "p"
protocol = "mbus"
kind = "heat"
address = 9
capacity_w = 20000
"""


async def test_water_and_heat_share_an_m_bus(tmp_path: Path) -> None:
    theirs = "".join(
        f'[[meters]]\nline = "p"\nunit = {unit}\nmedium = "{medium}"\n'
        for unit, medium in ((5, "water"), (9, "heat"))
    )
    line = "baud = 9600\n"
    async with simulated(tmp_path, f'protocol = "mbus"\n{line}', theirs) as scenario:
        water, heat = await readings(configured(tmp_path, line, MBUS_METERS))
    first, second = (home.registers_at(NOON) for home in build(scenario.plan).homes)
    assert water.values == {WATER: first.import_wh // LITRE_WH}
    assert heat.values == {HEAT: second.import_wh}


async def test_a_radio_meter_is_heard_through_its_programs_file(tmp_path: Path) -> None:
    log = tmp_path / "wmbus.json"
    log.touch()
    text = (
        f'{URL}[[lines]]\nname = "r"\nfile = "{log}"\n[[meters]]\nserial = "1"\n'
        'line = "r"\nprotocol = "wmbus"\nkind = "water"\naddress = "33225544"\n'
        "capacity_l_per_h = 2500"
    )
    (wired,) = meters.wire(parse(text, {}).meters, TIMES)

    async def speak() -> None:
        while True:
            with log.open("a") as out:
                out.write(telegram("33225544", "123.529") + "\n")
            await asyncio.sleep(0.05)

    # Closed and read again: the receiver is another one then, and hears as well.
    for _ in range(2):
        speaking = asyncio.create_task(speak())
        assert (await wired.port.read(NOON)).values == {WATER: 123_529}
        speaking.cancel()
        wired.line.close()


async def test_a_pulse_output_that_is_not_there_is_said(tmp_path: Path) -> None:
    text = (
        f'data_dir = "{tmp_path}"\n{URL}[[meters]]\nserial = "1"\nprotocol = "pulse"\n'
        'chip = "/dev/gpiochip99"\npin = 17\npulses_per_kwh = 1000\n'
        'registers = ["1-0:1.8.0"]\ncapacity_w = 3700'
    )
    (wired,) = meters.wire(parse(text, {}).meters, TIMES)
    for _ in range(2):
        with pytest.raises(Unavailable, match="gpiochip99"):
            await wired.port.read(NOON)
        wired.line.close()


def two_units(folder: Path, second: int, period_s: int = 1) -> Config:
    return configured(
        folder,
        "baud = 115200\n",
        "".join(
            f'[[meters]]\nserial = "{serial}"\nline = "p"\nunit = {unit}\n'
            f'profile = "eastron-sdm630"\ncapacity_w = 20000\nperiod_s = {period}\n'
            for serial, unit, period in (("a", 1, 1), ("b", second, period_s))
        ),
    )


async def test_a_running_bus_takes_a_corrected_unit_on_an_open_line(
    tmp_path: Path,
) -> None:
    ids = {serial: MeterId(serial.encode() * 16) for serial in "ab"}
    heard: Counter[str] = Counter()
    came = asyncio.Event()

    async def deliver(meter: MeterId, _: Sample) -> None:
        heard[meter[:1].decode()] += 1
        came.set()

    theirs = '[[meters]]\nline = "p"\nmodel = "eastron-sdm630"\ncount = 3\n'
    async with simulated(tmp_path, "baud = 115200\n", theirs):
        wrong = meters.wire(two_units(tmp_path, 9).meters, TIMES)
        bus = Bus(meters.stations(wrong, ids, TIMES), TIMES.clocks)
        running = asyncio.create_task(bus.run(deliver))
        while not bus.health()[ids["b"]].missed:
            await came.wait()
            came.clear()
        right = meters.wire(two_units(tmp_path, 2).meters, TIMES, wrong)
        assert right[0] is wrong[0]
        assert meters.left(wrong, right) == []
        before = heard["a"]
        await bus.replace(meters.stations(right, ids, TIMES))
        while not heard["b"] or heard["a"] < before + 2:
            await came.wait()
            came.clear()
        assert bus.health()[ids["a"]].missed == 0
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        right[0].line.close()
