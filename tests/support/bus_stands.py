"""Meters on an M-Bus, on the air and behind a pulse output, on the bench.

Each holds its truth, as `meter_stands` says: an electricity meter's two totals where it
tells them, a pulse output's one.
"""

import asyncio
import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

from meterseal_agent.meters.linesource import Followed
from meterseal_agent.meters.mbusline import (
    Address,
    MbusLine,
    MbusMeter,
    Primary,
    Secondary,
)
from meterseal_agent.meters.port import Meter
from meterseal_agent.meters.pulse import Pulse, PulseMeter
from meterseal_agent.meters.wire import SerialPlace
from meterseal_agent.meters.wmbusline import WmbusLine, WmbusMeter
from meterseal_proto.units import EXPORT, IMPORT, RegisterId
from tests.support.mbus_slave import Loop, Slave
from tests.support.pulses import Wire
from tests.support.serial_lines import FarEnd

BOTH = (IMPORT, EXPORT)
IDENT = "12345678"
QUICK_S = 1.0
PERIOD_S = 0.01
ELECTRICITY = 0x02


class _Bench:
    """A folder and the truth of a meter that tells its two totals."""

    def __init__(self) -> None:
        self.values: dict[RegisterId, int] = {IMPORT: 1_234_567, EXPORT: 89_012}

    def make_folder(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.folder = Path(self._folder.name)

    def truth(self) -> dict[RegisterId, int]:
        return dict(self.values)

    def move_on(self) -> None:
        self.values[IMPORT] += 321


class MbusStand(_Bench):
    """An electricity meter on an M-Bus that tells each total in a telegram of its own."""

    def __init__(self, address: Address) -> None:
        super().__init__()
        self._address = address
        self._slave = Slave(5, IDENT, self._telegrams, medium=ELECTRICITY)

    async def open(self) -> Meter:
        self.make_folder()
        self._far = FarEnd(self.folder)
        self._loop = Loop(self._far, [self._slave])
        self._loop.start()
        place = SerialPlace(self._far.device, 115_200, parity="E")
        self._line = MbusLine(place, QUICK_S)
        return MbusMeter(self._line, self._address, BOTH)

    async def close(self) -> None:
        self._line.close()
        await self._loop.stop()
        self._far.pull()
        self._folder.cleanup()

    async def cut_off(self) -> None:
        self._slave.cut_off = True

    async def plug_in(self) -> None:
        self._slave.cut_off = False

    def _telegrams(self) -> Sequence[bytes]:
        taken, given = (self.values[r].to_bytes(4, "little") for r in BOTH)
        return (
            b"\x04\x03" + taken + b"\x02\x2b\x64\x00\x1f",
            b"\x04\x83\x3c" + given,
        )


class RadioStand(_Bench):
    """An electricity meter on the air: its telegrams come through a FIFO."""

    async def open(self) -> Meter:
        self.make_folder()
        path = self.folder / "telegrams"
        os.mkfifo(path)
        self._handle = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._cut_off = False
        self._sending = asyncio.create_task(self._send())
        self._line = WmbusLine(Followed(path))
        return WmbusMeter(self._line, IDENT, BOTH, QUICK_S)

    async def close(self) -> None:
        self._sending.cancel()
        self._line.close()
        await self._line.ended()
        os.close(self._handle)
        self._folder.cleanup()

    async def cut_off(self) -> None:
        self._cut_off = True

    async def plug_in(self) -> None:
        self._cut_off = False

    async def _send(self) -> None:
        while True:
            if not self._cut_off:
                with suppress(BlockingIOError):
                    os.write(self._handle, self._telegram().encode())
            await asyncio.sleep(PERIOD_S)

    def _telegram(self) -> str:
        taken, given = self.values[IMPORT], self.values[EXPORT]
        return (
            f'{{"media":"electricity","meter":"amiplus","id":"{IDENT}",'
            f'"total_energy_consumption_kwh":{taken / 1000},'
            f'"total_energy_production_kwh":{given / 1000},'
            '"current_power_consumption_kw":0.1,"current_power_production_kw":0}\n'
        )


class PulseStand(_Bench):
    """A pulse output of 1000 pulses a kWh; cut off, its chip is gone."""

    async def open(self) -> Meter:
        self.make_folder()
        self._wire = Wire()
        del self.values[EXPORT]
        worth = Pulse(IMPORT, Fraction(1), start=self.values[IMPORT])
        self._meter = PulseMeter(self._wire, self.folder, worth, again_s=PERIOD_S)
        return self._meter

    async def close(self) -> None:
        self._meter.close()
        self._folder.cleanup()

    def move_on(self) -> None:
        # What nobody hears is not counted: the truth is what the line gave.
        if not self._wire.trouble:
            self.values[IMPORT] += 321
            self._wire.pulse(321)

    async def cut_off(self) -> None:
        self._wire.pull("no such chip")

    async def plug_in(self) -> None:
        before = self._wire.opened
        self._wire.trouble = ""
        async with asyncio.timeout(30):
            while self._wire.opened == before:
                await asyncio.sleep(PERIOD_S)


def bus_stands() -> dict[str, MbusStand | RadioStand | PulseStand]:
    """Return the stands by name."""
    return {
        "mbus-primary": MbusStand(Primary(5)),
        "mbus-secondary": MbusStand(Secondary(IDENT)),
        "wmbus": RadioStand(),
        "pulse": PulseStand(),
    }


BUS_NAMES = ("mbus-primary", "mbus-secondary", "wmbus", "pulse")
