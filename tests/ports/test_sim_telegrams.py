"""Meters that speak in telegrams: the agent's own adapters and bare ports hear them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import serial  # type: ignore[import-untyped]

from meterseal_agent.meters.mbusline import MbusLine, MbusMeter, Primary, Secondary
from meterseal_agent.meters.modec import ModeCMeter, Question
from meterseal_agent.meters.stream import Patience, StreamMeter, Want
from meterseal_agent.meters.telegrams.detect import Format, decoder
from meterseal_agent.meters.wire import SerialPlace, TcpPlace
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import EXPORT, HEAT, IMPORT, WATER
from meterseal_sim.pace import Pace
from meterseal_sim.scenario.model import Scenario
from meterseal_sim.scenario.read import Given, read
from meterseal_sim.scenario.work import stand_for
from meterseal_sim.serve.speakers import LITRE_WH
from meterseal_sim.stand import Stand
from meterseal_sim.street import build
from tests.support.simlines import NOON, START

WANT = Want((IMPORT, EXPORT), 20_000)
QUICK = Patience(timeout_s=5.0)


@asynccontextmanager
async def speaking(text: str, folder: Path) -> AsyncIterator[tuple[Scenario, Stand]]:
    head = f"start = {START}\n"
    scenario = read(head + text, "x.toml", Given(START, folder))
    stand = stand_for(scenario, lambda: float(NOON))
    await stand.open()
    try:
        yield scenario, stand
    finally:
        await stand.close()


def one(protocol: str, more: str = "", fault: str = "") -> str:
    return (
        f'[[lines]]\nname = "p"\nprotocol = "{protocol}"\ntransport = "pty"\n{more}\n'
        f'[[meters]]\nline = "p"\n{fault}'
    )


def truth(scenario: Scenario, home: int = 1) -> dict[object, int]:
    registers = build(scenario.plan).homes[home - 1].registers_at(NOON)
    return {IMPORT: registers.import_wh, EXPORT: registers.export_wh}


@pytest.mark.parametrize(
    ("which", "place"),
    [
        (Format.DSMR, partial(SerialPlace, baud=115_200)),
        (Format.SML, partial(SerialPlace, baud=9600)),
        (Format.D0, partial(SerialPlace, baud=9600, bits=7, parity="E")),
    ],
)
async def test_the_agent_hears_what_a_meter_says_of_its_own_accord(
    tmp_path: Path, which: Format, place: Callable[[str], SerialPlace]
) -> None:
    text = one(str(which.value), "interval_s = 0.2")
    async with speaking(text, tmp_path) as (scenario, _):
        meter = StreamMeter(place(str(tmp_path / "p")), decoder(which), WANT, QUICK)
        sample = await meter.read(NOON)
        meter.close()
        assert sample.values == truth(scenario)


async def test_the_agent_reads_an_optical_head_by_mode_c(tmp_path: Path) -> None:
    async with speaking(one("d0-mode-c", "baud = 2400"), tmp_path) as (scenario, _):
        place = SerialPlace(str(tmp_path / "p"), baud=2400, bits=7, parity="E")
        meter = ModeCMeter(place, WANT, Question(baud=2400))
        sample = await meter.read(NOON)
        meter.close()
        assert sample.values == truth(scenario)


async def test_a_head_answers_only_the_meter_that_is_meant(tmp_path: Path) -> None:
    def ask(serial_number: str) -> bytes:
        with serial.Serial(str(tmp_path / "p"), 9600, timeout=3.0) as port:
            port.write(f"/?{serial_number}!\r\n".encode())
            line: bytes = port.read_until(b"\n")
            return line

    async with speaking(one("d0-mode-c", "baud = 9600"), tmp_path) as (scenario, _):
        own = build(scenario.plan).homes[0].serial
        assert await asyncio.to_thread(ask, "99999999") == b""
        assert (await asyncio.to_thread(ask, own)).startswith(b"/MSL")


M_BUS = """
[[lines]]
name = "bus"
protocol = "mbus"
transport = "pty"
baud = 9600
[[meters]]
line = "bus"
unit = 5
medium = "water"
[[meters]]
line = "bus"
unit = 9
medium = "heat"
"""


async def test_the_agent_reads_water_and_heat_on_one_m_bus(tmp_path: Path) -> None:
    async with speaking(M_BUS, tmp_path) as (scenario, _):
        line = MbusLine(SerialPlace(str(tmp_path / "bus"), baud=9600, parity="E"), 1.0)
        homes = build(scenario.plan).homes
        water = await MbusMeter(line, Primary(5), (WATER,)).read(NOON)
        heat = await MbusMeter(line, Secondary(homes[1].serial), (HEAT,)).read(NOON)
        with pytest.raises(Unavailable):
            await MbusMeter(line, Primary(7), (WATER,)).read(NOON)
        with pytest.raises(Unavailable):
            await MbusMeter(line, Secondary("12345678"), (WATER,)).read(NOON)
        line.close()
        assert water.values == {WATER: truth(scenario)[IMPORT] // LITRE_WH}
        assert heat.values == {HEAT: truth(scenario, 2)[IMPORT]}


async def test_two_m_bus_slaves_that_are_both_selected_speak_over_each_other(
    tmp_path: Path,
) -> None:
    def frame(*body: int) -> bytes:
        raw = bytes(body)
        head = bytes((0x68, len(raw), len(raw), 0x68))
        return head + raw + bytes((sum(raw) % 256, 0x16))

    def ask() -> tuple[bytes, bytes]:
        with serial.Serial(str(tmp_path / "bus"), 9600, timeout=3.0) as port:
            port.write(frame(0x73, 253, 0x52, *([0xFF] * 8)))
            chosen: bytes = port.read(1)
            port.write(bytes((0x10, 0x7B, 253, 0x78, 0x16)))
            both: bytes = port.read(256)
            return chosen, both

    async with speaking(M_BUS, tmp_path):
        chosen, both = await asyncio.to_thread(ask)
    assert chosen == b"\xe5"
    assert len(both) > 20
    assert sum(both[4:-2]) % 256 != both[-2]


@pytest.mark.parametrize(
    "fault",
    ['kind = "wrong-crc"', 'kind = "truncated"', 'kind = "silence"', 'kind = "busy"'],
)
async def test_a_broken_telegram_is_never_a_reading(tmp_path: Path, fault: str) -> None:
    text = one("dsmr", "interval_s = 0.1", f'[[faults]]\nmeter = "p/1"\n{fault}\n')
    async with speaking(text, tmp_path):
        place = SerialPlace(str(tmp_path / "p"), baud=115_200)
        meter = StreamMeter(place, decoder(Format.DSMR), WANT, Patience(timeout_s=0.8))
        with pytest.raises(Unavailable):
            await meter.read(NOON)
        meter.close()


async def test_a_meters_clock_that_jumped_is_in_its_telegram(tmp_path: Path) -> None:
    def hear() -> bytes:
        with serial.Serial(str(tmp_path / "p"), 115_200, timeout=10) as port:
            port.read_until(b"0-0:1.0.0(")
            stamp: bytes = port.read(12)
            return stamp

    jump = '[[faults]]\nmeter = "p/1"\nkind = "clock-jump"\namount = -3600\n'
    async with speaking(one("dsmr", "interval_s = 0.2", jump), tmp_path):
        # 12:00:17 UTC is 13:00:17 winter time; the meter is an hour behind.
        assert await asyncio.to_thread(hear) == b"260701120017"


async def test_a_telegram_takes_the_time_of_its_bits(tmp_path: Path) -> None:
    text = one("sml", "interval_s = 5.0\nbaud = 2400").replace('"pty"', '"tcp"')
    async with speaking(text, tmp_path) as (_, stand):
        port = stand.places()[0][1].row()["port"]
        reader, writer = await asyncio.open_connection("127.0.0.1", str(port))
        begun = time.monotonic()
        heard = await reader.readexactly(200)
        took_s = time.monotonic() - begun
        writer.close()
    assert heard.startswith(b"\x1b\x1b\x1b\x1b\x01\x01\x01\x01")
    assert took_s >= Pace(2400).span_s(200) - Pace(2400).char_s * 5


async def test_every_client_of_a_port_hears_the_meter(tmp_path: Path) -> None:
    text = one("dsmr", "interval_s = 0.2").replace('"pty"', '"tcp"')
    async with speaking(text, tmp_path) as (scenario, stand):
        port = stand.places()[0][1].row()["port"]
        assert isinstance(port, int)
        place = TcpPlace("127.0.0.1", port)
        meters = [
            StreamMeter(place, decoder(Format.DSMR), WANT, QUICK) for _ in range(3)
        ]
        samples = await asyncio.gather(*(meter.read(NOON) for meter in meters))
        for meter in meters:
            meter.close()
        assert all(sample.values == truth(scenario) for sample in samples)
