"""One wire for serial lines and TCP: what comes, what goes, what is said when it ends."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from meterseal_agent.meters.wire import SerialPlace, Silent, TcpPlace, open_wire
from meterseal_proto.errors import Unavailable
from tests.support.serial_lines import FarEnd

HOST = "127.0.0.1"


@pytest.fixture
def line(tmp_path: Path) -> Iterator[FarEnd]:
    far = FarEnd(tmp_path)
    yield far
    far.pull()


@pytest.fixture
async def echo() -> AsyncIterator[TcpPlace]:
    """A TCP port that says back what it hears and hangs up at a full stop."""

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while (heard := await reader.read(100)) not in {b"", b"."}:
            writer.write(heard)
        writer.close()

    server = await asyncio.start_server(answer, HOST, 0)
    yield TcpPlace(HOST, server.sockets[0].getsockname()[1])
    server.close()
    await server.wait_closed()


async def test_a_serial_line_carries_both_ways(line: FarEnd) -> None:
    with closing(await open_wire(SerialPlace(line.device))) as wire:
        await wire.send(b"\x00\x11\x13\r\n\xff")
        assert await line.read(6) == b"\x00\x11\x13\r\n\xff"
        line.write(b"\x03\x04\n\r\x1a")
        assert await wire.receive(30) == b"\x03\x04\n\r\x1a"


async def test_a_tcp_wire_carries_both_ways_and_says_when_it_ends(
    echo: TcpPlace,
) -> None:
    with closing(await open_wire(echo)) as wire:
        await wire.send(b"abc")
        assert await wire.receive(30) == b"abc"
        await wire.send(b".")
        with pytest.raises(Unavailable, match="is gone: it hung up") as caught:
            await wire.receive(30)
        assert not isinstance(caught.value, Silent)


async def test_silence_is_told_from_an_end(line: FarEnd) -> None:
    with closing(await open_wire(SerialPlace(line.device))) as wire:
        with pytest.raises(Silent, match=r"nothing came in 0.02 s"):
            await wire.receive(0.02)
        line.write(b"x")
        assert await wire.receive(30) == b"x"


async def test_draining_discards_what_waits_and_never_waits(line: FarEnd) -> None:
    with closing(await open_wire(SerialPlace(line.device))) as wire:
        assert wire.drain() == b""
        line.write(b"late answer")
        assert wire.drain() == b"late answer"
        assert wire.drain() == b""
        with pytest.raises(Silent):
            await wire.receive(0.01)


async def test_what_waited_before_the_wire_was_opened_is_not_heard(
    line: FarEnd,
) -> None:
    line.write(b"old")
    with closing(await open_wire(SerialPlace(line.device))) as wire:
        line.write(b"new")
        assert await wire.receive(30) == b"new"


async def test_a_pulled_adapter_is_unavailable_and_is_found_when_it_is_back(
    line: FarEnd,
) -> None:
    place = SerialPlace(line.device)
    with closing(await open_wire(place)) as wire:
        asyncio.get_running_loop().call_later(0.01, line.pull)
        with pytest.raises(Unavailable, match="is gone"):
            await wire.receive(30)
        with pytest.raises(Unavailable, match="is gone"):
            await wire.send(b"?")
    with pytest.raises(Unavailable, match="no such device; plug the adapter in"):
        await open_wire(place)
    line.plug_in()
    with closing(await open_wire(place)) as wire:
        line.write(b"back")
        assert await wire.receive(30) == b"back"


async def test_a_line_belongs_to_one_program(line: FarEnd) -> None:
    place = SerialPlace(line.device)
    held = await open_wire(place)
    with closing(held), pytest.raises(Unavailable, match="in use by another program"):
        await open_wire(place)
    (await open_wire(place)).close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open every device")
async def test_a_line_without_permission_names_the_group(line: FarEnd) -> None:
    Path(line.device).chmod(0)
    with pytest.raises(Unavailable, match="group dialout"):
        await open_wire(SerialPlace(line.device))


async def test_a_file_is_no_serial_line(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("hello")
    with pytest.raises(Unavailable, match="cannot be used as a serial line"):
        await open_wire(SerialPlace(str(tmp_path / "notes")))


async def test_a_port_nobody_listens_on_is_said() -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        with pytest.raises(Unavailable, match="cannot connect to 127"):
            await open_wire(TcpPlace(HOST, taken.getsockname()[1]))


async def test_a_name_nobody_knows_is_said() -> None:
    with pytest.raises(Unavailable, match="connect to meter"):
        await open_wire(TcpPlace("meter.invalid", 502))


async def test_a_changed_baud_rate_waits_for_what_was_sent(line: FarEnd) -> None:
    place = SerialPlace(line.device, 300, 7, "E")
    assert place.char_s == pytest.approx(10 / 300)
    with closing(await open_wire(place)) as wire:
        started = time.monotonic()
        await wire.send(b"\x06050\r\n"[:3])
        await wire.set_line(9600, 7, "E")
        assert time.monotonic() - started >= 0.09
        assert wire.place == SerialPlace(line.device, 9600, 7, "E")


@pytest.mark.parametrize("parity", ["N", "E", "O"])
async def test_any_setting_opens_a_simulated_line_again_and_again(
    line: FarEnd, parity: str
) -> None:
    for bits in (7, 8, 7):
        place = SerialPlace(line.device, 9600, bits, parity, 2)
        with closing(await open_wire(place)) as wire:
            line.write(b"\xfe")
            assert await wire.receive(30) == b"\xfe"


async def test_a_network_line_keeps_its_speed(echo: TcpPlace) -> None:
    wire = await open_wire(echo)
    with closing(wire), pytest.raises(Unavailable, match="keeps its own speed"):
        await wire.set_line(9600, 8, "N")


async def test_a_long_send_is_delivered_whole(echo: TcpPlace) -> None:
    sent = bytes(range(256)) * 4000
    with closing(await open_wire(echo)) as wire:
        sending = asyncio.create_task(wire.send(sent))
        heard = b""
        while len(heard) < len(sent):
            heard += await wire.receive(30)
        await sending
        assert heard == sent


async def test_a_cancelled_receive_leaves_the_wire_usable(line: FarEnd) -> None:
    with closing(await open_wire(SerialPlace(line.device))) as wire:
        waiting = asyncio.create_task(wire.receive(5))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        line.write(b"x")
        assert await wire.receive(30) == b"x"
