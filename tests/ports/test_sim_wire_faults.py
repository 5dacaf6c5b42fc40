"""Faults as a client meets them, byte by byte, on a serial line and on TCP."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from meterseal_sim.pace import Pace
from meterseal_sim.serve.frames import MBAP, opened, sealed
from meterseal_sim.stand import Wiring
from tests.support.simlines import HOST, START, Hands, homes_of, port_of, standing

FAST = Pace(115_200)
SILENT_S, PAUSE_S = 1.5, 0.25
SERIAL = struct.pack(">BHH", 3, 64512, 2)
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def asking(*told: str, rtu: bool) -> AsyncIterator[tuple[Streams, bytes]]:
    """A connection to a meter with faults, and what it rightly answers."""
    homes = homes_of("sdm630", told=told)
    right = b"\x03\x04" + struct.pack(">I", int(homes[0].serial))
    async with standing(homes, Hands(START), Wiring(rtu=rtu, pace=FAST)) as stand:
        reader, writer = await asyncio.open_connection(HOST, port_of(stand))
        yield (reader, writer), right
        writer.close()
        await writer.wait_closed()


async def whole(reader: asyncio.StreamReader) -> bytes:
    """Return all that comes: nothing in a while, or what comes without a pause."""
    said, wait_s = b"", SILENT_S
    while True:
        try:
            said += await asyncio.wait_for(reader.read(512), wait_s)
        except TimeoutError:
            return said
        wait_s = PAUSE_S


async def on_rtu(*told: str, questions: int = 1) -> tuple[list[bytes], bytes]:
    async with asking(*told, rtu=True) as ((reader, writer), right):
        said = []
        for _ in range(questions):
            writer.write(sealed(b"\x01" + SERIAL))
            said.append(await whole(reader))
        return said, right


async def on_tcp(*told: str, questions: int = 1) -> tuple[list[bytes], bytes]:
    async with asking(*told, rtu=False) as ((reader, writer), right):
        said = []
        for number in range(1, questions + 1):
            writer.write(MBAP.pack(number, 0, 6, 1) + SERIAL)
            said.append(await whole(reader))
        return said, right


async def test_without_a_fault_the_serial_number_comes() -> None:
    assert await on_rtu() == (
        [sealed(b"\x01" + (await on_rtu())[1])],
        (await on_rtu())[1],
    )


async def test_a_wrong_crc_is_the_right_answer_with_a_wrong_end() -> None:
    (said,), right = await on_rtu("1:wrong-crc:0:")
    assert said[:-2] == b"\x01" + right
    assert opened(said) is None


async def test_a_wrong_unit_answers_with_a_right_crc() -> None:
    (said,), right = await on_rtu("1:wrong-unit:0::4")
    assert opened(said) == (5, right)


async def test_a_truncated_answer_ends_early() -> None:
    (said,), right = await on_rtu("1:truncated:0::5")
    assert said == sealed(b"\x01" + right)[:-5]


async def test_noise_comes_before_the_answer() -> None:
    (said,), right = await on_rtu("1:noise:0::3")
    assert said[3:] == sealed(b"\x01" + right)


async def test_two_meters_of_one_address_make_one_answer_that_nobody_reads() -> None:
    (said,), right = await on_rtu("1:collision:0:")
    assert len(said) == len(right) + 3
    assert opened(said) is None


async def test_a_busy_meter_says_exception_6() -> None:
    (said,), _ = await on_rtu("1:busy:0:")
    assert opened(said) == (1, b"\x83\x06")


async def test_a_late_answer_comes_after_the_next_question() -> None:
    said, right = await on_rtu("1:late:0:", questions=3)
    frame = sealed(b"\x01" + right)
    assert said == [b"", frame, frame]


@pytest.mark.parametrize("kind", ["wrong-crc", "collision"])
async def test_a_gateway_tells_of_a_frame_with_a_wrong_crc_as_exception_11(
    kind: str,
) -> None:
    (said,), _ = await on_tcp(f"1:{kind}:0:")
    assert said == MBAP.pack(1, 0, 3, 1) + b"\x83\x0b"


async def test_on_tcp_a_late_answer_has_its_own_transaction() -> None:
    said, right = await on_tcp("1:late:0:", questions=2)
    assert said == [b"", MBAP.pack(1, 0, 7, 1) + right]


async def test_on_tcp_a_frame_can_be_cut_and_a_unit_wrong() -> None:
    (said,), right = await on_tcp("1:truncated:0::2")
    assert said == (MBAP.pack(1, 0, 7, 1) + right)[:-2]
    (said,), right = await on_tcp("1:wrong-unit:0:")
    assert said == MBAP.pack(1, 0, 7, 2) + right


async def test_dice_strike_the_same_questions_again() -> None:
    one, _ = await on_tcp("1:silence:0::0:0.5", questions=5)
    again, _ = await on_tcp("1:silence:0::0:0.5", questions=5)
    assert one == again
    assert 0 < sum(not said for said in one) < 5
