"""A meter on the simulator is told its address and speed as a real one is."""

import asyncio
import struct
import time
from pathlib import Path

import minimalmodbus  # type: ignore[import-untyped]
import pytest
import serial  # type: ignore[import-untyped]

from meterseal_agent.cli import main
from meterseal_sim.pace import Pace
from meterseal_sim.serve.bus import Bus
from meterseal_sim.serve.frames import sealed
from meterseal_sim.stand import Stand, Wiring
from tests.support.simlines import (
    HOST,
    NOON,
    Hands,
    homes_of,
    on_terminal,
    port_of,
    standing,
)

DELIVERED = Pace()


def bus_of(stand: Stand) -> Bus:
    return stand.posts[0].line.bus


def write(address: int, value: float) -> bytes:
    return struct.pack(">BHHBf", 16, address, 2, 4, value)


async def agent(folder: Path, *options: str) -> int:
    place = ["--device", str(folder / "line"), "--memory", str(folder / "back.json")]
    return await asyncio.to_thread(main, ["address", *place, *options])


async def test_the_agent_sets_an_address_and_a_speed_and_takes_them_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meterseal_agent.technician.address.AGAIN_S", 0.01)
    homes = homes_of("sdm630")
    async with standing(homes, Hands(), on_terminal(tmp_path, strict=True)) as stand:
        both = ("--profile", "eastron-sdm630", "--to", "17", "--to-baud", "19200")
        assert await agent(tmp_path, *both) == 0
        assert list(bus_of(stand).homes) == [17]
        assert bus_of(stand).pace_of(17) == Pace(19_200)
        assert await agent(tmp_path, "--undo") == 0
        assert list(bus_of(stand).homes) == [1]
        assert bus_of(stand).pace_of(1) == DELIVERED


async def test_another_client_sets_an_address_and_reads_on_under_it(
    tmp_path: Path,
) -> None:
    homes = homes_of("sdm120")

    def tell() -> float:
        with serial.Serial(str(tmp_path / "line"), 9600, timeout=5) as port:
            minimalmodbus.Instrument(port, 1).write_float(20, 42.0)
            found: float = minimalmodbus.Instrument(port, 42).read_float(72, 4)
            return found

    async with standing(homes, Hands(), on_terminal(tmp_path)):
        kwh = await asyncio.to_thread(tell)
    assert round(kwh * 1000) == homes[0].registers_at(NOON).import_wh


async def test_a_meter_that_was_told_a_slower_speed_takes_its_time() -> None:
    homes = homes_of("sdm630")
    async with standing(homes, Hands(), Wiring(rtu=True)) as stand:
        bus_of(stand).ask(1, write(28, 5.0))
        reader, writer = await asyncio.open_connection(HOST, port_of(stand))
        begun = time.monotonic()
        writer.write(sealed(b"\x01" + struct.pack(">BHH", 4, 0, 20)))
        await reader.readexactly(45)
        took_s = time.monotonic() - begun
        writer.close()
        await writer.wait_closed()
    assert took_s >= Pace(1200).span_s(45)


@pytest.mark.parametrize(
    ("request_pdu", "answer"),
    [
        (write(20, 42.0), struct.pack(">BHH", 16, 20, 2)),
        (write(20, 248.0), b"\x90\x03"),
        (write(20, 1.5), b"\x90\x03"),
        (write(20, float("nan")), b"\x90\x03"),
        (write(28, 9.0), b"\x90\x03"),
        (write(20, 2.0), b"\x90\x03"),
        (write(72, 0.0), b"\x90\x02"),
        (write(22, 1.0), b"\x90\x02"),
        (struct.pack(">BHHBH", 16, 20, 1, 2, 5), b"\x90\x02"),
        (struct.pack(">BHHB", 16, 20, 2, 4), b"\x90\x03"),
        (b"\x10\x00", b"\x90\x03"),
        (struct.pack(">BHH", 6, 20, 5), b"\x86\x01"),
    ],
)
def test_only_a_setting_is_written_and_only_to_what_it_can_be(
    request_pdu: bytes, answer: bytes
) -> None:
    one, two = homes_of("sdm120", 2)
    bus = Bus({1: one, 2: two}, lambda: float(NOON))
    said = bus.ask(1, request_pdu)
    assert said is not None
    assert said.pdu == answer


def test_a_model_whose_address_is_set_at_its_keys_refuses_to_be_told() -> None:
    bus = Bus({1: homes_of("iem3155")[0]}, lambda: float(NOON))
    said = bus.ask(1, write(20, 42.0))
    assert said is not None
    assert said.pdu == b"\x90\x01"


def test_settings_are_read_back_as_they_were_told() -> None:
    bus = Bus({1: homes_of("sdm630")[0]}, lambda: float(NOON), Pace(9600, 8, "E"))

    def held(unit: int, address: int) -> float:
        said = bus.ask(unit, struct.pack(">BHH", 3, address, 2))
        assert said is not None
        assert said.pdu is not None
        (value,) = struct.unpack(">f", said.pdu[2:])
        return float(value)

    assert [held(1, address) for address in (18, 20, 28)] == [1.0, 1.0, 2.0]
    bus.ask(1, write(18, 0.0))
    bus.ask(1, write(28, 4.0))
    bus.ask(1, write(20, 99.0))
    assert bus.ask(1, write(20, 1.0)) is None
    assert [held(99, address) for address in (18, 20, 28)] == [0.0, 99.0, 4.0]
    assert bus.pace_of(99) == Pace(38_400)
    assert bus.tallies[99].asked == 9
