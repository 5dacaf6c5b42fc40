"""RTU on a pty and through a device server, when slaves and lines misbehave."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from meterseal_agent.meters.modbus import (
    Garbled,
    Line,
    ModbusMeter,
    Refused,
    Request,
    RtuTransport,
    Timing,
)
from meterseal_agent.meters.planner import Block
from meterseal_agent.meters.profile import load
from meterseal_agent.meters.wire import SerialPlace, Silent, TcpPlace
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import IMPORT
from tests.support.rtu_bus import RtuBus, Unit, crc
from tests.support.serial_lines import FarEnd

BLOCK = Block(0, 2)
PATIENT_S = 2.0
"""What a unit is given that will answer: a busy machine must not look like silence."""
TIMEOUT_S = 0.1
"""What a unit is given that will not."""
NOW = 1_782_900_000
PROFILE = load("schneider-iem3155")


class Bench:
    """A pty bus with three units, and the agent's line to it."""

    def __init__(self, folder: Path) -> None:
        self.far = FarEnd(folder)
        self.units = {u: Unit({0: u, 1: 100 + u, 2: 7, 3: 8}) for u in (1, 2, 3)}
        self.bus = RtuBus(self.far.read_some, self.send, self.units)
        self.transport = RtuTransport(SerialPlace(self.far.device))
        self.line = Line(self.transport)

    async def send(self, raw: bytes) -> None:
        if self.far.fd >= 0:
            self.far.write(raw)

    async def read(self, unit: int, block: Block = BLOCK) -> list[int]:
        return list(await self.line.read(unit, 3, block, PATIENT_S))

    def be_patient(self) -> None:
        """Hear longer: a busy machine sends lumps later than an adapter does."""
        self.transport._gap_s = self.transport._calm_s = 1.0

    async def in_vain(self, unit: int) -> None:
        """Ask one that is silent, or answers too late."""
        with pytest.raises(Silent, match=rf"unit {unit}: no answer in 0.1 s"):
            await self.line.read(unit, 3, BLOCK, TIMEOUT_S)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    serving = asyncio.create_task(bench.bus.run())
    yield bench
    bench.line.close()
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving
    bench.far.pull()


async def test_units_answer_one_after_another(bench: Bench) -> None:
    answers = await asyncio.gather(*(bench.read(unit) for unit in (1, 2, 3, 2, 1)))
    assert answers == [[1, 101], [2, 102], [3, 103], [2, 102], [1, 101]]
    assert not any(bench.line.doubts(unit) for unit in bench.units)


async def test_between_an_answer_and_the_next_question_the_line_is_silent(
    bench: Bench,
) -> None:
    began = time.monotonic()
    for _ in range(10):
        await bench.read(1)
    assert time.monotonic() - began >= 10 * 3.5 * 10 / 9600
    began = time.monotonic()
    await bench.line.read(1, 3, BLOCK, PATIENT_S, 0.05)
    assert time.monotonic() - began >= 0.045


async def test_silence_is_doubted_and_costs_one_timeout(bench: Bench) -> None:
    bench.units[2].silent = True
    await bench.in_vain(2)
    assert bench.units[2].asked == 1
    assert bench.line.doubts(2)
    assert await bench.read(1) == [1, 101]
    assert not bench.line.doubts(1)


async def test_a_late_answer_is_never_taken_for_the_next_one(bench: Bench) -> None:
    bench.units[1].late_s = 0.3
    await bench.in_vain(1)
    bench.units[1].late_s = 0
    await asyncio.sleep(0.4)
    assert await bench.read(1, Block(2, 2)) == [7, 8]
    assert bench.transport.disturbed == 1
    assert bench.line.doubts(1)


async def test_a_late_answer_amid_another_units_turn_spoils_that_and_is_drained(
    bench: Bench,
) -> None:
    # The two answers come within the calm that a line is given after trouble.
    bench.be_patient()
    bench.units[1].late_s = 0.4
    bench.units[2].late_s = 0.32
    await bench.in_vain(1)
    with pytest.raises(Garbled):
        await bench.read(2)
    assert bench.line.doubts(2)
    assert await bench.read(3) == [3, 103]


SPOILT: list[tuple[Callable[[bytes], bytes], bool]] = [
    (lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), True),
    (lambda raw: raw[:5], True),
    (lambda raw: raw + raw, True),
    (lambda raw: os.urandom(300), True),
    (lambda raw: bytes([9]) + raw[1:-2] + crc(bytes([9]) + raw[1:-2]), False),
    (lambda raw: raw[:3] + crc(raw[:3]), False),
]


@pytest.mark.parametrize(("spoil", "noise"), SPOILT)
async def test_a_spoilt_answer_is_told_and_the_line_is_whole_for_the_next(
    bench: Bench, spoil: Callable[[bytes], bytes], noise: bool
) -> None:
    bench.units[1].spoil = spoil
    await bench.read(2)
    with pytest.raises(Garbled, match="unit 1: ") as caught:
        await bench.read(1)
    assert caught.value.noise is noise
    assert bench.line.doubts(1)
    assert bench.line.doubts(2)
    assert await bench.read(2) == [2, 102]


async def test_another_units_long_answer_is_heard_to_its_end_and_named(
    bench: Bench,
) -> None:
    bench.bus.baud = 9600
    bench.be_patient()
    bench.units[1].words = dict.fromkeys(range(60), 0x1234)
    bench.units[1].spoil = lambda raw: b"\x09" + raw[1:-2] + crc(b"\x09" + raw[1:-2])
    with pytest.raises(Garbled, match="unit 9 answered instead"):
        await bench.read(1, Block(0, 60))
    assert await bench.read(2) == [2, 102]
    assert bench.transport.disturbed == 0


async def test_bytes_that_nobody_asked_for_make_every_unit_doubtful(
    bench: Bench,
) -> None:
    assert await bench.read(1) == [1, 101]
    assert await bench.read(2) == [2, 102]
    bench.far.write(b"\x01\x03\x04 a second master's")
    assert await bench.read(1) == [1, 101]
    assert bench.line.doubts(1)
    assert bench.line.doubts(2)


async def test_a_connection_that_says_nothing_any_more_is_opened_anew() -> None:
    connections = 0
    lost, ended = asyncio.Event(), asyncio.Semaphore(0)

    async def swallow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await lost.wait()
        writer.close()
        await writer.wait_closed()
        ended.release()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    line = Line(RtuTransport(TcpPlace("127.0.0.1", port)))
    seen = []
    for unit in range(1, 6):
        with pytest.raises(Silent):
            await line.read(unit, 3, BLOCK, 0.3)
        seen.append(connections)
    assert seen == [1, 1, 1, 2, 2]
    line.close()
    lost.set()
    for _ in range(connections):
        await ended.acquire()
    server.close()
    await server.wait_closed()


async def test_the_noise_of_a_turning_line_is_passed_over(bench: Bench) -> None:
    bench.units[1].spoil = lambda raw: b"\x00" + raw + b"\xff"
    assert await bench.read(1) == [1, 101]
    assert await bench.read(1) == [1, 101]
    assert not bench.line.doubts(1)


async def test_an_exception_is_an_answer(bench: Bench) -> None:
    with pytest.raises(Refused, match="exception 2 to 2 registers at 90") as caught:
        await bench.read(1, Block(90, 2))
    assert caught.value.code == 2
    assert not bench.line.doubts(1)


async def test_registers_are_written_and_a_refusal_is_told(bench: Bench) -> None:
    await bench.line.write(1, Request.write_many(0, (77,)), PATIENT_S)
    await bench.line.write(1, Request.write_many(2, (5, 6)), PATIENT_S)
    assert await bench.read(1, Block(0, 4)) == [77, 101, 5, 6]
    bench.units[1].refuses = 1
    with pytest.raises(Refused, match="exception 1 to writing 1 registers at 0"):
        await bench.line.write(1, Request.write_many(0, (78,)), PATIENT_S)


async def test_a_pulled_adapter_is_found_again(bench: Bench) -> None:
    assert await bench.read(1) == [1, 101]
    bench.far.pull()
    with pytest.raises(Unavailable):
        await bench.read(1)
    with pytest.raises(Unavailable, match="plug the adapter in"):
        await bench.read(1)
    bench.far.plug_in()
    assert await bench.read(1) == [1, 101]


async def test_a_line_that_never_falls_silent_is_said(bench: Bench) -> None:
    await bench.read(1)

    async def babble() -> None:
        while True:
            bench.far.write(b"\x55")
            await asyncio.sleep(0.001)

    babbling = asyncio.create_task(babble())
    with pytest.raises(Unavailable, match=r"second master|checksum"):
        await bench.read(1)
    babbling.cancel()


class Register:
    """An import register that shows what a test says, one value a reading."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self._unit.words = dict.fromkeys(range(2990, 3300), 0)
        self.show(0)

    def show(self, value: int) -> None:
        for i, at in enumerate(range(3203, 3207)):
            self._unit.words[at] = value >> 16 * (3 - i) & 0xFFFF


async def test_after_noise_a_meter_is_asked_again_at_once_and_read_twice(
    bench: Bench,
) -> None:
    register = Register(bench.units[1])
    register.show(5000)
    meter = ModbusMeter(bench.line, 1, PROFILE, Timing(1.0))
    before = (await meter.read(NOW)).values
    asked = bench.units[1].asked
    last = iter(b"!")
    bench.units[1].spoil = lambda raw: raw[:-1] + bytes([next(last, raw[-1])])
    assert (await meter.read(NOW)).values == before
    assert before[IMPORT] == 5000
    assert bench.units[1].asked == 1 + 3 * asked
    assert not bench.line.doubts(1)


async def test_after_silence_two_readings_must_agree(bench: Bench) -> None:
    register = Register(bench.units[1])
    register.show(5000)
    meter = ModbusMeter(bench.line, 1, PROFILE, Timing(1.0))
    bench.units[1].silent = True
    with pytest.raises(Silent):
        await meter.read(NOW)
    bench.units[1].silent = False
    shown = iter(range(5000, 5000_000, 1000))

    def step(raw: bytes) -> bytes:
        register.show(next(shown))
        return raw

    bench.units[1].spoil = step
    with pytest.raises(Unavailable, match="read twice after trouble"):
        await meter.read(NOW)
    bench.units[1].spoil = None
    assert (await meter.read(NOW)).values[IMPORT] >= 5000
    assert not bench.line.doubts(1)
