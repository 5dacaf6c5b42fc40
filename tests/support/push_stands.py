"""Meters that speak by themselves, and one under an optical head, on the bench.

Each holds its truth, as `meter_stands` says, and speaks on a pseudo-terminal or to
whoever connects; a line nobody listens to loses what does not fit, as lines do.
"""

import asyncio
import os
import tempfile
import termios
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from meterseal_agent.meters.modec import ModeCMeter, Question
from meterseal_agent.meters.port import Meter
from meterseal_agent.meters.stream import Patience, StreamMeter, Want
from meterseal_agent.meters.telegrams.detect import Format, decoder
from meterseal_agent.meters.wire import SerialPlace, TcpPlace
from meterseal_proto.units import EXPORT, IMPORT, RegisterId
from tests.support.binary_frames import (
    entry,
    hdlc_frame,
    message,
    number,
    sml_frame,
    value_list,
)
from tests.support.serial_lines import FarEnd
from tests.support.text_telegrams import data_message, energy, framed, p1, pushed

HOST = "127.0.0.1"
WANT = Want((IMPORT, EXPORT), max_per_hour=17_250)
QUICK = Patience(timeout_s=1.5)
PERIOD_S = 0.01
IDENTIFICATION = "/LGz5ZMF100AC.M27"
"""The small z: 20 ms are enough before it is answered. 5: it can do 9600 baud."""
Tell = Callable[[int, int], bytes]


class Told:
    """The truth of a meter that tells its two totals."""

    def __init__(self) -> None:
        self.values: dict[RegisterId, int] = {IMPORT: 1_234_567, EXPORT: 89_012}

    def truth(self) -> dict[RegisterId, int]:
        return dict(self.values)

    def move_on(self) -> None:
        self.values[IMPORT] += 321


class PushStand(Told):
    """A meter that speaks on a serial line; cut off, its adapter is unplugged."""

    def __init__(self, which: Format, tell: Tell) -> None:
        super().__init__()
        self._which = which
        self.tell = tell

    async def open(self) -> Meter:
        self._folder = tempfile.TemporaryDirectory()
        self.far = FarEnd(Path(self._folder.name))
        self._speaking = asyncio.create_task(self._speak())
        place = SerialPlace(self.far.device, baud=115_200)
        self._meter = StreamMeter(place, decoder(self._which), WANT, QUICK)
        return self._meter

    async def close(self) -> None:
        self._meter.close()
        self._speaking.cancel()
        self.far.pull()
        self._folder.cleanup()

    async def cut_off(self) -> None:
        self.far.pull()

    async def plug_in(self) -> None:
        self.far.plug_in()

    async def _speak(self) -> None:
        while True:
            if self.far.fd >= 0:
                with suppress(BlockingIOError):
                    os.write(self.far.fd, self.tell(*self.values.values()))
            await asyncio.sleep(PERIOD_S)


class PushServerStand(Told):
    """A P1 meter behind a device server; cut off, the server hangs up.

    `connections` counts them all.
    """

    connections = 0

    async def open(self) -> Meter:
        self._port = 0
        self._heard_by: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        await self.plug_in()
        place = TcpPlace(HOST, self._port)
        self._meter = StreamMeter(place, decoder(Format.DSMR), WANT, QUICK)
        return self._meter

    async def close(self) -> None:
        self._meter.close()
        await self.cut_off()

    async def cut_off(self) -> None:
        self._server.close()
        for speaking in self._heard_by.values():
            speaking.cancel()
        await asyncio.gather(*self._heard_by.values(), return_exceptions=True)
        self._heard_by.clear()

    async def plug_in(self) -> None:
        self._server = await asyncio.start_server(self._heard, HOST, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def _heard(self, _: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._heard_by[out] = asyncio.create_task(self._speak(out))

    async def _speak(self, out: asyncio.StreamWriter) -> None:
        try:
            while True:
                out.write(p1(*energy(*self.values.values())))
                await out.drain()
                await asyncio.sleep(PERIOD_S)
        except ConnectionError:
            pass
        finally:
            out.close()


class HeadStand(Told):
    """A mode C meter that hears only the speed it is at; cut off, the head fell off.

    `echo` is a head that gives back what is sent; `spoil` changes what the meter says.
    """

    def __init__(self, start_baud: int = 9600, *, echo: bool = False) -> None:
        super().__init__()
        self._start_baud = start_baud
        self._echo = echo
        self._there = True
        self.identification = IDENTIFICATION
        self.speeds: list[int] = []
        self.spoil: Callable[[bytes], bytes] = bytes

    async def open(self) -> Meter:
        self._folder = tempfile.TemporaryDirectory()
        self.far = FarEnd(Path(self._folder.name))
        self._answering = asyncio.create_task(self._answer())
        question = Question(baud=self._start_baud, answer_s=1.5)
        self._meter = ModeCMeter(SerialPlace(self.far.device), WANT, question)
        return self._meter

    async def close(self) -> None:
        self._meter.close()
        self._answering.cancel()
        self.far.pull()
        self._folder.cleanup()

    async def cut_off(self) -> None:
        self._there = False

    async def plug_in(self) -> None:
        self._there = True

    async def _answer(self) -> None:
        while True:
            heard = await self.far.read_some()
            if not self._there:
                continue
            if self._echo:
                self.far.write(heard)
            self.speeds.append(termios.tcgetattr(self.far.fd)[4])
            if heard == b"/?!\r\n":
                self.far.write(self.identification.encode() + b"\r\n")
                if self.identification[4] == "5":
                    continue
            elif heard != b"\x06050\r\n":
                continue
            await self._changed()
            self.far.write(self.spoil(data_message(*energy(*self.values.values()))))

    async def _changed(self) -> None:
        """Wait until the line has the speed that was agreed, as a meter's ear does."""
        agreed = self.identification[4] in "5E"
        while agreed and termios.tcgetattr(self.far.fd)[4] != termios.B9600:
            await asyncio.sleep(0.001)


def _dsmr(import_wh: int, export_wh: int) -> bytes:
    return p1(*energy(import_wh, export_wh))


def _pushed(import_wh: int, export_wh: int) -> bytes:
    return pushed(*energy(import_wh, export_wh))


def _framed(import_wh: int, export_wh: int) -> bytes:
    return framed(*energy(import_wh, export_wh))


def _sml(import_wh: int, export_wh: int) -> bytes:
    entries = [
        entry("0100010800ff", number(import_wh * 10, 8)),
        entry("0100020800ff", number(export_wh * 10, 8)),
        entry("0100100700ff", number(378, 4, signed=True), unit=27, scaler=0),
    ]
    return sml_frame(message(value_list(b"\x0a\x01EMH\x00\x00\x00\x00\x01", entries)))


def _han(import_wh: int, export_wh: int) -> bytes:
    """As Aidon sends it: a notification of structures of code, value, scaler and unit."""
    told = [
        ("0100010700ff", 378, 27),
        ("0100020700ff", 0, 27),
        ("0100010800ff", import_wh, 30),
        ("0100020800ff", export_wh, 30),
    ]
    elements = b"".join(
        b"\x02\x03\x09\x06"
        + bytes.fromhex(code)
        + b"\x06"
        + value.to_bytes(4)
        + bytes((0x02, 0x02, 0x0F, 0, 0x16, unit))
        for code, value, unit in told
    )
    head = bytes.fromhex("e6e7000f4000000000") + bytes((1, len(told)))
    return hdlc_frame(head + elements)


def push_stands() -> dict[str, PushStand | PushServerStand | HeadStand]:
    """Return every such stand by name; built inside the loop that will use it."""
    return {
        "dsmr": PushStand(Format.DSMR, _dsmr),
        "dsmr-tcp": PushServerStand(),
        "d0": PushStand(Format.D0, _pushed),
        "d0-bcc": PushStand(Format.D0, _framed),
        "d0-mode-c": HeadStand(),
        "sml": PushStand(Format.SML, _sml),
        "han": PushStand(Format.HAN, _han),
    }


PUSH_NAMES = ("dsmr", "dsmr-tcp", "d0", "d0-bcc", "d0-mode-c", "sml", "han")
