"""Modbus TCP when the other side misbehaves: what must never become a reading."""

import asyncio
import socket
import struct
from collections.abc import Callable

import pytest

from meterseal_agent.meters.modbus import (
    Line,
    ModbusMeter,
    Refused,
    TcpTransport,
    Timing,
)
from meterseal_agent.meters.planner import Block
from meterseal_agent.meters.profile import load
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import EXPORT, IMPORT
from tests.support.scripted_line import Asked, ScriptedLine

HOST = "127.0.0.1"
NOW = 1_782_900_000
BLOCK = Block(0, 2)
TIMEOUT_S = 1.0
PROFILE = load("schneider-iem3155")


async def read(line: Line, unit: int = 1) -> list[int]:
    return list(await line.read(unit, 3, BLOCK, TIMEOUT_S))


async def test_a_late_answer_is_never_taken_for_the_next_one() -> None:
    asked: list[Asked] = []

    async def script(one: Asked) -> None:
        asked.append(one)
        if len(asked) == 2:
            # The first answer arrives now, on its old connection, then the right one.
            asked[0].words([666, 666])
            one.words([1, 2])

    async with ScriptedLine(script) as server:
        line = Line(TcpTransport(HOST, server.port))
        with pytest.raises(Unavailable, match=r"no answer in 1 s"):
            await read(line)
        assert await read(line) == [1, 2]
        assert server.connections == 2
        line.close()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda one: one.words([1, 2], unit=one.unit + 1),
        lambda one: one.words([1, 2], off_by=1),
        lambda one: one.words([1]),
        lambda one: one.words([1, 2, 3]),
        lambda one: one.raw(b"\x04\x04\x00\x01\x00\x02"),
        lambda one: one.raw(b"\x03\xff\x00"),
        lambda one: one.raw(b""),
        lambda one: one.hang_up(),
    ],
)
async def test_a_wrong_answer_is_unavailable_and_the_line_starts_afresh(
    spoil: Callable[[Asked], None],
) -> None:
    count = 0

    async def script(one: Asked) -> None:
        nonlocal count
        count += 1
        if count == 1:
            spoil(one)
        else:
            one.words([7, 8])

    async with ScriptedLine(script) as server:
        line = Line(TcpTransport(HOST, server.port))
        with pytest.raises(Unavailable):
            await read(line)
        assert line.doubts(1)
        assert await read(line) == [7, 8]
        assert server.connections == 2
        line.close()


@pytest.mark.parametrize(("code", "wary"), [(2, False), (11, True)])
async def test_an_exception_is_an_answer_and_only_a_silent_target_makes_wary(
    code: int, wary: bool
) -> None:
    async def script(one: Asked) -> None:
        one.refuse(code)

    async with ScriptedLine(script) as server:
        line = Line(TcpTransport(HOST, server.port))
        for _ in range(2):
            with pytest.raises(
                Refused, match=f"exception {code} to 2 registers"
            ) as caught:
                await read(line)
            assert caught.value.code == code
        assert server.connections == 1
        assert line.doubts(1) is wary
        line.close()


async def test_a_port_nobody_listens_on_is_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        with pytest.raises(Unavailable, match="cannot connect"):
            await read(Line(TcpTransport(HOST, taken.getsockname()[1])))


async def test_units_share_one_connection_with_one_request_in_flight() -> None:
    flying, most = 0, 0

    async def script(one: Asked) -> None:
        nonlocal flying, most
        flying += 1
        most = max(most, flying)
        await asyncio.sleep(0)
        flying -= 1
        one.words([one.unit, one.address])

    async with ScriptedLine(script) as server:
        line = Line(TcpTransport(HOST, server.port))
        answers = await asyncio.gather(*(read(line, unit) for unit in range(1, 21)))
        assert answers == [[unit, 0] for unit in range(1, 21)]
        assert (server.connections, most) == (1, 1)
        line.close()


async def test_waiting_for_the_line_does_not_count_against_a_unit() -> None:
    async def script(one: Asked) -> None:
        if one.unit > 1:
            one.words([one.unit, 0])

    async with ScriptedLine(script) as server:
        line = Line(TcpTransport(HOST, server.port))
        dead, living = await asyncio.gather(
            read(line, 1), read(line, 2), return_exceptions=True
        )
        assert isinstance(dead, Unavailable)
        assert living == [2, 0]
        line.close()


class Counter:
    """A meter whose import register a test scripts, answer by answer."""

    def __init__(self, shown: list[int | None]) -> None:
        self.shown = shown
        self.asked = 0

    async def script(self, one: Asked) -> None:
        words = dict.fromkeys(range(one.address, one.address + one.count), 0)
        if 3203 in words:
            value = self.shown[min(self.asked, len(self.shown) - 1)]
            self.asked += 1
            if value is None:
                return
            shown = struct.unpack(">8H", struct.pack(">qq", value, 0))
            words |= dict(zip(range(3203, 3211), shown, strict=True))
        one.words(list(words.values()))


async def readings(shown: list[int | None], times: int) -> list[int | str]:
    """Return the import register of each reading, or what made it unavailable."""
    seconds = iter(range(1000))
    timing = Timing(TIMEOUT_S, lambda: next(seconds))
    counter = Counter(shown)
    got: list[int | str] = []
    async with ScriptedLine(counter.script) as server:
        line = Line(TcpTransport(HOST, server.port))
        meter = ModbusMeter(line, 1, PROFILE, timing)
        for _ in range(times):
            try:
                sample = await meter.read(NOW)
            except Unavailable as trouble:
                got.append(str(trouble).split(": ", 1)[1].split(" in ")[0])
            else:
                assert sample.values[EXPORT] == 0
                got.append(sample.values[IMPORT])
        line.close()
    return got


async def test_after_a_timeout_energy_is_read_twice_and_must_agree() -> None:
    assert await readings([100, None, 110, 111, 112], 4) == [100, "no answer", 111, 112]


@pytest.mark.parametrize("second", [9, 10_000])
async def test_two_readings_that_disagree_after_a_timeout_are_no_reading(
    second: int,
) -> None:
    got = await readings([100, None, 110, second, 111, 112, 113], 5)
    assert got[:2] == [100, "no answer"]
    assert got[2] == "read twice after trouble, 1-0:1.8.0 changed by what cannot be"
    assert got[3:] == [112, 113]


async def test_a_sound_line_is_asked_once() -> None:
    assert await readings([100, 101, 102], 3) == [100, 101, 102]
