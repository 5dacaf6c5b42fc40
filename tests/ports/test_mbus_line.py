"""Wired M-Bus over a pseudo-terminal: what a bus may do to an answer, and what we say."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from meterseal_agent.meters.mbusline import (
    MbusLine,
    MbusMeter,
    Primary,
    Secondary,
)
from meterseal_agent.meters.wire import SerialPlace
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import WATER, parse_obis
from tests.support.mbus_slave import Fault, Loop, Slave
from tests.support.serial_lines import FarEnd

NOW = 1_782_900_000
TIMEOUT_S = 1.0
BAUD = 115_200
IDENT = "12345678"
OTHER = "87654321"
FLOW = parse_obis("8-0:2.0.0")
MORE = b"\x1f"


def volume(litres: int) -> bytes:
    return b"\x04\x13" + litres.to_bytes(4, "little")


def shows(litres: int) -> Callable[[], Sequence[bytes]]:
    return lambda: [volume(litres)]


@asynccontextmanager
async def bus(folder: Path, *slaves: Slave) -> AsyncIterator[tuple[MbusLine, Loop]]:
    far_end = FarEnd(folder)
    loop = Loop(far_end, slaves)
    loop.start()
    line = MbusLine(SerialPlace(far_end.device, BAUD, parity="E"), TIMEOUT_S)
    try:
        yield line, loop
    finally:
        line.close()
        await loop.stop()
        far_end.pull()


async def litres(line: MbusLine, address: Primary | Secondary) -> int:
    sample = await MbusMeter(line, address, [WATER]).read(NOW)
    assert sample.at == NOW
    return sample.values[WATER]


def told(slave: Slave) -> list[str]:
    return [question.hex(" ").upper() for question in slave.asked]


async def test_a_meter_is_reset_and_asked_by_its_bus_address(tmp_path: Path) -> None:
    slave = Slave(5, IDENT, shows(1234))
    async with bus(tmp_path, slave) as (line, _):
        assert await litres(line, Primary(5)) == 1234
        assert await litres(line, Primary(5, IDENT)) == 1234
    assert told(slave) == ["10 40 05 45 16", "10 7B 05 80 16"] * 2


async def test_a_meter_is_selected_by_the_number_on_its_plate(tmp_path: Path) -> None:
    slaves = [Slave(5, IDENT, shows(1234)), Slave(5, OTHER, shows(99))]
    async with bus(tmp_path, *slaves) as (line, _):
        assert await litres(line, Secondary(IDENT)) == 1234
        assert await litres(line, Secondary(OTHER)) == 99
        assert await litres(line, Secondary(IDENT)) == 1234
    select = "68 0B 0B 68 53 FD 52 78 56 34 12 FF FF FF FF B2 16"
    assert told(slaves[0])[:2] == [select, "10 7B FD 78 16"]


async def test_all_telegrams_of_a_meter_are_read_with_the_count_bit_toggling(
    tmp_path: Path,
) -> None:
    pages = [
        b"\x0c\x78\x78\x56\x34\x12" + MORE,
        volume(77) + MORE,
        b"\x02\x3b\x10\x00",
    ]
    slave = Slave(1, IDENT, lambda: pages)
    async with bus(tmp_path, slave) as (line, _):
        sample = await MbusMeter(line, Primary(1), [WATER, FLOW]).read(NOW)
        assert sample.values == {WATER: 77}
        assert sample.unavailable.keys() == {FLOW}
        assert await litres(line, Primary(1)) == 77
    control = [question[1] for question in slave.asked]
    assert control == [0x40, 0x7B, 0x5B, 0x7B] * 2


async def test_a_meter_that_does_not_count_is_asked_no_longer_than_it_says_new(
    tmp_path: Path,
) -> None:
    slave = Slave(1, IDENT, lambda: [volume(5) + MORE], counts=False)
    async with bus(tmp_path, slave) as (line, _):
        assert await litres(line, Primary(1)) == 5
    assert len(slave.asked) == 3


async def test_a_meter_without_an_end_is_not_asked_for_ever(tmp_path: Path) -> None:
    told_so_far = 0

    def pages() -> Sequence[bytes]:
        nonlocal told_so_far
        told_so_far += 1
        return [bytes((0x01, 0x7A, told_so_far)) + MORE] * 20

    slave = Slave(1, IDENT, pages)
    async with bus(tmp_path, slave) as (line, _):
        sample = await MbusMeter(line, Primary(1), [WATER]).read(NOW)
        assert sample.values == {}
    assert len(slave.asked) == 17


@pytest.mark.parametrize("fault", [Fault.WRONG_CHECKSUM, Fault.CUT_OFF, Fault.NOISE])
async def test_a_damaged_answer_is_asked_for_once_more_with_the_same_bit(
    tmp_path: Path, fault: Fault
) -> None:
    slave = Slave(1, IDENT, shows(1234), faults=[fault])
    async with bus(tmp_path, slave) as (line, _):
        assert await litres(line, Primary(1)) == 1234
    assert [question[1] for question in slave.asked] == [0x40, 0x7B, 0x7B]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.SILENT, "address 1: no answer in 1 s"),
        (Fault.WRONG_CHECKSUM, "wrong checksum"),
        (Fault.WRONG_ADDRESS, "address 2 answered in its place"),
        (Fault.WRONG_NUMBER, "meter 99999999 answered in its place"),
        (Fault.CUT_OFF, "cut off after"),
        (Fault.BUSY, "reports an application error: application too busy"),
    ],
)
async def test_a_wrong_answer_is_no_reading_and_the_next_one_is_right(
    tmp_path: Path, fault: Fault, reason: str
) -> None:
    slave = Slave(1, IDENT, shows(1234), faults=[fault, fault])
    async with bus(tmp_path, slave) as (line, _):
        with pytest.raises(Unavailable, match=reason):
            await litres(line, Primary(1, IDENT))
        slave.faults.clear()
        assert await litres(line, Primary(1, IDENT)) == 1234


async def test_a_late_answer_is_never_taken_for_the_next_one(tmp_path: Path) -> None:
    shown = [10]
    slave = Slave(1, IDENT, lambda: [volume(shown[0])], faults=[Fault.LATE])
    async with bus(tmp_path, slave, Slave(2, OTHER, shows(99))) as (line, loop):
        with pytest.raises(Unavailable, match="no answer"):
            await litres(line, Primary(1))
        loop.far_end.write(slave.kept)
        assert await litres(line, Primary(2)) == 99
        shown[0] = 20
        assert await litres(line, Primary(1)) == 20


async def test_after_a_timeout_nothing_is_asked_until_the_bus_is_quiet(
    tmp_path: Path,
) -> None:
    shown = [10]
    slave = Slave(1, IDENT, lambda: [volume(shown[0])], faults=[Fault.LATE])
    async with bus(tmp_path, slave) as (line, loop):
        with pytest.raises(Unavailable, match="no answer"):
            await litres(line, Primary(1))
        shown[0], asked = 20, len(slave.asked)
        reading = asyncio.ensure_future(litres(line, Primary(1)))
        await asyncio.sleep(0.05)
        assert len(slave.asked) == asked
        loop.far_end.write(slave.kept)
        assert await reading == 20


async def test_a_dead_meter_is_asked_and_waited_for_only_once(tmp_path: Path) -> None:
    slave = Slave(1, IDENT, shows(1), cut_off=True)
    async with bus(tmp_path, slave) as (line, loop):
        meter = MbusMeter(line, Primary(1), [WATER])
        began = asyncio.get_running_loop().time()
        with pytest.raises(Unavailable):
            await meter.read(NOW)
        assert asyncio.get_running_loop().time() - began >= TIMEOUT_S
        assert len(loop.heard) == 1
        assert TIMEOUT_S < meter.silent_s < 3 * TIMEOUT_S


async def test_a_converter_that_hands_back_our_own_words_is_understood(
    tmp_path: Path,
) -> None:
    slave = Slave(1, IDENT, shows(1234), echo=True)
    async with bus(tmp_path, slave) as (line, _):
        assert await litres(line, Primary(1)) == 1234
        assert await litres(line, Secondary(IDENT)) == 1234


async def test_meters_of_one_bus_are_asked_one_at_a_time(tmp_path: Path) -> None:
    slaves = [Slave(n, f"0000000{n}", shows(n * 100)) for n in range(1, 6)]
    async with bus(tmp_path, *slaves) as (line, _):
        found = await asyncio.gather(*(litres(line, Primary(n)) for n in range(1, 6)))
    assert found == [100, 200, 300, 400, 500]


async def test_a_converter_that_is_unplugged_is_found_again(tmp_path: Path) -> None:
    slave = Slave(1, IDENT, shows(1234))
    async with bus(tmp_path, slave) as (line, loop):
        assert await litres(line, Primary(1)) == 1234
        await loop.stop()
        loop.far_end.pull()
        for _ in range(2):
            with pytest.raises(Unavailable, match="ttyMETER"):
                await litres(line, Primary(1))
        loop.far_end.plug_in()
        loop.start()
        assert await litres(line, Primary(1)) == 1234


async def test_a_reading_that_is_cancelled_leaves_the_bus_usable(
    tmp_path: Path,
) -> None:
    slave = Slave(1, IDENT, shows(1234), faults=[Fault.LATE])
    async with bus(tmp_path, slave) as (line, loop):
        reading = asyncio.ensure_future(litres(line, Primary(1)))
        await loop.late.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        loop.far_end.write(slave.kept)
        assert await litres(line, Primary(1)) == 1234


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Primary(251), "0 to 250"),
        (lambda: Primary(1, "12"), "eight digits"),
        (lambda: Secondary("1234567"), "eight digits"),
        (lambda: Secondary("1234567F"), "F stands for any digit"),
    ],
)
def test_an_address_that_names_no_one_meter_is_refused(
    make: Callable[[], object], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        make()
