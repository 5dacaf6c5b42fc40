"""A meter under an optical head: how it is asked, at which speed, and what is refused."""

import asyncio
import termios
from collections.abc import AsyncIterator

import pytest

from meterseal_agent.meters.modec import ModeCMeter, Question
from meterseal_agent.meters.wire import Silent, TcpPlace
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import IMPORT
from tests.support.push_stands import HOST, WANT, HeadStand
from tests.support.text_telegrams import data_message, energy

NOW = 1_782_900_000


@pytest.fixture
async def stand(request: pytest.FixtureRequest) -> AsyncIterator[HeadStand]:
    made = HeadStand(**getattr(request, "param", {}))
    yield made
    await made.close()


@pytest.mark.parametrize("stand", [{"start_baud": 300}], indirect=True)
async def test_a_session_begins_at_300_baud_and_goes_on_at_what_the_meter_offers(
    stand: HeadStand,
) -> None:
    meter = await stand.open()
    for _ in range(2):
        assert (await meter.read(NOW)).values == stand.truth()
    # Question and acknowledgement left at 300; the meter waited to hear 9600.
    assert stand.speeds == [termios.B300] * 4
    assert termios.tcgetattr(stand.far.fd)[4] == termios.B9600


@pytest.mark.parametrize("stand", [{"echo": True}], indirect=True)
async def test_a_head_that_echoes_is_understood(stand: HeadStand) -> None:
    meter = await stand.open()
    assert (await meter.read(NOW)).values == stand.truth()


@pytest.mark.parametrize("identification", ["/LGzEZMF100AC", "/LGz\\ZMF100AC"])
async def test_a_meter_of_mode_b_or_a_goes_on_without_an_acknowledgement(
    stand: HeadStand, identification: str
) -> None:
    stand.identification = identification
    meter = await stand.open()
    assert (await meter.read(NOW)).values == stand.truth()
    assert len(stand.speeds) == 1


async def test_a_wrong_block_check_is_no_answer_and_the_next_session_is(
    stand: HeadStand,
) -> None:
    stand.spoil = lambda said: said.replace(b"1.8.0(", b"2.8.0(", 1)
    meter = await stand.open()
    with pytest.raises(Unavailable, match="damaged: the block check is"):
        await meter.read(NOW)
    stand.spoil = bytes
    assert (await meter.read(NOW)).values == stand.truth()


async def test_a_read_out_that_stops_is_no_answer(stand: HeadStand) -> None:
    stand.spoil = lambda said: said[:-20]
    meter = await stand.open()
    with pytest.raises(Silent, match="no end of the read-out, after 84 bytes"):
        await meter.read(NOW)


async def test_a_head_that_fell_off_is_told(stand: HeadStand) -> None:
    meter = await stand.open()
    await stand.cut_off()
    with pytest.raises(Silent, match="line is silent; see that the head sits right"):
        await meter.read(NOW)


async def test_without_a_block_check_two_sessions_have_to_agree(
    stand: HeadStand,
) -> None:
    stand.spoil = lambda said: said[1:-2]
    meter = await stand.open()
    assert (await meter.read(NOW)).values == stand.truth()
    assert len(stand.speeds) == 4

    def wilder(said: bytes) -> bytes:
        stand.values[IMPORT] += 1_000_000
        return said[1:-2]

    stand.spoil = wilder
    with pytest.raises(Unavailable, match="two read-outs do not agree"):
        await meter.read(NOW)


async def test_behind_a_device_server_the_speed_stays_and_the_address_is_asked_for() -> (
    None
):
    heard: list[bytes] = []
    over = asyncio.Event()

    async def answer(asks: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        heard.append(await asks.readline())
        out.write(b"/LGz5ZMF100AC\r\n")
        heard.append(await asks.readline())
        out.write(data_message(*energy(5000, 0)))
        await asks.read()
        out.close()
        await out.wait_closed()
        over.set()

    server = await asyncio.start_server(answer, HOST, 0)
    place = TcpPlace(HOST, server.sockets[0].getsockname()[1])
    meter = ModeCMeter(place, WANT, Question(address="00123456", answer_s=1.5))
    assert (await meter.read(NOW)).values[IMPORT] == 5000
    assert heard == [b"/?00123456!\r\n", b"\x06000\r\n"]
    meter.close()
    await over.wait()
    server.close()


@pytest.mark.parametrize("address", ["12!", "\r\n", "1" * 33])
def test_an_address_that_would_break_the_question_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="is no address"):
        Question(address=address)
